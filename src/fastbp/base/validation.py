"""Checks of what callers pass, made once and before anything is changed. Each error names the
argument, what was given and what is wanted."""

import math
import numbers
import operator

import numpy as np

from .activations import ALIASES, HIDDEN
from .losses import CANONICAL, CUSTOM, LOSSES

FLAGS = (bool, np.bool_)
LARGEST = {np.dtype(t): float(np.finfo(t).max) for t in ("f4", "f8")}
# losses of targets that are no probabilities
REGRESSIONS = tuple(name for name, row in LOSSES.items() if row.is_regression)
SMALL = 1 << 12
CHECK_BYTES = 1 << 22  # looked at together: an array on disk is never in memory whole


def check_choice(name, value, choices):
    """`value` if it is one of the names in `choices`."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def check_number(name, value, *, least=None, above=None, below=None):
    """`value` as a finite float within the bounds."""
    # Steps of a caller's own loop ask for some numbers each: one that is fine is to cost little.
    if type(value) is not float and (
        not isinstance(value, numbers.Real) or isinstance(value, FLAGS)
    ):
        raise TypeError(f"{name} must be a number, got {value!r}")
    try:
        value = float(value)
    except OverflowError:
        raise ValueError(
            f"{name} must be a finite number that fits a float, got {value!r}"
        ) from None
    inside = math.isfinite(value)
    inside = inside and (least is None or value >= least) and (above is None or value > above)
    if not (inside and (below is None or value < below)):
        limits = {"at least": least, "above": above, "below": below}
        bounds = " and ".join(
            f"{word} {limit}" for word, limit in limits.items() if limit is not None
        )
        raise ValueError(
            f"{name} must be a finite number{' ' * bool(bounds)}{bounds}, got {value!r}"
        )
    return value


def check_flag(name, value):
    """`value` if it is True or False."""
    if not isinstance(value, FLAGS):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def check_count(name, value, least=1, most=None):
    """`value` as an int of at least `least` and at most `most`."""
    try:
        if isinstance(value, FLAGS):
            raise TypeError
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, got {value!r}") from None
    if count < least:
        raise ValueError(f"{name} must be at least {least}, got {count}")
    if most is not None and count > most:
        raise ValueError(f"{name} must be at most {most}, got {count}")
    return count


def check_real_array(name, array, ndim):
    """`array` as an ndarray of real numbers; a view wherever the caller's is one."""
    try:
        array = np.asanyarray(array)
    except ValueError as error:
        raise ValueError(
            f"{name} must be an array of real numbers with rows of one length: {error}"
        ) from None
    if type(array) is not np.ndarray:
        if isinstance(array, np.ma.MaskedArray):
            raise TypeError(
                f"{name} must be a plain array, got a masked one: fill or drop the masked values first"
            )
        array = array.view(np.ndarray)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be an array of real numbers, got dtype {array.dtype}")
    if array.ndim not in ndim:
        wanted = " or ".join(f"{n}-dimensional" for n in ndim)
        raise ValueError(f"{name} must be {wanted}, got shape {array.shape}")
    return array


def check_finite(name, array, dtype, low=-np.inf, high=np.inf):
    """Refuse values that are NaN, too large for `dtype` or outside [low, high]; the error says
    which row."""
    if array.size <= SMALL and array.dtype == dtype and low == -np.inf and high == np.inf:
        flat = array.ravel()
        # invalid: of a signalling NaN, as files may have them
        with np.errstate(over="ignore", invalid="ignore"):
            # one quick pass that a NaN or an infinity would show in, and a large square too
            if np.dot(flat, flat) < np.inf:
                return
    largest = LARGEST[np.dtype(dtype)]
    low, high = max(low, -largest), min(high, largest)
    if array.size == 0:
        return
    rows = max(1, CHECK_BYTES // max(1, array[:1].nbytes))
    for first in range(0, len(array), rows):
        part = array[first : first + rows]
        if low <= float(part.min()) and float(part.max()) <= high:
            continue
        if part.dtype.itemsize < 8:
            with np.errstate(invalid="ignore"):
                # in the array's own dtype the limits may be infinite
                part = part.astype(np.float64)
        good = (part >= low) & (part <= high)
        row = first + int(np.argmin(good.reshape(len(part), -1).all(axis=1)))
        bad = array[row][~good[row - first]].ravel()[0] if array.ndim > 1 else array[row]
        limits = (
            f"finite in {np.dtype(dtype)}" if high == largest else f"between {low:g} and {high:g}"
        )
        limits += f" and at least {low:g}" * (-largest < low and high == largest)
        raise ValueError(f"{name} must be {limits}, got {bad} in row {row}")


def check_inputs(name, X, n_in, dtype):
    """`X` as an (n, n_in) array of finite real numbers."""
    X = check_real_array(name, X, (2,))
    if X.shape[1] != n_in:
        raise ValueError(f"{name} must have {n_in} features (columns), got shape {X.shape}")
    check_finite(name, X, dtype)
    return X


def check_weight(sample_weight, n, dtype):
    """`sample_weight` as an (n,) array of finite numbers, none below 0 and not all 0."""
    if sample_weight is None:
        return None
    weight = check_real_array("sample_weight", sample_weight, (1,))
    if len(weight) != n:
        raise ValueError(f"sample_weight must have one number a row of X ({n}), got {len(weight)}")
    check_finite("sample_weight", weight, dtype, low=0.0)
    if not weight.astype(dtype).any():
        raise ValueError(f"sample_weight must not be all zeros in {np.dtype(dtype)}")
    return weight


def check_targets(name, y, n, n_out, loss, dtype):
    """`y` as (targets, labels), one of them None: real (n, n_out) targets, or int64 labels (n,)."""
    y = check_real_array(name, y, (1, 2))
    if len(y) != n:
        raise ValueError(f"{name} must have one row for each of the {n} rows of X, got {len(y)}")
    if y.ndim == 1 and n_out == 1 and loss in ("binary_cross_entropy", *REGRESSIONS):
        y = y[:, None]
    elif y.ndim == 1:
        return None, check_labels(name, y, n_out, loss)
    if y.shape[1] != n_out:
        raise ValueError(
            f"{name} must be of shape ({n}, {n_out}) or integer labels of shape ({n},), got {y.shape}"
        )
    if loss in REGRESSIONS:
        check_finite(name, y, dtype, 0.0 if loss == "poisson" else -np.inf)
    else:
        check_finite(name, y, dtype, 0.0, 1.0)
    if loss in ("cross_entropy", "softmax_cross_entropy"):
        _check_sums(name, y)
    if loss == "hinge":
        return None, one_hot_labels(name, y)
    # One column is small beside X, so it is converted at once; more are converted a batch at a
    # time.
    return y.astype(dtype) if n_out == 1 else y, None


def check_labels(name, y, n_out, loss):
    """`y` (n,) as int64 labels 0..n_out - 1."""
    if loss in REGRESSIONS and y.dtype.kind == "f":
        raise ValueError(
            f"{name} must be of shape ({len(y)}, {n_out}) for {n_out} outputs, or integer labels, got {y.shape}"
        )
    if y.dtype.kind == "f":
        check_finite(name, y, np.float64)
        fractional = np.flatnonzero(np.floor(y) != y)
        if len(fractional):
            raise ValueError(
                f"{name} must hold whole labels 0..{n_out - 1}, got {y[fractional[0]]} in row {fractional[0]}"
            )
    if len(y) and not (y.min() >= 0 and y.max() < n_out):
        outside = np.flatnonzero((y < 0) | (y >= n_out))
        raise ValueError(
            f"{name} must hold labels 0..{n_out - 1}, got {y[outside[0]]} in row {outside[0]}"
        )
    return y.astype(np.int64)


def one_hot_labels(name, y):
    """The int64 labels (n,) of one-hot rows (n, k), or where k is 1 of zeros and ones."""
    labels = np.empty(len(y), np.int64)
    rows = max(1, CHECK_BYTES // max(1, y[:1].nbytes))
    for first in range(0, len(y), rows):
        part = y[first : first + rows]
        one = part == 1
        wrong = np.flatnonzero(
            ~((part == 0) | one).all(axis=1) | (one.sum(axis=1) != 1) & (y.shape[1] > 1)
        )
        if len(wrong):
            row = part[wrong[0]].tolist()
            raise ValueError(
                f"{name} must hold integer labels or one-hot rows, got {row} in row {first + wrong[0]}"
            )
        labels[first : first + rows] = one.argmax(axis=1) if y.shape[1] > 1 else one[:, 0]
    return labels


def _check_sums(name, y):
    """Each row a probability distribution: to within what rounding does to one-hot or smoothed
    targets."""
    rows = max(1, CHECK_BYTES // max(1, y[:1].nbytes))
    for first in range(0, len(y), rows):
        sums = y[first : first + rows].sum(axis=1, dtype=np.float64)
        wrong = np.flatnonzero(abs(sums - 1) > 1e-3)
        if len(wrong):
            raise ValueError(
                f"{name} must hold rows that sum to 1, got a sum of {sums[wrong[0]]:g} in row {first + wrong[0]}"
            )


def check_hidden(hidden, n_hidden, argument="hidden"):
    """One activation name for each hidden layer, aliases resolved."""
    if isinstance(hidden, str):
        names = [check_choice(argument, hidden, HIDDEN)] * n_hidden
    else:
        try:
            names = list(hidden)
        except TypeError:
            raise TypeError(
                f"{argument} must be a name or a sequence of names, got {hidden!r}"
            ) from None
        if len(names) != n_hidden:
            raise ValueError(
                f"{argument} must be one name, or one for each of the {n_hidden} hidden layers, "
                f"got {len(names)}"
            )
    checked = [check_choice(argument, name, HIDDEN) for name in names]
    return tuple(ALIASES.get(name, name) for name in checked)


def check_dropout(dropout, n_hidden):
    """One rate in [0, 1) for each hidden layer."""
    if not np.iterable(dropout) or isinstance(dropout, str | bytes):
        return (check_number("dropout", dropout, least=0, below=1),) * n_hidden
    rates = tuple(dropout)
    if len(rates) != n_hidden:
        raise ValueError(
            f"dropout must be one rate, or one for each of the {n_hidden} hidden layers, "
            f"got {len(rates)}"
        )
    return tuple(
        check_number(f"dropout[{i}]", rate, least=0, below=1) for i, rate in enumerate(rates)
    )


def check_loss(loss, output, n_out):
    """The name of a loss that goes with the output; of None, the output's own."""
    if loss is None:
        return CANONICAL.get(output, "squared_error")
    if callable(loss):
        return CUSTOM
    row = LOSSES[check_choice("loss", loss, LOSSES)]
    if output != (row.output or output):
        raise ValueError(f"loss={loss!r} needs output={row.output!r}, got output={output!r}")
    if output in row.refused_outputs:
        raise ValueError(
            f"loss={loss!r} goes with any output but {output!r}, got output={output!r}"
        )
    if row.needs_labels and n_out < 2:
        raise ValueError(f"loss={loss!r} needs at least 2 outputs, one a class, got {n_out}")
    return loss


def check_smoothing(label_smoothing, loss, n_out):
    """(keep, spread): targets t of a smoothed loss are taken as keep t + spread."""
    label_smoothing = check_number("label_smoothing", label_smoothing, least=0)
    if label_smoothing > 1:
        raise ValueError(f"label_smoothing must be at most 1, got {label_smoothing}")
    row = LOSSES.get(loss)
    if label_smoothing and not (row and row.has_smoothing):
        smoothed = ", ".join(repr(name) for name, row in LOSSES.items() if row.has_smoothing)
        raise ValueError(f"label_smoothing needs one of the losses {smoothed}, got loss={loss!r}")
    classes = (row and row.smoothing_classes) or n_out
    return 1 - label_smoothing, label_smoothing / classes
