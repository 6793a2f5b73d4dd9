"""The caller's arrays in the form that kernels take, and workspace.

A kernel is compiled for writeable C-contiguous float32 and float64 arrays only. Each function first
tests with `is_kernel_ready` whether it has such arrays, in well under a microsecond, as a call on a
small layer takes only a few. All other arrays are converted here.
"""

import threading
from typing import TypeGuard

import numpy as np

from ..base.validation import check_real_array
from ..kernels.plan import aligned_zeros

F4 = np.dtype(np.float32)
F8 = np.dtype(np.float64)
ndarray = np.ndarray


def is_kernel_ready(array: object) -> TypeGuard[np.ndarray]:
    """Whether a kernel can take the array without conversion."""
    return (
        type(array) is ndarray
        and ((dtype := array.dtype) is F4 or dtype is F8)
        and array.flags.carray
    )


def no_overlap(a, b):
    """Whether writing into one array cannot change the other; fast for arrays that own their
    memory."""
    return a is not b and ((a.base is None and b.base is None) or not np.may_share_memory(a, b))


def writable_target(out, shape, dtype, inputs):
    """Whether a kernel can write a result of that shape and dtype into `out` while it reads
    `inputs`."""
    if (
        type(out) is not ndarray
        or out.dtype is not dtype
        or out.shape != shape
        or not out.flags.carray
    ):
        return False
    for array in inputs:  # noqa: SIM110, all() of a generator takes three times as long
        if not no_overlap(out, array):
            return False
    return True


def writable_elementwise(out, array):
    """Whether a kernel that reads `array`, itself kernel-ready, element by element can write into
    `out`."""
    return out is array or writable_target(out, array.shape, array.dtype, (array,))


def common_dtype(*arrays):
    """float32 if it holds every floating-point array and there is one, else float64."""
    dtype = np.result_type(*arrays)
    return F4 if dtype.kind == "f" and dtype.itemsize <= F4.itemsize else F8


def real_array(name, array, ndim) -> np.ndarray:
    """`check_real_array`, which takes a microsecond, with a fast path for plain arrays."""
    if type(array) is ndarray and array.dtype.kind in "fiub" and array.ndim in ndim:
        return array
    return check_real_array(name, array, ndim)


def as_kernel_array(array, dtype) -> np.ndarray:
    """A plain array, or a copy if no kernel can take it. `dtype` is the object F4, F8 or int64."""
    if array.dtype is dtype and array.flags.carray:
        return array
    return array.astype(dtype, "C")


def layer_arrays(x, W, third, ndim, convert) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, W and an array of `ndim` dimensions as kernels take them, or what `convert` makes of
    them."""
    # One expression instead of three calls of is_kernel_ready, which take three times as long.
    if (
        type(x) is type(W) is type(third) is ndarray
        and (dtype := x.dtype) is W.dtype is third.dtype
        and (dtype is F4 or dtype is F8)
        and x.ndim == W.ndim == 2
        and third.ndim == ndim
        and x.flags.carray
        and W.flags.carray
        and third.flags.carray
    ):
        return x, W, third
    return convert(x, W, third)


def output_buffer(name, out, shape, dtype, *inputs):
    """The array for a kernel to write into: `out`, or a new one that `copy_back` copies into it.

    Parameters
    ----------
    name : str
        The argument's name, for errors.
    out : ndarray or None
    shape : tuple of int
    dtype : F4 or F8
    *inputs : ndarray
        The arrays that the kernel still reads after it has begun to write.

    Raises
    ------
    TypeError, ValueError
        If the result does not fit into `out`.
    """
    if out is None:
        return np.empty(shape, dtype)
    if writable_target(out, shape, dtype, inputs):
        return out
    if not isinstance(out, ndarray):
        raise TypeError(f"{name} must be an array of shape {shape} and dtype {dtype}, got {out!r}")
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(
            f"{name} must be of shape {shape} and dtype {dtype}, got {out.shape} and {out.dtype}"
        )
    if not out.flags.writeable:
        raise ValueError(f"{name} must be writeable, got a read-only array")
    return np.empty(shape, dtype)


def one_row(out, name, size):
    """`out`, an array of shape (size,) or None, with an axis of one sample in front."""
    if out is None:
        return None
    if not isinstance(out, ndarray):
        raise TypeError(f"{name} must be an array of shape ({size},), got {out!r}")
    if out.shape != (size,):
        raise ValueError(f"{name} must be of shape ({size},) for one sample, got {out.shape}")
    return out[None]


def copy_back(result, out):
    """The array to return: `out` with the result in it, or the result if there is no `out`."""
    if out is None or out is result:
        return result
    out[...] = result
    return out


class _Workspaces(threading.local):
    """A thread's buffers, one for each dtype; they grow to the size of its largest call."""

    def __init__(self):
        self.single = aligned_zeros(0, F4)
        self.double = aligned_zeros(0, F8)


_workspaces = _Workspaces()


def workspace(size, dtype):
    """A buffer of at least `size` elements, the calling thread's until its next call."""
    if dtype is F4:
        if _workspaces.single.size < size:
            _workspaces.single = aligned_zeros(size, F4)
        return _workspaces.single
    if _workspaces.double.size < size:
        _workspaces.double = aligned_zeros(size, F8)
    return _workspaces.double
