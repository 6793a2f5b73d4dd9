"""Signals with a handler that raises stop a fit like Ctrl-C; those with one that returns do not."""

import gc
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from helpers.needs import needs
from helpers.small_fit import X, Y, bits, make
from helpers.waiting import HUNG_SECONDS

import fastbp
from fastbp.engine import forward
from fastbp.runtime.signals import DeferSignals
from fastbp.runtime.spin_pool import SpinPool

SIGNALS = int(os.environ.get("FASTBP_SIGNALS", "60"))
TORTURE = Path(__file__).parents[1] / "helpers" / "torture_signals.py"


@needs("signal.setitimer")
def test_signals_at_random_moments(tmp_path):
    """As many as FASTBP_SIGNALS says."""
    command = [sys.executable, TORTURE, tmp_path, str(SIGNALS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HUNG_SECONDS + SIGNALS)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.startswith(f"{SIGNALS} signals: ")


class Stopped(Exception):  # noqa: N818 - what a time-out's handler may raise
    pass


def leave(*_):
    sys.exit(3)


def stop(*_):
    raise Stopped


@pytest.fixture
def handled():
    """Gives a signal a handler for the length of a test.

    Without garbage collection: Python loses what a handler raises in a callback of it, and jax,
    which other tests import, has one.
    """
    before = {}
    gc.disable()

    def handle(number, handler):
        before[number] = signal.signal(number, handler)

    yield handle
    gc.enable()
    for number, handler in before.items():
        signal.signal(number, handler)


@needs("signal.setitimer")
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(
    ("number", "handler", "error"), [("SIGTERM", leave, SystemExit), ("SIGALRM", stop, Stopped)]
)
def test_what_a_handler_raises_comes_out_after_a_whole_step(
    number, handler, error, n_threads, handled, monkeypatch
):
    """In the middle of an epoch, and with all that was done counted."""
    net, twin = make(), make()
    handled(getattr(signal, number), handler)
    settings = {"batch_size": 1, "shuffle": False, "optimizer": fastbp.Adam(1e-4)}
    x = X.repeat(20_000, axis=0)
    y = Y.repeat(20_000)
    running = threading.Event()
    pending = DeferSignals.pending

    def pending_between_steps():
        running.set()
        return pending()

    monkeypatch.setattr(DeferSignals, "pending", staticmethod(pending_between_steps))

    def send():
        assert running.wait(HUNG_SECONDS)
        os.kill(os.getpid(), getattr(signal, number))

    sender = threading.Thread(target=send)
    sender.start()
    with pytest.raises(error):
        net.fit(x, y, n_threads=n_threads, **settings)
    sender.join()
    made = net.train_state.step
    assert net.history_.stopped_by == ("interrupt" if error is SystemExit else "error")
    assert 0 < made == len(net.history_.batch_loss) == net.history_.n_samples < len(x)
    twin.fit(x[:made], y[:made], epochs=1, **settings)
    assert bits(net) == bits(twin)
    for each in (net, twin):
        each.fit(X, Y, epochs=2, optimizer=fastbp.Adam(1e-4))
    assert bits(net) == bits(twin)


class Soon(fastbp.callbacks.Callback):
    """SIGALRM ten milliseconds into the training."""

    def on_fit_begin(self, net, history):
        signal.setitimer(signal.ITIMER_REAL, 0.01)


@needs("signal.setitimer")
def test_a_job_that_is_ended_leaves_a_checkpoint(tmp_path, handled):
    """By the handler that the docstring of `fit` names; resumed, the bits are those of a fit that
    went through."""
    net, plain = make(), make()
    path = tmp_path / "run"
    x = X.repeat(2000, axis=0)
    y = Y.repeat(2000)
    plain.fit(x, y, epochs=2, batch_size=2)
    handled(signal.SIGTERM, leave)
    handled(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(SystemExit):
        net.fit(x, y, epochs=2, batch_size=2, checkpoint=path, callbacks=Soon())
    assert len(fastbp.load(path).history_.batch_loss) == net.train_state.step
    assert bits(fastbp.resume(path, x, y)) == bits(plain)


@needs("signal.setitimer")
@pytest.mark.parametrize("name", ["SIGINT", "SIGALRM"])
def test_a_handler_that_returns_disturbs_nothing(name, handled):
    """It runs at once, in the middle of an epoch."""
    net, plain = make(), make()
    steps = []
    x = X.repeat(2000, axis=0)
    y = Y.repeat(2000)
    plain.fit(x, y, epochs=1, batch_size=2)
    number = getattr(signal, name)
    handled(number, lambda *_: steps.append(net.train_state.step))
    if number != signal.SIGALRM:
        handled(signal.SIGALRM, lambda *_: signal.raise_signal(number))
    assert net.fit(x, y, epochs=1, batch_size=2, callbacks=Soon()).stopped_by == "epochs"
    assert steps == [0]
    assert bits(net) == bits(plain)


def test_a_deferred_exception_is_pending_until_the_outermost_block_ends():
    """In the main thread only: a fit in another one runs on."""
    seen = []

    def press_in_blocks():
        with DeferSignals():
            with DeferSignals():
                seen.append(DeferSignals.pending())
                signal.raise_signal(signal.SIGINT)
            seen.append(DeferSignals.pending())
            thread = threading.Thread(target=lambda: seen.append(DeferSignals.pending()))
            thread.start()
            thread.join()

    with pytest.raises(KeyboardInterrupt):
        press_in_blocks()
    assert seen == [False, True, False]
    assert not DeferSignals.pending()


def test_ctrl_c_between_the_pieces_of_a_large_prediction(monkeypatch):
    """It comes out at once, and the next prediction is complete."""
    run = SpinPool.run
    pieces = []

    def run_and_press(pool, *args):
        run(pool, *args)
        pieces.append(1)
        if len(pieces) == 2:
            signal.raise_signal(signal.SIGINT)

    net = make()
    x = X.repeat(1000, axis=0)
    wanted = net.forward(x)[-1].tobytes()
    monkeypatch.setattr(forward, "UNINTERRUPTIBLE_MACS", 1)
    monkeypatch.setattr(SpinPool, "run", run_and_press)
    with pytest.raises(KeyboardInterrupt):
        net.forward(x)
    assert len(pieces) == 2
    assert net.forward(x)[-1].tobytes() == wanted
    assert len(pieces) > 4
