"""A net that several threads want at once: one fit at a time, and whoever looks on disturbs
nothing."""

import threading

import numpy as np
import pytest
from helpers.small_fit import X, Y, bits, make
from helpers.waiting import HUNG_SECONDS

import fastbp

LONG = {"epochs": 40, "batch_size": 5, "optimizer": fastbp.Adam(0.01)}
REFUSED = (
    "^the net is being trained already, by another thread or by the fit whose callback this is$"
)


class Holding(fastbp.callbacks.Callback):
    """Lets a fit of another thread wait after its third epoch, as long as the test likes."""

    def __init__(self):
        self.reached, self.go_on = threading.Event(), threading.Event()

    def on_epoch_end(self, net, history):
        if history.n_epochs == 3:
            self.reached.set()
            assert self.go_on.wait(HUNG_SECONDS)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(
    "second",
    [
        lambda net: net.fit(X, Y, epochs=2, optimizer=fastbp.SGD(1.0)),
        lambda net: net.fit([(X, Y)], epochs=1),
        lambda net: net.partial_fit(X, Y),
    ],
    ids=["fit", "stream", "partial_fit"],
)
def test_the_second_fit_is_refused(second, n_threads):
    net, plain, holding = make(), make(), Holding()
    plain.fit(X, Y, **LONG)
    first = threading.Thread(
        target=lambda: net.fit(X, Y, **LONG, n_threads=n_threads, callbacks=holding)
    )
    first.start()
    try:
        assert holding.reached.wait(HUNG_SECONDS)
        history = net.history_
        with pytest.raises(RuntimeError, match=REFUSED):
            second(net)
        assert net.history_ is history
    finally:
        holding.go_on.set()
        first.join()
    assert bits(net) == bits(plain)
    assert net.history_ == plain.history_
    for each in (net, plain):
        second(each)
    assert bits(net) == bits(plain)


def test_many_at_once():
    """Whoever comes first trains; of the others each is refused, or comes after it: never are two
    at work."""
    net = make()
    plain = make()
    outcomes = []
    ready = threading.Barrier(8)

    def fit():
        ready.wait()
        try:
            outcomes.append(net.fit(X, Y, epochs=30, shuffle=False).n_epochs)
        except RuntimeError:
            outcomes.append(0)

    threads = [threading.Thread(target=fit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trained = outcomes.count(30)
    assert trained >= 1
    assert trained + outcomes.count(0) == 8
    plain.fit(X, Y, epochs=30 * trained, shuffle=False)
    assert bits(net)[0] == bits(plain)[0]


def test_a_fit_within_a_fit():
    """Of a callback, on the net that it is called about; a copy is another net."""
    net = make()
    plain = make()
    copies = []

    def callback(net, history):
        copies.append(fastbp.MLP([4, 6, 3], seed=history.n_epochs))
        copies[-1].fit(X, Y, epochs=1)
        with pytest.raises(RuntimeError, match=REFUSED):
            net.fit(X, Y)

    net.fit(X, Y, epochs=3, callbacks=callback)
    plain.fit(X, Y, epochs=3)
    assert bits(net) == bits(plain)
    assert len(copies) == 3


@pytest.mark.parametrize("n_threads", [1, 2])
def test_predictions_while_another_thread_trains(n_threads):
    """They come of weights that are being updated, some of one step, some of the next:
    probabilities all the same. The fit does not notice."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 40))
    y = rng.integers(0, 3, 2000)
    net, plain = (fastbp.MLP([40, 100, 3]) for _ in range(2))
    fit = threading.Thread(target=lambda: net.fit(x, y, epochs=30, n_threads=n_threads))
    fit.start()
    looked = 0
    while fit.is_alive() or not looked:
        for rows in (1, 7, 2000):
            p = net.predict_proba(x[:rows])
            assert p.min() >= 0
            np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
        assert np.isfinite(net.loss(x, y))
        looked += 1
    fit.join()
    plain.fit(x, y, epochs=30)
    assert bits(net) == bits(plain)
