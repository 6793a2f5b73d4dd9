"""The duration of a fit and of its epochs."""

import time

from ..base.formula_text import counted
from .base import Callback


class Timer(Callback):
    """The wall-clock time of a fit, by epochs.

    There are no times of forward, backward and update: the update is the epilogue of each tile of
    the weights' product, and threads are at different layers at one time, so no moment separates
    them. Reading a clock around each would also slow down a step of ten microseconds.

    Attributes
    ----------
    seconds : float
        From the beginning to the end of the last fit; until now while one runs.
    epoch_seconds : list of float
        Of each epoch: its steps, its validation, the callbacks before this one and, after the first
        epoch, those after it.
    step_seconds : list of float
        Mean duration of a step in each epoch: `epoch_seconds` divided by the number of steps.
    """

    def __init__(self) -> None:
        self._began = self._ended = self._last = 0.0
        self.epoch_seconds: list[float] = []
        self.step_seconds: list[float] = []

    @property
    def seconds(self) -> float:
        return (self._ended or time.perf_counter()) - self._began if self._began else 0.0

    def on_fit_begin(self, net, history):
        self.epoch_seconds = []
        self.step_seconds = []
        self._steps = 0
        self._began = self._last = time.perf_counter()
        self._ended = 0.0

    def on_epoch_end(self, net, history):
        now = time.perf_counter()
        steps = len(history.batch_loss)
        self.epoch_seconds.append(now - self._last)
        self.step_seconds.append(self.epoch_seconds[-1] / (steps - self._steps))
        self._last = now
        self._steps = steps

    def on_fit_end(self, net, history):
        self._ended = time.perf_counter()

    def __repr__(self):
        return f"<Timer: {counted(len(self.epoch_seconds), 'epoch')} in {self.seconds:.3g} s>"
