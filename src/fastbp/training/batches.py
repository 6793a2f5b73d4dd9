"""Where the samples of a fit come from: arrays, or a stream of batches.

Either source has `epoch`, which yields pairs (samples, order): the samples `order` of `samples`, to
be trained on in this order in steps of `batch_size` rows.
"""

import queue
import threading
import time
import warnings
from contextvars import copy_context

import numpy as np

from ..base.error_context import error_context
from ..base.validation import is_sequence
from ..engine.samples import Samples
from ..runtime.workers import start_thread

# How often the main thread wakes to run the handlers of signals while it waits for a batch.
POLL_SECONDS = 0.1
# How long the end of a fit waits for the batch that is being read.
CLOSE_SECONDS = 5.0


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
    n, n_steps : int
        Rows and steps of an epoch.
    """

    def __init__(self, samples, batch_size, shuffle, single, rows=None):
        self.first = samples
        self._rows = rows
        self.n = samples.n if rows is None else len(rows)
        self._shuffle = shuffle
        self.batch_size = batch_size
        self.single = single
        self.order = None
        self.n_steps = -(-self.n // batch_size)

    def steps_into_epoch(self, history):
        """Number of steps that the present epoch has made."""
        return len(history.batch_loss) - history.n_epochs * self.n_steps

    def epoch(self, rng):
        n = self.n
        self.order = order = epoch_order(rng, n, self._shuffle)
        if self._rows is not None:
            order = self._rows[order]
        size = self.batch_size if self.single else n
        for first in range(0, n, size):
            yield self.first, order[first : first + size]

    def orders(self, rng, count):
        """The orders of `count` epochs, one after the other, as `epoch` draws them: ndarray of
        int64 (count * n,)."""
        orders = np.tile(np.arange(self.n), (count, 1))
        if self._shuffle:
            for order in orders:
                rng.shuffle(order)  # the draws of rng.permutation(n)
        orders = orders.reshape(-1)
        return orders if self._rows is None else self._rows[orders]

    def close(self):
        pass


class StreamBatches:
    """Batches (X, y) or (X, y, sample_weight) of an iterable, or of an object with a length and
    items only; each is one step.

    A thread reads one batch ahead, checks it, copies it and converts it to the network's dtype. The
    iterable may therefore reuse its arrays. It is read in a copy of the caller's context: variables
    of `contextvars` have the caller's values, thread-local ones do not.

    Parameters
    ----------
    batches : iterable
        Iterated again each epoch. Its first batch is read at once, so that errors in it are raised
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
        run = copy_context().run
        start_thread(
            threading.Thread(target=run, args=(self._read,), name="fastbp-reader", daemon=True)
        )
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
        """End the thread, so that the source can be read again: wait for the batch that is being
        read, and for the end of a generator behind it."""
        self._requests.put(False)
        end = time.monotonic() + CLOSE_SECONDS
        while time.monotonic() < end:
            try:
                if self._results.get(timeout=POLL_SECONDS) is None:
                    return
            except queue.Empty:
                continue
        warnings.warn(
            f"X has not given its next batch for {CLOSE_SECONDS:g} s after the end of the fit; it "
            "cannot be read again before",
            stacklevel=2,
        )

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
        the end of an epoch. At its end, None follows the last pair."""
        iterator = None
        epoch = 0
        batch = 0
        while self._requests.get():
            samples = error = None
            try:
                with error_context(f"the source of batches, at epoch {epoch}, batch {batch}"):
                    iterator = _iterate(self._batches) if iterator is None else iterator
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
        del iterator  # a generator that this thread has made ends here
        self._results.put(None)

    def _converted(self, given):
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            what = f"{len(given)} values" if isinstance(given, tuple | list) else repr(type(given))
            raise TypeError(f"X must give batches (X, y) or (X, y, sample_weight), got {what}")
        samples: Samples = self._check(*given, *[None] * (3 - len(given)))
        return samples.converted(np.arange(samples.n))


def is_stream(X, y):
    """Whether the arguments of `fit` are batches instead of arrays: an iterable, or an object with
    a length and items only, such as Keras's Sequence."""
    return y is None and not hasattr(X, "__array__") and (hasattr(X, "__iter__") or is_sequence(X))


def _iterate(batches):
    """An iterator over one epoch.

    `iter` would read items without an end where there is no `__iter__`, unless one raises
    IndexError, and does not call `on_epoch_end` of Keras's Sequence, which shuffles many.
    """
    has_items = hasattr(batches, "__len__") and hasattr(batches, "__getitem__")
    if is_sequence(batches) or (has_items and hasattr(batches, "on_epoch_end")):
        return _items(batches)
    return iter(batches)


def _items(batches):
    for i in range(len(batches)):
        yield batches[i]
    getattr(batches, "on_epoch_end", lambda: None)()
