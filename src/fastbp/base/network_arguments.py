"""Checks of the arguments that describe a network: widths, activations, loss, dtype, rates."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from .activations import ALIASES, HIDDEN
from .losses import CANONICAL, CUSTOM, LOSSES
from .validation import check_choice, check_count, check_number

MAX_PARAMETERS = 2**40  # of a network: no size in the kernels overflows below it


def check_dtype(dtype):
    """`dtype` as the NumPy dtype float32 or float64."""
    try:
        if dtype is None:
            raise TypeError
        return np.dtype(check_choice("dtype", np.dtype(dtype).name, ("float32", "float64")))
    except TypeError:
        raise TypeError(f"dtype must be one of 'float32', 'float64', got {dtype!r}") from None


def check_widths(widths):
    """`widths` as a tuple of at least two positive ints that give at most MAX_PARAMETERS."""
    if isinstance(widths, str | bytes) or not isinstance(widths, Sequence | np.ndarray):
        raise TypeError(f"widths must be a sequence of whole numbers, got {widths!r}")
    counts = tuple(check_count(f"widths[{i}]", width) for i, width in enumerate(widths))
    if len(counts) < 2:
        raise ValueError(f"widths must be at least [n_in, n_out], got {list(counts)}")
    size = parameter_count(counts)
    if size > MAX_PARAMETERS:
        raise ValueError(
            f"widths must give at most {MAX_PARAMETERS} parameters, got {list(counts)} with {size}"
        )
    return counts


def parameter_count(widths):
    """Number of weights and biases of a network with these layer widths."""
    return sum((n_in + 1) * n_out for n_in, n_out in pairwise(widths))


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
    for name, given in (("output", output), ("loss", loss)):
        if n_out < 2 and given in ("softmax", "softmax_cross_entropy"):
            raise ValueError(
                f"{name}={given!r} needs at least 2 outputs, one a class, got {n_out}, which it "
                "makes constant: output='sigmoid' is the single output of two classes"
            )
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
