"""Plots of measurements before training: the gradient check and the learning-rate range test."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from ..base.validation import check_number, check_real_array
from ..gradcheck import GradientCheck, check_gradients
from .display import Display, as_net

# Relative errors below which a gradient is usually right, and above which it is usually wrong
# (Karpathy, CS231n course notes, "Gradient checks").
RIGHT = 1e-7
WRONG = 1e-2
SMALLEST = 1e-16  # stands for an error of 0 on the logarithmic scale


class GradientCheckDisplay(Display):
    """The relative error of each layer's gradient against central differences, on a logarithmic
    scale.

    Made by `from_check` or `from_estimator`. Below the lower line a gradient is usually right,
    above the upper one it is usually wrong. Errors between them, 1e-5 for example, are common for
    right gradients of nets with kinks: a difference is not the derivative where its two losses lie
    on either side of a kink of relu, leaky_relu, hinge or absolute_error.

    Parameters
    ----------
    check : GradientCheck

    Attributes
    ----------
    check : GradientCheck
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(self, *, check: GradientCheck) -> None:
        self.check = check

    @classmethod
    def from_check(cls, check: GradientCheck, *, ax: Any = None) -> Self:
        """Draw the result of `fastbp.check_gradients`.

        Parameters
        ----------
        check : GradientCheck
        ax : matplotlib Axes, optional

        Returns
        -------
        GradientCheckDisplay

        Raises
        ------
        TypeError
            If `check` is not a GradientCheck.
        ImportError
            Without Matplotlib.
        """
        if not isinstance(check, GradientCheck):
            raise TypeError(
                f"check must be what fastbp.check_gradients returns, got {type(check).__name__}"
            )
        return cls(check=check).plot(ax)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, y: ArrayLike, *, ax: Any = None, **kwargs: Any
    ) -> Self:
        """Check the gradient of a net, and draw the result.

        Parameters
        ----------
        estimator : fastbp.MLP, or a fitted MLPClassifier or MLPRegressor
        X, y
            As for `fastbp.check_gradients`.
        ax : matplotlib Axes, optional
        **kwargs
            As for `fastbp.check_gradients`.

        Returns
        -------
        GradientCheckDisplay

        Raises
        ------
        ValueError, TypeError
            As for `fastbp.check_gradients`.
        ImportError
            Without Matplotlib.
        """
        return cls.from_check(check_gradients(as_net(estimator), X, y, **kwargs), ax=ax)

    def _draw(self, ax):
        places = np.arange(len(self.check.layers))
        for column, name, marker, shift in ((0, "weights", "o", -0.08), (1, "biases", "s", 0.08)):
            errors = np.maximum([layer[column] for layer in self.check.layers], SMALLEST)
            ax.plot(places + shift, errors, marker, markersize=9, label=name, zorder=3)
        for error in (RIGHT, WRONG):
            ax.axhline(error, color="0.4", linestyle="--", linewidth=1)
        for error, text, va in (
            (WRONG * 2, "above: wrong,\nas a rule", "bottom"),
            (
                (RIGHT * WRONG) ** 0.5,
                "between: kinks of relu\nand the like within\nthe difference",
                "center",
            ),
            (RIGHT / 2, "below: right,\nas a rule", "top"),
        ):
            ax.text(1.015, error, text, transform=ax.get_yaxis_transform(), va=va, fontsize=9)
        ax.set_yscale("log")
        ax.set(xlabel="layer", ylabel="largest relative error", xlim=(-0.6, len(places) - 0.4))
        ax.set_xticks(places)
        errors = np.maximum(np.array(self.check.layers), SMALLEST)
        ax.set_ylim(min(1e-12, errors.min() / 10), max(10, errors.max() * 10))
        ax.set_title(f"Back-propagation against differences of {self.check.checked:,} parameters")
        ax.legend(loc="upper left")
        ax.grid(axis="y", alpha=0.3)


class RangeTestDisplay(Display):
    """The loss while the learning rate rises, and the rate suggested.

    Made by `from_result`. The axes show the useful part: rates from a hundredth of the suggestion
    on, up to where the loss has risen well above its level before the minimum.

    Parameters
    ----------
    learning_rates, losses : ndarray (n,)
    smoothed : ndarray (n,) or None
    suggestion : float

    Attributes
    ----------
    learning_rates, losses, smoothed, suggestion
        As given.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    _figsize: ClassVar[tuple[float, float]] = (6.4, 4.2)

    def __init__(
        self,
        *,
        learning_rates: np.ndarray,
        losses: np.ndarray,
        smoothed: np.ndarray | None,
        suggestion: float,
    ) -> None:
        self.learning_rates = learning_rates
        self.losses = losses
        self.smoothed = smoothed
        self.suggestion = suggestion

    @classmethod
    def from_result(cls, result: Any, *, ax: Any = None) -> Self:
        """Draw the result of a range test.

        Parameters
        ----------
        result : object
            Of `fastbp.lr_find`, or any object with its `learning_rates`, `losses`, `suggestion`
            and, optionally, `smoothed`.
        ax : matplotlib Axes, optional

        Returns
        -------
        RangeTestDisplay

        Raises
        ------
        TypeError, ValueError
            If these are not numbers, or there is not one loss for each rate.
        ImportError
            Without Matplotlib.
        """
        missing = [
            name for name in ("learning_rates", "losses", "suggestion") if not hasattr(result, name)
        ]
        if missing:
            raise TypeError(f"result must have {', '.join(missing)}, got {type(result).__name__}")
        rates = check_real_array("learning_rates", result.learning_rates, (1,))
        curves = {"losses": result.losses, "smoothed": getattr(result, "smoothed", None)}
        for name, curve in curves.items():
            if curve is None and name == "smoothed":
                continue
            curves[name] = check_real_array(name, curve, (1,))
            if len(curve) != len(rates):
                raise ValueError(f"{name} must be one a rate, {len(rates)}, got {len(curve)}")
        suggestion = check_number("suggestion", result.suggestion, above=0)
        return cls(learning_rates=rates, suggestion=suggestion, **curves).plot(ax)

    def _draw(self, ax):
        main = self.losses if self.smoothed is None else self.smoothed
        if self.smoothed is not None:
            ax.plot(self.learning_rates, self.losses, color="0.75", linewidth=1, label="batch")
        ax.plot(
            self.learning_rates,
            main,
            color="tab:blue",
            linewidth=2,
            label="batch" if main is self.losses else "smoothed",
        )
        ax.axvline(
            self.suggestion,
            color="tab:red",
            linestyle="--",
            label=f"suggestion {self.suggestion:.2g}",
        )
        self._clip_axes(ax, np.asarray(main, np.float64))
        ax.set_xscale("log")
        ax.set(xlabel="learning rate", ylabel="loss")
        ax.legend()
        ax.grid(alpha=0.3)

    def _clip_axes(self, ax, main):
        """Leave out the flat part at small rates and the divergence at large ones, which would
        flatten the rest."""
        rates = self.learning_rates
        left = min(max(rates.min(), self.suggestion / 100), self.suggestion)
        shown = np.isfinite(main) & (rates >= left)
        if not shown.any():
            return
        lowest = np.flatnonzero(shown)[np.argmin(main[shown])]
        low = main[lowest]
        before = main[shown & (rates <= rates[lowest])].max()  # the level from which the loss falls
        room = (before - low) or (main[shown].max() - low) or 1.0
        top = before + 0.5 * room
        above = np.flatnonzero(shown & (rates > rates[lowest]) & (main > top))
        right = rates[above[0]] if len(above) else rates.max()
        ax.set_ylim(low - 0.15 * room, min(top, main[shown].max() + 0.15 * room))
        ax.set_xlim(left, max(right, self.suggestion))
