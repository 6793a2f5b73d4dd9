"""Samples as the kernels read them: strided, zero-copy views of user arrays; other dtypes are
converted batch by batch."""

import numpy as np

from ..base.validation import cast
from ..kernels.abi import BLOCK_ROWS

SMALLEST_WEIGHT = 2.0**-32  # the largest of the samples' weights, below which they are scaled
CONVERTED_BYTES = 1 << 20  # of x converted at a time, if a batch is smaller


class StridedArray:
    """A validated (n, k) array of real numbers in the caller's dtype and memory layout.

    Attributes
    ----------
    array : ndarray (n, k) or SparseRows
    zero_copy : bool
        Whether a kernel of the network's dtype can read the array in place; if not, `rows`
        converts a part of it.
    flat, base, row_step, column_step
        If `zero_copy`, element (r, i) is ``flat[base + r * row_step + i * column_step]``.
    """

    def __init__(self, array, dtype):
        self.array = array
        self.dtype = np.dtype(dtype)
        size = self.dtype.itemsize
        self.zero_copy = (
            isinstance(array, np.ndarray)  # not sparse
            and array.dtype == dtype
            and array.flags.aligned
            and all(s % size == 0 for s in array.strides)
        )
        if self.zero_copy:
            self.row_step, self.column_step = (s // size for s in array.strides)
            self.flat, self.base = _flat(array)

    def rows(self, index):
        """The rows `index`, converted to the network's dtype."""
        return StridedArray(cast(self.array[index], self.dtype), self.dtype)


def _flat(array):
    """The memory from the array's lowest to its highest element as a flat array, and the index
    of element (0, 0) in it."""
    if array.flags.c_contiguous:
        return array.reshape(-1), 0
    base = 0
    last = 0
    for axis, (n, stride) in enumerate(zip(array.shape, array.strides, strict=True)):
        if stride < 0:
            array = np.flip(array, axis)
            base -= (n - 1) * stride
        last += (n - 1) * abs(stride)
    size = array.itemsize
    flat = np.lib.stride_tricks.as_strided(array, (last // size + 1,), (size,), writeable=False)
    return flat, base // size


def in_units(weight):
    """Weights (n,), and the unit in which they are, a power of two: 1, or for tiny weights one of
    which the largest is about 1.

    A mean does not depend on the unit. In 1, float32 and kernels would turn tiny weights to zeros.
    """
    unit = 1.0
    if weight is not None and weight.max() < SMALLEST_WEIGHT:
        exponent = int(np.frexp(float(weight.max()))[1])
        weight = np.ldexp(weight.astype(np.float64), -exponent)
        unit = float(np.ldexp(1.0, exponent))
    return weight, unit


class Samples:
    """Inputs with their targets (n, k) or integer labels (n,), and the weight of each sample.

    Parameters
    ----------
    x : ndarray (n, n_in) or StridedArray
    targets : ndarray (n, n_out) or None
    labels : ndarray of int64 (n,) or None
    weight : ndarray (n,) or None
    dtype : of the network
    weight_unit : float, default 1
        The unit of the weights, see `in_units`.

    Attributes
    ----------
    feature_names : tuple of str or None
        Of the columns of a data frame.
    classes : ndarray (n_classes,) or None
        The class of each label; None for 0..n_classes - 1.
    """

    feature_names = None
    classes = None

    def __init__(self, x, targets, labels, weight, dtype, weight_unit=1.0):
        self.dtype = np.dtype(dtype)
        self.x = x if isinstance(x, StridedArray) else StridedArray(x, dtype)
        self.targets = None if targets is None else StridedArray(targets, dtype)
        self.labels = labels
        self.weight = None if weight is None else cast(weight, dtype)
        self.weight_unit = weight_unit
        self.n = self.x.array.shape[0]

    @property
    def zero_copy(self):
        return self.x.zero_copy and (self.targets is None or self.targets.zero_copy)

    @property
    def is_weighted(self):
        return self.weight is not None

    @property
    def total(self):
        """The divisor of a mean over all samples."""
        return (
            float(self.n) if self.weight is None else float(np.sum(self.weight, dtype=np.float64))
        )

    def weight_of(self, index):
        """The total weight of the samples `index`, summed in the order of the kernels."""
        if self.weight is None:
            return float(len(index))
        return float(np.cumsum(self.weight[index], dtype=np.float64)[-1])

    def weights_of_batches(self, order, batch):
        """The sum of the samples' weights of each batch along `order`, for means over batches."""
        if self.weight is not None:
            sums = np.add.reduceat(
                self.weight[order], np.arange(0, len(order), batch), dtype=np.float64
            )
            return sums * self.weight_unit
        weights = np.full(-(-len(order) // batch), float(batch))
        weights[-1] = len(order) - batch * (len(weights) - 1)
        return weights

    def given_targets(self):
        """The targets (n, n_out) that are no labels; (n,) or (n, k) for a function as loss."""
        assert self.targets is not None
        return self.targets.array

    def subset(self, index):
        """The samples `index` without weights, in the caller's dtype."""
        return Samples(
            self.x.array[index],
            None if self.targets is None else self.targets.array[index],
            None if self.labels is None else self.labels[index],
            None,
            self.dtype,
        )

    def converted(self, index):
        """The samples `index`, converted to the network's dtype."""
        part = Samples(
            self.x.rows(index),
            None if self.targets is None else cast(self.targets.array[index], self.dtype),
            None if self.labels is None else self.labels[index],
            None if self.weight is None else self.weight[index],
            self.dtype,
            self.weight_unit,
        )
        part.feature_names = self.feature_names
        part.classes = self.classes
        return part

    def resident(self):
        """These samples, converted to the network's dtype once where that takes little memory."""
        is_small = self.n * self.x.array.shape[1] * self.dtype.itemsize <= CONVERTED_BYTES
        return self if self.zero_copy or not is_small else self.converted(np.arange(self.n))

    def chunks(self, order, batch):
        """Split the samples along `order` into chunks that a kernel can read.

        A chunk is a whole number of batches, or of blocks of a large batch.

        Yields
        ------
        samples : Samples
        order : ndarray of int64
            Order of the chunk's samples in `samples`.
        unfinished : bool
            Whether the next chunk belongs to the same batch.
        """
        if self.zero_copy:
            yield self, order, False
            return
        capacity = CONVERTED_BYTES // (self.x.array.shape[1] * self.dtype.itemsize)
        if batch <= max(capacity, BLOCK_ROWS):
            step = max(1, capacity // batch) * batch
            span = len(order)
        else:
            step = max(1, capacity // BLOCK_ROWS) * BLOCK_ROWS
            span = batch
        for start in range(0, len(order), span):
            end = min(start + span, len(order))
            for first in range(start, end, step):
                part = self.converted(order[first : min(first + step, end)])
                yield part, np.arange(part.n), span == batch and first + step < end

    def fill_job(self, job):
        """Write the layout of the arrays into a job record.

        Returns
        -------
        tuple of ndarray
            The kernels' arguments source, targets, labels, sample_weight; empty if absent.
        """
        empty = np.empty(0, self.dtype)
        job["x_base"] = self.x.base
        job["x_row"] = self.x.row_step
        job["x_column"] = self.x.column_step
        job["has_targets"] = self.targets is not None
        job["has_labels"] = self.labels is not None
        job["has_weights"] = self.weight is not None
        if self.targets is not None:
            job["t_base"] = self.targets.base
            job["t_row"] = self.targets.row_step
            job["t_column"] = self.targets.column_step
        return (
            self.x.flat,
            empty if self.targets is None else self.targets.flat,
            np.empty(0, np.int64) if self.labels is None else self.labels,
            empty if self.weight is None else self.weight,
        )
