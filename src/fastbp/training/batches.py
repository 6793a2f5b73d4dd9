"""Where the samples of a fit come from: arrays, or a stream of batches.

Either source has `epoch`, which yields pairs (samples, order): the samples `order` of `samples`, to
be trained on in this order in steps of `batch_size` rows.
"""

import queue
import threading

import numpy as np

from ..base.error_context import error_context
from ..engine.samples import Samples
from ..runtime.workers import start_thread

# How often the main thread wakes to run the handlers of signals while it waits for a batch.
POLL_SECONDS = 0.1


def epoch_order(rng, n, shuffle):
    """The order of an epoch's samples, ndarray of int64 (n,)."""
    return rng.permutation(n) if shuffle else np.arange(n)


class ArrayBatches:
    """Batches of arrays in memory.

    Parameters
    ----------
    samples : Samples
    batch_size : int
        Rows a step.
    shuffle : bool
    single : bool
        Whether `epoch` yields one batch at a time instead of all batches of the epoch together.
    rows : ndarray of int64 (n,), optional
        The samples that are trained on; by default all.

    Attributes
    ----------
    first : Samples
        Those of the first epoch.
    order : ndarray of int64 (n,) or None
        Of the rows in the present epoch; None before the first.
    n_steps : int
        Of an epoch.
    """

    def __init__(self, samples, batch_size, shuffle, single, rows=None):
        self.first = samples
        self._rows = rows
        self._n = samples.n if rows is None else len(rows)
        self._shuffle = shuffle
        self.batch_size = batch_size
        self.single = single
        self.order = None
        self.n_steps = -(-self._n // batch_size)

    def steps_into_epoch(self, history):
        """Number of steps that the present epoch has made."""
        return len(history.batch_loss) - history.n_epochs * self.n_steps

    def epoch(self, rng):
        n = self._n
        self.order = order = epoch_order(rng, n, self._shuffle)
        if self._rows is not None:
            order = self._rows[order]
        size = self.batch_size if self.single else n
        for first in range(0, n, size):
            yield self.first, order[first : first + size]

    def close(self):
        pass


class StreamBatches:
    """Batches (X, y) or (X, y, sample_weight) of an iterable, each of which is one step.

    A thread reads one batch ahead, checks it, copies it and converts it to the network's dtype. The
    iterable may therefore reuse its arrays.

    Parameters
    ----------
    batches : iterable
        Iterated anew each epoch. Its first batch is read at once, so that errors in it are raised
        before anything is changed.
    check : callable (X, y, sample_weight) -> Samples

    Attributes
    ----------
    first : Samples or None
        The first batch; None once it has been trained on.
    batch_size : int
        Rows of the last batch that was read.
    """

    single = True

    def __init__(self, batches, check):
        self._batches = batches
        self._check = check
        # True requests a batch, False ends the thread. A Queue's lock could be left locked by a
        # signal's handler that raises; a SimpleQueue has none in Python.
        self._requests: queue.SimpleQueue = queue.SimpleQueue()
        self._results: queue.SimpleQueue = queue.SimpleQueue()
        start_thread(threading.Thread(target=self._read, name="fastbp-reader", daemon=True))
        try:
            self._requests.put(True)
            self.first = self._next()
            if self.first is None:
                raise ValueError("X must give at least one batch (X, y), got none")
        except BaseException:
            self.close()
            raise

    def epoch(self, rng):
        samples = self.first
        self.first = None
        if samples is None:
            self._requests.put(True)
            samples = self._next()
            if samples is None:
                raise ValueError(
                    "X gave no batch the second time: it must be an iterable that can be read once "
                    "an epoch"
                )
        while samples is not None:
            self._requests.put(True)  # the next batch is read while this one is computed
            yield samples, np.arange(samples.n)
            samples = self._next()

    def close(self):
        self._requests.put(False)

    def _next(self):
        """The next batch, or None at the end of an epoch."""
        while True:
            try:
                samples, error = self._results.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            if error is not None:
                raise error
            if samples is not None:
                self.batch_size = samples.n
            return samples

    def _read(self):
        """The reader thread: answer each request with a pair (samples, error); samples is None at
        the end of an epoch."""
        iterator = None
        epoch = 0
        batch = 0
        while self._requests.get():
            samples = error = None
            try:
                with error_context(f"the source of batches, at epoch {epoch}, batch {batch}"):
                    iterator = iter(self._batches) if iterator is None else iterator
                    for given in iterator:
                        samples = self._converted(given)
                        break
            except BaseException as caught:
                error = caught
            if samples is None:
                iterator = None
                epoch += 1
                batch = 0
            else:
                batch += 1
            self._results.put((samples, error))

    def _converted(self, given):
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            what = f"{len(given)} values" if isinstance(given, tuple | list) else repr(type(given))
            raise TypeError(f"X must give batches (X, y) or (X, y, sample_weight), got {what}")
        samples: Samples = self._check(*given, *[None] * (3 - len(given)))
        return samples.converted(np.arange(samples.n))


def is_stream(X, y):
    """Whether the arguments of `fit` are an iterable of batches instead of arrays."""
    return y is None and hasattr(X, "__iter__") and not hasattr(X, "__array__")
