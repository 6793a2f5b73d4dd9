"""Sizes of the workspace of calls on single layers (functional.py, functional_output.py)."""

from .plan import panel_of
from .target import TILE_ROWS

BLOCK = 512  # rows per block: bounds `work`
WIDEST = panel_of("float32")  # a panel of float64 is half as wide
# Elements of each thread's gradient tile.
TILE_SIZE = TILE_ROWS * WIDEST


def forward_size(n, n_in, n_out, n_threads):
    """Elements of `work` for `dense_forward`, at most."""
    return (min(n, BLOCK) + WIDEST) * (n_in + n_out) + packed_size(n_in, n_out)


def packed_size(n_in, n_out):
    """Elements of packed weights, at most."""
    return n_in * (n_out + WIDEST)


def backward_size(n, n_in, n_out, n_threads):
    """Elements of `work` for `dense_backward`, at most."""
    rows = min(n, BLOCK) + WIDEST
    of_rows = rows * (2 * n_in + 2 * n_out + WIDEST)
    return of_rows + packed_size(n_in, n_out) + n_threads * TILE_SIZE


def output_size(k):
    """Elements of `work` for `output_delta`, at most."""
    return WIDEST * (3 * k + 2)
