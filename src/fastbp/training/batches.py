"""Where the samples of a fit come from: arrays, or a stream of batches.

`parts` of either gives, for one epoch, pairs (steps, order): buffers and samples for the kernels,
and the samples' order in one run of them, which are all batches of an epoch, or one.
"""

import queue
import threading

import numpy as np

from ..base.error_context import error_context
from ..engine.samples import Samples
from ..engine.steps import StepRunner
from ..runtime.workers import start_thread

HEARING = 0.1  # seconds between two looks whether a signal came, as in threads.py


def drawn(rng, n, shuffle):
    """The order of an epoch's samples."""
    return rng.permutation(n) if shuffle else np.arange(n)


class Arrays:
    """All samples at hand.

    Parameters
    ----------
    samples : Samples
    batch : int
        Samples a step.
    shuffle : bool
    single : bool
        One step a run.

    Attributes
    ----------
    order : ndarray of int64 (n,)
        Of the samples in the epoch that is running; None before the first.
    n_steps : int
        Of an epoch.
    """

    def __init__(self, samples, batch, shuffle, single):
        self._samples, self.batch, self._shuffle, self.single = samples, batch, shuffle, single
        self._steps, self.order, self.n_steps = None, None, -(-samples.n // batch)

    def steps_into_epoch(self, history):
        """How many steps of the running epoch are made."""
        return len(history.batch_loss) - history.n_epochs * self.n_steps

    def parts(self, rng, make_steps):
        if self._steps is None:
            self._steps = make_steps(self._samples, self.batch)
        n = self._samples.n
        self.order = order = drawn(rng, n, self._shuffle)
        run = self.batch if self.single else n
        for first in range(0, n, run):
            yield self._steps, order[first : first + run]

    def close(self):
        pass


class Stream:
    """Batches (X, y) or (X, y, sample_weight) of an iterable, read by a thread one ahead of the
    step that is computed.

    Each is checked, copied and converted there too; so the source may fill the same arrays again
    and again.

    Parameters
    ----------
    batches : iterable
        Read anew each epoch.
    check : callable (X, y, sample_weight) -> Samples

    Attributes
    ----------
    batch : int
        Rows of the first batch, which is read at once, so that what is wrong with it is said before
        anything is changed.
    """

    single = True

    def __init__(self, batches, check):
        self._batches, self._check = batches, check
        self._steps: StepRunner | None = None
        self._wanted: queue.SimpleQueue = queue.SimpleQueue()  # see workers.py for why not a Queue
        self._got: queue.SimpleQueue = queue.SimpleQueue()
        start_thread(threading.Thread(target=self._read, name="fastbp-reader", daemon=True))
        try:
            self._wanted.put(True)
            self._first = self._next()
            if self._first is None:
                raise ValueError("X must give at least one batch (X, y), got none")
        except BaseException:
            self.close()
            raise
        self.batch = self._first.n

    def parts(self, rng, make_steps):
        samples, self._first = self._first, None
        if samples is None:
            self._wanted.put(True)
            samples = self._next()
            if samples is None:
                raise ValueError(
                    "X gave no batch the second time: it must be an iterable that can be read once an epoch"
                )
        while samples is not None:
            self._wanted.put(True)  # it is read while this one is computed
            if self._steps is None or not self._steps.take(samples):
                self._steps = make_steps(samples, samples.n)
            yield self._steps, np.arange(samples.n)
            samples = self._next()

    def close(self):
        self._wanted.put(False)

    def _next(self):
        """The next batch, or None at an epoch's end."""
        while True:
            try:
                samples, error = self._got.get(timeout=HEARING)
            except queue.Empty:
                continue
            if error is not None:
                raise error
            return samples

    def _read(self):
        """The thread's: answer each True in `_wanted` by a batch, None at the end of an epoch, or
        an error."""
        iterator, epoch, batch = None, 0, 0
        while self._wanted.get():
            samples = error = None
            try:
                with error_context(f"the source of batches, at epoch {epoch}, batch {batch}"):
                    iterator = iter(self._batches) if iterator is None else iterator
                    for given in iterator:
                        samples = self._checked(given)
                        break
            except BaseException as caught:
                error = caught
            iterator, epoch, batch = (
                (iterator, epoch, batch + 1) if samples is not None else (None, epoch + 1, 0)
            )
            self._got.put((samples, error))

    def _checked(self, given):
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            what = f"{len(given)} values" if isinstance(given, tuple | list) else repr(type(given))
            raise TypeError(f"X must give batches (X, y) or (X, y, sample_weight), got {what}")
        samples: Samples = self._check(*given, *[None] * (3 - len(given)))
        return samples.staged(np.arange(samples.n))


def is_stream(X, y):
    """Whether `fit` was given an iterable of batches in the place of X."""
    return y is None and hasattr(X, "__iter__") and not hasattr(X, "__array__")
