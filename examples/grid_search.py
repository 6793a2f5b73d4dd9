"""A grid search over 24 small networks: scikit-learn with two processes, then fastbp with two
threads.

The kernels hold no lock of the interpreter, so threads train at the same time, without processes
and without copies of the data. Run it with ``python examples/grid_search.py``.
"""

import time
import warnings

import joblib
import sklearn.neural_network
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

import fastbp.sklearn

GRID = {
    "hidden_layer_sizes": [(16,), (32,), (32, 16)],
    "activation": ["relu", "tanh"],
    "alpha": [1e-5, 1e-4, 1e-3, 1e-2],
}


def run(module, backend, X, y, max_iter=100, **options):
    """The best score of a search with the MLPClassifier of this module, and its seconds."""
    net = module.MLPClassifier(max_iter=max_iter, random_state=0, **options)
    search = GridSearchCV(net, GRID, cv=5, n_jobs=2)
    start = time.perf_counter()
    with joblib.parallel_config(backend):
        search.fit(X, y)
    return search.best_score_, time.perf_counter() - start


def main():
    X, y = load_digits(return_X_y=True)
    X = X / 16
    warnings.simplefilter("ignore", ConvergenceWarning)
    fastbp.sklearn.MLPClassifier(max_iter=2).fit(X, y)  # compiles the kernels, or loads them
    score, theirs = run(sklearn.neural_network, "loky", X, y)
    print(f"scikit-learn, two processes: {theirs:.2f} s, best accuracy {score:.2%}")
    score, ours = run(fastbp.sklearn, "threading", X, y, n_threads=1)
    print(f"fastbp, two threads:         {ours:.2f} s, best accuracy {score:.2%}")
    print(f"{theirs / ours:.1f} times as fast")


if __name__ == "__main__":
    main()
