"""The arrays that callers pass as X and y become samples: checked, with their labels and names."""

import numpy as np

from ..base.labels import (
    MAX_DOCUMENT_BYTES,
    class_count,
    document_size,
    find_classes,
    label_array,
    positions,
)
from ..base.tables import feature_names
from ..base.validation import check_inputs, check_targets, check_weight
from ..engine import custom_loss
from ..engine.samples import Samples, in_units
from .class_weight import weigh_classes


def make_samples(
    net,
    X,
    y,
    sample_weight=None,
    x_name="X",
    y_name="y",
    class_weight=None,
    names=None,
    classes=None,
    whole=True,
):
    """Check inputs and targets for a network, see `MLP.fit`.

    Parameters
    ----------
    net : MLP
    X, y, sample_weight, class_weight
        As for `MLP.fit`.
    x_name, y_name : str
        Names of X and y in errors.
    names : tuple of str, optional
        Of the features, by default those of the net.
    classes : ndarray (n_classes,), optional
        By default those of the net.
    whole : bool
        Whether y has all classes, which become those of a net that has none.

    Returns
    -------
    Samples
    """
    if y is None:
        raise TypeError(
            f"{y_name} is missing: it holds the targets of the rows of {x_name}; fit(batches) "
            "takes an iterable of batches (X, y)"
        )
    names = net.feature_names if names is None else names
    found = feature_names(X)
    X = check_inputs(x_name, X, net.widths[0], net.dtype, names)
    if names is None and found is not None and document_size(found) <= MAX_DOCUMENT_BYTES:
        names = found
    if len(X) == 0:
        raise ValueError(f"{x_name} must have at least one row, got shape {X.shape}")
    classes = net.class_labels if classes is None else classes
    y, classes = _labels(net, y_name, y, classes, whole)
    samples = _samples(net, X, y, sample_weight, y_name, class_weight, classes)
    samples.feature_names = names
    samples.classes = classes
    return samples


def _labels(net, name, y, classes, whole):
    """Labels as 0..n_classes - 1 where the classes are others; other targets unchanged.

    Parameters
    ----------
    net : MLP
    name : str
        Of `y` in errors.
    y : array_like
    classes : ndarray (n_classes,) or None
        Those of the net; None for 0..n_classes - 1 or if there are none yet.
    whole : bool
        See `make_samples`.

    Returns
    -------
    y : array_like
    classes : ndarray (n_classes,) or None
    """
    n_classes = class_count(net.output, net.loss_name, net.widths[-1])
    if n_classes is None:
        return y, classes
    labels = label_array(name, y)
    is_text = labels.dtype.kind == "U"
    if labels.ndim == 2 and labels.shape[1] == 1 and (is_text or net.widths[-1] == 1):
        labels = labels[:, 0]
    if labels.ndim != 1 or (classes is None and net.loss_function is not None and not is_text):
        return y, classes
    if classes is None:
        if net.history_ is None and whole:
            classes = find_classes(name, labels, n_classes)
        elif is_text:
            classes = np.arange(n_classes)
            if net.history_ is None:
                raise ValueError(
                    f"{name} holds text before the net has its classes: net.classes_ = [...], or "
                    "partial_fit(classes=[...]), sets them"
                )
    return (y, None) if classes is None else (positions(name, labels, classes), classes)


def _samples(net, X, y, sample_weight, y_name, class_weight, classes):
    """The samples of checked inputs X, see `make_samples`."""
    n_out = net.widths[-1]
    if net.loss_function is not None:
        for name, weight in (("sample_weight", sample_weight), ("class_weight", class_weight)):
            if weight is not None:
                raise ValueError(
                    f"{name} cannot be used with a callable as loss, which makes one number of all "
                    "samples"
                )
        return custom_loss.CustomSamples(X, y_name, y, n_out, net.dtype)
    targets, labels = check_targets(y_name, y, len(X), n_out, net.loss_name, net.dtype)
    weight = check_weight(sample_weight, len(X), net.dtype)
    if class_weight is not None:
        weight = weigh_classes(
            class_weight, labels, targets, weight, max(2, n_out), net.dtype, classes
        )
    weight, unit = in_units(weight)
    return Samples(X, targets, labels, weight, net.dtype, unit)


def make_validation(net, X_val, y_val, samples):
    """The samples of a validation set, or None without one; `samples` are those of the fit."""
    if (X_val is None) != (y_val is None):
        raise ValueError(
            f"X_val and y_val go together, got only {'X_val' if y_val is None else 'y_val'}"
        )
    if X_val is None:
        return None
    return make_samples(
        net,
        X_val,
        y_val,
        None,
        "X_val",
        "y_val",
        names=samples.feature_names,
        classes=samples.classes,
        whole=False,
    )
