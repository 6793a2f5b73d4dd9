"""Every example runs, and computes the published figures of its subject."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

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


def test_one_neuron():
    import one_neuron

    result = one_neuron.main()
    assert result["before"] < 1e-12
    assert result["after"] < 1e-12
    assert result["accuracy"] >= 0.95


def test_switching():
    import switching

    result = switching.main()
    assert result["difference"] < 1e-8
    assert result["same_predictions"]


def test_vectorised():
    import vectorised

    result = vectorised.main()
    assert set(result) == {"activations", "loss", "dW", "db"}
    assert max(result.values()) < 1e-12


def test_xor_and_moons():
    import xor_and_moons

    result = xor_and_moons.main()
    assert list(result) == ["sigmoid", "tanh", "relu", "leaky_relu"]
    for row in result.values():
        assert row["xor_right"] == 4
        assert row["moons_accuracy"] >= 0.95


def test_worked_2_2_2():
    import worked_2_2_2

    result = worked_2_2_2.main()
    assert f"{result['E0']:.10f}" == "0.2983711088"
    assert f"{result['w1']:.8f}" == "0.14978072"
    assert f"{result['w5']:.8f}" == "0.35891648"
    assert f"{result['E1']:.10f}" == "0.2910277737"
    assert f"{result['E10000']:.10f}" == "0.0000351019"
    assert result["difference"] < 1e-12


def test_moons_boundary(tmp_path):
    import moons_boundary

    result = moons_boundary.main(["--out", str(tmp_path)])
    assert {i: f"{loss:.6f}" for i, loss in result[0.01].items()} == {
        0: "0.432387",
        1000: "0.068947",
    }
    assert {i: f"{loss:.9f}" for i, loss in result[0.002].items()} == {
        0: "0.544684535",
        1000: "0.085421602",
        5000: "0.068726000",
        19000: "0.067892575",
    }
    assert result["accuracy"] >= 0.95
    assert is_png(result["picture"])


def test_delta_rule():
    import delta_rule

    result = delta_rule.main()
    assert result["one neuron"]["difference"] < 1e-12
    assert result["two layers"]["difference"] < 1e-12
    # By hand: z = .1 * 1 + .2 * 2 + .5 = 1, a = 1 / (1 + 1/e), delta = (a - 1) a (1 - a).
    assert result["one neuron"]["z"] == pytest.approx(1, abs=1e-15)
    assert result["one neuron"]["delta"] == pytest.approx(-0.0528770928, abs=1e-10)
    assert result["one neuron"]["dW"] == pytest.approx([-0.0528770928, -0.1057541856], abs=1e-10)
    assert result["two layers"]["delta_2"] == pytest.approx(-0.0329766449, abs=1e-10)


def test_computation_graph(tmp_path):
    import computation_graph

    result = computation_graph.main(["--out", str(tmp_path)])
    assert result["expression"] == {
        "x": (2, 4),
        "y": (3, 4),
        "s": (5, 4),
        "w": (4, 5),
        "f": (20, 1),
    }
    assert set(result["difference"]) == {"2-2-2", "64-20-20-10"}
    assert max(result["difference"].values()) < 1e-12
    for picture in result["pictures"]:
        assert ElementTree.parse(picture).getroot().tag == "{http://www.w3.org/2000/svg}svg"


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
