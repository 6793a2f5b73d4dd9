"""A pytest plugin that puts fastbp's estimators in the place of scikit-learn's, before any test is
collected."""

import sklearn
import sklearn.neural_network

import fastbp.sklearn
from fastbp.patching import NAMES

for name in NAMES:
    setattr(sklearn.neural_network, name, getattr(fastbp.sklearn, name))


def pytest_report_header():
    ours = sklearn.neural_network.MLPClassifier.__module__
    return (
        f"MLPClassifier and MLPRegressor of scikit-learn {sklearn.__version__} are those of {ours}"
    )
