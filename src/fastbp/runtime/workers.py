"""Threads that sleep until there is a task for them."""

import mmap
import queue
import sys
import threading
from collections.abc import Callable

# A thread's stack takes 8 MB of address space, and glibc reserves up to 128 MB more for its small
# objects. On Windows the stack takes 1 MB, and a mapping is committed memory, not address space.
THREAD_BYTES = 1 << 20 if sys.platform == "win32" else 160 << 20


def start_thread(thread: threading.Thread) -> None:
    """Start a thread if there is enough address space for it.

    Python waits for ever for a thread that runs out of memory before its first line, so the space
    is checked first.

    Raises
    ------
    MemoryError
        If there is too little memory, or the system allows no more threads.
    """
    try:
        with mmap.mmap(-1, THREAD_BYTES):  # reserved, never touched
            pass
        thread.start()
    except (OSError, RuntimeError) as error:
        raise MemoryError(
            "too little memory for one more thread, or none more is allowed"
        ) from error


class Worker(threading.Thread):
    """A thread that runs the tasks in its inbox until it finds None.

    The inbox is a lock in C. A condition of the `threading` module can be left broken by an
    exception that a signal's handler raises within it.
    """

    def __init__(self) -> None:
        super().__init__(name="fastbp", daemon=True)
        self.inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._submitted = 0  # tasks, written by the thread that submits them
        self._done = 0  # tasks, written by this thread

    def submit(self, task: Callable[[], None]) -> None:
        """Add a task to the inbox."""
        self._submitted += 1  # no signal's handler runs between this line and the next
        self.inbox.put(task)

    @property
    def busy(self) -> bool:
        """Whether a submitted task has not ended."""
        return self._done != self._submitted

    def run(self) -> None:
        while (task := self.inbox.get()) is not None:
            task()
            self._done += 1
