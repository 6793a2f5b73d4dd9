"""Gradient checking: the back-propagated gradient against central differences of the loss."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .base.validation import check_count, check_number
from .mlp import MLP


@dataclass(frozen=True)
class GradientCheck:
    """The outcome of `check_gradients`.

    Attributes
    ----------
    max_error : float
        The largest relative error of all layers.
    layers : tuple of (float, float)
        The largest relative error of each layer's weights and biases.
    checked : int
        Parameters compared.
    """

    max_error: float
    layers: tuple[tuple[float, float], ...]
    checked: int

    def __str__(self):
        lines = ["layer   weights    biases"]
        lines += [f"{i:5d}   {w:.1e}   {b:.1e}" for i, (w, b) in enumerate(self.layers)]
        return "\n".join(
            [*lines, f"largest relative error {self.max_error:.1e} over {self.checked} parameters"]
        )


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
    """Compare the net's gradient with central differences (L(w + epsilon) - L(w - epsilon)) / (2
    epsilon), in float64.

    Parameters
    ----------
    net : MLP
        Left as it is; a float64 copy is checked.
    X : array_like (n_samples, n_in)
    y : array_like
        Targets, as for ``net.fit``.
    l2, l1 : float, default 0
        Penalties, as for ``net.fit``. At a weight of 0 that of `l1` has no derivative to compare
        with.
    sample_weight : array_like (n_samples,), optional
    epsilon : float, default 1e-5
        Half the step of the difference: near the cube root of float64's precision, where rounding
        and curvature balance.
    per_array : int, default 200
        At most this many parameters, drawn at random, of each weight matrix and each bias vector.
    seed : int, default 0
        Of that draw.

    Returns
    -------
    GradientCheck
        Relative errors |a - d| / max(|a|, |d|, a thousandth of the array's largest |a|): of smaller
        derivatives a difference of losses says nothing, since the losses' own rounding drowns them.

    Raises
    ------
    ValueError, TypeError
        As ``net.fit`` for bad X, y, sample_weight, l2 or l1.
    """
    epsilon, per_array = (
        check_number("epsilon", epsilon, above=0),
        check_count("per_array", per_array),
    )
    net = net.astype("float64")
    rng = np.random.default_rng(seed)
    _, *gradients = net.loss_and_gradients(X, y, l2=l2, l1=l1, sample_weight=sample_weight)
    penalties = {"l2": l2, "l1": l1}
    layers: list[tuple[float, float]] = []
    checked = 0
    for parameters in zip(
        zip(net.weights, gradients[0], strict=True),
        zip(net.biases, gradients[1], strict=True),
        strict=True,
    ):
        errors = []
        for values, gradient in parameters:
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
    return GradientCheck(max(max(e) for e in layers), tuple(layers), checked)


def _difference(net, values, i, epsilon, X, y, penalties, sample_weight):
    place = np.unravel_index(i, values.shape)
    kept, losses = values[place], []
    for step in (epsilon, -epsilon):
        values[place] = kept + step
        losses.append(net.loss(X, y, sample_weight=sample_weight, **penalties))
    values[place] = kept
    return (losses[0] - losses[1]) / (2 * epsilon)
