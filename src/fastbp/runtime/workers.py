"""Threads that wait for something to do, and their end."""

import mmap
import os
import queue
import threading
from contextlib import suppress

from .cpus import current_cpu
from .signals import DeferSignals

HEARING = 0.05  # seconds
# bytes: eight megabytes of stack, and up to 128 that glibc reserves for a new thread's small
# objects
ROOM = 160 << 20


def start_thread(thread):
    """Start a thread, if there is room for its stack and what its allocator sets aside.

    Room is looked for first, as Python waits for ever for a thread that dies of too little memory
    before its first line.

    Raises
    ------
    MemoryError
        Where there is none, or one thread more is not allowed.
    """
    try:
        with mmap.mmap(-1, ROOM):  # address space, which nobody touches
            pass
        thread.start()
    except (OSError, RuntimeError) as error:
        raise MemoryError(
            "too little memory for one more thread, or none more is allowed"
        ) from error


class WorkerGroup:
    """Threads that are started when they are needed and live until they are ended.

    Parameters
    ----------
    members : int
        At most, with the caller, who may be the first.
    """

    def __init__(self, members):
        self._threads: list[Worker] = []
        self._cpus = [-1] * members  # on which each member of this run began

    def rest(self):
        """Have nobody stay in a kernel any longer."""

    def end(self):
        """End the threads, and let go of them here: where an object is freed outside of such a
        block, Python loses what a signal's handler raises in its finalizer or in a callback of its
        weak references."""
        with DeferSignals(lambda: None):
            self.rest()
            _dismiss(self._threads)
            while self._threads:
                self._threads.pop().join()
            self._threads = []

    def start(self, threads):
        """Have so many threads ready, so that what comes next can be timed.

        Raises
        ------
        MemoryError
            See `start_thread`.
        """
        if threads and not self._threads:
            self._threads = _Dismissed()
        while len(self._threads) < threads:
            thread = Worker()
            start_thread(thread)
            self._threads.append(thread)

    def _errors(self):
        """Wait until nobody is at work. Returns the first error that a member has met with since
        the last time."""
        errors = [error for thread in self._threads if (error := thread.result())]
        return errors[0] if errors else None

    def _apart(self, member):
        """Leave a CPU on which another member was woken for a free one, from where the system may
        move it as it likes.

        Some schedulers pack threads that have slept on few CPUs and are slow to spread them when
        they turn out to be busy: two members then took 50 ms for 10,000 rows of 784-256-128-10 that
        take 26 on two CPUs, and twenty times as long for small steps.
        """
        if current_cpu is None:
            return
        cpu, self._cpus[member] = current_cpu(), -1
        taken, self._cpus[member] = cpu in self._cpus, cpu
        if not taken:
            return
        allowed = os.sched_getaffinity(0)  # of this thread
        if free := sorted(allowed.difference(self._cpus)):
            self._cpus[member] = free[member % len(free)]
            with suppress(OSError):
                os.sched_setaffinity(0, {self._cpus[member]})
                os.sched_setaffinity(0, allowed)


def _dismiss(threads):
    for thread in threads:
        thread.inbox.put(None)


class _Dismissed(list):
    """Threads that end when nobody has the list any more, as that of a team which an exception
    between two lines has let go."""

    def __del__(self):
        _dismiss(self)


class Worker(threading.Thread):
    """A thread that does what it finds in its inbox until it finds None.

    Queues that are locks in C, not the conditions of the `threading` module: an exception that a
    signal's handler raises in the middle of one of those can leave it broken.
    """

    def __init__(self):
        super().__init__(name="fastbp", daemon=True)
        self.inbox: queue.SimpleQueue = queue.SimpleQueue()
        self._finished: queue.SimpleQueue = queue.SimpleQueue()
        self._given = self._done = 0  # tasks: written by who gives them, and by the thread
        self._error: BaseException | None = None

    def give(self, task):
        """A task to do, after those that it has."""
        self._finished = queue.SimpleQueue()
        self._given += 1  # no signal is heard before the next line is done
        self.inbox.put(task)

    def at_work(self):
        """Whether it has a task that it has not ended."""
        return self._done != self._given

    def result(self):
        """The error that the last task has ended with, or None. Waits until it has ended.

        Not every system wakes a waiting thread for a signal: it looks up often.
        """
        while self.at_work():
            with suppress(queue.Empty):
                self._finished.get(timeout=HEARING)
        error, self._error = self._error, None
        return error

    def run(self):
        while (task := self.inbox.get()) is not None:
            self._error = None
            try:
                task()
            except BaseException as error:
                self._error = error
            del task  # and with it the arrays of this run, while the thread waits for the next
            self._done += 1
            self._finished.put(None)
