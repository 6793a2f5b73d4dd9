"""Activations and their slopes, element by element; softmax row by row."""

import numpy as np
from numpy.typing import ArrayLike

from ..base.names import HIDDEN
from ..base.validation import check_real_array
from ..kernels import elementwise as kernels
from ..runtime.spin_pool import shared_pool
from .arrays import common_dtype, delivered, fits, plain, ready, target

_ANY = tuple(range(65))
# Bytes of an array that are worth a thread that stands by: of the functions that take exponentials,
# and of the others. With twice as many two threads break even with one, at 2 to 4 us.
_EXPONENTIAL, _PLAIN = 16 << 10, 48 << 10
_SIGMOID, _TANH, _RELU, _LEAKY_RELU = (
    HIDDEN[name] for name in ("sigmoid", "tanh", "relu", "leaky_relu")
)


def _run(kernel, out, z, code, size):
    """The kernel by as many threads as pay, each for at least `size` bytes."""
    if z.nbytes < 2 * size:
        kernel(out, z, code, 0, 1)
    else:
        pool = shared_pool()
        pool.run(kernel, (out, z, code), pool.max_threads(z.nbytes // size))


def _each(kernel, name, z, code, out, size):
    """The kernel over the elements of an array of any shape."""
    if plain(z) and z.ndim == 2 and (out is None or fits(out, z)):
        out = np.empty(z.shape, z.dtype) if out is None else out
        _run(kernel, out, z, code, size)
        return out
    z = check_real_array(name, z, _ANY)
    if out is None and z.ndim > 1 and z.flags.f_contiguous and not z.flags.c_contiguous:
        return _each(kernel, name, z.T, code, None, size).T
    dtype = common_dtype(z)
    z = ready(z, dtype)
    # In place is right as it is; overlapping in part is not.
    result = target("out", out, z.shape, dtype, *() if out is z else (z,))
    _run(kernel, result.reshape(1, -1), z.reshape(1, -1), code, size)
    return delivered(result, out) if z.ndim or out is not None else result[()]


def sigmoid(z: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """1 / (1 + exp(-z)), which overflows for no z.

    Parameters
    ----------
    z : array_like of any shape
    out : ndarray, optional
        Where the result goes; of the result's shape and dtype. It may be `z` itself.

    Returns
    -------
    ndarray of the shape of z
        float32 for float32, otherwise float64.

    Raises
    ------
    TypeError, ValueError
        If `z` is not an array of real numbers, or `out` does not fit.
    """
    return _each(kernels.apply, "z", z, _SIGMOID, out, _EXPONENTIAL)


def tanh(z: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """The hyperbolic tangent. Parameters, result and errors as for `sigmoid`."""
    return _each(kernels.apply, "z", z, _TANH, out, _EXPONENTIAL)


def relu(z: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """max(z, 0). Parameters, result and errors as for `sigmoid`."""
    return _each(kernels.apply, "z", z, _RELU, out, _PLAIN)


def leaky_relu(z: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """z where it is positive, else 0.01 z. Parameters, result and errors as for `sigmoid`."""
    return _each(kernels.apply, "z", z, _LEAKY_RELU, out, _PLAIN)


def sigmoid_slope(a: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """The derivative of the sigmoid at z, from its value a = sigmoid(z): a (1 - a).

    Parameters
    ----------
    a : array_like of any shape
    out : ndarray, optional
        Where the result goes; of the result's shape and dtype. It may be `a` itself.

    Returns
    -------
    ndarray of the shape of a
        float32 for float32, otherwise float64.

    Raises
    ------
    TypeError, ValueError
        If `a` is not an array of real numbers, or `out` does not fit.
    """
    return _each(kernels.apply_slope, "a", a, _SIGMOID, out, _PLAIN)


def tanh_slope(a: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """The derivative of tanh at z, from a = tanh(z): 1 - a**2. Parameters, result and errors as for
    `sigmoid_slope`."""
    return _each(kernels.apply_slope, "a", a, _TANH, out, _PLAIN)


def relu_slope(a: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """The derivative of relu at z, from a = relu(z): 1 where a is positive, else 0, at the kink
    too.

    Parameters, result and errors as for `sigmoid_slope`.
    """
    return _each(kernels.apply_slope, "a", a, _RELU, out, _PLAIN)


def leaky_relu_slope(a: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """The derivative of leaky_relu at z, from a = leaky_relu(z): 1 where a is positive, else 0.01,
    at the kink too.

    Parameters, result and errors as for `sigmoid_slope`.
    """
    return _each(kernels.apply_slope, "a", a, _LEAKY_RELU, out, _PLAIN)


def _rows(z, logarithm, out):
    if plain(z) and z.ndim == 2 and (out is None or fits(out, z)):
        out = np.empty(z.shape, z.dtype) if out is None else out
        _run(kernels.softmax, out, z, logarithm, _EXPONENTIAL)
        return out
    z = check_real_array("z", z, _ANY[1:])
    dtype = common_dtype(z)
    z = ready(z, dtype)
    result = target("out", out, z.shape, dtype, *() if out is z else (z,))
    if z.size:
        k = z.shape[-1]
        _run(kernels.softmax, result.reshape(-1, k), z.reshape(-1, k), logarithm, _EXPONENTIAL)
    return delivered(result, out)


def softmax(z: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """exp(z) over its sum along the last axis, so that each row adds up to 1.

    Computed of z less the row's maximum, so that nothing overflows.

    Parameters
    ----------
    z : array_like (..., k)
    out : ndarray (..., k), optional
        Where the result goes; of the result's dtype. It may be `z` itself.

    Returns
    -------
    ndarray (..., k)
        float32 for float32, otherwise float64.

    Raises
    ------
    TypeError, ValueError
        If `z` is not an array of real numbers, or `out` does not fit.
    """
    return _rows(z, False, out)


def log_softmax(z: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """The logarithm of softmax(z), finite wherever z is: z - max z - log sum exp(z - max z).

    Parameters, result and errors as for `softmax`.
    """
    return _rows(z, True, out)
