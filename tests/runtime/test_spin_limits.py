"""Waiting loops are limited in time: in turns that take a known time on the processor."""

import pytest

from fastbp.kernels import block as layout
from fastbp.kernels.entries import spin, worker_loop
from fastbp.runtime import spin_pool


class Call:
    """An entry point that runs on all the threads requested."""

    def load(self, args):
        pass

    def call(self, address, n_threads):
        return n_threads


@pytest.mark.parametrize(
    ("turn_seconds", "spins"),
    [
        (1e-8, 1000),  # of a short instruction
        (4e-8, 250),
        (1.0, 1),  # in an emulator
    ],
)
def test_limits_are_turns_of_the_fastest_round(turn_seconds, spins, monkeypatch):
    rounds = [5.0, turn_seconds * spin_pool.TIMED_SPINS, 1e3]
    monkeypatch.setattr(spin_pool.timeit, "repeat", lambda function, **_: function() and rounds)
    pool = spin_pool.SpinPool()
    monkeypatch.setattr(pool, "_wake", lambda workers: None)
    pool._time_spins()
    assert pool.block[layout.PAUSE_LIMIT] == spins
    limits = []
    for macs in (0, 10 * spin_pool.MACS_PER_PAUSE, 0):
        pool.run(Call(), (), 2, macs)
        limits.append(pool.block[layout.ACK_LIMIT])
    assert limits[0] == limits[2] == max(1, spins // 2)
    assert limits[1] == 10 * spins


def test_turns_are_timed_before_workers_are_first_woken(many_cpus, monkeypatch):
    timed = []
    pool = spin_pool.shared_pool()
    monkeypatch.setattr(
        spin_pool.SpinPool, "_time_spins", lambda self: timed.append(list(self.workers))
    )
    pool._wake(2)
    assert timed == [[]]
    assert len(pool.workers) == 2


def test_a_turn_takes_time():
    """A loop of turns is not optimised away."""
    assert spin(1000) == 1000
    assert min(spin_pool.timeit.repeat(lambda: spin(10**5), number=1, repeat=5)) > min(
        spin_pool.timeit.repeat(lambda: spin(10), number=1, repeat=5)
    )


def test_a_worker_leaves_its_loop_whatever_the_limit():
    for spins in (1, layout.PAUSE_SPINS, 5000):
        block = layout.new_block(1)
        block[layout.N_WORKERS] = 1
        block[layout.PAUSE_LIMIT] = spins
        assert worker_loop(block.ctypes.data, 0) == 0
        assert block[layout.SLOTS_AT] == layout.IDLE


def test_each_loop_reads_its_own_line():
    """Limits are read while other threads write their states and counts."""
    places = (layout.ARRIVED, layout.TAKEN, layout.STAY, layout.N_WORKERS, layout.PAUSE_LIMIT)
    places += (layout.ACK_LIMIT, layout.PREEMPTED, layout.FAILED, layout.COMMAND, layout.SLOTS_AT)
    assert len({place // layout.LINE for place in places}) == len(places)
    assert all(place % layout.LINE == 0 for place in places)
