"""Files of checkpoints: damaged, made up, of older formats, and where they cannot be written."""

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.checkpoint_files import AT, Leave, resuming, written
from helpers.mutation import N_MUTATIONS, changed, mutated, put
from helpers.needs import needs
from helpers.saved_nets import everything
from helpers.torture_checkpoints import SETTINGS, VALIDATION, X, Y, make

import fastbp
from fastbp.serialization import checkpoint_format

FORMATS = Path(__file__).parent / "formats"


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    return written(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def ended():
    net = make()
    net.fit(X, Y, **VALIDATION, **SETTINGS)
    return net


def test_damaged(content, tmp_path):
    for size in [*range(0, len(content), 97), len(content) - 1]:
        with pytest.raises(ValueError, match="path must be a checkpoint of a fit, got '"):
            resuming(content[:size], tmp_path / "run")
    for i in range(0, len(content), 13):
        flipped = bytearray(content)
        flipped[i] ^= 1 << i % 8
        with pytest.raises(ValueError, match="path must be a checkpoint of a fit, got '"):
            resuming(flipped, tmp_path / "run")


WRONG = {
    "newer": (("format",), 3, "course is in format 3 of a newer fastbp: this one reads up to 2"),
    "validation split": (
        ("settings", "validation_split"),
        1.0,
        "validation_split must be .* below 1",
    ),
    "no validation split": (("settings", "validation_split"), 0.5, "history does not agree"),
    "metrics": (("settings", "metrics"), ["loss"], "metrics must be one of 'accuracy', got 'loss'"),
    "no metrics": (("settings", "metrics"), ["accuracy"], "history does not agree"),
    "format": (("format",), None, "format must be a whole number"),
    "one more": (("more",), 1, "the course must have the keys"),
    "no course": ((), None, "the course's format must be a whole number"),
    "epochs": (("settings", "epochs"), 0, "epochs must be at least 1"),
    "epochs all done": (("settings", "epochs"), 1, "history does not agree with its settings"),
    "batch": (("settings", "batch_size"), "x", "batch_size must be a whole number"),
    "another batch": (("settings", "batch_size"), 50, "history does not agree with its settings"),
    "batch huge": (("settings", "batch_size"), 10**30, "history does not agree with its settings"),
    "l2": (("settings", "l2"), -1, "l2 must be a finite number at least 0"),
    "clip": (("settings", "clip_norm"), "x", "clip_norm must be a number"),
    "patience": (("settings", "patience"), 0, "patience must be at least 1"),
    "flag": (("settings", "shuffle"), 1, "shuffle must be True or False"),
    "class weight": (
        ("settings", "class_weight"),
        {},
        "class_weight must be null, 'balanced' or pairs",
    ),
    "class weights": (("settings", "class_weight"), [[1]], "class_weight must be pairs"),
    "no X": (("data", "X"), None, "its course is without X or y"),
    "data": (("data",), [], "data must have the keys"),
    "a shape": (("data", "X", "shape"), [-1], "shape of X must be a list of whole numbers"),
    "no rows": (
        ("data", "X", "shape"),
        [0, 4],
        "a course is one of no samples|course is one of no samples",
    ),
    "more rows": (("data", "X", "shape"), [10**15, 4], "history does not agree"),
    "generator": (("generator", "state"), -1, "state must be at least 0"),
    "order": (("order",), 3, "order must be text or null"),
    "no order": (("order",), None, "history does not agree with its settings"),
    "callbacks": (("callbacks",), {}, "callbacks must be a list"),
    "a callback": (("callbacks", 0), {}, "callbacks.0. must have the keys"),
    "no arrays": (("callbacks", 0, "arrays"), {}, "its arrays are not those .*callbacks.0.best"),
    "an array": (("callbacks", 0, "arrays", "best"), ["O", 1], "the dtype of best must be one of"),
    "array's shape": (
        ("callbacks", 0, "arrays", "best"),
        ["float32", 10**9],
        "its arrays are not those .*callbacks.0.best",
    ),
    "array's length": (
        ("callbacks", 0, "arrays", "best"),
        "float32",
        "must have a dtype and a shape",
    ),
}


@pytest.mark.parametrize(("keys", "value", "message"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_together_is_refused(keys, value, message, content, ended, tmp_path):
    assert everything(
        resuming(changed(content, lambda h, d: None), tmp_path / "run")
    ) == everything(ended)
    with pytest.raises(ValueError, match=f"path must be a checkpoint of a fit, got .*{message}"):
        resuming(changed(content, put("document", "course", *keys, value=value)), tmp_path / "run")


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"size": 0},
        {"size": -1, "seconds": 0.5},
        {"size": 0.5, "seconds": 0.5},
        {"size": 0, "seconds": "x"},
    ],
    ids=str,
)
def test_a_callback_s_state_that_was_made_up(state, tmp_path):
    """By its key or its number's name; the log is as it was."""
    run, log = tmp_path / "run", tmp_path / "log.csv"
    callbacks = [fastbp.callbacks.CSVLogger(log), Leave()]
    with pytest.raises(KeyError):
        make().fit(
            X, Y, **VALIDATION, **SETTINGS, callbacks=callbacks, checkpoint=run, checkpoint_every=0
        )
    rows = log.read_bytes()
    run.write_bytes(
        changed(run.read_bytes(), put("document", "course", "callbacks", 1, "values", value=state))
    )
    words = r"^(CSVLogger's state in the checkpoint|size|seconds) must"
    with pytest.raises((TypeError, ValueError), match=words):
        fastbp.resume(run, X, Y, **VALIDATION, callbacks=fastbp.callbacks.CSVLogger(log))
    assert log.read_bytes() == rows


def test_shuffles_that_numpy_draws_otherwise(content, tmp_path):
    """As another release of NumPy may, which the digest of the order tells."""
    other = changed(content, put("document", "course", "generator", "state", value=12345))
    with pytest.raises(
        ValueError,
        match=f"path must be a checkpoint whose shuffles NumPy {np.__version__} draws alike",
    ):
        resuming(other, tmp_path / "run")


def test_mutated_under_a_right_checksum(content, tmp_path):
    """Loading either refuses in words or gives a net that is whole."""
    refusals = []
    for seed in range(N_MUTATIONS // 3):
        path = tmp_path / "run"
        path.write_bytes(mutated(content, random.Random(seed)))
        try:
            net = fastbp.load(path)
        except ValueError as error:
            refusals.append(str(error))
        else:
            assert np.isfinite(net.parameters).all(), seed
    assert [
        words
        for words in refusals
        if not words.startswith("path must be a model saved by fastbp, got '")
    ] == []
    assert N_MUTATIONS // 3 > len(refusals) > 0.8 * (N_MUTATIONS // 3)


FULL = """
import resource, sys, warnings, fastbp, numpy as np
sys.path.insert(0, sys.argv[2])
from helpers.torture_checkpoints import SETTINGS, VALIDATION, X, Y, make

class Full(fastbp.callbacks.Callback):
    def on_epoch_end(self, net, history):
        if history.n_epochs == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))

warnings.simplefilter("always")
net = make()
try:
    net.fit(X, Y, **VALIDATION, **SETTINGS, callbacks=Full(),
            checkpoint=sys.argv[1], checkpoint_every=0, checkpoint_errors=sys.argv[3])
except OSError as error:
    print(error, *error.__notes__)
print(net.history_.n_epochs, net.history_.stopped_by)
"""


@needs("resource")
@pytest.mark.parametrize("errors", ["warn", "raise"])
def test_a_disk_that_becomes_full(errors, ended, tmp_path):
    path = tmp_path / "run"
    command = [sys.executable, "-c", FULL, path, Path(__file__).parents[1], errors]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    if errors == "warn":
        assert done.stdout == f"{ended.history_.n_epochs} {ended.history_.stopped_by}\n"
        assert done.stderr.count("could not be written") == 1, done.stderr
        assert (
            "the checkpoint after 1 epoch and 7 steps is kept. "
            f"OSError: [Errno 27] File too large: '{path}'" in done.stderr
        )
    else:
        assert done.stdout.startswith(
            f"[Errno 27] File too large: '{path}' the checkpoint after 2 epochs and 8 steps "
            "could not be written"
        )
        assert done.stdout.endswith("\n2 error\n")
        assert done.stderr == ""
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert everything(fastbp.resume(path, X, Y, **VALIDATION)) == everything(ended)


READ_ONLY = """
import os, sys
sys.path.insert(0, sys.argv[2])
from helpers.torture_checkpoints import SETTINGS, X, Y, make
if os.geteuid() == 0:
    os.seteuid(65534)
net = make()
try:
    net.fit(X, Y, **SETTINGS, checkpoint=sys.argv[1])
except OSError as error:
    print(type(error).__name__, error, net.train_state.step)
"""


@needs("os.geteuid")
def test_a_folder_that_may_not_be_written_to(tmp_path):
    """Said before the first step."""
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o555)
    for above in folder.parents[:3]:
        above.chmod(above.stat().st_mode | 0o055)
    command = [sys.executable, "-c", READ_ONLY, folder / "run", Path(__file__).parents[1]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == (
        f"PermissionError [Errno 13] Permission denied: '{folder / 'run'}' 0\n",
        "",
    )


@pytest.mark.parametrize("number", range(1, checkpoint_format.FORMAT + 1))
def test_files_of_every_format(number, tmp_path):
    """Each as it was written when the format was current; a new one is made by this file run as a
    script, an old one never."""
    expected = json.loads((FORMATS / f"checkpoint-{number}.json").read_text())
    content = (FORMATS / f"checkpoint-{number}.safetensors").read_bytes()
    net = resuming(content, tmp_path / "run")
    np.testing.assert_allclose(net.history_.batch_loss, expected["batch_loss"], rtol=1e-5)
    np.testing.assert_allclose(net.history_.val_loss, expected["val_loss"], rtol=1e-5)
    assert (net.history_.best_epoch, net.history_.stopped_by) == (
        expected["best_epoch"],
        expected["stopped_by"],
    )
    assert len(fastbp.load(FORMATS / f"checkpoint-{number}.safetensors").history_.batch_loss) == AT


if __name__ == "__main__":
    file = FORMATS / f"checkpoint-{checkpoint_format.FORMAT}.safetensors"
    held = written(file, metrics="accuracy")
    history = resuming(held, file).history_
    file.write_bytes(held)
    figures = {
        name: getattr(history, name)
        for name in ("batch_loss", "val_loss", "best_epoch", "stopped_by")
    }
    file.with_suffix(".json").write_text(json.dumps(figures) + "\n")
