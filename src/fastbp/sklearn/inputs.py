"""Arguments that scikit-learn has validated, converted for the engine: dense or sparse rows, labels
or targets, weights."""

import numpy as np
from scipy.sparse import issparse

from ..engine.samples import Samples, StridedArray


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


def samples_of(X, y, sample_weight, parameters):
    """Samples for a net in its dtype.

    Parameters
    ----------
    X : ndarray or sparse matrix (n, n_in)
    y : ndarray (n, n_out)
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
        targets = np.ascontiguousarray(y, dtype)
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
