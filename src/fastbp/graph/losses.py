"""The losses of a network's outputs as scalar nodes."""

from __future__ import annotations

from .scalar import Value, _node, exp, log, log_sum_exp, relu, softplus, total

LOSSES = (
    "cross_entropy",
    "binary_cross_entropy",
    "squared_error",
    "softmax_cross_entropy",
    "huber",
    "absolute_error",
    "poisson",
    "hinge",
)
# The output that a loss is tied to, and the loss of an output by default.
OUTPUT_OF_LOSS = {
    "cross_entropy": "softmax",
    "binary_cross_entropy": "sigmoid",
    "poisson": "exp",
    "hinge": "identity",
}
DEFAULT_LOSS = {output: loss for loss, output in OUTPUT_OF_LOSS.items() if loss != "hinge"}


def sample_loss(loss: str, z: list[Value], a: list[Value], targets: list[Value]) -> Value:
    """The loss of outputs a = f(z) for targets t: see :func:`network`."""
    if loss == "squared_error":
        return 0.5 * total((a_k - t_k) ** 2 for a_k, t_k in zip(a, targets, strict=True))
    if loss == "huber":
        return total(huber(a_k - t_k) for a_k, t_k in zip(a, targets, strict=True))
    if loss == "absolute_error":
        return total(absolute(a_k - t_k) for a_k, t_k in zip(a, targets, strict=True))
    if loss == "binary_cross_entropy":
        return total(softplus(z_k) - t_k * z_k for z_k, t_k in zip(z, targets, strict=True))
    if loss == "poisson":
        return total(_poisson(z_k, t_k) for z_k, t_k in zip(z, targets, strict=True))
    if loss == "hinge":
        right = next(k for k, t_k in enumerate(targets) if t_k.value == 1.0)
        return total(relu(a_k - a[right] + 1.0) for k, a_k in enumerate(a) if k != right)
    logits = z if loss == "cross_entropy" else a
    normaliser = log_sum_exp(logits)
    return total(t_k * (normaliser - logit) for logit, t_k in zip(logits, targets, strict=True))


def _poisson(z: Value, t: Value) -> Value:
    """Half the deviance of a count t from the rate exp(z); t log t is 0 at t = 0."""
    excess = exp(z) - t
    return excess if t.value == 0.0 else t * (log(t) - z) + excess


def absolute(x: Value) -> Value:
    """The number without its sign; its slope at 0 is taken as 0."""
    slope = 1.0 if x.value > 0.0 else -1.0 if x.value < 0.0 else 0.0
    return _node("abs", abs(x.value), (x,), (slope,))


def huber(x: Value) -> Value:
    """Half the square up to 1 and -1, from there ``|x| - 1/2``."""
    if abs(x.value) > 1.0:
        return _node("huber", abs(x.value) - 0.5, (x,), (1.0 if x.value > 0.0 else -1.0,))
    return _node("huber", 0.5 * x.value**2, (x,), (x.value,))
