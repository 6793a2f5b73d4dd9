"""The flat plan: a network as a small table over a few flat buffers, so that one compilation serves
every depth and width.

Samples lie in lanes. Activations and deltas are stored transposed, in panels of PANEL samples (two
vectors):

    n features: [panel][n][PANEL], feature i of sample r at (r // PANEL * n + i) * PANEL + r % PANEL

Features are therefore never padded, whatever a layer's width. The only padding is the empty lanes
of the last panel, with a delta of zero. The input of a layer has one more row, of ones, which meets
the bias: a layer's parameters are one row-major (n_in + 1, n_out) matrix, W with b below it, and so
is its gradient.
"""

import copy
from itertools import pairwise

import numpy as np

from . import abi
from .abi import CACHE_LINE
from .cpu_features import PACK_WIDTH, TILE_ROWS, TILE_VECTORS, VECTOR_BYTES

# Features staged at a time when samples are gathered from a strided array: with a panel's samples
# they stay in the first-level cache.
STRIP = 256
HUGE_PAGE_BYTES = 1 << 21
# Rows of a packed strip of weights, of the contraction: with a panel of inputs the strip stays in
# the first-level cache.
DEPTH = 512
STRIP_SIZE = PACK_WIDTH * DEPTH
# Derivatives per partial sum of squares, for the gradient's norm.
CHUNK = 1 << 13
# Blocks of rows that use an input panel while it is in the second-level cache.
BLOCKS_PER_PANEL = 4


def panel_of(dtype):
    """Samples per panel."""
    return TILE_VECTORS * (VECTOR_BYTES // np.dtype(dtype).itemsize)


def round_up(n, multiple):
    return -(-n // multiple) * multiple


def aligned_zeros(n, dtype):
    """`n` zeros that start on a cache line; large arrays on a huge page, which NumPy requests from
    the system."""
    size = np.dtype(dtype).itemsize
    boundary = HUGE_PAGE_BYTES if n * size >= 2 * HUGE_PAGE_BYTES else CACHE_LINE
    raw = np.zeros(n + boundary // size, dtype)
    first = -raw.ctypes.data % boundary // size
    return raw[first : first + n]


def slot_size(n, dtype):
    """Elements from one slot of an optimizer's state to the next for `n` parameters: whole cache
    lines, see memory.slot_index."""
    return round_up(n, CACHE_LINE // np.dtype(dtype).itemsize)


def new_state(slots, n, dtype):
    """An optimizer's state: `slots` values for each of `n` parameters, zeros."""
    return aligned_zeros(slots * slot_size(n, dtype), dtype)


def slots_of(state, n):
    """An optimizer's state as views of shape (slots, n)."""
    return state.reshape(-1, slot_size(n, state.dtype))[:, :n]


class Plan:
    """Tables and buffer sizes of one network, for blocks of up to `rows` rows and up to `n_threads`
    threads.

    Parameters
    ----------
    widths : sequence of int, n_in of the first layer and n_out of each
    activations : sequence of int, one code per layer
    dtype : of the network
    rows : int
    n_threads : int

    Attributes
    ----------
    layers : ndarray of abi.LAYER
    job : ndarray of abi.JOB, one record
    panel : int, samples per panel
    work_size, sums_size : int
        Elements of the work buffer (network's dtype) and of the float64 buffer of partial sums.
    """

    def __init__(self, widths, activations, dtype, rows, n_threads=1):
        self.panel = panel = panel_of(dtype)
        panels = round_up(max(rows, 1), panel) // panel
        self.work_size = 0

        # Layers: the output panels of one are the input panels of the next.
        layers: list[tuple] = []
        self._ones = []  # where the rows of ones begin
        parameters = 0
        x = self._section((widths[0] + 1) * panels * panel)
        for (n_in, n_out), activation in zip(pairwise(widths), activations, strict=True):
            a_rows = n_out + (len(layers) < len(widths) - 2)
            a = self._section(a_rows * panels * panel)
            stores = activation in abi.STORES_SLOPES
            slopes = self._section(n_out * panels * panel) if stores else 0
            offsets = (parameters, x, n_in + 1, a, a_rows, slopes)
            layers.append((n_in, n_out, activation, stores, *offsets, 0.0, -1))
            self._ones += [x + (p * (n_in + 1) + n_in) * panel for p in range(panels)]
            parameters += (n_in + 1) * n_out
            x = a
        self.layers = np.array(layers, abi.LAYER)

        # Everything else in `work`: deltas, targets, and buffers of each thread.
        self.job = np.zeros(1, abi.JOB)
        job = self.job[0]
        job["block"] = rows
        job["n_in"] = widths[0]
        job["n_out"] = widths[-1]
        widest = max(widths[1:])
        for name in ("delta0_at", "delta1_at"):
            job[name] = self._section(widest * panels * panel)
        for name in ("delta_t0_at", "delta_t1_at"):
            job[name] = self._section(round_up(widest, panel) * panels * panel)
        job["delta_t_rows"] = panels * panel
        job["targets_at"] = self._section(widths[-1] * panels * panel)
        for name in ("labels_at", "scale_at"):
            job[name] = self._section(panels * panel)
        job["pack_size"] = STRIP_SIZE * BLOCKS_PER_PANEL
        job["tile_size"] = TILE_ROWS * panel
        job["strip_size"] = STRIP * panel
        for name in ("pack", "tile", "strip"):
            job[f"{name}_at"] = self._section(job[f"{name}_size"] * n_threads)

        tiles = [-(-(i + 1) // TILE_ROWS) * -(-o // panel) for i, o in pairwise(widths)]
        self.sums_size = max(panels, sum(tiles) + -(-parameters // CHUNK))

    def _section(self, size):
        """The offset of a new section of `work`."""
        at = self.work_size
        self.work_size += int(size)
        return at

    def copy(self):
        """A plan with tables of its own."""
        other = copy.copy(self)
        other.layers = self.layers.copy()
        other.job = self.job.copy()
        return other

    def work(self, dtype, n=1):
        """New work buffers (n, size) with the rows of ones written; each starts on a cache line."""
        size = slot_size(self.work_size, dtype)
        buffers = aligned_zeros(n * size, dtype).reshape(n, size)
        for at in self._ones:
            buffers[:, at : at + self.panel] = 1
        return buffers
