"""Switching from scikit-learn by changing one import: one pipeline with both libraries, their
results and times compared.

Run it with ``python examples/switching.py``.
"""

import time
import warnings

import numpy as np
import sklearn.neural_network
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastbp.sklearn


def run(module, X_train, y_train):
    """The fitted pipeline with the MLPClassifier of this module, and the seconds of the fit."""
    pipe = make_pipeline(StandardScaler(), module.MLPClassifier(max_iter=40, random_state=0))
    start = time.perf_counter()
    pipe.fit(X_train, y_train)
    return pipe, time.perf_counter() - start


def main():
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
    pipes = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        run(fastbp.sklearn, X_train, y_train)  # compiles the kernels, or loads them from the cache
        for module in (sklearn.neural_network, fastbp.sklearn):
            pipe, seconds = run(module, X_train, y_train)
            pipes.append(pipe)
            loss = f"loss {pipe[-1].loss_:.12f}"
            accuracy = f"accuracy {pipe.score(X_test, y_test):.1%} on {len(y_test)} digits"
            print(f"{module.__name__:<24} {seconds:6.3f} s   {loss}   {accuracy}")
    theirs, ours = (pipe[-1].coefs_ for pipe in pipes)
    difference = max(
        float(abs(a - b).max() / abs(a).max()) for a, b in zip(theirs, ours, strict=True)
    )
    print(f"largest difference of a weight, relative to the largest of its layer: {difference:.0e}")
    predictions = [pipe.predict(X_test) for pipe in pipes]
    return {"difference": difference, "same_predictions": bool(np.array_equal(*predictions))}


if __name__ == "__main__":
    main()
