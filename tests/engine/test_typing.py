"""Static types of arguments: what is accepted at run time passes the type checker, and the rest
does not."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ACCEPTED = """
import os
from fractions import Fraction
import numpy as np
import fastbp

X = np.zeros((8, 3), np.float32)
y = np.arange(8) % 2
net = fastbp.MLP(
    [np.int64(3), 4, np.uint8(2)],
    seed=np.int32(1),
    dropout=np.float32(0.1),
    label_smoothing=np.float64(0.1),
)
fastbp.MLP(np.array([3, 2]), dropout=())
net.fit(
    X,
    y,
    epochs=np.int64(2),
    batch_size=np.uint8(4),
    optimizer="adam",
    l2=np.float32(0.1),
    l1=Fraction(1, 8),
    clip_value=np.float16(1),
    clip_norm=1,
    shuffle=np.bool_(True),
    patience=np.int16(3),
    restore_best=np.True_,
    progress=np.False_,
    n_threads=np.int8(1),
    class_weight={np.int64(0): np.float32(2), 1: 1},
    validation_split=np.float32(0.25),
    metrics=["accuracy"],
)
net.fit(X, np.array(["a", "b"])[y] if net.classes_ is None else y, metrics="accuracy", epochs=1)
net.partial_fit(X, y, l2=np.float32(0.1), n_threads=np.int64(1), classes=[0, 1])
net.loss(X, y, l2=np.float32(0.1), l1=np.float64(0.1))
net.loss_and_gradients(X, y, l2=np.float32(0.1), n_threads=np.int64(1))
score: float = net.score(X, y)
net.save(b"net")
fastbp.load(os.fsencode("net")).dropout = 0.5
fastbp.lr_find(net, X, y, "sgd", start=np.float32(1e-5), steps=np.int64(9), l2=np.float32(0))
"""
REFUSED = """
import fastbp
net = fastbp.MLP([3, 2], seed="1")  # refused
net.fit([[0.0]], [0], epochs="3")  # refused
net.fit([[0.0]], [0], l2="3")  # refused
net.fit([[0.0]], [0], epoch=3)  # refused
net.partial_fit([[0.0]], [0], l2=None)  # refused
fastbp.load(3)  # refused
"""


def test_accepted_at_run_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(ACCEPTED, "accepted", "exec"), {})


def test_accepted_by_the_type_checker(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "accepted.py").write_text(ACCEPTED)
    (tmp_path / "refused.py").write_text(REFUSED)
    files = [tmp_path / "accepted.py", tmp_path / "refused.py"]
    settings = ["--config-file", ROOT / "pyproject.toml", "--cache-dir", ROOT / ".mypy_cache"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *settings, *files],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=ROOT,
    )
    assert "accepted.py" not in done.stdout, done.stdout
    wanted = [i for i, line in enumerate(REFUSED.splitlines(), 1) if line.endswith("# refused")]
    lines = [line for line in done.stdout.splitlines() if " error: " in line]
    assert [int(line.split(":")[1]) for line in lines] == wanted, done.stdout
