"""Subclasses that override scikit-learn's arithmetic run with scikit-learn's methods instead of the
kernels."""

from functools import wraps
from typing import Any

from sklearn.neural_network._base import ACTIVATIONS
from sklearn.neural_network._multilayer_perceptron import BaseMultilayerPerceptron

from ..patching import announce

# Methods of scikit-learn that the kernels replace, or that these call.
ARITHMETIC = (
    "_fit_stochastic",
    "_fit_lbfgs",
    "_backprop",
    "_compute_loss_grad",
    "_forward_pass",
    "_forward_pass_fast",
    "_predict",
)


class FallbackMixin(BaseMultilayerPerceptron):
    """Detects such subclasses when they are defined, and logs for every fit which code computes."""

    _fallback_reason: str | None = None  # None: the kernels compute
    _validation_set: tuple | None
    activation: Any

    def __init_subclass__(cls, **settings):
        super().__init_subclass__(**settings)
        if cls.__module__.startswith("fastbp.sklearn."):
            return
        changed = [name for name in ARITHMETIC if name in vars(cls)]
        if changed:
            cls._fallback_reason = f"{cls.__name__} has its own {', '.join(changed)}"

    def _announce(self, method):
        """Log the choice, after refusing what scikit-learn's methods cannot do."""
        if self._fallback_reason is not None:
            extras = {
                "class_weight": getattr(self, "class_weight", None) is not None,
                "X_val": self._validation_set is not None,
                f"activation={self.activation!r}": not isinstance(self.activation, str)
                or self.activation not in ACTIVATIONS,
            }
            for name in (name for name, used in extras.items() if used):
                raise ValueError(
                    f"{name} is not for scikit-learn's own arithmetic, and {self._fallback_reason}"
                )
        announce(self, method, self._fallback_reason)


def with_fallback(method):
    """A method of a mixin that calls scikit-learn's method of that name in such subclasses."""

    @wraps(method)
    def either(self, *args, **kwargs):
        if self._fallback_reason is None:
            return method(self, *args, **kwargs)
        return getattr(super(FallbackMixin, self), method.__name__)(*args, **kwargs)

    return either
