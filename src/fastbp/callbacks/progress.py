"""The progress bar of a fit: tqdm's, one tick an epoch, with the losses and the speed.

In a terminal or a notebook the bar overwrites itself. In a file or a pipe that would be one endless
line, so each update is a line there, at most one every few seconds.
"""

import sys
import time

from .base import Callback

LOG_SECONDS = 5.0  # between two lines in a file or a pipe, at least


class Progress(Callback):
    """A bar over `epochs` epochs: epoch, time left, loss, validation loss, samples a second."""

    def __init__(self, epochs):
        self._epochs = epochs

    def on_fit_begin(self, net, history):
        # Imported here: the import is slow, and in a notebook without ipywidgets it warns that the
        # bar is text.
        from tqdm.auto import tqdm
        from tqdm.notebook import tqdm_notebook

        class Bar(tqdm):
            monitor_interval = 0  # no monitor thread, which would not survive a fork

        # tqdm's estimate of the epochs to skip between updates is wrong once they take longer.
        options: dict[str, object] = {"miniters": 1}
        if not (sys.stderr.isatty() or issubclass(tqdm, tqdm_notebook)):
            options |= {"file": _Lines(sys.stderr), "mininterval": LOG_SECONDS, "ncols": 0}
        self._bar = Bar(
            total=self._epochs, initial=history.n_epochs, unit="epoch", desc="fit", **options
        )
        self._last = time.perf_counter()
        self._samples = history.n_samples

    def on_epoch_end(self, net, history):
        now = time.perf_counter()
        figures = {"loss": f"{history.loss[-1]:.4f}"}
        if history.has_validation:
            figures["val_loss"] = f"{history.val_loss[-1]:.4f}"
        for name in ("accuracy", "val_accuracy"):
            if getattr(history, name):
                figures[name] = f"{getattr(history, name)[-1]:.4f}"
        figures["samples/s"] = f"{(history.n_samples - self._samples) / (now - self._last):,.0f}"
        self._last = now
        self._samples = history.n_samples
        self._bar.set_postfix(figures, refresh=False)
        self._bar.update()

    def on_fit_end(self, net, history):
        self._bar.close()

    def __repr__(self):
        return "progress=True"


class _Lines:
    """A stream that writes tqdm's updates as lines, without carriage returns and padding."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        text = text.strip()
        if text:
            self._stream.write(text + "\n")

    def flush(self):
        self._stream.flush()
