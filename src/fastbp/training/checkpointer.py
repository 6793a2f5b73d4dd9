"""Checkpoints while a fit runs: when one is due, writing it, and what happens if it cannot be
written."""

import os
import stat
import time
import warnings

import numpy as np

from ..base.files import probe, replace_file
from ..base.validation import check_choice, check_number
from ..runtime.signals import DeferSignals
from ..serialization import encoding
from ..serialization.checkpoint_format import FitState
from ..serialization.fingerprints import check_same, digest, fingerprints
from .batches import drawn

EVERY = 60.0  # seconds
# by default writing takes at most one part in so many of a run's time, however large the net and
# slow the disk
SHARE = 100


class Checkpointer:
    """The checkpoints of one fit.

    Parameters
    ----------
    path : str or path-like
    every : float or None
        Seconds, see `fit`.
    errors : "warn" or "raise"
    """

    def __init__(self, path, every, errors):
        if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
            raise TypeError(f"checkpoint must be a path as text, got {path!r}")
        self.path: str = os.fspath(path)
        self.every = None if every is None else check_number("checkpoint_every", every, least=0)
        self._errors = check_choice("checkpoint_errors", errors, ("warn", "raise"))
        self._written, self._failing = "none has been written yet", False

    def begin(self, net, settings, optimizer, samples, validation, resumed):
        """Check all that can be checked before training. `resumed` is the moment from which the fit
        goes on, or None."""
        if net.loss_function is not None:
            raise ValueError(
                f"checkpoint={self.path!r} cannot be used with a callable as loss: a file holds no code"
            )
        encoding.optimizer_document(optimizer)
        self._settings, self._data = settings, fingerprints(samples, validation)
        if resumed is None:
            self._refuse_to_replace()
        else:
            check_same(self._data, resumed.data)
            rng = np.random.default_rng()
            rng.bit_generator.state = resumed.generator
            if resumed.order not in (None, digest(drawn(rng, samples.n, settings.shuffle))):
                raise ValueError(
                    f"path must be a checkpoint whose shuffles NumPy {np.__version__} draws alike, got {self.path!r}"
                )
            self._written = "the one it was resumed from stands"
        probe(self.path)
        self._wait(0)

    def due(self):
        """Whether it is time for the next one."""
        return time.monotonic() >= self._next

    def write(self, net, states, generator, order):
        """Write one, of a fit that is running or has ended, as its history says.

        Parameters
        ----------
        net : MLP
        states : list of (str, dict), of the callbacks
        generator : dict
            State from which the running epoch's order was drawn, or will be.
        order : ndarray or None
            The order, where steps of the epoch have been made.
        """
        # which needs the module of the net, and that one this
        from ..serialization.save import file_of

        began, history = time.monotonic(), net.history_
        moment = FitState(
            self._settings, self._data, generator, None if order is None else digest(order), states
        )
        try:
            with DeferSignals():
                replace_file(self.path, file_of(net, moment))
        except (OSError, ValueError, MemoryError) as error:
            if self._errors == "raise":
                error.add_note(
                    f"the checkpoint of epoch {history.n_epochs} could not be written; {self._written}"
                )
                raise
            if not self._failing:
                said = f"{type(error).__name__}: {error}"
                warnings.warn(
                    f"a checkpoint could not be written, training goes on; {self._written}. {said}",
                    stacklevel=2,
                )
            self._failing = True
        else:
            self._failing = False
            self._written = f"the one after {history.n_epochs} epochs and {len(history.batch_loss)} steps stands"
        self._wait(time.monotonic() - began)

    def _wait(self, record):
        self._next = time.monotonic() + (
            max(EVERY, SHARE * record) if self.every is None else self.every
        )

    def _refuse_to_replace(self):
        """Hours of training, or a file that was never meant, are not to be lost by a fit that is
        begun again."""
        from ..serialization.save import load

        try:
            about = os.stat(self.path)
        except FileNotFoundError:
            return
        if not stat.S_ISREG(about.st_mode):
            raise ValueError(f"checkpoint must be the path of a file, got {self.path!r}")
        try:
            history = load(self.path).history_
        except ValueError as error:
            raise ValueError(
                f"checkpoint must be a new file or a checkpoint of a fit that has ended: {error}"
            ) from error
        if history is None or history.stopped_by is None:
            raise ValueError(
                f"checkpoint={self.path!r} holds a fit that has not ended: fastbp.resume goes on with it, "
                "or remove the file to begin anew"
            )
