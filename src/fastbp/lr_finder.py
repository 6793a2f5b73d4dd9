"""The learning-rate range test, which finds a learning rate to begin with."""

import copy
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

DIVERGENCE_FACTOR = 4.0  # the test ends at this many times the lowest smoothed loss


@dataclass(frozen=True)
class RangeTest:
    """The result of `lr_find`.

    Attributes
    ----------
    learning_rates, losses : ndarray of float64 (n,)
        Of each step, the loss before its update.
    smoothed : ndarray of float64 (n,)
        The running mean of the losses, corrected for its start at 0.
    suggestion : float
        A tenth of the learning rate with the lowest smoothed loss.
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


class _Smoothing(Callback):
    """The running mean of the losses; stops the fit after `steps` steps or at divergence."""

    def __init__(self, steps, beta):
        self._steps = steps
        self._beta = beta
        self._mean = 0.0
        self.smoothed = []

    def on_step_end(self, net, history):
        self._mean = self._beta * self._mean + (1 - self._beta) * history.batch_loss[-1]
        self.smoothed.append(self._mean / (1 - self._beta ** (len(self.smoothed) + 1)))
        limit = DIVERGENCE_FACTOR * min(self.smoothed)
        return len(self.smoothed) == self._steps or self.smoothed[-1] > limit


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
    corrected for its start at 0. The test ends when it exceeds four times its minimum; a tenth of
    the rate at the minimum is suggested. Gugger smooths with 0.98, which lags too far behind in a
    hundred steps.

    Parameters
    ----------
    net : MLP
        Not changed: a copy is trained.
    X, y, batch_size, l2, sample_weight, n_threads
        As for ``fit``.
    optimizer : optimizer or str, default SGD()
        Its `lr` is replaced.
    start, end : float, default 1e-6 and 10
        The first and the last learning rate, 0 < start < end.
    steps : int, default 100
        Number of steps, at least 2.
    beta : float, default 0.9
        Decay of the running mean, in [0, 1).

    Returns
    -------
    RangeTest

    Raises
    ------
    ValueError, TypeError
        As for ``fit``.
    KeyboardInterrupt
        On Ctrl-C.
    """
    steps = check_count("steps", steps, least=2)
    start = check_number("start", start, above=0)
    end = check_number("end", end, above=start)
    beta = check_number("beta", beta, least=0, below=1)
    smoothing = _Smoothing(steps, beta)
    tried = copy.deepcopy(net)
    optimizer = replace(
        as_optimizer(optimizer),
        lr=Exponential(start, (end / start) ** (1 / (steps - 1)), per="step"),
    )
    with suppress(DivergenceError):
        tried.fit(
            X,
            y,
            epochs=steps,
            batch_size=batch_size,
            optimizer=optimizer,
            l2=l2,
            sample_weight=sample_weight,
            callbacks=smoothing,
            n_threads=n_threads,
        )
    history = tried.history_
    assert history is not None  # of this fit
    if history.stopped_by == "interrupt":
        raise KeyboardInterrupt
    made = len(smoothing.smoothed)
    if made == 0:
        raise ValueError(
            f"start must be a rate at which training does not diverge at once, got {start}"
        )
    smoothed = np.array(smoothing.smoothed)
    rates = np.array(history.learning_rate[:made])
    return RangeTest(
        rates, np.array(history.batch_loss[:made]), smoothed, float(rates[np.argmin(smoothed)]) / 10
    )
