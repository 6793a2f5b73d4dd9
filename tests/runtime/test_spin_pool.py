"""Helpers that stand by in a compiled loop: who comes, stays away, fails or is sent away."""

import threading

import numba
import numpy as np
import pytest
from helpers.waiting import soon

from fastbp.functional import elementwise
from fastbp.kernels import elementwise as entries
from fastbp.kernels import jit
from fastbp.kernels import spin_pool as kernel
from fastbp.kernels.team import RELEASED, barrier
from fastbp.runtime import spin_pool

pytestmark = pytest.mark.usefixtures("many_cpus")


@pytest.fixture
def block():
    """One with a helper of number 0, which a test plays itself."""
    block = kernel.new_block(1)
    block[kernel.N_WORKERS] = 1
    return block


def apply(block, members=2):
    """Member numbers and a result, checked."""
    z = np.linspace(-3, 3, 1000).reshape(10, 100)
    out = np.zeros_like(z)
    had = entries.apply(out, z, elementwise._TANH, block.ctypes.data, members)
    np.testing.assert_allclose(out, np.tanh(z), rtol=1e-14)
    assert block[kernel.TAKEN] == (had == 0)
    return had


def test_a_helper_that_does_not_answer_is_left_alone(block):
    """And called again only when it has shown itself."""
    place = kernel.slot_offset.py_func(0)
    block[place] = kernel.READY
    assert apply(block) == 1
    assert (block[place], block[kernel.PREEMPTED]) == (kernel.REVOKED, 1)
    assert apply(block) == 1
    assert (block[place], block[kernel.PREEMPTED]) == (kernel.REVOKED, 1)
    thread = threading.Thread(target=kernel.worker_loop, args=(block.ctypes.data, 0))
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert block[place] == kernel.IDLE


def serving(block, helpers):
    """Threads that stand by until STAY is 0, however long nobody calls."""

    def worker_loop(number):
        while block[kernel.STAY]:
            kernel.worker_loop(block.ctypes.data, number)

    kernel.worker_loop(0, 0)
    threads = [threading.Thread(target=worker_loop, args=(number,)) for number in range(helpers)]
    for thread in threads:
        thread.start()
    return threads


def leave(block, threads):
    block[kernel.STAY] = 0
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert not any(block[kernel.slot_offset.py_func(i)] for i in range(len(threads)))


def test_one_that_found_itself_away_helps_again(block):
    place, threads = kernel.slot_offset.py_func(0), serving(block, 1)
    try:
        assert soon(lambda: apply(block) == 2)

        def pushed():
            if block[place] == kernel.READY:
                block[place] = kernel.REVOKED
            return apply(block) == 1

        assert soon(pushed)
        assert soon(lambda: apply(block) == 2)
    finally:
        leave(block, threads)


def test_no_more_than_asked_for():
    block = kernel.new_block(2)
    block[kernel.N_WORKERS] = 2
    places = [kernel.slot_offset.py_func(i) for i in range(2)]
    block[places] = kernel.READY
    assert apply(block) == 1
    assert list(block[places]) == [kernel.REVOKED, kernel.READY]
    block[places] = kernel.IDLE
    threads = serving(block, 2)
    try:
        for members in (2, 3):
            assert soon(lambda members=members: apply(block, members) == members)
            assert all(apply(block, members) <= members for _ in range(200))
        assert all(apply(block, 1) == 1 for _ in range(20))
    finally:
        leave(block, threads)


def test_a_call_that_finds_the_block_taken_goes_on_alone(block):
    threads = serving(block, 1)
    try:
        assert soon(lambda: apply(block) == 2)
        block[kernel.TAKEN] = 1
        z = np.ones((4, 4))
        assert all(
            entries.apply(z, z, elementwise._RELU, block.ctypes.data, 2) == 1 for _ in range(100)
        )
        block[kernel.TAKEN] = 0
        assert soon(lambda: apply(block) == 2)
    finally:
        leave(block, threads)


@kernel.parallel_task
def _failing(sync, done, fails, member, members):
    if member == fails:
        raise ValueError("a part's own error")
    barrier(sync, members, 0)
    done[member] = members


@numba.njit(**jit.OPTIONS)
def failing(done, fails, block, members):
    sync = kernel.block_at(block)
    return kernel.fork_join(sync, members, _failing((sync, done, fails)))


@pytest.mark.parametrize("fails", [0, 1])
def test_an_error_in_a_member_comes_out_and_nobody_waits_for_ever(block, fails):
    """Whoever it is, and the next call works."""
    done, threads = np.zeros(2, np.int64), serving(block, 1)
    try:
        assert soon(lambda: failing(done, -1, block.ctypes.data, 2) == 2)
        assert list(done) == [2, 2]

        def failed():
            block[kernel.ARRIVED] = 0
            try:
                failing(done, fails, block.ctypes.data, 2)
            except IndexError:
                return block[kernel.ARRIVED] >= RELEASED  # else it was the caller by itself
            return False

        assert soon(failed)
        assert block[kernel.TAKEN] == 0
        assert soon(lambda: failing(done, -1, block.ctypes.data, 2) == 2)
    finally:
        leave(block, threads)


def test_a_helper_leaves_by_itself(block):
    """When nobody has called for a while; it can come again."""
    for _ in range(3):
        thread = threading.Thread(target=kernel.worker_loop, args=(block.ctypes.data, 0))
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
        assert block[kernel.slot_offset.py_func(0)] == kernel.IDLE


def test_a_helper_leaves_at_once_when_it_is_sent_away(block, monkeypatch):
    """And not only when nobody has called for a while."""
    looks: list = []

    def compare_and_swap(array, i, expected, value):
        swaps = array[i] == expected
        array[i] = value if swaps else array[i]
        return swaps

    monkeypatch.setattr(kernel, "block_at", lambda address: block)
    monkeypatch.setattr(kernel, "slot_offset", kernel.slot_offset.py_func)
    monkeypatch.setattr(kernel, "atomic_load", lambda array, i: array[i])
    monkeypatch.setattr(kernel, "atomic_store", lambda array, i, value: array.__setitem__(i, value))
    monkeypatch.setattr(kernel, "compare_and_swap", compare_and_swap)
    monkeypatch.setattr(kernel, "pass_time", lambda moments: looks.append(moments) or moments + 1)
    monkeypatch.setattr(kernel, "LINGERING", 3)
    monkeypatch.setattr(kernel, "SPIN_LIMIT", 4)
    for stay, patience in ((1, 3 + 4), (0, 0)):
        looks.clear()
        block[kernel.STAY] = stay
        assert not kernel.worker_loop.py_func(0, 0)
        assert len(looks) == patience
        assert block[kernel.slot_offset(0)] == kernel.IDLE


def stub(results):
    """An entry point that says to have had so many members; notes what it was told."""
    told: list = []

    def entry(block, members):
        told.append((block != 0, members))
        return results.pop(0)

    return entry, told


def test_after_a_helper_was_lost_the_next_calls_are_alone(monkeypatch):
    """For a while, which doubles if it happens again at once; calls that would wait for their
    threads too."""
    helpers, now = spin_pool.SpinPool(), [100.0]
    monkeypatch.setattr(spin_pool.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(helpers, "_wake", lambda wanted: None)

    def run(got, lost=0, wait=False):
        helpers.block[kernel.PREEMPTED] += lost
        entry, told = stub([got])
        helpers.run(entry, (), 3, wait)
        return told[0]

    with_them, by_itself = (True, 3), (False, 1)
    assert run(3) == run(1) == with_them
    assert run(2, lost=1) == with_them
    assert run(1) == by_itself
    assert run(1, wait=True) == by_itself
    now[0] += 1.1 * spin_pool.ALONE
    assert run(1, lost=2) == with_them
    now[0] += 1.1 * spin_pool.ALONE
    assert run(1) == by_itself
    now[0] += 1.1 * spin_pool.ALONE
    assert run(3) == with_them
    now[0] += 10
    assert run(1, lost=1) == with_them
    now[0] += 1.1 * spin_pool.ALONE
    assert run(3) == with_them
