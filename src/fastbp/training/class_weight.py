"""Weights of classes as weights of samples."""

import operator
from collections.abc import Mapping

import numpy as np

from ..base.validation import LARGEST, check_number, one_hot_labels


def weigh_classes(class_weight, labels, targets, sample_weight, n_classes, dtype):
    """Each sample's weight: that of its class, times its own.

    Parameters
    ----------
    class_weight : "balanced" or mapping {label: weight}
        Balanced: n / (k n_c) for the n_c of n samples in class c, k classes being there; with
        `sample_weight` its sums take the place of the counts (King and Zeng, *Logistic Regression
        in Rare Events Data*, 2001; as in scikit-learn). A label that a mapping leaves out weighs 1.
    labels : ndarray of int64 (n,) or None
    targets : ndarray (n, n_out) or None
        In place of labels: one-hot, or one column of zeros and ones.
    sample_weight : ndarray (n,) or None

    Returns
    -------
    ndarray of float64 (n,)
    """
    if labels is None:
        labels = _labels(targets)
    own = np.ones(len(labels)) if sample_weight is None else sample_weight.astype(np.float64)
    if isinstance(class_weight, str) and class_weight == "balanced":
        sums = np.bincount(labels, own, n_classes)
        there = sums > 0
        weights = np.zeros(n_classes)
        weights[there] = own.sum() / (there.sum() * sums[there])
    else:
        weights = _mapped(class_weight, n_classes)
    with np.errstate(over="ignore"):
        product = weights[labels] * own
    if not product.astype(dtype).any():
        raise ValueError(
            f"class_weight must leave some sample of y a weight above 0 in {dtype}, got {class_weight!r}"
        )
    if product.max() > LARGEST[np.dtype(dtype)]:
        raise ValueError(
            f"class_weight times sample_weight must be finite in {dtype}, got {product.max()}"
        )
    return product


def _labels(targets):
    try:
        return one_hot_labels("y", targets)
    except ValueError as error:
        raise ValueError(f"class_weight needs one class a sample: {error}") from None


def _mapped(class_weight, n_classes):
    wanted = 'class_weight must be "balanced" or a mapping {label: weight}'
    if isinstance(class_weight, str):
        raise ValueError(f"{wanted}, got {class_weight!r}")
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"{wanted}, got {class_weight!r}")
    weights = np.ones(n_classes)
    for label, weight in class_weight.items():
        try:
            place = operator.index(label)
        except TypeError:
            raise TypeError(
                f"class_weight must have the labels 0..{n_classes - 1} as keys, got {label!r}"
            ) from None
        if not 0 <= place < n_classes:
            raise ValueError(
                f"class_weight must have the labels 0..{n_classes - 1} as keys, got {label!r}"
            )
        weights[place] = check_number(f"class_weight[{label!r}]", weight, least=0)
    return weights
