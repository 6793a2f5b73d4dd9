"""Learning-rate schedules as small value objects, given to an optimizer in a number's place:
``fastbp.SGD(Cosine(0.1, 30))``.

A schedule is settings only. How far a training has come in it is kept in the net, beside the
optimizer's state (see rates.py), so that fitting again with an equal schedule goes on where the
last fit left it. Rates are worked out in Python, an epoch at a time, and handed to the kernels as
one array: a number costs nothing, a schedule a few microseconds an epoch.
"""

from dataclasses import dataclass

import numpy as np

from .base.schedule_state import Schedule, check_rate
from .base.validation import check_choice, check_count, check_number

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


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate throughout: what a number stands for.

    Parameters
    ----------
    lr : float
        Positive.
    """

    lr: float

    def __post_init__(self):
        check_number("lr", self.lr, above=0)

    def at(self, t):
        return np.full(len(t), float(self.lr))


@dataclass(frozen=True)
class Step(Schedule):
    """Multiplied by gamma every `size`: lr gamma**floor(t / size), as PyTorch's StepLR.

    Parameters
    ----------
    lr : float
        At first, positive.
    size : int
        Epochs (or steps) between two drops.
    gamma : float, default 0.1
        Positive.
    per : "epoch" or "step", default "epoch"
        What t counts.
    """

    lr: float
    size: int
    gamma: float = 0.1
    per: str = "epoch"

    def __post_init__(self):
        _check_lr_and_unit(self)
        check_count("size", self.size)
        check_number("gamma", self.gamma, above=0)

    def at(self, t):
        return self.lr * np.float64(self.gamma) ** (t // self.size)


@dataclass(frozen=True)
class Exponential(Schedule):
    """Multiplied by gamma each time: lr gamma**t, as PyTorch's ExponentialLR.

    Parameters
    ----------
    lr : float
        At first, positive.
    gamma : float
        Positive; above 1 the rate rises.
    per : "epoch" or "step", default "epoch"
        What t counts.
    """

    lr: float
    gamma: float
    per: str = "epoch"

    def __post_init__(self):
        _check_lr_and_unit(self)
        check_number("gamma", self.gamma, above=0)

    def at(self, t):
        return self.lr * np.float64(self.gamma) ** t


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """Divided by a power of time: lr / (1 + t)**power, as scikit-learn's "invscaling" (whose t
    counts samples).

    Parameters
    ----------
    lr : float
        At first, positive.
    power : float, default 0.5
        Not negative.
    per : "epoch" or "step", default "epoch"
        What t counts.
    """

    lr: float
    power: float = 0.5
    per: str = "epoch"

    def __post_init__(self):
        _check_lr_and_unit(self)
        check_number("power", self.power, least=0)

    def at(self, t):
        return self.lr / (1.0 + t) ** self.power


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine wave down to a minimum, and there it stays.

    minimum + (lr - minimum) (1 + cos(pi t / length)) / 2 (Loshchilov and Hutter, *SGDR*, 2017, one
    period of it; PyTorch's CosineAnnealingLR up to `length`, after which that one rises again).

    Parameters
    ----------
    lr : float
        At first, positive.
    length : int
        Epochs (or steps) until the minimum.
    minimum : float, default 0
        Not negative, at most `lr`.
    per : "epoch" or "step", default "epoch"
        What t counts.
    """

    lr: float
    length: int
    minimum: float = 0.0
    per: str = "epoch"

    def __post_init__(self):
        _check_lr_and_unit(self)
        check_count("length", self.length)
        _check_at_most(self.lr, "minimum", self.minimum)

    def at(self, t):
        return _half_wave(self.lr, self.minimum, np.minimum(t, self.length) / self.length)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up to a large rate and down to a tiny one, both along half a cosine wave, and there it stays.

    From ``lr / div_factor`` up to `lr` in the first `pct_start` of the `length` times, then down to
    ``lr / div_factor / final_div_factor`` (Smith and Topin, *Super-convergence*, 2018; the form
    with cosines, of fastai and PyTorch's OneCycleLR. Momentum is left alone.)

    Parameters
    ----------
    lr : float
        The largest, positive.
    length : int
        Steps (or epochs) of the cycle: usually those of the whole training, epochs times batches an
        epoch.
    pct_start : float, default 0.3
        The part of them in which the rate rises, in (0, 1); it must come to more than one step.
    div_factor, final_div_factor : float, default 25 and 1e4
        Positive.
    per : "epoch" or "step", default "step"
        What `length` counts.
    """

    lr: float
    length: int
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    per: str = "step"

    def __post_init__(self):
        _check_lr_and_unit(self)
        check_count("length", self.length)
        check_number("pct_start", self.pct_start, above=0, below=1)
        check_number("div_factor", self.div_factor, above=0)
        check_number("final_div_factor", self.final_div_factor, above=0)
        if self.pct_start * self.length <= 1:
            raise ValueError(
                f"length must be above 1 / pct_start = {1 / self.pct_start:g}, got {self.length}"
            )

    def at(self, t):
        top, end = self.pct_start * self.length - 1, self.length - 1
        start = self.lr / self.div_factor
        rising = _half_wave(start, self.lr, np.minimum(t, top) / top)
        falling = _half_wave(
            self.lr, start / self.final_div_factor, (np.clip(t, top, end) - top) / (end - top)
        )
        return np.where(t <= top, rising, falling)


@dataclass(frozen=True)
class LinearWarmup(Schedule):
    """The first rates of another schedule held down by a factor that rises evenly to 1.

    The other schedule's rate times start_factor + (1 - start_factor) min(t, length) / length. Both
    count from the beginning (Goyal et al., *Accurate, large minibatch SGD*, 2017; PyTorch's
    LinearLR chained with another scheduler), each in its own unit: a warm-up of some hundred steps
    goes with a schedule that drops after tens of epochs.

    Parameters
    ----------
    lr : float or Schedule
        What is held down; a number is a constant rate.
    length : int
        Steps (or epochs) until the factor is 1.
    start_factor : float, default 1/3
        In (0, 1].
    per : "step" or "epoch", default "step"
        What `length` counts.
    """

    lr: float | Schedule
    length: int
    start_factor: float = 1 / 3
    per: str = "step"

    def __post_init__(self):
        check_rate("lr", self.lr)
        check_choice("per", self.per, UNITS)
        check_count("length", self.length)
        _check_at_most(1, "start_factor", check_number("start_factor", self.start_factor, above=0))

    def at(self, t):
        """The factors at the times t."""
        return (
            self.start_factor + (1 - self.start_factor) * np.minimum(t, self.length) / self.length
        )

    def rates(self, steps, epoch, state):
        then = self.lr if isinstance(self.lr, Schedule) else Constant(self.lr)
        return super().rates(steps, epoch, None) * then.rates(steps, epoch, state)

    def watch(self, state, loss):
        return self.lr.watch(state, loss) if isinstance(self.lr, Schedule) else None


@dataclass(frozen=True)
class ReduceOnPlateau(Schedule):
    """Multiplied by a factor whenever the monitored loss has stopped falling; as PyTorch's
    ReduceLROnPlateau.

    The loss on the validation set is monitored, or the training loss where there is none. After
    more than `patience` epochs in a row without a loss below ``(1 - threshold) best`` the rate is
    reduced, and the count begins again.

    Parameters
    ----------
    lr : float
        At first, positive.
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

    def __post_init__(self):
        check_number("lr", self.lr, above=0)
        check_number("factor", self.factor, above=0, below=1)
        check_count("patience", self.patience, least=0)
        check_number("threshold", self.threshold, least=0, below=1)
        _check_at_most(self.lr, "minimum", self.minimum)

    def rates(self, steps, epoch, state):
        return np.full(len(steps), float(self.lr) if state is None else state[0])

    def watch(self, state, loss):
        rate, best, bad = state or (float(self.lr), np.inf, 0)
        if loss < best * (1 - self.threshold):
            return rate, loss, 0
        return (
            (max(rate * self.factor, self.minimum), best, 0)
            if bad == self.patience
            else (rate, best, bad + 1)
        )


def _check_lr_and_unit(schedule):
    check_number("lr", schedule.lr, above=0)
    check_choice("per", schedule.per, UNITS)


def _check_at_most(most, name, value):
    if check_number(name, value, least=0) > most:
        raise ValueError(f"{name} must be at most {most}, got {value}")


def _half_wave(first, last, part):
    """From `first` (part 0) to `last` (part 1) along half a cosine wave."""
    return last + (first - last) * (1 + np.cos(np.pi * part)) / 2
