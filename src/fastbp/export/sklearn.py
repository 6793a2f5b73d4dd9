"""A network as a fitted scikit-learn estimator with equal predictions."""

import warnings

import numpy as np

from ..base.optional import require_sklearn_perceptron

# The net's output and loss -> scikit-learn's output activation.
OUT_ACTIVATIONS = {
    ("softmax", "cross_entropy"): "softmax",
    ("identity", "softmax_cross_entropy"): "softmax",
    ("sigmoid", "binary_cross_entropy"): "logistic",
    ("identity", "squared_error"): "identity",
    ("exp", "poisson"): "exp",
}
ACTIVATIONS = {"identity": "identity", "sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}


def to_sklearn(net, classes):
    """See `MLP.to_sklearn`."""
    theirs = require_sklearn_perceptron("to_sklearn")
    out_activation = OUT_ACTIVATIONS.get((net.output, net.loss_name))
    if out_activation is None:
        raise ValueError(
            "scikit-learn has softmax with cross_entropy, sigmoid with binary_cross_entropy, identity with squared_error and "
            f"exp with poisson, but no output={net.output!r} with loss={net.loss_name!r}"
        )
    for name in net.hidden:
        if name not in ACTIVATIONS:
            raise ValueError(
                f"scikit-learn has the hidden activations {', '.join(ACTIVATIONS)}, but no {name!r}"
            )
    if len(set(net.hidden)) > 1:
        raise ValueError(
            f"scikit-learn has one activation for all hidden layers, but no hidden={net.hidden!r}"
        )
    left_out = [name for name in ("dropout", "label_smoothing") if np.any(getattr(net, name))]
    if left_out:  # it changes no prediction
        message = f"scikit-learn has no {' and no '.join(left_out)}: the estimator predicts as the net does, but trains without"
        warnings.warn(message, stacklevel=3)  # at the line that calls net.to_sklearn
    weights, biases, n_out = (
        [w.copy() for w in net.weights],
        [b.copy() for b in net.biases],
        net.widths[-1],
    )
    settings = {
        "hidden_layer_sizes": net.widths[1:-1],
        "activation": ACTIVATIONS[net.hidden[0]] if net.hidden else "identity",
    }
    if out_activation in ("identity", "exp"):
        if classes is not None:
            raise ValueError(f"classes must be None for a regression, got {classes!r}")
        estimator = theirs.MLPRegressor(
            **settings, **{"loss": "poisson"} if out_activation == "exp" else {}
        )
    else:
        binarizer = _label_binarizer(classes, n_out, out_activation)
        estimator = theirs.MLPClassifier(**settings)
        estimator._label_binarizer, estimator.classes_ = binarizer, binarizer.classes_
        if out_activation == "softmax" and n_out == 2:
            weights[-1], biases[-1] = np.diff(weights[-1]), np.diff(biases[-1])
    # scikit-learn makes here all that its partial_fit goes on from; its weights are then exchanged
    # for the net's.
    estimator._random_state = np.random.RandomState(0)
    estimator._initialize(
        np.empty((0, len(biases[-1]))), [net.widths[0], *map(len, biases)], net.dtype
    )
    estimator.coefs_, estimator.intercepts_ = weights, biases
    estimator.n_features_in_ = net.widths[0]
    return estimator


def _label_binarizer(classes, n_out, out_activation):
    """scikit-learn's translator between labels and output columns, fitted."""
    # not before it is needed: importing fastbp does not import scikit-learn
    from sklearn.preprocessing import LabelBinarizer

    if out_activation == "logistic" and n_out > 1:
        if classes is not None:
            raise ValueError(
                f"classes must be None for {n_out} sigmoid outputs (multilabel), got {classes!r}"
            )
        return LabelBinarizer().fit(np.eye(n_out, dtype=int))
    n_classes = 2 if out_activation == "logistic" else n_out
    if n_classes == 1:
        raise ValueError("scikit-learn has no softmax over a single class")
    labels = np.arange(n_classes) if classes is None else np.asarray(classes)
    if labels.shape != (n_classes,) or not np.array_equal(np.unique(labels), labels):
        raise ValueError(f"classes must be {n_classes} different labels, sorted, got {classes!r}")
    return LabelBinarizer().fit(labels)
