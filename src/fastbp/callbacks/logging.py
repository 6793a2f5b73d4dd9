"""The history of a fit in files: a CSV table, or TensorBoard's event files."""

import csv
import os
import time

from ..base.optional import require
from ..base.strict_json import require_keys
from ..base.validation import check_count, check_flag, check_number
from .base import Callback


class CSVLogger(Callback):
    """A row an epoch in a CSV file: epoch (from 0), loss, val_loss (empty without a validation
    set), learning_rate (of the epoch's last step) and seconds since the beginning of the fit.

    Each row is written before the next epoch begins. A resumed fit removes the rows of epochs after
    its checkpoint and continues there.

    Parameters
    ----------
    path : str or path
    append : bool, default False
        Append to an existing file instead of replacing it.

    Raises
    ------
    TypeError
        For an invalid argument.
    OSError
        At the beginning of a fit, if the file cannot be written.
    """

    COLUMNS = ("epoch", "loss", "val_loss", "learning_rate", "seconds")

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self.path = os.fspath(path)
        self.append = check_flag("append", append)

    def on_fit_begin(self, net, history):
        self._open("a" if self.append else "w")

    def _open(self, mode, size=None, seconds=0.0):
        """Open the file, cut off what follows its first `size` bytes, and continue `seconds` after
        the beginning of the fit."""
        self._file = open(self.path, mode, newline="", encoding="utf-8")  # noqa: SIM115 - see on_fit_end
        if size is not None:
            self._file.truncate(min(size, os.path.getsize(self.path)))
            self._file.seek(0, os.SEEK_END)
        if self._file.tell() > 0 and not _ends_with_newline(self.path):
            self._file.write("\r\n")  # a row was cut off, as by a kill
        self._writer = csv.writer(self._file)
        self._began = time.perf_counter() - seconds
        if self._file.tell() == 0:
            self._writer.writerow(self.COLUMNS)

    def checkpoint_state(self):
        return {"size": self._file.tell(), "seconds": time.perf_counter() - self._began}

    def on_fit_resume(self, net, history, state):
        # After the rows of the checkpoint: later ones are of epochs that are repeated.
        require_keys("CSVLogger's state in the checkpoint", state, ["size", "seconds"])
        size = check_count("size", state["size"], least=0)
        seconds = check_number("seconds", state["seconds"])
        self._open("r+" if os.path.isfile(self.path) else "w", size, seconds)

    def on_epoch_end(self, net, history):
        val_loss = history.val_loss[-1] if history.has_validation else ""
        seconds = round(time.perf_counter() - self._began, 6)
        self._writer.writerow(
            [history.n_epochs - 1, history.loss[-1], val_loss, history.learning_rate[-1], seconds]
        )
        self._file.flush()

    def on_fit_end(self, net, history):
        self._file.close()
        del self._file, self._writer  # they cannot be pickled

    def __repr__(self):
        return f"CSVLogger({self.path!r}, append={self.append})"


def _ends_with_newline(path):
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() in (b"\n", b"\r")


class TensorBoard(Callback):
    """Curves for TensorBoard: ``loss/batch`` and ``learning_rate`` by steps, ``loss/train`` and
    ``loss/validation`` by epochs.

    tensorboardX writes them after each epoch: ``pip install 'fastbp[tensorboard]'``. The numbers of
    steps and epochs continue from fit to fit of the same callback.

    Parameters
    ----------
    directory : str or path
        For the event files; created if missing.

    Raises
    ------
    ImportError
        Without tensorboardX.
    TypeError
        If `directory` is not a path.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        tensorboardX = require("tensorboardX", "TensorBoard", "'fastbp[tensorboard]'")
        self._new_writer = tensorboardX.SummaryWriter
        self.directory = os.fspath(directory)
        self._fits = self._steps = self._epochs = 0

    def on_fit_begin(self, net, history):
        # tensorboardX names a file by the second of its creation; the suffix makes the names of two
        # fits differ.
        self._writer = self._new_writer(self.directory, filename_suffix=f".{self._fits}")
        self._written = 0
        self._fits += 1

    def checkpoint_state(self):
        return {
            "fits": self._fits,
            "steps": self._steps,
            "epochs": self._epochs,
            "written": self._written,
        }

    def on_fit_resume(self, net, history, state):
        names = ["fits", "steps", "epochs", "written"]
        require_keys("TensorBoard's state in the checkpoint", state, names)
        self._fits, self._steps, self._epochs, written = (
            check_count(name, state[name], least=0) for name in names
        )
        self.on_fit_begin(net, history)
        self._written = written

    def on_epoch_end(self, net, history):
        self._write_steps(history)
        self._writer.add_scalar("loss/train", history.loss[-1], self._epochs)
        if history.has_validation:
            self._writer.add_scalar("loss/validation", history.val_loss[-1], self._epochs)
        self._epochs += 1

    def on_fit_end(self, net, history):
        self._write_steps(history)  # those of an unfinished epoch
        self._writer.close()
        del self._writer

    def _write_steps(self, history):
        steps = zip(
            history.batch_loss[self._written :], history.learning_rate[self._written :], strict=True
        )
        for loss, rate in steps:
            self._writer.add_scalar("loss/batch", loss, self._steps)
            self._writer.add_scalar("learning_rate", rate, self._steps)
            self._steps += 1
            self._written += 1

    def __repr__(self):
        return f"TensorBoard({self.directory!r})"
