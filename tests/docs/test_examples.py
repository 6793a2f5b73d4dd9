"""Every example runs, and computes the published figures of its subject."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="the examples take their data from scikit-learn")
pytest.importorskip("matplotlib", reason="the examples draw with Matplotlib")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setenv("MPLBACKEND", "Agg")


def is_png(path):
    return path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_runs_as_a_script(script, tmp_path):
    draws = "--out" in script.read_text(encoding="utf-8")
    out = tmp_path / "made" / "if missing"
    command = [sys.executable, str(script), *(["--out", str(out)] if draws else [])]
    env = os.environ | {"MPLBACKEND": "Agg"}
    # Outside the repository: an example needs no file of its working directory.
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "Warning" not in done.stderr
    if draws:
        assert any(out.iterdir())
    assert [p.name for p in tmp_path.iterdir()] == (["made"] if draws else [])


def test_digits(tmp_path, capfd):
    import digits

    result = digits.main(["--out", str(tmp_path)])
    assert result["accuracy"] >= 0.92
    assert result["gradient_error"] < 1e-4
    history = result["history"]
    assert history.n_epochs <= 300
    assert len(history.loss) == len(history.val_loss) == history.n_epochs
    assert all(is_png(path) for path in result["pictures"])
    assert {path.name for path in tmp_path.iterdir()} == {"digits_loss.png", "digits_confusion.png"}
    assert f"test accuracy {result['accuracy']:.3f}" in capfd.readouterr().out


def test_switching():
    import switching

    result = switching.main()
    assert result["difference"] < 1e-8
    assert result["same_predictions"]


def test_xor_and_moons():
    import xor_and_moons

    result = xor_and_moons.main()
    assert list(result) == ["sigmoid", "tanh", "relu", "leaky_relu"]
    for row in result.values():
        assert row["xor_right"] == 4
        assert row["moons_accuracy"] >= 0.95


def test_numpy_loops(capfd):
    import numpy_loops

    result = numpy_loops.main(["--seconds", "0"])
    assert list(result) == ["moons", "digits", "binary", "2-2-2"]
    assert result["moons"]["difference"] < 1e-9
    assert result["binary"]["difference"] < 1e-9
    assert result["2-2-2"]["difference"] < 1e-12
    assert all(row["speedup"] > 0 for row in result.values())
    assert capfd.readouterr().out.count(" x |") == 4
    losses = numpy_loops.two_two_two_after(*numpy_loops.two_two_two(), 2)
    assert [f"{loss:.10f}" for loss in losses] == ["0.2983711088", "0.2910277737"]


def test_one_cycle(tmp_path):
    import one_cycle

    result = one_cycle.main(["--out", str(tmp_path)])
    assert result["one_cycle"][-1] >= 0.96
    assert result["stream"] >= 0.9
    assert max(result["history"].learning_rate) == pytest.approx(
        result["found"].suggestion, rel=1e-3
    )
    assert (
        len(result["table"].read_text(encoding="utf-8").splitlines())
        == 1 + result["history"].n_epochs
    )
    assert is_png(result["picture"])


def test_gallery(tmp_path, capfd):
    import gallery

    result = gallery.main(["--out", str(tmp_path)])
    assert {path.stem for path in result["pictures"]} == {"gallery", *gallery.TITLES}
    assert all(path.exists() for path in result["pictures"])
    assert all(is_png(path) for path in result["pictures"] if path.suffix == ".png")
    assert result["ratio"] < 0.01
    assert f"{result['explanation'].loss:.10f}" == "0.2983711088"
    assert (
        "new W1[0,0] = W1[0,0] - lr·dW1[0,0] = 0.4 - 0.5·0.082167041 = 0.35891648"
        in capfd.readouterr().out
    )
    page = (tmp_path / "gallery.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 1
    assert "64 × 24" in page
