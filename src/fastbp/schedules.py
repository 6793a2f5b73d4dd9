"""Learning-rate schedules as small value objects, arguments of optimizers in place of a number:
``fastbp.SGD(Cosine(0.1, 30))``.

A schedule holds settings only. The net holds the progress in it, see `base.schedule_state`, so that
a fit with an equal schedule continues where the last fit ended. The rates of an epoch are computed
in Python and passed to the kernels as one array: a few microseconds an epoch.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from .base.schedule_state import Schedule, check_rate
from .base.validation import LARGEST, check_choice, check_count, check_number

__all__ = [
    "Constant",
    "Cosine",
    "Exponential",
    "InverseScaling",
    "LinearWarmup",
    "OneCycle",
    "ReduceOnPlateau",
    "Schedule",
    "Step",
]
UNITS = ("step", "epoch")
# Rates that overflow or underflow are the same whatever the caller's np.errstate.
_quiet = np.errstate(all="ignore")
# Steps and epochs are counted in int64.
_duration = partial(check_count, most=2**63 - 1)
_positive = partial(check_number, above=0)
_fraction = partial(check_number, above=0, below=1)
# The check (name, value) of each field of the schedules below.
_CHECKS: dict[str, Callable] = {
    "lr": _positive,
    "size": _duration,
    "length": _duration,
    "gamma": _positive,
    "power": partial(check_number, least=0),
    "minimum": partial(check_number, least=0),
    "pct_start": _fraction,
    "div_factor": _positive,
    "final_div_factor": _positive,
    "start_factor": _positive,
    "factor": _fraction,
    "patience": partial(_duration, least=0),
    "threshold": partial(check_number, least=0, below=1),
    "per": partial(check_choice, choices=UNITS),
}


class _Checked(Schedule):
    """A schedule that checks its fields, in their order."""

    _checks = _CHECKS

    def __post_init__(self):
        settings = vars(self)
        for name, value in settings.items():
            self._checks[name](name, value)
            if name == "minimum" and value > settings["lr"]:
                raise ValueError(f"minimum must be at most {settings['lr']}, got {value}")


@dataclass(frozen=True)
class Constant(_Checked):
    """A constant rate, like a number.

    Parameters
    ----------
    lr : float
        Positive.
    """

    lr: float

    @_quiet
    def at(self, t):
        return np.full(len(t), float(self.lr))


@dataclass(frozen=True)
class Step(_Checked):
    """Multiply by gamma every `size` epochs: lr gamma**floor(t / size), as PyTorch's StepLR.

    Parameters
    ----------
    lr : float
        The first rate, positive.
    size : int
        Epochs or steps between two changes.
    gamma : float, default 0.1
        Positive.
    per : "epoch" or "step", default "epoch"
        The unit of t.
    """

    lr: float
    size: int
    gamma: float = 0.1
    per: str = "epoch"

    @_quiet
    def at(self, t):
        return self.lr * np.float64(self.gamma) ** (t // self.size)


@dataclass(frozen=True)
class Exponential(_Checked):
    """Multiply by gamma every epoch or step: lr gamma**t, as PyTorch's ExponentialLR.

    Parameters
    ----------
    lr : float
        The first rate, positive.
    gamma : float
        Positive; above 1 the rate rises.
    per : "epoch" or "step", default "epoch"
        The unit of t.
    """

    lr: float
    gamma: float
    per: str = "epoch"

    @_quiet
    def at(self, t):
        return self.lr * np.float64(self.gamma) ** t


@dataclass(frozen=True)
class InverseScaling(_Checked):
    """Divide by a power of time: lr / (1 + t)**power, as scikit-learn's "invscaling", in which t
    counts samples.

    Parameters
    ----------
    lr : float
        The first rate, positive.
    power : float, default 0.5
        Not negative.
    per : "epoch" or "step", default "epoch"
        The unit of t.
    """

    lr: float
    power: float = 0.5
    per: str = "epoch"

    @_quiet
    def at(self, t):
        return self.lr / (1.0 + t) ** self.power


@dataclass(frozen=True)
class Cosine(_Checked):
    """Half a cosine wave from `lr` down to a minimum, then the minimum.

    minimum + (lr - minimum) (1 + cos(pi t / length)) / 2 for t <= length (Loshchilov and Hutter,
    *SGDR*, 2017, one period). PyTorch's CosineAnnealingLR is equal up to `length` and then rises
    again.

    Parameters
    ----------
    lr : float
        The first rate, positive.
    length : int
        Epochs or steps until the minimum.
    minimum : float, default 0
        Not negative, at most `lr`.
    per : "epoch" or "step", default "epoch"
        The unit of t.
    """

    lr: float
    length: int
    minimum: float = 0.0
    per: str = "epoch"

    @_quiet
    def at(self, t):
        return _half_wave(self.lr, self.minimum, np.minimum(t, self.length) / self.length)


@dataclass(frozen=True)
class OneCycle(_Checked):
    """Half a cosine wave up to `lr`, another down to a tiny rate, then the tiny rate.

    From ``lr / div_factor`` up to `lr` in the first `pct_start` of `length`, then down to ``lr /
    div_factor / final_div_factor`` (Smith and Topin, *Super-convergence*, 2018; with cosines as in
    fastai and PyTorch's OneCycleLR, but a constant momentum).

    Parameters
    ----------
    lr : float
        The largest rate, positive.
    length : int
        Steps or epochs of the cycle: usually all steps of the training, epochs times batches an
        epoch.
    pct_start : float, default 0.3
        The part of `length` in which the rate rises, in (0, 1); it must be more than one step.
    div_factor, final_div_factor : float, default 25 and 1e4
        Positive.
    per : "epoch" or "step", default "step"
        The unit of `length`.
    """

    lr: float
    length: int
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    per: str = "step"

    def __post_init__(self):
        super().__post_init__()
        if self.pct_start * self.length <= 1:
            raise ValueError(
                f"length must be above 1 / pct_start = {1 / self.pct_start:g}, got {self.length}"
            )

    @_quiet
    def at(self, t):
        top = self.pct_start * self.length - 1
        end = self.length - 1
        start = self.lr / self.div_factor
        rising = _half_wave(start, self.lr, np.minimum(t, top) / top)
        falling = _half_wave(
            self.lr, start / self.final_div_factor, (np.clip(t, top, end) - top) / (end - top)
        )
        return np.where(t <= top, rising, falling)


@dataclass(frozen=True)
class LinearWarmup(_Checked):
    """Another schedule, multiplied by a factor that rises linearly to 1.

    The factor is start_factor + (1 - start_factor) min(t, length) / length. Both schedules start at
    the same time (Goyal et al., *Accurate, large minibatch SGD*, 2017; PyTorch's LinearLR chained
    with another scheduler), each with its own unit: a warm-up may count steps, the other schedule
    epochs.

    Parameters
    ----------
    lr : float or Schedule
        The other schedule, or a constant rate.
    length : int
        Steps or epochs until the factor is 1.
    start_factor : float, default 1/3
        In (0, 1].
    per : "step" or "epoch", default "step"
        The unit of `length`.
    """

    lr: float | Schedule
    length: int
    start_factor: float = 1 / 3
    per: str = "step"

    _checks = _CHECKS | {"lr": check_rate}

    def __post_init__(self):
        super().__post_init__()
        if self.start_factor > 1:
            raise ValueError(f"start_factor must be at most 1, got {self.start_factor}")

    @_quiet
    def at(self, t):
        """The factors at the times t.

        Parameters
        ----------
        t : ndarray of int64 (n,)

        Returns
        -------
        ndarray (n,)
        """
        return (
            self.start_factor + (1 - self.start_factor) * np.minimum(t, self.length) / self.length
        )

    @_quiet
    def rates(self, steps, epoch, state):
        then = self.lr if isinstance(self.lr, Schedule) else Constant(self.lr)
        return super().rates(steps, epoch, None) * then.rates(steps, epoch, state)

    def watch(self, state, loss):
        return self.lr.watch(state, loss) if isinstance(self.lr, Schedule) else None


@dataclass(frozen=True)
class ReduceOnPlateau(_Checked):
    """Multiply by a factor whenever the monitored loss stops falling; as PyTorch's
    ReduceLROnPlateau.

    The validation loss is monitored, or the training loss without a validation set. The rate is
    reduced after more than `patience` consecutive epochs without a finite loss below
    ``best - threshold abs(best)``; then counting starts again. (PyTorch's ``(1 - threshold) best``
    is the same for losses above 0; below, it is above the best.)

    Parameters
    ----------
    lr : float
        The first rate, positive.
    factor : float, default 0.1
        In (0, 1).
    patience : int, default 10
        Epochs, at least 0.
    threshold : float, default 1e-4
        In [0, 1).
    minimum : float, default 0
        Not negative, at most `lr`.
    """

    lr: float
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    minimum: float = 0.0

    def rates(self, steps, epoch, state):
        return np.full(len(steps), float(self.lr) if state is None else state[0])

    def watch(self, state, loss):
        # The largest float in place of infinity, which a file could not hold.
        rate, best, bad = state or (float(self.lr), LARGEST[np.dtype("f8")], 0)
        if math.isfinite(loss) and loss < best * (1 - math.copysign(self.threshold, best)):
            return rate, loss, 0
        return (
            (max(rate * self.factor, self.minimum), best, 0)
            if bad == self.patience
            else (rate, best, bad + 1)
        )


def _half_wave(first, last, part):
    """Half a cosine wave from `first` at part 0 to `last` at part 1."""
    return last + (first - last) * (1 + np.cos(np.pi * part)) / 2
