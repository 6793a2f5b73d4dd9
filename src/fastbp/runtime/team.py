"""Threads for the kernels' team: how many, and running them so that Ctrl-C is heard."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..base.validation import check_count
from ..kernels import team as kernel
from .cpus import available_cpus, current_cpu
from .signals import DeferSignals
from .workers import WorkerGroup

# Multiply-adds of a step that are worth one more thread: two threads break even with one near half
# of this.
WORK_PER_THREAD = 500_000
MAX_THREADS = 1024


def team_size(n_threads, work):
    """Threads for `work` multiply-adds: the caller's choice, or as many as can pay; none that would
    have to share a CPU.

    Eight on two CPUs took 12 times as long as two for 64-100-10 in batches of 32, 1.7 times for
    784-256-128-10 in 128.
    """
    wanted = (
        max(1, work // WORK_PER_THREAD)
        if n_threads is None
        else check_count("n_threads", n_threads, most=MAX_THREADS)
    )
    return wanted if wanted == 1 else min(wanted, available_cpus())


def team_sizes(n_threads, work):
    """Candidates for steps of `work` multiply-adds: the caller's choice, or all that can pay, then
    half as many, down to 1."""
    sizes = [team_size(n_threads, work)]
    while n_threads is None and sizes[-1] > 1:
        sizes.append(sizes[-1] // 2)
    return sizes


class Team(WorkerGroup):
    """A team of threads, until it is ended.

    A signal is handled by the main thread between two Python instructions, so in runs that may be
    long the main thread only waits while others compute.

    Parameters
    ----------
    members : int
        At most.
    """

    def __init__(self, members):
        super().__init__(members)
        self.members, self.sync = members, kernel.new_sync(members)
        self.stopping = False
        self._runs = 0  # that the caller led

    def stop(self):
        """Ask the members to stop after the step that they are at, or after the first step of the
        next run."""
        self.stopping = True
        self.sync[kernel.STOP] = 1

    def run(self, task, members, short=True):
        """Call ``task(member, members)`` for each of so many members, side by side.

        There are fewer where CPUs have been taken away meanwhile: two on one took five times as
        long as one. On Ctrl-C the team stops after its step, then the KeyboardInterrupt comes.

        Parameters
        ----------
        task : callable
            Its kernel says `begin_run` and `end_run`.
        members : int
        short : bool
            Whether it is over so soon that Ctrl-C can wait for its end. Then the caller is the
            first member, and the others stay in the kernel for a moment, where the next task finds
            them awake; until they leave it they keep this one's arrays. Otherwise the caller only
            waits, if it is the thread that hears Ctrl-C.
        """
        members = self._begin(members)
        led = short or threading.current_thread() is not threading.main_thread()
        if led and members == 1:
            task(0, 1)
            return
        with DeferSignals(self.stop):
            try:
                error = self._led(task, members) if led else self._watched(task, members)
            # of a handler whose signal is not deferred, or of the caller's part
            except BaseException:
                self._abandon()
                raise
        if error is not None:
            raise error

    def _led(self, task, members):
        """A run with the caller as its first member. Returns the first error that another has met
        with."""
        self.start(members - 1)
        self._runs += 1
        self.sync[kernel.RUN] = self._runs
        if current_cpu is not None:
            self._cpus[0] = current_cpu()
        for member in range(1, members):
            self._threads[member - 1].give(self._part(task, member, members))
        task(0, members)
        if self.sync[kernel.ARRIVED] >= kernel.RELEASED:
            return self._abandon()
        return None

    def _watched(self, task, members):
        """A run that the caller waits for. Returns the first error that a member has met with."""
        self.rest()
        self.start(members)
        for member in range(members):
            self._threads[member].give(self._part(task, member, members))
        return self._errors()

    def rest(self):
        """Have nobody stay in a kernel any longer."""
        self.sync[kernel.NEXT_RUN] = 0

    def settle(self):
        """Have nobody keep an array of an earlier task."""
        self.rest()
        self._errors()

    def _begin(self, members):
        """How many members there are for a run, of which nothing has happened yet."""
        if members > 1:
            members = min(members, available_cpus())
            self._cpus = [-1] * self.members
        self.sync[: kernel.NEXT_RUN] = 0
        # asked for since the last run, between two lines of Python
        self.sync[kernel.STOP] = self.stopping
        self.sync[kernel.N_THREADS] = members
        return members

    def _abandon(self):
        """Leave no member at work on arrays that the caller has back. Returns the first error that
        one has met with."""
        self._release()
        self.rest()
        return self._errors()

    def _part(self, task, member, members):
        """What a member's thread does of a task."""

        def work():
            try:
                if members > 1:
                    self._apart(member)
                task(member, members)
            except BaseException:
                self._release()
                raise

        return work

    def _release(self):
        """Let the members pass their barriers, at which they would wait for ever for one that does
        not come, and stop."""
        self.sync[kernel.STOP], self.sync[kernel.ARRIVED] = 1, kernel.RELEASED


# one team at most, as most programs call from one thread; taking and leaving it is atomic
_idle: list[Team] = []


@contextmanager
def borrow_team(members: int) -> Iterator[Team]:
    """A team of at least so many members, which goes back when the block ends.

    It ends with the block where that was left by an error, or where the team was asked to stop, as
    it remains so.
    """
    team = _taken()
    if team is None or team.members < members:
        _end(team)
        team = Team(members)
    try:
        yield team
    except BaseException:
        _end(team)
        raise
    if team.stopping:
        _end(team)
    else:
        _leave(team)


def _leave(team):
    other = _taken()
    if other is not None and other.members > team.members:
        team, other = other, team
    _idle.append(team)
    while other is not None:
        _end(other)
        other = _taken() if len(_idle) > 1 else None


def _taken():
    with suppress(IndexError):
        return _idle.pop()
    return None


def _end(team):
    if team is not None:
        team.end()


def _end_idle():
    _end(_taken())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_end_idle)  # a forked process has no threads but the one that forked
