"""Dispatches the events of a fit to its callbacks, and names the callback in any exception it
raises."""

import numpy as np

from ..base.error_context import error_context
from ..base.validation import check_flag
from ..callbacks.base import Callback
from ..history import progress_text


class _Function(Callback):
    """A callable (net, history) as a callback at the end of each epoch."""

    def __init__(self, function):
        self._function = function

    def on_epoch_end(self, net, history):
        return self._function(net, history)

    def __repr__(self):
        return repr(self._function)


def as_callbacks(callbacks):
    """A list of Callbacks from one or several, each a Callback or a callable (net, history)."""
    single = isinstance(callbacks, Callback) or callable(callbacks) or not np.iterable(callbacks)
    each = [callbacks] if single else list(callbacks)
    for callback in each:
        if isinstance(callback, type) and issubclass(callback, Callback):
            raise TypeError(
                f"callbacks must be Callback objects, got the class {callback.__name__}: "
                f"write {callback.__name__}()"
            )
        if not (isinstance(callback, Callback) or callable(callback)):
            raise TypeError(
                f"callbacks must be Callback objects or callables (net, history), got {callback!r}"
            )
    return [
        callback if isinstance(callback, Callback) else _Function(callback) for callback in each
    ]


def check_same_callbacks(callbacks, states):
    """Check that the callbacks that keep a state are of the types in a checkpoint's `states`."""
    given = [
        type(callback).__name__ for callback in callbacks if overrides(callback, "checkpoint_state")
    ]
    wanted = [name for name, _ in states]
    if given != wanted:
        raise ValueError(
            "callbacks must have those of the run that is resumed whose state was kept: "
            f"{wanted}, got {given}"
        )


class CallbackList:
    """The callbacks of one fit, in order; hooks that are not overridden are not called.

    Parameters
    ----------
    callbacks : list of Callback
    net : MLP
    history : History
    """

    def __init__(self, callbacks, net, history):
        self._callbacks = callbacks
        self._net = net
        self._history = history
        self._n_begun = 0
        self._on_step_end = [each for each in callbacks if overrides(each, "on_step_end")]
        self._on_epoch_end = [each for each in callbacks if overrides(each, "on_epoch_end")]

    @property
    def has_hooks(self):
        """Whether a callback is called after steps or epochs."""
        return bool(self._on_step_end or self._on_epoch_end)

    def begin(self, states=None):
        """Call ``on_fit_begin``, or with the `states` of a checkpoint ``on_fit_resume``."""
        kept = iter(states or [])
        for callback in self._callbacks:
            if states is None:
                self._call(callback, "on_fit_begin", self._net, self._history)
            else:
                state = next(kept)[1] if overrides(callback, "checkpoint_state") else {}
                self._call(callback, "on_fit_resume", self._net, self._history, state)
            self._n_begun += 1

    def states(self):
        """Pairs (name of the type, state) of the callbacks that keep a state."""
        return [
            (type(callback).__name__, self._call(callback, "checkpoint_state"))
            for callback in self._callbacks
            if overrides(callback, "checkpoint_state")
        ]

    def step_ended(self):
        self._call_and_stop(self._on_step_end, "on_step_end")

    def epoch_ended(self):
        self._call_and_stop(self._on_epoch_end, "on_epoch_end")

    def end(self):
        """Call ``on_fit_end`` of all callbacks that were begun, even if one raises. Returns the
        exceptions."""
        errors = []
        for callback in self._callbacks[: self._n_begun]:
            try:
                self._call(callback, "on_fit_end", self._net, self._history)
            except Exception as error:
                errors.append(error)
        return errors

    def _call_and_stop(self, callbacks, hook):
        for callback in callbacks:
            with self._context(callback, hook):
                stop = getattr(callback, hook)(self._net, self._history)
                stop = stop is not None and check_flag(
                    "what a callback returns, if not None,", stop
                )
            if stop and self._history.stopped_by is None:
                self._history.stopped_by = "callback"

    def _call(self, callback, hook, *arguments):
        with self._context(callback, hook):
            return getattr(callback, hook)(*arguments)

    def _context(self, callback, hook):
        done = f"after {progress_text(self._history)}"
        return error_context(f"the callback {callback!r} in {hook}, {done}")


def overrides(callback, hook):
    """Whether the callback's class overrides the hook."""
    return getattr(getattr(callback, hook), "__func__", None) is not getattr(Callback, hook)
