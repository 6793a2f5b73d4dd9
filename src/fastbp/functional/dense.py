"""A layer forward and backward."""

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from ..base.names import HIDDEN
from ..base.validation import check_choice, check_count
from ..kernels import functional as kernels
from ..kernels.activations import FIRST_GATED
from ..runtime.autotune import MAX_THREADS
from ..runtime.spin_pool import WAKE_MACS, shared_pool
from .arrays import apart, delivered, layer_arrays, room, target

# Multiply-adds that are worth a worker that spins. Two threads break even at half of the first where all stays in their caches; but in
# a step W was just changed, by one of them: with calls of 262,000 shared, 64-128-64-10 in batches
# of 32 in float64 took 113 to 138 us, not 109.
_STANDING_BY = 500_000


def _code(activation):
    try:
        return HIDDEN[activation]
    except (KeyError, TypeError):
        return HIDDEN[check_choice("activation", activation, HIDDEN)]


def _code_below(activation):
    code = _code(activation)
    if code >= FIRST_GATED:
        raise ValueError(
            f"activation must be one whose slope follows from its output x, got {activation!r}: "
            "say 'identity' for dL/dx, and multiply it with the slope at z"
        )
    return code


def _run(entry, size, sizes, dtype, n_threads, *arrays):
    """The entry point by as many threads as pay, or as the caller wants; `size` tells the room that
    it needs."""
    work = sizes[0] * sizes[1] * sizes[2]
    members = (
        work // _STANDING_BY
        if n_threads is None
        else check_count("n_threads", n_threads, most=MAX_THREADS)
    )
    members = shared_pool().max_threads(members) if members > 1 else 1
    args = *arrays[:-1], room(size(*sizes, members), dtype), arrays[-1]
    if members == 1:
        entry(*args, 0, 1)
    else:
        shared_pool().run(entry, args, members, work if n_threads is None else max(work, WAKE_MACS))


def _sizes_fit(**shapes):
    """Refuse arrays of a layer that do not go together."""
    x, W = shapes["x"], shapes["W"]
    if 0 in W:
        raise ValueError(f"W must have at least one row and one column, got shape {W}")
    if x[1] != W[0]:
        raise ValueError(
            f"x must have one column for each of the {W[0]} rows of W, got shape {x} for W of shape {W}"
        )
    if shapes.get("b", W[1:]) != W[1:]:
        raise ValueError(
            f"b must have one number for each of the {W[1]} columns of W, got {shapes['b'][0]}"
        )
    if shapes.get("delta", (x[0], W[1])) != (x[0], W[1]):
        raise ValueError(
            f"delta must be of shape {(x[0], W[1])}, the rows of x by the columns of W, got {shapes['delta']}"
        )


def dense_forward(
    x: ArrayLike,
    W: ArrayLike,
    b: ArrayLike,
    activation: str = "identity",
    *,
    out: np.ndarray | None = None,
    n_threads: int | None = None,
) -> np.ndarray:
    """The outputs of a layer, a = f(x @ W + b).

    Parameters
    ----------
    x : array_like (n, n_in)
    W : array_like (n_in, n_out)
    b : array_like (n_out,)
    activation : str, default "identity"
        One of ``identity, sigmoid`` (or ``logistic``)``, tanh, relu, leaky_relu, elu, softplus,
        selu, gelu, silu, mish``.
    out : ndarray (n, n_out), optional
        Where the result goes; of the result's dtype.
    n_threads : int, optional
        At most; no more than there are CPUs. By default as many as pay: one for a small product,
        and for others those that stand by since the call before; a large one wakes some.

    Returns
    -------
    ndarray (n, n_out)
        float32 where all three arrays are, otherwise float64.

    Raises
    ------
    TypeError, ValueError
        If an argument is not an array of real numbers, the shapes do not go together, `out` does
        not fit, or the activation is not known. Nothing has been written then.
    """
    code = _code(activation)
    x, W, b = layer_arrays(x, W, b, "b", 1)
    n, n_in = x.shape
    k, n_out = W.shape
    if k != n_in or n_out != b.size or not k or not n_out:
        _sizes_fit(x=x.shape, W=W.shape, b=b.shape)
    a = target("out", out, (n, n_out), x.dtype, x, W, b)
    if n_threads is None and n * n_in * n_out < 2 * _STANDING_BY:
        kernels.dense_forward(
            a, x, W, b, room(kernels.forward_size(n, n_in, n_out, 1), x.dtype), code, 0, 1
        )
    else:
        _run(
            kernels.dense_forward,
            kernels.forward_size,
            (n, n_in, n_out),
            x.dtype,
            n_threads,
            a,
            x,
            W,
            b,
            code,
        )
    return delivered(a, out)


def dense_backward(
    delta: ArrayLike,
    x: ArrayLike,
    W: ArrayLike,
    activation: str | None = None,
    *,
    out: tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None] | None = None,
    n_threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Back through a layer: from its delta to its gradient and the delta of the layer below.

    dW = x.T @ delta; db = delta.sum(axis=0); delta_below = (delta @ W.T) * f'(x), where f'(x) is
    the slope of the activation below, from its output x (Bishop, *Pattern Recognition and Machine
    Learning*, 2006, section 5.3).

    Parameters
    ----------
    delta : array_like (n, n_out)
        dL/dz of this layer, z being ``x @ W + b``.
    x : array_like (n, n_in)
        The layer's input, that is, the output of the layer below.
    W : array_like (n_in, n_out)
    activation : str, optional
        Of the layer below, by the names of `dense_forward`. None, the default, is for the first
        layer: nothing lies below, and no delta is computed. For dL/dx itself say ``"identity"``, as
        also below ``gelu, silu, mish``, whose slope does not follow from x.
    out : tuple of (dW, db, delta_below), optional
        Arrays where the results go, of their shapes and dtype; None for each that is to be a new
        one.
    n_threads : int, optional
        At most; no more than there are CPUs. By default as many as pay: one for a small product,
        and for others those that stand by since the call before; a large one wakes some.

    Returns
    -------
    dW : ndarray (n_in, n_out)
    db : ndarray (n_out,)
    delta_below : ndarray (n, n_in), or None where nothing lies below
        float32 where all three arrays are, otherwise float64.

    Raises
    ------
    TypeError, ValueError
        If an argument is not an array of real numbers, the shapes do not go together, an array of
        `out` does not fit, or the activation is not known. Nothing has been written then.
    """
    code = -1 if activation is None else _code_below(activation)
    x, W, delta = layer_arrays(x, W, delta, "delta", 2)
    n, n_in = x.shape
    k, n_out = W.shape
    if k != n_in or delta.shape != (n, n_out) or not k or not n_out:
        _sizes_fit(x=x.shape, W=W.shape, delta=delta.shape)
    dtype = x.dtype
    if out is None:
        out = None, None, None
        dW, db = np.empty((n_in, n_out), dtype), np.empty(n_out, dtype)
        below = dW if code < 0 else np.empty((n, n_in), dtype)
    else:
        dW, db, below = _targets(out, code >= 0, n, delta, x, W)
    if n_threads is None and n * n_in * n_out < 2 * _STANDING_BY:
        kernels.dense_backward(
            dW,
            db,
            below,
            delta,
            x,
            W,
            room(kernels.backward_size(n, n_in, n_out, 1), dtype),
            code,
            0,
            1,
        )
    elif n:
        size = kernels.backward_size
        _run(
            kernels.dense_backward,
            size,
            (n, n_in, n_out),
            dtype,
            n_threads,
            dW,
            db,
            below,
            delta,
            x,
            W,
            code,
        )
    if not n:
        dW[...], db[...] = 0, 0
    return (
        delivered(dW, out[0]),
        delivered(db, out[1]),
        None if code < 0 else delivered(below, out[2]),
    )


def _targets(out, wanted, n, delta, x, W):
    """Where dW, db and, if it is wanted, delta_below go."""
    if not isinstance(out, tuple) or len(out) != 3:
        raise TypeError(
            f"out must be a tuple of three: arrays for dW, db and delta_below, or None, got {out!r}"
        )
    if out[2] is not None and not wanted:
        raise ValueError(
            "out[2] must be None where activation is None: there is no delta of a layer below"
        )
    dW = target("out[0]", out[0], W.shape, x.dtype, delta, x, W)
    db = target("out[1]", out[1], W.shape[1:], x.dtype, delta, x, W)
    below = target("out[2]", out[2], x.shape, x.dtype, delta, x, W) if wanted else dW
    for a, b in combinations(out, 2):
        if a is not None and b is not None and not apart(a, b) and np.shares_memory(a, b):
            raise ValueError("out must be arrays that share no memory with each other")
    return dW, db, below
