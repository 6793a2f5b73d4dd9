"""Whole epochs by the kernels, driven by scikit-learn's own optimizer objects: their settings,
schedule and step count."""

import numpy as np
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from ..engine.steps import StepRunner
from ..kernels import update
from ..kernels.plan import new_state, slots_of
from ..runtime.signals import DeferSignals
from .flat_parameters import views
from .inputs import refuse_weightless


def new_optimizer(estimator):
    """scikit-learn's optimizer for this estimator's parameters, without state yet."""
    e = estimator
    if e.solver == "sgd":
        return SGDOptimizer(
            [], e.learning_rate_init, e.learning_rate, e.momentum, e.nesterovs_momentum, e.power_t
        )
    return AdamOptimizer([], e.learning_rate_init, e.beta_1, e.beta_2, e.epsilon)


class State:
    """An optimizer's running means or velocities: one flat array, of which the optimizer's lists of
    arrays are views."""

    def __init__(self, optimizer, packed):
        self.names = ("ms", "vs") if isinstance(optimizer, AdamOptimizer) else ("velocities",)
        self.optimizer, self.size = optimizer, packed.flat.size
        self.flat = new_state(len(self.names), self.size, packed.dtype)
        self.lists = []
        for name, part in zip(self.names, slots_of(self.flat, self.size), strict=True):
            coefs, intercepts = views(part, packed.widths)
            self.lists.append([*coefs, *intercepts])
            # Empty where the optimizer is new; arrays of its own where it comes out of a pickle.
            for view, values in zip(self.lists[-1], getattr(optimizer, name), strict=False):
                view[...] = values
            setattr(optimizer, name, self.lists[-1])

    def serves(self, optimizer, packed):
        """Whether this still is that optimizer's state, for those parameters."""
        same = (
            self.optimizer is optimizer
            and self.flat.dtype == packed.dtype
            and self.size == packed.flat.size
        )
        return same and all(
            getattr(optimizer, name) is mine
            for name, mine in zip(self.names, self.lists, strict=True)
        )


class Epochs:
    """Epochs of one net on one set of samples.

    Parameters
    ----------
    optimizer : SGDOptimizer or AdamOptimizer
    state : State
    packed : Packed
    samples : Samples
    batch : int
        Rows a step.
    alpha : float
    sizes : sequence of int
        Numbers of threads to try.
    """

    def __init__(self, optimizer, state, packed, samples, batch, alpha, sizes):
        self.optimizer = optimizer
        self.samples = samples
        self.batch = batch
        self.adam = isinstance(optimizer, AdamOptimizer)
        numbers = np.zeros(update.STEP_SIZE)
        numbers[update.ALPHA], numbers[update.REGARDLESS] = alpha, 1
        if self.adam:
            numbers[update.RULE], numbers[update.EPSILON] = update.ADAM, optimizer.epsilon
            numbers[update.BETA_1], numbers[update.BETA_2] = optimizer.beta_1, optimizer.beta_2
        else:
            with_momentum = update.NESTEROV if optimizer.nesterov else update.MOMENTUM
            numbers[update.RULE] = with_momentum if optimizer.momentum else update.SGD
            numbers[update.BETA_1] = optimizer.momentum
        self.steps = StepRunner(
            packed.network, packed.flat, state.flat, samples, batch, numbers, sizes
        )
        self.rows = np.minimum(batch, samples.n - np.arange(0, samples.n, batch)).astype(np.float64)

    def run(self, order):
        """One epoch over the samples `order`. Returns its loss: the batches', before their updates,
        weighted by their rows.

        Raises
        ------
        KeyboardInterrupt, MemoryError
            On Ctrl-C, or where there is too little, with parameters, state and step count those of
            the last whole step.
        """
        optimizer = self.optimizer
        refuse_weightless(self.samples, order, self.batch)
        self.steps.rules[:, update.LR] = (
            optimizer.learning_rate_init if self.adam else optimizer.learning_rate
        )
        with DeferSignals():
            losses, made, _ = self.steps.run(order, optimizer.t if self.adam else 0)
            if self.adam:
                optimizer.t += made
                correction = np.sqrt(1 - optimizer.beta_2**optimizer.t) / (
                    1 - optimizer.beta_1**optimizer.t
                )
                optimizer.learning_rate = optimizer.learning_rate_init * correction
        if self.steps.failure is not None:
            raise self.steps.failure
        return np.dot(losses, self.rows) / self.samples.n
