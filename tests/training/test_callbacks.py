"""The protocol of callbacks, its costs where it is not used, its failures, and the ready ones."""

import contextlib
import csv
import io
import os
import signal
import subprocess
import sys
import time
import types
import warnings

import numpy as np
import pytest
from helpers.needs import needs
from helpers.small_fit import VALIDATION, X_VAL, Y_VAL, X, Y, bits, make

import fastbp
from fastbp.callbacks import Callback, CSVLogger, EarlyStopping, TensorBoard, Timer
from fastbp.engine import steps


class Recorder(Callback):
    def __init__(self, name, calls, stop_at=None):
        self.name = name
        self.calls = calls
        self.stop_at = stop_at

    def _note(self, hook, net, history):
        assert history is net.history_
        assert net.train_state.step == len(history.batch_loss) == len(history.learning_rate)
        self.calls.append((self.name, hook, history.n_epochs, len(history.batch_loss)))
        return self.stop_at == (hook, len(history.batch_loss))

    def on_fit_begin(self, net, history):
        self._note("begin", net, history)

    def on_epoch_end(self, net, history):
        return self._note("epoch", net, history)

    def on_fit_end(self, net, history):
        self._note("end", net, history)
        assert history.stopped_by is not None


class StepRecorder(Recorder):
    def on_step_end(self, net, history):
        return self._note("step", net, history)


FLAGS = {
    "Python's": bool,
    "NumPy's": np.bool_,
    "a comparison": lambda flag: (np.zeros(3) == 1 - flag).all(),
    "an array without axes": lambda flag: np.array(bool(flag)),
}


def returning(hook, value, at=2):
    """A callback with this hook, or a function, that returns `value` after `at` calls."""
    calls = []

    def called(net, history):
        calls.append(1)
        return value if len(calls) == at else None

    if hook == "function":
        return called
    callback = Callback()
    setattr(callback, hook, called)
    return callback


@pytest.mark.parametrize("hook", ["on_step_end", "on_epoch_end", "function"])
@pytest.mark.parametrize("kind", FLAGS)
def test_whatever_is_a_flag_stops(kind, hook):
    history = make().fit(X, Y, epochs=4, callbacks=returning(hook, FLAGS[kind](1)))
    assert history.stopped_by == "callback"
    assert len(history.batch_loss) == (2 if hook == "on_step_end" else 4)
    history = make().fit(X, Y, epochs=4, callbacks=returning(hook, FLAGS[kind](0)))
    assert (history.stopped_by, history.n_epochs) == ("epochs", 4)


@pytest.mark.parametrize("hook", ["on_step_end", "on_epoch_end", "function"])
@pytest.mark.parametrize(
    "value",
    [1, 0, 1.0, "no", [], [True], np.array([True]), np.array(1), np.nan, object],
    ids=repr,
)
def test_what_is_no_flag_is_refused(value, hook):
    net = make()
    with pytest.raises(TypeError, match=r"^what a callback returns.* must be True or F") as caught:
        net.fit(X, Y, epochs=4, callbacks=returning(hook, value))
    assert "raised by the callback " in caught.value.__notes__[0]
    assert net.history_.stopped_by == "error"
    assert len(net.history_.batch_loss) == (2 if hook == "on_step_end" else 4)
    assert net.fit(X, Y, epochs=1).n_epochs == 1


def test_order_of_the_hooks():
    calls = []
    net = make()
    net.fit(
        X,
        Y,
        epochs=2,
        callbacks=[
            StepRecorder("a", calls),
            lambda net, h: calls.append("f"),
            Recorder("b", calls),
        ],
    )
    one_epoch = [[("a", "step", e, 2 * e + s) for s in (1, 2)] for e in (0, 1)]
    after = [[("a", "epoch", e, 2 * e), "f", ("b", "epoch", e, 2 * e)] for e in (1, 2)]
    ends = [[(name, hook, e, 2 * e) for name in "ab"] for hook, e in (("begin", 0), ("end", 2))]
    assert calls == [*ends[0], *one_epoch[0], *after[0], *one_epoch[1], *after[1], *ends[1]]


@pytest.mark.parametrize("weight", [None, np.arange(50)])
def test_steps_one_by_one_are_the_same(weight):
    """on_step_end changes how the kernels are called and nothing else."""
    settings = {
        "epochs": 3,
        "batch_size": 7,
        "l2": 0.1,
        "sample_weight": weight,
        "optimizer": fastbp.Adam(),
        **VALIDATION,
    }
    net, twin = make(), make()
    history = net.fit(X, Y, callbacks=StepRecorder("a", []), **settings)
    assert history == twin.fit(X, Y, **settings)
    assert bits(net) == bits(twin)
    assert history.n_samples == 150


def test_hooks_that_are_not_overridden_cost_no_call(monkeypatch):
    runs = []
    original = steps.StepRunner.run
    monkeypatch.setattr(
        steps.StepRunner,
        "run",
        lambda self, order, *a: runs.append(len(order)) or original(self, order, *a),
    )
    make().fit(X, Y, epochs=2, callbacks=[Recorder("a", []), Callback(), EarlyStopping(), Timer()])
    assert runs == [50, 50]
    make().fit(X, Y, epochs=1, callbacks=StepRecorder("a", []))
    assert runs[2:] == [25, 25]


@pytest.mark.parametrize(
    ("stop_at", "epochs", "steps"), [(("epoch", 4), 2, 4), (("step", 3), 1, 3), (("step", 4), 1, 4)]
)
def test_stopping(stop_at, epochs, steps):
    net = make()
    calls = []
    twin = make()
    history = net.fit(X, Y, epochs=9, shuffle=False, callbacks=StepRecorder("a", calls, stop_at))
    assert (history.stopped_by, history.n_epochs, len(history.batch_loss)) == (
        "callback",
        epochs,
        steps,
    )
    assert calls[-1] == ("a", "end", epochs, steps)
    for step in range(steps):
        part = slice(25 * (step % 2), 25 * (step % 2) + 25)
        twin.partial_fit(X[part], Y[part])
    assert bits(net)[:2] == bits(twin)[:2]


@pytest.mark.parametrize("hook", ["on_fit_begin", "on_step_end", "on_epoch_end", "on_fit_end"])
def test_a_callback_that_raises(hook):
    class Faulty(Callback):
        def __repr__(self):
            return "<the faulty one>"

    def fail(self, net, history):
        if history.n_epochs == 1 or hook == "on_fit_begin":
            raise ZeroDivisionError("of the callback")

    setattr(Faulty, hook, fail)
    net = make()
    twin = make()
    calls = []
    with pytest.raises(ZeroDivisionError, match="of the callback") as caught:
        net.fit(
            X,
            Y,
            epochs=1 if hook == "on_fit_end" else 9,
            callbacks=[Recorder("a", calls), Faulty(), Recorder("b", calls)],
        )
    done = {
        "on_fit_begin": (0, 0),
        "on_step_end": (1, 3),
        "on_epoch_end": (1, 2),
        "on_fit_end": (1, 2),
    }[hook]
    assert caught.value.__notes__ == [
        f"raised by the callback <the faulty one> in {hook}, "
        f"after {done[0]} epoch{'s' * (done[0] != 1)} and {done[1]} steps"
    ]
    history = net.history_
    assert (history.n_epochs, len(history.batch_loss), net.train_state.step) == (*done, done[1])
    assert history.stopped_by == ("epochs" if hook == "on_fit_end" else "error")
    # on_fit_end is called for the callbacks that have begun, and for no others.
    assert [c[0] for c in calls if c[1] == "end"] == (
        ["a"] if hook == "on_fit_begin" else ["a", "b"]
    )
    twin.fit(X, Y, epochs=2, callbacks=lambda net, h: None)
    assert net.fit(X, Y, epochs=2 - done[0], shuffle=True).n_epochs == 2 - done[0]
    if hook != "on_step_end":
        assert bits(net) == bits(twin)


def test_an_error_at_the_end_does_not_hide_the_first():
    class Faulty(Callback):
        def on_fit_end(self, net, history):
            raise OSError("disk full")

    with pytest.raises(fastbp.DivergenceError) as caught:
        fastbp.MLP([4, 3], output="identity").fit(
            X, X[:, :3], optimizer=fastbp.SGD(1e6), callbacks=Faulty()
        )
    (note,) = caught.value.__notes__
    assert "disk full" in note
    assert "Faulty" in note
    assert "in on_fit_end" in note


def test_divergence_in_single_steps():
    net = make()
    twin = make()
    settings = {"batch_size": 10, "shuffle": False}
    bad = X.copy()
    bad[30:40] = 1e38
    for each, callbacks in ((net, StepRecorder("a", [])), (twin, ())):
        each.parameters[:] = fastbp.MLP([4, 6, 3], "identity", seed=1).parameters
        each = fastbp.MLP([4, 3], output="identity", loss="softmax_cross_entropy", seed=1)
        with pytest.raises(fastbp.DivergenceError) as caught:
            each.fit(bad, Y, epochs=5, optimizer=fastbp.SGD(1e3), callbacks=callbacks, **settings)
        results = caught.value.epoch, caught.value.batch, bits(each), vars(each.history_)
        if callbacks:
            first = results
    assert str(first) == str(results)


def test_ctrl_c_in_a_step_callback():
    class Press(Callback):
        def on_step_end(self, net, history):
            if len(history.batch_loss) == 3:
                signal.raise_signal(signal.SIGINT)

    net = make()
    calls = []
    with pytest.warns(UserWarning, match="interrupted after 1 epoch and 3 steps"):
        history = net.fit(X, Y, callbacks=[Press(), Recorder("a", calls)])
    assert (history.stopped_by, calls[-1]) == ("interrupt", ("a", "end", 1, 3))


def test_bad_callbacks():
    for bad, message in (
        (EarlyStopping, r"write EarlyStopping\(\)"),
        ([5], "got 5"),
        ("ab", "got 'a'"),
    ):
        with pytest.raises(TypeError, match=f"^callbacks .*{message}"):
            make().fit(X, Y, callbacks=bad)


def test_early_stopping_is_patience():
    nets = make(), make()
    settings = {"epochs": 400, "batch_size": 5, "optimizer": fastbp.Adam(0.05), **VALIDATION}
    histories = (
        nets[0].fit(X, Y, patience=3, **settings),
        nets[1].fit(X, Y, callbacks=EarlyStopping(3), **settings),
    )
    assert histories[0] == histories[1]
    assert histories[0].stopped_by == "patience"
    assert bits(nets[0]) == bits(nets[1])


@pytest.mark.parametrize("monitor", [None, "loss", "val_loss"])
@pytest.mark.parametrize("min_delta", [0.0, 0.02])
def test_early_stopping(monitor, min_delta):
    net = make()
    seen = []
    callbacks = [
        EarlyStopping(4, monitor, min_delta),
        lambda net, h: seen.append(net.parameters.tobytes()),
    ]
    history = net.fit(
        X,
        Y,
        epochs=400,
        batch_size=5,
        optimizer=fastbp.Adam(0.05),
        callbacks=callbacks,
        **VALIDATION,
    )
    losses = history.loss if monitor == "loss" else history.val_loss
    best = 0
    for epoch, loss in enumerate(losses):
        best = epoch if loss < losses[best] - min_delta else best
    assert (history.best_epoch, history.n_epochs, history.stopped_by) == (
        best,
        best + 5,
        "patience",
    )
    assert net.parameters.tobytes() == seen[best]


class Scripted(Callback):
    """Replaces the losses of each epoch by given ones; first in the list, other callbacks see
    them."""

    def __init__(self, **losses):
        self.losses = losses

    def on_epoch_end(self, net, history):
        for name, values in self.losses.items():
            getattr(history, name)[-1] = values[history.n_epochs - 1]


def fit_scripted(callbacks, epochs, **losses):
    """The history of a fit with such losses, and which epoch's weights the net ended with."""
    net = make()
    seen = []
    script = Scripted(**losses)
    history = net.fit(
        X, Y, epochs, 25, callbacks=[
            script, lambda net, h: seen.append(net.parameters.tobytes()), *callbacks
        ], **VALIDATION,
    )  # fmt: skip
    return history, seen.index(net.parameters.tobytes())


FALLING = [1.0 / (i + 1) for i in range(30)]
BEST_AT_3 = [4.0, 3, 2, 1, *range(5, 31)]


@pytest.mark.parametrize("reverse", [False, True])
def test_several_keep_their_own_state(reverse):
    """The one of the validation loss ends the fit, and its weights come back."""
    callbacks = [EarlyStopping(5), EarlyStopping(20, "loss")]
    history, kept = fit_scripted(
        callbacks[:: -1 if reverse else 1], 30, loss=FALLING, val_loss=BEST_AT_3
    )
    assert (history.n_epochs, history.stopped_by) == (9, "patience")
    assert history.best_epoch == kept == 3


WORSE_AT_FIRST = [9.0, 8, 7, 6, 5.5, *[6] * 25]
SEVERAL = {  # callbacks, last epoch, epoch of the weights
    "the training loss ends": (lambda: [EarlyStopping(3, "loss"), EarlyStopping(20)], 7, 4),
    "none ends": (lambda: [EarlyStopping(26, "loss"), EarlyStopping(28, "val_loss")], 29, 3),
    "both end": (lambda: [EarlyStopping(5, "loss"), EarlyStopping(6)], 9, 3),
    "min_delta": (lambda: [EarlyStopping(6, None, 1.5), EarlyStopping(5)], 8, 3),
    "restore": (lambda: [EarlyStopping(6, restore=False), EarlyStopping(20, "loss")], 9, 4),
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", SEVERAL)
def test_the_order_of_several_does_not_matter(name, reverse):
    callbacks, last, wanted = SEVERAL[name]
    history, kept = fit_scripted(
        callbacks()[:: -1 if reverse else 1], 30, loss=WORSE_AT_FIRST, val_loss=BEST_AT_3
    )
    assert history.n_epochs == last + 1
    assert history.best_epoch == kept == wanted


@pytest.mark.parametrize("bad", [np.inf, np.nan, -np.inf])
@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_loss_that_is_not_finite_counts_as_not_lower(first, bad):
    losses = [*[bad] * first, 3.0, bad, 2.0, bad, bad, bad, 1.0, 1.0]
    history, kept = fit_scripted([EarlyStopping(3)], len(losses), val_loss=losses)
    assert (history.stopped_by, history.n_epochs) == ("patience", first + 6)
    assert history.best_epoch == kept == first + 2
    history, kept = fit_scripted([EarlyStopping(4)], 9, val_loss=[bad] * 9)
    assert (history.stopped_by, history.n_epochs) == ("patience", 4)
    assert (history.best_epoch, kept) == (None, 3)


def test_early_stopping_of_what_is_not_there():
    net = make()
    with pytest.raises(ValueError, match=r"^monitor='val_loss' needs .*X_val") as caught:
        net.fit(X, Y, callbacks=EarlyStopping(monitor="val_loss"))
    assert "on_fit_begin" in caught.value.__notes__[0]
    assert bits(net) == bits(make())
    for bad, error in (
        ({"patience": 0}, ValueError),
        ({"monitor": "accuracy"}, ValueError),
        ({"min_delta": -1}, ValueError),
    ):
        with pytest.raises(error, match=f"^{next(iter(bad))} "):
            EarlyStopping(**bad)


@pytest.mark.parametrize("validation", [{}, VALIDATION])
def test_csv_logger(tmp_path, validation):
    path = tmp_path / "log.csv"
    path.write_text("older", encoding="utf-8")
    net = make()
    logger = CSVLogger(path)
    rows_then = []
    schedule = fastbp.schedules.Exponential(0.1, 0.5)
    settings = {"batch_size": 20, "optimizer": fastbp.SGD(schedule), **validation}
    history = net.fit(
        X,
        Y,
        epochs=3,
        callbacks=[logger, lambda n, h: rows_then.append(len(path.read_text().split()))],
        **settings,
    )
    assert rows_then == [2, 3, 4]
    more = net.fit(X, Y, epochs=2, callbacks=CSVLogger(path, append=True), **settings)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "0", "1"]
    assert [float(row["loss"]) for row in rows] == history.loss + more.loss
    assert [row["val_loss"] for row in rows] == (
        [str(v) for v in history.val_loss + more.val_loss] or [""] * 5
    )
    assert [float(row["learning_rate"]) for row in rows] == [0.1 * 0.5**e for e in range(5)]
    assert all(float(row["seconds"]) > 0 for row in rows)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "0,1.2", "0,1.2\n"])
def test_csv_logger_appends_whole_rows(tmp_path, end):
    """Also behind a row that was cut off, as by a kill."""
    path = tmp_path / "log.csv"
    make().fit(X, Y, epochs=2, callbacks=CSVLogger(path))
    before = path.read_text()
    path.write_text(before.rstrip() + "\n" * end.startswith("0") + end)
    history = make().fit(X, Y, epochs=2, callbacks=CSVLogger(path, append=True))
    rows = [line.split(",") for line in path.read_text().splitlines() if line]
    cut_off = [["0", "1.2"]] if "0,1.2" in end else []
    assert [row[0] for row in rows] == ["epoch", "0", "1", *(r[0] for r in cut_off), "0", "1"]
    assert [float(row[1]) for row in rows[-2:]] == history.loss


def test_csv_logger_without_a_folder(tmp_path):
    net = make()
    with pytest.raises(FileNotFoundError) as caught:
        net.fit(X, Y, callbacks=CSVLogger(tmp_path / "none" / "log.csv"))
    assert "CSVLogger" in caught.value.__notes__[0]
    assert bits(net) == bits(make())


def events_in(folder):
    """Every event of TensorBoard's files: records of a length (uint64), its checksum, the message,
    and that one's checksum."""
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        while content:
            size = int.from_bytes(content[:8], "little")
            yield Event.FromString(content[12 : 12 + size])
            content = content[16 + size :]


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboardX")
    net = make()
    board = TensorBoard(tmp_path / "runs")
    settings = {
        "optimizer": fastbp.SGD(fastbp.schedules.Exponential(0.1, 0.9, per="step")),
        **VALIDATION,
    }
    histories = [net.fit(X, Y, epochs=n, callbacks=board, **settings) for n in (3, 2)]
    scalars = [
        (v.tag, e.step, v.simple_value)
        for e in events_in(tmp_path / "runs")
        for v in e.summary.value
    ]

    def written(tag):
        return sorted((step, value) for name, step, value in scalars if name == tag)

    def expected(name):
        values = [value for history in histories for value in getattr(history, name)]
        return list(enumerate(np.float32(values).tolist()))

    assert {name for name, _, _ in scalars} == {
        "loss/batch",
        "loss/train",
        "loss/validation",
        "learning_rate",
    }
    assert written("loss/batch") == expected("batch_loss")
    assert written("loss/train") == expected("loss")
    assert written("loss/validation") == expected("val_loss")
    assert written("learning_rate") == expected("learning_rate")


def test_tensorboard_without_its_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install 'fastbp\[tensorboard\]'"):
        TensorBoard("runs")


def test_timer():
    timer = Timer()
    sleep = 0.02
    start = time.perf_counter()
    history = make().fit(X, Y, epochs=3, callbacks=[lambda net, h: time.sleep(sleep), timer])
    total = time.perf_counter() - start
    assert len(timer.epoch_seconds) == len(timer.step_seconds) == history.n_epochs == 3
    assert min(timer.epoch_seconds) >= sleep
    assert sum(timer.epoch_seconds) <= timer.seconds <= total
    np.testing.assert_allclose(timer.step_seconds, np.array(timer.epoch_seconds) / 2)
    assert timer.seconds == timer.seconds  # the clock has stopped
    make().fit(X, Y, epochs=1, callbacks=timer)
    assert len(timer.epoch_seconds) == 1


@pytest.mark.parametrize("validation", [{}, VALIDATION])
def test_progress_in_a_log_file(monkeypatch, validation):
    """Lines, none of which overwrites another, and few of them."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    history = make().fit(X, Y, epochs=300, batch_size=None, progress=True, **validation)
    assert "\r" not in stream.getvalue()
    first, *_, last = lines = stream.getvalue().splitlines()
    assert len(lines) < 10
    assert "0/300" in first
    for text in ("100%", "300/300", "epoch/s", f"loss={history.loss[-1]:.4f}", "samples/s="):
        assert text in last
    assert ("val_loss=" in last) == bool(validation)


@needs("os.openpty", "termios")
def test_progress_in_a_terminal(monkeypatch):
    """One line that overwrites itself, with the time that is left."""
    import termios

    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    shown = b""
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        make().fit(X_VAL, Y_VAL, epochs=4, progress=True)
    with contextlib.suppress(OSError):  # Linux ends a closed terminal by EIO; text comes in pieces
        while piece := os.read(ours, 1 << 16):
            shown += piece
    os.close(ours)
    shown = shown.decode()
    assert shown.count("\r") >= 2
    assert "0/4" in shown
    assert shown.rstrip("\r\n").count("\n") == 0
    assert "4/4" in shown
    assert "<00:00" in shown


def test_progress_of_a_fit_within_a_fit(monkeypatch):
    """Lines without codes that move a cursor."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)

    def validate(net, history):
        make().fit(X, Y, epochs=2, progress=True)

    make().fit(X, Y, epochs=2, progress=True, callbacks=validate)
    lines = stream.getvalue().split("\n")
    assert lines.pop() == ""
    assert all(line.startswith("fit: ") and line.isprintable() for line in lines)
    assert sum("2/2" in line for line in lines) == 3


class Stream:
    """A standard error of `write` alone that fails from some write on."""

    def __init__(self, fails_at=None, error=BrokenPipeError):
        self.lines = []
        self.fails_at = fails_at
        self.error = error

    def write(self, text):
        if self.fails_at is not None and len(self.lines) >= self.fails_at:
            raise self.error("no reader")
        self.lines.append(text)


class Terminal(Stream):
    encoding = "ascii"

    def write(self, text):
        super().write(text)
        text.encode("ascii")

    def isatty(self):
        return True

    def flush(self):
        if self.fails_at is not None and len(self.lines) >= self.fails_at:
            raise self.error("no reader")


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS = {
    "none": lambda: None,
    "closed": closed,
    "an object": object,
    "a logger": Stream,
    "a terminal of ASCII": Terminal,
    "isatty that raises": lambda: types.SimpleNamespace(isatty=lambda: 1 / 0),
}
for kind in (Stream, Terminal):
    for at in range(5):
        for error in (BrokenPipeError, ValueError, RuntimeError, AttributeError):
            STREAMS[f"{kind.__name__} {error.__name__} {at}"] = (
                lambda kind=kind, at=at, error=error: kind(at, error)
            )


@pytest.mark.parametrize("action", ["error", "ignore"])
@pytest.mark.parametrize("name", STREAMS)
def test_no_progress_bar_ends_a_training(name, action, monkeypatch):
    from fastbp.callbacks import progress

    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    stream = STREAMS[name]()
    net, twin = make(), make()
    wanted = twin.fit(X, Y, epochs=4, **VALIDATION)
    with monkeypatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter(action)
        patch.setattr(sys, "stderr", stream)
        history = net.fit(X, Y, epochs=4, progress=True, **VALIDATION)
    assert history == wanted
    assert bits(net) == bits(twin)
    if name in ("a logger", "a terminal of ASCII"):
        assert f"loss={history.loss[-1]:.4f}" in stream.lines[-1 if name == "a logger" else -2]


def test_a_progress_bar_that_fails_is_reported_once(monkeypatch):
    from fastbp.callbacks import progress

    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    stream = Stream(2)
    monkeypatch.setattr(sys, "stderr", stream)
    with pytest.warns(UserWarning, match="progress bar could not be shown, the training") as caught:
        make().fit(X, Y, epochs=9, progress=True)
    assert len(caught) == 1
    assert len(stream.lines) == 2


PIPED = """
import sys, fastbp, numpy as np
X, y = np.zeros((64, 3)), np.zeros(64, int)
net = fastbp.MLP([3, 4, 2])

def wait(net, history):
    if history.n_epochs == 5:
        print(flush=True)
        sys.stdin.readline()  # behind the end of the reader

fastbp.callbacks.progress.LOG_SECONDS = 0.0
net.fit(X, y, epochs=20, progress=True, callbacks=wait)
print(net.history_.n_epochs, net.history_.stopped_by, flush=True)
"""


def test_the_reader_of_the_progress_bar_ends():
    """As in ``python train.py 2>&1 >log | head``."""
    child = subprocess.Popen([sys.executable, "-c", PIPED], stdin=-1, stdout=-1, stderr=-1)
    assert child.stdout.readline() == b"\n"
    child.stderr.close()
    child.stdin.write(b"\n")
    child.stdin.close()
    assert child.stdout.read() == b"20 epochs\n"
    child.stdout.close()
    child.wait(60)


class Outputs:
    """The outputs of a notebook's cell."""

    def __init__(self, monkeypatch):
        display = pytest.importorskip("IPython.display")
        self.texts = []
        shell = types.SimpleNamespace(kernel=None)
        monkeypatch.setattr("IPython.get_ipython", lambda: shell)
        monkeypatch.setattr(display, "display", self)

    def __call__(self, data, raw, display_id):
        assert (raw, display_id) == (True, True)
        self.update(data, raw)
        return self

    def update(self, data, raw):
        assert raw
        (kind,) = data
        assert kind == "text/plain"
        self.texts.append(data[kind])


def test_progress_in_a_notebook(monkeypatch, capsys):
    """One output that is updated, and empty after the fit, so that none is exported."""
    outputs = Outputs(monkeypatch)
    history = make().fit(X, Y, epochs=3, progress=True, callbacks=lambda *_: time.sleep(0.15))
    assert outputs.texts[0] == outputs.texts[-1] == ""
    assert f"loss={history.loss[-1]:.4f}" in "".join(outputs.texts)
    assert all("\r" not in text and "\n" not in text for text in outputs.texts)
    assert capsys.readouterr() == ("", "")
