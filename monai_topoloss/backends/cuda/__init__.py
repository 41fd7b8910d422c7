"""Computes on NVIDIA GPUs: CUDA kernels, launched by CuPy on PyTorch's memory and streams."""
