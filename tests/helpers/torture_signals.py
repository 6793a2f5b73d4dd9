"""Fits that signals stop at moments of their own: run by test_signals.py, for longer by `make
torture`.

python tests/helpers/torture_signals.py FOLDER TIMES
"""

import hashlib
import random
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np

import fastbp
from fastbp.runtime.signals import DeferSignals
from fastbp.runtime.spin_pool import SpinPool, shared_pool

RNG = np.random.default_rng(9)
X = RNG.normal(size=(200, 16))
Y = RNG.integers(0, 3, 200)
VALIDATION = {"X_val": RNG.normal(size=(20, 16)), "y_val": RNG.integers(0, 3, 20)}
SETTINGS = {"epochs": 15, "batch_size": 10, "optimizer": fastbp.Adam(0.01)}
STEPS = 20  # an epoch
HANDLERS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: lambda *_: sys.exit(3)}


def make():
    return fastbp.MLP([16, 64, 3], dropout=0.2)


def digest(net):
    state = (
        net.train_state.optimizer_state.tobytes() if net.train_state.optimizer_state.any() else b""
    )  # which is empty before the first fit
    return hashlib.sha256(net.parameters.tobytes() + state).hexdigest()


def course():
    """What the net is after every number of steps of a fit that nothing happens to."""
    after: list[str] = []

    class StepRunner(fastbp.callbacks.Callback):
        def on_step_end(self, net, history):
            after.append(digest(net))

    net = make()
    net.fit(X, Y, **VALIDATION, **SETTINGS, callbacks=StepRunner())
    return [digest(make()), *after]


class Watched:
    """Counts the calls of kernels that begin after a signal has ended the fit."""

    def __init__(self):
        self.late = 0
        run = SpinPool.run

        def counted(*args):
            self.late += DeferSignals.pending()
            run(*args)

        SpinPool.run = counted

    def check(self):
        """Training ends after the running call; a validation loss is completed."""
        assert self.late <= 2, self.late
        self.late = 0


def attempt(net, number, delay, **more):
    """A fit to which the signal comes after so many seconds, if it has not ended by then. What came
    out of it, by name."""
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(number))
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, delay)
            net.fit(X, Y, **VALIDATION, **SETTINGS, **more)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except (KeyboardInterrupt, SystemExit) as error:
        return type(error).__name__
    return "nothing"


def check(net, number, out, after):
    """The net is where that many whole steps lead, and its history says so; no thread is left, and
    it can be trained."""
    history = net.history_
    made = 0 if history is None else len(history.batch_loss)
    assert net.train_state.step == made
    assert digest(net) == after[made], f"{made} steps"
    if history is not None:
        assert 0 <= made - STEPS * history.n_epochs <= STEPS
        assert out != "SystemExit" or history.stopped_by in ("interrupt", "epochs", None), (
            history.stopped_by
        )
    idle = shared_pool().workers
    for thread in threading.enumerate():
        if thread.name.startswith("fastbp") and thread not in idle:
            thread.join(600)
            assert not thread.is_alive(), "a thread is left"
    assert all(signal.getsignal(number) == handler for number, handler in HANDLERS.items()), (
        "a handler is not the user's own"
    )
    net.fit(X, Y, epochs=1, batch_size=10, optimizer=SETTINGS["optimizer"])
    assert net.train_state.step == made + STEPS
    assert np.isfinite(net.parameters).all()
    return made


def resumed(path, net, after):
    """From the checkpoint to the same end; how many steps it had."""
    made = len(net.history_.batch_loss)
    kept = fastbp.load(path)
    assert digest(kept) == after[len(kept.history_.batch_loss)]
    assert kept.history_.batch_loss == net.history_.batch_loss or made == len(after) - 1
    assert digest(fastbp.resume(path, X, Y, **VALIDATION)) == after[-1]
    path.unlink()


def main(folder, times):
    warnings.simplefilter("ignore")
    # Python drops what a handler raises in a destructor, and loading has some of llvmlite's.
    fastbp.warmup()
    for number, handler in HANDLERS.items():
        signal.signal(number, handler)
    path = folder / "run"
    after = course()
    rng = random.Random(3)
    watched = Watched()
    began = time.perf_counter()
    make().fit(X, Y, **VALIDATION, **SETTINGS)
    whole = time.perf_counter() - began
    stopped = dict.fromkeys(HANDLERS, 0)
    kept = 0
    for i in range(times):
        number = list(HANDLERS)[i % 2]
        n_threads = rng.choice([1, 2, None])
        net = make()
        more = {"checkpoint": path} if i % 4 > 1 else {}
        out = attempt(net, number, rng.uniform(0, 1.2 * whole), n_threads=n_threads, **more)
        watched.check()
        if path.exists():
            resumed(path, net, after)
            kept += 1
        made = check(net, number, out, after)
        stopped[number] += 0 < made < len(after) - 1
    return stopped, kept


if __name__ == "__main__":
    where, many = Path(sys.argv[1]), int(sys.argv[2])
    by, checkpoints = main(where, many)
    print(
        f"{many} signals: {by[signal.SIGINT]} fits stopped on their way by Ctrl-C, "
        f"{by[signal.SIGTERM]} by SIGTERM;",
        end=" ",
    )
    print(f"{checkpoints} checkpoints resumed, all to the same bits")
