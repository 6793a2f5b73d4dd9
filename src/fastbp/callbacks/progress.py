"""The progress bar of a fit: tqdm's, one tick an epoch, with the losses and the speed.

In a terminal the bar overwrites itself; in a notebook it is one output that is updated, and empty
after the fit. In a file or a pipe that would be one endless line, so each update is a line there,
at most one every few seconds.
"""

import sys
import time

from .base import Callback, showing

LOG_SECONDS = 5.0  # between two lines in a file or a pipe, at least
NOTEBOOK_COLUMNS = 100  # of the bar; the width of a notebook's cell is unknown


class Progress(Callback):
    """A bar over `epochs` epochs: epoch, time left, loss, validation loss, samples a second.

    Without standard error there is none, and what prevents it from being shown (a stream that is
    closed, a pipe without a reader) removes it.
    """

    def __init__(self, epochs):
        self._epochs = epochs
        self._bar = None

    def on_fit_begin(self, net, history):
        self._last = time.perf_counter()
        self._samples = history.n_samples
        if sys.stderr is None:
            return
        with showing("the progress bar", self._remove):
            from tqdm import tqdm  # a slow import

            class Bar(tqdm):
                monitor_interval = 0  # no monitor thread, which would not survive a fork

                def __del__(self):
                    # Before tqdm 4.70 this raises for a bar that could not be shown at all.
                    if hasattr(self, "last_print_t"):
                        super().__del__()

            # tqdm's estimate of the epochs to skip between updates is wrong once they take longer.
            self._bar = Bar(
                total=self._epochs,
                initial=history.n_epochs,
                unit="epoch",
                desc="fit",
                miniters=1,
                **_place(),
            )

    def on_epoch_end(self, net, history):
        if self._bar is None:
            return
        now = time.perf_counter()
        speed = (history.n_samples - self._samples) / max(now - self._last, 1e-9)
        figures = {"loss": f"{history.loss[-1]:.4f}"}
        if history.has_validation:
            figures["val_loss"] = f"{history.val_loss[-1]:.4f}"
        for name in ("accuracy", "val_accuracy"):
            if getattr(history, name):
                figures[name] = f"{getattr(history, name)[-1]:.4f}"
        figures["samples/s"] = f"{speed:,.0f}"
        self._last = now
        self._samples = history.n_samples
        with showing("the progress bar", self._remove):
            self._bar.set_postfix(figures, refresh=False)
            self._bar.update()

    def on_fit_end(self, net, history):
        if self._bar is not None:
            with showing("the progress bar", self._remove):
                self._bar.close()
        self._bar = None

    def _remove(self):
        if self._bar is not None:
            self._bar.disable = True  # no further output, also of its destructor
        self._bar = None

    def __repr__(self):
        return "progress=True"


def _place():
    """tqdm's options for where the bar is shown. Only a terminal has a cursor to move, from the bar
    of a fit to that of a fit within it: position 0 prevents that."""
    display = _display_of_notebook()
    if display is not None:
        return {"file": _Output(display), "position": 0, "leave": False, "ncols": NOTEBOOK_COLUMNS}
    isatty = getattr(sys.stderr, "isatty", None)  # which a logger may lack
    if isatty is not None and isatty():
        return {}
    return {"file": _Lines(sys.stderr), "position": 0, "mininterval": LOG_SECONDS, "ncols": 0}


def _display_of_notebook():
    """IPython's `display` in a notebook, else None."""
    if "IPython" not in sys.modules:
        return None
    import IPython.display

    in_notebook = hasattr(IPython.get_ipython(), "kernel")
    return IPython.display.display if in_notebook else None


class _Lines:
    """A stream that writes tqdm's updates as lines, without carriage returns and padding."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        text = text.strip()
        if text:
            self._stream.write(text + "\n")

    def flush(self):
        getattr(self._stream, "flush", lambda: None)()


class _Output:
    """A stream that shows tqdm's last update as an output of a notebook, that of closing included,
    which is empty."""

    def __init__(self, display):
        self._handle = display({"text/plain": ""}, raw=True, display_id=True)

    def write(self, text):
        if text != "\n":
            self._handle.update({"text/plain": text.strip()}, raw=True)

    def flush(self):
        pass
