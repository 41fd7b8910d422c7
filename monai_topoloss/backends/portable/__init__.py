"""The backend of operations on probabilities for any device, in PyTorch's own operations."""
