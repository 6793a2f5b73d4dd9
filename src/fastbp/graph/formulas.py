"""The text of an `Explanation`: each formula, the numbers put into it, and the result.

A line is (name, formula, formula with numbers, result); empty parts are left out where it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..base.activations import ACTIVATIONS
from ..base.formula_text import ELLIPSIS, counted, factor, number, put_in, total
from ..base.losses import LOSSES

Line = tuple[str, str, str, str]


def sections(e: Any, shown: int) -> Iterator[tuple[str, list[Line]]]:
    """Pairs (title, lines) of an `Explanation`, with the first `shown` units, inputs and terms of a
    sum."""
    for k, layer in enumerate(e.layers):
        n_in, n_out = layer.W.shape
        sizes = f"{counted(n_in, 'input')}, {counted(n_out, 'unit')}"
        yield f"forward, layer {k}: {sizes}, {layer.activation}", list(_forward(e, k, shown))
    yield f"loss: {e.loss_name}", [_loss(e, shown)]
    for k in reversed(range(len(e.layers))):
        yield f"backward, layer {k}", list(_backward(e, k, shown))
    for k in range(len(e.layers)):
        yield f"update, layer {k}: learning rate {number(e.lr)}", list(_update(e, k, shown))


def _input(e, k):
    """The input of layer k, and its name."""
    return (e.layers[k - 1].a, f"a{k - 1}") if k else (e.x, "x")


def _products(values, weights, shown):
    terms = (f"{factor(v)}·{factor(w)}" for v, w in zip(values, weights, strict=True))
    return total(terms, shown)


def _forward(e, k, shown):
    layer = e.layers[k]
    x, name = _input(e, k)
    for j in range(min(shown, len(layer.z))):
        numbers = f"{_products(x, layer.W[:, j], shown)} + {factor(layer.b[j])}"
        yield f"z{k}[{j}]", f"Σ {name}·W{k}[:,{j}] + b{k}[{j}]", numbers, number(layer.z[j])
        yield f"a{k}[{j}]", *_activation(layer, j, shown), number(layer.a[j])
    yield from _more(len(layer.z) - shown, "more unit")


def _activation(layer, j, shown):
    """(formula, with numbers) of a = f(z) for unit j."""
    formula = ACTIVATIONS[layer.activation].formula
    if layer.activation == "softmax":
        exponentials = total((f"exp({number(z)})" for z in layer.z), shown)
        return formula, f"exp({number(layer.z[j])}) / ({exponentials})"
    numbers = put_in(formula, z=layer.z[j])
    return formula, "" if numbers == factor(layer.z[j]) else numbers  # nothing is computed


def _slope(layer, j):
    """(formula, with numbers) of f'(z) for unit j, from its output where that has a short form."""
    formula = ACTIVATIONS[layer.activation].slope
    if formula:
        return formula, put_in(formula, a=layer.a[j])
    return f"{layer.activation}'(z)", factor(layer.slope[j])


def _loss(e, shown):
    formula, numbers = LOSSES[e.loss_name].text(e.layers[-1].a, e.t, shown)
    if e.l2:
        squares = sum(float(np.sum(layer.W**2)) for layer in e.layers)
        formula += " + ½·l2·Σ W²"
        numbers += f" + ½·{number(e.l2)}·{number(squares)}"
    return "L", formula, numbers, number(e.loss)


def _backward(e, k, shown):
    layer = e.layers[k]
    x, name = _input(e, k)
    penalty = " + l2·W" if e.l2 else ""
    for j in range(min(shown, len(layer.z))):
        yield f"delta{k}[{j}]", *_delta(e, k, j, shown), number(layer.delta[j])
    yield from _more(len(layer.z) - shown, "more unit")
    for j in range(min(shown, len(layer.z))):
        for i in range(min(shown, len(x))):
            formula = f"{name}[{i}]·delta{k}[{j}]{penalty}"
            numbers = f"{factor(x[i])}·{factor(layer.delta[j])}"
            if e.l2:
                numbers += f" + {number(e.l2)}·{factor(layer.W[i, j])}"
            yield f"dW{k}[{i},{j}]", formula, numbers, number(layer.dW[i, j])
        yield f"db{k}[{j}]", f"delta{k}[{j}]", "", number(layer.db[j])
    yield from _more_weights(layer.W.shape, shown)


def _delta(e, k, j, shown):
    """(formula, with numbers) of one delta."""
    layer = e.layers[k]
    slope, slope_numbers = _slope(layer, j)
    if k + 1 < len(e.layers):
        above = e.layers[k + 1]
        products = _products(above.W[j], above.delta, shown)
        return f"(Σ W{k + 1}[{j},:]·delta{k + 1})·{slope}", f"({products})·{slope_numbers}"
    loss = LOSSES[e.loss_name]
    formula, numbers = loss.slope_text(layer.a, e.t, j)
    if loss.is_canonical or layer.activation == "identity":
        return formula, numbers
    if layer.activation == "softmax":
        by_output = [loss.slope_text(layer.a, e.t, i)[1] for i in range(len(layer.a))]
        terms = (f"{g}·{factor(v)}" for g, v in zip(by_output, layer.a, strict=True))
        a = factor(layer.a[j])
        return f"a·({formula} - Σ {formula}·a)", f"{a}·({numbers} - ({total(terms, shown)}))"
    return f"{formula}·{slope}", f"{numbers}·{slope_numbers}"


def _update(e, k, shown):
    layer = e.layers[k]
    lr = number(e.lr)
    for j in range(min(shown, len(layer.z))):
        for i in range(min(shown, len(layer.W))):
            formula = f"W{k}[{i},{j}] - lr·dW{k}[{i},{j}]"
            numbers = f"{number(layer.W[i, j])} - {lr}·{factor(layer.dW[i, j])}"
            yield f"new W{k}[{i},{j}]", formula, numbers, number(layer.new_W[i, j])
        numbers = f"{number(layer.b[j])} - {lr}·{factor(layer.db[j])}"
        yield f"new b{k}[{j}]", f"b{k}[{j}] - lr·db{k}[{j}]", numbers, number(layer.new_b[j])
    yield from _more_weights(layer.W.shape, shown)


def _more(n, what):
    """A line that counts what is not shown, if anything."""
    if n > 0:
        yield f"{ELLIPSIS} {counted(n, what)}", "", "", ""


def _more_weights(shape, shown):
    n_in, n_out = (min(n, shown) for n in shape)
    yield from _more(shape[0] * shape[1] - n_in * n_out, "more weight")
