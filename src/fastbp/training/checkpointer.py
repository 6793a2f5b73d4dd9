"""Periodic checkpoint writer: schedule, atomic write, error policy."""

import os
import stat
import time
import warnings

import numpy as np

from ..base.files import check_path, check_writable, replace_file
from ..base.validation import check_choice, check_number
from ..history import progress_text
from ..runtime.signals import DeferSignals
from ..serialization import encoding
from ..serialization.checkpoint_format import FitState
from ..serialization.fingerprints import check_same, digest, fingerprints
from ..serialization.save import read_checkpoint_history, read_file, to_bytes
from .batches import epoch_order

DEFAULT_SECONDS = 60.0  # between two checkpoints
# By default the interval is at least this many times as long as writing the last checkpoint took:
# writing costs at most 1 % of the time.
MIN_INTERVAL_OF_WRITING = 100


class Checkpointer:
    """The checkpoints of one fit.

    Parameters
    ----------
    path : str or path-like
    every : float or None
        Seconds between two checkpoints, see `MLP.fit`.
    errors : "warn" or "raise"

    Attributes
    ----------
    late_error : UserWarning or None
        A warning that is an error by the user's filters. It is raised at the end of the fit, since
        no message may end a training.
    """

    late_error: UserWarning | None = None

    def __init__(self, path, every, errors):
        self.path = check_path("checkpoint", path)
        self.every = None if every is None else check_number("checkpoint_every", every, least=0)
        self._errors = check_choice("checkpoint_errors", errors, ("warn", "raise"))
        self._last = "no checkpoint has been written yet"
        self._failing = False

    def open(self, net, config, optimizer, samples, validation, resumed):
        """Make all checks that are possible before training.

        Parameters
        ----------
        resumed : FitState or None
            The checkpoint from which the fit continues.

        Raises
        ------
        ValueError
            If the network or the optimizer cannot be saved, `path` holds anything but the
            checkpoint of a completed fit, or the samples are not those of `resumed`.
        OSError
            If `path` cannot be written.
        """
        if net.loss_function is not None:
            raise ValueError(
                f"checkpoint={self.path!r} cannot be used with a callable as loss: a file holds no "
                "code"
            )
        encoding.encode_optimizer(optimizer)
        self._config = config
        self._data = fingerprints(samples, validation)
        if resumed is None:
            self._check_replaceable()
        else:
            check_same(self._data, resumed.data)
            rng = np.random.default_rng()
            rng.bit_generator.state = resumed.generator
            n = samples.n - config.validation_count(samples.n)
            if resumed.order not in (None, digest(epoch_order(rng, n, config.shuffle))):
                raise ValueError(
                    f"path must be a checkpoint whose shuffles NumPy {np.__version__} draws alike, "
                    f"got {self.path!r}"
                )
            self._last = "the checkpoint that was resumed is kept"
        check_writable(self.path)
        self._schedule_next(0)

    def is_due(self):
        return time.monotonic() >= self._next

    def save(self, net, callback_states, generator, order):
        """Write a checkpoint of a fit that is running or, according to its history, has ended.

        Parameters
        ----------
        net : MLP
        callback_states : list of (str, dict)
        generator : dict
            State of the generator before it drew the order of the present epoch.
        order : ndarray or None
            The order, if steps of the epoch have been made.
        """
        start = time.monotonic()
        history = net.history_
        state = FitState(
            self._config,
            self._data,
            generator,
            None if order is None else digest(order),
            callback_states,
        )
        try:
            with DeferSignals():
                replace_file(self.path, to_bytes(net, state))
        except (OSError, ValueError, MemoryError) as error:
            if self._errors == "raise":
                error.add_note(
                    f"the checkpoint after {progress_text(history)} could not be written; "
                    f"{self._last}"
                )
                raise
            if not self._failing:
                try:
                    warnings.warn(
                        f"a checkpoint could not be written, the training continues; {self._last}. "
                        f"{type(error).__name__}: {error}",
                        stacklevel=2,
                    )
                except UserWarning as warning:
                    self.late_error = warning
            self._failing = True
        else:
            self._failing = False
            self._last = f"the checkpoint after {progress_text(history)} is kept"
        self._schedule_next(time.monotonic() - start)

    def _schedule_next(self, writing):
        """Set the time of the next checkpoint, given the seconds that the last one took."""
        interval = self.every
        if interval is None:
            interval = max(DEFAULT_SECONDS, MIN_INTERVAL_OF_WRITING * writing)
        self._next = time.monotonic() + interval

    def _check_replaceable(self):
        """An existing file is overwritten only if it is the checkpoint of a completed fit."""
        try:
            mode = os.stat(self.path).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISREG(mode):
            raise ValueError(f"checkpoint must be the path of a file, got {self.path!r}")
        try:
            history = read_file(self.path, "a checkpoint of fastbp", read_checkpoint_history)
        except ValueError as error:
            raise ValueError(
                f"checkpoint must be a new file or a checkpoint of a fit that has ended: {error}"
            ) from error
        if history is None or history.stopped_by is None:
            raise ValueError(
                f"checkpoint={self.path!r} holds a fit that has not ended: fastbp.resume continues "
                "it; remove the file to start over"
            )
