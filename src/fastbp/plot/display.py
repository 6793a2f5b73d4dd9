"""The base class of all displays: their axes, and the estimators that they accept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ..base.optional import require
from ..importers.sklearn import from_sklearn
from ..mlp import MLP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


class Display(ABC):
    """A plot: its numbers, and how they are drawn.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
        After `plot`.
    """

    _figsize: ClassVar[tuple[float, float]] = (7.0, 4.2)
    ax_: Axes
    figure_: Figure | SubFigure

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the numbers.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            By default those of a new figure.

        Returns
        -------
        The display itself, with `ax_` and `figure_`.

        Raises
        ------
        ImportError
            Without Matplotlib.
        TypeError
            If `ax` is not Axes.
        """
        self.ax_ = axes(ax, self._figsize)
        self.figure_ = self.ax_.figure
        self._draw(self.ax_)
        return self

    @abstractmethod
    def _draw(self, ax):
        """Draw into these axes."""


def axes(ax, figsize):
    """`ax`, or the axes of a new figure."""
    plt: Any = require("matplotlib.pyplot", "fastbp.plot", "'fastbp[plot]'", "Matplotlib")
    if ax is None:
        return plt.subplots(figsize=figsize, layout="constrained")[1]
    if not isinstance(ax, plt.Axes):
        raise TypeError(f"ax must be Matplotlib axes, got {ax!r}")
    return ax


def as_net(estimator):
    """The net itself, or one with the weights of scikit-learn's estimator."""
    if isinstance(estimator, MLP):
        return estimator
    if not hasattr(estimator, "coefs_"):
        kind = type(estimator).__name__
        raise TypeError(
            f"estimator must be a fastbp.MLP, or a fitted MLPClassifier or MLPRegressor, got {kind}"
        )
    return from_sklearn(estimator)
