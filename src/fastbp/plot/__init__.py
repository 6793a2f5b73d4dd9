"""Plots of nets and of their training, by Matplotlib: ``pip install 'fastbp[plot]'``.

The displays follow scikit-learn's convention. ``SomeDisplay.from_estimator(net, X, y)``, or
another ``from_*`` method, draws at once, into the axes ``ax`` or a new figure. It returns an object
with the numbers drawn, ``ax_``, ``figure_``, and ``plot``, which draws them again. Instead of a
net, a fitted ``MLPClassifier`` or ``MLPRegressor`` of scikit-learn or `fastbp.sklearn` can be
given. Matplotlib is imported at the first drawing. Drawings without Matplotlib belong elsewhere.
"""

from .boundary import ConfusionMatrixDisplay, DecisionBoundaryDisplay
from .checks import GradientCheckDisplay, RangeTestDisplay
from .layers import ActivationsDisplay, DeltasDisplay
from .live import LiveLossCurve
from .loss import LossCurveDisplay
from .weights import WeightsDisplay

__all__ = [
    "ActivationsDisplay",
    "ConfusionMatrixDisplay",
    "DecisionBoundaryDisplay",
    "DeltasDisplay",
    "GradientCheckDisplay",
    "LiveLossCurve",
    "LossCurveDisplay",
    "RangeTestDisplay",
    "WeightsDisplay",
]
