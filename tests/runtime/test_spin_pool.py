"""The thread pool: workers that answer, are preempted, fail, leave or are moved; what is left after
exceptions."""

import signal
import threading
import weakref
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from helpers.needs import needs
from helpers.waiting import soon

import fastbp
from fastbp.base.activations import HIDDEN
from fastbp.kernels import block as layout
from fastbp.kernels import entries, jit
from fastbp.kernels import spin_pool as kernel
from fastbp.kernels.block import RELEASED
from fastbp.kernels.team import barrier
from fastbp.runtime import cpus, spin_pool
from fastbp.runtime.signals import DeferSignals
from fastbp.runtime.workers import Worker

pytestmark = pytest.mark.usefixtures("many_cpus")


@pytest.fixture
def block():
    """A block with one worker, which a test plays itself."""
    block = layout.new_block(1)
    block[layout.N_WORKERS] = 1
    return block


def apply(block, n_threads=2):
    """A shared call with a checked result. Returns the number of threads that took part."""
    z = np.linspace(-3, 3, 1000).reshape(10, 100)
    out = np.zeros_like(z)
    used = entries.apply(out, z, HIDDEN["tanh"], block.ctypes.data, n_threads)
    np.testing.assert_allclose(out, np.tanh(z), rtol=1e-14)
    assert block[layout.TAKEN] == 0
    return used


def test_a_worker_that_does_not_answer_is_revoked(block):
    """It is called again only after it has come back to its loop."""
    slot = kernel.slot_offset.py_func(0)
    block[slot] = layout.READY
    assert apply(block) == 1
    assert (block[slot], block[layout.PREEMPTED]) == (layout.REVOKED, 1)
    assert apply(block) == 1
    assert (block[slot], block[layout.PREEMPTED]) == (layout.REVOKED, 1)
    thread = threading.Thread(target=entries.worker_loop, args=(block.ctypes.data, 0))
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert block[slot] == layout.IDLE


def loaded(call):
    """An entry point that runs a Python function."""
    return SimpleNamespace(call=call, load=lambda args: None)


def spinning(block, workers):
    """Threads that stay in their loop until STAY is 0, also without calls. A call waits for them
    while they have no CPU."""
    block[layout.ACK_LIMIT] = 1 << 20

    def worker_loop(number):
        while block[layout.STAY]:
            entries.worker_loop(block.ctypes.data, number)

    entries.worker_loop(0, 0)
    threads = [threading.Thread(target=worker_loop, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    return threads


def leave(block, threads):
    block[layout.STAY] = 0
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert not any(block[kernel.slot_offset.py_func(i)] for i in range(len(threads)))


def test_a_preempted_worker_takes_part_again(block):
    slot = kernel.slot_offset.py_func(0)
    threads = spinning(block, 1)
    try:
        assert soon(lambda: apply(block) == 2)

        def revoked():
            if block[slot] == layout.READY:
                block[slot] = layout.REVOKED
            return apply(block) == 1

        assert soon(revoked)
        assert soon(lambda: apply(block) == 2)
    finally:
        leave(block, threads)


def test_no_more_threads_than_wanted():
    block = layout.new_block(2)
    block[layout.N_WORKERS] = 2
    slots = [kernel.slot_offset.py_func(i) for i in range(2)]
    block[slots] = layout.READY
    assert apply(block) == 1
    assert list(block[slots]) == [layout.REVOKED, layout.READY]
    block[slots] = layout.IDLE
    threads = spinning(block, 2)
    try:
        for n_threads in (2, 3):
            assert soon(lambda n_threads=n_threads: apply(block, n_threads) == n_threads)
            assert all(apply(block, n_threads) <= n_threads for _ in range(200))
        assert all(apply(block, 1) == 1 for _ in range(20))
    finally:
        leave(block, threads)


def test_a_call_that_finds_the_block_taken_runs_alone(block):
    threads = spinning(block, 1)
    try:
        assert soon(lambda: apply(block) == 2)
        block[layout.TAKEN] = 1
        z = np.ones((4, 4))
        assert all(
            entries.apply(z, z, HIDDEN["relu"], block.ctypes.data, 2) == 1 for _ in range(100)
        )
        block[layout.TAKEN] = 0
        assert soon(lambda: apply(block) == 2)
    finally:
        leave(block, threads)


@kernel.parallel_task
def _failing(sync, done, fails, thread, n_threads):
    if thread == fails:
        raise ValueError("an error of one part")
    barrier(sync, n_threads, 0)
    done[thread] = n_threads


@numba.njit(**jit.OPTIONS)
def failing(done, fails, block, n_threads):
    sync = kernel.block_at(block)
    return kernel.fork_join(sync, n_threads, _failing((sync, done, fails)))


@pytest.mark.parametrize("fails", [0, 1])
def test_an_error_in_any_thread_comes_out_and_the_next_call_works(block, fails):
    """The others do not wait for ever at a barrier."""
    done = np.zeros(2, np.int64)
    threads = spinning(block, 1)
    try:
        assert soon(lambda: failing(done, -1, block.ctypes.data, 2) == 2)
        assert list(done) == [2, 2]

        def failed():
            block[layout.ARRIVED] = 0
            try:
                failing(done, fails, block.ctypes.data, 2)
            except IndexError:
                return block[layout.ARRIVED] >= RELEASED  # otherwise the caller was alone
            return False

        assert soon(failed)
        assert block[layout.TAKEN] == 0
        assert soon(lambda: failing(done, -1, block.ctypes.data, 2) == 2)
    finally:
        leave(block, threads)


def test_a_worker_without_calls_leaves_its_loop(block):
    """It can enter it again."""
    for _ in range(3):
        thread = threading.Thread(target=entries.worker_loop, args=(block.ctypes.data, 0))
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
        assert block[kernel.slot_offset.py_func(0)] == layout.IDLE


def test_a_worker_leaves_at_once_when_stay_is_cleared(block, monkeypatch):
    """Otherwise after its spins without a call."""
    spins: list = []

    def compare_and_swap(array, i, expected, value):
        swaps = array[i] == expected
        array[i] = value if swaps else array[i]
        return swaps

    monkeypatch.setattr(kernel, "block_at", lambda address: block)
    monkeypatch.setattr(kernel, "slot_offset", kernel.slot_offset.py_func)
    monkeypatch.setattr(kernel, "atomic_load", lambda array, i: array[i])
    monkeypatch.setattr(kernel, "atomic_store", lambda array, i, value: array.__setitem__(i, value))
    monkeypatch.setattr(kernel, "compare_and_swap", compare_and_swap)
    monkeypatch.setattr(kernel, "spin_wait", lambda done, limit: spins.append(limit) or done + 1)
    monkeypatch.setattr(kernel, "YIELDS", 4)
    block[layout.PAUSE_LIMIT] = 3
    limit = 3 * kernel.LONG_PAUSE
    for stay, wanted in ((1, limit + 4), (0, 0)):
        spins.clear()
        block[layout.STAY] = stay
        assert not kernel.worker_loop.py_func(0, 0)
        assert spins == [limit] * wanted
        assert block[kernel.slot_offset(0)] == layout.IDLE


@pytest.fixture
def pool():
    """The pool of this test, with compiled entry points."""
    pool = spin_pool.shared_pool()
    run(pool)
    return pool


def run(pool, n_threads=3):
    """A call for which workers are woken. Returns its result."""
    z = np.linspace(-3, 3, 1000).reshape(10, 100)
    out = np.zeros_like(z)
    args = out, z, HIDDEN["tanh"]
    pool.run(entries.apply, args, n_threads, spin_pool.WAKE_MACS)
    return out


def shared_calls(pool):
    return int(pool.block[layout.SHARED_CALLS])


def is_shared(pool):
    """Whether a call was shared with a worker."""
    before = shared_calls(pool)
    run(pool)
    return shared_calls(pool) > before


def test_workers_are_woken_for_a_large_call(pool):
    wanted = np.tanh(np.linspace(-3, 3, 1000).reshape(10, 100))
    assert soon(lambda: is_shared(pool))
    np.testing.assert_allclose(run(pool), wanted, rtol=1e-14)
    assert len(pool.workers) == 2


def test_workers_sleep_and_are_woken_again(pool):
    """The same threads, for a fit too: after a while without calls they have no task."""
    X = np.random.default_rng(0).normal(size=(60, 5))
    y = np.arange(60) % 3
    slept = []

    def wait(net, history):
        slept.append(soon(lambda: not any(worker.busy for worker in pool.workers)))

    net = fastbp.MLP([5, 8, 3])
    alone = fastbp.MLP([5, 8, 3])
    net.fit(X, y, epochs=4, n_threads=2, callbacks=wait)
    alone.fit(X, y, epochs=4, n_threads=1)
    assert slept == [True] * 4
    assert len(pool.workers) == 2
    np.testing.assert_array_equal(net.parameters, alone.parameters)


def test_a_fit_and_its_validation_share_the_workers(pool):
    X = np.random.default_rng(0).normal(size=(600, 5))
    y = np.arange(600) % 3
    fastbp.MLP([5, 8, 3]).fit(X, y, epochs=3, n_threads=2, X_val=X, y_val=y)
    assert len(pool.workers) == 2


def test_workers_keep_nothing_of_a_call(pool):
    """Their threads have no references to its arrays, whether they spin or sleep."""

    class Array(np.ndarray):
        pass

    assert soon(lambda: is_shared(pool))
    z = np.ones((10, 100)).view(Array)
    gone = weakref.ref(z)
    args = np.zeros((10, 100)), np.asarray(z), HIDDEN["tanh"]
    pool.run(entries.apply, args, 3, spin_pool.WAKE_MACS)
    del z, args
    assert gone() is None


def test_threads_are_freed_where_no_exception_is_lost(pool):
    """One was once freed after the deferral of signals: an exception that a handler raises in a
    callback of its weak references is lost."""
    deferred: list = []
    assert soon(lambda: len(pool.workers) == 2)
    freed = [
        weakref.ref(worker, lambda _: deferred.append(DeferSignals._outermost is not None))
        for worker in pool.workers
    ]
    pool.shutdown()
    assert deferred == [True] * len(freed)
    assert soon(lambda: is_shared(pool))


@needs("signal.SIGCHLD")
def test_a_handler_that_raises_while_workers_are_woken_changes_nothing(monkeypatch):
    """SIGCHLD's is not deferred; here it comes when one worker is awake and the call not made."""
    X = np.random.default_rng(0).normal(size=(60, 5))
    y = np.arange(60) % 3
    net = fastbp.MLP([5, 8, 3])
    before = net.parameters.copy()
    submit = Worker.submit

    def submit_and_raise(worker, task):
        submit(worker, task)
        signal.raise_signal(signal.SIGCHLD)

    def handler(*_):
        raise ConnectionError

    monkeypatch.setattr(Worker, "submit", submit_and_raise)
    old = signal.signal(signal.SIGCHLD, handler)
    try:
        with pytest.raises(ConnectionError):
            net.fit(X, y, epochs=2, n_threads=2)
    finally:
        signal.signal(signal.SIGCHLD, old)
    np.testing.assert_array_equal(net.parameters, before)
    monkeypatch.undo()
    assert net.fit(X, y, epochs=2, n_threads=2).n_epochs == 2


def test_after_a_preemption_the_next_calls_are_alone(monkeypatch):
    """For a while, which doubles if it happens again at once; large calls too."""
    pool = spin_pool.SpinPool()
    now = [100.0]
    monkeypatch.setattr(spin_pool.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(pool, "_wake", lambda wanted: None)

    def call(used, preempted=0, macs=0):
        """(whether workers could take part, threads at most) of a call of which `used` did."""
        pool.block[layout.PREEMPTED] += preempted
        seen: list = []
        pool.run(loaded(lambda block, n: seen.append((block != 0, n)) or used), (), 3, macs)
        return seen[0]

    shared = (True, 3)
    alone = (False, 1)
    backoff = 1.1 * spin_pool.BACKOFF_SECONDS
    assert call(3) == call(1) == shared
    assert call(2, preempted=1) == shared
    assert call(1) == alone
    assert call(1, macs=spin_pool.WAKE_MACS) == alone
    now[0] += backoff
    assert call(1, preempted=2) == shared
    now[0] += backoff
    assert call(1) == alone
    now[0] += backoff
    assert call(3) == shared
    now[0] += 10
    assert call(1, preempted=1) == shared
    now[0] += backoff
    assert call(3) == shared


def test_after_a_stall_the_next_calls_are_alone(monkeypatch):
    """Twice as long as the stall, which the workers' wake-up or their part of the task may cause;
    then twice as long as the last time, at most MAX_BACKOFF_SECONDS."""
    pool = spin_pool.SpinPool()
    now = [100.0]
    monkeypatch.setattr(spin_pool.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(pool, "_wake", lambda wanted: None)

    def call(seconds, used=2, limit=1e-3):
        """Whether workers could take part in a call of that duration."""
        seen: list = []

        def entry(block, n):
            now[0] += seconds
            seen.append(block != 0)
            return used

        pool.run(loaded(entry), (), 2, stall_seconds=limit)
        return seen[0]

    assert call(0.01, limit=np.inf)
    assert call(1e-4)
    assert call(0.01)
    assert not call(0.021)
    assert call(1e-4)
    assert call(0.01, used=1)
    assert not call(0.021)
    assert not call(0.021)  # it is twice as long now
    assert call(1e-4)
    now[0] += 10
    assert call(0.01)
    assert not call(0.021)
    assert call(1e-4)
    for _ in range(12):
        now[0] = max(now[0], pool._alone_until)
        assert call(0.01)
    assert not call(spin_pool.MAX_BACKOFF_SECONDS - 1e-3)
    assert not call(2e-3)
    assert call(0.01)


def test_a_compilation_is_no_stall(monkeypatch):
    pool = spin_pool.SpinPool()
    now = [100.0]
    monkeypatch.setattr(spin_pool.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(pool, "_wake", lambda wanted: None)

    seen: list = []

    def call(block, n):
        seen.append(block != 0)
        return n

    def load(args):
        now[0] += 2.0

    entry = SimpleNamespace(call=call, load=load)
    for _ in range(3):
        pool.run(entry, (), 2, stall_seconds=1e-3)
    assert seen == [True, True, True]


def test_a_long_call_waits_longer_for_a_preempted_worker(monkeypatch):
    pool = spin_pool.SpinPool()
    limits = []
    monkeypatch.setattr(pool, "_wake", lambda wanted: None)
    for macs in (0, spin_pool.WAKE_MACS, 10**9, 0):

        def entry(block, n):
            limits.append(int(pool.block[layout.ACK_LIMIT]))
            return n

        pool.run(loaded(entry), (), 2, macs)
    assert limits[0] == limits[3] == layout.PAUSE_SPINS // 2 < limits[1] < limits[2]


@pytest.mark.skipif(cpus.current_cpu is None, reason="threads cannot be moved here")
@pytest.mark.parametrize("began", [[4, 4], [4, 5], [5, 4, 5], [4, 4, 4]])
def test_threads_that_wake_on_one_cpu_are_spread(began, monkeypatch):
    """Afterwards the system may move them again: their affinity is as it was."""
    allowed = {4, 5, 6}
    moved: list = []
    monkeypatch.setattr(spin_pool.os, "sched_getaffinity", lambda _: set(allowed))
    monkeypatch.setattr(spin_pool.os, "sched_setaffinity", lambda _, cpus: moved.append(cpus))
    monkeypatch.setattr(spin_pool, "current_cpu", iter(began).__next__)
    pool = spin_pool.SpinPool()
    for thread in range(len(began)):
        pool._spread_over_cpus(thread)
    assert len(set(pool._cpus.values())) == len(began)
    assert moved[1::2] == [allowed] * (len(began) - len(set(began)))
    assert all(len(cpus) == 1 for cpus in moved[::2])


def test_more_threads_than_cpus_stay_where_they_are(monkeypatch):
    monkeypatch.setattr(spin_pool.os, "sched_getaffinity", lambda _: {2}, raising=False)
    monkeypatch.setattr(
        spin_pool.os, "sched_setaffinity", lambda *_: pytest.fail("moved"), raising=False
    )
    monkeypatch.setattr(spin_pool, "current_cpu", lambda: 2)
    pool = spin_pool.SpinPool()
    pool._spread_over_cpus(0)
    pool._spread_over_cpus(1)
