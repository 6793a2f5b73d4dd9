"""Subclasses with arithmetic of their own: what they have written for scikit-learn's methods is run
by those."""

from functools import wraps
from typing import Any

from sklearn.neural_network._base import ACTIVATIONS
from sklearn.neural_network._multilayer_perceptron import BaseMultilayerPerceptron

from ..patching import announce

# Methods of scikit-learn that the kernels take the place of, or that are called by such.
ARITHMETIC = (
    "_fit_stochastic",
    "_fit_lbfgs",
    "_backprop",
    "_compute_loss_grad",
    "_forward_pass",
    "_forward_pass_fast",
    "_predict",
)


class HandoverMixin(BaseMultilayerPerceptron):
    """Finds such subclasses as they are made, and says of every fit who does its arithmetic."""

    _handed_over: str | None = None  # why, if it is
    _validation_set: tuple | None
    activation: Any

    def __init_subclass__(cls, **settings):
        super().__init_subclass__(**settings)
        if cls.__module__.startswith("fastbp.sklearn."):
            return
        changed = [name for name in ARITHMETIC if name in vars(cls)]
        if changed:
            cls._handed_over = f"{cls.__name__} has its own {', '.join(changed)}"

    def _announce(self, method):
        """Say it, after refusing what only the kernels can do."""
        if self._handed_over is not None:
            extras = {
                "class_weight": getattr(self, "class_weight", None) is not None,
                "X_val": self._validation_set is not None,
                f"activation={self.activation!r}": not isinstance(self.activation, str)
                or self.activation not in ACTIVATIONS,
            }
            for name in (name for name, used in extras.items() if used):
                raise ValueError(
                    f"{name} is not for scikit-learn's own arithmetic, and {self._handed_over}"
                )
        announce(self, method, self._handed_over)


def unless_handed_over(method):
    """`method` of a mixin that goes before scikit-learn's class, whose own it is where the
    arithmetic is handed over."""

    @wraps(method)
    def either(self, *args, **kwargs):
        if self._handed_over is None:
            return method(self, *args, **kwargs)
        return getattr(super(HandoverMixin, self), method.__name__)(*args, **kwargs)

    return either
