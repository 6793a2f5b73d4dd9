"""Activations and their derivatives, element by element; softmax row by row."""

import numpy as np
from numpy.typing import ArrayLike

from ..base.activations import HIDDEN
from ..kernels import entries as kernels
from ..runtime.spin_pool import shared_pool
from .arrays import (
    F8,
    as_kernel_array,
    common_dtype,
    copy_back,
    is_kernel_ready,
    output_buffer,
    real_array,
    writable_elementwise,
)

_ANY_NDIM = tuple(range(65))
# Bytes of an array that pay for one spinning thread: for functions that take exponentials, and for
# the others. Two threads break even with one at about 2/3 of twice as many, at 4 us: a call that is
# shared costs 2 us more. Below, threads that spin beside a loop of small calls would gain nothing.
_EXP_BYTES = 64 << 10
_PLAIN_BYTES = 128 << 10
# A call that takes longer than these, and these for each element, has waited for a CPU: many times
# what it takes otherwise.
_STALL_SECONDS = 5e-4
_SECONDS = 2e-8


def _run(kernel, out, z, code, size, by_row):
    """Run the kernel with as many threads as pay, each for at least `size` bytes."""
    args = (out, z, z.shape[-1], code) if by_row else (out, z, code)
    if z.nbytes < 2 * size:
        kernel.call(*args, 0, 1)
    else:
        pool = shared_pool()
        n = pool.max_threads(z.nbytes // size, is_default=True)
        pool.run(kernel, args, n, stall_seconds=_STALL_SECONDS + z.size * _SECONDS)


def _apply(kernel, name, z, code, out, size, by_row=False):
    """Apply the kernel to each element, or each row, of an array of any shape."""
    if is_kernel_ready(z) and z.ndim == 2 and (out is None or writable_elementwise(out, z)):
        out = np.empty(z.shape, z.dtype) if out is None else out
        _run(kernel, out, z, code, size, by_row)
        return out
    z = real_array(name, z, _ANY_NDIM[by_row:])
    if z.dtype.kind != "f":
        return _apply(kernel, name, z.astype(F8, "C"), code, out, size, by_row)
    f_order = z.ndim > 1 and z.flags.f_contiguous and not z.flags.c_contiguous
    if out is None and f_order and not by_row:
        return _apply(kernel, name, z.T, code, None, size).T
    dtype = common_dtype(z)
    z = as_kernel_array(z, dtype)
    # The kernel may write in place, but not into memory that overlaps z in part.
    result = output_buffer("out", out, z.shape, dtype, *() if out is z else (z,))
    if z.size:
        _run(kernel, result, z, code, size, by_row)
    return copy_back(result, out) if z.ndim or out is not None else result[()]


def sigmoid(z: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """1 / (1 + exp(-z)), without overflow for any z.

    Parameters
    ----------
    z : array_like of any shape
        Logits.
    out : ndarray of the shape of z, optional
        Array for the result, of the result's dtype. It may be `z` itself.

    Returns
    -------
    ndarray of the shape of z
        In [0, 1]. float32 for float32, otherwise float64.

    Raises
    ------
    TypeError, ValueError
        If `z` is not an array of real numbers, or `out` does not fit.
    """
    return _apply(kernels.apply, "z", z, HIDDEN["sigmoid"], out, _EXP_BYTES)


def tanh(z: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """The hyperbolic tangent of z.

    Parameters
    ----------
    z : array_like of any shape
        Logits.
    out : ndarray of the shape of z, optional
        Array for the result, of the result's dtype. It may be `z` itself.

    Returns
    -------
    ndarray of the shape of z
        In [-1, 1]. float32 for float32, otherwise float64.

    Raises
    ------
    TypeError, ValueError
        If `z` is not an array of real numbers, or `out` does not fit.
    """
    return _apply(kernels.apply, "z", z, HIDDEN["tanh"], out, _EXP_BYTES)


def relu(z: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """max(z, 0): the rectified linear unit.

    Parameters
    ----------
    z : array_like of any shape
        Logits.
    out : ndarray of the shape of z, optional
        Array for the result, of the result's dtype. It may be `z` itself.

    Returns
    -------
    ndarray of the shape of z
        At least 0. float32 for float32, otherwise float64.

    Raises
    ------
    TypeError, ValueError
        If `z` is not an array of real numbers, or `out` does not fit.
    """
    return _apply(kernels.apply, "z", z, HIDDEN["relu"], out, _PLAIN_BYTES)


def leaky_relu(z: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """z where it is positive, otherwise 0.01 z.

    Parameters
    ----------
    z : array_like of any shape
        Logits.
    out : ndarray of the shape of z, optional
        Array for the result, of the result's dtype. It may be `z` itself.

    Returns
    -------
    ndarray of the shape of z
        Of the sign of z. float32 for float32, otherwise float64.

    Raises
    ------
    TypeError, ValueError
        If `z` is not an array of real numbers, or `out` does not fit.
    """
    return _apply(kernels.apply, "z", z, HIDDEN["leaky_relu"], out, _PLAIN_BYTES)


def sigmoid_slope(a: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """The derivative of the sigmoid at z from its output: a (1 - a).

    Parameters
    ----------
    a : array_like of any shape
        Outputs a = sigmoid(z).
    out : ndarray of the shape of a, optional
        Array for the result, of the result's dtype. It may be `a` itself.

    Returns
    -------
    ndarray of the shape of a
        da/dz, in [0, 1/4]. float32 for float32, otherwise float64.

    Raises
    ------
    TypeError, ValueError
        If `a` is not an array of real numbers, or `out` does not fit.
    """
    return _apply(kernels.apply_slope, "a", a, HIDDEN["sigmoid"], out, _PLAIN_BYTES)


def tanh_slope(a: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """The derivative of tanh at z from its output: 1 - a**2.

    Parameters
    ----------
    a : array_like of any shape
        Outputs a = tanh(z).
    out : ndarray of the shape of a, optional
        Array for the result, of the result's dtype. It may be `a` itself.

    Returns
    -------
    ndarray of the shape of a
        da/dz, in [0, 1]. float32 for float32, otherwise float64.

    Raises
    ------
    TypeError, ValueError
        If `a` is not an array of real numbers, or `out` does not fit.
    """
    return _apply(kernels.apply_slope, "a", a, HIDDEN["tanh"], out, _PLAIN_BYTES)


def relu_slope(a: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """The derivative of relu at z from its output: 1 where a is positive, otherwise 0.

    At the kink, z = 0, it is the left one, 0.

    Parameters
    ----------
    a : array_like of any shape
        Outputs a = relu(z).
    out : ndarray of the shape of a, optional
        Array for the result, of the result's dtype. It may be `a` itself.

    Returns
    -------
    ndarray of the shape of a
        da/dz, 0 or 1. float32 for float32, otherwise float64.

    Raises
    ------
    TypeError, ValueError
        If `a` is not an array of real numbers, or `out` does not fit.
    """
    return _apply(kernels.apply_slope, "a", a, HIDDEN["relu"], out, _PLAIN_BYTES)


def leaky_relu_slope(a: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """The derivative of leaky_relu at z from its output: 1 where a is positive, otherwise 0.01.

    At the kink, z = 0, it is the left one, 0.01.

    Parameters
    ----------
    a : array_like of any shape
        Outputs a = leaky_relu(z).
    out : ndarray of the shape of a, optional
        Array for the result, of the result's dtype. It may be `a` itself.

    Returns
    -------
    ndarray of the shape of a
        da/dz, 0.01 or 1. float32 for float32, otherwise float64.

    Raises
    ------
    TypeError, ValueError
        If `a` is not an array of real numbers, or `out` does not fit.
    """
    return _apply(kernels.apply_slope, "a", a, HIDDEN["leaky_relu"], out, _PLAIN_BYTES)


def softmax(z: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """exp(z) over its sum along the last axis, so that each row adds up to 1.

    Computed from z minus the row's maximum, so that nothing overflows.

    Parameters
    ----------
    z : array_like (..., k)
        Logits.
    out : ndarray (..., k), optional
        Array for the result, of the result's dtype. It may be `z` itself.

    Returns
    -------
    ndarray (..., k)
        In [0, 1]. float32 for float32, otherwise float64.

    Raises
    ------
    TypeError, ValueError
        If `z` is not an array of real numbers, or `out` does not fit.
    """
    return _apply(kernels.softmax, "z", z, False, out, _EXP_BYTES, by_row=True)


def log_softmax(z: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """The logarithm of softmax(z), finite wherever z is.

    Computed as (z - max z) - log sum exp(z - max z), row by row.

    Parameters
    ----------
    z : array_like (..., k)
        Logits.
    out : ndarray (..., k), optional
        Array for the result, of the result's dtype. It may be `z` itself.

    Returns
    -------
    ndarray (..., k)
        At most 0. float32 for float32, otherwise float64.

    Raises
    ------
    TypeError, ValueError
        If `z` is not an array of real numbers, or `out` does not fit.
    """
    return _apply(kernels.softmax, "z", z, True, out, _EXP_BYTES, by_row=True)
