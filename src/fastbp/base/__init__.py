"""Checks, names, JSON, files and HTML that every other package may import.

Nothing here depends on a network, on threads or on the compiled kernels' entry points.
Code that needs a network belongs in `fastbp.engine` or above.
"""
