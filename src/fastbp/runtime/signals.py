"""Signals with handlers that raise, as that of Ctrl-C does: the handlers run at once, the exception
comes out where everything is consistent."""

# The same functions without enumerations around them, which took 15 of a small epoch's 50 us.
import _signal
import signal
import threading
from typing import ClassVar

# Signals that end a program, or a part of it, by an exception where the user has set a handler in
# Python: sys.exit on SIGTERM, a time-out on SIGALRM, the notice of a batch system on SIGUSR1.
# SIGBREAK is of Windows, for Ctrl-Break; of the others Windows has the first two.
NAMES = ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2")
SIGNALS = [int(getattr(signal, name)) for name in NAMES if hasattr(signal, name)]


class DeferSignals:
    """A ``with`` block that no signal's handler breaks into: an exception that one raises within
    the block comes out at its end.

    Python runs handlers between any two lines, so a block that must be done completely or not at
    all, such as an update of weights and of the record of it, cannot just catch the exception.
    Handlers run at once. After one has raised, `pending` is true, so that long work can end early.
    Blocks may be nested: the exception comes out of the outermost. Handlers run in the main thread
    only; in other threads this does nothing.
    """

    _outermost: ClassVar["DeferSignals | None"] = None

    def __init__(self) -> None:
        self._handlers: dict = {}
        self._raised: BaseException | None = None

    @staticmethod
    def pending() -> bool:
        """Whether an exception is to come out at the end of the block that this thread is in."""
        outermost = DeferSignals._outermost
        return (
            outermost is not None
            and outermost._raised is not None
            and threading.current_thread() is threading.main_thread()
        )

    def __enter__(self) -> None:
        if (
            DeferSignals._outermost is not None
            or threading.current_thread() is not threading.main_thread()
        ):
            return
        try:
            self._replace_each()
            DeferSignals._outermost = self  # from here on exceptions are deferred
        except BaseException:
            self._restore_handlers()
            raise

    # Methods, so that their callers catch what is raised between two handlers: Python 3.12 and
    # later leave a loop's jump back out of the `try` around it in some cases.
    def _replace_each(self) -> None:
        for number in SIGNALS:
            handler = _signal.getsignal(number)
            if callable(handler):
                self._handlers[number] = handler
                _signal.signal(number, self._handle)

    def _restore_handlers(self) -> None:
        try:
            self._restore_each()
        except BaseException:  # of a handler that was restored before the others
            self._restore_each()
            raise

    def _restore_each(self) -> None:
        for number, handler in self._handlers.items():
            _signal.signal(number, handler)

    def _handle(self, number, frame):
        """Replaces each handler. Outside of the block, for a signal that came while handlers were
        replaced, it does what that handler does."""
        try:
            self._handlers[number](number, frame)
        except BaseException as error:
            if DeferSignals._outermost is not self:
                raise
            self._raised = self._raised or error

    def __exit__(self, *exc) -> None:
        if DeferSignals._outermost is self:
            try:
                self._restore_handlers()
            finally:
                DeferSignals._outermost = None
                if self._raised is not None:
                    raise self._raised
