"""A net in scikit-learn's displays: decision boundary and confusion matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..base.optional import require
from ..mlp import MLP
from .display import axes

_FIGSIZE = (6.4, 5.2)


def _sklearn(module, purpose):
    return require(f"sklearn.{module}", purpose, "'fastbp[sklearn]'", "scikit-learn")


class DecisionBoundaryDisplay:
    """Outputs over a plane of two features: `sklearn.inspection.DecisionBoundaryDisplay`."""

    @staticmethod
    def from_estimator(
        estimator: Any, X: ArrayLike, y: ArrayLike | None = None, *, ax: Any = None, **kwargs: Any
    ) -> Any:
        """Shade the plane by a net's probabilities, classes or values.

        Parameters
        ----------
        estimator : fastbp.MLP with two inputs, or any scikit-learn estimator
            For two classes the probability of class 1 is drawn, with the line where it is a half;
            for more classes the most probable one; for a regression of one output its value.
        X : array_like (n_samples, 2)
            The plane extends by a tenth beyond these.
        y : array_like (n_samples,), optional
            Labels or values: the samples are drawn in their colours.
        ax : matplotlib Axes, optional
        **kwargs
            As for scikit-learn: grid_resolution, plot_method, response_method, ...

        Returns
        -------
        sklearn.inspection.DecisionBoundaryDisplay

        Raises
        ------
        ImportError
            Without Matplotlib or scikit-learn.
        ValueError
            If there are not two features, or the net has several outputs that are not the classes
            of one label.
        """
        theirs: Any = _sklearn("inspection", "DecisionBoundaryDisplay").DecisionBoundaryDisplay
        X = np.asarray(X)
        if X.ndim != 2 or X.shape[1] != 2:
            raise ValueError(f"X must have two features (columns), got shape {X.shape}")
        if isinstance(estimator, MLP):
            estimator = as_estimator(estimator)
        n_classes = len(getattr(estimator, "classes_", ()))
        options: dict[str, Any] = {
            "grid_resolution": 300,
            "eps": 0.1 * float(np.ptp(X, axis=0).max()),
        } | kwargs
        if n_classes > 2:
            # Cells: contours between class 0 and class 2 would show a line of class 1.
            options = {
                "response_method": "predict",
                "plot_method": "pcolormesh",
                "alpha": 0.6,
            } | options
        elif n_classes == 2 and hasattr(estimator, "predict_proba"):
            options = {"response_method": "predict_proba", "cmap": _pale()} | options
        shades = np.linspace(0, 1, 21) if options.get("response_method") == "predict_proba" else 20
        if n_classes <= 2 and options.get("plot_method") != "pcolormesh":
            options = {"levels": shades} | options
        shown = theirs.from_estimator(estimator, X, ax=axes(ax, _FIGSIZE), **options)
        ax = shown.ax_
        if n_classes == 2 and options.get("response_method") == "predict_proba":
            ax.contour(
                shown.xx0, shown.xx1, shown.response, levels=[0.5], colors="black", linewidths=1.5
            )
            bar = ax.figure.colorbar(
                shown.surface_, ax=ax, label=f"probability of class {estimator.classes_[1]}"
            )
            bar.set_ticks(np.linspace(0, 1, 6))
        elif not n_classes:
            ax.figure.colorbar(shown.surface_, ax=ax, label="output")
        if y is not None:
            _scatter(ax, X, np.asarray(y), estimator, shown)
        ax.set(xlabel=ax.get_xlabel() or "$x_0$", ylabel=ax.get_ylabel() or "$x_1$")
        return shown


def _pale():
    """Blue over white to red, pale enough for samples to stand out."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("pale", ["#9ec5e8", "white", "#f2a9a2"])


def _scatter(ax, X, y, estimator, shown):
    """Draw the samples in the colours of the surface below them."""
    if y.shape != (len(X),):
        raise ValueError(f"y must be one number a row of X, ({len(X)},), got shape {y.shape}")
    edge = {"s": 22, "edgecolor": "white", "linewidth": 0.6}
    if not hasattr(estimator, "classes_"):
        ax.scatter(*X.T, c=y, cmap=shown.surface_.get_cmap(), norm=shown.surface_.norm, **edge)
        return
    colours = getattr(shown, "multiclass_colors_", ("#2166ac", "#b2182b"))
    for label, colour in zip(estimator.classes_, colours, strict=False):
        ax.scatter(*X[y == label].T, color=colour, label=f"class {label}", **edge)
    ax.legend(loc="upper right")  # the search for the best place is slow with so many cells


class ConfusionMatrixDisplay:
    """Predicted against true classes: `sklearn.metrics.ConfusionMatrixDisplay`."""

    @staticmethod
    def from_estimator(
        estimator: Any, X: ArrayLike, y: ArrayLike, *, ax: Any = None, **kwargs: Any
    ) -> Any:
        """Count the samples of each class by their predicted class. Cells without samples are
        blank.

        Parameters
        ----------
        estimator : fastbp.MLP, or any scikit-learn classifier
        X : array_like (n_samples, n_in)
        y : array_like (n_samples,)
            True labels.
        ax : matplotlib Axes, optional
        **kwargs
            As for scikit-learn's ``from_predictions``: normalize, display_labels, cmap, ...

        Returns
        -------
        sklearn.metrics.ConfusionMatrixDisplay

        Raises
        ------
        ImportError
            Without Matplotlib or scikit-learn.
        ValueError
            If there is not one label a sample, or the net is not a classifier.
        """
        theirs: Any = _sklearn("metrics", "ConfusionMatrixDisplay").ConfusionMatrixDisplay
        y = np.asarray(y)
        if isinstance(estimator, MLP):
            labels = kwargs.setdefault("labels", getattr(as_estimator(estimator), "classes_", None))
            if labels is None:
                raise ValueError(f"estimator must be a classifier, got {estimator!r}")
        predicted = estimator.predict(X)
        if y.shape != predicted.shape:
            raise ValueError(
                f"y must be one label a row of X, {predicted.shape}, got shape {y.shape}"
            )
        options: dict[str, Any] = {"cmap": "Blues"} | kwargs
        if options.get("normalize") is not None:
            options.setdefault("values_format", ".2f")
        shown = theirs.from_predictions(y, predicted, ax=axes(ax, _FIGSIZE), **options)
        if shown.text_ is not None:
            for text, value in zip(shown.text_.flat, shown.confusion_matrix.flat, strict=True):
                text.set_visible(bool(value != 0))
        return shown


def as_estimator(net: MLP) -> Any:
    """A net as an estimator for scikit-learn's tools, with `predict`, and for a classifier
    `predict_proba` and `classes_`."""
    base: Any = _sklearn("base", "fastbp.plot")
    n_out = net.widths[-1]
    if net.output == "softmax" or net.loss_name in ("softmax_cross_entropy", "hinge"):
        n_classes = n_out
    elif n_out == 1:
        n_classes = 2 if net.loss_name == "binary_cross_entropy" else 0
    else:
        raise ValueError(f"estimator must have one output, or one class a sample, got {net!r}")

    kind: Any = base.ClassifierMixin if n_classes else base.RegressorMixin

    class Estimator(kind, base.BaseEstimator):
        def __init__(self):
            self.fit = net.fit
            self.predict = net.predict
            if n_classes:
                self.classes_ = net.classes_
            if n_classes and net.loss_name != "hinge":  # outputs of hinge are no probabilities
                self.predict_proba = net.predict_proba

        def __sklearn_is_fitted__(self):
            return True

    return Estimator()
