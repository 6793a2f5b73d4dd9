"""Memory layouts of one array."""

import numpy as np


def packed(array):
    """A view of a field of packed records: no element is aligned, and the distance of rows is no
    multiple of the element size."""
    records = np.zeros(len(array), [("pad", "u1"), ("field", array.dtype, array.shape[1:])])
    records["field"] = array
    return records["field"]


def surrounded(array, *steps):
    """A view of every steps[i]-th element along axis i of a larger array."""
    axes = list(zip(array.shape, steps, strict=True))
    larger = np.full([n * abs(s) + 3 for n, s in axes], 99, array.dtype)
    inside = tuple(slice(1, 1 + n * abs(s), abs(s)) for n, s in axes)
    view = larger[inside][tuple(slice(None, None, 1 if s > 0 else -1) for s in steps)]
    view[...] = array
    return view


def frozen(array):
    array = array.copy()
    array.flags.writeable = False
    return array


LAYOUTS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "rows apart": lambda a: surrounded(a, 3, *[1] * (a.ndim - 1)),
    "all apart": lambda a: surrounded(a, *[2] * a.ndim),
    "rows backwards": lambda a: a[::-1].copy()[::-1],
    "all backwards": lambda a: surrounded(a, *[-1] * a.ndim),
    "columns backwards, rows apart": lambda a: surrounded(a, *[2, -3][: a.ndim]),
    "read-only": frozen,
    "unaligned": packed,
    "lists": lambda a: a.tolist(),
    "tuples": lambda a: tuple(map(tuple, a.tolist())) if a.ndim == 2 else tuple(a.tolist()),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
}
