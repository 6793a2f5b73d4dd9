"""Ctrl-C, and other signals whose handlers raise, heard at once but answered where everything is
consistent."""

# the same functions without enumerations around them, which took 15 of a small epoch's 50 µs
import _signal
import signal
import threading
from typing import ClassVar

# Those that end a program, or a part of it, by an exception where somebody has given them a handler
# in Python: sys.exit on SIGTERM, a time-out on SIGALRM, a batch system's notice on SIGUSR1.
NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2")
SIGNALS = [int(getattr(signal, name)) for name in NAMES if hasattr(signal, name)]


class DeferSignals:
    """A ``with`` block that no signal's handler breaks into: what one raises in it comes out at the
    block's end.

    Python runs handlers between any two lines, so a block that must be done wholly or not at all,
    such as an update of weights and of what is known about it, cannot just catch what they raise.
    Handlers are run at once; where one raises, `on_press` is called at once too, so that the end is
    near. Blocks may be nested: what is raised comes out of the outermost. Handlers run in the main
    thread only; elsewhere this does nothing.
    """

    _outermost: ClassVar["DeferSignals | None"] = None

    def __init__(self, on_signal):
        self._on_signal, self._around, self._handlers = [on_signal], None, {}
        self._raised: BaseException | None = None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._around = DeferSignals._outermost
            if self._around is not None:
                self._around._on_signal += self._on_signal
            else:
                self._replace_handlers()
        return self

    def _replace_handlers(self):
        try:
            for number in SIGNALS:
                handler = _signal.getsignal(number)
                if callable(handler):
                    self._handlers[number] = handler
                    _signal.signal(number, self._handle)
            DeferSignals._outermost = self  # from here on nothing comes out
        except BaseException:
            self._put_back()
            raise

    def _put_back(self):
        try:
            self._put_each_back()
        except BaseException:  # of one that was back already, before the others were
            self._put_each_back()
            raise

    def _put_each_back(self):
        for number, handler in self._handlers.items():
            _signal.signal(number, handler)

    def _handle(self, number, frame):
        """In the place of a handler; outside of the block, where a signal came while they were
        changed, as if it were that."""
        try:
            self._handlers[number](number, frame)
        except BaseException as error:
            if DeferSignals._outermost is not self:
                raise
            self._raised = self._raised or error
            for on_signal in self._on_signal:
                on_signal()

    def __exit__(self, *exc):
        if self._around is not None:
            self._around._on_signal.pop()
        elif DeferSignals._outermost is self:
            try:
                self._put_back()
            finally:
                DeferSignals._outermost = None
                if self._raised is not None:
                    raise self._raised
