"""The protocol of callbacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..history import History
    from ..mlp import MLP


class Callback:
    """Subclass it and override the hooks that you want; one that is not overridden costs nothing.

    All are called with the net and the history of the fit that is running, which agree with each
    other: the net holds the weights of its last whole step, and the history all steps and epochs up
    to it. An error in a hook stops the training and comes out of ``fit`` with a note that names the
    callback; the net stays usable.

    Examples
    --------
    >>> import fastbp
    >>> class WeightDecayWatch(fastbp.callbacks.Callback):
    ...     def on_epoch_end(self, net, history):
    ...         return abs(net.weights[0]).max() < 1e-3  # True stops
    """

    def on_fit_begin(self, net: MLP, history: History) -> object:
        """Before the first step."""

    def on_step_end(self, net: MLP, history: History) -> object:
        """After each step; True stops. Overridden, it has the kernels called for one step at a
        time, not for a whole epoch."""

    def on_epoch_end(self, net: MLP, history: History) -> object:
        """After each epoch, its validation loss taken; True stops."""

    def on_fit_end(self, net: MLP, history: History) -> object:
        """At the end, however it came about: ``history.stopped_by`` says how."""

    def checkpoint_state(self) -> Mapping[str, Any]:
        """What a checkpoint has to hold of it: None, numbers, text and arrays of float32 or
        float64, by names.

        Called at an end of a step or an epoch. Overridden, the fit can only be resumed with a
        callback of this type in its place among those that do.
        """
        return {}

    def on_fit_resume(self, net: MLP, history: History, state: Mapping[str, Any]) -> object:
        """In the place of `on_fit_begin` where a fit goes on from a checkpoint: with what
        `checkpoint_state` gave, or {}.

        The history is that of the steps and epochs so far.
        """
        return self.on_fit_begin(net, history)
