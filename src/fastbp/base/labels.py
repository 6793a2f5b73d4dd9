"""Labels of classes: which a net has, and their positions among its outputs."""

import json

import numpy as np

from .tables import only_column, unreadable
from .validation import as_array

MAX_DOCUMENT_BYTES = 1 << 17  # of labels, or of features' names, as JSON in a model file
MAX_CHARACTERS = 1 << 18  # of an array of texts, which has the length of the longest for each
SHOWN = 10  # labels in an error


def class_count(output, loss, n_out):
    """The number of classes of which `MLP.predict` returns one a row; None for a regression and for
    several sigmoid outputs."""
    if output == "softmax" or loss in ("softmax_cross_entropy", "hinge"):
        return n_out
    return 2 if loss == "binary_cross_entropy" and n_out == 1 else None


def label_array(name, values):
    """Labels of any shape as an array of bool, int64, float64 or text, the dtypes of a net's
    classes; numbers that are no labels in their own dtype."""
    array = as_array(name, only_column(values))
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(
            f"{name} must be a plain array, got a masked one: fill or drop the masked values first"
        )
    array = np.asarray(array)
    if array.dtype.kind == "T":
        array = array.astype(object)
    if array.dtype == object and array.ndim:
        is_text = [isinstance(value, str) for value in array.flat]
        if all(is_text):
            return array.astype(str)
        if any(is_text):
            at = is_text.index(False)
            value = array.flat[at]
            raise TypeError(
                f"{name} must hold labels that are all text, got {value!r:.60} of type "
                f"{type(value).__name__} in row {at // max(1, array[0:1].size)}"
            )
        if all(isinstance(value, bool | np.bool_) for value in array.flat):
            return array.astype(bool)
    if array.dtype.kind not in "biufU":
        raise TypeError(f"{name} must hold numbers or text, got {unreadable(name, array)}")
    if array.dtype.kind == "i" or (array.dtype.kind == "u" and array.max(initial=0) < 2**63):
        return array.astype(np.int64, copy=False)
    return array


def check_classes(name, classes, n_classes):
    """`classes` as an array (n_classes,) of different labels, bool, int64, uint64, float64 or
    text; None for 0..n_classes - 1."""
    if n_classes is None:
        raise ValueError(
            f"{name} cannot be set for a regression or several sigmoid outputs, got {classes!r:.80}"
        )
    array = label_array(name, list(classes) if isinstance(classes, set | range) else classes)
    if array.dtype.kind == "f":
        array = array.astype(np.float64)
    finite = array.dtype.kind != "f" or np.isfinite(array).all()
    if array.shape != (n_classes,) or len(np.unique(array)) < n_classes or not finite:
        raise ValueError(
            f"{name} must be {n_classes} different labels, one a class, got {shown(array)}"
        )
    check_size(name, array.tolist())
    is_default = array.dtype == np.int64 and np.array_equal(array, np.arange(n_classes))
    return None if is_default else array


def check_size(name, texts):
    """Raise a ValueError if a list is too long for the header of a model file or an array."""
    size = document_size(texts)
    if size > MAX_DOCUMENT_BYTES:
        raise ValueError(
            f"{name} must take at most {MAX_DOCUMENT_BYTES} bytes in a model file, got {size}"
        )
    longest = max((len(text) for text in texts if isinstance(text, str)), default=0)
    if longest * len(texts) > MAX_CHARACTERS:
        raise ValueError(
            f"{name} must have at most {MAX_CHARACTERS // len(texts)} characters each, "
            f"got {longest}"
        )


def document_size(texts):
    """Bytes of a list in the header of a model file, which holds JSON as a text of JSON."""
    return len(json.dumps(json.dumps(texts)))


def find_classes(name, y, n_classes):
    """The sorted labels in `y` (n,) where they are other than 0..n_classes - 1: text, booleans of
    two classes, or exactly `n_classes` different whole numbers. None otherwise."""
    kind = y.dtype.kind
    if kind == "b":
        return np.array([False, True]) if n_classes == 2 else None
    if kind != "U" and not (
        len(y)
        and (y.min() < 0 or y.max() >= n_classes)
        and np.isfinite(y).all()
        and np.array_equal(y, np.floor(y))
    ):
        return None
    found = np.unique(y)
    if kind != "U" and len(found) != n_classes:
        return None
    if len(found) != n_classes:
        raise ValueError(
            f"{name} must hold {n_classes} different labels, one a class, got {len(found)}: "
            f"{shown(found)}; net.classes_ = [...] names those of all outputs"
        )
    return check_classes(name, found, n_classes)


def positions(name, y, classes):
    """The position of each label of `y` (n,) among `classes`, int64 (n,)."""
    if (y.dtype.kind == "U") != (classes.dtype.kind == "U"):
        wrong = np.zeros(1, np.int64)
    else:
        order = np.argsort(classes, kind="stable")
        place = np.searchsorted(classes, y, sorter=order)
        labels = order[np.minimum(place, len(classes) - 1)]
        wrong = np.flatnonzero(classes[labels] != y)
    if len(y) and len(wrong):
        is_new = y.dtype.kind == "U" and classes.dtype.kind != "U"
        raise ValueError(
            f"{name} must hold the net's labels {shown(classes)}, got {y[wrong[0]].item()!r:.60} "
            f"in row {wrong[0]}" + "; net.classes_ = [...] names them" * is_new
        )
    return labels if len(y) else np.zeros(0, np.int64)


def same_classes(a, b):
    """Whether two results of `check_classes` are equal, in their order too."""
    return (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))


def shown(labels):
    """The first labels of an array, for an error."""
    text = ", ".join(f"{label!r:.60}" for label in labels.ravel()[:SHOWN].tolist())
    return text + ", ..." * (labels.size > SHOWN)
