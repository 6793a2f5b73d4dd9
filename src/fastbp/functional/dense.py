"""A layer forward and backward."""

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from ..base.activations import HIDDEN
from ..base.validation import check_choice, check_count
from ..kernels import entries as kernels
from ..kernels.abi import STORES_SLOPES
from ..kernels.workspace import backward_size, forward_size
from ..runtime.autotune import MAX_THREADS
from ..runtime.spin_pool import WAKE_MACS, shared_pool
from .arrays import (
    as_kernel_array,
    common_dtype,
    copy_back,
    layer_arrays,
    no_overlap,
    one_row,
    output_buffer,
    real_array,
    workspace,
)

# Multiply-adds of a call that pay for one spinning thread. Two threads break even at half of this
# if all data stay in their caches. In a training step, however, one of them has just changed W:
# with calls of 262,000 shared, 64-128-64-10 in batches of 32 in float64 took 113 to 138 us instead
# of 109.
_SPINNING_MACS = 500_000
# A call that takes longer than these, and these for each multiply-add, has waited for a CPU: many
# times what it takes otherwise.
_STALL_SECONDS = 1e-3
_SECONDS = 1e-9
# Activations with a derivative that follows from their output.
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
            "activation must be one with a derivative that follows from its output x, got "
            f"{activation!r}: use 'identity' for dL/dx, and multiply it with the derivative at z"
        ) from None


def _run(entry, size, sizes, dtype, n_threads, activation, *arrays):
    """Run an entry point with as many threads as pay, or as the caller wants; `size` gives the
    workspace that it needs."""
    macs = sizes[0] * sizes[1] * sizes[2]
    if n_threads is None:
        wanted = macs // _SPINNING_MACS
    else:
        wanted = check_count("n_threads", n_threads, most=MAX_THREADS)
    n = shared_pool().max_threads(wanted, n_threads is None) if wanted > 1 else 1
    args = *arrays, workspace(size(*sizes, n), dtype), *sizes, activation
    if n == 1:
        entry.call(*args, 0, 1)
    else:
        shared_pool().run(
            entry,
            args,
            n,
            macs if n_threads is None else max(macs, WAKE_MACS),
            stall_seconds=_STALL_SECONDS + macs * _SECONDS,
        )


def _convert_forward(x, W, b):
    """x, of one or two dimensions, W and b, which may be None, in a common dtype."""
    x = real_array("x", x, (1, 2))
    W = real_array("W", W, (2,))
    if b is None:
        dtype = common_dtype(x, W)
        b = np.zeros(W.shape[1], dtype)
    else:
        b = real_array("b", b, (1, 2))
        dtype = common_dtype(x, W, b)
        if b.ndim == 2 and len(b) == 1:
            b = b[0]
    return as_kernel_array(x, dtype), as_kernel_array(W, dtype), as_kernel_array(b, dtype)


def _convert_backward(x, W, delta):
    """x and delta, of one or two dimensions, and W in a common dtype."""
    x = real_array("x", x, (1, 2))
    W = real_array("W", W, (2,))
    delta = real_array("delta", delta, (x.ndim,))
    dtype = common_dtype(x, W, delta)
    return as_kernel_array(x, dtype), as_kernel_array(W, dtype), as_kernel_array(delta, dtype)


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
            f"b must have one number for each of the {W[1]} columns of W, as shape ({W[1]},) or "
            f"(1, {W[1]}), got shape {shapes['b']}"
        )
    if shapes.get("delta", (x[0], W[1])) != (x[0], W[1]):
        raise ValueError(
            f"delta must be of shape {(x[0], W[1])}, the rows of x by the columns of W, "
            f"got {shapes['delta']}"
        )


def _check_mask(mask, shape, dtype):
    """The dropout mask as an array of that shape and dtype that kernels take."""
    mask = real_array("mask", mask, (1, 2))
    if mask.shape != shape and not (mask.ndim == 1 and shape == (1, mask.size)):
        raise ValueError(f"mask must be of shape {shape}, got {mask.shape}")
    return as_kernel_array(mask.reshape(shape), dtype)


def dense_forward(
    x: ArrayLike,
    W: ArrayLike,
    b: ArrayLike | None = None,
    activation: str = "identity",
    *,
    mask: ArrayLike | None = None,
    out: np.ndarray | None = None,
    n_threads: int | None = None,
) -> np.ndarray:
    """The outputs of a layer, a = f(x @ W + b).

    Parameters
    ----------
    x : array_like (n, n_in), or (n_in,) for one sample
    W : array_like (n_in, n_out)
    b : array_like (n_out,) or (1, n_out), optional
        None for no bias.
    activation : str, default "identity"
        One of those that the hidden layers of `fastbp.MLP` can have.
    mask : array_like of the result's shape, optional
        Of dropout, a factor of each output: 0 for a dropped unit, otherwise 1 / (1 - rate)
        (Srivastava et al., *Dropout*, 2014), as in ``(rng.random(a.shape) >= rate) / (1 - rate)``.
        `dense_backward` of the next layer takes the same mask.
    out : ndarray of the result's shape, optional
        Array for the result, of the result's dtype.
    n_threads : int, optional
        Maximum, no more than there are CPUs. By default as many as pay: one for a small product;
        for larger ones also the threads that still spin since the last call; a large one wakes
        threads.

    Returns
    -------
    ndarray (n, n_out), or (n_out,) for one sample
        float32 where x, W and b are, otherwise float64.

    Raises
    ------
    TypeError, ValueError
        If an argument is not an array of real numbers, the shapes do not go together, `out` does
        not fit, or the activation is unknown. Nothing is written then.
    """
    code = _code(activation)
    if type(b) is np.ndarray and b.ndim == 2 and len(b) == 1:
        b = b[0]
    x, W, b = layer_arrays(x, W, b, 1, _convert_forward)
    if x.ndim == 1:
        to = one_row(out, "out", W.shape[1])
        a = dense_forward(x[None], W, b, activation, mask=mask, out=to, n_threads=n_threads)
        return a[0] if out is None else out
    n, n_in = x.shape
    k, n_out = W.shape
    if k != n_in or b.shape != (n_out,) or not k or not n_out:
        _check_shapes(x=x.shape, W=W.shape, b=b.shape)
    if mask is not None:
        mask = _check_mask(mask, (n, n_out), x.dtype)
    if out is None:
        a = np.empty((n, n_out), x.dtype)
    else:
        inputs = (x, W, b) if mask is None else (x, W, b, mask)
        a = output_buffer("out", out, (n, n_out), x.dtype, *inputs)
    if n_threads is None and n * n_in * n_out < 2 * _SPINNING_MACS:
        kernels.dense_forward.call(
            a,
            x,
            W,
            b,
            workspace(forward_size(n, n_in, n_out, 1), x.dtype),
            n,
            n_in,
            n_out,
            code,
            0,
            1,
        )
    else:
        _run(
            kernels.dense_forward,
            forward_size,
            (n, n_in, n_out),
            x.dtype,
            n_threads,
            code,
            a,
            x,
            W,
            b,
        )
    if mask is not None:
        np.multiply(a, mask, out=a)
    return a if out is None else copy_back(a, out)


def dense_backward(
    delta: ArrayLike,
    x: ArrayLike,
    W: ArrayLike,
    activation: str | None = None,
    *,
    mask: ArrayLike | None = None,
    out: tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None] | None = None,
    n_threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Backward through a layer: from its delta to its gradient and the delta of the layer below.

    dW = x.T @ delta; db = delta.sum(axis=0); delta_below = (delta @ W.T) * f'(x), where f'(x) is
    the derivative of the activation below, from its output x (Bishop, *Pattern Recognition and
    Machine Learning*, 2006, section 5.3).

    Parameters
    ----------
    delta : array_like (n, n_out), or (n_out,) for one sample
        dL/dz of this layer, z being ``x @ W + b``.
    x : array_like (n, n_in), or (n_in,) for one sample
        The layer's input, that is, the output of the layer below.
    W : array_like (n_in, n_out)
    activation : str, optional
        Of the layer below, by the names of `dense_forward`. None, the default, is for the first
        layer, which has no layer below: no delta is computed. Use ``"identity"`` for dL/dx itself,
        and also below ``gelu``, ``silu`` and ``mish``: their derivative does not follow from x.
    mask : array_like of the shape of x, optional
        The dropout mask that `dense_forward` made x with: delta_below is
        (delta @ W.T) * mask * f'(x / mask), and 0 for a dropped unit.
    out : tuple of (dW, db, delta_below), optional
        Arrays for the results, of their shapes and dtype; None for a new array.
    n_threads : int, optional
        As for `dense_forward`.

    Returns
    -------
    dW : ndarray (n_in, n_out)
    db : ndarray (n_out,)
    delta_below : ndarray of the shape of x, or None if `activation` is None
        float32 where all three arrays are, otherwise float64.

    Raises
    ------
    TypeError, ValueError
        If an argument is not an array of real numbers, the shapes do not go together, an array of
        `out` does not fit, or the activation is unknown. Nothing is written then.
    """
    code = -1 if activation is None else _code_below(activation)
    if mask is not None and code < 0:
        raise ValueError("mask must be None where activation is None: there is no layer below")
    x, W, delta = layer_arrays(x, W, delta, 2, _convert_backward)
    if x.ndim == 1:
        return _backward_one(delta, x, W, activation, mask, out, n_threads)
    n, n_in = x.shape
    k, n_out = W.shape
    if k != n_in or delta.shape != (n, n_out) or not k or not n_out:
        _check_shapes(x=x.shape, W=W.shape, delta=delta.shape)
    dtype = x.dtype
    product_code = code
    if mask is not None:
        mask = _check_mask(mask, (n, n_in), dtype)
        product_code = _CODES_BELOW["identity"]
    if out is None:
        dW = np.empty((n_in, n_out), dtype)
        db = np.empty(n_out, dtype)
        below = dW if code < 0 else np.empty((n, n_in), dtype)
    else:
        inputs = (delta, x, W) if mask is None else (delta, x, W, mask)
        dW, db, below = _targets(out, code >= 0, inputs)
    if n_threads is None and n * n_in * n_out < 2 * _SPINNING_MACS:
        kernels.dense_backward.call(
            dW,
            db,
            below,
            delta,
            x,
            W,
            workspace(backward_size(n, n_in, n_out, 1), dtype),
            n,
            n_in,
            n_out,
            product_code,
            0,
            1,
        )
    elif n:
        _run(
            kernels.dense_backward,
            backward_size,
            (n, n_in, n_out),
            dtype,
            n_threads,
            product_code,
            dW,
            db,
            below,
            delta,
            x,
            W,
        )
    if not n:
        dW[...] = 0
        db[...] = 0
    if mask is not None:
        kernels.through_mask.call(below, x, mask, code)
    if out is None:
        return dW, db, None if code < 0 else below
    return (
        copy_back(dW, out[0]),
        copy_back(db, out[1]),
        None if code < 0 else copy_back(below, out[2]),
    )


def _backward_one(delta, x, W, activation, mask, out, n_threads):
    """`dense_backward` of one sample."""
    rows = None
    if out is not None:
        _check_out(out)
        rows = (*out[:2], one_row(out[2], "out[2]", x.size))
    dW, db, below = dense_backward(
        delta[None], x[None], W, activation, mask=mask, out=rows, n_threads=n_threads
    )
    if below is not None:
        below = below[0] if out is None or out[2] is None else out[2]
    return dW, db, below


def _check_out(out):
    if not isinstance(out, tuple) or len(out) != 3:
        raise TypeError(
            f"out must be a tuple of three: arrays for dW, db and delta_below, or None, got {out!r}"
        )


def _targets(out, wanted, inputs):
    """The arrays for dW, db and, if it is wanted, delta_below."""
    _check_out(out)
    if out[2] is not None and not wanted:
        raise ValueError(
            "out[2] must be None where activation is None: there is no delta of a layer below"
        )
    _, x, W, *_ = inputs
    dW = output_buffer("out[0]", out[0], W.shape, x.dtype, *inputs)
    db = output_buffer("out[1]", out[1], W.shape[1:], x.dtype, *inputs)
    below = output_buffer("out[2]", out[2], x.shape, x.dtype, *inputs) if wanted else dW
    for a, b in combinations(out, 2):
        if a is not None and b is not None and not no_overlap(a, b) and np.shares_memory(a, b):
            raise ValueError("out must be arrays that share no memory with each other")
    return dW, db, below
