"""scikit-learn's MLP estimators and ours, fitted alike, and the largest differences between them.

`python tests/helpers/parity.py` prints the table of docs/sklearn/parity.md.
"""

import functools
import warnings

import numpy as np
import scipy.sparse
from sklearn import neural_network
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    make_multilabel_classification,
)
from sklearn.preprocessing import scale

import fastbp.sklearn

# name: (data, settings besides random_state, mode); the mode is the way of training, see `fitted`
CASES = {
    "adam": ("digits", {}, "fit"),
    "adam, identity": ("digits", {"activation": "identity"}, "fit"),
    "adam, logistic": ("digits", {"activation": "logistic"}, "fit"),
    "adam, tanh, three layers": (
        "digits",
        {"activation": "tanh", "hidden_layer_sizes": (30, 20, 10)},
        "fit",
    ),
    "adam, no hidden layer": ("digits", {"hidden_layer_sizes": ()}, "fit"),
    "adam, batch 64, last one of 5": ("digits", {"batch_size": 64}, "fit"),
    "adam, batch 97, alpha 1": ("digits", {"batch_size": 97, "alpha": 1.0}, "fit"),
    "adam, one batch, two blocks of it": ("digits", {"batch_size": 1797}, "fit"),
    "adam, not shuffled": ("digits", {"shuffle": False, "batch_size": 100}, "fit"),
    "adam, betas and epsilon": ("digits", {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}, "fit"),
    "adam, sample weights": ("digits", {"batch_size": 50, "alpha": 0.1}, "weighted"),
    "adam, early stopping": (
        "digits",
        {"early_stopping": True, "n_iter_no_change": 3, "max_iter": 60},
        "fit",
    ),
    "adam, early stopping, sample weights": (
        "digits",
        {"early_stopping": True, "tol": 0.02},
        "weighted",
    ),
    "adam, warm start": ("digits", {"warm_start": True, "max_iter": 8}, "twice"),
    "adam, warm start, early stopping": (
        "digits",
        {"warm_start": True, "early_stopping": True, "max_iter": 8},
        "twice",
    ),
    "adam, partial_fit": ("digits", {}, "partial"),
    "adam, sparse": ("digits", {"batch_size": 128}, "sparse"),
    "sgd": ("digits", {"solver": "sgd"}, "fit"),
    "sgd, logistic, no momentum": (
        "digits",
        {"solver": "sgd", "activation": "logistic", "momentum": 0},
        "fit",
    ),
    "sgd, plain momentum, alpha 0": (
        "digits",
        {"solver": "sgd", "nesterovs_momentum": False, "alpha": 0},
        "fit",
    ),
    "sgd, no momentum, alpha 0": (
        "digits",
        {"solver": "sgd", "momentum": 0, "alpha": 0, "learning_rate_init": 0.1},
        "fit",
    ),
    "sgd, invscaling": (
        "digits",
        {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.5},
        "fit",
    ),
    "sgd, invscaling, warm start": (
        "digits",
        {"solver": "sgd", "learning_rate": "invscaling", "warm_start": True},
        "twice",
    ),
    "sgd, adaptive": (
        "cancer",
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 5e-3, "max_iter": 300},
        "fit",
    ),
    "sgd, adaptive, early stopping": (
        "cancer",
        {
            "solver": "sgd",
            "learning_rate": "adaptive",
            "early_stopping": True,
            "max_iter": 300,
            "n_iter_no_change": 2,
        },
        "fit",
    ),
    "sgd, partial_fit, sample weights": (
        "cancer",
        {"solver": "sgd", "activation": "tanh"},
        "partial weighted",
    ),
    "binary, adam": ("cancer", {}, "fit"),
    "binary, adam, to the clip": (
        "cancer",
        {"learning_rate_init": 0.05, "max_iter": 100, "alpha": 0},
        "fit",
    ),
    "binary, sgd, tanh, batch 32": (
        "cancer",
        {"solver": "sgd", "activation": "tanh", "batch_size": 32},
        "fit",
    ),
    "binary, adam, stops by itself": ("cancer", {"tol": 1e-3, "max_iter": 300}, "fit"),
    "multilabel, adam": ("multilabel", {}, "fit"),
    "multilabel, sgd, logistic, early stopping": (
        "multilabel",
        {"solver": "sgd", "activation": "logistic", "early_stopping": True, "batch_size": 30},
        "fit",
    ),
    "multilabel, partial_fit": ("multilabel", {"activation": "tanh"}, "partial"),
    "regression, adam": ("diabetes", {}, "fit"),
    "regression, sgd, tanh": (
        "diabetes",
        {"solver": "sgd", "activation": "tanh", "learning_rate_init": 0.01},
        "fit",
    ),
    "regression, early stopping, weights": (
        "diabetes",
        {"early_stopping": True, "batch_size": 60, "tol": 1e-3},
        "weighted",
    ),
    "regression, three outputs": ("outputs", {"batch_size": 90, "activation": "logistic"}, "fit"),
    "regression, three outputs, weights": (
        "outputs",
        {"solver": "sgd", "learning_rate_init": 0.01},
        "weighted",
    ),
    "poisson, adam": ("counts", {"loss": "poisson"}, "fit"),
    "poisson, sgd, tanh, weights": (
        "counts",
        {"loss": "poisson", "solver": "sgd", "activation": "tanh"},
        "weighted",
    ),
    "lbfgs": ("digits", {"solver": "lbfgs", "max_iter": 15}, "fit"),
    "lbfgs, binary, tanh, weights": (
        "cancer",
        {"solver": "lbfgs", "activation": "tanh", "max_iter": 10},
        "weighted",
    ),
    "lbfgs, multilabel, sparse": ("multilabel", {"solver": "lbfgs", "max_iter": 10}, "sparse"),
    "lbfgs, regression, warm start": (
        "diabetes",
        {"solver": "lbfgs", "max_iter": 8, "warm_start": True},
        "twice",
    ),
    "lbfgs, poisson": ("counts", {"solver": "lbfgs", "loss": "poisson", "max_iter": 10}, "fit"),
}


@functools.cache
def data(name):
    """X, y of a data set, X near 1."""
    if name == "multilabel":
        X, y = make_multilabel_classification(
            n_samples=311, n_features=12, n_classes=4, random_state=3
        )
        return scale(X), y
    loaders = {"digits": load_digits, "cancer": load_breast_cancer}
    X, y = loaders.get(name, load_diabetes)(return_X_y=True)
    if name == "digits":
        return X / 16, y
    if name == "counts":
        return scale(X), np.round(y / 25)
    if name in ("diabetes", "outputs"):
        y = scale(y)
    return scale(X), np.column_stack([y, np.sin(3 * y), y * y]) if name == "outputs" else y


def fitted(module, name, dtype):
    """The case's estimator of a module, fitted."""
    source, settings, mode = CASES[name]
    X, y = data(source)
    X = X.astype(dtype)
    classifies = source in ("digits", "cancer", "multilabel")
    kind = module.MLPClassifier if classifies else module.MLPRegressor
    net = kind(random_state=1, **({"max_iter": 12, "hidden_layer_sizes": (40,)} | settings))
    options = {}
    if "weighted" in mode:
        options["sample_weight"] = np.random.default_rng(0).uniform(0.2, 3, len(X))
    if mode == "sparse":
        X = scipy.sparse.csr_array(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "partial" in mode:
            if classifies:
                options["classes"] = np.unique(y) if y.ndim == 1 else np.arange(y.shape[1])
            for _ in range(6):
                net.partial_fit(X, y, **options)
        else:
            for _ in range(1 + (mode == "twice")):
                net.fit(X, y, **options)
    return net


def loss_curve(net):
    return np.array(net.loss_curve_ if net.solver != "lbfgs" else [net.loss_])


def differences(name, dtype="float64"):
    """The largest difference of the loss curves, relative to each loss, and of the parameters,
    relative to the largest of their array; then both estimators.

    Counts of epochs and the like must be equal.
    """
    theirs, ours = (fitted(module, name, dtype) for module in (neural_network, fastbp.sklearn))
    for attribute in (
        "n_iter_",
        "t_",
        "_no_improvement_count",
        "out_activation_",
        "n_layers_",
        "n_outputs_",
    ):
        assert getattr(theirs, attribute, None) == getattr(ours, attribute, None), attribute
    a, b = loss_curve(theirs), loss_curve(ours)
    assert a.shape == b.shape
    curve = float(np.max(abs(a - b) / abs(a)))
    pairs = zip(theirs.coefs_ + theirs.intercepts_, ours.coefs_ + ours.intercepts_, strict=True)
    return curve, max(relative(p, q) for p, q in pairs), theirs, ours


def relative(a, b):
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    return float(abs(a - b).max() / abs(a).max())


if __name__ == "__main__":
    print("| configuration | data | epochs | loss curve | parameters |\n|---|---|---|---|---|")
    for name, (source, _, _) in CASES.items():
        curve, parameters, _, ours = differences(name)
        print(f"| {name} | {source} | {ours.n_iter_} | {curve:.1e} | {parameters:.1e} |")
