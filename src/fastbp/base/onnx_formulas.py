"""Activations as operators of an ONNX graph, opset 13.

ONNX Runtime computes some operators in float32 alone (1.31: Elu, Erf, LeakyRelu, Selu, Softplus).
float64 graphs get formulas of other operators in their place.
"""

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..kernels.abi import (
    LEAK,
    NORMAL_CENTRE,
    NORMAL_END,
    NORMAL_TAIL,
    SELU_ALPHA,
    SELU_SCALE,
)


class Graph(Protocol):
    """A graph under construction; its constants are of `dtype`. Both methods return the name of
    their result."""

    dtype: np.dtype

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str: ...

    def constant(self, values: ArrayLike, name: str = ...) -> str: ...


Formula = Callable[[Graph, str], str]  # (graph, name of z) -> name of f(z)


def operator(kind: str, **attributes: Any) -> Formula:
    """A formula that is one operator."""
    return lambda graph, z: graph.op(kind, z, **attributes)


def leaky_relu(graph: Graph, z: str) -> str:
    return graph.op("Max", z, graph.op("Mul", z, graph.constant(LEAK)))


def _expm1_below_0(graph: Graph, z: str) -> str:
    """expm1(z) below 0, else 0."""
    below = graph.op("Exp", graph.op("Min", z, graph.constant(0)))
    return graph.op("Sub", below, graph.constant(1))


def elu(graph: Graph, z: str) -> str:
    return graph.op("Add", graph.op("Relu", z), _expm1_below_0(graph, z))


def selu(graph: Graph, z: str) -> str:
    above = graph.op("Mul", graph.op("Relu", z), graph.constant(SELU_SCALE))
    below = graph.op("Mul", _expm1_below_0(graph, z), graph.constant(SELU_SCALE * SELU_ALPHA))
    return graph.op("Add", above, below)


def softplus(graph: Graph, z: str) -> str:
    """max(z, 0) + log(1 + exp(-|z|)), which cannot overflow."""
    e = graph.op("Exp", graph.op("Neg", graph.op("Abs", z)))
    log1p = graph.op("Log", graph.op("Add", e, graph.constant(1)))
    return graph.op("Add", graph.op("Relu", z), log1p)


def gelu_by_erf(graph: Graph, z: str) -> str:
    """z (1 + erf(z / sqrt 2)) / 2, in the form that runtimes fuse into one operator."""
    erf = graph.op("Erf", graph.op("Div", z, graph.constant(math.sqrt(2))))
    twice = graph.op("Mul", z, graph.op("Add", erf, graph.constant(1)))
    return graph.op("Mul", twice, graph.constant(0.5))


def gelu(graph: Graph, z: str) -> str:
    """max(z, 0) - |z| P(a normal number is beyond |z|), the tail by the kernels' float64 series."""
    x = graph.op("Min", graph.op("Abs", z), graph.constant(NORMAL_END[False]))
    over = graph.op("Add", x, graph.constant(NORMAL_CENTRE))
    t = graph.op("Div", graph.op("Sub", x, graph.constant(NORMAL_CENTRE)), over)
    series = graph.constant(NORMAL_TAIL[False][-1])
    for c in reversed(NORMAL_TAIL[False][:-1]):
        series = graph.op("Add", graph.op("Mul", series, t), graph.constant(c))
    e = graph.op("Exp", graph.op("Mul", graph.op("Mul", x, x), graph.constant(-0.5)))
    tail = graph.op("Mul", graph.op("Div", series, over), e)
    return graph.op("Sub", graph.op("Relu", z), graph.op("Mul", x, tail))


def silu(graph: Graph, z: str) -> str:
    """z / (1 + exp(-z)). z times ONNX Runtime's float32 sigmoid is off by 1.5e-6 near -15."""
    e = graph.op("Exp", graph.op("Neg", z))
    return graph.op("Div", z, graph.op("Add", e, graph.constant(1)))


def mish(graph: Graph, z: str) -> str:
    """z / (1 + 2 / w) with w = u (u + 2) and u = exp(z): z where w is infinite, 0 where it is 0."""
    u = graph.op("Exp", z)
    two = graph.constant(2)
    inverse = graph.op("Div", two, graph.op("Mul", u, graph.op("Add", u, two)))
    return graph.op("Div", z, graph.op("Add", inverse, graph.constant(1)))
