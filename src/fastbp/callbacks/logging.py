"""The course of a fit in files: a table, or what TensorBoard reads."""

import csv
import os
import time

from ..base.strict_json import require_keys
from ..base.validation import check_count, check_flag, check_number
from .base import Callback


class CSVLogger(Callback):
    """A row an epoch in a CSV file: epoch (from 0), loss, val_loss (empty without a validation
    set), learning_rate (of the epoch's last step) and seconds since the fit began. Each row is on
    the disk when the next epoch begins. A fit that is resumed goes on behind the rows that its
    checkpoint knew of.

    Parameters
    ----------
    path : str or path
    append : bool, default False
        Go on with a file that is there already, instead of beginning it anew.

    Raises
    ------
    TypeError
        If they are not what they must be.
    OSError
        At the beginning of a fit, if the file cannot be written.
    """

    COLUMNS = ("epoch", "loss", "val_loss", "learning_rate", "seconds")

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self.path, self.append = os.fspath(path), check_flag("append", append)

    def on_fit_begin(self, net, history):
        self._file = open(self.path, "a" if self.append else "w", newline="", encoding="utf-8")  # noqa: SIM115 - see on_fit_end
        self._writer, self._began = csv.writer(self._file), time.perf_counter()
        if self._file.tell() == 0:
            self._writer.writerow(self.COLUMNS)

    def checkpoint_state(self):
        return {"size": self._file.tell(), "seconds": time.perf_counter() - self._began}

    def on_fit_resume(self, net, history, state):
        """Go on behind the rows of the checkpoint, those of epochs that will be done again cut off."""
        require_keys("CSVLogger's state in the checkpoint", state, ["size", "seconds"])
        size, seconds = (
            check_count("size", state["size"], least=0),
            check_number("seconds", state["seconds"]),
        )
        there = os.path.isfile(self.path)
        self._file = open(self.path, "r+" if there else "w", newline="", encoding="utf-8")  # noqa: SIM115 - see on_fit_end
        self._file.truncate(min(size, os.path.getsize(self.path)))
        self._file.seek(0, os.SEEK_END)
        self._writer, self._began = csv.writer(self._file), time.perf_counter() - seconds
        if self._file.tell() == 0:
            self._writer.writerow(self.COLUMNS)

    def on_epoch_end(self, net, history):
        val_loss = history.val_loss[-1] if history.has_validation else ""
        seconds = round(time.perf_counter() - self._began, 6)
        self._writer.writerow(
            [history.n_epochs - 1, history.loss[-1], val_loss, history.learning_rate[-1], seconds]
        )
        self._file.flush()

    def on_fit_end(self, net, history):
        self._file.close()
        del self._file, self._writer  # so that it can be pickled between fits

    def __repr__(self):
        return f"CSVLogger({self.path!r}, append={self.append})"


class TensorBoard(Callback):
    """Curves for TensorBoard: ``loss/batch`` and ``learning_rate`` by steps, ``loss/train`` and
    ``loss/validation`` by epochs.

    Written by tensorboardX, after each epoch: ``pip install 'fastbp[tensorboard]'``. Steps and
    epochs count on from one fit to the next of the same callback.

    Parameters
    ----------
    directory : str or path
        Where the event files go; made if missing.

    Raises
    ------
    ImportError
        Without tensorboardX.
    TypeError
        If `directory` is not a path.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        try:
            import tensorboardX
        except ImportError as error:
            raise ImportError(
                "TensorBoard needs tensorboardX: pip install 'fastbp[tensorboard]'"
            ) from error
        self.directory, self._writer_of = os.fspath(directory), tensorboardX.SummaryWriter
        self._fits = self._steps = self._epochs = 0

    def on_fit_begin(self, net, history):
        # tensorboardX names a file by the second in which it is made: the number keeps two fits'
        # files apart.
        self._writer, self._written = (
            self._writer_of(self.directory, filename_suffix=f".{self._fits}"),
            0,
        )
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
        self._write_steps(history)  # of an epoch that was not finished
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
