"""Pictures of nets and of their training, by Matplotlib: ``pip install 'fastbp[plot]'``.

In scikit-learn's display convention: ``SomeDisplay.from_estimator(net, X, y)``, or from what else
it shows, draws at once, into the axes given as ``ax`` or a new figure, and returns an object with
the numbers drawn, ``ax_``, ``figure_``, and ``plot``, which draws them again. Wherever a net is
taken, so is a fitted ``MLPClassifier`` or ``MLPRegressor`` of scikit-learn's or `fastbp.sklearn`'s.
Matplotlib is imported when something is drawn.
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
