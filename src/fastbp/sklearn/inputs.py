"""What scikit-learn has validated, as the kernels take it: dense or sparse rows, labels or targets,
weights."""

import numpy as np
from scipy.sparse import issparse

from ..engine.samples import Samples, StridedArray


class SparseRows(StridedArray):
    """A sparse matrix, made dense a piece at a time."""

    def __init__(self, array, dtype):
        self.array, self.dtype, self.zero_copy = array.tocsr(), np.dtype(dtype), False

    def rows(self, index):
        return StridedArray(self.array[index].toarray().astype(self.dtype, copy=False), self.dtype)


def rows_of(X, dtype):
    """Validated X, (n, n_in), as rows that ``engine`` takes."""
    return SparseRows(X, dtype) if issparse(X) else X


def samples_of(X, y, sample_weight, packed):
    """Samples for a net in its dtype.

    Parameters
    ----------
    X : ndarray or sparse matrix (n, n_in)
    y : ndarray (n, n_out)
        As ``_fit`` has it: bool for classes and labels, numbers for a regression.
    sample_weight : ndarray (n,) or None
    packed : Packed
    """
    packed.check_features(X)
    if y.shape[1] != packed.widths[-1]:
        raise ValueError(
            f"y must have the {packed.widths[-1]} outputs of the net that training goes on from, got {y.shape[1]}"
        )
    targets, labels = None, None
    if packed.kind[1] == "softmax" and y.dtype == bool and (y.sum(axis=1) == 1).all():
        labels = y.argmax(axis=1).astype(np.int64)
    else:
        targets = np.ascontiguousarray(y, packed.dtype)
    return Samples(rows_of(X, packed.dtype), targets, labels, sample_weight, packed.dtype)


def refuse_weightless(samples, order, batch):
    """The error of numpy.average, which scikit-learn's losses are, where the weights of a batch add
    up to nothing."""
    if samples.weight is not None and not (samples.weight > 0).all():
        totals = np.add.reduceat(
            samples.weight[order], np.arange(0, len(order), batch), dtype=np.float64
        )
        if (totals == 0).any():
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
