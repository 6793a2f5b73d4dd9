"""fastbp.sklearn beside scikit-learn itself: whole fits and predictions, same dtype, same process,
each with its own threads.

`python -m benchmarks.sklearn_dropin` in asv_bench/ prints the table.
"""

import math
import time
import warnings

import numpy as np
import sklearn.neural_network
from sklearn.datasets import load_digits

import fastbp.sklearn

from .cases import CASES

DTYPES = ["float32", "float64"]
# name: widths; "digits" is the data set, the others random numbers. The rest is scikit-learn's
# default: adam, relu, batch 200.
NETS = {"digits": (64, 100, 10), "medium": CASES["medium"][0], "large": CASES["large"][0]}
EPOCHS = {"digits": 200, "medium": 5, "large": 5}
ROUNDS = 5
# seconds, in which OpenBLAS's threads, which keep a core busy for a while after a product, go to
# sleep
PAUSE = 0.1
# seconds in one go: a shorter call is made once before, as a core that has slept is slow, then
# repeatedly
LEAST = 0.05


def data(net, dtype):
    """X, y to be fitted."""
    if net == "digits":
        X, y = load_digits(return_X_y=True)
        return (X / 16).astype(dtype), y
    n, widths = CASES[net][2], NETS[net]
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, widths[0])).astype(dtype), rng.integers(0, widths[-1], n)


def estimator(module, net):
    hidden, epochs = NETS[net][1:-1], EPOCHS[net]
    return module.MLPClassifier(hidden, max_iter=epochs, n_iter_no_change=epochs, random_state=0)


def _seconds(call, model, times):
    start = time.perf_counter()
    for _ in range(times):
        call(model)
    return (time.perf_counter() - start) / times


class Compared:
    """Seconds of a call by both, in alternating rounds."""

    timeout = 600

    def setup(self, *_):
        self.rounds = ROUNDS

    def seconds(self, call, ours, theirs):
        """(theirs, ours): the medians over the rounds."""
        times = []
        for _ in range(self.rounds + 1):  # the first one warms up
            for model in (theirs, ours):
                time.sleep(PAUSE)
                once = _seconds(call, model, 1)
                times.append(
                    once if once >= LEAST else _seconds(call, model, math.ceil(LEAST / once))
                )
        return tuple(np.median(np.reshape(times[2:], (-1, 2)), axis=0))


class Fit(Compared):
    params = (list(NETS), DTYPES)
    param_names = ("net", "dtype")

    def both(self, net, dtype):
        X, y = data(net, dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that so few epochs do not converge
            return self.seconds(
                lambda e: e.fit(X, y),
                *(estimator(m, net) for m in (fastbp.sklearn, sklearn.neural_network)),
            )

    def track_fit_speedup(self, net, dtype):
        theirs, ours = self.both(net, dtype)
        return theirs / ours

    track_fit_speedup.unit = "times"


class Predict(Compared):
    params = (list(NETS), DTYPES, [1, 10_000])
    param_names = ("net", "dtype", "rows")

    def both(self, net, dtype, rows):
        X, y = data(net, dtype)
        some = np.ascontiguousarray(np.resize(X, (rows, X.shape[1])))
        models = [
            estimator(m, net).set_params(max_iter=1)
            for m in (fastbp.sklearn, sklearn.neural_network)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for model in models:
                model.fit(X[:200], y[:200])
        return self.seconds(lambda e: e.predict(some), *models)

    def track_predict_speedup(self, net, dtype, rows):
        theirs, ours = self.both(net, dtype, rows)
        return theirs / ours

    track_predict_speedup.unit = "times"


def table():
    """Both benchmarks with all their parameters as a table of text."""
    yield "| what | net | dtype | scikit-learn | fastbp | times as fast |\n|---|---|---|---|---|---|"
    for kind in (Fit, Predict):
        benchmark = kind()
        benchmark.setup()
        benchmark.rounds = 9
        for net in NETS:
            for dtype in DTYPES:
                for rows in [1, 10_000] if kind is Predict else [None]:
                    theirs, ours = benchmark.both(net, dtype, *([] if rows is None else [rows]))
                    what = (
                        f"fit, {EPOCHS[net]} epochs"
                        if rows is None
                        else f"predict, {rows:,} row{'s' * (rows > 1)}"
                    )
                    unit, digits = (1e6, "µs") if rows == 1 else (1e3, "ms")
                    times = " | ".join(f"{t * unit:.3g} {digits}" for t in (theirs, ours))
                    widths = "-".join(map(str, NETS[net]))
                    yield f"| {what} | {widths} | {dtype} | {times} | {theirs / ours:.2f} |"


if __name__ == "__main__":
    for line in table():
        print(line, flush=True)
