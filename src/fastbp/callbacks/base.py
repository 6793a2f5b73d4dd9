"""The base class of callbacks."""

import warnings
from collections.abc import Callable, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from ..history import History


@contextmanager
def showing(what: str, give_up: Callable[[], None]):
    """A ``with`` block that shows `what`: an exception in it ends no training, but becomes a
    warning behind the call of `give_up`, after which it should not be shown again."""
    try:
        yield
    except Exception as error:
        give_up()
        # The warning may be an error, or have no place to be shown either.
        with suppress(Exception):
            warnings.warn(
                f"{what} could not be shown, the training continues: {error!r}", stacklevel=3
            )


class Callback:
    """Base class of callbacks; a hook that is not overridden costs nothing.

    Hooks are called with `net`, the `MLP`, and the history of the running fit. Both agree: the net
    holds the weights after its last whole step, the history all steps and epochs up to it. An
    exception in a hook ends the training and is raised by ``fit`` with a note that names the
    callback; the net stays usable.

    Examples
    --------
    >>> import fastbp
    >>> class WeightDecayWatch(fastbp.callbacks.Callback):
    ...     def on_epoch_end(self, net, history):
    ...         return abs(net.weights[0]).max() < 1e-3  # True stops
    """

    def on_fit_begin(self, net: Any, history: History) -> object:
        """Before the first step.

        Parameters
        ----------
        net : MLP
        history : History
        """

    def on_step_end(self, net: Any, history: History) -> object:
        """After each step. If it is overridden, the kernels are called for one step at a time
        instead of a whole epoch.

        Parameters
        ----------
        net : MLP
        history : History

        Returns
        -------
        bool or None
            True stops the fit, NumPy's as well; anything else but a flag or None is an error.
        """

    def on_epoch_end(self, net: Any, history: History) -> object:
        """After each epoch and its validation loss.

        Parameters
        ----------
        net : MLP
        history : History

        Returns
        -------
        bool or None
            True stops the fit, NumPy's as well; anything else but a flag or None is an error.
        """

    def on_fit_end(self, net: Any, history: History) -> object:
        """At the end of the fit, for whatever reason; see ``history.stopped_by``.

        Parameters
        ----------
        net : MLP
        history : History
        """

    def checkpoint_state(self) -> Mapping[str, Any]:
        """The state that a checkpoint holds of the callback, for `on_fit_resume`.

        Called after a step or an epoch. If callbacks override it, the fit can only be resumed with
        callbacks of the same types, in the same order.

        Returns
        -------
        mapping of str to None, bool, int, float, str or ndarray of float32 or float64
        """
        return {}

    def on_fit_resume(self, net: Any, history: History, state: Mapping[str, Any]) -> object:
        """Instead of `on_fit_begin` if the fit continues from a checkpoint.

        Parameters
        ----------
        net : MLP
        history : History
            Of the steps and epochs so far.
        state : mapping
            What `checkpoint_state` returned, {} if it is not overridden.
        """
        return self.on_fit_begin(net, history)
