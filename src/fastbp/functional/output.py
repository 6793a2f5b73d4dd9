"""The loss of the outputs and its delta, where the backward pass begins."""

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from ..base.activations import OUTPUTS
from ..base.losses import LOSSES
from ..base.network_arguments import check_loss
from ..base.validation import REGRESSIONS, check_choice, check_flag, check_labels, one_hot_labels
from ..kernels import entries as kernels
from ..kernels.workspace import output_size
from .arrays import (
    as_kernel_array,
    common_dtype,
    copy_back,
    is_kernel_ready,
    one_row,
    output_buffer,
    real_array,
    workspace,
)

_I8 = np.dtype(np.int64)
_NO_LABELS = np.zeros(0, _I8)
_REDUCTIONS = ("mean", "sum")
# (output, loss) as arguments -> (code of the output, code of the loss, its name), once checked.
_pairs: dict[tuple[str, str | None], tuple[int, int, str]] = {}


def _check_pair(output, loss):
    try:
        return _pairs[output, loss]
    except (KeyError, TypeError):
        code = OUTPUTS[check_choice("output", output, OUTPUTS)]
        if loss is not None:
            check_choice("loss", loss, LOSSES)
        name = check_loss(loss, output, 2)
        return _pairs.setdefault((output, loss), (code, LOSSES[name].code, name))


@overload
def output_delta(
    z: ArrayLike,
    y: ArrayLike,
    output: str = "softmax",
    loss: str | None = None,
    *,
    reduction: str = "mean",
    return_output: Literal[False] = False,
    out: np.ndarray | None = None,
) -> tuple[float, np.ndarray]: ...
@overload
def output_delta(
    z: ArrayLike,
    y: ArrayLike,
    output: str = "softmax",
    loss: str | None = None,
    *,
    reduction: str = "mean",
    return_output: Literal[True],
    out: np.ndarray | None = None,
) -> tuple[float, np.ndarray, np.ndarray]: ...


def output_delta(
    z: ArrayLike,
    y: ArrayLike,
    output: str = "softmax",
    loss: str | None = None,
    *,
    reduction: str = "mean",
    return_output: bool = False,
    out: np.ndarray | None = None,
) -> tuple[float, np.ndarray] | tuple[float, np.ndarray, np.ndarray]:
    """The loss of the rows, and delta = dL/dz, its gradient with respect to the logits z.

    For softmax with cross-entropy, sigmoid with binary cross-entropy, identity with squared error
    and exp with poisson, delta is (a - t) / n, with outputs a and targets t; every other pair uses
    the chain rule through the output's activation (Bishop, *Pattern Recognition and Machine
    Learning*, 2006, section 5.2). The cross-entropies are computed from z, by formulas that take
    exp of no number above 0.

    Parameters
    ----------
    z : array_like (n, k), or (k,) for one sample
        ``x @ W + b`` of the last layer: `dense_forward` with its ``"identity"``.
    y : array_like (n,) or (n, k); a label or (k,) for one sample
        Integer labels 0..k-1, or targets as rows; for k = 1 without a softmax the targets may be
        (n,).
    output : str, default "softmax"
        One of those of `fastbp.MLP`.
    loss : str, optional
        One of those of `fastbp.MLP`: ``cross_entropy`` (of a softmax), ``binary_cross_entropy``
        (of a sigmoid), ``squared_error`` (half the sum over the outputs), ``huber`` (of errors
        beyond 1), ``absolute_error``, ``poisson`` (half the deviance of exp(z)), ``hinge`` (of
        labels or one-hot rows, for identity) and ``softmax_cross_entropy`` (of the outputs as
        logits). By default that of the output, as for `fastbp.MLP`.
    reduction : {"mean", "sum"}, default "mean"
        Over the rows, of the loss and so of delta.
    return_output : bool, default False
        Whether the outputs a are returned too.
    out : ndarray of the shape of z, optional
        Array for delta, of its dtype. It may be `z` itself.

    Returns
    -------
    loss : float
        0 if there are no rows.
    delta : ndarray of the shape of z
        float32 for a float32 z, otherwise float64; `y` is converted.
    a : ndarray of the shape of z
        The outputs f(z), only where `return_output`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not an array of real numbers, the shapes do not go together, a label is
        outside 0..k-1, a target of poisson is negative, `out` does not fit, or output and loss are
        unknown or do not go together. Nothing is written then.
    """
    code, loss_code, loss_name = _check_pair(output, loss)
    if reduction not in _REDUCTIONS:
        check_choice("reduction", reduction, _REDUCTIONS)
    if return_output is not False:
        return_output = check_flag("return_output", return_output)
    if not (is_kernel_ready(z) and z.ndim == 2):
        z = real_array("z", z, (1, 2))
        if z.ndim == 1:
            return _delta_of_one(z, y, output, loss, reduction, return_output, out)
        z = as_kernel_array(z, common_dtype(z))
    n, k = z.shape
    if not k:
        raise ValueError(f"z must have at least one column, got shape {z.shape}")
    if k == 1:
        check_loss(loss_name, output, k)
    if (
        type(y) is np.ndarray
        and y.dtype is _I8
        and y.shape == (n,)
        and k > 1
        and y.flags.carray
        and kernels.first_outside.call(y, k) < 0
    ):
        targets = None
        labels = y
    else:
        targets, labels = _targets(y, z, loss_name)
    if out is None:
        delta = np.empty((n, k), z.dtype)
    else:
        inputs = [array for array in (z, targets, labels) if array is not None and array is not out]
        delta = output_buffer("out", out, z.shape, z.dtype, *inputs)
    has_labels = targets is None
    if has_labels:
        targets = z
    else:
        labels = _NO_LABELS
    a = np.empty((n, k), z.dtype) if return_output else z
    work = workspace(output_size(k), z.dtype)
    share = 1.0 if reduction == "sum" or not n else 1.0 / n
    value = kernels.output_delta.call(
        delta, a, z, targets, labels, work, n, k, code, loss_code, has_labels, share, return_output
    )
    delta = copy_back(delta, out)
    return (value, delta, a) if return_output else (value, delta)


def _delta_of_one(z, y, output, loss, reduction, return_output, out):
    """`output_delta` of one sample."""
    y = real_array("y", y, (0, 1))
    value, delta, a = output_delta(
        z[None],
        y[None],
        output,
        loss,
        reduction=reduction,
        return_output=True,
        out=one_row(out, "out", z.size),
    )
    delta = delta[0] if out is None else out
    return (value, delta, a[0]) if return_output else (value, delta)


def _targets(y, z, loss):
    """y as (targets, labels), one of them None: targets of the shape and dtype of z, or int64
    labels."""
    n, k = z.shape
    y = real_array("y", y, (1, 2))
    if len(y) != n:
        raise ValueError(f"y must have one row for each of the {n} rows of z, got {len(y)}")
    if y.ndim == 1 and k == 1 and (loss == "binary_cross_entropy" or loss in REGRESSIONS):
        y = y[:, None]
    elif y.ndim == 1:
        if y.dtype.kind in "iu":
            labels = np.array(y, _I8, order="C")
            if kernels.first_outside.call(labels, k) < 0:
                return None, labels
        return None, as_kernel_array(check_labels("y", y, k, loss), _I8)
    if y.shape != (n, k):
        raise ValueError(
            f"y must be of shape {(n, k)} or integer labels of shape ({n},), got {y.shape}"
        )
    if loss == "hinge":
        return None, one_hot_labels("y", y)
    if loss == "poisson" and (y < 0).any():
        raise ValueError(f"y must hold counts of at least 0 for loss='poisson', got {y.min()}")
    return as_kernel_array(y, z.dtype), None
