"""The flat parameters of a network, and the weights and biases as views of them."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..base.validation import check_finite, check_real_array
from ..kernels.abi import CACHE_LINE
from ..kernels.plan import aligned_zeros


def layer_views(flat, widths):
    """Views of flat parameters, or of a gradient of that layout.

    Returns
    -------
    weights : list of ndarray (n_in, n_out)
    biases : list of ndarray (n_out,)
    """
    weights = []
    biases = []
    at = 0
    for n_in, n_out in pairwise(widths):
        end = at + n_in * n_out
        weights.append(flat[at:end].reshape(n_in, n_out))
        at = end + n_out
        biases.append(flat[end:at])
    return weights, biases


def ensure_aligned(array):
    """`array`, or an aligned copy of it.

    An array is copied if it is a view of a file, is read-only (joblib passes large arrays to its
    workers like that) or does not start on a cache line, as after unpickling. With unaligned
    parameters two threads took 10 % longer for 64-128-64-10 in batches of 32, 25 % with Adam.
    """
    if type(array) is np.ndarray and array.flags.writeable and array.ctypes.data % CACHE_LINE == 0:
        return array
    copy = aligned_zeros(array.size, array.dtype)
    copy[:] = array
    return copy


def check_trainable(weights, biases):
    """Raise a ValueError with the name of the first array of a net that a fit cannot train: one
    that is read-only, or holds NaN or infinity."""
    for name, views in (("weights", weights), ("biases", biases)):
        for i, view in enumerate(views):
            if not view.flags.writeable:
                raise ValueError(
                    f"{name}[{i}] must be writable, got a read-only array: fit trains all layers"
                )
            if not np.vdot(view, view) < np.inf:  # or its squares overflow
                check_finite(f"{name}[{i}]", view, view.dtype)


class Parameters(Sequence[np.ndarray]):
    """The weights (n_in, n_out), or the biases (n_out,), of each layer.

    An item is a view of the network's memory: writing into it changes the network. Assigning to an
    item checks the shape and the values, and copies them.
    """

    def __init__(self, name, views):
        self._name = name
        self._views = views

    def __len__(self):
        return len(self._views)

    def __getitem__(self, i):
        return self._views[i]

    def __setitem__(self, i, values):
        view = self._views[i]
        if isinstance(i, slice):
            raise TypeError(
                f"{self._name} are assigned one layer at a time, or all of them with "
                f"net.{self._name} = [...]"
            )
        view[...] = self._checked(i, values)

    def __add__(self, other):
        """A list of the arrays of both, as for two lists: ``net.weights + net.biases``."""
        return [*self, *other]

    def _checked(self, i, values):
        """`values` as an array of the shape of layer i."""
        name = f"{self._name}[{i}]"
        view = self._views[i]
        values = check_real_array(name, values, (view.ndim,))
        if values.shape != view.shape:
            raise ValueError(f"{name} must be of shape {view.shape}, got {values.shape}")
        check_finite(name, values, view.dtype)
        return values

    def assign(self, all_values):
        """Copy one array a layer into the views; all are checked before any is changed."""
        if not np.iterable(all_values):
            raise TypeError(
                f"{self._name} must be {len(self)} arrays, one a layer, got {all_values!r}"
            )
        all_values = list(all_values)
        if len(all_values) != len(self):
            raise ValueError(
                f"{self._name} must be {len(self)} arrays, one a layer, got {len(all_values)}"
            )
        copies = [self._checked(i, values).copy() for i, values in enumerate(all_values)]
        for view, values in zip(self._views, copies, strict=True):
            view[...] = values

    def __repr__(self):
        return "[" + ",\n ".join(np.array2string(v, prefix=" ") for v in self._views) + "]"
