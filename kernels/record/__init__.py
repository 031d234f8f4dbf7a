"""What a kernel launches, and what each launch compiles to."""
