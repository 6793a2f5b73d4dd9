"""The process's thread pool: workers that spin in a compiled loop, where kernels call them.

There is one pool, made by the first call that can use it. Fits, predictions and the calls of
`fastbp.functional` share it. Kernels take it and give it back themselves (kernels/spin_pool.py), so
no exception between two lines of Python can leave it taken. A call that finds the pool taken by
another thread's call runs on one thread. An entry point returns when no worker reads its arrays any
more, so an exception that a signal's handler raises never leaves a worker at work.
"""

import math
import os
import sys
import threading
import time
import timeit
from contextlib import suppress
from functools import partial

from ..kernels import block as layout
from ..kernels.entries import Entry, spin, wait_for_workers, worker_loop
from .autotune import MAX_THREADS
from .cpus import QUOTA_SECONDS, available_cpus, current_cpu, environment_limit
from .signals import DeferSignals
from .workers import Worker, start_thread

# Multiply-adds of a call for which sleeping workers are woken, which takes 0.15 ms.
WAKE_MACS = 12_000_000
# Multiply-adds of a call that waits for layout.PAUSE_SECONDS for a worker that has lost its CPU, a
# tenth of what it then takes without the worker. Shorter calls wait in proportion, at least half as
# long: many times what a worker that has a CPU takes to answer.
MACS_PER_PAUSE = 7_500_000
# Turns of a spin loop that are timed together, and how often: the fastest round counts, as another
# program may have the CPU in one.
TIMED_SPINS = 100
TIMED_ROUNDS = 10
# Yields, each a system call, of a caller that waits for workers that it has woken: half a
# millisecond, several times what that takes where a CPU is free; or a short time, in which the
# system can move them off its CPU.
WAKE_YIELDS = 2000
HANDOFF_YIELDS = 20
# Calls at most this far apart are a loop, for which workers are woken: half as long as workers wait
# for another call.
LOOP_GAP_SECONDS = 1e-4
# Exponential back-off after a worker was preempted: initial and maximum time without workers, and
# the window in which another preemption doubles it. Where other programs need the CPUs, a worker
# loses its own every few milliseconds, now and then within a task, and the caller waits for as
# long. On idle CPUs that happens some ten times a second. A call that stalled is followed by twice
# as long without workers, so that a caller beside busy processes loses a bounded share of its time.
BACKOFF_SECONDS = 1e-4
MAX_BACKOFF_SECONDS = 0.64
BACKOFF_WINDOW_SECONDS = 0.005
STALL_RATIO = 2


class SpinPool:
    """Worker threads, and the block of memory through which kernels call them."""

    def __init__(self) -> None:
        self.block = layout.new_block(MAX_THREADS - 1)
        self.workers: list[Worker] = []
        self._address = self.block.ctypes.data
        self._cpus: dict[int, int] = {}  # of the caller, thread 0, and of workers in their loop
        self._lock = threading.RLock()  # of `workers`; a signal's handler may need it again
        self._set_spins(layout.PAUSE_SPINS)
        self._is_timed = False
        self._available_cpus = 1
        self._default_limit: float = 1
        self._cpus_known_until = -math.inf
        self._preempted = 0  # as of the last back-off
        self._backoff = BACKOFF_SECONDS
        self._alone_until = -math.inf
        self._short_call = -math.inf  # end of the last call, if it had too few threads

    def _set_spins(self, spins: int) -> None:
        """Set the limits of waiting loops, where `spins` turns take layout.PAUSE_SECONDS."""
        self.block[layout.PAUSE_LIMIT] = spins
        self._ack_spins = max(1, spins // 2)
        self._macs_per_spin = max(1, MACS_PER_PAUSE // spins)

    def _time_spins(self) -> None:
        """Measure how many turns of a spin loop take layout.PAUSE_SECONDS on this processor."""
        rounds = timeit.repeat(partial(spin, TIMED_SPINS), number=1, repeat=TIMED_ROUNDS)
        self._set_spins(max(1, round(layout.PAUSE_SECONDS * TIMED_SPINS / min(rounds))))
        self._is_timed = True

    def max_threads(self, n_threads: int, is_default: bool = False) -> int:
        """`n_threads`, or as many as there are CPUs, and by default as the environment allows: to
        count these takes as long as a small call."""
        now = time.perf_counter()
        if now > self._cpus_known_until:
            self._available_cpus = available_cpus()
            self._default_limit = min(self._available_cpus, environment_limit())
            self._cpus_known_until = now + QUOTA_SECONDS
        return int(min(n_threads, self._default_limit if is_default else self._available_cpus))

    def run(
        self,
        entry: Entry,
        args: tuple,
        n_threads: int,
        macs: int = 0,
        stall_seconds: float = math.inf,
    ) -> None:
        """Call ``entry(*args, block, n_threads)``, which shares its work with the pool's workers.

        There are fewer threads where a worker does not answer at once, and only the caller where
        all sleep. If calls follow each other in a loop, the workers are woken for the next one.
        After a worker was preempted, or a call stalled, calls run on one thread for a while.

        Parameters
        ----------
        entry : Entry
            An entry point that returns the number of threads that took part.
        args : tuple
        n_threads : int
            At most, as limited by `max_threads`.
        macs : int, default 0
            Multiply-adds of the call. From WAKE_MACS on, sleeping workers are woken for it.
        stall_seconds : float, optional
            The call takes longer only where a thread of it has lost its CPU.
        """
        entry.load(args)  # before the time is taken
        start = time.perf_counter()
        if n_threads == 1 or start < self._alone_until:
            entry.call(*args, 0, 1)
            return
        self.block[layout.ACK_LIMIT] = max(self._ack_spins, macs // self._macs_per_spin)
        if macs >= WAKE_MACS:
            self._wake(n_threads - 1)
            wait_for_workers(self._address, n_threads - 1, WAKE_YIELDS)
        elif start - self._short_call < LOOP_GAP_SECONDS:
            self._wake(n_threads - 1)
        is_short = entry.call(*args, self._address, n_threads) < n_threads
        now = time.perf_counter()
        self._short_call = now if is_short else -math.inf
        if now - start > stall_seconds:
            self._back_off(start, now, STALL_RATIO * (now - start))
        elif is_short and self.block[layout.PREEMPTED] != self._preempted:
            self._back_off(start, now, BACKOFF_SECONDS)

    def _back_off(self, start: float, now: float, least: float) -> None:
        """Run calls on one thread for `least` seconds from now on; for twice as long as the last
        time if the call that began at `start` came soon after that."""
        again = start - self._alone_until < max(BACKOFF_WINDOW_SECONDS, self._backoff)
        longer = 2 * self._backoff if again else least
        self._backoff = min(max(least, longer), MAX_BACKOFF_SECONDS)
        self._alone_until = now + self._backoff
        self._preempted = self.block[layout.PREEMPTED]
        self._note_caller_cpu()

    def _note_caller_cpu(self) -> None:
        """Store the caller's CPU, for workers to move off it."""
        if current_cpu is not None:
            self._cpus[0] = current_cpu()

    def start(self, workers: int) -> None:
        """Start threads until there are `workers`, so that what comes next can be timed.

        Raises
        ------
        MemoryError
            See `start_thread`.
        """
        if len(self.workers) < workers:
            with DeferSignals(), self._lock:
                while len(self.workers) < workers:
                    worker = Worker()
                    start_thread(worker)
                    self.workers.append(worker)

    def _wake(self, workers: int) -> None:
        """Send `workers` workers into their loop; fewer where there is no memory for another
        thread."""
        if len(self.workers) >= workers and all(worker.busy for worker in self.workers[:workers]):
            return
        if not self._is_timed:  # which loads the unit, before signals are deferred
            self._time_spins()
        with DeferSignals(), self._lock:
            with suppress(MemoryError):
                self.start(workers)
            self.block[layout.STAY] = 1
            self.block[layout.N_WORKERS] = len(self.workers)
            self._note_caller_cpu()
            for number, worker in enumerate(self.workers[:workers]):
                if not worker.busy:
                    worker.submit(partial(self._loop, number))
        wait_for_workers(self._address, workers, HANDOFF_YIELDS)

    def _loop(self, number: int) -> None:
        """A worker's task: take part in calls until none came for a while."""
        preempted = True
        while preempted and self.block[layout.STAY]:
            self._spread_over_cpus(number + 1)
            preempted = worker_loop(self._address, number)
        self._cpus.pop(number + 1, None)

    def _spread_over_cpus(self, thread: int) -> None:
        """Move this thread off a CPU on which another thread of the pool was woken to a free one,
        from where the system may move it again.

        Some schedulers pack threads that have slept on few CPUs and are slow to spread them when
        they turn out to be busy. Two threads then took 50 ms for 10,000 rows of 784-256-128-10,
        which take 26 on two CPUs, and twenty times as long for small steps.
        """
        if sys.platform != "linux" or current_cpu is None:
            return
        cpu = current_cpu()
        self._cpus.pop(thread, None)
        taken = cpu in self._cpus.values()
        self._cpus[thread] = cpu
        if not taken:
            return
        allowed = os.sched_getaffinity(0)  # of this thread
        if free := sorted(allowed.difference(self._cpus.values())):
            self._cpus[thread] = free[thread % len(free)]
            with suppress(OSError):
                os.sched_setaffinity(0, {self._cpus[thread]})
                os.sched_setaffinity(0, allowed)

    def shutdown(self) -> None:
        """End the threads; the next call that can use some starts others."""
        with DeferSignals(), self._lock:
            self._end_workers()

    def _end_workers(self) -> None:
        """End the threads and drop all references to them. Signals are deferred here: where an
        object is freed, a callback of a weak reference may run a handler, and Python would lose the
        exception that it raises."""
        self.block[layout.STAY] = 0
        for worker in self.workers:
            worker.inbox.put(None)
        while self.workers:
            self.workers.pop().join()


_pool: SpinPool | None = None


def shared_pool() -> SpinPool:
    """The process's pool."""
    global _pool
    if _pool is None:
        _pool = SpinPool()
    return _pool


def shutdown() -> None:
    """End the pool's threads, if there are any."""
    if _pool is not None:
        _pool.shutdown()


def _forget() -> None:
    """Drop the pool in a forked process: it has its memory without its threads, and perhaps taken
    by a call of another thread."""
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=shutdown, after_in_child=_forget)
