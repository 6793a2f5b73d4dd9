"""The learning-rate range test: which learning rate to begin with."""

import copy
from contextlib import suppress
from dataclasses import dataclass, is_dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from .base.validation import check_count, check_number
from .callbacks import Callback
from .history import DivergenceError
from .mlp import MLP
from .optimizers import SGD, Adam
from .schedules import Exponential

DIVERGED = 4.0  # times the lowest smoothed loss


@dataclass(frozen=True)
class RangeTest:
    """What `lr_find` found.

    Attributes
    ----------
    learning_rates, losses : ndarray of float64 (n,)
        Of each step made, and the loss of its batch before it.
    smoothed : ndarray of float64 (n,)
        The losses' running mean, corrected for its beginning at 0.
    suggestion : float
        A tenth of the rate at which the smoothed loss is lowest.
    """

    learning_rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestion: float

    def __repr__(self):
        first, last = self.learning_rates[0], self.learning_rates[-1]
        return f"<RangeTest: {len(self.losses)} steps from {first:.3g} to {last:.3g}, suggestion {self.suggestion:.3g}>"


class _Smoothing(Callback):
    """The running mean of the losses; stops after `steps` steps, or when it is far above its
    lowest."""

    def __init__(self, steps, beta):
        self._steps, self._beta, self._mean, self.smoothed = steps, beta, 0.0, []

    def on_step_end(self, net, history):
        self._mean = self._beta * self._mean + (1 - self._beta) * history.batch_loss[-1]
        self.smoothed.append(self._mean / (1 - self._beta ** (len(self.smoothed) + 1)))
        return len(self.smoothed) == self._steps or self.smoothed[-1] > DIVERGED * min(
            self.smoothed
        )


def lr_find(
    net: MLP,
    X: ArrayLike,
    y: ArrayLike,
    optimizer: SGD | Adam = SGD(),  # noqa: B008 - a frozen value
    start: float = 1e-6,
    end: float = 10.0,
    steps: int = 100,
    beta: float = 0.9,
    batch_size: int | None = 25,
    l2: float = 0.0,
    sample_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> RangeTest:
    """Find a learning rate: train a copy of the net while the rate rises exponentially, until the
    loss explodes.

    The test is Smith's (*Cyclical learning rates for training neural networks*, 2017, section 3.3),
    in the exponential form that Gugger describes (*How do you find a good learning rate*, 2018):
    rates start (end / start)**(i / (steps - 1)), a running mean of the losses corrected for its
    beginning, an end when that is four times its lowest, and as a suggestion a tenth of the rate at
    which it is lowest. (He smooths with 0.98, which lags too far behind in as few steps as a
    hundred.)

    Parameters
    ----------
    net : MLP
        Left as it is, its random generator included.
    X, y, batch_size, l2, sample_weight, n_threads
        As for ``fit``.
    optimizer : SGD or Adam, default SGD()
        Its `lr` does not matter.
    start, end : float, default 1e-6 and 10
        The first and the last rate, 0 < start < end.
    steps : int, default 100
        From the one to the other, at least 2.
    beta : float, default 0.9
        Of the running mean, in [0, 1).

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
    end, beta = check_number("end", end, above=start), check_number("beta", beta, least=0, below=1)
    smoothing = _Smoothing(steps, beta)
    tried = copy.deepcopy(net)
    # or else fit says what is wrong
    if is_dataclass(optimizer) and not isinstance(optimizer, type):
        optimizer = replace(
            optimizer, lr=Exponential(start, (end / start) ** (1 / (steps - 1)), per="step")
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
    assert history is not None  # fit made it
    if history.stopped_by == "interrupt":
        raise KeyboardInterrupt
    made = len(smoothing.smoothed)
    if made == 0:
        raise ValueError(
            f"start must be a rate at which training does not diverge at once, got {start}"
        )
    smoothed, rates = np.array(smoothing.smoothed), np.array(history.learning_rate[:made])
    return RangeTest(
        rates, np.array(history.batch_loss[:made]), smoothed, float(rates[np.argmin(smoothed)]) / 10
    )
