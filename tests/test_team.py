"""Members that stay in the kernel between two runs, and what becomes of them."""

import signal
import threading
import time

import numpy as np
import pytest

import fastbp
from fastbp import teams
from fastbp.kernels import team as kernel
from fastbp.team import Team

pytestmark = pytest.mark.usefixtures("many_cpus")


@pytest.fixture
def three():
    team = Team(3)
    yield team
    team.end()


def where(team):
    """Where the members are but for the first, who is the caller."""
    return team.sync[kernel.SIZE + kernel.LINE :: kernel.LINE].tolist()


def soon(condition):
    """Whether it becomes true."""
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)
    return condition()


def meeting(team, calls):
    """A task as a kernel makes it: a run ends when all members have done their parts; then they wait, here for ever."""

    def task(member, members):
        again = True
        while again:
            calls.append((member, int(team.sync[kernel.MEMBERS]), threading.get_ident()))
            if member == 0:
                assert soon(lambda: kernel.CALLED not in where(team)[: members - 1] or team.sync[kernel.ARRIVED])
                return
            team.sync[kernel.SIZE + member * kernel.LINE] = kernel.WAITING
            soon(lambda: team.sync[kernel.SIZE + member * kernel.LINE] != kernel.WAITING)
            again = team.sync[kernel.SIZE + member * kernel.LINE] == kernel.CALLED

    return task


def test_the_caller_is_the_first_and_the_others_stay(three):
    calls: list = []
    task = meeting(three, calls)
    for run in range(1, 4):
        three.repeat(task, 3)
        assert sorted(member for member, _, _ in calls) == sorted([0, 1, 2] * run)
    assert len({ident for _, _, ident in calls}) == 3
    assert {ident for member, _, ident in calls if member == 0} == {threading.get_ident()}
    assert [thread._given for thread in three._threads] == [1, 1]  # each was given the task once
    assert where(three) == [kernel.WAITING] * 2


def test_fewer_members_and_more_again(three):
    calls: list = []
    task = meeting(three, calls)
    for members in (3, 1, 2, 3):
        three.repeat(task, members)
        assert {size for _, size, _ in calls} == {members}
        assert len(calls) == members
        calls.clear()


def test_another_task_sends_them_away(three):
    first: list = []
    second: list = []
    three.repeat(meeting(three, first), 3)
    three.repeat(meeting(three, second), 3)
    assert sorted(member for member, _, _ in second) == [0, 1, 2]
    three.run(lambda member, members: second.append(member), 2)
    assert second[3:] == [0, 1] or second[3:] == [1, 0]
    assert soon(lambda: where(three) == [kernel.AWAY] * 2)
    assert len(first) == 3


def test_a_team_at_rest_keeps_no_arrays(three):
    calls: list = []
    three.repeat(meeting(three, calls), 3)
    three.rest()
    assert soon(lambda: where(three) == [kernel.AWAY] * 2)
    assert three._repeated is None


def test_nobody_waits_for_ever():
    """The kernel itself: after a while its thread sleeps, and is woken for the next run."""
    X, y = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 3
    with teams.lent(2) as team:
        pass  # which is the one that the fit is lent
    seen = []

    def pause(net, history):
        assert soon(lambda: where(team)[0] == kernel.AWAY)
        seen.append(team._threads[0]._given)

    net, alone = fastbp.MLP([5, 8, 3]), fastbp.MLP([5, 8, 3])
    net.fit(X, y, epochs=4, n_threads=2, callbacks=pause)
    alone.fit(X, y, epochs=4, n_threads=1)
    assert seen == list(range(seen[0], seen[0] + 4))
    np.testing.assert_array_equal(net._parameters, alone._parameters)


@pytest.mark.parametrize("call", [kernel.CALLED, kernel.AWAY])
def test_a_member_hears_at_any_moment(monkeypatch, call):
    """Called or sent away between any two of its looks, it does that, and nothing else: a member once took that it was sent
    away, just when it lost patience, for a call, and trained on alone."""
    place, sync = kernel.SIZE + kernel.LINE, kernel.new_sync(2)
    looks, answers = 0, []

    def turn(array, i, old, new):
        turned = array[i] == old
        if turned:
            array[i] = new
        return turned

    def between(operation):
        def operate(*arguments):
            nonlocal looks
            if looks == moment:
                answers.append(turn(sync, place, kernel.WAITING, call))
            looks += 1
            return operation(*arguments)

        return operate

    monkeypatch.setattr(kernel, "PATIENCE", 3)
    monkeypatch.setattr(kernel, "place_of", kernel.place_of.py_func)
    monkeypatch.setattr(kernel, "_pass_time", lambda spins: spins + 1)
    monkeypatch.setattr(kernel, "_atomic_turn", between(turn))
    monkeypatch.setattr(kernel, "_atomic_load", between(lambda array, i: array[i]))
    monkeypatch.setattr(kernel, "_atomic_store", lambda array, i, value: array.__setitem__(i, value))
    for moment in range(20):
        looks = 0
        again = kernel.another_run.py_func(sync, 1, 2)
        if looks <= moment:  # it had left
            break
        assert again == (call == kernel.CALLED and answers[-1])
        assert sync[place] == (kernel.CALLED if again else kernel.AWAY)
    assert moment > 3
    assert set(answers) == {True, False}


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_error_of_one_member_ends_the_run(three, failing):
    """Whoever it is, the others are let go, and the error comes out; the team is good for another task."""

    def task(member, members):
        if member == failing:
            raise OSError(member)
        assert soon(lambda: three.sync[kernel.ARRIVED] >= kernel.RELEASED)

    with pytest.raises(OSError, match=str(failing)):
        three.repeat(task, 3)
    calls: list = []
    three.repeat(meeting(three, calls), 3)
    assert sorted(member for member, _, _ in calls) == [0, 1, 2]


def test_a_handler_that_raises_before_all_have_come_changes_nothing(monkeypatch):
    """SIGCHLD's is not deferred; here it comes when the second member is at work already and the first will not come."""
    X, y = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 3
    net = fastbp.MLP([5, 8, 3])
    before = net._parameters.copy()
    real = Team._call

    def call(team, thread, task, member, members):
        real(team, thread, task, member, members)
        assert soon(lambda: team.sync[kernel.ARRIVED] == 1)
        signal.raise_signal(signal.SIGCHLD)

    def handler(*_):
        raise ConnectionError

    monkeypatch.setattr(Team, "_call", call)
    old = signal.signal(signal.SIGCHLD, handler)
    try:
        with pytest.raises(ConnectionError):
            net.fit(X, y, epochs=2, n_threads=2)
    finally:
        signal.signal(signal.SIGCHLD, old)
    np.testing.assert_array_equal(net._parameters, before)
    monkeypatch.undo()
    assert net.fit(X, y, epochs=2, n_threads=2).n_epochs == 2


def test_the_larger_of_two_idle_teams_is_kept():
    with teams.lent(3) as outer:
        outer.start(3)
        with teams.lent(2) as inner:
            inner.start(2)
        assert teams._idle == [inner]
    assert teams._idle == [outer]
    assert not any(thread.is_alive() for thread in inner._threads)
    with teams.lent(2) as again:
        assert again is outer


def test_a_team_asked_to_stop_is_not_lent_again():
    with teams.lent(2) as team:
        team.stop()
    with teams.lent(2) as other:
        assert other is not team
