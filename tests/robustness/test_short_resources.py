"""CPUs taken away, and memory: the bits are the same, or a MemoryError comes before anything is
changed."""

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from helpers.quota_fit import trained

from fastbp.runtime import autotune, spin_pool
from fastbp.runtime.spin_pool import SpinPool


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_there_are_no_more_threads_than_cpus():
    """The affinity of the calling thread limits the number of threads."""
    before = os.sched_getaffinity(0)
    assert autotune.thread_counts(1000, 10**9) == [autotune.available_cpus()]
    os.sched_setaffinity(0, {min(before)})
    try:
        assert autotune.thread_counts(1000, 10**9) == autotune.thread_counts(None, 10**9) == [1]
    finally:
        os.sched_setaffinity(0, before)


def confine(cpus):
    """All threads of this process to these CPUs, as `taskset --all-tasks` does from outside."""
    for thread in os.listdir("/proc/self/task"):
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread), cpus)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux")
def test_the_number_of_threads_follows_the_cpus_that_are_left(monkeypatch):
    """From one call to the next, which in a fit is a twentieth of a second or an epoch."""
    monkeypatch.setattr(spin_pool, "QUOTA_SECONDS", 0)
    before = os.sched_getaffinity(0)
    pool = SpinPool()
    sizes = []
    if autotune.available_cpus() < 2:
        pytest.skip("needs two CPUs")
    try:
        for cpus in (before, {min(before)}, before):
            confine(cpus)
            sizes.append(pool.max_threads(2))
    finally:
        confine(before)
    assert sizes == [2, 1, 2]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux")
@pytest.mark.parametrize("n_threads", [None, 2, 8])
@pytest.mark.usefixtures("many_cpus")
def test_cpus_taken_away_and_given_back(n_threads):
    """Again and again while a fit runs: all but one, and all again."""
    before = os.sched_getaffinity(0)
    ended = threading.Event()
    if len(before) < 2:
        pytest.skip("needs two CPUs")

    def take_and_give():
        while not ended.wait(0.02):
            confine({min(before)})
            ended.wait(0.02)
            confine(before)

    thread = threading.Thread(target=take_and_give)
    thread.start()
    try:
        got = trained(n_threads)
    finally:
        ended.set()
        thread.join()
        confine(before)
    assert got == trained(1)


QUOTA = """
import sys
from pathlib import Path
Path(sys.argv[1], "cgroup.procs").write_text("0")  # this process
from helpers.quota_fit import trained
import fastbp, hashlib
print(*(hashlib.sha256(trained(n_threads, epochs=2)).hexdigest() for n_threads in (None, 1, 2, 8)))
print(fastbp.runtime.cpus.available_cpus())
"""


@pytest.fixture
def half_a_cpu(tmp_path):
    """A control group that limits its processes to half of one CPU, if this user may make one."""
    made = None
    for root, file, quota in (
        ("cpu", "cpu.cfs_quota_us", "50000"),
        ("", "cpu.max", "50000 100000"),
    ):
        group = Path("/sys/fs/cgroup", root, f"fastbp-test-{os.getpid()}")
        try:
            group.mkdir()
            made = group
            (group / file).write_text(quota)
            break
        except OSError as error:
            reason = str(error)
            if made:
                made.rmdir()
                made = None
    if made is None:
        pytest.skip(f"needs the right to make a control group with a CPU quota: {reason}")
    yield made
    made.rmdir()


def test_half_a_cpu(half_a_cpu):
    command = [sys.executable, "-c", QUOTA, half_a_cpu]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    *digests, cpus = done.stdout.split()
    assert len(set(digests)) == 1
    assert len(digests) == 4
    assert cpus == "1"


SHORT = """
import copy, faulthandler, resource, sys, numpy as np, fastbp
faulthandler.dump_traceback_later(100, exit=True)  # should it hang

which, n_threads = sys.argv[1], int(sys.argv[2]) or None
rng = np.random.default_rng(0)
x, y = rng.normal(size=(3000, 100)), rng.integers(0, 10, 3000)
settings = {"epochs": 2, "batch_size": 1500, "optimizer": fastbp.Adam(), "n_threads": n_threads}
settings["clip_norm"] = 1.0
call = {
    "fit": lambda net: net.fit(x, y, **settings),
    "validated": lambda net: net.fit(x, y, **settings, X_val=x, y_val=y),
    "stream": lambda net: net.fit([(x, y)], epochs=2, optimizer=fastbp.Adam(), n_threads=n_threads),
    "partial_fit": lambda net: net.partial_fit(x, y, fastbp.Adam(), n_threads=n_threads),
    "predict_proba": lambda net: net.predict_proba(x),
    "loss_and_gradients": lambda net: net.loss_and_gradients(x, y, n_threads=n_threads),
}[which]

def state(net):
    state = net.train_state
    arrays = state.parameters.tobytes(), state.optimizer_state.tobytes()
    return *arrays, state.step, str(state.rng.bit_generator.state)

def limit(size):
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))

made = fastbp.MLP([100, 1000, 10])
made.fit(x, y, epochs=1, batch_size=1000, optimizer=fastbp.Adam())
plain = copy.deepcopy(made)
call(plain)
failed = worked = halfway = 0
for megabytes in (*range(0, 24, 3), *range(24, 400, 24)):
    net = copy.deepcopy(made)
    fastbp.runtime.spin_pool.shutdown()  # so that threads have to be started too
    pages = int(open("/proc/self/statm").read().split()[0])
    used = pages * resource.getpagesize()
    limit(used)
    freed = []
    try:  # memory that earlier calls have freed must not count
        while True:
            freed.append(np.empty(1 << 17))
    except MemoryError:
        limit(used + (megabytes << 20))
    try:
        call(net)
        error = None
    except MemoryError as caught:
        error = str(caught)
    finally:
        limit(resource.RLIM_INFINITY)
    del freed
    steps = net.train_state.step - made.train_state.step
    if error is None:
        worked += 1
    elif steps == 0:
        failed += 1
        assert state(net) == state(made), error
        call(net)
    else:
        halfway += 1
        assert steps == len(net.history_.batch_loss) and net.history_.stopped_by == "error", error
        net.fit(x, y, epochs=1, optimizer=fastbp.Adam())
        continue
    assert state(net) == state(plain), error
    if worked == 3:
        break
print(failed, worked, halfway)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
@pytest.mark.parametrize(
    ("call", "n_threads"),
    [
        ("fit", 0),
        ("fit", 2),
        ("validated", 2),
        ("stream", 2),
        ("partial_fit", 2),
        ("predict_proba", 0),
        ("loss_and_gradients", 2),
    ],
)
def test_short_of_memory(call, n_threads):
    """With more each time, until there is enough. What fails, fails before it has changed anything,
    or between two steps, all of them counted; and then the same call works."""
    done = subprocess.run(
        [sys.executable, "-c", SHORT, call, str(n_threads)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    failed, worked, halfway = map(int, done.stdout.split())
    assert failed > 0
    assert worked == 3
    assert halfway == 0 or call in ("validated", "fit", "stream")
