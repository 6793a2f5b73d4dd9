"""The loss curve in a notebook while training."""

from typing import Any

from ..base.optional import require
from ..base.validation import check_count
from ..callbacks.base import Callback, showing
from ..history import History


class LiveLossCurve(Callback):
    """A callback that draws the loss curve below a notebook's cell, again every `every` epochs and
    at the end.

    It is the drawing of `History` in a notebook, which needs IPython and no Matplotlib. Where the
    history is the value of the same cell, it is shown there as one line of text. What prevents the
    drawing is a warning, and does not end the fit.

    Parameters
    ----------
    every : int, default 1
        Epochs between drawings.

    Raises
    ------
    ImportError
        Without IPython.
    ValueError, TypeError
        If `every` is not a whole number of at least 1.

    Examples
    --------
    ``net.fit(X, y, callbacks=fastbp.plot.LiveLossCurve())``
    """

    def __init__(self, every: int = 1) -> None:
        require("IPython.display", "LiveLossCurve", "ipython", "IPython")
        self.every = check_count("every", every)

    def on_fit_begin(self, net, history):
        self._handle: Any = None
        self._failed = False

    def on_epoch_end(self, net, history):
        if self._handle is None or history.n_epochs % self.every == 0:
            self._draw(history)

    def on_fit_end(self, net, history):
        self._draw(history)
        if self._handle is not None:
            with showing("the loss curve", self._give_up):
                _show_as_text(history)
        del self._handle

    def _draw(self, history):
        from IPython.display import display

        if self._failed:
            return
        with showing("the loss curve", self._give_up):
            if self._handle is not None:
                self._handle.update(history)
            elif history.stopped_by is None:  # None outside of a notebook
                self._handle = display(history, display_id=True)

    def _give_up(self):
        self._failed = True

    def __repr__(self):
        return f"LiveLossCurve(every={self.every})"


def _show_as_text(history):
    """Until the end of the notebook's cell, show the history without its curve."""
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None:
        return
    formatter = shell.display_formatter.formatters["text/html"]

    def html(shown):
        return None if shown is history else shown._repr_html_()

    def restore(*_):
        formatter.pop(History, None)
        shell.events.unregister("post_run_cell", restore)

    formatter.for_type(History, html)
    shell.events.register("post_run_cell", restore)
