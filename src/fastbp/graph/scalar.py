"""Scalar nodes, their operations and the reverse sweep through them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from numbers import Real

import numpy as np

from ..base import activations


class Value:
    """A number in a computation graph.

    Arithmetic (``+ - * /``, unary ``-``, ``**`` with a number as exponent) between nodes, or a node
    and a real number, makes a new node. It follows IEEE 754 as NumPy does: overflow gives inf, an
    undefined result NaN, nothing raises. Values are computed when a node is made: changing
    ``value`` later does not recompute the results built on it.

    Parameters
    ----------
    value : float
        The number.
    name : str, optional
        Title of the node in drawings.

    Attributes
    ----------
    value : float
    grad : float
        Derivative, by this node, of the node that :func:`backward` was last called on; 0.0 before.
    name : str or None
    op : str
        The operation that made the node; empty for a leaf.
    parents : tuple of Value
        The operands.
    partials : tuple of float
        Derivative of this node by each of ``parents``.

    Raises
    ------
    TypeError
        If ``value`` is not a real number or ``name`` not a string.
    """

    __slots__ = ("grad", "name", "op", "parents", "partials", "value")
    value: float
    grad: float
    name: str | None
    op: str
    parents: tuple[Value, ...]
    partials: tuple[float, ...]
    # None makes a NumPy scalar on the left defer to the reflected operators below.
    __array_ufunc__ = None

    def __init__(self, value: float, name: str | None = None) -> None:
        if not isinstance(value, Real):
            raise TypeError(f"value must be a real number, got {type(value).__name__}: {value!r}")
        if not isinstance(name, str | None):
            raise TypeError(f"name must be a str or None, got {type(name).__name__}: {name!r}")
        self.value = float(value)
        self.grad = 0.0
        self.name = name
        self.op = ""
        self.parents = ()
        self.partials = ()

    def __repr__(self) -> str:
        label = "".join(
            f", {key}={text!r}" for key, text in (("name", self.name), ("op", self.op)) if text
        )
        return f"Value({self.value!r}, grad={self.grad!r}{label})"

    def backward(self) -> None:
        """Set ``grad`` of every node below to the derivative of this one: see :func:`backward`."""
        backward(self)

    def __add__(self, other: Value | float) -> Value:
        other = _as_value(other)
        return _node("+", self.value + other.value, (self, other), (1.0, 1.0))

    def __sub__(self, other: Value | float) -> Value:
        other = _as_value(other)
        return _node("-", self.value - other.value, (self, other), (1.0, -1.0))

    def __mul__(self, other: Value | float) -> Value:
        other = _as_value(other)
        return _node("*", self.value * other.value, (self, other), (other.value, self.value))

    def __truediv__(self, other: Value | float) -> Value:
        other = _as_value(other)
        quotient = _ieee(np.divide, self.value, other.value)
        partials = _ieee(np.divide, 1.0, other.value), -_ieee(np.divide, quotient, other.value)
        return _node("/", quotient, (self, other), partials)

    def __pow__(self, exponent: float) -> Value:
        if not isinstance(exponent, Real):
            raise TypeError(
                f"exponent must be a real number, got {type(exponent).__name__}: {exponent!r}"
            )
        n = float(exponent)
        # n = 0 at 0: 0 * inf would be NaN
        slope = n * _ieee(np.power, self.value, n - 1.0) if n else 0.0
        return _node(f"**{n:g}", _ieee(np.power, self.value, n), (self,), (slope,))

    def __neg__(self) -> Value:
        return _node("neg", -self.value, (self,), (-1.0,))

    def __radd__(self, other: float) -> Value:
        return _as_value(other) + self

    def __rsub__(self, other: float) -> Value:
        return _as_value(other) - self

    def __rmul__(self, other: float) -> Value:
        return _as_value(other) * self

    def __rtruediv__(self, other: float) -> Value:
        return _as_value(other) / self


Function = Callable[[Value | float], Value]


def _as_value(operand: Value | float) -> Value:
    return operand if isinstance(operand, Value) else Value(operand)


def _node(op: str, value: float, parents: tuple[Value, ...], partials: tuple[float, ...]) -> Value:
    node = Value(value)
    node.op = op
    node.parents = parents
    node.partials = partials
    return node


def _ieee(function: Callable[..., float], *operands: float) -> float:
    """Call a NumPy function, which returns inf or NaN where Python's ``math`` would raise."""
    with np.errstate(all="ignore"):
        return float(function(*operands))


def topological_order(node: Value) -> list[Value]:
    """List ``node`` and everything it was made from, operands before results.

    Parameters
    ----------
    node : Value

    Returns
    -------
    list of Value
        Each node once; ``node`` is the last.

    Raises
    ------
    TypeError
        If ``node`` is not a Value.
    """
    if not isinstance(node, Value):
        raise TypeError(f"node must be a Value, got {type(node).__name__}: {node!r}")
    order: list[Value] = []
    seen: set[Value] = set()
    stack = [(node, False)]  # not recursive: a graph may be deeper than Python's stack
    while stack:
        current, operands_listed = stack.pop()
        if operands_listed:
            order.append(current)
        elif current not in seen:
            seen.add(current)
            stack.append((current, True))
            stack.extend((parent, False) for parent in reversed(current.parents))
    return order


def backward(node: Value) -> None:
    """Set ``grad`` of ``node`` and of all nodes it was made from to the derivative of ``node`` by
    them.

    Reverse mode: each result hands its gradient, times the local partial derivative, to its
    operands, results first (Griewank & Walther, *Evaluating Derivatives*, 2nd ed. 2008, ch. 3).
    Gradients of earlier calls are overwritten.

    Parameters
    ----------
    node : Value
    """
    order = topological_order(node)
    for current in order:
        current.grad = 0.0
    node.grad = 1.0
    for current in reversed(order):
        for parent, partial in zip(current.parents, current.partials, strict=True):
            parent.grad += partial * current.grad


def total(values: Iterable[Value | float]) -> Value:
    """Sum of any number of terms as one node (0 for none), so that long sums make wide graphs, not
    deep ones."""
    terms = tuple(map(_as_value, values))
    return _node("total", sum(term.value for term in terms), terms, (1.0,) * len(terms))


def log(x: Value | float) -> Value:
    """Natural logarithm; -inf at 0, NaN below."""
    x = _as_value(x)
    return _node("log", _ieee(np.log, x.value), (x,), (_ieee(np.divide, 1.0, x.value),))


def log_sum_exp(values: Iterable[Value | float]) -> Value:
    """Logarithm of a sum of exponentials, ``log(sum_k exp(z_k))``, as one node.

    Shifted by the largest term, so that no exponential overflows and one of them is 1 (Blanchard,
    Higham & Higham, *IMA J. Numer. Anal.* 41, 2021). The partial derivatives are the softmax of
    ``values``. NaN if the largest is infinite.

    Parameters
    ----------
    values : iterable of Value or float
        At least one.

    Returns
    -------
    Value

    Raises
    ------
    ValueError
        If ``values`` is empty.
    """
    terms = tuple(map(_as_value, values))
    if not terms:
        raise ValueError("values must hold at least one term, got none")
    largest = max(term.value for term in terms)
    powers = [math.exp(term.value - largest) for term in terms]
    scale = sum(powers)
    return _node(
        "log_sum_exp", largest + math.log(scale), terms, tuple(power / scale for power in powers)
    )


def softmax(values: Iterable[Value | float]) -> list[Value]:
    """Softmax ``exp(z_k - log_sum_exp(z))``, one node for each of ``values``; no overflow."""
    terms = tuple(map(_as_value, values))
    normaliser = log_sum_exp(terms)
    return [exp(term - normaliser) for term in terms]


def elementwise(
    name: str, value_and_slope: Callable[[float], tuple[float, float]], summary: str = ""
) -> Function:
    """A function of one node, from the value and the slope of a number."""

    def function(z: Value | float) -> Value:
        z = _as_value(z)
        value, slope = value_and_slope(z.value)
        return _node(name, value, (z,), (slope,))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = summary
    return function


# The activations with outputs that do not depend on each other, and those of hidden layers.
FUNCTIONS = {
    name: elementwise(name, row.value_and_slope, row.summary)
    for name, row in activations.ACTIVATIONS.items()
    if row.value_and_slope
}
ACTIVATIONS = {name: function for name, function in FUNCTIONS.items() if name in activations.HIDDEN}
exp = FUNCTIONS["exp"]
