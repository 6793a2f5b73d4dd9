"""A scalar reverse-mode differentiation graph: back-propagation one number at a time, to read, draw
and check against.

It is the slow, plain counterpart of the array kernels. Every number of a network is a node with its
value, its operands and, after :func:`backward`, the derivative of the result by it. Code that works
on arrays belongs elsewhere.

>>> x, y, w = Value(2.0, "x"), Value(3.0, "y"), Value(4.0, "w")
>>> result = (x + y) * w
>>> result.backward()
>>> result.value, x.grad, y.grad, w.grad
(20.0, 4.0, 4.0, 5.0)
"""

from .dense import NetworkGraph, from_net, network
from .draw import to_dot, to_svg
from .scalar import (
    ACTIVATIONS,
    Function,
    Value,
    backward,
    exp,
    log,
    log_sum_exp,
    softmax,
    topological_order,
    total,
)

__all__ = [
    "ACTIVATIONS",
    "NetworkGraph",
    "Value",
    "backward",
    "exp",
    "from_net",
    "log",
    "log_sum_exp",
    "network",
    "softmax",
    "to_dot",
    "to_svg",
    "topological_order",
    "total",
]
__all__ += ACTIVATIONS  # sigmoid, tanh and so on, one function for each row of `base.activations`


def __getattr__(name: str) -> Function:
    if name in ACTIVATIONS:
        return ACTIVATIONS[name]
    raise AttributeError(f"module 'fastbp.graph' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
