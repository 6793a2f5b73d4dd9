"""The live loss curve, by what it hands to IPython."""

import warnings

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
        self.log.append(("update", shown.n_epochs, shown.stopped_by))


@pytest.fixture
def log(monkeypatch):
    log = []

    def show(shown, display_id):
        log.append(("display", shown.n_epochs, shown.stopped_by))
        return Handle(log)

    monkeypatch.setattr(display, "display", show)
    return log


def test_one_picture_a_fit_and_an_update_an_epoch(log):
    net = fastbp.MLP([3, 4, 2])
    live = fastbp.plot.LiveLossCurve()
    net.fit(X, Y, epochs=3, callbacks=live)
    first = [
        ("display", 1, None),
        ("update", 2, None),
        ("update", 3, None),
        ("update", 3, "epochs"),
    ]
    assert log == first
    net.fit(X, Y, epochs=2, callbacks=live)
    second = [("display", 1, None), ("update", 2, None), ("update", 2, "epochs")]
    assert log == first + second


def test_every_few_epochs(log):
    """The end of the fit is drawn in any case, with what ended it."""
    fastbp.MLP([3, 4, 2]).fit(X, Y, epochs=8, callbacks=fastbp.plot.LiveLossCurve(every=3))
    assert log == [
        ("display", 1, None), ("update", 3, None), ("update", 6, None), ("update", 8, "epochs")
    ]  # fmt: skip


def test_a_fit_without_an_epoch(log):
    callbacks = [lambda net, history: 1 / 0, fastbp.plot.LiveLossCurve()]
    with pytest.raises(ZeroDivisionError):
        fastbp.MLP([3, 4, 2]).fit(X, Y, callbacks=callbacks)
    assert log == []


@pytest.mark.parametrize("fails_at", range(5))
def test_no_picture_ends_a_training(log, fails_at, monkeypatch):
    shown = []
    handle = display.display(fastbp.History(), display_id=True)

    def fail(*_, **__):
        shown.append(1)
        if len(shown) > fails_at:
            raise RuntimeError("the kernel is gone")
        return handle

    monkeypatch.setattr(display, "display", fail)
    handle.update = fail
    net, twin = fastbp.MLP([3, 4, 2]), fastbp.MLP([3, 4, 2])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = net.fit(X, Y, epochs=4, callbacks=fastbp.plot.LiveLossCurve())
    assert history == twin.fit(X, Y, epochs=4)
    assert net.parameters.tobytes() == twin.parameters.tobytes()
    (warning,) = caught  # and nothing is drawn after it
    assert "the loss curve could not be shown, the training continues: Runt" in str(warning.message)
    assert len(shown) == fails_at + 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown.clear()
        assert net.fit(X, Y, epochs=2, callbacks=fastbp.plot.LiveLossCurve()).n_epochs == 2


def test_one_curve_a_cell(log, monkeypatch):
    """Where the history is the value of the cell too, it is one line of text there."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    net = fastbp.MLP([3, 4, 2])
    before = net.fit(X, Y, epochs=2)
    for _ in range(2):
        net.fit(X, Y, epochs=1, callbacks=fastbp.plot.LiveLossCurve())
        history = net.fit(X, Y, epochs=2, callbacks=fastbp.plot.LiveLossCurve())
        shown, _ = shell.display_formatter.format(history)
        assert shown == {"text/plain": repr(history)}
        assert "text/html" in shell.display_formatter.format(before)[0]
        shell.events.trigger("post_run_cell", None)
        for each in (history, before):
            assert "svg" in shell.display_formatter.format(each)[0]["text/html"]


def test_outside_of_a_notebook(capsys):
    history = fastbp.MLP([3, 4, 2]).fit(X, Y, epochs=2, callbacks=fastbp.plot.LiveLossCurve())
    assert history.n_epochs == 2


@pytest.mark.parametrize(("every", "error"), [(0, ValueError), (1.5, TypeError)])
def test_bad_input(every, error):
    with pytest.raises(error, match="every must be"):
        fastbp.plot.LiveLossCurve(every)
