"""Threads for the kernels' team: how many, and running them so that Ctrl-C is heard."""

import ctypes
import functools
import mmap
import os
import queue
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from .interrupts import Deferred
from .kernels import team as sync_slots
from .validation import check_count

# Multiply-adds of a step that are worth one more thread: two threads break even with one near half of this.
WORK_PER_THREAD = 500_000
MAX_THREADS = 1024
HEARING = 0.05  # seconds
ROOM = 160 << 20  # bytes: eight megabytes of stack, and up to 128 that glibc reserves for a new thread's small objects
_current_cpu = getattr(ctypes.CDLL(None), "sched_getcpu", None) if hasattr(os, "sched_setaffinity") else None  # Linux has both


@functools.cache
def _quota_files():
    """The files with the CPU quota and its period of this process's control group and of those around it, in both layouts."""
    found = []
    with suppress(OSError, ValueError):  # no control groups here
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            root = "/sys/fs/cgroup/cpu" if controllers else "/sys/fs/cgroup"
            names = ["cpu.cfs_quota_us", "cpu.cfs_period_us"] if controllers else ["cpu.max"]
            group = Path(root + path)
            folders = [folder for folder in (group, *group.parents) if folder.is_relative_to(root)]
            found += [[str(folder / name) for name in names] for folder in folders if (folder / names[0]).exists()]
    return found


def _content(path):
    """Of a short file; by system calls alone, as every call of a team asks."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 100)
    finally:
        os.close(descriptor)


def available_cpus():
    """CPUs this process may use: its affinity mask, cut to its control group's quota."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for files in _quota_files():
        with suppress(OSError, ValueError):  # the group is gone
            quota, period = b" ".join(map(_content, files)).split()
            if quota not in (b"max", b"-1"):
                cpus = min(cpus, max(1, int(quota) // int(period)))
    return cpus


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
    """A team of `members` threads for the length of a ``with`` block.

    A signal is handled by the main thread between two Python instructions, so the main thread only waits while others compute.
    A team of one is the caller itself where each run is short, or the caller is another thread. A larger one it never joins:
    a thread that is woken by one that goes on working is apt to be given the same core.

    Parameters
    ----------
    members : int
        At most.
    short : bool, default True
        Whether each run is over so soon that Ctrl-C can wait for its end.
    """

    def __init__(self, members, short=True):
        self.members = members
        self.sync = np.zeros(sync_slots.SIZE, np.int64)
        self._alone = short or threading.current_thread() is not threading.main_thread()
        self._stopping = False
        self._threads: list[_Member] = []
        self._cpus = [-1] * members  # on which each member of this run began
        self._finished: queue.SimpleQueue = queue.SimpleQueue()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for thread in self._threads:
            thread.inbox.put(None)
        for thread in self._threads:
            thread.join()

    def start(self, members):
        """Have threads for this many members ready, so that what comes next can be timed.

        Raises
        ------
        MemoryError
            See `start_thread`.
        """
        while len(self._threads) < members and not (members == 1 and self._alone):
            thread = _Member(self._finished)
            start_thread(thread)
            self._threads.append(thread)

    def stop(self):
        """Ask the members to stop after the step that they are at, or after the first step of the next run."""
        self._stopping = True
        self.sync[sync_slots.STOP] = 1

    def run(self, task, members=None):
        """Call ``task(member, members)`` for each of the first `members` members (all by default), side by side.

        There are fewer where CPUs have been taken away meanwhile: two on one took five times as long as one.
        On Ctrl-C the team stops after its step, then the KeyboardInterrupt comes.
        """
        members = self.members if members is None else members
        if members > 1:
            members = min(members, available_cpus())
        self.sync[:] = 0
        self.sync[sync_slots.STOP] = self._stopping  # asked for since the last run, between two lines of Python
        if members == 1 and self._alone:
            task(0, 1)
            return
        with Deferred(self.stop):
            try:
                self.start(members)
                busy = self._threads[:members]
                self._cpus = [-1] * members
                for member, thread in enumerate(busy):
                    thread.busy = True
                    thread.inbox.put(lambda member=member: self._work(task, member, members))
                errors = [self._result() for _ in busy]
            except (
                BaseException
            ):  # of a handler whose signal is not deferred: leave no member at work on arrays that the caller has back
                self._release()
                while any(thread.busy for thread in self._threads):
                    time.sleep(0.001)
                raise
        for error in filter(None, errors):
            raise error

    def _result(self):
        """What the next member to finish has to tell. Not every system wakes a waiting thread for a signal: look up often."""
        while True:
            try:
                return self._finished.get(timeout=HEARING)
            except queue.Empty:
                pass

    def _work(self, task, member, members):
        try:
            if members > 1 and _current_cpu is not None:
                self._apart(member, _current_cpu())
            task(member, members)
        except BaseException:
            self._release()
            raise

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
        self.sync[sync_slots.STOP], self.sync[sync_slots.ARRIVED] = 1, 1 << 62


class _Member(threading.Thread):
    """A thread that does what it finds in its inbox until it finds None.

    Queues that are locks in C, not the conditions of the `threading` module: an exception that a signal's handler raises in the
    middle of one of those can leave it broken.
    """

    def __init__(self, finished):
        super().__init__(name="fastbp", daemon=True)
        self.inbox: queue.SimpleQueue = queue.SimpleQueue()
        self._finished, self.busy = finished, False

    def run(self):
        while (task := self.inbox.get()) is not None:
            error = None
            try:
                task()
            except BaseException as caught:
                error = caught
            del task  # and with it the arrays of this run, while the thread waits for the next
            self.busy = False
            self._finished.put(error)
