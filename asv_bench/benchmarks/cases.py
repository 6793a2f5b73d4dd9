"""The networks that are timed, their data, and the processor's peak to compare with."""

import time
from itertools import pairwise

import numba
import numpy as np

import fastbp
from fastbp.kernels.plan import panel_of
from fastbp.kernels.tile import ROWS, VECTORS, tile_columns

# name: (widths, batch, samples an epoch)
CASES = {
    "tiny": ((64, 20, 20, 10), 25, 10_000),
    "small": ((64, 128, 64, 10), 32, 9_984),
    "medium": ((784, 256, 128, 10), 128, 4_096),
    "large": ((784, 1024, 1024, 10), 256, 1_024),
}
OPTIMIZERS = {"sgd": fastbp.SGD(0.01), "momentum": fastbp.SGD(0.01, 0.9), "adam": fastbp.Adam()}
# What a fit may do besides: settings of the net and of the fit.
EXTRAS = {
    "plain": ({}, {}),
    "l2": ({}, {"l2": 1e-4}),
    "l1": ({}, {"l1": 1e-4}),
    "clip_value": ({}, {"clip_value": 1.0}),
    "clip_norm": ({}, {"clip_norm": 1.0}),
    "dropout": ({"dropout": 0.5}, {}),
}


def data(case, dtype):
    """Inputs and labels of an epoch."""
    widths, _, n = CASES[case]
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, widths[0])).astype(dtype), rng.integers(0, widths[-1], n)


def flops(case):
    """Floating-point operations of an epoch of training."""
    widths, _, n = CASES[case]
    products = [a * b for a, b in pairwise(widths)]
    return 2 * n * (3 * sum(products) - products[0])


class Training:
    """A net that has been trained once, so that nothing is compiled any more, and one epoch of it."""

    def __init__(self, case, dtype="float32", optimizer="sgd", n_threads=None, extra="plain"):
        self.X, self.y = data(case, dtype)
        widths, batch, _ = CASES[case]
        of_net, of_fit = EXTRAS[extra]
        self.net = fastbp.MLP(widths, dtype=dtype, **of_net)
        options = {
            "batch_size": batch,
            "optimizer": OPTIMIZERS[optimizer],
            "shuffle": False,
            "n_threads": n_threads,
        }
        self.options = options | of_fit
        self.net.fit(self.X[:batch], self.y[:batch], epochs=1, **self.options)

    def epoch(self):
        self.net.fit(self.X, self.y, epochs=1, **self.options)


def seconds(function, repeats=7):
    """The median time of a call."""
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
    """What one core makes of the register tile on data that never leave its first-level cache: its
    FMA peak, nearly."""
    panel = panel_of(dtype)
    a, b = (np.ones(k * panel, dtype) for _ in range(2))
    c = np.zeros(ROWS * panel, dtype)

    def run():
        _multiply_adds(c, a, b, panel, ROWS, VECTORS, k, repeats)

    run()
    return 2 * ROWS * panel * k * repeats / seconds(run) / 1e9
