"""The activations by name: those of scalar.py, and those that have a gate or constants of their
own."""

from __future__ import annotations

import math
from collections.abc import Callable

from .scalar import (
    Value,
    _as_value,
    _node,
    elu,
    identity,
    leaky_relu,
    relu,
    sigmoid,
    softplus,
    tanh,
)

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934, 1.6732632423543772848


def selu(z: Value | float) -> Value:
    """Scaled exponential linear unit: ``scale z`` above 0, else ``scale alpha (exp(z) - 1)``
    (Klambauer et al., 2017)."""
    z = _as_value(z)
    below = SELU_SCALE * SELU_ALPHA
    value, slope = (SELU_SCALE * z.value, SELU_SCALE)
    if z.value <= 0.0:
        value, slope = below * math.expm1(z.value), below * math.exp(z.value)
    return _node("selu", value, (z,), (slope,))


def _product_rule(name: str, z: Value, gate: float, gate_slope: float) -> Value:
    """z times its gate. At -inf, where that would be infinity times 0, the limits."""
    if z.value == -math.inf:
        return _node(name, 0.0, (z,), (0.0,))
    return _node(
        name, z.value * gate, (z,), (gate + (z.value * gate_slope if gate_slope else 0.0),)
    )


def gelu(z: Value | float) -> Value:
    """Gaussian error linear unit ``z P(z)``, P the normal distribution ``erfc(-z / sqrt(2)) / 2``."""
    z = _as_value(z)
    density = math.exp(-0.5 * z.value * z.value) / math.sqrt(2.0 * math.pi)
    return _product_rule("gelu", z, 0.5 * math.erfc(-z.value / math.sqrt(2.0)), density)


def silu(z: Value | float) -> Value:
    """Sigmoid linear unit ``z sigmoid(z)``, also called swish."""
    z = _as_value(z)
    gate = sigmoid(z)
    return _product_rule("silu", z, gate.value, gate.partials[0])


def mish(z: Value | float) -> Value:
    """``z tanh(softplus(z))``."""
    z = _as_value(z)
    gate = tanh(softplus(z))
    return _product_rule("mish", z, gate.value, gate.partials[0] * sigmoid(z).value)


ACTIVATIONS: dict[str, Callable[[Value | float], Value]] = {
    function.__name__: function
    for function in (
        identity,
        sigmoid,
        tanh,
        relu,
        leaky_relu,
        elu,
        softplus,
        selu,
        gelu,
        silu,
        mish,
    )
}
