"""Threads that help the calls of `fastbp.functional`: they stay in a compiled loop for a moment,
where a kernel calls them.

There is one set of them for the process, made by the first call that can use it. Which call has
them is settled between the kernels themselves (kernels/standby.py), so no exception between two
lines of Python can leave them taken; who finds them taken goes on alone. An entry point returns
when no helper looks at its arrays any more, so what a signal's handler raises finds none at work.
"""

import math
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from ..kernels import spin_pool as kernel
from .cpus import MOMENT, available_cpus, current_cpu
from .signals import DeferSignals
from .team import MAX_THREADS
from .workers import WorkerGroup

# seconds between two calls of a loop, at most: half of what helpers wait for another
FOLLOWING = 1e-4
# Seconds without helpers after one was found away, at first and at most; and how soon that must
# happen again for the next time to be twice as long. Where other programs need the cores a helper
# loses its own every few milliseconds, now and then in the middle of its work, and is waited for as
# long; on cores of their own that happens some ten times a second.
ALONE, ALONE_AT_MOST, SOON = 0.0001, 0.64, 0.005


class SpinPool(WorkerGroup):
    """The threads, and the block at which they and a kernel meet."""

    def __init__(self):
        super().__init__(MAX_THREADS)
        self.block = kernel.new_block(MAX_THREADS - 1)
        self._address = self.block.ctypes.data
        self._lock = threading.RLock()  # over the threads; a signal's handler may need it again
        self._cpus_known, self._cpus_until = 1, -math.inf
        # helpers found away; how long, until when alone
        self._lost, self._alone, self._alone_until = 0, ALONE, -math.inf
        # when the last call ended, if it had fewer members than could have paid
        self._missed = -math.inf

    def at_most(self, members):
        """So many, or as many as there are CPUs: to ask for that takes as long as a small call."""
        if time.perf_counter() > self._cpus_until:
            self._cpus_known, self._cpus_until = available_cpus(), time.perf_counter() + MOMENT
        return min(members, self._cpus_known)

    def run(self, entry, args, members, wait):
        """See `helped`."""
        now = time.perf_counter()
        if members == 1 or now < self._alone_until:
            entry(*args, 0, 1)
            return
        if wait:
            self._wake(members - 1)
            kernel.wait_for_workers(self._address, members - 1, kernel.WAKE_SPINS)
        elif now - self._missed < FOLLOWING:
            self._wake(members - 1)
        if entry(*args, self._address, members) == members:
            self._missed = -math.inf
        else:
            self._missed = time.perf_counter()
            if self.block[kernel.PREEMPTED] != self._lost:
                self._stay_alone(self._missed)

    def _stay_alone(self, now):
        """Call nobody for a while, twice as long as the last time if that has just passed."""
        again = now - self._alone_until < SOON
        self._alone = min(2 * self._alone, ALONE_AT_MOST) if again else ALONE
        self._lost, self._alone_until = self.block[kernel.PREEMPTED], now + self._alone
        self._note_cpu()

    def _note_cpu(self):
        """Where the caller is, for helpers to part from it."""
        if current_cpu is not None:
            self._cpus[0] = current_cpu()

    def _wake(self, helpers):
        """Have so many in their loop soon; fewer where there is no room for another thread."""
        if len(self._threads) >= helpers and all(
            thread.at_work() for thread in self._threads[:helpers]
        ):
            return
        # compiled here and now, where Ctrl-C is heard
        kernel.worker_loop(0, 0), kernel.wait_for_workers(0, 0, 0)
        with DeferSignals(lambda: None), self._lock:
            with suppress(MemoryError):
                self.start(helpers)
            self.block[kernel.STAY], self.block[kernel.N_WORKERS] = 1, len(self._threads)
            self._note_cpu()
            for number, thread in enumerate(self._threads[:helpers]):
                if not thread.at_work():
                    thread.give(self._part(number))
        kernel.wait_for_workers(self._address, helpers, kernel.HANDOFF_SPINS)

    def _part(self, number):
        def work():
            lost = True
            while lost and self.block[kernel.STAY]:
                self._apart(number + 1)
                lost = kernel.worker_loop(self.block.ctypes.data, number)

        return work

    def rest(self):
        self.block[kernel.STAY] = 0

    def end(self):
        with self._lock:
            super().end()


_helpers: SpinPool | None = None


def _the_helpers():
    global _helpers
    if _helpers is None:
        _helpers = SpinPool()
    return _helpers


def at_most(members: int) -> int:
    """How many of so many members there may be."""
    return _the_helpers().at_most(members)


def run_shared(entry: Callable[..., int], args: tuple, members: int, wait: bool = False) -> None:
    """Call ``entry(*args, block, members)`` with the help of threads that stand by, at most so many
    members with the caller.

    There are fewer where a thread does not answer at once, and just the caller where none stands
    by; then, if calls follow each other, they are woken for the next. For a while after a thread
    has lost its core nobody is called.

    Parameters
    ----------
    entry : callable
        A compiled entry point that returns how many members it had.
    args : tuple
    members : int
        What `at_most` has said.
    wait : bool, default False
        Whether to wake the threads for this very call, which takes 0.15 ms.
    """
    _the_helpers().run(entry, args, members, wait)


def end_spin_pool():
    """End the threads; the next call that can use some starts others."""
    if _helpers is not None:
        _helpers.end()


def _forget():
    """In a forked process, which has the memory but not the threads, and where another's call may
    have been at work."""
    global _helpers
    _helpers = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=end_spin_pool, after_in_child=_forget)
