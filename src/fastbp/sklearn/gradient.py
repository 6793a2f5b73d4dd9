"""Loss and gradient with all samples as one batch, evaluated repeatedly by lbfgs."""

import numpy as np

from ..engine.steps import StepRunner, step_params
from .flat_parameters import views
from .inputs import refuse_weightless, samples_of


class LossGradient:
    """Loss, penalty included, and its gradient on one set of samples; the buffers persist from call
    to call.

    Parameters
    ----------
    packed : FlatParameters
        Each call writes its parameters into it.
    X, y, sample_weight
        As for ``samples_of``.
    alpha : float
    n_threads : int
    """

    def __init__(self, packed, X, y, sample_weight, alpha, n_threads):
        self.packed = packed
        samples = samples_of(X, y, sample_weight, packed)
        self.order = np.arange(samples.n)
        refuse_weightless(samples, self.order, samples.n)
        step = step_params("gradient", alpha=alpha, allow_divergence=True)
        no_state = np.zeros(0, packed.dtype)
        self.steps = StepRunner(
            packed.network, packed.flat, no_state, samples, samples.n, step, [n_threads]
        )

    def at(self, coefs, intercepts):
        """The loss at these parameters, and the gradient in their shapes: views that the next call
        overwrites."""
        self.packed.assign(coefs, intercepts)
        self.steps.load()
        losses, _, _ = self.steps.run(self.order, 0)
        return losses[0], *views(self.steps.gradient, self.packed.widths)
