"""Ctrl-C at any moment, fits in other threads, and forks: the net and its history always agree."""

import _thread
import copy
import multiprocessing
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from helpers.needs import needs
from helpers.small_fit import VALIDATION, X, Y, bits, make
from helpers.waiting import HUNG_SECONDS

import fastbp

RNG = np.random.default_rng(4)
LONG_X = RNG.normal(size=(300_000, 4))
LONG_Y = RNG.integers(0, 3, 300_000)


@pytest.mark.parametrize(
    "press",
    [
        pytest.param(
            lambda: os.kill(os.getpid(), signal.SIGINT),
            id="kill",
            marks=needs("signal.pthread_kill"),
        ),
        pytest.param(_thread.interrupt_main, id="main"),
    ],
)
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ctrl_c_within_an_epoch(dtype, n_threads, press):
    net, twin = (fastbp.MLP([4, 64, 64, 3], dtype=dtype, seed=8) for _ in range(2))
    settings = {"batch_size": 1, "shuffle": False, "optimizer": fastbp.Adam(1e-4)}
    copy.deepcopy(twin).fit(LONG_X[:8], LONG_Y[:8], epochs=1, **settings)  # loads the kernels

    def wait_and_press():
        while not net.network.training.locked():
            time.sleep(0.01)
        time.sleep(0.2)
        press()

    thread = threading.Thread(target=wait_and_press)
    thread.start()
    with pytest.warns(UserWarning, match="interrupted"):
        history = net.fit(LONG_X, LONG_Y, epochs=1000, n_threads=n_threads, **settings)
    thread.join()
    made = len(history.batch_loss)
    assert history is net.history_
    assert (history.stopped_by, history.n_epochs, net.train_state.step) == ("interrupt", 0, made)
    assert 0 < made < len(LONG_X)
    twin.fit(LONG_X[:made], LONG_Y[:made], epochs=1, **settings)
    assert twin.history_.batch_loss == history.batch_loss
    for each in (net, twin):
        each.fit(X, Y, epochs=2, n_threads=n_threads, **settings)
    assert bits(net) == bits(twin)


def test_ctrl_c_in_a_callback():
    net, twin = make(), make()
    with pytest.warns(UserWarning, match="interrupted after 3 epochs"):
        history = net.fit(
            X, Y, callbacks=lambda net, h: h.n_epochs == 3 and signal.raise_signal(signal.SIGINT)
        )
    assert (history.stopped_by, history.n_epochs, len(history.batch_loss)) == ("interrupt", 3, 6)
    twin.fit(X, Y, epochs=3)
    assert bits(net) == bits(twin)


PRESSED = """
import sys, threading, warnings
import fastbp, numpy as np
n_threads, *hidden = map(int, sys.argv[1:])
x = np.random.default_rng(0).normal(size=(64, 3))
y = np.arange(64) % 2
net = fastbp.MLP([3, *hidden, 2])

def tell(net, history):
    if history.n_epochs == 1:
        print(end=".", flush=True)

while net.train_state.step < 10**9:
    done = net.train_state.step
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = net.fit(x, y, epochs=10**9, batch_size=16, n_threads=n_threads, callbacks=tell)
    assert history is net.history_ and history.stopped_by == "interrupt", history.stopped_by
    assert len(caught) == 1, caught
    steps = len(history.batch_loss)
    assert steps == net.train_state.step - done, (steps, net.train_state.step - done)
    assert 0 <= steps - 4 * history.n_epochs <= 4, (steps, history.n_epochs)
    assert np.isfinite(net.parameters).all()
    workers = fastbp.runtime.spin_pool.shared_pool().workers
    assert threading.active_count() == 1 + len(workers)
"""


@needs("signal.pthread_kill")
@pytest.mark.parametrize("n_threads", ["1", "2"])
@pytest.mark.parametrize("hidden", [["4"], ["100", "100"]])
def test_ctrl_c_at_any_moment(hidden, n_threads):
    """Epochs of microseconds, so that it comes between Python's lines too; sent by another process,
    so at no certain place."""
    delays = random.Random(0)
    child = subprocess.Popen(
        [sys.executable, "-c", PRESSED, n_threads, *hidden], stdout=-1, stderr=-1
    )
    try:
        for fit in range(1000):
            begun = select.select([child.stdout], [], [], HUNG_SECONDS)[0]
            assert begun, f"fit {fit}: hung"
            assert os.read(child.stdout.fileno(), 1) == b".", f"fit {fit}: {child.stderr.read()}"
            time.sleep(delays.uniform(0, 0.001))
            child.send_signal(signal.SIGINT)
    finally:
        child.kill()
        child.communicate()


def fitted(seed, n_threads=None):
    net = fastbp.MLP([4, 20, 3], seed=seed)
    net.fit(
        X, Y, epochs=60, batch_size=9, optimizer=fastbp.Adam(), n_threads=n_threads, **VALIDATION
    )
    return bits(net), net.history_


@pytest.mark.parametrize("n_threads", [1, 2, None])
def test_fits_in_other_threads(n_threads):
    results = {}
    seeds = range(8)
    threads = [
        threading.Thread(target=lambda s=seed: results.update({s: fitted(s, n_threads)}))
        for seed in seeds
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (
        results
        == {seed: fitted(seed, n_threads) for seed in seeds}
        == {seed: fitted(seed) for seed in seeds}
    )


@needs("os.fork")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_fit_in_a_fork_after_a_fit(n_threads):
    expected = fitted(5, n_threads)
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    child = context.Process(target=lambda: there.send(fitted(5, n_threads)))
    child.start()
    assert here.poll(HUNG_SECONDS)
    assert here.recv() == expected
    child.join()
    assert child.exitcode == 0


RAISING = """
import signal, sys
import fastbp, numpy as np

class Alarm(Exception):
    pass

def ring(signum, frame):
    raise Alarm

signal.signal(signal.SIGALRM, ring)
X, y = np.zeros((64, 3)), np.zeros(64, int)
net = fastbp.MLP([3, 100, 100, 2])
net.fit(X, y, epochs=1)
for i in range(60):
    signal.setitimer(signal.ITIMER_REAL, 0.003 + i * 1e-4)
    done, before = net.train_state.step, net.history_
    try:
        net.fit(X, y, epochs=10**6, batch_size=16, n_threads=int(sys.argv[1]))
    except Alarm:
        pass
    # On a busy machine the fit may not have begun by then.
    made = 0 if net.history_ is before else len(net.history_.batch_loss)
    assert made == net.train_state.step - done
assert np.isfinite(net.fit(X, y, epochs=1).loss).all()
"""


@needs("signal.setitimer")
@pytest.mark.parametrize("n_threads", ["1", "2"])
def test_another_signals_exception_goes_through(n_threads):
    """As of a time-out by SIGALRM: at any moment of a fit it comes out, and the next fit works."""
    subprocess.run([sys.executable, "-c", RAISING, n_threads], check=True, timeout=HUNG_SECONDS)
