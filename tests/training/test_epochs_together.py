"""Epochs that one call of the kernels makes: the results of epochs made one by one."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from helpers.needs import needs
from helpers.small_fit import bits

import fastbp
from fastbp.training import loop

RNG = np.random.default_rng(2)
X = RNG.normal(size=(50, 4))
Y = RNG.integers(0, 3, 50)
WEIGHT = RNG.uniform(0.1, 2, 50)


def make(**options):
    return fastbp.MLP([4, 7, 3], hidden="tanh", seed=5, **options)


def nothing(net, history):
    """A callback: with one, epochs are made one by one."""


def both(n_epochs=9, options=(), **settings):
    """Nets trained with epochs together and one by one, and their histories."""
    nets = [make(**dict(options)) for _ in range(2)]
    histories = [
        net.fit(X, Y, epochs=n_epochs, callbacks=callbacks, **settings)
        for net, callbacks in zip(nets, ([], nothing), strict=True)
    ]
    return nets, histories


@pytest.mark.parametrize("samples_per_call", [100, 170, 1 << 17])
@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 8},
        {"batch_size": 50, "shuffle": False},
        {"batch_size": None, "optimizer": fastbp.Adam(0.01), "l2": 0.01},
        {"batch_size": 7, "optimizer": fastbp.Nadam(0.01), "sample_weight": WEIGHT},
        {"batch_size": 16, "class_weight": "balanced", "clip_norm": 0.1, "n_threads": 2},
        {"batch_size": 9, "options": {"dropout": 0.4}},
        {"batch_size": 9, "options": {"dtype": "float64"}},
    ],
    ids=repr,
)
def test_the_results_of_one_by_one(settings, samples_per_call, monkeypatch):
    monkeypatch.setattr(loop, "SAMPLES_PER_CALL", samples_per_call)
    nets, histories = both(**settings)
    assert histories[0] == histories[1]
    assert bits(nets[0]) == bits(nets[1])
    # The generators agree too, and so does what follows.
    for net in nets:
        net.fit(X, Y, epochs=2, batch_size=10)
    assert bits(nets[0]) == bits(nets[1])


def test_calls_of_the_kernels(monkeypatch):
    """All epochs in one run where nothing looks between them; otherwise each in its own."""
    calls = []
    original = loop.StepRunner.run

    def counted(self, order, done, pause=None, epochs=1):
        calls.append(epochs)
        return original(self, order, done, pause, epochs)

    monkeypatch.setattr(loop.StepRunner, "run", counted)
    for settings in ({}, {"l2": 0.1, "clip_norm": 1.0}, {"sample_weight": WEIGHT}):
        make().fit(X, Y, epochs=6, **settings)
        assert calls == [6]
        calls.clear()
    watched = [
        {"callbacks": nothing},
        {"X_val": X, "y_val": Y},
        {"patience": 3},
        {"optimizer": fastbp.SGD(fastbp.schedules.Cosine(0.1, 6))},
        {"progress": True},
    ]
    for settings in watched:
        make().fit(X, Y, epochs=6, **settings)
        assert calls == [1] * 6, settings
        calls.clear()


def test_divergence_within_a_call():
    """A linear model with a rate that is too large: its weights grow for many epochs."""
    errors = []
    nets = [fastbp.MLP([4, 3], output="identity", seed=5) for _ in range(2)]
    for net, callbacks in zip(nets, ([], nothing), strict=True):
        settings = {"batch_size": 8, "optimizer": fastbp.SGD(2.5), "callbacks": callbacks}
        with pytest.raises(fastbp.DivergenceError) as caught:
            net.fit(X, X[:, :3], epochs=5000, **settings)
        errors.append((caught.value.epoch, caught.value.batch, repr(net.history_.batch_loss)))
    assert errors[0] == errors[1]
    assert errors[0][0] > 3
    assert nets[0].history_.loss == nets[1].history_.loss
    assert bits(nets[0]) == bits(nets[1])
    assert np.isfinite(nets[0].parameters).all()


@needs("signal.pthread_kill")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_ctrl_c_within_a_call(n_threads):
    net, twin = make(), make()
    settings = {"batch_size": 5, "optimizer": fastbp.Adam(1e-4), "n_threads": n_threads}
    make().fit(X, Y, epochs=1, **settings)  # loads the kernels

    def wait_and_press():
        while not net.network.training.locked():
            time.sleep(0.001)
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=wait_and_press)
    thread.start()
    with pytest.warns(UserWarning, match="interrupted"):
        history = net.fit(X, Y, epochs=10**7, **settings)
    thread.join()
    steps = len(history.batch_loss)
    assert history.stopped_by == "interrupt"
    assert 0 < steps == net.train_state.step
    assert history.n_epochs == steps // 10
    assert history.n_samples == 5 * steps

    class Stop(fastbp.callbacks.Callback):
        def on_step_end(self, net, history):
            return len(history.batch_loss) == steps

    other = twin.fit(X, Y, epochs=10**7, callbacks=Stop(), **settings)
    assert other.batch_loss == history.batch_loss
    assert other.loss == history.loss[: len(other.loss)]  # a stop at its last step ends no epoch
    assert net.parameters.tobytes() == twin.parameters.tobytes()
    if steps % 10:  # within an epoch, of which the order has been drawn
        assert net.train_state.rng.random() == twin.train_state.rng.random()
