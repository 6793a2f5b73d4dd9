"""Fits that are killed and resumed: the same bits as without, at every batch boundary."""

import os
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers.needs import needs
from helpers.saved_nets import everything
from helpers.torture_checkpoints import CASES, SETTINGS, VALIDATION, X, Y, make
from helpers.waiting import HUNG_SECONDS

import fastbp
from fastbp.runtime import autotune
from fastbp.training import checkpointer

KILLS = int(os.environ.get("FASTBP_KILLS", "25"))
TORTURE = Path(__file__).parents[1] / "helpers" / "torture_checkpoints.py"
EPOCHS = 4
STEPS = 4  # of the fits here: 50 samples by 16, the last batch short


class Killed(BaseException):
    """What no part of a fit catches for good; the file stays as it was."""


class KillAt(fastbp.callbacks.Callback):
    """Ends the process, as it were, when the checkpoint after so many steps and epochs has been
    written."""

    def __init__(self, monkeypatch, number):
        save = checkpointer.Checkpointer.save
        self.left = number

        def save_and_die(checkpointer, *arguments):
            save(checkpointer, *arguments)
            self.left -= 1
            if self.left == 0:
                raise Killed

        monkeypatch.setattr(checkpointer.Checkpointer, "save", save_and_die)


def plain(case="adam", **more):
    net = make(case)
    net.fit(X, Y, **VALIDATION, **(SETTINGS | CASES[case][1] | more))
    return net


def killed(monkeypatch, path, number, case="adam", **more):
    """A fit that dies right behind its checkpoint `number`, the first being 1."""
    with monkeypatch.context() as patch:
        KillAt(patch, number)
        with pytest.raises(Killed):
            make(case).fit(
                X,
                Y,
                **VALIDATION,
                **({"checkpoint_every": 0} | SETTINGS | CASES[case][1] | more),
                checkpoint=path,
            )


def resumed(path, **more):
    return fastbp.resume(path, X, Y, **VALIDATION, **more)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("case", CASES)
def test_the_same_bits_at_every_batch_boundary(case, n_threads, tmp_path, monkeypatch):
    net = plain(case)
    weight = CASES[case][1].get("sample_weight")
    made = len(net.history_.batch_loss)
    for number in range(1, made + 1):
        path = tmp_path / str(number)
        killed(monkeypatch, path, number, case, n_threads=n_threads)
        half = fastbp.load(path)
        assert len(half.history_.batch_loss) == number
        assert half.history_.stopped_by is None or number == made
        assert everything(
            resumed(path, n_threads=3 - n_threads, sample_weight=weight)
        ) == everything(net), number
        assert everything(fastbp.load(path)) == everything(net)
        assert everything(resumed(path, sample_weight=weight)) == everything(net)  # which had ended


def test_killed_again_and_again(tmp_path, monkeypatch):
    """Each time one step further."""
    net = plain()
    path = tmp_path / "run"
    killed(monkeypatch, path, 1)
    for _ in range(len(net.history_.batch_loss) - 2):
        with monkeypatch.context() as patch:
            KillAt(patch, 1)
            with pytest.raises(Killed):
                resumed(path, checkpoint_every=0)
    assert everything(resumed(path)) == everything(net)


class EveryStep(fastbp.callbacks.Callback):
    """One step a run of the kernels; stops at the step `last`."""

    def __init__(self, last=10**9):
        self.seen = 0
        self.last = last

    def checkpoint_state(self):
        return {"seen": self.seen, "rates": np.arange(3.0)}

    def on_fit_resume(self, net, history, state):
        assert len(history.batch_loss) == state["seen"]
        assert state["rates"].tolist() == [0, 1, 2]
        self.seen = state["seen"]

    def on_step_end(self, net, history):
        self.seen += 1
        assert len(history.batch_loss) == self.seen
        return self.seen == self.last


@pytest.mark.parametrize("last", [11, 10**9])
def test_one_step_at_a_time(last, tmp_path, monkeypatch):
    net = plain(callbacks=EveryStep(last))
    for number in range(1, len(net.history_.batch_loss) + 1):
        path = tmp_path / str(number)
        killed(monkeypatch, path, number, callbacks=EveryStep(last))
        callback = EveryStep(last)
        assert everything(resumed(path, callbacks=callback)) == everything(net), number
        made = len(net.history_.batch_loss)
        assert callback.seen == (made if number < made else 0)  # a completed fit calls none


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.float64])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_batches_of_several_blocks(n_threads, dtype, tmp_path, monkeypatch):
    """Batches larger than what the kernels work on at a time, the rows converted in pieces or read
    where they lie."""
    rng = np.random.default_rng(2)
    rows = (rng.normal(size=(20_000, 30)) * 9).astype(dtype)
    labels = rng.integers(0, 3, len(rows))
    settings = {"epochs": 2, "batch_size": 9000, "optimizer": fastbp.Adam(), "n_threads": n_threads}
    net = fastbp.MLP([30, 4, 3], seed=1, dropout=0.5)
    net.fit(rows, labels, **settings)
    for number in range(1, 6):
        path = tmp_path / str(number)
        with monkeypatch.context() as patch:
            KillAt(patch, number)
            with pytest.raises(Killed):
                fastbp.MLP([30, 4, 3], seed=1, dropout=0.5).fit(
                    rows, labels, **settings, checkpoint=path, checkpoint_every=0
                )
        assert everything(fastbp.resume(path, rows, labels)) == everything(net), number


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_within_a_run_of_many_steps(dtype, tmp_path, monkeypatch):
    """Not at each step, but where the tuner ends a call of the kernels; with rows read where they
    lie, and in pieces."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(40_000, 20)).astype(dtype)
    labels = rng.integers(0, 3, 40_000)
    settings = {"epochs": 2, "batch_size": 8, "optimizer": fastbp.Adam(1e-4), "n_threads": 1}
    net = fastbp.MLP([20, 16, 3], seed=1)
    net.fit(rows, labels, **settings)
    monkeypatch.setattr(autotune, "SLICE_SECONDS", 1e-4)
    made = []
    for number in (1, 2, 5, 9):
        path = tmp_path / str(number)
        with monkeypatch.context() as patch:
            KillAt(patch, number)
            with pytest.raises(Killed):
                fastbp.MLP([20, 16, 3], seed=1).fit(
                    rows, labels, **settings, checkpoint=path, checkpoint_every=1e-9
                )
        made.append(len(fastbp.load(path).history_.batch_loss))
        assert everything(fastbp.resume(path, rows, labels)) == everything(net)
    assert made[0] == 1  # the first call of the kernels
    assert all(0 < steps < 5000 for steps in made[1:])


def test_ctrl_c_writes_a_last_one(tmp_path):
    """At whatever step it comes; the checkpoint of before stands if it comes while callbacks are
    called."""
    net = plain()
    path = tmp_path / "run"
    for at in range(1, len(net.history_.batch_loss)):
        path.unlink(missing_ok=True)

        class Press(fastbp.callbacks.Callback):
            def on_step_end(self, net, history, at=at):
                if len(history.batch_loss) == at:
                    signal.raise_signal(signal.SIGINT)

        with pytest.warns(UserWarning, match=rf"and {at} steps?\b"):
            make().fit(X, Y, **VALIDATION, **SETTINGS, checkpoint=path, callbacks=Press())
        assert not path.exists()
        with pytest.warns(UserWarning, match=rf"and {at} steps?\b"):
            make().fit(
                X,
                Y,
                **VALIDATION,
                **SETTINGS,
                checkpoint=path,
                checkpoint_every=0,
                callbacks=Press(),
            )
        assert (
            everything(resumed(path, callbacks=EveryStepLess())) == everything(net)
            if at > 1
            else not path.exists()
        )


@pytest.mark.parametrize("callbacks", [(), "EveryStepLess"])
@pytest.mark.parametrize("epoch", [0, 2])
def test_ctrl_c_within_a_validation(epoch, callbacks, tmp_path, monkeypatch):
    """It does not wait for the end of the validation: the steps of the epoch are made, and its end
    is left to the resumed fit."""
    callbacks = globals()[callbacks]() if callbacks else ()
    net = plain(callbacks=callbacks)
    path = tmp_path / "run"
    validated = []
    original = fastbp.training.loop.mean_loss

    def press(*arguments):
        validated.append(1)
        if len(validated) == epoch + 1:
            signal.raise_signal(signal.SIGINT)
            pytest.fail("the signal was deferred")
        return original(*arguments)

    half = make()
    with monkeypatch.context() as patch:
        patch.setattr(fastbp.training.loop, "mean_loss", press)
        with pytest.warns(UserWarning, match=f"{4 * epoch + 4} steps"):
            half.fit(X, Y, **VALIDATION, **SETTINGS, checkpoint=path, callbacks=callbacks)
    history = half.history_
    assert (history.stopped_by, history.n_epochs, len(history.batch_loss)) == (
        "interrupt",
        epoch,
        STEPS * (epoch + 1),
    )
    assert len(history.val_loss) == epoch
    assert everything(resumed(path, callbacks=callbacks)) == everything(net)
    twin = make()
    half.fit(X, Y, epochs=1)  # and the net is usable without the checkpoint
    twin.fit(X, Y, **(SETTINGS | {"epochs": epoch + 1, "patience": None}))
    twin.fit(X, Y, epochs=1)
    assert half.parameters.tobytes() == twin.parameters.tobytes()


class EveryStepLess(fastbp.callbacks.Callback):
    def on_step_end(self, net, history):
        pass


@needs("signal.setitimer")
def test_ctrl_c_within_an_epoch(tmp_path):
    """The checkpoint is of the very step that was the last."""
    path = tmp_path / "run"
    command = [sys.executable, TORTURE, tmp_path, "press", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HUNG_SECONDS)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert fastbp.load(path).history_.stopped_by == "epochs"


@needs("os.fork")
def test_killed_for_real(tmp_path):
    """FASTBP_KILLS says how often."""
    command = [sys.executable, TORTURE, tmp_path, "kill", str(KILLS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HUNG_SECONDS + 3 * KILLS)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.startswith(f"{KILLS} kills")


def test_the_default_cadence(tmp_path, monkeypatch):
    """Sixty seconds, or a hundred times what the last one took."""
    now = [0.0]
    monkeypatch.setattr(checkpointer.time, "monotonic", lambda: now[0])
    kept = checkpointer.Checkpointer(tmp_path / "run", None, "warn")
    for writing, wait in ((0.0, 60.0), (0.5, 60.0), (2.0, 200.0)):
        kept._schedule_next(writing)
        now[0] += wait - 0.001
        assert not kept.is_due()
        now[0] += 0.002
        assert kept.is_due()
    kept = checkpointer.Checkpointer(tmp_path / "run", 5, "warn")
    kept._schedule_next(2.0)
    now[0] += 5.001
    assert kept.is_due()


@pytest.mark.parametrize("errors", ["warn", "raise"])
def test_a_folder_that_goes_away(errors, tmp_path, monkeypatch):
    net = plain()
    folder = tmp_path / "folder"
    folder.mkdir()

    class Remove(fastbp.callbacks.Callback):
        def on_epoch_end(self, net, history):
            if history.n_epochs == 2:
                folder.rename(tmp_path / "moved")
            elif history.n_epochs == 3 and errors == "warn":
                (tmp_path / "moved").rename(folder)

    settings = (
        VALIDATION
        | SETTINGS
        | {"checkpoint": folder / "run", "checkpoint_every": 0, "callbacks": Remove()}
    )
    twin = make()
    if errors == "raise":
        with pytest.raises(
            FileNotFoundError, match=r"No such file or directory: '.*run'"
        ) as caught:
            twin.fit(X, Y, **settings, checkpoint_errors="raise")
        last = "the checkpoint after 1 epoch and 7 steps is kept"
        assert caught.value.__notes__ == [
            f"the checkpoint after 2 epochs and 8 steps could not be written; {last}"
        ]
        assert (twin.history_.stopped_by, len(twin.history_.batch_loss)) == ("error", 8)
        path = tmp_path / "moved" / "run"
    else:
        with pytest.warns(
            UserWarning,
            match="could not be written, the training continues; the checkpoint after 1 epoch and",
        ) as caught:
            twin.fit(X, Y, **settings)
        assert len(caught) == 1
        assert everything(twin) == everything(net)
        path = folder / "run"
    assert everything(resumed(path)) == everything(net)


def test_a_warning_that_is_an_error_ends_no_training(tmp_path):
    """It is raised behind the last epoch."""
    folder = tmp_path / "folder"
    folder.mkdir()
    net, twin = make(), make()
    settings = SETTINGS | {"patience": None}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="could not be written, the training continues"):
            net.fit(
                X,
                Y,
                **settings,
                checkpoint=folder / "run",
                checkpoint_every=0,
                callbacks=lambda net, history: folder.exists() and shutil.rmtree(folder),
            )
    twin.fit(X, Y, **settings)
    assert net.history_ == twin.history_
    assert net.history_.n_epochs == EPOCHS
    assert net.parameters.tobytes() == twin.parameters.tobytes()


def test_bad_paths_are_refused_before_anything_is_changed(tmp_path):
    net = make()
    other = tmp_path / "model"
    text = tmp_path / "data.csv"
    net.save(other)
    trained = tmp_path / "trained"
    done = make()
    done.fit(X, Y, epochs=1)
    done.save(trained)
    text.write_text("1,2\n")
    before = everything(net)
    running = tmp_path / "running"
    with pytest.raises(ZeroDivisionError):
        make().fit(
            X,
            Y,
            **SETTINGS,
            checkpoint=running,
            checkpoint_every=0,
            callbacks=lambda net, h: h.n_epochs > 1 and 1 / 0,
        )
    held = running.read_bytes()
    cases = [
        (tmp_path / "no" / "run", FileNotFoundError, "No such file or directory: '.*run'"),
        (tmp_path, ValueError, "checkpoint must be the path of a file"),
        (
            text,
            ValueError,
            "checkpoint must be a new file or a checkpoint of a fit that has ended: .*data.csv",
        ),
        (other, ValueError, "new file or a checkpoint .*it is a saved model, which fastbp.load"),
        (trained, ValueError, "new file or a checkpoint .*it is a saved model, which fastbp.load"),
        (running, ValueError, "holds a fit that has not ended: fastbp.resume continues it"),
        (5, TypeError, "checkpoint must be the path of a file, got an object of type int"),
    ]
    for path, error, message in cases:
        with pytest.raises(error, match=message):
            net.fit(X, Y, **SETTINGS, checkpoint=path)
    for given, error, message in (
        ({"checkpoint_every": 5}, ValueError, "checkpoint_every=5 needs checkpoint"),
        (
            {"checkpoint": "x", "checkpoint_every": -1},
            ValueError,
            "checkpoint_every must be .* at least 0",
        ),
        (
            {"checkpoint": "x", "checkpoint_every": "5"},
            TypeError,
            "checkpoint_every must be a number",
        ),
        (
            {"checkpoint": "x", "checkpoint_errors": "ignore"},
            ValueError,
            "checkpoint_errors must be one of 'warn', 'raise'",
        ),
    ):
        with pytest.raises(error, match=message):
            net.fit(X, Y, **SETTINGS, **given)
    assert everything(net) == before
    assert running.read_bytes() == held
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "data.csv", "model", "running", "trained",
    ]  # fmt: skip


def test_what_no_file_can_hold_is_refused(tmp_path):
    class Mine(fastbp.schedules.Schedule):
        def at(self, t):
            return np.full(len(t), 0.1)

    path = tmp_path / "run"
    with pytest.raises(ValueError, match="cannot be saved"):
        make().fit(X, Y, optimizer=fastbp.SGD(Mine()), checkpoint=path)
    with pytest.raises(ValueError, match="goes with arrays X and y only"):
        make().fit([(X, Y)], checkpoint=path)
    net = fastbp.MLP([4, 3], output="identity", loss=lambda a, y: (0.0, np.zeros_like(a)))
    with pytest.raises(ValueError, match="cannot be used with a callable as loss"):
        net.fit(X, Y, checkpoint=path)
    assert list(tmp_path.iterdir()) == []


def test_other_data_is_refused_by_name(tmp_path, monkeypatch):
    path = tmp_path / "run"
    weight = np.linspace(1, 2, 50)
    killed(monkeypatch, path, 6, sample_weight=weight)
    held = path.read_bytes()
    good = {"X": X, "y": Y, **VALIDATION, "sample_weight": weight}
    swapped = X.copy()
    swapped[[3, 4]] = swapped[[4, 3]]
    for name, given, message in (
        ("X", X[:40], None),
        (
            "X",
            X.astype(np.float32),
            r"^X must have the dtype <f8 of the run that is resumed, got <f4",
        ),
        ("X", swapped, "^X must hold the values of the run that is resumed"),
        ("y", (Y + 1) % 3, "^y must hold the values"),
        ("sample_weight", None, "^sample_weight must be given"),
        ("sample_weight", weight + 1, "^sample_weight must hold the values"),
        ("X_val", VALIDATION["X_val"] + 1, "^X_val must hold the values"),
        ("y_val", Y[:20], "^y_val must hold the values"),
    ):
        more = {"y": Y[:40], "sample_weight": weight[:40]} if message is None else {}
        with pytest.raises(
            ValueError,
            match=message or r"^X must have the shape \(50, 4\) of the run .*, got \(40, 4\)",
        ):
            fastbp.resume(path, **(good | {name: given} | more))
    with pytest.raises(ValueError, match=r"^X_val must be given"):
        fastbp.resume(path, X, Y, sample_weight=weight)
    with pytest.raises(
        ValueError,
        match=r"^callbacks must have .*\['EarlyStopping'\], got \['EarlyStopping', 'CSVLogger'\]",
    ):
        fastbp.resume(path, **good, callbacks=fastbp.callbacks.CSVLogger(tmp_path / "log"))
    assert path.read_bytes() == held


def test_what_is_no_checkpoint(tmp_path):
    make().save(tmp_path / "net")
    with pytest.raises(
        ValueError,
        match=r"must be a checkpoint of a fit, got '.*': it is a saved model, which fastbp.load",
    ):
        resumed(tmp_path / "net")
    with pytest.raises(FileNotFoundError):
        resumed(tmp_path / "missing")


def test_a_csv_file_goes_on_where_the_checkpoint_was(tmp_path, monkeypatch):
    def rows(path):
        # but for the seconds
        return [line.rsplit(",", 1)[0] for line in path.read_text().splitlines()]

    plain(callbacks=fastbp.callbacks.CSVLogger(tmp_path / "plain"))
    for number in (2, 5, 8, 9):
        path, log = tmp_path / f"run{number}", tmp_path / f"log{number}"
        killed(monkeypatch, path, number, callbacks=fastbp.callbacks.CSVLogger(log))
        with open(log, "a") as file:
            file.write("7,of an epoch,that will,be done,again\n")
        resumed(path, callbacks=fastbp.callbacks.CSVLogger(log))
        assert rows(log) == rows(tmp_path / "plain")


def test_several_early_stoppings_keep_their_own_states(tmp_path, monkeypatch):
    def callbacks():
        return [
            fastbp.callbacks.EarlyStopping(3, "loss", 0.5, restore=False),
            fastbp.callbacks.EarlyStopping(2, min_delta=1e-9),
        ]

    net = plain(callbacks=callbacks())
    assert net.history_.best_epoch is not None
    for number in range(1, len(net.history_.batch_loss) + 1):
        path = tmp_path / f"run{number}"
        killed(monkeypatch, path, number, callbacks=callbacks())
        if number == 1:
            with pytest.raises(ValueError, match=r"^monitor must be 'loss' as in .*, got None"):
                resumed(path, callbacks=callbacks()[::-1])
        assert everything(resumed(path, callbacks=callbacks())) == everything(net)


def test_a_callback_with_a_state_that_no_file_can_hold(tmp_path):
    class Wrong(fastbp.callbacks.Callback):
        def checkpoint_state(self):
            return {"net": object()}

    with pytest.raises(
        TypeError, match=r"net=.* of Wrong's checkpoint_state\(\) must be None, a number, text or a"
    ):
        make().fit(
            X, Y, **SETTINGS, checkpoint=tmp_path / "run", checkpoint_every=0, callbacks=Wrong()
        )


def test_without_warnings(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make().fit(X, Y, **VALIDATION, **SETTINGS, checkpoint=tmp_path / "run")
        # a fit that has ended is replaced
        make().fit(X, Y, **VALIDATION, **SETTINGS, checkpoint=tmp_path / "run")
        resumed(tmp_path / "run")
