"""The names users write, and the kernels' codes for them."""

from .kernels import output as output_codes
from .kernels.activations import ACTIVATIONS
from .validation import known

HIDDEN = {name: activation.code for name, activation in ACTIVATIONS.items()}
HIDDEN["logistic"] = HIDDEN["sigmoid"]
OUTPUTS = {name: HIDDEN[name] for name in ("sigmoid", "identity", "tanh", "relu", "softplus")}
OUTPUTS = {"softmax": output_codes.SOFTMAX} | OUTPUTS
LOSSES = {
    "cross_entropy": output_codes.CROSS_ENTROPY,
    "binary_cross_entropy": output_codes.BINARY_CROSS_ENTROPY,
    "squared_error": output_codes.SQUARED_ERROR,
    "softmax_cross_entropy": output_codes.SOFTMAX_CROSS_ENTROPY,
}
# The loss that belongs to an output, with which delta = a - t.
CANONICAL = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}


def hidden_names(hidden, n_hidden, argument="hidden"):
    """One activation name a hidden layer, as given in an argument of that name."""
    if not isinstance(hidden, str):
        try:
            names = list(hidden)
        except TypeError:
            raise TypeError(f"{argument} must be a name or a sequence of names, got {hidden!r}") from None
        if len(names) != n_hidden:
            raise ValueError(f"{argument} must be one name, or one for each of the {n_hidden} hidden layers, got {len(names)}")
    else:
        known(argument, hidden, HIDDEN)
        names = [hidden] * n_hidden
    names = [known(argument, name, HIDDEN) for name in names]
    return tuple("sigmoid" if name == "logistic" else name for name in names)


def loss_name(loss, output):
    """The loss asked for, if it goes with the output; by default the one that belongs to it."""
    if loss is None:
        return CANONICAL.get(output, "squared_error")
    known("loss", loss, LOSSES)
    for owner, canonical in CANONICAL.items():
        if loss == canonical and output != owner:
            raise ValueError(f"loss={loss!r} needs output={owner!r}, got output={output!r}")
    return loss
