"""Whole epochs by the kernels, with the settings, schedule and step count of scikit-learn's
optimizer objects."""

import numpy as np
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from ..engine.steps import StepRunner, step_params
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


class OptimizerState:
    """An optimizer's running means or velocities: one flat array, of which the optimizer's lists of
    arrays are views."""

    def __init__(self, optimizer, packed):
        self.names = ("ms", "vs") if isinstance(optimizer, AdamOptimizer) else ("velocities",)
        self.optimizer = optimizer
        self.size = packed.flat.size
        self.flat = new_state(len(self.names), self.size, packed.dtype)
        self.lists = []
        for name, part in zip(self.names, slots_of(self.flat, self.size), strict=True):
            coefs, intercepts = views(part, packed.widths)
            self.lists.append([*coefs, *intercepts])
            # Empty if the optimizer is new; separate arrays if it was unpickled.
            for view, values in zip(self.lists[-1], getattr(optimizer, name), strict=False):
                view[...] = values
            setattr(optimizer, name, self.lists[-1])

    def serves(self, optimizer, packed):
        """Whether this is still the state of this optimizer for these parameters."""
        same = (
            self.optimizer is optimizer
            and self.flat.dtype == packed.dtype
            and self.size == packed.flat.size
        )
        return same and all(
            getattr(optimizer, name) is mine
            for name, mine in zip(self.names, self.lists, strict=True)
        )


class EpochRunner:
    """Epochs of one net on one set of samples.

    Parameters
    ----------
    optimizer : SGDOptimizer or AdamOptimizer
    state : OptimizerState
    packed : FlatParameters
    samples : Samples
    batch : int
        Rows per step.
    alpha : float
    sizes : sequence of int
        Numbers of threads to try.
    """

    def __init__(self, optimizer, state, packed, samples, batch, alpha, sizes):
        self.optimizer = optimizer
        self.samples = samples
        self.batch = batch
        self.adam = isinstance(optimizer, AdamOptimizer)
        if self.adam:
            rule = "adam"
            names = ["beta_1", "beta_2", "epsilon"]
        else:
            with_momentum = "nesterov" if optimizer.nesterov else "momentum"
            rule = with_momentum if optimizer.momentum else "sgd"
            names = ["momentum", "nesterov"]
        settings = {name: getattr(optimizer, name) for name in names}
        step = step_params(rule, **settings, alpha=alpha, allow_divergence=True)
        self.packing = packed.network.packing
        self.flat_state = state.flat
        packed_state = self.packing.new(len(state.names))
        self.steps = StepRunner(
            packed.network, packed.flat, packed_state, samples, batch, step, sizes
        )
        self.rows = np.minimum(batch, samples.n - np.arange(0, samples.n, batch)).astype(np.float64)

    def run(self, order):
        """Run one epoch over the samples `order`.

        Returns the mean of the batches' losses before their updates, weighted by their rows.

        Raises
        ------
        KeyboardInterrupt, MemoryError
            On Ctrl-C, or for lack of memory. Parameters, state and step count are those of the last
            whole step.
        """
        optimizer = self.optimizer
        refuse_weightless(self.samples, order, self.batch)
        self.steps.steps["lr"] = (
            optimizer.learning_rate_init if self.adam else optimizer.learning_rate
        )
        with DeferSignals():
            self.steps.load()
            self.packing.pack(self.flat_state, self.steps.state)
            losses, made, _ = self.steps.run(order, optimizer.t if self.adam else 0)
            self.steps.store()
            self.packing.unpack(self.steps.state, self.flat_state)
            if self.adam:
                optimizer.t += made
                correction = np.sqrt(1 - optimizer.beta_2**optimizer.t) / (
                    1 - optimizer.beta_1**optimizer.t
                )
                optimizer.learning_rate = optimizer.learning_rate_init * correction
        if self.steps.failure is not None:
            raise self.steps.failure
        return np.cumsum(losses * self.rows)[-1] / self.samples.n
