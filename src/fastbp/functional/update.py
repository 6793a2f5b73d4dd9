"""Update rules on the caller's arrays, in place."""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from ..base.validation import check_count, check_flag, check_number, check_real_array
from ..kernels import entries as kernels
from .arrays import F4, F8, as_kernel_array, ndarray, no_overlap

Arrays = np.ndarray | Sequence[np.ndarray]
_SEQUENCES = (list, tuple)  # isinstance of the abstract class takes three times as long


def _check_rate(lr):
    # A fast path: check_number takes 0.2 us more, a tenth of a small step.
    return lr if type(lr) is float and math.isfinite(lr) else check_number("lr", lr)


def _is_plain_pair(param, grad):
    """Whether a kernel can take both arrays as they are, as is usual, in a third of a microsecond;
    the gradient of a bias (1, n) may be (n,)."""
    return (
        type(param) is type(grad) is ndarray
        and (dtype := param.dtype) is grad.dtype
        and (dtype is F8 or dtype is F4)
        and 0 < param.ndim < 3
        and (param.shape == grad.shape or (grad.ndim == 1 and param.shape == (1, grad.size)))
        and param.flags.carray
        and grad.flags.carray
        and (param.base is grad.base is None or param is grad or no_overlap(param, grad))
    )


def _step(kernel, names, arrays, numbers, l2):
    """Call the kernel on a parameter, its state and its gradient, or on each of several; all are
    checked before the first call."""
    if isinstance(arrays[0], ndarray):
        l2 = check_number("l2", l2, least=0)
        ready = _kernel_arrays(arrays)
        if ready is not None:
            kernel.call(*ready, *numbers, l2)
        else:
            _step_in_copies(kernel, _checked(names, arrays), (*numbers, l2))
        return
    rows = _rows(names, arrays)
    penalties = _penalties(l2, arrays[0])
    calls = []
    for row in rows:
        ready = _kernel_arrays(row)
        calls.append((ready, None) if ready is not None else (None, _checked(names, row)))
    for (ready, checked), penalty in zip(calls, penalties):  # noqa: B905, as many of both
        if ready is not None:
            kernel.call(*ready, *numbers, penalty)
        else:
            _step_in_copies(kernel, checked, (*numbers, penalty))


def _rows(names, arrays):
    """From sequences of each kind of array to rows with one array of each kind."""
    for name, several in zip(names, arrays, strict=True):
        if not isinstance(several, Sequence):
            raise TypeError(
                f"{name} must be an array, or with param a sequence of arrays, got {several!r}"
            )
        if len(several) != len(arrays[0]):
            raise ValueError(
                f"{name} must be as many arrays as param, {len(arrays[0])}, got {len(several)}"
            )
    return list(zip(*arrays, strict=True))


def _penalties(l2, params):
    """The penalty of each parameter."""
    if type(l2) is not float and isinstance(l2, Sequence):
        if len(l2) != len(params):
            raise ValueError(
                f"l2 must be one number, or one for each of the {len(params)} arrays of param, "
                f"got {len(l2)}"
            )
        return [check_number(f"l2[{i}]", number, least=0) for i, number in enumerate(l2)]
    l2 = check_number("l2", l2, least=0)
    if l2 == 0.0:
        return [l2] * len(params)
    shapes: list[tuple[int, ...]] = [getattr(param, "shape", ()) for param in params]
    for shape in shapes:
        if len(shape) == 2 and shape[0] == 1:
            raise ValueError(
                "l2 must be one number for each array of param where one has the shape "
                f"{shape}, of weights or of a bias, got {l2}"
            )
    return [l2 if len(shape) > 1 else 0.0 for shape in shapes]


def _kernel_arrays(row):
    """The arrays in C order as a kernel takes them, those that it changes without a copy; None if
    that is impossible, or if they may overlap.

    Arrays in Fortran order are transposed, so that they are in C order. The gradient is converted
    where necessary.
    """
    param = row[0]
    if type(param) is not ndarray or not 0 < param.ndim < 3:
        return None
    dtype = param.dtype
    if not (dtype is F8 or dtype is F4):
        return None
    if param.flags.farray:
        for array in row:
            if type(array) is not ndarray:
                return None
        row = [array.T for array in row]
        param = row[0]
    if len(row) == 2 and _is_plain_pair(*row):
        return row
    shape = param.shape
    grad = row[-1]
    if type(grad) is ndarray and grad.ndim == 1 and shape == (1, grad.size):
        row = (*row[:-1], grad[None])
    for array in row[1:]:
        if type(array) is not ndarray or array.shape != shape:
            return None
    grad = row[-1]
    changed = row[:-1]
    for i, array in enumerate(changed):
        if array.dtype is not dtype or not array.flags.carray:
            return None
        for other in changed[:i]:
            if not no_overlap(array, other):
                return None
    if grad.dtype is not dtype or not grad.flags.carray:
        return (*changed, grad.astype(dtype, "C")) if grad.dtype.kind in "fiub" else None
    for array in changed:
        if array is not grad and not no_overlap(array, grad):
            return None
    return row


def _checked(names, row):
    """The arrays, if all but the last can be changed and the last, the gradient, fits them."""
    param = row[0]
    changed = list(zip(names, row[:-1], strict=False))
    for name, array in changed:
        if (
            not isinstance(array, np.ndarray)
            or isinstance(array, np.ma.MaskedArray)
            or array.dtype not in (F4, F8)
        ):
            kind = f"dtype {array.dtype}" if type(array) is np.ndarray else repr(array)
            raise TypeError(
                f"{name} must be an array of float32 or float64, which is changed in place, "
                f"got {kind}"
            )
        if array.shape != param.shape or array.dtype != param.dtype:
            wanted = f"shape {param.shape} and dtype {param.dtype} like param"
            raise ValueError(f"{name} must be of {wanted}, got {array.shape} and {array.dtype}")
        if not array.flags.writeable:
            raise ValueError(f"{name} must be writeable, got a read-only array")
    for (name, array), (other_name, other) in combinations(changed, 2):
        if np.shares_memory(array, other):
            raise ValueError(f"{other_name} must share no memory with {name}: both are changed")
    row_of = (1,) if param.ndim == 2 and len(param) == 1 else ()  # db (n,) for a bias (1, n)
    grad = check_real_array("grad", row[-1], (param.ndim, *row_of))
    if grad.ndim < param.ndim:
        grad = grad[None]
    if grad.shape != param.shape:
        raise ValueError(f"grad must be of shape {param.shape} like param, got {grad.shape}")
    return *(array.view(np.ndarray) for array in row[:-1]), grad


def _step_in_copies(kernel, row, numbers):
    """Call the kernel on copies of arrays that it cannot take, or that may overlap."""
    dtype = F4 if row[0].dtype == F4 else F8
    copies = [as_kernel_array(array, dtype) for array in row]
    if any(np.may_share_memory(copies[-1], array) for array in copies[:-1]):
        copies[-1] = copies[-1].copy()
    kernel(*(array.reshape(-1) for array in copies), *numbers)
    for array, changed in zip(row[:-1], copies, strict=False):
        if changed is not array:
            array[...] = changed


def sgd_step(
    param: Arrays,
    grad: ArrayLike | Sequence[ArrayLike],
    lr: float,
    *,
    velocity: Arrays | None = None,
    momentum: float = 0.0,
    nesterov: bool = False,
    l2: float | Sequence[float] = 0.0,
) -> None:
    """A step of gradient descent, in place: param -= lr * (grad + l2 * param).

    With a velocity, and g for the gradient with its penalty: velocity = momentum * velocity -
    lr * g; param += velocity, or with Nesterov's look-ahead param += momentum * velocity - lr * g
    (Sutskever et al., *On the
    importance of initialization and momentum in deep learning*, 2013), as in `fastbp.SGD`.

    Parameters
    ----------
    param : ndarray, or sequence of ndarray
        float32 or float64 of any shape, changed in place; a sequence for all arrays of a net.
    grad : array_like, or sequence of array_like
        Of the parameter's shape, or (n,) for a bias of shape (1, n); converted to its dtype.
    lr : float
    velocity : ndarray or sequence of ndarray, optional
        Of the parameter's shape and dtype, initially zeros, changed in place.
    momentum : float, default 0
        In [0, 1); needs a velocity.
    nesterov : bool, default False
    l2 : float or sequence of float, default 0
        The gradient of the penalty ½ l2 Σ param², l2 * param, is added to the gradient. For a
        sequence of arrays one number applies to those of two or more dimensions, the weights;
        otherwise one for each array. At least 0.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit. Nothing is changed then.
    """
    lr = _check_rate(lr)
    if velocity is None:
        if momentum != 0 or nesterov:
            raise ValueError(
                "momentum and nesterov need a velocity, an array of zeros like param that is kept "
                "between steps"
            )
        is_plain = type(l2) is float and l2 == 0.0
        if is_plain and _is_plain_pair(param, grad):
            kernels.sgd.call(param, grad, lr, 0.0)
        elif (
            is_plain
            and type(param) is type(grad) is ndarray
            and param.flags.farray
            and _is_plain_pair(param.T, grad.T)
        ):
            kernels.sgd.call(param.T, grad.T, lr, 0.0)
        elif (
            isinstance(param, _SEQUENCES)
            and isinstance(grad, _SEQUENCES)
            and len(param) == len(grad)
            and all(map(_is_plain_pair, param, grad))
        ):
            if is_plain:
                for each, its_grad in zip(param, grad):  # noqa: B905, as many of both
                    kernels.sgd.call(each, its_grad, lr, 0.0)
            else:
                for each, its_grad, penalty in zip(param, grad, _penalties(l2, param), strict=True):
                    kernels.sgd.call(each, its_grad, lr, penalty)
        else:
            _step(kernels.sgd, ("param", "grad"), (param, grad), (lr,), l2)
        return
    momentum = check_number("momentum", momentum, least=0, below=1)
    numbers = (lr, momentum, check_flag("nesterov", nesterov))
    names = ("param", "velocity", "grad")
    _step(kernels.momentum, names, (param, velocity, grad), numbers, l2)


def adam_step(
    param: Arrays,
    grad: ArrayLike | Sequence[ArrayLike],
    m: Arrays,
    v: Arrays,
    t: int,
    lr: float = 1e-3,
    *,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
    l2: float | Sequence[float] = 0.0,
) -> None:
    """A step of Adam, in place.

    m = beta_1 m + (1 - beta_1) grad;  v = beta_2 v + (1 - beta_2) grad**2;
    param -= lr * sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + epsilon) (Kingma and Ba,
    *Adam*, 2015, the efficient form of section 2: epsilon outside the bias correction), as in
    `fastbp.Adam`.

    Parameters
    ----------
    param : ndarray, or sequence of ndarray
        float32 or float64 of any shape, changed in place; a sequence for all arrays of a net.
    grad : array_like, or sequence of array_like
        Of the parameter's shape, or (n,) for a bias of shape (1, n); converted to its dtype.
    m, v : ndarray, or sequence of ndarray
        The running means of the gradient and of its square: of the parameter's shape and dtype,
        initially zeros, changed in place.
    t : int
        The number of this step, from 1 on.
    lr : float, default 1e-3
    beta_1, beta_2 : float, default 0.9 and 0.999
        In [0, 1).
    epsilon : float, default 1e-8
        Positive.
    l2 : float or sequence of float, default 0
        As for `sgd_step`: the penalty's gradient is a part of `grad` in the formula.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit. Nothing is changed then.
    """
    lr = _check_rate(lr)
    t = check_count("t", t)
    beta_1 = check_number("beta_1", beta_1, least=0, below=1)
    beta_2 = check_number("beta_2", beta_2, least=0, below=1)
    epsilon = check_number("epsilon", epsilon, above=0)
    numbers = (lr, beta_1, beta_2, epsilon, t)
    _step(kernels.adam, ("param", "m", "v", "grad"), (param, m, v, grad), numbers, l2)
