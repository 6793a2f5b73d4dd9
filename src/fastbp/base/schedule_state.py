"""What a learning-rate schedule is, and how far a net's training has come in one."""

import numpy as np

from .error_context import error_context
from .validation import check_number


class Schedule:
    """What all schedules share; subclass it, preferably as a frozen dataclass, for a schedule of
    your own.

    A subclass says in `per` whether its time t runs in steps or in epochs, and gives the rates in
    `at`. The ready ones check what they are given: ValueError or TypeError for a number outside the
    range that the docstring says. Schedules are compared by ``==`` to find out whether a fit goes
    on with the schedule of the last one: dataclasses compare by value.

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
            Steps or epochs done before, from 0 on.

        Returns
        -------
        ndarray (n,)
            Finite, not negative.
        """
        raise NotImplementedError(f"{type(self).__name__} has no at(t)")

    def rates(self, steps, epoch, state):
        """The rates of the steps number `steps` (ndarray of int64), after `epoch` epochs, of which
        `watch` made `state`."""
        return (
            self.at(steps)
            if self.per == "step"
            else np.repeat(self.at(np.array([epoch])), len(steps))
        )

    def watch(self, state, loss):
        """The state that follows from `state` (None at first) by an epoch with the monitored loss
        `loss`."""
        return state


_NONE = np.zeros(0)


class ScheduleState:
    """How far a net's training has come in a schedule: steps and epochs done, and what the schedule
    keeps of the losses.

    Parameters
    ----------
    lr : float or Schedule
    """

    def __init__(self, lr):
        self.lr = lr if isinstance(lr, Schedule) else float(lr)
        self.steps, self.epochs, self.state = 0, 0, None

    def rates(self, n, made=0):
        """The rates of `n` steps, of which `made` are made, float64 (n,); empty for a number, which
        the update rule knows.

        All at once also where some are made: an array's values can depend on its length, by a bit.
        """
        if not isinstance(self.lr, Schedule):
            return _NONE
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

    def epoch_ends(self, loss):
        """Note an epoch with the monitored loss `loss`."""
        if isinstance(self.lr, Schedule):
            with error_context(f"the schedule {self.lr!r} after its epoch {self.epochs}"):
                self.state = self.lr.watch(self.state, loss)
        self.epochs += 1


def check_rate(name, lr):
    """`lr` if it is a positive number or a schedule."""
    return lr if isinstance(lr, Schedule) else check_number(name, lr, above=0)


def constant_rate(lr):
    """The rate that an update rule begins with: the number, or where a schedule gives each step's
    own, 0."""
    return 0.0 if isinstance(lr, Schedule) else lr
