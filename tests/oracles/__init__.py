"""Slow, obvious implementations to check the kernels against. Nothing here imports fastbp."""
