"""Checks of the arguments that callers pass, made once and before anything is changed. Each error
names the argument, the wanted value and the given one."""

import math
import numbers
import operator

import numpy as np

from .close_match import close_match
from .losses import LOSSES
from .tables import (
    REAL,
    SparseRows,
    column_array,
    frame_array,
    is_frame,
    is_sparse,
    unreadable,
)
from .tables import (
    feature_names as names_of,
)

FLAGS = (bool, np.bool_)
LARGEST = {np.dtype(t): float(np.finfo(t).max) for t in ("f4", "f8")}
# losses with targets that are not probabilities
REGRESSIONS = tuple(name for name, row in LOSSES.items() if row.is_regression)
SMALL_SIZE = 1 << 12  # elements up to which one dot product finds all non-finite values fastest
CHECK_BYTES = 1 << 22  # of an array checked at a time: a memory-mapped array is never loaded whole


def cast(array, dtype):
    """`array`, checked before, in another dtype. Values may underflow, whatever `np.errstate`
    the caller has set."""
    with np.errstate(under="ignore"):
        return array.astype(dtype)


def check_choice(name, value, choices):
    """`value`, checked to be one of the names in `choices`."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    if value not in choices:
        raise ValueError(
            f"{name} must be one of {', '.join(map(repr, choices))}, "
            f"got {value!r}{close_match(value, choices)}"
        )
    return value


def check_number(name, value, *, least=None, above=None, below=None) -> float:
    """`value` as a finite float with `least` <= value, `above` < value < `below`."""
    # fastbp.functional checks several numbers a step, so a valid float takes the shortest path.
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
    """`value`, checked to be True or False, also as an array without axes, as a bool."""
    if not isinstance(value, FLAGS):
        array = np.asarray(value) if hasattr(value, "__array__") else None
        if array is None or array.shape != () or array.dtype != bool:
            raise TypeError(f"{name} must be True or False, got {value!r:.200}")
    return bool(value)


def check_count(name, value, least=1, most=None) -> int:
    """`value` as an int with `least` <= value <= `most`."""
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


def is_sequence(value):
    """Whether `value` has a length and items, and neither iterates nor is an array: NumPy would
    read its items without an end, unless one raises IndexError."""
    names = ("__iter__", "__array__", "__array_interface__", "__array_struct__")
    if any(hasattr(value, name) for name in names):
        return False
    try:
        memoryview(value)  # of a buffer, such as an array of ctypes
    except TypeError:
        return hasattr(value, "__getitem__") and hasattr(value, "__len__")
    return False


def check_real_array(name, array, ndim, dtype=np.float64):
    """`array` as an ndarray of real numbers with one of the numbers of axes `ndim`, without a copy
    where it is an ndarray; a data frame of mixed types becomes one of `dtype`."""
    if type(array) is not np.ndarray:
        array = as_array(name, array, dtype)
    if type(array) is not np.ndarray:
        if isinstance(array, np.ma.MaskedArray):
            raise TypeError(
                f"{name} must be a plain array, got a masked one: fill or drop the masked values "
                "first"
            )
        array = array.view(np.ndarray)
    if array.dtype.kind not in REAL:
        raise TypeError(f"{name} must be an array of real numbers, got {unreadable(name, array)}")
    if array.ndim not in ndim:
        wanted = " or ".join(f"{n}-dimensional" for n in ndim)
        raise ValueError(f"{name} must be {wanted}, got shape {array.shape}")
    return array


def as_array(name, given, dtype=np.float64):
    """What is given as an ndarray of any dtype: NumPy's reading, and that of data frames and their
    columns."""
    if is_sequence(given):
        raise TypeError(
            f"{name} must be an array of real numbers, got an object of "
            f"{type(given).__name__} with a length and items"
        )
    if is_frame(given):
        return frame_array(name, given, dtype)
    if hasattr(given, "to_numpy") and hasattr(given, "dtype"):  # a column of a frame
        return column_array(given)
    if is_sparse(given):
        raise TypeError(f"{name} must be a dense array, got a sparse one: {name}.toarray()")
    try:
        return np.asanyarray(given)
    except ValueError as error:
        raise ValueError(
            f"{name} must be an array of real numbers with rows of one length: {error}"
        ) from None
    except (TypeError, RuntimeError) as error:  # of a tensor of PyTorch, for example
        way_out = f": {name}.float() converts it" * ("BFloat16" in str(error))
        raise TypeError(
            f"{name} must be an array that NumPy can read, got a {type(given).__name__}: "
            f"{error}{way_out}"
        ) from None


def check_finite(name, array, dtype, low=-np.inf, high=np.inf):
    """Raise a ValueError that names the row if a value is NaN, too large for `dtype` or outside
    [low, high]."""
    # The sum of squares is finite only if all values are; if it overflows, the loop below decides.
    # Unlike np.dot, np.vdot gives no warning of overflow, nor of a signalling NaN, which a file may
    # hold.
    unlimited = low == -np.inf and high == np.inf and array.dtype == dtype
    if unlimited and array.size <= SMALL_SIZE and np.vdot(array, array) < np.inf:
        return
    largest = LARGEST[np.dtype(dtype)]
    low, high = max(low, -largest), min(high, largest)
    if array.size == 0:
        return
    for first, part in _blocks_of_rows(array):
        if low <= float(part.min()) and float(part.max()) <= high:
            continue
        if part.dtype.itemsize < 8:
            with np.errstate(invalid="ignore"):
                # the limits may be infinite in the array's dtype
                part = part.astype(np.float64)
        good = (part >= low) & (part <= high)
        row = first + int(np.argmin(good.reshape(len(part), -1).all(axis=1)))
        bad = array[row][~good[row - first]].ravel()[0] if array.ndim > 1 else array[row]
        limits = (
            f"finite in {np.dtype(dtype)}" if high == largest else f"between {low:g} and {high:g}"
        )
        limits += f" and at least {low:g}" * (-largest < low and high == largest)
        raise ValueError(f"{name} must be {limits}, got {bad} in row {row}")


def check_not_nan(name, array):
    """Raise a ValueError that names the row if a value of `array` (n, k) is NaN."""
    if np.vdot(array, array) >= 0:  # it is NaN only if a value is
        return
    rows = np.flatnonzero(np.isnan(array).any(axis=1))
    if len(rows):
        raise ValueError(
            f"{name} must be numbers, got nan in row {rows[0]}: the net's weights are not finite, "
            "or its activations overflow"
        )


def check_inputs(name, X, n_in, dtype, feature_names=None):
    """`X` as an (n, n_in) array of real numbers that are finite in `dtype`; a sparse matrix as
    `SparseRows`. A data frame must have the columns `feature_names`."""
    frame = None
    if type(X) is not np.ndarray:
        if is_sparse(X):
            return _check_sparse(name, X, n_in, dtype)
        frame = X if is_frame(X) else None
        _check_names(name, names_of(X), feature_names)
    if frame is None or frame.shape[1] == n_in:
        X = check_real_array(name, X, (2,), dtype)
    if X.shape[1] != n_in:
        raise ValueError(f"{name} must have {n_in} features (columns), got shape {X.shape}")
    try:
        check_finite(name, X, dtype)
    except ValueError:
        if frame is not None:
            for i, column in enumerate(frame.columns):
                check_finite(f"{name} in column {column!r}", X[:, i], dtype)
        raise
    return X


def _check_names(name, names, wanted):
    """Raise a ValueError if a data frame has other columns than that of the fit, or in another
    order."""
    if names is None or wanted is None or names == tuple(wanted):
        return
    missing = [each for each in wanted if each not in names]
    further = [each for each in names if each not in wanted]
    if missing or further:
        differences = [
            f"{what} {', '.join(map(repr, found[:5]))}" + ", ..." * (len(found) > 5)
            for what, found in (("without", missing), ("with", further))
            if found
        ]
        raise ValueError(
            f"{name} must have the columns that the net was fitted on, got a data frame "
            f"{' and '.join(differences)}"
        )
    raise ValueError(
        f"{name} must have its columns in the order of the fit, got {', '.join(names[:5])}"
        f"{', ...' * (len(names) > 5)}: {name}[net.feature_names_in_] sorts them"
    )


def _check_sparse(name, X, n_in, dtype):
    """See `check_inputs`."""
    X = SparseRows(X)
    if X.dtype.kind not in REAL:
        raise TypeError(f"{name} must be an array of real numbers, got dtype {X.dtype}")
    if X.shape[1:] != (n_in,):
        raise ValueError(f"{name} must have {n_in} features (columns), got shape {X.shape}")
    try:
        check_finite(name, X.matrix.data, dtype)
    except ValueError:
        values = X.matrix.data.astype(np.float64)
        wrong = int(np.argmin(abs(values) <= LARGEST[np.dtype(dtype)]))
        row = int(np.searchsorted(X.matrix.indptr, wrong, "right")) - 1
        raise ValueError(
            f"{name} must be finite in {np.dtype(dtype)}, got {values[wrong]} in row {row}"
        ) from None
    return X


def check_weight(sample_weight, n, dtype):
    """`sample_weight`, if not None, as an (n,) array of finite numbers of at least 0, not all 0."""
    if sample_weight is None:
        return None
    weight = check_real_array("sample_weight", sample_weight, (1,))
    if len(weight) != n:
        raise ValueError(f"sample_weight must have one number a row of X ({n}), got {len(weight)}")
    check_finite("sample_weight", weight, dtype, low=0.0)
    if not weight.any():
        raise ValueError("sample_weight must not be all zeros")
    return weight


def check_targets(name, y, n, n_out, loss, dtype):
    """`y` as (targets, labels): real (n, n_out) targets and None, or None and int64 labels (n,)."""
    y = check_real_array(name, y, (1, 2))
    if len(y) != n:
        raise ValueError(f"{name} must have one row for each of the {n} rows of X, got {len(y)}")
    if y.ndim == 1 and n_out == 1 and loss in ("binary_cross_entropy", *REGRESSIONS):
        y = y[:, None]
    elif y.ndim == 1:
        return None, check_labels(name, y, n_out, loss)
    if y.shape[1] != n_out:
        raise ValueError(
            f"{name} must be of shape ({n}, {n_out}) or integer labels of shape ({n},), "
            f"got {y.shape}"
        )
    if loss in REGRESSIONS:
        check_finite(name, y, dtype, 0.0 if loss == "poisson" else -np.inf)
    else:
        check_finite(name, y, dtype, 0.0, 1.0)
    if loss in ("cross_entropy", "softmax_cross_entropy"):
        _check_sums(name, y)
    if loss == "hinge":
        return None, one_hot_labels(name, y)
    # A single column is small compared with X and converted here; others a batch at a time.
    return cast(y, dtype) if n_out == 1 else y, None


def check_labels(name, y, n_out, loss):
    """`y` (n,) as int64 labels 0..n_out - 1."""
    if loss in REGRESSIONS and y.dtype.kind == "f":
        raise ValueError(
            f"{name} must be of shape ({len(y)}, {n_out}) for {n_out} outputs, or integer labels, "
            f"got {y.shape}"
        )
    if y.dtype.kind == "f":
        check_finite(name, y, np.float64)
        fractional = np.flatnonzero(np.floor(y) != y)
        if len(fractional):
            raise ValueError(
                f"{name} must hold whole labels 0..{n_out - 1}, got {y[fractional[0]]} in row "
                f"{fractional[0]}"
            )
    if len(y) and not (y.min() >= 0 and y.max() < n_out):
        outside = np.flatnonzero((y < 0) | (y >= n_out))
        raise ValueError(
            f"{name} must hold labels 0..{n_out - 1}, got {y[outside[0]]} in row {outside[0]}"
        )
    return y.astype(np.int64)


def one_hot_labels(name, y):
    """The int64 labels (n,) of one-hot rows (n, k); for k = 1, of zeros and ones."""
    labels = np.empty(len(y), np.int64)
    for first, part in _blocks_of_rows(y):
        one = part == 1
        wrong = np.flatnonzero(
            ~((part == 0) | one).all(axis=1) | (one.sum(axis=1) != 1) & (y.shape[1] > 1)
        )
        if len(wrong):
            row = part[wrong[0]].tolist()
            raise ValueError(
                f"{name} must hold integer labels or one-hot rows, got {row} in row "
                f"{first + wrong[0]}"
            )
        labels[first : first + len(part)] = one.argmax(axis=1) if y.shape[1] > 1 else one[:, 0]
    return labels


def _check_sums(name, y):
    """Raise a ValueError if a row does not sum to 1 within 1e-3, the tolerance for rounding."""
    for first, part in _blocks_of_rows(y):
        sums = part.sum(axis=1, dtype=np.float64)
        wrong = np.flatnonzero(abs(sums - 1) > 1e-3)
        if len(wrong):
            raise ValueError(
                f"{name} must hold rows that sum to 1, got a sum of {sums[wrong[0]]:g} in row "
                f"{first + wrong[0]}"
            )


def _blocks_of_rows(array):
    """Pairs (index of the first row, rows) of blocks of at most CHECK_BYTES, at least one row."""
    rows = max(1, CHECK_BYTES // max(1, array[:1].nbytes))
    for first in range(0, len(array), rows):
        yield first, array[first : first + rows]
