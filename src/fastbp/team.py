"""Threads for the kernels' team: how many, and running them so that Ctrl-C is heard."""

import ctypes
import math
import mmap
import os
import queue
import threading
import time
from contextlib import suppress

from .cpus import available_cpus
from .interrupts import Deferred
from .kernels import team as kernel
from .validation import check_count

# Multiply-adds of a step that are worth one more thread: two threads break even with one near half of this.
WORK_PER_THREAD = 500_000
MAX_THREADS = 1024
HEARING = 0.05  # seconds
STAYING = 1e-4  # seconds for which members stay at least, see `kernels.team.PATIENCE`
ROOM = 160 << 20  # bytes: eight megabytes of stack, and up to 128 that glibc reserves for a new thread's small objects
_current_cpu = getattr(ctypes.CDLL(None), "sched_getcpu", None) if hasattr(os, "sched_setaffinity") else None  # Linux has both


def team_size(n_threads, work):
    """Threads for `work` multiply-adds: the caller's choice, or as many as can pay; none that would have to share a CPU.

    Eight on two CPUs took 12 times as long as two for 64-100-10 in batches of 32, 1.7 times for 784-256-128-10 in 128.
    """
    wanted = max(1, work // WORK_PER_THREAD) if n_threads is None else check_count("n_threads", n_threads, most=MAX_THREADS)
    return wanted if wanted == 1 else min(wanted, available_cpus())


def team_sizes(n_threads, work):
    """Candidates for steps of `work` multiply-adds: the caller's choice, or all that can pay, then half as many, down to 1."""
    sizes = [team_size(n_threads, work)]
    while n_threads is None and sizes[-1] > 1:
        sizes.append(sizes[-1] // 2)
    return sizes


def start_thread(thread):
    """Start a thread, if there is room for its stack and what its allocator sets aside.

    Room is looked for first, as Python waits for ever for a thread that dies of too little memory before its first line.

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
        raise MemoryError("too little memory for one more thread, or none more is allowed") from error


class Team:
    """A team of threads, until it is ended.

    A signal is handled by the main thread between two Python instructions, so in runs that may be long the main thread only
    waits while others compute.

    Parameters
    ----------
    members : int
        At most.
    """

    def __init__(self, members):
        self._threads: list[_Member] = []
        self.members, self.sync = members, kernel.new_sync(members)
        self.stopping = False
        self._runs, self._ended = 0, -math.inf  # that the caller led, and when the last one ended
        self._cpus = [-1] * members  # on which each member of this run began

    def end(self):
        """End the threads, and let go of them here: where an object is freed outside of such a block, Python loses what a
        signal's handler raises in its finalizer or in a callback of its weak references."""
        with Deferred(lambda: None):
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
            thread = _Member()
            start_thread(thread)
            self._threads.append(thread)

    def stop(self):
        """Ask the members to stop after the step that they are at, or after the first step of the next run."""
        self.stopping = True
        self.sync[kernel.STOP] = 1

    def run(self, task, members, short=True):
        """Call ``task(member, members)`` for each of so many members, side by side.

        There are fewer where CPUs have been taken away meanwhile: two on one took five times as long as one.
        On Ctrl-C the team stops after its step, then the KeyboardInterrupt comes.

        Parameters
        ----------
        task : callable
            Its kernel says `begin_run` and `end_run`.
        members : int
        short : bool
            Whether it is over so soon that Ctrl-C can wait for its end. Then the caller is the first member, and the others
            stay in the kernel for a moment, where the next task finds them awake; until they leave it they keep this one's
            arrays. Otherwise the caller only waits, if it is the thread that hears Ctrl-C.
        """
        members = self._begin(members)
        led = short or threading.current_thread() is not threading.main_thread()
        if led and members == 1:
            task(0, 1)
            return
        with Deferred(self.stop):
            try:
                error = self._led(task, members) if led else self._watched(task, members)
            except BaseException:  # of a handler whose signal is not deferred, or of the caller's part
                self._abandon()
                raise
        if error is not None:
            raise error

    def _led(self, task, members):
        """A run with the caller as its first member. Returns the first error that another has met with."""
        self.start(members - 1)
        self._runs += 1
        self.sync[kernel.RUN] = self._runs
        if _current_cpu is not None:
            self._cpus[0] = _current_cpu()
        for member in range(1, members):
            self._threads[member - 1].give(self._part(task, member, members))
        task(0, members)
        if self.sync[kernel.ARRIVED] >= kernel.RELEASED:
            return self._abandon()
        self._ended = time.perf_counter()
        return None

    def _watched(self, task, members):
        """A run that the caller waits for. Returns the first error that a member has met with."""
        self.rest()
        self.start(members)
        for member in range(members):
            self._threads[member].give(self._part(task, member, members))
        return self._errors()

    def awake(self):
        """Whether members are likely to be in a kernel still, after a run that the caller led."""
        return time.perf_counter() - self._ended < STAYING

    def rest(self):
        """Have nobody stay in a kernel any longer."""
        self.sync[kernel.BELL], self._ended = 0, -math.inf

    def settle(self):
        """Have nobody keep an array of an earlier task."""
        self.rest()
        self._errors()

    def _begin(self, members):
        """How many members there are for a run, of which nothing has happened yet."""
        if members > 1:
            members = min(members, available_cpus())
            self._cpus = [-1] * self.members
        self.sync[: kernel.BELL] = 0
        self.sync[kernel.STOP] = self.stopping  # asked for since the last run, between two lines of Python
        self.sync[kernel.MEMBERS] = members
        return members

    def _abandon(self):
        """Leave no member at work on arrays that the caller has back. Returns the first error that one has met with."""
        self._release()
        self.rest()
        return self._errors()

    def _errors(self):
        """Wait until nobody is at work. Returns the first error that a member has met with since the last time."""
        errors = [error for thread in self._threads if (error := thread.result())]
        return errors[0] if errors else None

    def _part(self, task, member, members):
        """What a member's thread does of a task."""

        def work():
            try:
                if members > 1 and _current_cpu is not None:
                    self._apart(member, _current_cpu())
                task(member, members)
            except BaseException:
                self._release()
                raise

        return work

    def _apart(self, member, cpu):
        """Leave a CPU on which another member was woken for a free one, from where the system may move it as it likes.

        Some schedulers pack threads that have slept on few CPUs and are slow to spread them when they turn out to be busy: two
        members then took 50 ms for 10,000 rows of 784-256-128-10 that take 26 on two CPUs, and twenty times as long for small
        steps.
        """
        taken, self._cpus[member] = cpu in self._cpus, cpu
        if not taken:
            return
        allowed = os.sched_getaffinity(0)  # of this thread
        if free := sorted(allowed.difference(self._cpus)):
            self._cpus[member] = free[member % len(free)]
            with suppress(OSError):
                os.sched_setaffinity(0, {self._cpus[member]})
                os.sched_setaffinity(0, allowed)

    def _release(self):
        """Let the members pass their barriers, at which they would wait for ever for one that does not come, and stop."""
        self.sync[kernel.STOP], self.sync[kernel.ARRIVED] = 1, kernel.RELEASED


def _dismiss(threads):
    for thread in threads:
        thread.inbox.put(None)


class _Dismissed(list):
    """Threads that end when nobody has the list any more, as that of a team which an exception between two lines has let go."""

    def __del__(self):
        _dismiss(self)


class _Member(threading.Thread):
    """A thread that does what it finds in its inbox until it finds None.

    Queues that are locks in C, not the conditions of the `threading` module: an exception that a signal's handler raises in the
    middle of one of those can leave it broken.
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

    def result(self):
        """The error that the last task has ended with, or None. Waits until it has ended.

        Not every system wakes a waiting thread for a signal: it looks up often.
        """
        while self._done != self._given:
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
