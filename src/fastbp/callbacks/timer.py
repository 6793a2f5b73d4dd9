"""Where the time of a fit goes."""

import time

from .base import Callback


class Timer(Callback):
    """The wall-clock time of a fit, by epochs.

    Not by forward, backward and update: the update is the last thing that happens to a tile of the
    weights' product while it is in registers, and of a larger team each member is at another place
    at one time, so there is no moment at which one ends and the next begins. Reading a clock around
    each sweep would also be in the way of a step of ten microseconds.

    Attributes
    ----------
    seconds : float
        From the beginning to the end of the last fit, or until now while one runs.
    epoch_seconds : list of float
        Of each epoch: its steps, its validation, the callbacks before this one and, after the first
        epoch, those behind it.
    step_seconds : list of float
        Mean of a step, epoch by epoch: `epoch_seconds` over the number of steps.
    """

    def __init__(self) -> None:
        self._began = self._ended = self._last = 0.0
        self.epoch_seconds: list[float] = []
        self.step_seconds: list[float] = []

    @property
    def seconds(self) -> float:
        return (self._ended or time.perf_counter()) - self._began if self._began else 0.0

    def on_fit_begin(self, net, history):
        self.epoch_seconds, self.step_seconds, self._steps = [], [], 0
        self._began = self._last = time.perf_counter()
        self._ended = 0.0

    def on_epoch_end(self, net, history):
        now, steps = time.perf_counter(), len(history.batch_loss)
        self.epoch_seconds.append(now - self._last)
        self.step_seconds.append(self.epoch_seconds[-1] / (steps - self._steps))
        self._last, self._steps = now, steps

    def on_fit_end(self, net, history):
        self._ended = time.perf_counter()

    def __repr__(self):
        return f"<Timer: {len(self.epoch_seconds)} epochs in {self.seconds:.3g} s>"
