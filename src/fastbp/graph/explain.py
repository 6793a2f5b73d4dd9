"""One sample worked through by hand: forward, loss, backward and a step of descent, with the
numbers put into the formulas."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..base.names import CANONICAL, smoothing
from ..base.validation import (
    check_count,
    check_inputs,
    check_number,
    check_real_array,
    check_targets,
)
from . import NetworkGraph, formulas, from_net
from .formulas import ELLIPSIS, count, factor, number

if TYPE_CHECKING:
    from ..mlp import MLP

SHOWN = 8
_CELL = (
    "padding:1px 12px 1px 0;text-align:left;vertical-align:top;border:none;font-family:monospace"
)


@dataclass(frozen=True)
class LayerSteps:
    """What one sample makes of one layer; float64 arrays.

    Attributes
    ----------
    activation : str
    W, b : ndarray (n_in, n_out) and (n_out,)
        Before the step.
    z, a, delta : ndarray (n_out,)
        z = x @ W + b, a = f(z), delta = dL/dz.
    slope : ndarray (n_out,)
        f'(z); of a softmax da_j/dz_j, though its outputs depend on all z.
    dW, db : ndarray (n_in, n_out) and (n_out,)
        The gradient, penalty included.
    new_W, new_b : ndarray (n_in, n_out) and (n_out,)
        After the step: W - lr dW, b - lr db.
    """

    activation: str
    W: np.ndarray
    b: np.ndarray
    z: np.ndarray
    a: np.ndarray
    slope: np.ndarray
    delta: np.ndarray
    dW: np.ndarray  # noqa: N815 - the field's name
    db: np.ndarray
    new_W: np.ndarray  # noqa: N815
    new_b: np.ndarray


@dataclass(frozen=True, repr=False)
class Explanation:
    """The outcome of `MLP.explain`: ``print`` it, or let a notebook show it.

    Attributes
    ----------
    x : ndarray (n_in,)
    t : ndarray (n_out,)
        The targets that the loss is taken of: labels as one-hot, smoothed where the net has
        `label_smoothing`.
    loss : float
        Penalty included.
    layers : tuple of LayerSteps
    graph : NetworkGraph
        The same as a graph of scalars: a notebook draws ``graph.loss``.
    loss_name : str
    lr, l2 : float
    """

    x: np.ndarray
    t: np.ndarray
    loss: float
    layers: tuple[LayerSteps, ...]
    graph: NetworkGraph
    loss_name: str
    lr: float
    l2: float
    _shown: int = field(default=SHOWN)

    def __str__(self):
        lines = []
        for title, rows in self._sections():
            lines += [title, *("  " + " = ".join(filter(None, row)) for row in rows)]
        return "\n".join(lines)

    def __repr__(self):
        widths = [len(self.x), *(len(layer.z) for layer in self.layers)]
        return f"<Explanation of one sample of a {'-'.join(map(str, widths))} net: loss {number(self.loss)}; print it>"

    def _repr_html_(self):
        parts = []
        for title, rows in self._sections():
            cells = (
                "".join(f'<td style="{_CELL}">{escape(cell)}</td>' for cell in row) for row in rows
            )
            body = "".join(f"<tr>{row}</tr>" for row in cells)
            parts.append(
                f'<p style="margin:8px 0 2px"><b>{escape(title)}</b></p><table style="border:none">{body}</table>'
            )
        return "<div>" + "".join(parts) + "</div>"

    def _sections(self):
        """All there is to show: titles, each with rows (name, formula, with numbers, result)."""
        for k, layer in enumerate(self.layers):
            n_in, n_out = layer.W.shape
            sizes = f"{count(n_in, 'input')}, {count(n_out, 'unit')}"
            yield f"forward, layer {k}: {sizes}, {layer.activation}", list(self._forward(k))
        yield f"loss: {self.loss_name}", [self._loss()]
        for k in reversed(range(len(self.layers))):
            yield f"backward, layer {k}", list(self._backward(k))
        for k in range(len(self.layers)):
            yield f"update, layer {k}: learning rate {number(self.lr)}", list(self._update(k))

    def _below(self, k):
        """What layer k gets, and its name."""
        return (self.layers[k - 1].a, f"a{k - 1}") if k else (self.x, "x")

    def _forward(self, k):
        layer, (below, name) = self.layers[k], self._below(k)
        for j in range(min(self._shown, len(layer.z))):
            terms = [f"{factor(v)}·{factor(w)}" for v, w in zip(below, layer.W[:, j], strict=True)]
            numbers = f"{formulas.total(terms, self._shown)} + {factor(layer.b[j])}"
            yield f"z{k}[{j}]", f"Σ {name}·W{k}[:,{j}] + b{k}[{j}]", numbers, number(layer.z[j])
            yield (
                f"a{k}[{j}]",
                *formulas.value_of(layer.activation, layer.z, j, self._shown),
                number(layer.a[j]),
            )
        yield from self._more(len(layer.z), "more unit")

    def _loss(self):
        formula, numbers = formulas.loss_of(self.loss_name, self.layers[-1].a, self.t, self._shown)
        if self.l2:
            squares = sum(float(np.sum(layer.W**2)) for layer in self.layers)
            formula += " + ½·l2·Σ W²"
            numbers += f" + ½·{number(self.l2)}·{number(squares)}"
        return "L", formula, numbers, number(self.loss)

    def _backward(self, k):
        layer, (below, name) = self.layers[k], self._below(k)
        penalty = self.l2 and " + l2·W"
        for j in range(min(self._shown, len(layer.z))):
            yield f"delta{k}[{j}]", *self._delta(k, j), number(layer.delta[j])
        yield from self._more(len(layer.z), "more unit")
        for j in range(min(self._shown, len(layer.z))):
            delta = factor(layer.delta[j])
            for i in range(min(self._shown, len(below))):
                numbers = f"{factor(below[i])}·{delta}" + (
                    f" + {number(self.l2)}·{factor(layer.W[i, j])}" if self.l2 else ""
                )
                yield (
                    f"dW{k}[{i},{j}]",
                    f"{name}[{i}]·delta{k}[{j}]{penalty or ''}",
                    numbers,
                    number(layer.dW[i, j]),
                )
            yield f"db{k}[{j}]", f"delta{k}[{j}]", "", number(layer.db[j])
        yield from self._more_weights(layer.W.shape)

    def _delta(self, k, j):
        """(formula, with numbers) of one delta."""
        layer = self.layers[k]
        slope = formulas.slope_of(layer.activation, layer.a[j], layer.slope[j])
        if k + 1 < len(self.layers):
            above = self.layers[k + 1]
            terms = (
                f"{factor(w)}·{factor(d)}" for w, d in zip(above.W[j], above.delta, strict=True)
            )
            return (
                f"(Σ W{k + 1}[{j},:]·delta{k + 1})·{slope[0]}",
                f"({formulas.total(terms, self._shown)})·{slope[1]}",
            )
        if CANONICAL.get(layer.activation) == self.loss_name:
            return formulas.canonical_delta(layer.a, self.t, j, self.loss_name)
        by_output = [
            formulas.slope_of_loss(self.loss_name, layer.a, self.t, i) for i in range(len(layer.a))
        ]
        formula, numbers = by_output[j]
        if not numbers:
            return "dL/dz", ""
        if layer.activation == "softmax":
            terms = (f"{g}·{factor(v)}" for (_, g), v in zip(by_output, layer.a, strict=True))
            weighted = formulas.total(terms, self._shown)
            return (
                f"a·({formula} - Σ {formula}·a)",
                f"{factor(layer.a[j])}·({numbers} - ({weighted}))",
            )
        if layer.activation == "identity":
            return formula, numbers
        return f"{formula}·{slope[0]}", f"{numbers}·{slope[1]}"

    def _update(self, k):
        layer, lr = self.layers[k], number(self.lr)
        for j in range(min(self._shown, len(layer.z))):
            for i in range(min(self._shown, len(layer.W))):
                numbers = f"{number(layer.W[i, j])} - {lr}·{factor(layer.dW[i, j])}"
                yield (
                    f"new W{k}[{i},{j}]",
                    f"W{k}[{i},{j}] - lr·dW{k}[{i},{j}]",
                    numbers,
                    number(layer.new_W[i, j]),
                )
            numbers = f"{number(layer.b[j])} - {lr}·{factor(layer.db[j])}"
            yield f"new b{k}[{j}]", f"b{k}[{j}] - lr·db{k}[{j}]", numbers, number(layer.new_b[j])
        yield from self._more_weights(layer.W.shape)

    def _more(self, n, what):
        if n > self._shown:
            yield f"{ELLIPSIS} {count(n - self._shown, what)}", "", "", ""

    def _more_weights(self, shape):
        n_in, n_out = (min(n, self._shown) for n in shape)
        yield from self._more(shape[0] * shape[1] - n_in * n_out + self._shown, "more weight")


def explain(
    net: MLP, x: ArrayLike, y: Any, lr: float = 0.1, l2: float = 0.0, shown: int | None = SHOWN
) -> Explanation:
    """One sample worked through by hand: z, a, delta, dW and the updated weight of every unit,
    numbers put into formulas.

    The numbers are those of `fastbp.graph`, scalar by scalar in float64, of the net's weights as
    they are. The update is a step of plain gradient descent on this sample alone, whatever
    optimizer the net was trained with; the net is left as it is. The formulas are Rumelhart, Hinton
    and Williams's, *Learning representations by back-propagating errors*, 1986: delta = dL/da f'(z)
    of an output, delta_i = (sum_j W_ij delta_j) f'(z_i) below, dW_ij = a_i delta_j.

    Parameters
    ----------
    x : array_like (n_in,)
        The sample.
    y : int, float or array_like (n_out,)
        Its label or targets, as one row of `fit`'s.
    lr : float, default 0.1
        Learning rate of the step.
    l2 : float, default 0
        Penalty, as for `fit`.
    shown : int or None, default 8
        Units a layer, inputs a unit and terms a sum that the text writes out; the rest is counted.
        None for all. The numbers of all of them are in the result's attributes.

    Returns
    -------
    Explanation
        Text by ``print``, a table in a notebook, the numbers as arrays: ``layers[0].delta``.

    Raises
    ------
    ValueError, TypeError
        As for `fit`; also for a net whose loss is a callable, of which there is no formula.

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.MLP([1, 1], output="identity", init=lambda rng, shape: [[0.5]])
    >>> print(net.explain([2.0], 3.0))
    forward, layer 0: 1 input, 1 unit, identity
      z0[0] = Σ x·W0[:,0] + b0[0] = 2·0.5 + 0 = 1
      a0[0] = z = 1
    loss: squared_error
      L = ½·Σ (a - t)² = ½·((1 - 3)²) = 2
    backward, layer 0
      delta0[0] = (a - t) = (1 - 3) = -2
      dW0[0,0] = x[0]·delta0[0] = 2·(-2) = -4
      db0[0] = delta0[0] = -2
    update, layer 0: learning rate 0.1
      new W0[0,0] = W0[0,0] - lr·dW0[0,0] = 0.5 - 0.1·(-4) = 0.9
      new b0[0] = b0[0] - lr·db0[0] = 0 - 0.1·(-2) = 0.2
    """
    row = check_real_array("x", x, (1,))
    if len(row) != net.widths[0]:
        raise ValueError(f"x must have {net.widths[0]} features, got shape {row.shape}")
    lr, l2 = check_number("lr", lr, above=0), check_number("l2", l2, least=0)
    shown = max(net.widths) if shown is None else check_count("shown", shown)
    t = _targets(net, row, y)
    graph = from_net(net, row, t, l2)
    loss, dWs, dbs = graph.gradients()
    names = [*net.hidden, net.output]
    layers = []
    for k, (W, b, dW, db) in enumerate(zip(net.weights, net.biases, dWs, dbs, strict=True)):
        z, a = (np.array([node.value for node in nodes[k]]) for nodes in (graph.z, graph.a))
        slope = np.array(
            [
                _slope(node, below, graph.z[k])
                for node, below in zip(graph.a[k], graph.z[k], strict=True)
            ]
        )
        W, b = W.astype(np.float64), b.astype(np.float64)
        layers.append(
            LayerSteps(
                names[k], W, b, z, a, slope, graph.deltas[k], dW, db, W - lr * dW, b - lr * db
            )
        )
    keep, spread = smoothing(net.label_smoothing, net.loss_name, net.widths[-1])
    return Explanation(
        row.astype(np.float64),
        keep * t + spread,
        loss,
        tuple(layers),
        graph,
        net.loss_name,
        lr,
        l2,
        shown,
    )


def _slope(node, z, layer):
    """Derivative of a node by z, along all ways down to it that pass no other z of the layer."""
    if node is z:
        return 1.0
    if node in layer:
        return 0.0
    return sum(
        partial * _slope(parent, z, layer)
        for parent, partial in zip(node.parents, node.partials, strict=True)
    )


def _targets(net, x, y):
    """The targets (n_out,) of one sample, checked as `fit` checks them; labels as one-hot."""
    try:
        row = np.asarray(y)[None]
    except ValueError as error:
        raise ValueError(f"y must be a label or targets ({net.widths[-1]},): {error}") from None
    check_inputs("x", x[None], net.widths[0], net.dtype)
    targets, labels = check_targets("y", row, 1, net.widths[-1], net.loss_name, net.dtype)
    if labels is None:
        return targets[0].astype(np.float64)
    return np.eye(net.widths[-1])[labels[0]]
