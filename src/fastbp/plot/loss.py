"""Loss curves, drawn with Matplotlib."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from ..base.html import COLOURS, accuracies, curves
from ..history import History
from .display import Display

LABELS = {
    "minibatch": "minibatch",
    "training": "training (mean of the epoch)",
    "validation": "validation",
}


class LossCurveDisplay(Display):
    """Losses of a fit over its epochs: of minibatches, training samples and the validation set;
    accuracies that were recorded as dashed lines, with the axis on the right.

    Created by `from_history` or `from_estimator`. Losses that are not finite are left out. The
    scale is logarithmic where all losses are positive and the largest is more than ten times the
    smallest.

    Parameters
    ----------
    history : History

    Attributes
    ----------
    history : History
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(self, *, history: History) -> None:
        self.history = history

    @classmethod
    def from_history(cls, history: History, *, ax: Any = None) -> Self:
        """Draw the curves of a `History`.

        Parameters
        ----------
        history : History
        ax : matplotlib Axes, optional

        Returns
        -------
        LossCurveDisplay

        Raises
        ------
        TypeError
            If `history` is not a History.
        ValueError
            If it has no step.
        ImportError
            Without Matplotlib.
        """
        if not isinstance(history, History):
            raise TypeError(f"history must be a fastbp.History, got {type(history).__name__}")
        if not curves(history):
            raise ValueError("history must have at least one step, got none")
        return cls(history=history).plot(ax)

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> Self:
        """The curves of the last fit of a net, or the ``loss_curve_`` of a scikit-learn estimator.

        Parameters
        ----------
        estimator : fastbp.MLP, MLPClassifier or MLPRegressor
        ax : matplotlib Axes, optional

        Returns
        -------
        LossCurveDisplay

        Raises
        ------
        ValueError
            If it has not been fitted.
        ImportError
            Without Matplotlib.
        """
        history = getattr(estimator, "history_", None)
        if history is None and hasattr(estimator, "loss_curve_"):
            history = History(loss=list(estimator.loss_curve_))
        if history is None:
            name = type(estimator).__name__
            raise ValueError(
                f"estimator must have been fitted, got {name} without history_ or loss_curve_"
            )
        return cls.from_history(history, ax=ax)

    def _draw(self, ax):
        history = self.history
        drawn = []
        for name, (epochs, losses) in curves(history).items():
            losses = np.where(np.isfinite(losses), losses, np.nan)
            drawn.append(losses)
            ax.plot(
                epochs,
                losses,
                color=COLOURS[name],
                linewidth=0.6 if name == "minibatch" else 2,
                marker="o" if len(losses) == 1 and name != "minibatch" else None,
                label=LABELS[name],
            )
        best = history.best_epoch
        if best is not None:
            loss = (history.val_loss or history.loss)[best]
            label = f"best epoch ({best + 1})"
            ax.plot(best + 1, loss, "o", color=COLOURS["best"], zorder=3, label=label)
        values = np.concatenate(drawn)
        values = values[np.isfinite(values)]
        if len(values) and 0 < 10 * values.min() < values.max():
            ax.set_yscale("log")
        ax.set(xlabel="epoch", ylabel="loss")
        if accuracies(history):
            right = ax.twinx()
            right.set(ylabel="accuracy")
            for name, (epochs, values) in accuracies(history).items():
                right.plot(epochs, values, color=COLOURS[name], linewidth=2, linestyle="--")
        ax.set_xlim(left=0)
        for line in ax.legend(loc="upper right").legend_handles:
            line.set_linewidth(2)  # the minibatches' own width would be hard to see here
        ax.grid(alpha=0.3)
