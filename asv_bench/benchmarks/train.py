"""Training: time, memory, accuracy, and the time relative to the FMA peak and to NumPy and
scikit-learn in the same process. asv takes less for better."""

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
    """The epochs of a case. asv calls `setup` before each sample, so the net is warm."""

    params = (list(CASES), ["float32", "float64"], list(OPTIMIZERS), [1, 2])
    param_names = ("case", "dtype", "optimizer", "n_threads")
    timeout = 300

    def setup(self, case, dtype, optimizer, n_threads):
        self.training = Training(case, dtype, optimizer=OPTIMIZERS[optimizer], n_threads=n_threads)

    def time_fit(self, case, dtype, optimizer, n_threads):
        self.training.run()


class Extra:
    """A fit on one thread with a penalty, clipping or dropout; `plain` is the reference."""

    params = (["small", "large"], list(EXTRAS))
    param_names = ("case", "extra")
    timeout = 300

    def setup(self, case, extra):
        net, fit = EXTRAS[extra]
        self.training = Training(case, net=net, n_threads=1, **fit)

    def time_extra(self, case, extra):
        self.training.run()


class Relative:
    """The time of a fit relative to other times in this process."""

    params = (list(CASES),)
    param_names = ("case",)
    timeout = 300

    def setup(self, case):
        self.ours = Training(case)

    def track_time_over_peak(self, case):
        """On one thread, relative to the time of the products at one core's FMA peak."""
        operations = CASES[case].flops(predict=False) * CASES[case].samples * CASES[case].epochs
        return seconds(lambda: self.ours.run(n_threads=1)) * peak_gflops() * 1e9 / operations

    def _time_over(self, peer, case):
        theirs, _ = peer(CASES[case], None)
        theirs()
        pairs = [(seconds(theirs, 1), seconds(self.ours.run, 1)) for _ in range(5)]
        return float(np.median([our_s / peer_s for peer_s, our_s in pairs]))

    def track_time_over_numpy(self, case):
        return self._time_over(peers.with_numpy, case)

    def track_time_over_sklearn(self, case):
        return self._time_over(peers.with_sklearn, case)


class Memory:
    params = (["small", "large"],)
    param_names = ("case",)

    def peakmem_fit(self, case):
        Training(case).run()


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
