"""Slow, obvious implementations that the kernels are checked against. Nothing here imports fastbp."""
