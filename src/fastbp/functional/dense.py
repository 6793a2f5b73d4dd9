"""A layer forward and backward."""

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from ..base.activations import HIDDEN
from ..base.validation import check_choice, check_count
from ..kernels import functional as kernels
from ..kernels.abi import STORES_SLOPES
from ..runtime.autotune import MAX_THREADS
from ..runtime.spin_pool import WAKE_MACS, shared_pool
from .arrays import copy_back, layer_arrays, no_overlap, output_buffer, workspace

# Multiply-adds of a call that pay for one spinning thread. Two threads break even at half of this
# if all data stay in their caches. In a training step, however, one of them has just changed W:
# with calls of 262,000 shared, 64-128-64-10 in batches of 32 in float64 took 113 to 138 us instead
# of 109.
_SPINNING_MACS = 500_000
# Activations with a slope that follows from their output.
_CODES_BELOW = {name: code for name, code in HIDDEN.items() if code not in STORES_SLOPES}


def _code(activation):
    try:
        return HIDDEN[activation]
    except (KeyError, TypeError):
        return HIDDEN[check_choice("activation", activation, HIDDEN)]


def _code_below(activation):
    try:
        return _CODES_BELOW[activation]
    except (KeyError, TypeError):
        check_choice("activation", activation, HIDDEN)
        raise ValueError(
            "activation must be one with a slope that follows from its output x, got "
            f"{activation!r}: use 'identity' for dL/dx, and multiply it with the slope at z"
        ) from None


def _run(entry, size, sizes, dtype, n_threads, *arrays):
    """Run an entry point with as many threads as pay, or as the caller wants; `size` gives the
    workspace that it needs."""
    macs = sizes[0] * sizes[1] * sizes[2]
    if n_threads is None:
        wanted = macs // _SPINNING_MACS
    else:
        wanted = check_count("n_threads", n_threads, most=MAX_THREADS)
    n = shared_pool().max_threads(wanted, n_threads is None) if wanted > 1 else 1
    args = *arrays[:-1], workspace(size(*sizes, n), dtype), arrays[-1]
    if n == 1:
        entry(*args, 0, 1)
    else:
        shared_pool().run(entry, args, n, macs if n_threads is None else max(macs, WAKE_MACS))


def _check_shapes(**shapes):
    """Refuse arrays of a layer that do not go together."""
    x, W = shapes["x"], shapes["W"]
    if 0 in W:
        raise ValueError(f"W must have at least one row and one column, got shape {W}")
    if x[1] != W[0]:
        raise ValueError(
            f"x must have one column for each of the {W[0]} rows of W, got shape {x} for W of "
            f"shape {W}"
        )
    if shapes.get("b", W[1:]) != W[1:]:
        raise ValueError(
            f"b must have one number for each of the {W[1]} columns of W, got {shapes['b'][0]}"
        )
    if shapes.get("delta", (x[0], W[1])) != (x[0], W[1]):
        raise ValueError(
            f"delta must be of shape {(x[0], W[1])}, the rows of x by the columns of W, "
            f"got {shapes['delta']}"
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
        One of those that the hidden layers of `fastbp.MLP` can have.
    out : ndarray (n, n_out), optional
        Array for the result, of the result's dtype.
    n_threads : int, optional
        Maximum, no more than there are CPUs. By default as many as pay: one for a small product;
        for larger ones also the threads that still spin since the last call; a large one wakes
        threads.

    Returns
    -------
    ndarray (n, n_out)
        float32 where all three arrays are, otherwise float64.

    Raises
    ------
    TypeError, ValueError
        If an argument is not an array of real numbers, the shapes do not go together, `out` does
        not fit, or the activation is unknown. Nothing is written then.
    """
    code = _code(activation)
    x, W, b = layer_arrays(x, W, b, "b", 1)
    n, n_in = x.shape
    k, n_out = W.shape
    if k != n_in or n_out != b.size or not k or not n_out:
        _check_shapes(x=x.shape, W=W.shape, b=b.shape)
    a = output_buffer("out", out, (n, n_out), x.dtype, x, W, b)
    if n_threads is None and n * n_in * n_out < 2 * _SPINNING_MACS:
        kernels.dense_forward(
            a, x, W, b, workspace(kernels.forward_size(n, n_in, n_out, 1), x.dtype), code, 0, 1
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
    return copy_back(a, out)


def dense_backward(
    delta: ArrayLike,
    x: ArrayLike,
    W: ArrayLike,
    activation: str | None = None,
    *,
    out: tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None] | None = None,
    n_threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Backward through a layer: from its delta to its gradient and the delta of the layer below.

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
        layer, which has no layer below: no delta is computed. Use ``"identity"`` for dL/dx itself,
        and also below ``gelu``, ``silu`` and ``mish``: their slope does not follow from x.
    out : tuple of (dW, db, delta_below), optional
        Arrays for the results, of their shapes and dtype; None for a new array.
    n_threads : int, optional
        As for `dense_forward`.

    Returns
    -------
    dW : ndarray (n_in, n_out)
    db : ndarray (n_out,)
    delta_below : ndarray (n, n_in), or None if `activation` is None
        float32 where all three arrays are, otherwise float64.

    Raises
    ------
    TypeError, ValueError
        If an argument is not an array of real numbers, the shapes do not go together, an array of
        `out` does not fit, or the activation is unknown. Nothing is written then.
    """
    code = -1 if activation is None else _code_below(activation)
    x, W, delta = layer_arrays(x, W, delta, "delta", 2)
    n, n_in = x.shape
    k, n_out = W.shape
    if k != n_in or delta.shape != (n, n_out) or not k or not n_out:
        _check_shapes(x=x.shape, W=W.shape, delta=delta.shape)
    dtype = x.dtype
    if out is None:
        out = (None, None, None)
        dW = np.empty((n_in, n_out), dtype)
        db = np.empty(n_out, dtype)
        below = dW if code < 0 else np.empty((n, n_in), dtype)
    else:
        dW, db, below = _targets(out, code >= 0, n, delta, x, W)
    if n_threads is None and n * n_in * n_out < 2 * _SPINNING_MACS:
        kernels.dense_backward(
            dW,
            db,
            below,
            delta,
            x,
            W,
            workspace(kernels.backward_size(n, n_in, n_out, 1), dtype),
            code,
            0,
            1,
        )
    elif n:
        _run(
            kernels.dense_backward,
            kernels.backward_size,
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
        dW[...] = 0
        db[...] = 0
    return (
        copy_back(dW, out[0]),
        copy_back(db, out[1]),
        None if code < 0 else copy_back(below, out[2]),
    )


def _targets(out, wanted, n, delta, x, W):
    """The arrays for dW, db and, if it is wanted, delta_below."""
    if not isinstance(out, tuple) or len(out) != 3:
        raise TypeError(
            f"out must be a tuple of three: arrays for dW, db and delta_below, or None, got {out!r}"
        )
    if out[2] is not None and not wanted:
        raise ValueError(
            "out[2] must be None where activation is None: there is no delta of a layer below"
        )
    dW = output_buffer("out[0]", out[0], W.shape, x.dtype, delta, x, W)
    db = output_buffer("out[1]", out[1], W.shape[1:], x.dtype, delta, x, W)
    below = output_buffer("out[2]", out[2], x.shape, x.dtype, delta, x, W) if wanted else dW
    for a, b in combinations(out, 2):
        if a is not None and b is not None and not no_overlap(a, b) and np.shares_memory(a, b):
            raise ValueError("out must be arrays that share no memory with each other")
    return dW, db, below
