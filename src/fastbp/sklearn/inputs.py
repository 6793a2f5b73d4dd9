"""Arguments that scikit-learn has validated, converted for the engine: dense or sparse rows, labels
or targets, weights."""

import numpy as np
from scipy.sparse import issparse
from sklearn.neural_network._base import LOSS_FUNCTIONS

from ..engine.samples import Samples, StridedArray

# out_activation_ -> scikit-learn's name of the loss.
LOSS_NAMES = {
    "softmax": "log_loss",
    "logistic": "binary_log_loss",
    "identity": "squared_error",
    "exp": "poisson",
}
# Targets up to here can be squared in float32, and the squares of 10**8 of them added.
FLOAT32_TARGET = 1e15


class SparseRows(StridedArray):
    """A sparse matrix, converted to a dense one in pieces."""

    def __init__(self, array, dtype):
        self.array = array.tocsr()
        self.dtype = np.dtype(dtype)
        self.zero_copy = False

    def rows(self, index):
        return StridedArray(self.array[index].toarray().astype(self.dtype, copy=False), self.dtype)


def rows_of(X, dtype):
    """Validated X (n, n_in) as rows for the engine."""
    return SparseRows(X, dtype) if issparse(X) else X


def exceeds(dtype, y):
    """Whether validated y, in a dtype of its own, is out of range for a net in `dtype` but not for
    scikit-learn, which then computes loss and gradient in float64."""
    return (
        dtype == np.float32
        and y.dtype.kind in "iuf"
        and np.result_type(y.dtype, dtype) != dtype
        and y.size > 0
        and max(y.max(), -float(y.min())) > FLOAT32_TARGET
    )


def loss_type(out_activation, X, y, sample_weight):
    """The type of scikit-learn's loss of these validated samples. What it cannot compute with, such
    as dates and texts in y, raises its error."""
    plain = isinstance(y, np.ndarray) and y.dtype.kind in "biuf" and y.dtype.itemsize <= 8
    if plain and X.dtype == np.float64:
        return np.float64
    weight = None if sample_weight is None else np.ones(1, sample_weight.dtype)
    loss = LOSS_FUNCTIONS[LOSS_NAMES[out_activation]]
    with np.errstate(all="ignore"):
        return type(loss(y[:1], np.ones((1, y.shape[1]), X.dtype), weight))


def samples_of(X, y, sample_weight, parameters):
    """Samples for a net in its dtype.

    Parameters
    ----------
    X : ndarray or sparse matrix (n, n_in)
    y : ndarray or sparse matrix (n, n_out)
        From ``_fit``: bool for classes and labels, numbers for a regression.
    sample_weight : ndarray (n,) or None
    parameters : FlatParameters
    """
    parameters.check_features(X)
    n_out = parameters.widths[-1]
    dtype = parameters.dtype
    if y.shape[1] != n_out:
        raise ValueError(
            f"y must have the {n_out} outputs of the net that is trained further, got {y.shape[1]}"
        )
    targets = labels = None
    if parameters.kind[1] == "softmax" and y.dtype == bool and (y.sum(axis=1) == 1).all():
        labels = y.argmax(axis=1).astype(np.int64)
    else:
        targets = np.ascontiguousarray(y.toarray() if issparse(y) else y, dtype)
    return Samples(rows_of(X, dtype), targets, labels, sample_weight, dtype)


def refuse_weightless(samples, order, batch):
    """Raise the error of numpy.average, which computes scikit-learn's losses, if the weights of a
    batch add up to 0."""
    if samples.weight is not None and not (samples.weight > 0).all():
        totals = np.add.reduceat(
            samples.weight[order], np.arange(0, len(order), batch), dtype=np.float64
        )
        if (totals == 0).any():
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
