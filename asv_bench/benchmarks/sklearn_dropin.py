"""fastbp.sklearn beside scikit-learn: whole fits and predictions, same dtype, same process, each
library with its own choice of threads.

`python -m benchmarks.sklearn_dropin` in asv_bench/ prints the table of docs/sklearn/parity.md.
"""

import math
import runpy
import time
import warnings
from pathlib import Path

import numpy as np
import sklearn.neural_network
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

import fastbp.sklearn

from . import cases

DTYPES = ["float32", "float64"]
# "digits" is the data set, the others are random numbers. The rest is scikit-learn's default: adam,
# relu, batches of 200.
WIDTHS = {
    "digits": (64, 100, 10),
    "medium": cases.CASES["medium"].widths,
    "large": cases.CASES["large"].widths,
}
EPOCHS = {"digits": 200, "medium": 5, "large": 5}
MIN_SECONDS = 0.05  # of one measurement, after an uncounted call if one call is shorter


def data(net, dtype):
    """X and y to fit."""
    if net != "digits":
        return cases.data(net, dtype)
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(dtype), y


def estimators(net, epochs):
    """scikit-learn's and ours."""
    for module in (sklearn.neural_network, fastbp.sklearn):
        yield module.MLPClassifier(
            WIDTHS[net][1:-1], max_iter=epochs, n_iter_no_change=epochs, random_state=0
        )


def seconds(call, model, runs):
    """Mean seconds of a call."""
    start = time.perf_counter()
    for _ in range(runs):
        call(model)
    return (time.perf_counter() - start) / runs


class Comparison:
    """Seconds of a call with both libraries, in alternating rounds."""

    timeout = 600
    rounds = 5

    def medians(self, call, models):
        """Median seconds for each model over the rounds; the first round is not counted."""
        times = []
        for _ in range(self.rounds + 1):
            for model in models:
                time.sleep(cases.peers.PAUSE_SECONDS)
                once = seconds(call, model, 1)
                long = once >= MIN_SECONDS
                times.append(once if long else seconds(call, model, math.ceil(MIN_SECONDS / once)))
        return np.median(np.reshape(times[2:], (-1, 2)), axis=0)


class Fit(Comparison):
    params = (list(WIDTHS), DTYPES)
    param_names = ("net", "dtype")

    def both(self, net, dtype):
        X, y = data(net, dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return self.medians(lambda e: e.fit(X, y), list(estimators(net, EPOCHS[net])))

    def track_fit_time_over_sklearn(self, net, dtype):
        theirs, ours = self.both(net, dtype)
        return ours / theirs


class Predict(Comparison):
    params = (list(WIDTHS), DTYPES, [1, 10_000])
    param_names = ("net", "dtype", "rows")

    def both(self, net, dtype, rows):
        X, y = data(net, dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of convergence, and of a batch larger than the data
            models = [model.fit(X[:200], y[:200]) for model in estimators(net, 1)]
        X = np.ascontiguousarray(np.resize(X, (rows, X.shape[1])))
        return self.medians(lambda e: e.predict(X), models)

    def track_predict_time_over_sklearn(self, net, dtype, rows):
        theirs, ours = self.both(net, dtype, rows)
        return ours / theirs


class GridSearch:
    """24 small nets by five folds: two threads beside scikit-learn's two processes."""

    timeout = 300
    epochs = 100

    def track_time_over_sklearn(self):
        path = Path(__file__).parents[2] / "examples" / "grid_search.py"
        example = runpy.run_path(str(path))
        X, y = load_digits(return_X_y=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            theirs, ours = (
                example["run"](module, backend, X / 16, y, max_iter=self.epochs, **options)[1]
                for module, backend, options in (
                    (sklearn.neural_network, "loky", {}),
                    (fastbp.sklearn, "threading", {"n_threads": 1}),
                )
            )
        return ours / theirs


def main():
    """Print both benchmarks with all their parameters as a table."""
    Comparison.rounds = 9
    print(
        "| what | net | dtype | scikit-learn | fastbp | times as fast |\n|---|---|---|---|---|---|"
    )
    for net, widths in WIDTHS.items():
        for dtype in DTYPES:
            times = {f"fit, {EPOCHS[net]} epochs": Fit().both(net, dtype)}
            times["predict, 1 row"] = Predict().both(net, dtype, 1)
            times["predict, 10,000 rows"] = Predict().both(net, dtype, 10_000)
            for what, (theirs, ours) in times.items():
                unit, factor = ("µs", 1e6) if what.endswith("1 row") else ("ms", 1e3)
                cells = [what, "-".join(map(str, widths)), dtype]
                cells += [f"{theirs * factor:.3g} {unit}", f"{ours * factor:.3g} {unit}"]
                print(f"| {' | '.join(cells)} | {theirs / ours:.2f} |", flush=True)


if __name__ == "__main__":
    main()
