"""Zarr stores: what ``evaluate`` and ``skeletonize`` do with them, chunk by chunk."""
