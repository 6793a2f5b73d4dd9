"""Histograms of each layer's activations and deltas."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from ..base.validation import check_count
from ..engine.custom_loss import steps_of
from ..engine.parameters import layer_views
from ..engine.steps import loss_and_gradient
from ..mlp import MLP
from ..training.checked_samples import make_samples
from .display import Display, as_net

BINS = 80
HEIGHT = 0.78  # of a histogram, relative to the distance between two


class _LayersDisplay(Display):
    """One histogram for each layer, one below the other, on a common scale, with its number of
    units; each is as high as its place."""

    _figsize: ClassVar[tuple[float, float]] = (7.5, 4.2)

    def _draw_layers(self, ax, layers, names, values, edges, notes, colour):
        """One histogram of `values` a layer; `layers` are the arrays (n_samples, n_out)."""
        n = len(values)
        for k, (each, note) in enumerate(zip(values, notes, strict=True)):
            base = n - 1 - k
            counts = np.histogram(each, edges)[0]
            heights = base + HEIGHT * counts / max(1, counts.max())
            ax.stairs(heights, edges, baseline=base, fill=True, color=colour, alpha=0.7)
            ax.axhline(base, color="0.6", linewidth=0.8)
            ax.text(
                1.02,
                base + 0.3,
                note,
                transform=ax.get_yaxis_transform(),
                va="center",
                fontsize=9,
                linespacing=1.4,
            )
        labels = [
            f"layer {k}\n{layer.shape[1]} {name}"
            for k, (layer, name) in enumerate(zip(layers, names, strict=True))
        ]
        ax.set_yticks(range(n - 1, -1, -1), labels)
        ax.tick_params(axis="y", length=0)
        for label in ax.get_yticklabels():
            label.set_verticalalignment("bottom")
        ax.set(ylim=(-0.08, n), xlim=(edges[0], edges[-1]))
        ax.spines[["left", "right", "top"]].set_visible(False)
        ax.grid(axis="x", alpha=0.3)


class ActivationsDisplay(_LayersDisplay):
    """Histograms of each layer's activations a = f(z) over some samples: their range, and how many
    are dead or saturated.

    Made by `from_estimator`. Zeros, of which a relu layer has many, are not in the histogram but
    counted beside it. Activations within a hundredth of the ends of sigmoid or tanh, where the
    slope is small, are counted too.

    Parameters
    ----------
    activations : list of ndarray (n_samples, n_out), one a layer
    names : list of str
        The layers' activation functions.

    Attributes
    ----------
    activations, names
        As given.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(self, *, activations: list[np.ndarray], names: list[str]) -> None:
        self.activations = activations
        self.names = names

    @classmethod
    def from_estimator(cls, estimator: Any, X: ArrayLike, *, ax: Any = None) -> Self:
        """Draw the activations of a net.

        Parameters
        ----------
        estimator : fastbp.MLP, or a fitted MLPClassifier or MLPRegressor
        X : array_like (n_samples, n_in)
        ax : matplotlib Axes, optional

        Returns
        -------
        ActivationsDisplay

        Raises
        ------
        ValueError, TypeError
            As for ``net.forward``; also without samples.
        ImportError
            Without Matplotlib.
        """
        net = as_net(estimator)
        activations = net.forward(X)
        if not len(activations[0]):
            raise ValueError("X must have at least one row, got none")
        return cls(activations=activations, names=[*net.hidden, net.output]).plot(ax)

    def _draw(self, ax):
        kept = [a[a != 0] for a in self.activations]
        ends = [np.percentile(a, [0.2, 99.8]) for a in kept if len(a)] or [np.array([-1.0, 1.0])]
        low = np.min(ends)
        high = np.max(ends)
        margin = 0.03 * (high - low) or 0.5
        notes = []
        for a, name in zip(self.activations, self.names, strict=True):
            facts = [f"mean {a.mean():.2g}, std {a.std():.2g}"]
            if (a == 0).any():
                facts.append(f"{(a == 0).mean():.1%} zero")
            saturated = {"tanh": abs(a) > 0.99, "sigmoid": (a < 0.01) | (a > 0.99)}.get(name)
            if saturated is not None:
                facts.append(f"{saturated.mean():.1%} saturated")
            notes.append("\n".join(facts))
        edges = np.linspace(low - margin, high + margin, BINS + 1)
        self._draw_layers(ax, self.activations, self.names, kept, edges, notes, "tab:blue")
        ax.set(xlabel="activation a", title=f"Activations of {_samples(self.activations)}")


class DeltasDisplay(_LayersDisplay):
    """Histograms of the size of each layer's deltas, dL/dz of single samples. Gradients vanish if
    deltas shrink from layer to layer towards the input, and explode if they grow.

    Made by `from_estimator`. The scale is logarithmic. A line marks each layer's median of the
    deltas that are not zero; zeros (of inactive relu units) are counted beside it.

    Parameters
    ----------
    deltas : list of ndarray (n_samples, n_out), one a layer
    names : list of str
        The layers' activation functions.

    Attributes
    ----------
    deltas, names
        As given.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(self, *, deltas: list[np.ndarray], names: list[str]) -> None:
        self.deltas = deltas
        self.names = names

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, y: ArrayLike, *, max_samples: int = 200, ax: Any = None
    ) -> Self:
        """Draw the deltas of a net.

        Parameters
        ----------
        estimator : fastbp.MLP, or a fitted MLPClassifier or MLPRegressor
        X : array_like (n_samples, n_in)
        y : array_like
            Targets, as for ``net.fit``.
        max_samples : int, default 200
            At most so many of the samples, spread evenly. The gradient of each is computed
            separately.
        ax : matplotlib Axes, optional

        Returns
        -------
        DeltasDisplay

        Raises
        ------
        ValueError, TypeError
            As for ``net.fit``.
        ImportError
            Without Matplotlib.
        """
        net = as_net(estimator)
        found = deltas(net, X, y, max_samples)
        return cls(deltas=found, names=[*net.hidden, net.output]).plot(ax)

    def _draw(self, ax):
        sizes = [np.abs(delta).astype(np.float64) for delta in self.deltas]
        kept = [size[size > 0] for size in sizes]
        every = np.concatenate(kept) if any(map(len, kept)) else np.ones(1)
        low = np.percentile(every, 0.2) / 1.5
        high = every.max() * 1.5
        notes = []
        for size, some in zip(sizes, kept, strict=True):
            facts = [f"median {np.median(some):.1e}"] if len(some) else []
            if len(some) < size.size:
                facts.append(f"{1 - len(some) / size.size:.1%} zero")
            notes.append("\n".join(facts))
        ax.set_xscale("log")
        edges = np.geomspace(low, high, BINS + 1)
        self._draw_layers(ax, self.deltas, self.names, kept, edges, notes, "tab:orange")
        for k, some in enumerate(kept):
            if len(some):
                base = len(kept) - 1 - k
                ax.plot([np.median(some)] * 2, [base, base + HEIGHT], color="black", linewidth=1.5)
        ax.set(xlabel="size of delta = dL/dz", title=f"Deltas of {_samples(self.deltas)}")


def _samples(layers):
    n = len(layers[0])
    return f"{n:,} sample{'s' * (n != 1)}"


def deltas(net: MLP, X: Any, y: Any, max_samples: int) -> list[np.ndarray]:
    """delta of every layer (n, n_out), of at most `max_samples` of the samples, each for the loss
    of that sample alone.

    A sample's delta is its gradient by b, which `loss_and_gradients` computes for all activations
    and losses.
    """
    samples = make_samples(net, X, y)
    n = min(samples.n, check_count("max_samples", max_samples))
    steps = steps_of(net.loss_function)
    found = []
    for row in np.unique(np.linspace(0, samples.n - 1, n).astype(int)):
        one = samples.subset(np.array([row]))
        _, flat = loss_and_gradient(net.network, net.parameters, one, 0.0, 1, 0.0, steps)
        found.append(layer_views(flat, net.widths)[1])
    return [np.stack(layer) for layer in zip(*found, strict=True)]
