"""The names users write, and the kernels' codes for them."""

import numpy as np

from ..kernels import abi
from .validation import check_choice, check_number

HIDDEN = abi.ACTIVATIONS | {"logistic": abi.ACTIVATIONS["sigmoid"]}
OUTPUTS = abi.OUTPUTS
LOSSES = abi.LOSSES
CUSTOM = "custom"  # stands for a callable where a name is wanted
# The loss that belongs to an output, with which delta = a - t.
CANONICAL = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy", "exp": "poisson"}
# The output that a loss is tied to: hinge takes margins between the outputs as they are.
NEEDS = {loss: output for output, loss in CANONICAL.items()} | {"hinge": "identity"}
# Losses with label smoothing, and what the smoothed share of a target is spread over: all classes,
# or each output's own two.
SMOOTHED = {"cross_entropy": None, "softmax_cross_entropy": None, "binary_cross_entropy": 2}


def hidden_names(hidden, n_hidden, argument="hidden"):
    """One activation name a hidden layer, as given in an argument of that name."""
    if not isinstance(hidden, str):
        try:
            names = list(hidden)
        except TypeError:
            raise TypeError(
                f"{argument} must be a name or a sequence of names, got {hidden!r}"
            ) from None
        if len(names) != n_hidden:
            raise ValueError(
                f"{argument} must be one name, or one for each of the {n_hidden} hidden layers, got {len(names)}"
            )
    else:
        check_choice(argument, hidden, HIDDEN)
        names = [hidden] * n_hidden
    names = [check_choice(argument, name, HIDDEN) for name in names]
    return tuple("sigmoid" if name == "logistic" else name for name in names)


def dropout_rates(dropout, n_hidden):
    """One rate a hidden layer."""
    if not np.iterable(dropout) or isinstance(dropout, str | bytes):
        return (check_number("dropout", dropout, least=0, below=1),) * n_hidden
    rates = tuple(dropout)
    if len(rates) != n_hidden:
        raise ValueError(
            f"dropout must be one rate, or one for each of the {n_hidden} hidden layers, got {len(rates)}"
        )
    return tuple(
        check_number(f"dropout[{i}]", rate, least=0, below=1) for i, rate in enumerate(rates)
    )


def loss_name(loss, output, n_out):
    """The loss asked for, if it goes with the output; by default the one that belongs to it."""
    if loss is None:
        return CANONICAL.get(output, "squared_error")
    if callable(loss):
        return CUSTOM
    check_choice("loss", loss, LOSSES)
    if NEEDS.get(loss, output) != output:
        raise ValueError(f"loss={loss!r} needs output={NEEDS[loss]!r}, got output={output!r}")
    # exp(z) may be infinite, and inf - inf is no number
    if loss == "softmax_cross_entropy" and output == "exp":
        raise ValueError(f"loss={loss!r} goes with any output but 'exp', got output={output!r}")
    if loss == "hinge" and n_out < 2:
        raise ValueError(f"loss={loss!r} needs at least 2 outputs, one a class, got {n_out}")
    return loss


def smoothing(label_smoothing, loss, n_out):
    """(keep, spread): targets t of a smoothed loss are taken as keep t + spread."""
    label_smoothing = check_number("label_smoothing", label_smoothing, least=0)
    if label_smoothing > 1:
        raise ValueError(f"label_smoothing must be at most 1, got {label_smoothing}")
    if label_smoothing and loss not in SMOOTHED:
        raise ValueError(
            f"label_smoothing needs one of the losses {', '.join(map(repr, SMOOTHED))}, got loss={loss!r}"
        )
    return 1 - label_smoothing, label_smoothing / (SMOOTHED.get(loss) or n_out)
