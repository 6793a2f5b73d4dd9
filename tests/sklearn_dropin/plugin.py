"""A pytest plugin that puts fastbp's estimators in the place of scikit-learn's, before any test is collected."""

import sklearn.neural_network

import fastbp.sklearn

for name in fastbp.sklearn.__all__:
    setattr(sklearn.neural_network, name, getattr(fastbp.sklearn, name))


def pytest_report_header():
    return f"MLPClassifier and MLPRegressor are those of {sklearn.neural_network.MLPClassifier.__module__}"
