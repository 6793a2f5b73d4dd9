"""The base class of learning-rate schedules, and the progress of a training in one."""

import numpy as np

from .error_context import error_context
from .validation import check_number


class Schedule:
    """Base class of learning-rate schedules; subclass it, preferably as a frozen dataclass.

    `per` is "step" or "epoch", the unit of the time t; `at` returns the rates. The schedules of
    this module check their arguments: ValueError or TypeError for a number outside the documented
    range. A fit continues the schedule of the previous fit if both are equal by ``==``, which
    compares dataclasses by value.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numpy as np, fastbp
    >>> @dataclass(frozen=True)
    ... class SquareRoot(fastbp.schedules.Schedule):
    ...     lr: float
    ...     per = "step"
    ...
    ...     def at(self, t):
    ...         return self.lr / np.sqrt(1 + t)
    >>> fastbp.SGD(SquareRoot(0.5)).lr
    SquareRoot(lr=0.5)
    """

    per = "epoch"

    def at(self, t: np.ndarray) -> np.ndarray:
        """The learning rates at the times t.

        Parameters
        ----------
        t : ndarray of int64 (n,)
            Number of steps or epochs made before, from 0.

        Returns
        -------
        ndarray (n,)
            Finite, not negative.
        """
        raise NotImplementedError(f"{type(self).__name__} has no at(t)")

    def rates(self, steps, epoch, state):
        """The learning rates of the steps with numbers `steps`, in epoch number `epoch`.

        Parameters
        ----------
        steps : ndarray of int64 (n,)
        epoch : int
        state
            The last value that `watch` returned, None at first.

        Returns
        -------
        ndarray (n,)
        """
        return (
            self.at(steps)
            if self.per == "step"
            else np.repeat(self.at(np.array([epoch])), len(steps))
        )

    def watch(self, state, loss):
        """The state after an epoch.

        Parameters
        ----------
        state
            Before the epoch; None at first.
        loss : float
            The monitored loss of the epoch.

        Returns
        -------
        object
        """
        return state


class ScheduleState:
    """Progress in a schedule.

    Parameters
    ----------
    lr : float or Schedule

    Attributes
    ----------
    steps, epochs : int
        Made with this schedule.
    state
        What the schedule keeps of the losses, see `Schedule.watch`; None at first.
    """

    def __init__(self, lr):
        self.lr = lr if isinstance(lr, Schedule) else float(lr)
        self.steps = 0
        self.epochs = 0
        self.state = None

    def rates(self, n, made=0):
        """The learning rates of `n` steps, of which the first `made` have been made.

        Returns
        -------
        ndarray of float64 (n,)
            Empty for a constant rate, which is part of the update rule. All `n` rates are computed
            together: NumPy's vectorised functions may round an element differently in an array of
            another length.
        """
        if not isinstance(self.lr, Schedule):
            return np.zeros(0)
        with error_context(
            f"the schedule {self.lr!r} at its step {self.steps}, epoch {self.epochs}"
        ):
            first = self.steps - made
            steps = np.arange(first, first + n)
            rates = np.array(self.lr.rates(steps, self.epochs, self.state), np.float64, order="C")
            if rates.shape != (n,):
                raise ValueError(f"learning rates must be of shape ({n},), got {rates.shape}")
            wrong = np.flatnonzero(~((rates >= 0) & (rates < np.inf)))
            if len(wrong):
                raise ValueError(
                    f"learning rates must be finite and not negative, got {rates[wrong[0]]}"
                )
        return rates

    def end_epoch(self, loss):
        """Count an epoch with the monitored loss `loss`."""
        if isinstance(self.lr, Schedule):
            with error_context(f"the schedule {self.lr!r} after its epoch {self.epochs}"):
                self.state = self.lr.watch(self.state, loss)
        self.epochs += 1


def check_rate(name, lr):
    """`lr`, checked to be a positive number or a schedule."""
    return lr if isinstance(lr, Schedule) else check_number(name, lr, above=0)


def constant_rate(lr):
    """The rate in the constants of an update rule: `lr`, or 0 if a schedule sets each step's."""
    return 0.0 if isinstance(lr, Schedule) else lr
