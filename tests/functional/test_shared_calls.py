"""Calls shared with workers: the same bits as alone, from several threads, after a fork, after
Ctrl-C, with fewer CPUs."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from helpers.waiting import soon

from fastbp import functional as fn
from fastbp.functional import dense, elementwise
from fastbp.kernels import block as layout
from fastbp.runtime import spin_pool

pytestmark = pytest.mark.usefixtures("many_cpus")
RNG = np.random.default_rng(2)
ELEMENTWISE = ["sigmoid", "tanh", "relu", "leaky_relu", "softmax", "log_softmax"]
ELEMENTWISE += ["sigmoid_slope", "tanh_slope", "relu_slope", "leaky_relu_slope"]
SIZES = [(0, 3), (1, 1), (1, 15), (15, 1), (3, 17), (8, 16), (1, 129), (31, 33), (64, 127)]
LAYERS = [
    (1, 1, 1),
    (15, 1, 9),
    (17, 33, 31),
    (33, 14, 65),
    (64, 64, 64),
    (97, 30, 20),
    (530, 29, 65),
    (1030, 20, 64),
]


@pytest.fixture
def everything(monkeypatch):
    """Every call, however small, is shared with up to two workers, and wakes them."""
    monkeypatch.setattr(elementwise, "_EXP_BYTES", 1)
    monkeypatch.setattr(elementwise, "_PLAIN_BYTES", 1)
    monkeypatch.setattr(dense, "_SPINNING_MACS", 0.25)
    monkeypatch.setattr(spin_pool, "available_cpus", lambda: 3)
    monkeypatch.setattr(spin_pool, "LOOP_GAP_SECONDS", 60)
    monkeypatch.setattr(spin_pool, "BACKOFF_SECONDS", 0)
    monkeypatch.setattr(spin_pool, "STALL_RATIO", 0)


def shared_calls():
    return 0 if spin_pool._pool is None else int(spin_pool._pool.block[layout.SHARED_CALLS])


def shared(call):
    """The result of a call in which a worker took part."""

    def tried():
        before = shared_calls()
        result = call()
        return result if shared_calls() > before else None

    result = soon(lambda: (got := tried()) is not None and (got,))
    assert result, "no worker took part"
    return result[0]


def alone(call):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spin_pool, "available_cpus", lambda: 1)
        patch.setattr(spin_pool, "_pool", None)
        return call()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(everything, name, dtype):
    """Into a new array and in place."""
    f = getattr(fn, name)
    for shape in SIZES:
        z = RNG.normal(size=shape).astype(dtype)
        wanted = alone(lambda z=z: f(z))
        for call in (lambda z=z: f(z), lambda z=z: f(y := z.copy(), y)):
            got = shared(call) if z.nbytes > 1 else call()
            assert got.tobytes() == wanted.tobytes(), shape


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_threads", [None, 2, 3])
def test_dense(everything, n_threads, dtype):
    for n, n_in, n_out in LAYERS:
        x, W, b, delta = (
            RNG.normal(size=shape).astype(dtype)
            for shape in ((n, n_in), (n_in, n_out), n_out, (n, n_out))
        )
        calls = (
            lambda k, x=x, W=W, b=b: [fn.dense_forward(x, W, b, "gelu", n_threads=k)],
            lambda k, x=x, W=W, delta=delta: fn.dense_backward(delta, x, W, "tanh", n_threads=k),
            lambda k, x=x, W=W, delta=delta: fn.dense_backward(delta, x, W, n_threads=k)[:2],
        )
        for call in calls:
            wanted = call(1)
            got = shared(lambda call=call: call(n_threads))
            assert [a.tobytes() for a in got] == [a.tobytes() for a in wanted], (n, n_in, n_out)


def test_denormal_numbers(everything):
    """Products flush them in every member, which is as before afterwards; elementwise functions let
    them through."""
    z = np.full((64, 64), -1e-40, np.float32)
    x = np.ones((64, 64), np.float32)
    for _ in range(20):
        assert shared(lambda: fn.leaky_relu(z)).all()
        assert not shared(lambda: fn.dense_forward(z, x, x[0] * 0, n_threads=3)).any()


def test_calls_in_a_loop_are_shared_and_single_or_small_ones_are_not(monkeypatch):
    """The pool is made by the first call that may be shared."""
    monkeypatch.setattr(spin_pool, "available_cpus", lambda: 2)
    z, small = np.ones((200, 512), np.float32), np.ones((4, 4), np.float32)
    columns = np.ones((211, 20))  # of tutorials: 34 kB
    for _ in range(100):
        fn.sigmoid(small)
        fn.tanh(columns)
        fn.relu_slope(columns)
        fn.dense_forward(small, small, small[0])
    assert spin_pool._pool is None
    for _ in range(20):
        fn.sigmoid(z)
        time.sleep(10 * spin_pool.LOOP_GAP_SECONDS)
    assert spin_pool._pool.workers == []
    shared(lambda: fn.sigmoid(z))
    assert len(spin_pool._pool.workers) == 1


def test_cpus_that_are_taken_away(everything, monkeypatch):
    """With one CPU no call is shared, and workspaces have no memory for other threads."""
    z = np.ones((20, 30))
    shared(lambda: fn.sigmoid(z))
    monkeypatch.setattr(spin_pool, "QUOTA_SECONDS", 0)
    monkeypatch.setattr(spin_pool._pool, "_cpus_known_until", 0)
    monkeypatch.setattr(spin_pool, "available_cpus", lambda: 1)
    before = shared_calls()
    for _ in range(100):
        fn.sigmoid(z)
        fn.dense_forward(z, z.T, z[:, 0], n_threads=2)
    assert shared_calls() == before
    sizes: list = []
    monkeypatch.setattr(
        dense,
        "workspace",
        lambda size, dtype, made=dense.workspace: sizes.append(size) or made(size, dtype),
    )
    fn.dense_forward(z, z.T, z[:, 0], n_threads=1)
    fn.dense_forward(z, z.T, z[:, 0], n_threads=1000)
    assert sizes[0] == sizes[1]


def test_no_memory_for_a_thread(everything, monkeypatch):
    """Then calls run on one thread, without an error."""

    def refuse(thread):
        raise MemoryError

    monkeypatch.setattr(spin_pool, "start_thread", refuse)
    z = np.ones((20, 30))
    for _ in range(5):
        np.testing.assert_array_equal(fn.relu(z), z)
        np.testing.assert_array_equal(fn.dense_forward(z, np.eye(30), z[0] * 0, n_threads=2), z)
    assert spin_pool._pool.workers == []
    assert shared_calls() == 0


def test_after_a_shutdown(everything):
    z = np.ones((20, 30))
    for _ in range(3):
        shared(lambda: fn.sigmoid(z))
        threads = list(spin_pool._pool.workers)
        assert threads
        spin_pool.shutdown()
        assert not any(thread.is_alive() for thread in threads)
        assert not spin_pool._pool.workers


MIXED = """
import numpy as np
from fastbp import functional as fn

def mixed(seed):
    rng = np.random.default_rng(seed)
    n, i, o = (int(size) for size in rng.integers(1, 70, 3))
    dtype = ("float32", "float64")[seed % 2]
    x, W, b = (rng.normal(size=shape).astype(dtype) for shape in ((n, i), (i, o), o))
    kind = seed // 2 % 6
    if kind == 0:
        return fn.dense_forward(x, W, b, "tanh", n_threads=(None, 2)[seed // 12 % 2]).tobytes()
    if kind == 1:
        delta = fn.dense_forward(x, W, b, n_threads=1)
        return b"".join(a.tobytes() for a in fn.dense_backward(delta, x, W, "sigmoid"))
    return (fn.sigmoid, fn.relu_slope, fn.softmax, fn.log_softmax)[kind - 2](x).tobytes()
"""
namespace: dict = {}
exec(MIXED, namespace)
mixed = namespace["mixed"]


@pytest.fixture(scope="module")
def wanted():
    return [alone(lambda seed=seed: mixed(seed)) for seed in range(120)]


def test_thousands_of_calls(everything, wanted):
    def rounds():
        for _ in range(10):
            assert [mixed(seed) for seed in range(120)] == wanted
        return shared_calls() > 100

    assert soon(rounds)


def test_several_threads_call_at_once(everything, wanted):
    """One call at a time is shared; the others run alone."""
    wrong: list = []

    def call():
        for _ in range(5):
            wrong.extend(seed for seed in range(120) if mixed(seed) != wanted[seed])

    def rounds():
        threads = [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return shared_calls() > 20

    assert soon(rounds)
    assert wrong == []
    assert spin_pool._pool.block[layout.TAKEN] == 0
    assert len(spin_pool._pool.workers) == 2


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer here")
def test_ctrl_c_at_any_moment(everything, wanted):
    """No worker reads the arrays any more, and the next call is like any other."""
    pressed = 0

    def press(*_):
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, press)
    try:
        for i in range(300):
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-3 * RNG.uniform(0.1, 3))
                while True:
                    mixed(i % 120)
            except KeyboardInterrupt:
                pressed += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            pool = spin_pool._pool
            if pool is not None:
                assert pool.block[layout.TAKEN] == 0
                assert not (pool.block[layout.SLOTS_AT :: layout.LINE] >= layout.ACKED).any()
            assert mixed(i % 120) == wanted[i % 120]
    finally:
        signal.signal(signal.SIGALRM, old)
    assert pressed == 300
    shared(lambda: mixed(0))


def run(program, **env):
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


FORKED = """
import time, warnings
from fastbp.runtime import spin_pool
from fastbp.functional import dense, elementwise
from fastbp.kernels import block as layout
spin_pool.available_cpus = lambda: 2
elementwise._EXP_BYTES = elementwise._PLAIN_BYTES = 1
dense._SPINNING_MACS = 0.25
spin_pool.LOOP_GAP_SECONDS = 60
spin_pool.BACKOFF_SECONDS = spin_pool.STALL_RATIO = 0
wanted = [mixed(seed) for seed in range(120)]

def is_shared():
    end = time.monotonic() + 600
    while time.monotonic() < end:
        before = spin_pool._pool.block[layout.SHARED_CALLS]
        if [mixed(seed) for seed in range(120)] != wanted:
            return False
        if spin_pool._pool.block[layout.SHARED_CALLS] > before:
            return True

assert is_shared() and threading.active_count() == 2
# as if another thread were in a call, which has no end in the child
spin_pool._pool.block[layout.TAKEN] = 1
warnings.simplefilter("error")  # Python 3.12 warns of threads that a child would not have
pid = os.fork()
if not pid:
    code = 1
    try:
        spin_pool.shared_pool()  # a new one
        code = 0 if is_shared() else 2
    finally:
        os._exit(code)
spin_pool._pool.block[layout.TAKEN] = 0
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert threads == [1]
assert is_shared()
print("forked")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_a_fork():
    before = "import os, threading; threads = []\n"
    # after those registered later
    before += "os.register_at_fork(before=lambda: threads.append(threading.active_count()))"
    assert run(before + MIXED + FORKED) == ["forked"]


def test_nothing_is_made_at_import():
    program = """
import threading
from fastbp import functional
from fastbp.runtime import spin_pool
from fastbp.kernels.loader import origins
print(threading.active_count(), spin_pool._pool, len(origins))
"""
    assert run(program) == ["1", "None", "0"]
