"""The live loss curve, told by what it hands to IPython."""

import numpy as np
import pytest

import fastbp

display = pytest.importorskip("IPython.display", reason="the live curve is a notebook's")
X = np.random.default_rng(0).normal(size=(20, 3))
Y = np.arange(20) % 2


class Handle:
    def __init__(self, log):
        self.log = log

    def update(self, shown):
        self.log.append(("update", shown.n_epochs))


@pytest.fixture
def log(monkeypatch):
    log = []

    def show(shown, display_id):
        log.append(("display", shown.n_epochs))
        return Handle(log)

    monkeypatch.setattr(display, "display", show)
    return log


def test_one_picture_a_fit_and_an_update_an_epoch(log):
    net = fastbp.MLP([3, 4, 2])
    live = fastbp.plot.LiveLossCurve()
    net.fit(X, Y, epochs=3, callbacks=live)
    net.fit(X, Y, epochs=2, callbacks=live)
    assert log == [("display", 1), ("update", 2), ("update", 3), ("display", 1), ("update", 2)]


def test_every_few_epochs(log):
    fastbp.MLP([3, 4, 2]).fit(X, Y, epochs=7, callbacks=fastbp.plot.LiveLossCurve(every=3))
    assert log == [("display", 1), ("update", 3), ("update", 6)]


def test_outside_of_a_notebook(capsys):
    history = fastbp.MLP([3, 4, 2]).fit(X, Y, epochs=2, callbacks=fastbp.plot.LiveLossCurve())
    assert history.n_epochs == 2


@pytest.mark.parametrize(("every", "error"), [(0, ValueError), (1.5, TypeError)])
def test_bad_input(every, error):
    with pytest.raises(error, match="every must be"):
        fastbp.plot.LiveLossCurve(every)
