"""Threads that live on between calls: to start two takes half a millisecond, to wake them a quarter of that."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..team import Team

_idle: list[Team] = []  # one team at most, as most programs call from one thread; taking and leaving it is atomic


@contextmanager
def lent(members: int) -> Iterator[Team]:
    """A team of at least so many members, which goes back when the block ends, or ends where the block was left by an error."""
    team = _taken()
    if team is None or team.members < members:
        _end(team)
        team = Team(members)
    try:
        yield team
    except BaseException:  # what was asked to stop remains so
        _end(team)
        raise
    _idle.append(team)
    while len(_idle) > 1:
        _end(_taken())


def _taken():
    with suppress(IndexError):
        return _idle.pop()
    return None


def _end(team):
    if team is not None:
        team.__exit__()


def _end_idle():
    _end(_taken())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_end_idle)  # a forked process has no threads but the one that forked
