"""Runs a Triton kernel on the CPU and checks every access."""
