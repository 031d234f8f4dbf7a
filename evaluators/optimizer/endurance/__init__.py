"""What a rule must survive beyond its trainings: thousands of steps in a row, and a much longer training."""
