"""The flat plan: a network as a small table over a few flat buffers, so that one compilation serves
every depth and width.

Samples lie in lanes. Activations and deltas are stored transposed, in panels of PANEL samples (two
vectors):

    n features: [panel][n][PANEL], feature i of sample r at (r // PANEL * n + i) * PANEL + r % PANEL

Features are therefore never padded, whatever a layer's width. The only padding is the empty lanes
of the last panel, with a delta of zero. The input of a layer has one more row, of ones, which meets
the bias: a layer's parameters are one (n_in + 1, n_out) matrix, W with b below it.

Parameters have two layouts. The public arrays and the gradient are row-major. Kernels that read
parameters more than once, and training, use a packed copy, panel-major:

    [panel of PANEL columns][n_in + 1][PANEL], zeros in the lanes beyond n_out

A tile of packed parameters is contiguous, and a panel with its optimizer state is written by one
thread. Row-major, the rows of a tile are n_out elements apart, often in the same cache sets: Adam's
update then took up to seven times as long.
"""

import copy
from itertools import pairwise

import numpy as np

from . import abi
from .abi import CACHE_LINE
from .target import TILE_ROWS, TILE_VECTORS, VECTOR_BYTES

# Features staged at a time when samples are gathered from a strided array: with a panel's samples
# they stay in the first-level cache.
STRIP = 256
HUGE_PAGE_BYTES = 1 << 21
# Terms of a contraction that are added before the next tile: what they read stays in the caches. A
# multiple of PANEL.
DEPTH = 512
# Derivatives per partial sum of squares, for the gradient's norm.
CHUNK = 1 << 13
# Input rows of a partial sum of the penalty.
PENALTY_ROWS = 64


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
    trains : bool
        Whether `work` has room for `train`, or for `infer` only.

    Attributes
    ----------
    layers : ndarray of abi.LAYER
    job : ndarray of abi.JOB, one record
    panel : int, samples per panel
    work_size, sums_size : int
        Elements of the work buffer (network's dtype) and of the float64 buffer of partial sums.
    packed_size : int
        Elements of the packed parameters.
    """

    def __init__(self, widths, activations, dtype, rows, n_threads=1, trains=True):
        self.panel = panel = panel_of(dtype)
        panels = round_up(max(rows, 1), panel) // panel
        self.work_size = 0

        # Layers: the output panels of one are the input panels of the next.
        layers: list[tuple] = []
        self._ones = []  # where the rows of ones begin
        parameters = 0
        self.packed_size = 0
        x = self._section((widths[0] + 1) * panels * panel)
        for (n_in, n_out), activation in zip(pairwise(widths), activations, strict=True):
            a_rows = n_out + (len(layers) < len(widths) - 2)
            a = self._section(a_rows * panels * panel)
            stores = activation in abi.STORES_SLOPES
            slopes = self._section(n_out * panels * panel) if stores else 0
            w_panel = (n_in + 1) * panel
            packed = (self.packed_size, panel, w_panel)
            offsets = (parameters, *packed, x, n_in + 1, a, a_rows, slopes)
            layers.append((n_in, n_out, activation, stores, *offsets, 0.0, -1))
            self._ones += [x + (p * (n_in + 1) + n_in) * panel for p in range(panels)]
            parameters += (n_in + 1) * n_out
            self.packed_size += round_up(n_out, panel) // panel * w_panel
            x = a
        self.layers = np.array(layers, abi.LAYER)

        # Everything else in `work`: deltas, targets, and buffers of each thread.
        self.job = np.zeros(1, abi.JOB)
        job = self.job[0]
        job["block"] = rows
        job["n_in"] = widths[0]
        job["n_out"] = widths[-1]
        widest = max(widths[1:]) if trains else widths[-1]
        job["delta0_at"] = self._section(widest * panels * panel)
        if trains:
            job["delta1_at"] = self._section(widest * panels * panel)
            for name in ("delta_t0_at", "delta_t1_at"):
                job[name] = self._section(round_up(widest, panel) * panels * panel)
        job["delta_t_rows"] = panels * panel
        job["targets_at"] = self._section(widths[-1] * panels * panel)
        for name in ("labels_at", "scale_at"):
            job[name] = self._section(panels * panel)
        job["tile_size"] = TILE_ROWS * panel
        job["strip_size"] = STRIP * panel
        for name in ("tile", "strip"):
            job[f"{name}_at"] = self._section(job[f"{name}_size"] * (n_threads if trains else 1))

        penalties = sum(round_up(n_in, PENALTY_ROWS) // PENALTY_ROWS for n_in in widths[:-1])
        self.sums_size = penalties + round_up(parameters, CHUNK) // CHUNK

    def _section(self, size):
        """The offset of a new section of `work`."""
        at = self.work_size
        self.work_size += int(size)
        return at

    def row_major(self):
        """A copy of the plan for row-major parameters, which only `dense.forward` can read."""
        other = self.copy()
        layers = other.layers
        layers["w"] = layers["parameters"]
        layers["w_row"] = layers["n_out"]
        layers["w_panel"] = self.panel
        return other

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
