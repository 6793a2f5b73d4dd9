"""The loss of the outputs and its delta, where the backward pass begins."""

import numpy as np
from numpy.typing import ArrayLike

from ..base.activations import OUTPUTS
from ..base.losses import LOSSES
from ..base.network_arguments import (
    check_loss,
)
from ..base.validation import (
    check_choice,
    check_labels,
    check_real_array,
)
from ..kernels import functional as kernels
from .arrays import (
    as_kernel_array,
    common_dtype,
    copy_back,
    is_kernel_ready,
    output_buffer,
    workspace,
)

_LOSSES = ("cross_entropy", "binary_cross_entropy", "squared_error", "softmax_cross_entropy")
_I8 = np.dtype(np.int64)
_NO_LABELS = np.zeros(0, _I8)
# (output, loss) as arguments -> (code of the output, code of the loss, its name), once checked.
_pairs: dict[tuple[str, str | None], tuple[int, int, str]] = {}


def _check_pair(output, loss):
    try:
        return _pairs[output, loss]
    except (KeyError, TypeError):
        code = OUTPUTS[check_choice("output", output, OUTPUTS)]
        if loss is not None:
            check_choice("loss", loss, _LOSSES)
        name = check_loss(loss, output, 2)
        return _pairs.setdefault((output, loss), (code, LOSSES[name].code, name))


def output_delta(
    z: ArrayLike,
    y: ArrayLike,
    output: str = "softmax",
    loss: str | None = None,
    *,
    out: np.ndarray | None = None,
) -> tuple[float, np.ndarray]:
    """The mean loss over the rows, and delta = dL/dz, its gradient with respect to the logits z.

    For softmax with cross-entropy, sigmoid with binary cross-entropy and identity with squared
    error delta is (a - t) / n, with outputs a and targets t; every other pair uses the chain rule
    through the output's activation (Bishop, *Pattern Recognition and Machine Learning*, 2006,
    section 5.2). The cross-entropies are computed from z, by formulas that take exp of no number
    above 0.

    Parameters
    ----------
    z : array_like (n, k)
        ``x @ W + b`` of the last layer: `dense_forward` with its ``"identity"``.
    y : array_like (n,) or (n, k)
        Integer labels 0..k-1, or targets as rows; for k = 1 without a softmax the targets may be
        (n,).
    output : str, default "softmax"
        One of those of `fastbp.MLP`.
    loss : str, optional
        One of ``cross_entropy`` (of a softmax), ``binary_cross_entropy`` (of a sigmoid),
        ``squared_error`` (half the sum over the outputs) and ``softmax_cross_entropy`` (of the
        outputs as logits). By default that of the output, as for `fastbp.MLP`.
    out : ndarray (n, k), optional
        Array for delta, of its dtype. It may be `z` itself.

    Returns
    -------
    loss : float
        0 if there are no rows.
    delta : ndarray (n, k)
        float32 for a float32 z, otherwise float64; `y` is converted.

    Raises
    ------
    TypeError, ValueError
        If an argument is not an array of real numbers, the shapes do not go together, a label is
        outside 0..k-1, `out` does not fit, or output and loss are unknown or do not go together.
        Nothing is written then.
    """
    code, loss_code, loss_name = _check_pair(output, loss)
    if not (is_kernel_ready(z) and z.ndim == 2):
        z = check_real_array("z", z, (2,))
        z = as_kernel_array(z, common_dtype(z))
    n, k = z.shape
    if not k:
        raise ValueError(f"z must have at least one column, got shape {z.shape}")
    if (
        type(y) is np.ndarray
        and y.dtype is _I8
        and y.shape == (n,)
        and k > 1
        and y.flags.carray
        and kernels.first_outside(y, k) < 0
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
    work = workspace(kernels.output_size(k), z.dtype)
    if targets is None:
        value = kernels.output_delta(delta, z, z, labels, work, code, loss_code, True)
    else:
        value = kernels.output_delta(delta, z, targets, _NO_LABELS, work, code, loss_code, False)
    return value, copy_back(delta, out)


def _targets(y, z, loss):
    """y as (targets, labels), one of them None: targets of the shape and dtype of z, or int64
    labels."""
    n, k = z.shape
    y = check_real_array("y", y, (1, 2))
    if len(y) != n:
        raise ValueError(f"y must have one row for each of the {n} rows of z, got {len(y)}")
    if y.ndim == 1 and k == 1 and loss in ("binary_cross_entropy", "squared_error"):
        y = y[:, None]
    elif y.ndim == 1:
        return None, as_kernel_array(check_labels("y", y, k, loss), _I8)
    if y.shape != (n, k):
        raise ValueError(
            f"y must be of shape {(n, k)} or integer labels of shape ({n},), got {y.shape}"
        )
    return as_kernel_array(y, z.dtype), None
