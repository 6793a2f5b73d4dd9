"""The caller's arrays as the compiled calls take them, and room to work in.

A kernel is compiled for writeable C-contiguous float32 and float64 arrays only. Each function first
asks `plain` whether it has just that, in well under a microsecond, because a call on a small layer
takes no more than a few; everything else is brought into that form here.
"""

import threading
from typing import TypeGuard

import numpy as np

from ..base.validation import check_real_array
from ..kernels.plan import aligned_zeros

F4, F8 = np.dtype(np.float32), np.dtype(np.float64)
ndarray = np.ndarray


def plain(array: object) -> TypeGuard[np.ndarray]:
    """Whether a kernel can take the array as it is."""
    return (
        type(array) is ndarray
        and ((dtype := array.dtype) is F4 or dtype is F8)
        and array.flags.carray
    )


def apart(a, b):
    """Whether nothing written into the one array can change the other; quick for arrays that own
    their memory."""
    return a is not b and ((a.base is None and b.base is None) or not np.may_share_memory(a, b))


def fits(out, array):
    """Whether a kernel that reads `array` element by element, itself plain, can write into `out`."""
    return out is array or direct(out, array.shape, array.dtype, (array,))


def direct(out, shape, dtype, inputs):
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
        if not apart(out, array):
            return False
    return True


def common_dtype(*arrays):
    """float32 where that holds every floating-point array and there is one, else float64."""
    dtype = np.result_type(*(array.dtype for array in arrays))
    return F4 if dtype.kind == "f" and dtype.itemsize <= F4.itemsize else F8


def ready(array, dtype) -> np.ndarray:
    """`array`, or where no kernel can take it a copy. `dtype` is F4 or F8 itself."""
    return array if plain(array) and array.dtype is dtype else np.array(array, dtype, order="C")


def all_ready(**arrays) -> list[np.ndarray]:
    """The named arrays, each given with the number of its dimensions, in a form and a dtype that a
    kernel can take."""
    checked = [check_real_array(name, array, (ndim,)) for name, (array, ndim) in arrays.items()]
    dtype = common_dtype(*checked)
    return [ready(array, dtype) for array in checked]


def layer_arrays(x, W, third, name, ndim) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, W and the array called `name`, of that many dimensions, in a form and a dtype that a
    kernel can take."""
    # Written out in one expression: where all is well it takes a third of the time of three calls
    # of `plain`.
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
    first, second, last = all_ready(x=(x, 2), W=(W, 2), **{name: (third, ndim)})
    return first, second, last


def check_out(name, out, shape, dtype):
    """Refuse an `out` that the result does not fit."""
    if not isinstance(out, ndarray):
        raise TypeError(f"{name} must be an array of shape {shape} and dtype {dtype}, got {out!r}")
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(
            f"{name} must be of shape {shape} and dtype {dtype}, got {out.shape} and {out.dtype}"
        )
    if not out.flags.writeable:
        raise ValueError(f"{name} must be writeable, got a read-only array")


def target(name, out, shape, dtype, *inputs):
    """The array for a kernel to write into: `out` itself, or one whose values are then to be copied
    into it.

    `inputs` are the arrays that the kernel still reads when it has begun to write.
    """
    if out is None:
        return np.empty(shape, dtype)
    if direct(out, shape, dtype, inputs):
        return out
    check_out(name, out, shape, dtype)
    return np.empty(shape, dtype)


def delivered(result, out):
    """What the caller gets: `out` with the result in it, where there is one."""
    if out is None or out is result:
        return result
    out[...] = result
    return out


class _Rooms(threading.local):
    """A thread's own buffers, which grow to what its largest call has needed. Nothing in them
    outlives a call."""

    def __init__(self):
        self.single, self.double = aligned_zeros(0, F4), aligned_zeros(0, F8)


_rooms = _Rooms()


def room(size, dtype):
    """A buffer of at least `size` elements, this thread's until its next call."""
    if dtype is F4:
        if _rooms.single.size < size:
            _rooms.single = aligned_zeros(size, F4)
        return _rooms.single
    if _rooms.double.size < size:
        _rooms.double = aligned_zeros(size, F8)
    return _rooms.double
