"""The loss curve in a notebook while training."""

from typing import Any

from ..base.optional import require
from ..base.validation import check_count
from ..history import History


class LiveLossCurve:
    """A callback that draws the loss curve below a notebook's cell, again every `every` epochs.

    It is the drawing of `History` in a notebook, which needs IPython and no Matplotlib.

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
        ipython: Any = require("IPython.display", "LiveLossCurve", "ipython", "IPython")
        self.every = check_count("every", every)
        self._display = ipython.display
        self._history: History | None = None

    def __call__(self, net: object, history: History) -> None:
        if history is not self._history:  # a new fit gets a new drawing
            self._history = history
            self._handle = self._display(history, display_id=True)  # None outside of a notebook
        elif history.n_epochs % self.every == 0 and self._handle is not None:
            self._handle.update(history)

    def __repr__(self):
        return f"LiveLossCurve(every={self.every})"
