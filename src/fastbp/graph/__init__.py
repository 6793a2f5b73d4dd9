"""A scalar reverse-mode differentiation graph: back-propagation one number at a time, to read, draw
and check against.

It is the slow, plain counterpart of the array kernels: every number of a network is a node that
knows its value, its operands and, after :func:`backward`, the derivative of the result by it.

>>> x, y, w = Value(2.0, "x"), Value(3.0, "y"), Value(4.0, "w")
>>> result = (x + y) * w
>>> result.backward()
>>> result.value, x.grad, y.grad, w.grad
(20.0, 4.0, 4.0, 5.0)
"""

from .activations import ACTIVATIONS, gelu, mish, selu, silu
from .dense import NetworkGraph, from_net, network
from .draw import to_dot, to_svg
from .scalar import (
    Value,
    backward,
    elu,
    exp,
    identity,
    leaky_relu,
    log,
    log_sum_exp,
    relu,
    sigmoid,
    softmax,
    softplus,
    tanh,
    topological_order,
    total,
)

__all__ = [
    "ACTIVATIONS",
    "NetworkGraph",
    "Value",
    "backward",
    "elu",
    "exp",
    "from_net",
    "gelu",
    "identity",
    "leaky_relu",
    "log",
    "log_sum_exp",
    "mish",
    "network",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
    "to_dot",
    "to_svg",
    "topological_order",
    "total",
]
