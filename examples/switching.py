"""Switching from scikit-learn by changing one import: the same pipeline with both, their answers
and times side by side."""

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
    """The pipeline with this module's MLPClassifier, fitted, and the seconds that took."""
    pipe = make_pipeline(StandardScaler(), module.MLPClassifier(max_iter=40, random_state=0))
    start = time.perf_counter()
    pipe.fit(X_train, y_train)
    return pipe, time.perf_counter() - start


def main():
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
    results = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        run(fastbp.sklearn, X_train, y_train)  # compiles, or finds what was compiled before
        for module in (sklearn.neural_network, fastbp.sklearn):
            results[module.__name__] = pipe, seconds = run(module, X_train, y_train)
            loss, score = pipe[-1].loss_, pipe.score(X_test, y_test)
            print(
                f"{module.__name__:<24} {seconds:6.3f} s   loss {loss:.12f}   {score:.1%} of {len(y_test)} test digits right"
            )
    theirs, ours = (pipe[-1].coefs_ for pipe, _ in results.values())
    difference = max(
        float(abs(a - b).max() / abs(a).max()) for a, b in zip(theirs, ours, strict=True)
    )
    print(f"largest difference of a weight, relative to its layer's largest: {difference:.0e}")
    predictions = [pipe.predict(X_test) for pipe, _ in results.values()]
    return {"difference": difference, "same_predictions": bool(np.array_equal(*predictions))}


if __name__ == "__main__":
    main()
