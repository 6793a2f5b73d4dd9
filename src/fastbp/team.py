"""Threads for the kernels' team: how many, and running them so that Ctrl-C is heard."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np

from .interrupts import Deferred
from .kernels import team as sync_slots
from .validation import check_count

# Multiply-adds of a step that are worth one more thread: two threads break even with one near half of this.
WORK_PER_THREAD = 500_000
MAX_THREADS = 1024
HEARING = 0.05  # seconds


def available_cpus():
    """CPUs this process may use: its affinity mask, cut to its control group's quota."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            cpus = min(cpus, max(1, int(int(quota) / int(period))))
    except (OSError, ValueError):
        pass  # no control groups here, or an older layout of them
    return cpus


def team_size(n_threads, work):
    """Threads for `work` multiply-adds: the caller's choice, or as many as can pay."""
    if n_threads is not None:
        return check_count("n_threads", n_threads, most=MAX_THREADS)
    return max(1, min(available_cpus(), work // WORK_PER_THREAD))


def team_sizes(n_threads, work):
    """Candidates for steps of `work` multiply-adds: the caller's choice, or all that can pay, then half as many, down to 1."""
    sizes = [team_size(n_threads, work)]
    while n_threads is None and sizes[-1] > 1:
        sizes.append(sizes[-1] // 2)
    return sizes


class Team:
    """A team of `members` threads for the length of a ``with`` block.

    A signal is handled by the main thread between two Python instructions, so the main thread only waits while others compute.
    In any other thread, or when all the work there is (in multiply-adds) is done sooner than a thread could start, the caller
    is the team's first member.
    """

    def __init__(self, members, work=None):
        self.members = members
        self.sync = np.zeros(sync_slots.SIZE, np.int64)
        self._caller_works = threading.current_thread() is not threading.main_thread()
        self._caller_works |= work is not None and work < WORK_PER_THREAD
        self._stopping = False
        self._threads = members - self._caller_works

    def __enter__(self):
        self._pool = ThreadPoolExecutor(self._threads, "fastbp") if self._threads else None
        return self

    def __exit__(self, *exc):
        if self._pool is not None:
            self._pool.shutdown()

    def stop(self):
        """Ask the members to stop after the step that they are at, or after the first step of the next run."""
        self._stopping = True
        self.sync[sync_slots.STOP] = 1

    def run(self, task, members=None):
        """Call ``task(member, members)`` for each of the first `members` members (all by default), side by side.

        On Ctrl-C the team stops after its step, then the KeyboardInterrupt comes.
        """
        members = self.members if members is None else members
        self.sync[:] = 0
        self.sync[sync_slots.STOP] = self._stopping  # asked for since the last run, between two lines of Python
        if self._pool is None:
            self._member(task, 0, 1)
            return
        futures = []
        with Deferred(self.stop):
            try:
                for member in range(self._caller_works, members):
                    futures.append(self._pool.submit(self._member, task, member, members))
                if self._caller_works:
                    self._member(task, 0, members)
                # Not every system wakes a waiting thread for a signal, so look up now and then.
                while wait(futures, HEARING).not_done:
                    pass
            except BaseException:  # of another signal's handler: leave no member at work on arrays that the caller has back
                self.stop()
                if len(futures) < members - self._caller_works:
                    self._release()
                while not all(future.done() for future in futures):
                    time.sleep(0.001)
                raise
        for future in futures:
            future.result()

    def _release(self):
        """Let the members pass their barriers, at which they would wait for ever for one that does not come."""
        self.sync[sync_slots.STOP], self.sync[sync_slots.ARRIVED] = 1, 1 << 62

    def _member(self, task, member, members):
        try:
            task(member, members)
        except BaseException:
            self._release()
            raise
