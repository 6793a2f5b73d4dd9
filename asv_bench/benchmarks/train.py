"""Training: time, rate, memory, accuracy, and the speed beside NumPy and scikit-learn in the same
process."""

import importlib.util
import sys
from pathlib import Path

import numpy as np

import fastbp

from .cases import CASES, EXTRAS, OPTIMIZERS, Training, data, flops, peak_gflops, seconds

# From this tree's file: the version of fastbp that is timed may be one that has no such module.
PEERS = Path(__file__).parents[2] / "src" / "fastbp" / "cli" / "peers.py"
peers = importlib.util.module_from_spec(
    spec := importlib.util.spec_from_file_location("fastbp_peers", PEERS)
)
sys.modules[spec.name] = peers
spec.loader.exec_module(peers)


class Fit:
    """One epoch; the net is warmed up before, over and over as asv sets up anew for each sample."""

    params = (list(CASES), ["float32", "float64"], list(OPTIMIZERS), [1, 2])
    param_names = ("case", "dtype", "optimizer", "n_threads")
    timeout = 300

    def setup(self, case, dtype, optimizer, n_threads):
        self.training = Training(case, dtype, optimizer, n_threads)

    def time_fit(self, case, dtype, optimizer, n_threads):
        self.training.epoch()


class Extra:
    """An epoch on one thread with a penalty, clipping or dropout, beside one without."""

    params = (["small", "large"], list(EXTRAS))
    param_names = ("case", "extra")
    timeout = 300

    def setup(self, case, extra):
        self.training = Training(case, n_threads=1, extra=extra)

    def time_extra(self, case, extra):
        self.training.epoch()


class Rate:
    """Training with the default number of threads against the arithmetic it needs and the
    processor's peak."""

    params = (list(CASES), ["float32", "float64"])
    param_names = ("case", "dtype")
    timeout = 300

    def setup(self, case, dtype):
        self.training = Training(case, dtype)

    def track_gflops(self, case, dtype):
        return flops(case) / seconds(self.training.epoch) / 1e9

    track_gflops.unit = "GFLOP/s"

    def track_fraction_of_peak(self, case, dtype):
        """Of one core's peak, on one thread, both measured here and now."""
        self.training.options["n_threads"] = 1
        return flops(case) / seconds(self.training.epoch) / 1e9 / peak_gflops(dtype)

    track_fraction_of_peak.unit = "of the peak"


class Speedup:
    """Time of an epoch by a peer over fastbp's, alternating in one process."""

    params = (list(CASES),)
    param_names = ("case",)
    timeout = 300

    def setup(self, case):
        widths, batch, n = CASES[case]
        self.ours, self.case = Training(case), peers.Case(widths, batch, n)

    def _speedup(self, peer):
        epoch = peer(self.case, None)
        epoch()
        pairs = [(seconds(epoch, 1), seconds(self.ours.epoch, 1)) for _ in range(5)]
        return float(np.median([theirs / ours for theirs, ours in pairs]))

    def track_speedup_vs_numpy(self, case):
        return self._speedup(peers.numpy)

    def track_speedup_vs_sklearn(self, case):
        return self._speedup(peers.sklearn)


class Memory:
    params = (["small", "large"],)
    param_names = ("case",)

    def peakmem_fit(self, case):
        Training(case).epoch()


class Gradient:
    def setup(self):
        X, y = data("medium", "float64")
        self.net, self.X, self.y = fastbp.MLP(CASES["medium"][0]), X[:256], y[:256]

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
