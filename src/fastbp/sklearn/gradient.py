"""Loss and gradient with all samples as one batch, which is what lbfgs asks for again and again."""

import numpy as np

from ..engine.steps import StepRunner
from ..kernels import update
from .flat_parameters import views
from .inputs import refuse_weightless, samples_of


class Gradient:
    """Loss, penalty included, and its gradient on one set of samples; the buffers are kept from
    call to call.

    Parameters
    ----------
    packed : Packed
        Its parameters are where each call puts its own.
    X, y, sample_weight
        As for ``samples_of``.
    alpha : float
    members : int
    """

    def __init__(self, packed, X, y, sample_weight, alpha, members):
        self.packed, samples = packed, samples_of(X, y, sample_weight, packed)
        self.order = np.arange(samples.n)
        refuse_weightless(samples, self.order, samples.n)
        numbers = np.zeros(update.STEP_SIZE)
        numbers[update.RULE], numbers[update.ALPHA], numbers[update.REGARDLESS] = (
            update.GRADIENT,
            alpha,
            1,
        )
        nothing = np.zeros(0, packed.dtype)
        self.steps = StepRunner(
            packed.network, packed.flat, nothing, samples, samples.n, numbers, [members]
        )

    def at(self, coefs, intercepts):
        """The loss there, and the gradient in the shapes of `coefs` and `intercepts`: views that
        the next call overwrites."""
        self.packed.take(coefs, intercepts)
        losses, _, _ = self.steps.run(self.order, 0)
        return losses[0], *views(self.steps.gradient, self.packed.widths)
