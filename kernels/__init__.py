"""The compiled core: Numba kernels that train dense networks and evaluate them.

Nothing here imports any other part of fastbp. Validation and Python objects belong above.
"""
