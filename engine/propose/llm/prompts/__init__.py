"""What a model is shown; the texts lie beside."""
