"""The flat plan: a network as a small table over a few flat buffers, so that one compilation serves
every depth and width.

Samples lie in lanes. Activations and deltas are kept transposed in panels of PANEL samples (two
vectors):

    a quantity with n features: [panel][n][PANEL], feature i of sample r at (r // PANEL * n + i) *
    PANEL + r % PANEL

so features are never padded, whatever a layer's width, and the only padding are the last panel's
empty sample lanes, which are kept out of everything by a delta of zero. The input of a layer has
one more row, of ones: its weight row is the bias. A layer's parameters are therefore one row-major
(n_in + 1, n_out) matrix, W with b below it, and so is its gradient.
"""

import copy
from itertools import pairwise

import numpy as np

from .activations import FIRST_GATED
from .cpu_features import CACHE_LINE
from .simd import lanes_of
from .tile import PACK_WIDTH, ROWS, VECTORS

LAYER = np.dtype(
    [
        ("n_in", "i8"),
        ("n_out", "i8"),
        ("activation", "i8"),  # code of f for a hidden layer; the last layer's is done in output.py
        ("parameters", "i8"),  # offset of (n_in + 1, n_out) in `parameters`
        ("x", "i8"),  # offset of the input panels in `work`
        # rows a panel of the input: n_in + 1, or n_in where the bias is not a row of the parameters
        ("x_rows", "i8"),
        ("a", "i8"),  # offset of the output panels in `work`
        # rows a panel of the output: n_out + 1 where the output is the input of a layer
        ("a_rows", "i8"),
        # offset in `work` of the (n_out, samples) panels of slopes, where they are none of the
        # outputs'
        ("slopes", "i8"),
        ("dropout", "f8"),  # rate at which training drops units of the output; 0 for none
        ("out", "i8"),  # offset in `out` where infer writes this layer's activations, or -1
    ],
    align=True,
)

# One record of everything else that a kernel is told. Offsets of sections of `work` end in _at.
JOB = np.dtype(
    [
        (name, "i8")
        for name in [
            "block",
            "batch",
            "n_in",
            "n_out",
            "output",
            "loss",
            "has_targets",
            "has_labels",
            "has_weights",
            "x_base",
            "x_row",
            "x_column",
            "t_base",
            "t_row",
            "t_column",
            "n_samples",  # of an order
            "begin",  # of a run: its first step in the order, and the first behind it
            "end",
            "done",
            "has_rates",
            "key0",  # two 32-bit words: the key of what training drops
            "key1",
            "row",  # place in the batch of the first sample of a step that an earlier call began
            "delta0_at",
            "delta1_at",
            "delta_t0_at",
            "delta_t1_at",
            "delta_t_rows",
            "targets_at",
            "labels_at",
            "scale_at",
            "pack_at",
            "pack_size",
            "tile_at",
            "tile_size",
            "strip_at",
            "strip_size",
        ]
    ]
    # Targets t of a smoothed loss become keep t + spread; with a spread of 0 they are left alone.
    + [("keep", "f8"), ("spread", "f8")],
    align=True,
)

BLOCK_ROWS = 1024  # rows worked on at a time in training: bounds the buffers of a large batch
INFER_ROWS = 256  # rows at a time in inference
# features gathered at a time: with the panel's samples they stay in the first-level cache
STRIP = 256
HUGE_PAGE = 1 << 21  # bytes
# of the contraction a packed strip of weights: with its rows it stays in the first-level cache
DEPTH = 512
STRIP_SIZE = PACK_WIDTH * DEPTH
# derivatives whose squares one member adds up at a time, where the gradient's norm is asked for
CHUNK = 1 << 13
TOGETHER = 4  # blocks of rows that use an input panel while it is in the second-level cache


def panel_of(dtype):
    """Samples a panel."""
    return VECTORS * lanes_of(np.dtype(dtype))


def round_up(n, multiple):
    return -(-n // multiple) * multiple


def aligned_zeros(n, dtype):
    """`n` zeros that start on a cache line, or where there are many on a huge page, which NumPy
    asks the system for."""
    size = np.dtype(dtype).itemsize
    boundary = HUGE_PAGE if n * size >= 2 * HUGE_PAGE else CACHE_LINE
    raw = np.zeros(n + boundary // size, dtype)
    first = -raw.ctypes.data % boundary // size
    return raw[first : first + n]


def slot_size(n, dtype):
    """Elements from one value of a rule's state to the next for `n` parameters: whole cache lines,
    see rules.py."""
    return round_up(n, CACHE_LINE // np.dtype(dtype).itemsize)


def new_state(slots, n, dtype):
    """An optimizer's state, `slots` values for each of `n` parameters."""
    return aligned_zeros(slots * slot_size(n, dtype), dtype)


def slots_of(state, n):
    """The values of `n` parameters in a state, as views of shape (slots, n)."""
    return state.reshape(-1, slot_size(n, state.dtype))[:, :n]


class Plan:
    """Tables and buffer sizes of one network for blocks of up to `rows` rows and a team of
    `members`.

    Attributes
    ----------
    layers : ndarray of LAYER
    job : ndarray of JOB, one record
    work_size, sums_size : int
        Elements of the work buffer (net's dtype) and of the float64 buffer of partial sums.
    """

    def __init__(self, widths, activations, dtype, rows, n_threads=1):
        panel = panel_of(dtype)
        panels = round_up(max(rows, 1), panel) // panel
        self.panel = panel
        self.work_size = 0
        widest = max(widths[1:])
        columns = round_up(widest, panel)
        layers: list[tuple] = []
        self.job = np.zeros(1, JOB)
        parameters, x, self.ones = 0, self._section((widths[0] + 1) * panels * panel), []
        for (n_in, n_out), activation in zip(pairwise(widths), activations, strict=True):
            a_rows = n_out + (len(layers) < len(widths) - 2)
            a, gated = self._section(a_rows * panels * panel), activation >= FIRST_GATED
            slopes = self._section(n_out * panels * panel) if gated else 0
            layers.append(
                (n_in, n_out, activation, parameters, x, n_in + 1, a, a_rows, slopes, 0.0, -1)
            )
            self.ones += [x + (p * (n_in + 1) + n_in) * panel for p in range(panels)]
            parameters += (n_in + 1) * n_out
            x = a
        self.layers = np.array(layers, LAYER)
        job, n_out = self.job[0], widths[-1]
        job["block"], job["n_in"], job["n_out"] = rows, widths[0], n_out
        job["delta0_at"], job["delta1_at"] = (
            self._section(widest * panels * panel) for _ in range(2)
        )
        job["delta_t0_at"], job["delta_t1_at"] = (
            self._section(columns * panels * panel) for _ in range(2)
        )
        job["delta_t_rows"] = panels * panel
        job["targets_at"] = self._section(n_out * panels * panel)
        job["labels_at"], job["scale_at"] = (
            self._section(panels * panel),
            self._section(panels * panel),
        )
        job["pack_size"] = STRIP_SIZE * TOGETHER
        job["pack_at"] = self._section(job["pack_size"] * n_threads)
        job["tile_size"] = ROWS * panel
        job["tile_at"] = self._section(job["tile_size"] * n_threads)
        job["strip_size"] = STRIP * panel
        job["strip_at"] = self._section(job["strip_size"] * n_threads)
        tiles = [-(-(i + 1) // ROWS) * -(-o // panel) for i, o in pairwise(widths)]
        self.sums_size = max(panels, sum(tiles) + -(-parameters // CHUNK))

    def _section(self, size):
        at, self.work_size = self.work_size, self.work_size + int(size)
        return at

    def copy(self):
        """One whose tables are its own."""
        other = copy.copy(self)
        other.layers, other.job = self.layers.copy(), self.job.copy()
        return other

    def work(self, dtype, n=1):
        """`n` work buffers with the rows of ones in place, (n, size): each starts on a cache
        line."""
        size = slot_size(self.work_size, dtype)
        buffers = aligned_zeros(n * size, dtype).reshape(n, size)
        for at in self.ones:
            buffers[:, at : at + self.panel] = 1
        return buffers
