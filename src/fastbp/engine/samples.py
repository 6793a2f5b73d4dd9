"""The caller's arrays as the kernels see them: flat, with steps between rows and columns; never
copied whole."""

import numpy as np

from ..kernels.abi import BLOCK_ROWS

STAGED_BYTES = 1 << 20  # how much is converted at a time, where one batch is less


class StridedArray:
    """A validated (n, k) array of real numbers in the caller's own dtype and memory layout.

    Attributes
    ----------
    flat, base, row_step, column_step
        Element (r, i) is ``flat[base + r * row_step + i * column_step]``, where `direct`.
    direct : bool
        Whether a kernel of the net's dtype can read the array where it lies; otherwise rows are
        converted by `rows`.
    """

    def __init__(self, array, dtype):
        self.array, self.dtype = array, np.dtype(dtype)
        size = self.dtype.itemsize
        self.direct = (
            array.dtype == dtype
            and array.flags.aligned
            and all(s % size == 0 for s in array.strides)
        )
        if self.direct:
            self.row_step, self.column_step = (s // size for s in array.strides)
            self.flat, self.base = _flat(array)

    def rows(self, index):
        """The rows `index` as a matrix that a kernel can read."""
        return StridedArray(self.array[index].astype(self.dtype), self.dtype)


def _flat(array):
    """All memory from the array's lowest element to its highest as one flat array, and the place of
    element (0, 0)."""
    if array.flags.c_contiguous:
        flat = array.reshape(-1)
        flat.flags.writeable = False
        return flat, 0
    base, last = 0, 0
    for axis, (n, stride) in enumerate(zip(array.shape, array.strides, strict=True)):
        if stride < 0:
            array = np.flip(array, axis)
            base -= (n - 1) * stride
        last += (n - 1) * abs(stride)
    size = array.itemsize
    flat = np.lib.stride_tricks.as_strided(array, (last // size + 1,), (size,), writeable=False)
    return flat, base // size


class Samples:
    """Inputs with what they are trained on: targets (n, k) or integer labels (n,), and each
    sample's weight.

    Parameters
    ----------
    x : ndarray (n, n_in), or a Matrix of them
    targets : ndarray (n, n_out) or None
    labels : ndarray of int64 (n,) or None
    weight : ndarray (n,) or None
    dtype : the net's dtype
    """

    def __init__(self, x, targets, labels, weight, dtype):
        self.dtype = np.dtype(dtype)
        self.x = x if isinstance(x, StridedArray) else StridedArray(x, dtype)
        self.targets = None if targets is None else StridedArray(targets, dtype)
        self.labels = labels
        self.weight = None if weight is None else np.array(weight, dtype)
        self.n = self.x.array.shape[0]

    @property
    def direct(self):
        return self.x.direct and (self.targets is None or self.targets.direct)

    @property
    def total(self):
        """What a mean over all samples is divided by."""
        return (
            float(self.n) if self.weight is None else float(np.sum(self.weight, dtype=np.float64))
        )

    def weight_of(self, index):
        """The total weight of the samples `index`, added up in the kernels' order."""
        if self.weight is None:
            return float(len(index))
        return float(np.cumsum(self.weight[index], dtype=np.float64)[-1])

    def weights_of_batches(self, order, batch):
        """The weight of each batch along `order` in a mean over all: its samples', or their number."""
        if self.weight is not None:
            return np.add.reduceat(
                self.weight[order], np.arange(0, len(order), batch), dtype=np.float64
            )
        weights = np.full(-(-len(order) // batch), float(batch))
        weights[-1] = len(order) - batch * (len(weights) - 1)
        return weights

    def staged(self, index):
        """The samples `index`, converted to the net's dtype."""
        part = object.__new__(Samples)
        part.dtype, part.n, part.x = self.dtype, len(index), self.x.rows(index)
        part.targets = self.targets and self.targets.rows(index)
        part.labels = None if self.labels is None else self.labels[index]
        part.weight = None if self.weight is None else self.weight[index]
        return part

    def pieces(self, order, batch):
        """Pieces (samples, order in them, whether more of the same batch follows) along `order`.

        A piece is some whole batches, or where one batch is large, some whole blocks of it.
        """
        if self.direct:
            yield self, order, False
            return
        room = STAGED_BYTES // (self.x.array.shape[1] * self.dtype.itemsize)
        if batch <= max(room, BLOCK_ROWS):
            step, run = max(1, room // batch) * batch, len(order)
        else:
            step, run = max(1, room // BLOCK_ROWS) * BLOCK_ROWS, batch
        for start in range(0, len(order), run):
            end = min(start + run, len(order))
            for first in range(start, end, step):
                part = self.staged(order[first : min(first + step, end)])
                yield part, np.arange(part.n), run == batch and first + step < end

    def describe(self, job):
        """Tell the kernels where everything lies; returns their arguments (source, targets, labels,
        sample_weight)."""
        empty = np.empty(0, self.dtype)
        nothing = np.empty(0, self.dtype)
        nothing.flags.writeable = False
        job["x_base"], job["x_row"], job["x_column"] = (
            self.x.base,
            self.x.row_step,
            self.x.column_step,
        )
        job["has_targets"], job["has_labels"] = self.targets is not None, self.labels is not None
        job["has_weights"] = self.weight is not None
        if self.targets is not None:
            job["t_base"], job["t_row"] = self.targets.base, self.targets.row_step
            job["t_column"] = self.targets.column_step
        return (
            self.x.flat,
            nothing if self.targets is None else self.targets.flat,
            np.empty(0, np.int64) if self.labels is None else self.labels,
            empty if self.weight is None else self.weight,
        )
