"""Fits killed at moments of their own, resumed, and killed again: run by test_checkpoints.py, for
longer by `make torture`.

python tests/helpers/torture_checkpoints.py FOLDER kill|press TIMES
"""

import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import fastbp
from fastbp import schedules

RNG = np.random.default_rng(6)
X = RNG.normal(size=(50, 4))
Y = RNG.integers(0, 3, 50)
VALIDATION = {"X_val": RNG.normal(size=(20, 4)), "y_val": RNG.integers(0, 3, 20)}
SETTINGS = {
    "epochs": 4,
    "batch_size": 16,
    "optimizer": fastbp.Adam(schedules.Cosine(0.05, 20, 1e-4, per="step")),
    "patience": 2,
}
CASES: dict[str, tuple] = {  # of the net, and of the fit
    "adam": ({"dropout": 0.3}, {}),
    "float64": ({"dropout": (0.2,), "dtype": "float64"}, {"restore_best": False}),
    "momentum": (
        {},
        {
            "optimizer": fastbp.SGD(schedules.OneCycle(0.1, 16), momentum=0.9),
            "l2": 0.01,
            "clip_norm": 0.5,
        },
    ),
    "plateau": (
        {"label_smoothing": 0.1, "dtype": "float64"},
        {
            "optimizer": fastbp.RMSprop(schedules.ReduceOnPlateau(0.3, patience=0)),
            "patience": 1,
            "class_weight": "balanced",
        },
    ),
    "whole batches": (
        {"dropout": 0.5},
        {"batch_size": None, "class_weight": {0: 2.0}, "sample_weight": np.linspace(1, 2, 50)},
    ),
    "in order": (
        {},
        {
            "shuffle": False,
            "optimizer": fastbp.AdamW(0.01),
            "l1": 0.001,
            "clip_value": 0.1,
            "patience": None,
        },
    ),
}


def make(case="adam"):
    return fastbp.MLP([4, 9, 3], "tanh", seed=7, **CASES[case][0])


LONG = {
    "epochs": 40,
    "batch_size": 7,
    "optimizer": SETTINGS["optimizer"],
    "patience": 30,
    "n_threads": 2,
}


def long_fit(path=None, callbacks=()):
    """Some 300 steps with a checkpoint after each; resumed if there is one."""
    if path is not None and path.exists():
        return fastbp.resume(
            path,
            X,
            Y,
            **VALIDATION,
            callbacks=callbacks,
            checkpoint_every=0,
            checkpoint_errors="raise",
        )
    more = (
        {}
        if path is None
        else {"checkpoint": path, "checkpoint_every": 0, "checkpoint_errors": "raise"}
    )
    net = make()
    net.fit(X, Y, **VALIDATION, **LONG, callbacks=callbacks, **more)
    return net


def bits(net):
    return (
        net.parameters.tobytes(),
        net.train_state.optimizer_state.tobytes(),
        str(net.train_state.rng.bit_generator.state),
        net.history_,
    )


def started(path):
    """A process that trains to the end, or goes on with it. Its id."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            long_fit(path)
            status = 0
        finally:
            os._exit(status)
    return pid


def kills(path, number):
    """Kill so many; each run that comes to its end must have the bits of one that nothing happened
    to. How many did."""
    expected = bits(long_fit())
    rng = random.Random(1)
    ended = 0
    for _ in range(number):
        pid = started(path)
        time.sleep(rng.uniform(0.0, 0.3))
        # No handler is set: either signal ends the process.
        os.kill(pid, rng.choice([signal.SIGKILL, signal.SIGTERM]))
        os.waitpid(pid, 0)
        if path.exists() and fastbp.load(path).history_.stopped_by is not None:
            assert bits(fastbp.load(path)) == expected
            path.unlink()
            ended += 1
        assert len(list(path.parent.iterdir())) <= 2
    assert bits(long_fit(path)) == expected
    assert [p.name for p in path.parent.iterdir()] == [path.name], (
        "what killed processes have left is still there"
    )
    return ended + 1


class Soon(fastbp.callbacks.Callback):
    """Ctrl-C ten milliseconds into the training."""

    def on_fit_begin(self, net, history):
        signal.setitimer(signal.ITIMER_REAL, 0.01)


def presses(path, number):
    """Ctrl-C so often in the course of one fit, between checkpoints: each press writes one, and
    nothing is done again."""
    x = RNG.normal(size=(100_000, 4))
    y = RNG.integers(0, 3, 100_000)
    settings = {"epochs": 2, "batch_size": 2, "optimizer": fastbp.Adam(1e-4)}
    plain = make()
    plain.fit(x, y, **settings)
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    soon, net = Soon(), make()
    for press in range(number):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if press == 0:
                net.fit(x, y, **settings, checkpoint=path, callbacks=soon)
            else:
                net = fastbp.resume(path, x, y, callbacks=soon)
        assert len(caught) == 1, caught
        assert net.history_.stopped_by == "interrupt"
        # the press fell into the last steps of all: the last checkpoint stands
        if net.history_.n_epochs == settings["epochs"]:
            continue
        half = fastbp.load(path)
        assert half.history_.batch_loss == net.history_.batch_loss
        assert half.parameters.tobytes() == net.parameters.tobytes()
    assert bits(fastbp.resume(path, x, y)) == bits(plain)


if __name__ == "__main__":
    path = Path(sys.argv[1]) / "run"
    what = sys.argv[2]
    times = int(sys.argv[3])
    if what == "kill":
        print(f"{times} kills, {kills(path, times)} fits that came to their end with the same bits")
    else:
        presses(path, times)
        print(f"{times} times Ctrl-C, and the same bits at the end")
