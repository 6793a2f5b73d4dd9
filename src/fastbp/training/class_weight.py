"""Weights of classes as weights of samples."""

from collections.abc import Mapping

import numpy as np

from ..base.labels import shown
from ..base.validation import LARGEST, check_number, one_hot_labels


def weigh_classes(class_weight, labels, targets, sample_weight, n_classes, dtype, classes=None):
    """Each sample's weight times the weight of its class.

    Parameters
    ----------
    class_weight : "balanced" or mapping {label: weight}
        Balanced: n / (k n_c) for the n_c of n samples in class c, with k classes in the samples;
        with `sample_weight`, sums of weights take the place of counts (King and Zeng, *Logistic
        Regression in Rare Events Data*, 2001; as in scikit-learn). A label that is missing in a
        mapping has weight 1.
    labels : ndarray of int64 (n,) or None
    targets : ndarray (n, n_out) or None
        If `labels` is None: one-hot rows, or one column of zeros and ones.
    sample_weight : ndarray (n,) or None
    n_classes : int
    dtype : of the network
    classes : ndarray (n_classes,), optional
        The keys of a mapping; by default 0..n_classes - 1.

    Returns
    -------
    ndarray of float64 (n,)
    """
    if labels is None:
        try:
            labels = one_hot_labels("y", targets)
        except ValueError as error:
            raise ValueError(f"class_weight needs one class a sample: {error}") from None
    own = np.ones(len(labels)) if sample_weight is None else sample_weight.astype(np.float64)
    if isinstance(class_weight, str) and class_weight == "balanced":
        sums = np.bincount(labels, own, n_classes)
        present = sums > 0
        weights = np.zeros(n_classes)
        with np.errstate(over="ignore", under="ignore"):
            weights[present] = own.sum() / (present.sum() * sums[present])
    else:
        weights = _mapped(class_weight, n_classes, classes)
    with np.errstate(over="ignore", under="ignore"):
        product = weights[labels] * own
    if not product.any():
        raise ValueError(
            f"class_weight must leave some sample of y a weight above 0, got {class_weight!r}"
        )
    if product.max() > LARGEST[np.dtype(dtype)]:
        raise ValueError(
            f"class_weight times sample_weight must be finite in {dtype}, got {product.max()}"
        )
    return product


def _mapped(class_weight, n_classes, classes):
    """The weight of each class in a mapping, ndarray of float64 (n_classes,)."""
    wanted = 'class_weight must be "balanced" or a mapping {label: weight}'
    if isinstance(class_weight, str):
        raise ValueError(f"{wanted}, got {class_weight!r}")
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"{wanted}, got {class_weight!r}")
    weights = np.ones(n_classes)
    labels = range(n_classes) if classes is None else classes.tolist()
    index = {label: i for i, label in enumerate(labels)}  # 2.0 is the key 2
    for label, weight in class_weight.items():
        if label not in index:
            known = f"0..{n_classes - 1}" if classes is None else shown(classes)
            raise ValueError(f"class_weight must have the labels {known} as keys, got {label!r}")
        weights[index[label]] = check_number(f"class_weight[{label!r}]", weight, least=0)
    return weights
