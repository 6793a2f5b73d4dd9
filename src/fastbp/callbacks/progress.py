"""The progress bar of a fit: tqdm's, one tick an epoch, with the losses and the speed.

A bar in a terminal or a notebook; where the output goes to a file or a pipe, a bar that overwrites
itself would be one endless line, so there it is a line each time, and not more than one in some
seconds.
"""

import sys
import time

from .base import Callback

LOG_SECONDS = 5.0  # between two lines of a log file, at least


class Progress(Callback):
    """A bar over `epochs` epochs: epoch, time left, loss, validation loss, samples a second."""

    def __init__(self, epochs):
        self._epochs = epochs

    def on_fit_begin(self, net, history):
        # Not before: it takes a while, and in a notebook without ipywidgets it warns that the bar
        # will be text.
        from tqdm.auto import tqdm
        from tqdm.notebook import tqdm_notebook

        class Bar(tqdm):
            monitor_interval = 0  # no thread of its own, which a later fork would have to mind

        options: dict[str, object] = {
            "miniters": 1
        }  # tqdm's own guess of how many epochs to pass over is wrong as soon as they take longer
        if not (sys.stderr.isatty() or issubclass(tqdm, tqdm_notebook)):
            options |= {"file": _Lines(sys.stderr), "mininterval": LOG_SECONDS, "ncols": 0}
        self._bar = Bar(
            total=self._epochs, initial=history.n_epochs, unit="epoch", desc="fit", **options
        )
        self._last, self._samples = time.perf_counter(), history.n_samples

    def on_epoch_end(self, net, history):
        now = time.perf_counter()
        figures = {"loss": f"{history.loss[-1]:.4f}"}
        if history.has_validation:
            figures["val_loss"] = f"{history.val_loss[-1]:.4f}"
        figures["samples/s"] = f"{(history.n_samples - self._samples) / (now - self._last):,.0f}"
        self._last, self._samples = now, history.n_samples
        self._bar.set_postfix(figures, refresh=False)
        self._bar.update()

    def on_fit_end(self, net, history):
        self._bar.close()

    def __repr__(self):
        return "progress=True"


class _Lines:
    """What tqdm writes to a terminal, as lines: its carriage returns, and the blanks over what
    stood there before, left out."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        text = text.strip()
        if text:
            self._stream.write(text + "\n")

    def flush(self):
        self._stream.flush()
