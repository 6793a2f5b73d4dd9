"""The weights of the first layer as images."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

import numpy as np

from ..base.validation import check_count
from .display import Display, as_net

GAP = 1  # pixels between images


class WeightsDisplay(Display):
    """The weights of each unit of the first layer as an image of the input's shape, all on one
    scale: blue below zero, red above, blank at zero.

    Made by `from_estimator`. Unit 0 is at the top left; units follow along rows.

    Parameters
    ----------
    images : ndarray (n_units, height, width)

    Attributes
    ----------
    images : ndarray (n_units, height, width)
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    _figsize: ClassVar[tuple[float, float]] = (7.0, 5.2)

    def __init__(self, *, images: np.ndarray) -> None:
        self.images = images

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        image_shape: tuple[int, int] | None = None,
        max_units: int = 64,
        ax: Any = None,
    ) -> Self:
        """Draw the first layer of a net.

        Parameters
        ----------
        estimator : fastbp.MLP, or a fitted MLPClassifier or MLPRegressor
        image_shape : (height, width), optional
            Of the input; square by default.
        max_units : int, default 64
            Only the first so many units are drawn.
        ax : matplotlib Axes, optional

        Returns
        -------
        WeightsDisplay

        Raises
        ------
        ValueError
            If the inputs are not height x width, or their number is not a square.
        TypeError
            If an argument is of another type.
        ImportError
            Without Matplotlib.
        """
        W = as_net(estimator).weights[0]
        max_units = check_count("max_units", max_units)
        if image_shape is None:
            side = math.isqrt(len(W))
            if side**2 != len(W):
                raise ValueError(
                    f"image_shape must be given for {len(W)} inputs, which are no square number"
                )
            image_shape = (side, side)
        try:
            height, width = image_shape
        except (TypeError, ValueError):
            raise TypeError(f"image_shape must be (height, width), got {image_shape!r}") from None
        height = check_count("image_shape[0]", height)
        width = check_count("image_shape[1]", width)
        if height * width != len(W):
            raise ValueError(f"image_shape must hold the {len(W)} inputs, got {height} x {width}")
        return cls(images=W.T[:max_units].reshape(-1, height, width).copy()).plot(ax)

    def _draw(self, ax):
        n, height, width = self.images.shape
        square = math.ceil(math.sqrt(n * height / width))
        # About as wide as high, with few places empty.
        columns = min(range(square, square * 3 // 2 + 1), key=lambda c: -n % c)
        rows = -(-n // columns)
        mosaic = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP), np.nan)
        for k, image in enumerate(self.images):
            top = k // columns * (height + GAP)
            left = k % columns * (width + GAP)
            mosaic[top : top + height, left : left + width] = image
        largest = float(np.abs(self.images).max()) or 1.0
        shown = ax.imshow(
            mosaic, cmap=_blank_at_zero(), vmin=-largest, vmax=largest, interpolation="nearest"
        )
        ax.set_facecolor("0.75")  # the gaps
        ax.set(xticks=[], yticks=[], title=f"Weights of {n} units of layer 0")
        ax.figure.colorbar(shown, ax=ax, shrink=0.75)


def _blank_at_zero():
    """Matplotlib's RdBu_r, which is grey in the middle, with white for 0 and what rounds to it."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    colours = colormaps["RdBu_r"](np.linspace(0, 1, 257))
    colours[128] = 1
    return ListedColormap(colours, name="RdBu_r, blank at 0")
