"""One generation of one island: requests, screening, race, evaluations, and what they need of the outside."""
