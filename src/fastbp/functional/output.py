"""Where going backward begins: the loss and delta of the outputs."""

import numpy as np
from numpy.typing import ArrayLike

from ..base.names import LOSSES, OUTPUTS, loss_name
from ..base.validation import check_choice, check_labels, check_real_array
from ..kernels import functional as kernels
from .arrays import common_dtype, delivered, plain, ready, room, target

_LOSSES = ("cross_entropy", "binary_cross_entropy", "squared_error", "softmax_cross_entropy")
_BINARY_CROSS_ENTROPY, _SQUARED_ERROR = (
    LOSSES[name] for name in ("binary_cross_entropy", "squared_error")
)
_I8, _NO_LABELS = np.dtype(np.int64), np.zeros(0, np.int64)
# (output, loss) as a caller writes them: the codes, once they have been found to go together.
_pairs: dict[tuple[str, str | None], tuple[int, int]] = {}


def _codes(output, loss):
    try:
        return _pairs[output, loss]
    except (KeyError, TypeError):
        code = OUTPUTS[check_choice("output", output, OUTPUTS)]
        if loss is not None:
            check_choice("loss", loss, _LOSSES)
        return _pairs.setdefault((output, loss), (code, LOSSES[loss_name(loss, output, 2)]))


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
    error delta is (a - t) / n, a being the outputs and t the targets; for every other pair the
    chain rule is followed through the output's activation (Bishop, *Pattern Recognition and Machine
    Learning*, 2006, section 5.2). The cross-entropies are computed from z, by formulas that take
    exp of nothing above 0.

    Parameters
    ----------
    z : array_like (n, k)
        ``x @ W + b`` of the last layer: `dense_forward` with its ``"identity"``.
    y : array_like (n,) or (n, k)
        Integer labels 0..k-1, or targets as rows; for k = 1 without a softmax the targets may be
        (n,).
    output : str, default "softmax"
        One of ``softmax, sigmoid, identity, tanh, relu, softplus``.
    loss : str, optional
        One of ``cross_entropy`` (of a softmax), ``binary_cross_entropy`` (of a sigmoid),
        ``squared_error`` (half the sum over the outputs) and ``softmax_cross_entropy`` (softmax of
        whatever the outputs are). By default the one that belongs to the output: squared error but
        for softmax and sigmoid.
    out : ndarray (n, k), optional
        Where delta goes; of its dtype. It may be `z` itself.

    Returns
    -------
    loss : float
        0 where there are no rows.
    delta : ndarray (n, k)
        float32 for a float32 z, otherwise float64; `y` is converted.

    Raises
    ------
    TypeError, ValueError
        If an argument is not an array of real numbers, the shapes do not go together, a label is
        none of 0..k-1, `out` does not fit, or output and loss are not known or do not go together.
        Nothing has been written then.
    """
    code, loss_code = _codes(output, loss)
    if not (plain(z) and z.ndim == 2):
        z = check_real_array("z", z, (2,))
        z = ready(z, common_dtype(z))
    n, k = z.shape
    if not k:
        raise ValueError(f"z must have at least one column, got shape {z.shape}")
    plain_labels = (
        type(y) is np.ndarray and y.dtype is _I8 and y.shape == (n,) and k > 1 and y.flags.carray
    )
    if plain_labels and kernels.first_outside(y, k) < 0:
        targets, labels = None, y
    else:
        targets, labels = _targets(y, z, loss_code)
    if out is None:
        delta = np.empty((n, k), z.dtype)
    else:
        inputs = [array for array in (z, targets, labels) if array is not None and array is not out]
        delta = target("out", out, z.shape, z.dtype, *inputs)
    work = room(kernels.output_size(k), z.dtype)
    if targets is None:
        value = kernels.output_delta(delta, z, z, labels, work, code, loss_code, True)
    else:
        value = kernels.output_delta(delta, z, targets, _NO_LABELS, work, code, loss_code, False)
    return value, delivered(delta, out)


def _targets(y, z, loss):
    """y as (targets, labels), one of them None: targets of the shape and dtype of z, or int64
    labels."""
    n, k = z.shape
    y = check_real_array("y", y, (1, 2))
    if len(y) != n:
        raise ValueError(f"y must have one row for each of the {n} rows of z, got {len(y)}")
    if y.ndim == 1 and k == 1 and loss in (_BINARY_CROSS_ENTROPY, _SQUARED_ERROR):
        y = y[:, None]
    elif y.ndim == 1:
        return None, ready(
            check_labels("y", y, k, "squared_error" if loss == _SQUARED_ERROR else ""), _I8
        )
    if y.shape != (n, k):
        raise ValueError(
            f"y must be of shape {(n, k)} or integer labels of shape ({n},), got {y.shape}"
        )
    return ready(y, z.dtype), None
