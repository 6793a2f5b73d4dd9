"""Threads that work side by side, stay awake for a moment, and what becomes of them."""

import signal
import threading
import weakref

import numpy as np
import pytest
from helpers.waiting import soon

import fastbp
from fastbp.kernels import team as kernel
from fastbp.runtime import team as teams
from fastbp.runtime.signals import DeferSignals
from fastbp.runtime.team import Team
from fastbp.runtime.workers import Worker

pytestmark = pytest.mark.usefixtures("many_cpus")


@pytest.fixture
def three():
    team = Team(3)
    yield team
    team.end()


def noting(calls):
    """A task that notes who did it."""
    return lambda member, members: calls.append((member, members, threading.get_ident()))


def test_the_caller_is_the_first_and_the_others_are_the_same(three):
    calls: list = []
    for _ in range(3):
        three.run(noting(calls), 3)
        three.settle()
    assert sorted(member for member, _, _ in calls) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert {members for _, members, _ in calls} == {3}
    assert len({(member, ident) for member, _, ident in calls}) == 3
    assert {ident for member, _, ident in calls if member == 0} == {threading.get_ident()}


def test_the_caller_of_a_long_task_only_waits(three):
    """So that it hears Ctrl-C; another thread than the main one, which does not, is the first
    member."""
    calls: list = []
    three.run(noting(calls), 3, short=False)
    three.run(noting(calls), 1, short=False)
    assert sorted(member for member, _, _ in calls) == [0, 0, 1, 2]
    assert threading.get_ident() not in {ident for _, _, ident in calls}
    calls.clear()
    thread = threading.Thread(target=three.run, args=(noting(calls), 3, False))
    thread.start()
    thread.join()
    three.settle()
    assert {ident for member, _, ident in calls if member == 0} == {thread.ident}


def test_fewer_members_and_more_again(three):
    for members in (3, 1, 2, 3):
        calls: list = []
        three.run(noting(calls), members)
        three.settle()
        assert sorted(member for member, _, _ in calls) == list(range(members))


def test_a_settled_team_keeps_nothing(three):
    class Held:
        pass

    held = Held()
    gone = weakref.ref(held)
    three.run(lambda member, members, held=held: None, 3)
    del held
    three.settle()
    assert gone() is None


@pytest.mark.parametrize("run", [2, 0])
@pytest.mark.parametrize("moment", range(1, 8))
def test_who_stays_leaves_when_it_is_called_or_sent_away_and_after_a_while(
    monkeypatch, run, moment
):
    """Whatever it was, Python tells it what to do next: a member once took that it was sent away
    for a call, and trained on."""
    sync, looks = kernel.new_sync(2), []
    sync[kernel.NEXT_RUN] = 1

    def load(array, i):
        looks.append(i)
        if len(looks) == moment:
            sync[kernel.NEXT_RUN] = run
        return array[i]

    monkeypatch.setattr(kernel, "SPIN_LIMIT", 5)
    monkeypatch.setattr(kernel, "slot_offset", kernel.slot_offset.py_func)
    monkeypatch.setattr(kernel, "pass_time", lambda spins: spins + 1)
    monkeypatch.setattr(kernel, "atomic_load", load)
    monkeypatch.setattr(kernel, "atomic_store", lambda array, i, value: array.__setitem__(i, value))
    kernel.end_run.py_func(sync, 1, 2, 1)
    assert sync[kernel.slot_offset(1)] == 1
    assert looks == [kernel.NEXT_RUN] * min(moment, 5)
    kernel.end_run.py_func(sync, 1, 2, 0)  # of a run after which nobody is to stay
    assert len(looks) == min(moment, 5)


def test_nobody_stays_for_ever():
    """The kernel itself: after a while its thread sleeps, and is woken for the next run."""
    X, y = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 3
    with teams.borrow_team(2) as team:
        pass  # which is the one that the fit is lent
    runs = []

    def pause(net, history):
        (thread,) = team._threads[:1]
        assert soon(lambda: thread._done == thread._given)
        runs.append(thread._given)

    net, alone = fastbp.MLP([5, 8, 3]), fastbp.MLP([5, 8, 3])
    # A step an epoch: more could take so long on a busy machine that there is more than one run for
    # an epoch.
    net.fit(X, y, epochs=4, batch_size=60, n_threads=2, callbacks=pause)
    alone.fit(X, y, epochs=4, batch_size=60, n_threads=1)
    assert runs == list(range(runs[0], runs[0] + 4))
    np.testing.assert_array_equal(net.parameters, alone.parameters)


def test_threads_are_freed_where_no_exception_is_lost():
    """The last one once outlived the end by a line: what a handler raised in a callback of its weak
    references was lost."""
    team, deferred = Team(3), []
    team.run(noting([]), 3)
    freed = [
        weakref.ref(each, lambda _: deferred.append(DeferSignals._outermost is not None))
        for each in (*team._threads, team._threads)
    ]
    team.end()
    assert deferred == [True] * len(freed)
    assert not hasattr(team, "__del__")


def test_the_threads_of_a_team_that_was_let_go_end():
    team = Team(3)
    team.run(noting([]), 3)
    threads = list(team._threads)
    del team
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_error_of_one_member_ends_the_run(three, failing):
    """Whoever it is, the others are let go, and the error comes out; the team is good for another
    task."""

    def task(member, members):
        if member == failing:
            raise OSError(member)
        assert soon(lambda: three.sync[kernel.ARRIVED] >= kernel.RELEASED)

    with pytest.raises(OSError, match=str(failing)):
        three.run(task, 3)
    calls: list = []
    three.run(noting(calls), 3)
    three.settle()
    assert sorted(member for member, _, _ in calls) == [0, 1, 2]


def test_a_handler_that_raises_before_all_have_come_changes_nothing(monkeypatch):
    """SIGCHLD's is not deferred; here it comes when the second member is at work already and the
    first will not come."""
    X, y = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 3
    net = fastbp.MLP([5, 8, 3])
    before = net.parameters.copy()
    real, teams_of = Worker.give, []
    monkeypatch.setattr(
        Team,
        "_begin",
        lambda team, members, begin=Team._begin: teams_of.append(team) or begin(team, members),
    )

    def give(member, task):
        real(member, task)
        assert soon(lambda: teams_of[-1].sync[kernel.ARRIVED] == 1)
        signal.raise_signal(signal.SIGCHLD)

    def handler(*_):
        raise ConnectionError

    monkeypatch.setattr(Worker, "give", give)
    old = signal.signal(signal.SIGCHLD, handler)
    try:
        with pytest.raises(ConnectionError):
            net.fit(X, y, epochs=2, n_threads=2)
    finally:
        signal.signal(signal.SIGCHLD, old)
    np.testing.assert_array_equal(net.parameters, before)
    monkeypatch.undo()
    assert net.fit(X, y, epochs=2, n_threads=2).n_epochs == 2


def test_the_larger_of_two_idle_teams_is_kept():
    with teams.borrow_team(3) as outer:
        outer.start(3)
        with teams.borrow_team(2) as inner:
            inner.start(2)
        assert teams._idle == [inner]
    assert teams._idle == [outer]
    assert not any(thread.is_alive() for thread in inner._threads)
    with teams.borrow_team(2) as again:
        assert again is outer


def test_a_team_asked_to_stop_is_not_lent_again():
    with teams.borrow_team(2) as team:
        team.stop()
    with teams.borrow_team(2) as other:
        assert other is not team


def test_an_error_ends_the_threads_of_a_lent_team():
    """A team that was asked to stop would do nothing for the next call."""
    team = None
    try:
        with teams.borrow_team(2) as team:
            team.run(lambda member, members: None, 2)
            before = set(team._threads)
            team.stop()
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert not any(thread.is_alive() for thread in before)
    done = []
    with teams.borrow_team(2) as another:
        assert another is not team
        another.run(lambda member, members: done.append(another.sync[kernel.STOP]), 2)
        another.settle()
    assert done == [0, 0]
