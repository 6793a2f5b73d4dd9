"""A network as a fitted scikit-learn estimator with equal predictions."""

import warnings

import numpy as np

from ..base.activations import ACTIVATIONS, HIDDEN
from ..base.losses import LOSSES
from ..base.optional import require_sklearn_perceptron

# The net's output and loss -> scikit-learn's output activation.
OUT_ACTIVATIONS = {
    (output, row.name): theirs for row in LOSSES.values() for output, theirs in row.sklearn.items()
}
HIDDEN_ACTIVATIONS = {
    name: row.sklearn for name, row in ACTIVATIONS.items() if row.sklearn and name in HIDDEN
}


def to_sklearn(net, classes):
    """See `MLP.to_sklearn`."""
    theirs = require_sklearn_perceptron("to_sklearn")
    out_activation = OUT_ACTIVATIONS.get((net.output, net.loss_name))
    if out_activation is None:
        known = ", ".join(f"{output} with {loss}" for output, loss in OUT_ACTIVATIONS)
        raise ValueError(
            f"scikit-learn has {known}, but no output={net.output!r} with loss={net.loss_name!r}"
        )
    for name in net.hidden:
        if name not in HIDDEN_ACTIVATIONS:
            known = ", ".join(HIDDEN_ACTIVATIONS)
            raise ValueError(f"scikit-learn has the hidden activations {known}, but no {name!r}")
    if len(set(net.hidden)) > 1:
        raise ValueError(
            f"scikit-learn has one activation for all hidden layers, but no hidden={net.hidden!r}"
        )
    left_out = [name for name in ("dropout", "label_smoothing") if np.any(getattr(net, name))]
    if left_out:  # it changes no prediction
        message = (
            f"scikit-learn has no {' and no '.join(left_out)}: the estimator predicts as the net "
            "does, but trains without"
        )
        warnings.warn(message, stacklevel=3)  # at the line that calls net.to_sklearn
    weights = [w.copy() for w in net.weights]
    biases = [b.copy() for b in net.biases]
    n_out = net.widths[-1]
    if classes is None and net.class_labels is not None:  # scikit-learn's are sorted
        order = np.argsort(net.class_labels)
        classes = net.class_labels[order]
        if n_out > 1:
            weights[-1] = weights[-1][:, order]
            biases[-1] = biases[-1][order]
        elif order[0] == 1:
            weights[-1] = -weights[-1]
            biases[-1] = -biases[-1]
    settings = {
        "hidden_layer_sizes": net.widths[1:-1],
        "activation": HIDDEN_ACTIVATIONS[net.hidden[0]] if net.hidden else "identity",
    }
    if LOSSES[net.loss_name].is_regression:
        if classes is not None:
            raise ValueError(f"classes must be None for a regression, got {classes!r}")
        if net.loss_name == "poisson":  # scikit-learn before 1.7 has no parameter `loss`
            settings["loss"] = "poisson"
        estimator = theirs.MLPRegressor(**settings)
    else:
        estimator = theirs.MLPClassifier(**settings)
        estimator._label_binarizer = theirs.LabelBinarizer()
        estimator._label_binarizer.fit(_labels(classes, n_out, out_activation))
        estimator.classes_ = estimator._label_binarizer.classes_
        if out_activation == "softmax" and n_out == 2:
            weights[-1] = np.diff(weights[-1])
            biases[-1] = np.diff(biases[-1])
    # scikit-learn makes all the state that its partial_fit needs; its initial weights are then
    # replaced by the net's.
    estimator._random_state = np.random.RandomState(0)
    estimator._initialize(
        np.empty((0, len(biases[-1]))), [net.widths[0], *map(len, biases)], net.dtype
    )
    estimator.coefs_ = weights
    estimator.intercepts_ = biases
    estimator.n_features_in_ = net.widths[0]
    if net.feature_names is not None:
        estimator.feature_names_in_ = net.feature_names_in_
    return estimator


def _labels(classes, n_out, out_activation):
    """The labels that scikit-learn's LabelBinarizer is fitted to."""
    if out_activation == "logistic" and n_out > 1:
        if classes is not None:
            raise ValueError(
                f"classes must be None for {n_out} sigmoid outputs (multilabel), got {classes!r}"
            )
        return np.eye(n_out, dtype=int)
    n_classes = 2 if out_activation == "logistic" else n_out
    labels = np.arange(n_classes) if classes is None else np.asarray(classes)
    if labels.shape != (n_classes,) or not np.array_equal(np.unique(labels), labels):
        raise ValueError(f"classes must be {n_classes} different labels, sorted, got {classes!r}")
    return labels
