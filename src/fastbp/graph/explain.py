"""One sample worked through by hand: forward, loss, backward and a step of descent, with the
numbers put into the formulas."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ..base.formula_text import number, printable
from ..base.labels import label_array, positions
from ..base.validation import (
    check_count,
    check_finite,
    check_number,
    check_real_array,
    check_targets,
)
from .dense import NetworkGraph, from_net
from .formulas import sections

# Units, inputs and terms that are written out by default: all of a net without a wider layer, else
# so few that the text of a layer stays on a screen.
SHOWN = 8
SHOWN_OF_WIDE = 3
_CELL = (
    "padding:1px 12px 1px 0;text-align:left;vertical-align:top;border:none;font-family:monospace"
)


@dataclass(frozen=True)
class LayerSteps:
    """The quantities of one layer for one sample; float64 arrays.

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
    """The result of `MLP.explain`, shown by ``print`` or by a notebook.

    Attributes
    ----------
    x : ndarray (n_in,)
    t : ndarray (n_out,)
        The targets that the loss is taken of: labels as one-hot, smoothed if the net has
        `label_smoothing`.
    loss : float
        Penalty included.
    layers : tuple of LayerSteps
    graph : NetworkGraph
        The same quantities as a graph of scalars: a notebook draws ``graph.loss``.
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
    _shown: int

    def __str__(self):
        lines = []
        for title, rows in sections(self, self._shown):
            lines += [title, *("  " + " = ".join(filter(None, row)) for row in rows)]
        return printable("\n".join(lines))

    def __repr__(self):
        widths = [len(self.x), *(len(layer.z) for layer in self.layers)]
        return (
            f"<Explanation of one sample of a {'-'.join(map(str, widths))} net: "
            f"loss {number(self.loss)}; print it>"
        )

    def _repr_html_(self):
        parts = []
        for title, rows in sections(self, self._shown):
            cells = (
                "".join(f'<td style="{_CELL}">{escape(cell)}</td>' for cell in row) for row in rows
            )
            body = "".join(f"<tr>{row}</tr>" for row in cells)
            parts.append(
                f'<p style="margin:8px 0 2px"><b>{escape(title)}</b></p>'
                f'<table style="border:none">{body}</table>'
            )
        return "<div>" + "".join(parts) + "</div>"


def explain(
    net: Any,
    x: ArrayLike,
    y: Any,
    lr: float = 0.1,
    l2: float = 0.0,
    shown: int | Literal["auto"] | None = "auto",
) -> Explanation:
    """One sample worked through by hand: z, a, delta, dW and the updated weight of every unit,
    numbers put into formulas.

    The numbers are those of `fastbp.graph`, scalar by scalar in float64, from the net's current
    weights. The update is a step of plain gradient descent on this sample alone, whatever optimizer
    the net was trained with; the net is not changed. The formulas are Rumelhart, Hinton and
    Williams's, *Learning representations by back-propagating errors*, 1986: delta = dL/da f'(z) of
    an output, delta_i = (sum_j W_ij delta_j) f'(z_i) below, dW_ij = a_i delta_j.

    Parameters
    ----------
    x : array_like (n_in,)
        The sample.
    y : label, float or array_like (n_out,)
        Its label or targets, as one row of `fit`'s.
    lr : float, default 0.1
        Learning rate of the step.
    l2 : float, default 0
        Penalty, as for `fit`.
    shown : int, "auto" or None, default "auto"
        Units a layer, inputs a unit and terms a sum that the text writes out; the others are
        counted. "auto" is 8, or 3 if a layer is wider than 8; None for all. The attributes of the
        result have all numbers.

    Returns
    -------
    Explanation
        Text by ``print``, a table in a notebook, the numbers as arrays: ``layers[0].delta``. The
        text is ASCII where the encoding of standard output lacks one of its characters.

    Raises
    ------
    ValueError, TypeError
        As for `fit`; also if the net's loss is a callable, which has no formula.

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
    check_finite("x", row[None], net.dtype)
    lr = check_number("lr", lr, above=0)
    l2 = check_number("l2", l2, least=0)
    widest = max(net.widths)
    if isinstance(shown, str) and shown == "auto":
        shown = SHOWN if widest <= SHOWN else SHOWN_OF_WIDE
    n_shown = widest if shown is None else check_count("shown", shown)
    graph = from_net(net, row, _targets(net, y), l2)
    loss, dWs, dbs = graph.gradients()
    layers = []
    for k, activation in enumerate([*net.hidden, net.output]):
        W, b, z, a = map(_values, (graph.weights[k], graph.biases[k], graph.z[k], graph.a[k]))
        pairs = zip(graph.a[k], graph.z[k], strict=True)
        slope = np.array([_slope(a_j, z_j, graph.z[k]) for a_j, z_j in pairs])
        new_W = W - lr * dWs[k]
        new_b = b - lr * dbs[k]
        layers.append(
            LayerSteps(activation, W, b, z, a, slope, graph.deltas[k], dWs[k], dbs[k], new_W, new_b)
        )
    return Explanation(
        _values(graph.x),
        _values(graph.t),
        loss,
        tuple(layers),
        graph,
        net.loss_name,
        lr,
        l2,
        n_shown,
    )


def _values(nodes):
    """The values of nodes, or of rows of nodes, as an array."""
    return np.array([_values(node) if isinstance(node, list) else node.value for node in nodes])


def _slope(node, z, layer):
    """Derivative of a node by z, along all paths down to it that pass no other z of the layer."""
    if node is z:
        return 1.0
    if node in layer:
        return 0.0
    return sum(
        partial * _slope(parent, z, layer)
        for parent, partial in zip(node.parents, node.partials, strict=True)
    )


def _targets(net, y):
    """The targets (n_out,) of one sample, checked as `fit` checks them; labels as one-hot."""
    n_out = net.widths[-1]
    try:
        row = np.asarray(y)[None]
    except ValueError as error:
        raise ValueError(f"y must be a label or targets ({n_out},): {error}") from None
    if net.class_labels is not None and row.ndim == 1:
        row = positions("y", label_array("y", row), net.class_labels)
    targets, labels = check_targets("y", row, 1, n_out, net.loss_name, net.dtype)
    return np.eye(n_out)[labels[0]] if targets is None else targets[0].astype(np.float64)
