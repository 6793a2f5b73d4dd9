"""Ctrl-C heard at once but answered where everything is consistent."""

import signal
import threading


class Deferred:
    """A ``with`` block that a Ctrl-C does not break into: `on_press` is called at once, the KeyboardInterrupt comes at the end.

    Python raises KeyboardInterrupt between any two lines, so a block that must be done wholly or not at all, such as an update
    of weights and of what is known about it, cannot just catch it. Blocks may be nested: the outermost answers. Signals
    reach only the main thread; elsewhere, and where SIGINT is ignored, this does nothing.
    """

    def __init__(self, on_press):
        self._on_press, self._previous, self.pressed = on_press, None, False

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            previous = signal.getsignal(signal.SIGINT)
            if callable(previous):
                self._previous = previous
                signal.signal(signal.SIGINT, self._press)
        return self

    def _press(self, signum, frame):
        self.pressed = True
        self._on_press()

    def __exit__(self, *exc):
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            if self.pressed:
                self._previous(signal.SIGINT, None)
