"""The loss curve in a notebook while training."""

from ..base.validation import check_count
from ..history import History


class LiveLossCurve:
    """A callback: the loss curve below a notebook's cell, drawn anew after every epoch or every
    few.

    It is the picture that a `History` shows of itself, and needs no Matplotlib but IPython.

    Parameters
    ----------
    every : int, default 1
        Epochs from one drawing to the next.

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
        try:
            from IPython.display import display
        except ImportError as error:
            raise ImportError("LiveLossCurve needs IPython: pip install ipython") from error
        self.every, self._display = check_count("every", every), display
        self._history: History | None = None

    def __call__(self, net: object, history: History) -> None:
        if history is not self._history:  # another fit: another picture
            self._history, self._handle = history, self._display(history, display_id=True)
        # None where there is no notebook
        elif history.n_epochs % self.every == 0 and self._handle is not None:
            self._handle.update(history)

    def __repr__(self):
        return f"LiveLossCurve(every={self.every})"
