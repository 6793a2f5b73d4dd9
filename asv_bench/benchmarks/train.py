"""Training: time, rate, memory, accuracy, and the speed beside NumPy and scikit-learn in the same
process."""

import numpy as np

import fastbp

from .cases import CASES, Training, data, peak_gflops, peers, seconds

OPTIMIZERS = {"sgd": fastbp.SGD(0.01), "momentum": fastbp.SGD(0.01, 0.9), "adam": fastbp.Adam()}
# Options of the net, and of `fit`.
EXTRAS = {
    "plain": ({}, {}),
    "l2": ({}, {"l2": 1e-4}),
    "l1": ({}, {"l1": 1e-4}),
    "clip_value": ({}, {"clip_value": 1.0}),
    "clip_norm": ({}, {"clip_norm": 1.0}),
    "dropout": ({"dropout": 0.5}, {}),
}


class Fit:
    """One epoch. asv calls `setup` before each sample, so the net is warm."""

    params = (list(CASES), ["float32", "float64"], list(OPTIMIZERS), [1, 2])
    param_names = ("case", "dtype", "optimizer", "n_threads")
    timeout = 300

    def setup(self, case, dtype, optimizer, n_threads):
        self.training = Training(case, dtype, optimizer=OPTIMIZERS[optimizer], n_threads=n_threads)

    def time_fit(self, case, dtype, optimizer, n_threads):
        self.training.epoch()


class Extra:
    """An epoch on one thread with a penalty, clipping or dropout; `plain` is the reference."""

    params = (["small", "large"], list(EXTRAS))
    param_names = ("case", "extra")
    timeout = 300

    def setup(self, case, extra):
        net, fit = EXTRAS[extra]
        self.training = Training(case, net=net, n_threads=1, **fit)

    def time_extra(self, case, extra):
        self.training.epoch()


class Rate:
    """Floating-point operations a second of an epoch, absolute and relative to the FMA peak."""

    params = (list(CASES), ["float32", "float64"])
    param_names = ("case", "dtype")
    timeout = 300

    def setup(self, case, dtype):
        self.training = Training(case, dtype)

    def _gflops(self, case, **options):
        epoch_seconds = seconds(lambda: self.training.epoch(**options))
        return CASES[case].flops(predict=False) / epoch_seconds / 1e9

    def track_gflops(self, case, dtype):
        """With the default number of threads."""
        return self._gflops(case)

    track_gflops.unit = "GFLOP/s"

    def track_fraction_of_peak(self, case, dtype):
        """On one thread, relative to one core's peak, both measured in this process."""
        return self._gflops(case, n_threads=1) / peak_gflops(dtype)

    track_fraction_of_peak.unit = "of the peak"


class Speedup:
    """Time of an epoch by a peer over that of fastbp, alternating in one process."""

    params = (list(CASES),)
    param_names = ("case",)
    timeout = 300

    def setup(self, case):
        self.ours = Training(case)

    def _speedup(self, peer, case):
        theirs, _ = peer(CASES[case], None)
        theirs()
        pairs = [(seconds(theirs, 1), seconds(self.ours.epoch, 1)) for _ in range(5)]
        return float(np.median([peer_s / our_s for peer_s, our_s in pairs]))

    def track_speedup_vs_numpy(self, case):
        return self._speedup(peers.with_numpy, case)

    def track_speedup_vs_sklearn(self, case):
        return self._speedup(peers.with_sklearn, case)


class Memory:
    params = (["small", "large"],)
    param_names = ("case",)

    def peakmem_fit(self, case):
        Training(case).epoch()


class Gradient:
    def setup(self):
        X, y = data("medium", "float64")
        self.X = X[:256]
        self.y = y[:256]
        self.net = fastbp.MLP(CASES["medium"].widths)

    def track_gradient_error(self):
        """Of float32 against float64, relative to the largest element of an array."""
        exact = self.net.astype("float64").loss_and_gradients(self.X, self.y)[1]
        got = self.net.loss_and_gradients(self.X, self.y)[1]
        return max(float(abs(a - b).max() / abs(b).max()) for a, b in zip(got, exact, strict=True))

    track_gradient_error.unit = "relative"

    def track_gradient_check(self):
        """Of float64 against central differences."""
        return fastbp.check_gradients(self.net, self.X, self.y, per_array=20).max_error

    track_gradient_check.unit = "relative"
