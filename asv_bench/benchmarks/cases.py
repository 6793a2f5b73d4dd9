"""The networks that are timed, their data, and the FMA peak of one core for comparison."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import numba
import numpy as np

import fastbp
from fastbp.kernels.plan import panel_of
from fastbp.kernels.tile import ROWS, VECTORS, tile_columns

sys.path.insert(0, str(Path(__file__).parents[1]))  # asv makes only this package importable
import peers

CASES = {name: peers.TRAIN_CASES[name] for name in ("iris", "tiny", "small", "medium", "large")}


def data(case, dtype):
    """Inputs and labels."""
    return replace(CASES[case], dtype=dtype).data()


class Training:
    """The fit of a net that has been trained for one batch, so that its kernels are compiled.

    `net` holds options of the net, `fit` those of its fits; `y` replaces the labels.
    """

    def __init__(self, case, dtype="float32", net=(), y=None, **fit):
        batch = CASES[case].batch
        self.X, labels = data(case, dtype)
        self.y = labels if y is None else y
        self.net = fastbp.MLP(CASES[case].widths, dtype=dtype, **dict(net))
        self.options = {
            "epochs": CASES[case].epochs,
            "batch_size": batch,
            "optimizer": fastbp.SGD(0.01),
            "shuffle": False,
        } | fit
        self.net.fit(self.X[:batch], self.y[:batch], **self.options)

    def run(self, **options):
        self.net.fit(self.X, self.y, **self.options | options)


def seconds(function, repeats=7):
    """The median seconds of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


@numba.njit(error_model="numpy", nogil=True)
def _multiply_adds(c, a, b, step, rows, vectors, k, repeats):
    for _ in range(repeats):
        tile_columns(c, 0, True, a, 0, step, b, 0, rows, vectors, k)


def peak_gflops(dtype="float32", k=256, repeats=4000):
    """GFLOP/s of one core in the register tile, its operands in the first-level cache: close to the
    FMA peak."""
    panel = panel_of(dtype)
    a, b = (np.ones(k * panel, dtype) for _ in range(2))
    c = np.zeros(ROWS * panel, dtype)

    def run():
        _multiply_adds(c, a, b, panel, ROWS, VECTORS, k, repeats)

    run()
    return 2 * ROWS * panel * k * repeats / seconds(run) / 1e9
