"""The callbacks of one fit: which hook of which is to be called, and whose fault it is if that
fails."""

import numpy as np

from ..base.error_context import error_context
from ..callbacks.base import Callback


class _Function(Callback):
    """A plain callable (net, history), called after every epoch."""

    def __init__(self, function):
        self._function = function

    def on_epoch_end(self, net, history):
        return self._function(net, history)

    def __repr__(self):
        return repr(self._function)


def as_callbacks(callbacks):
    """One callback or several, each a Callback or a callable (net, history), as a list of
    Callbacks."""
    single = isinstance(callbacks, Callback) or callable(callbacks) or not np.iterable(callbacks)
    each = [callbacks] if single else list(callbacks)
    for callback in each:
        if isinstance(callback, type) and issubclass(callback, Callback):
            raise TypeError(
                f"callbacks must be Callback objects, got the class {callback.__name__}: write {callback.__name__}()"
            )
        if not (isinstance(callback, Callback) or callable(callback)):
            raise TypeError(
                f"callbacks must be Callback objects or callables (net, history), got {callback!r}"
            )
    return [
        callback if isinstance(callback, Callback) else _Function(callback) for callback in each
    ]


def check_same_callbacks(callbacks, states):
    """Refuse callbacks that cannot take up the states that a checkpoint has kept."""
    given = [
        type(callback).__name__ for callback in callbacks if overrides(callback, "checkpoint_state")
    ]
    wanted = [name for name, _ in states]
    if given != wanted:
        raise ValueError(
            f"callbacks must have those of the run that is resumed whose state was kept: {wanted}, got {given}"
        )


class CallbackList:
    """The hooks that are overridden, in the callbacks' order.

    Parameters
    ----------
    callbacks : list of Callback
    net : MLP
    history : History
    """

    def __init__(self, callbacks, net, history):
        self._callbacks, self._arguments, self._history = callbacks, (net, history), history
        self._begun = 0
        self.on_step_end = [
            callback for callback in callbacks if overrides(callback, "on_step_end")
        ]
        self._on_epoch_end = [
            callback for callback in callbacks if overrides(callback, "on_epoch_end")
        ]

    @property
    def listening(self):
        """Whether anybody is told of steps or epochs."""
        return bool(self.on_step_end or self._on_epoch_end)

    def begin(self, states=None):
        """Begin, or go on with what a checkpoint has kept of the callbacks that keep a state, in
        their order."""
        kept = iter(states or [])
        for callback in self._callbacks:
            if states is None:
                self._call(callback, "on_fit_begin")
            else:
                state = next(kept)[1] if overrides(callback, "checkpoint_state") else {}
                self._call(callback, "on_fit_resume", state)
            self._begun += 1

    def states(self):
        """The type and the state of each callback that keeps one."""
        kept = [callback for callback in self._callbacks if overrides(callback, "checkpoint_state")]
        return [
            (type(callback).__name__, self._call(callback, "checkpoint_state", alone=True))
            for callback in kept
        ]

    def step_ended(self):
        for callback in self.on_step_end:
            self._call_and_stop(callback, "on_step_end")

    def epoch_ended(self):
        for callback in self._on_epoch_end:
            self._call_and_stop(callback, "on_epoch_end")

    def end(self):
        """Call on_fit_end of all that were begun, even where one fails; returns the errors."""
        errors = []
        for callback in self._callbacks[: self._begun]:
            try:
                self._call(callback, "on_fit_end")
            except Exception as error:
                errors.append(error)
        return errors

    def _call_and_stop(self, callback, hook):
        if self._call(callback, hook) is True and self._history.stopped_by is None:
            self._history.stopped_by = "callback"

    def _call(self, callback, hook, *more, alone=False):
        done = f"after {self._history.n_epochs} epochs and {len(self._history.batch_loss)} steps"
        with error_context(f"the callback {callback!r} in {hook}, {done}"):
            return getattr(callback, hook)(*([] if alone else self._arguments), *more)


def overrides(callback, hook):
    """Whether the callback has a hook of its own there."""
    return getattr(getattr(callback, hook), "__func__", None) is not getattr(Callback, hook)
