"""Gradient checking: the back-propagated gradient compared with central differences."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .base.formula_text import counted
from .base.html import table_html
from .base.validation import check_count, check_number
from .mlp import MLP


@dataclass(frozen=True, repr=False)
class GradientCheck:
    """The outcome of `check_gradients`, a table by ``print`` or in a notebook.

    Attributes
    ----------
    max_error : float
        The largest relative error.
    layers : tuple of (float, float)
        The largest relative error of each layer's weights and biases.
    checked : int
        Number of parameters compared.
    """

    max_error: float
    layers: tuple[tuple[float, float], ...]
    checked: int

    def _summary(self):
        parameters = counted(self.checked, "parameter")
        return f"largest relative error {self.max_error:.1e} over {parameters}"

    def __repr__(self):
        return f"<GradientCheck: {self._summary()}; print it>"

    def __str__(self):
        lines = ["layer   weights    biases"]
        lines += [f"{i:5d}   {w:.1e}   {b:.1e}" for i, (w, b) in enumerate(self.layers)]
        return "\n".join([*lines, self._summary()])

    def _repr_html_(self):
        rows = [("layer", "weights", "biases")]
        rows += [(str(i), f"{w:.1e}", f"{b:.1e}") for i, (w, b) in enumerate(self.layers)]
        return table_html(f"Gradient check: {self._summary()}", rows)


def check_gradients(
    net: MLP,
    X: ArrayLike,
    y: ArrayLike,
    *,
    l2: float = 0.0,
    l1: float = 0.0,
    sample_weight: ArrayLike | None = None,
    epsilon: float = 1e-5,
    per_array: int = 200,
    seed: int = 0,
) -> GradientCheck:
    """Compare the gradient of a net with central differences, in float64.

    The difference of the loss L by a parameter w is (L(w + epsilon) - L(w - epsilon)) / (2
    epsilon).

    Parameters
    ----------
    net : MLP
        Not changed: a float64 copy is checked.
    X : array_like (n_samples, n_in)
    y : array_like
        Targets, as for ``net.fit``.
    l2, l1 : float, default 0
        Penalties, as for ``net.fit``. The L1 penalty has no derivative at a weight of 0.
    sample_weight : array_like (n_samples,), optional
    epsilon : float, default 1e-5
        Half the distance of the two losses. The default is near the cube root of float64's
        precision, at which the errors of rounding and curvature are equal.
    per_array : int, default 200
        Number of parameters to check in each weight matrix and bias vector, at most; drawn at
        random.
    seed : int, default 0
        Of the draw.

    Returns
    -------
    GradientCheck
        Relative errors ``|a - d| / max(|a|, |d|, max|a| / 1000)`` of derivatives a and differences
        d; the maximum is over the array. The rounding of the losses hides smaller derivatives.

    Raises
    ------
    ValueError, TypeError
        As ``net.fit`` for bad X, y, sample_weight, l2 or l1.
    """
    epsilon = check_number("epsilon", epsilon, above=0)
    per_array = check_count("per_array", per_array)
    net = net.astype("float64")
    rng = np.random.default_rng(seed)
    penalties = {"l2": l2, "l1": l1}
    _, dWs, dbs = net.loss_and_gradients(X, y, l2=l2, l1=l1, sample_weight=sample_weight)
    layers: list[tuple[float, float]] = []
    checked = 0
    for W, dW, b, db in zip(net.weights, dWs, net.biases, dbs, strict=True):
        errors = []
        for values, gradient in ((W, dW), (b, db)):
            picked = rng.permutation(values.size)[:per_array]
            differences = [
                _difference(net, values, i, epsilon, X, y, penalties, sample_weight) for i in picked
            ]
            exact = gradient.ravel()[picked]
            scale = np.maximum(
                np.maximum(abs(exact), np.abs(differences)),
                1e-3 * abs(gradient).max() + np.finfo(float).tiny,
            )
            errors.append(float((abs(exact - differences) / scale).max()))
            checked += len(picked)
        layers.append((errors[0], errors[1]))
    return GradientCheck(max(map(max, layers)), tuple(layers), checked)


def _difference(net, values, i, epsilon, X, y, penalties, sample_weight):
    """The central difference of the loss by element i of the net's array `values`."""
    index = np.unravel_index(i, values.shape)
    value = values[index]
    losses = []
    for step in (epsilon, -epsilon):
        values[index] = value + step
        losses.append(net.loss(X, y, sample_weight=sample_weight, **penalties))
    values[index] = value
    return (losses[0] - losses[1]) / (2 * epsilon)
