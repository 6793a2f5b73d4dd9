"""Threads that live on between calls: to start two takes half a millisecond, to wake them a quarter of that."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .team import Team

_idle: list[Team] = []  # one team at most, as most programs call from one thread; taking and leaving it is atomic


@contextmanager
def lent(members: int) -> Iterator[Team]:
    """A team of at least so many members, which goes back when the block ends.

    It ends with the block where that was left by an error, or where the team was asked to stop, as it remains so.
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
