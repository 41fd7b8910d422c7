"""Computes on the CPU, with NumPy and numba."""
