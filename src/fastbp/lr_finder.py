"""The learning-rate range test, which finds a learning rate to begin with."""

import copy
import warnings
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from .base.close_match import suggest_keywords
from .base.validation import check_count, check_number
from .callbacks import Callback
from .history import DivergenceError
from .mlp import MLP
from .optimizers import SGD, Optimizer, as_optimizer
from .schedules import Exponential
from .training.fit import make_samples

# The test ends where the smoothed loss is above its minimum by so many times the minimum.
DIVERGENCE = 3.0
TOLERANCE = 0.01  # of the loss before training, in the lowest smoothed loss
NO_RATE = 1e-300  # of the steps that give the losses before training


@dataclass(frozen=True)
class RangeTest:
    """The result of `lr_find`.

    Attributes
    ----------
    learning_rates, losses : ndarray of float64 (n,)
        Of each step, the loss before its update.
    smoothed : ndarray of float64 (n,)
        The running mean of the losses, corrected for its start at 0 and for the differences of the
        batches, see `lr_find`.
    suggestion : float
        A tenth of the largest learning rate with about the lowest smoothed loss, see `lr_find`.
    """

    learning_rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestion: float

    def __repr__(self):
        rates = self.learning_rates
        return (
            f"<RangeTest: {len(self.losses)} steps from {rates[0]:.3g} to {rates[-1]:.3g}, "
            f"suggestion {self.suggestion:.3g}>"
        )


class _Steps(Callback):
    """Stops the fit after `steps` steps."""

    def __init__(self, steps):
        self._steps = steps

    def on_step_end(self, net, history):
        return len(history.batch_loss) == self._steps


class _Smoothing(_Steps):
    """The running mean of the losses; stops the fit at divergence, too.

    Parameters
    ----------
    steps : int
    beta : float
    before : sequence of float
        The losses of the same batches before training.
    """

    def __init__(self, steps, beta, before):
        super().__init__(steps)
        self._beta = beta
        self._before = before
        self._level = np.mean(before)
        self._mean = 0.0
        self.smoothed = []

    def on_step_end(self, net, history):
        done = len(self.smoothed) + 1
        change = history.batch_loss[-1] - self._before[done - 1]
        self._mean = self._beta * self._mean + (1 - self._beta) * change
        self.smoothed.append(self._level + self._mean / (1 - self._beta**done))
        lowest = min(self.smoothed)
        diverged = self.smoothed[-1] > lowest + DIVERGENCE * abs(lowest)
        return diverged or super().on_step_end(net, history)


@suggest_keywords
def lr_find(
    net: MLP,
    X: ArrayLike,
    y: ArrayLike,
    optimizer: Optimizer | str = SGD(),  # noqa: B008 - a frozen value
    start: SupportsFloat = 1e-6,
    end: SupportsFloat = 10.0,
    steps: SupportsIndex = 100,
    beta: SupportsFloat = 0.9,
    batch_size: SupportsIndex | None = 25,
    l2: SupportsFloat = 0.0,
    sample_weight: ArrayLike | None = None,
    n_threads: SupportsIndex | None = None,
) -> RangeTest:
    """Find a learning rate: train a copy of the net with an exponentially rising rate until its
    loss diverges.

    The test is that of Smith (*Cyclical learning rates for training neural networks*, 2017, section
    3.3) in the exponential form of Gugger (*How do you find a good learning rate*, 2018). Step i
    has the rate start (end / start)**(i / (steps - 1)). The losses are smoothed by a running mean,
    corrected for its start at 0. The test ends when it exceeds four times its minimum (below 0:
    when it is above by three times its size). A tenth of the largest rate at which it is above its
    minimum by at most 1 % of the loss before training is suggested: of a net that is trained, that
    is the largest rate that does no harm. Gugger takes the rate of the minimum, and smooths with
    0.98, which lags too far behind in a hundred steps.

    Batches differ in their losses, by more than training changes them if the net is trained
    already. So what is smoothed is the change of each batch's loss since before the training; the
    mean loss before is added. Samples of weight 0 are left out.

    Parameters
    ----------
    net : MLP
        Not changed: a copy is trained, with a new optimizer state.
    X, y
        As for ``fit``.
    optimizer : optimizer or str, default SGD()
        Its `lr` is replaced.
    start, end : float, default 1e-6 and 10
        The first and the last learning rate, 0 < start < end.
    steps : int, default 100
        Number of steps, at least 2.
    beta : float, default 0.9
        Decay of the running mean, in [0, 1).
    batch_size, l2, sample_weight, n_threads
        As for ``fit``.

    Returns
    -------
    RangeTest

    Raises
    ------
    ValueError, TypeError
        As for ``fit``.
    KeyboardInterrupt
        On Ctrl-C.

    Warns
    -----
    UserWarning
        If the loss rises from the first rate on: the suggestion is too large.
    """
    steps = check_count("steps", steps, least=2)
    start = check_number("start", start, above=0)
    end = check_number("end", end, above=start)
    beta = check_number("beta", beta, least=0, below=1)
    if sample_weight is not None:
        X, y, sample_weight = _without_zeros(make_samples(net, X, y, sample_weight))
    optimizer = as_optimizer(optimizer)
    schedule = Exponential(start, (end / start) ** (1 / (steps - 1)), per="step")
    arguments = (X, y, steps, batch_size)
    settings = {"l2": l2, "sample_weight": sample_weight, "n_threads": n_threads}

    untrained = copy.deepcopy(net)
    # Its optimizer's state, such as a velocity, would change the weights further.
    vars(untrained)["optimizer_"] = None
    tried = copy.deepcopy(untrained)
    before = _fit(untrained, arguments, optimizer, NO_RATE, settings, _Steps(steps)).batch_loss
    smoothing = _Smoothing(steps, beta, before)
    with suppress(DivergenceError):
        _fit(tried, arguments, optimizer, schedule, settings, smoothing)
    history = tried.history_
    assert history is not None  # of this fit
    made = len(smoothing.smoothed)
    if made == 0:
        raise ValueError(
            f"start must be a rate at which training does not diverge at once, got {start}"
        )
    smoothed = np.array(smoothing.smoothed)
    rates = np.array(history.learning_rate[:made])
    good = np.flatnonzero(smoothed <= smoothed.min() + TOLERANCE * abs(np.mean(before)))[-1]
    if good == 0:
        warnings.warn(
            f"the loss rises from the first learning rate on: start must be smaller, got {start:g}",
            stacklevel=2,
        )
    losses = np.array(history.batch_loss[:made])
    return RangeTest(rates, losses, smoothed, float(rates[good]) / 10)


def _fit(net, arguments, optimizer, lr, settings, callback):
    """Train with another learning rate; Ctrl-C is raised."""
    history = net.fit(*arguments, replace(optimizer, lr=lr), callbacks=callback, **settings)
    if history.stopped_by == "interrupt":
        raise KeyboardInterrupt
    return history


def _without_zeros(samples):
    """X, y and weights of the samples with a weight above 0: a batch of others has no loss."""
    kept = np.flatnonzero(samples.weight)
    targets = samples.labels if samples.targets is None else samples.targets.array
    if samples.targets is None and samples.classes is not None:
        targets = samples.classes[targets]
    return samples.x.array[kept], targets[kept], samples.weight[kept]
