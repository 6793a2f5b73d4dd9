"""Every benchmark runs: each method of each asv class once with every parameter, and each script on
a few samples."""

import importlib
import itertools
import pkgutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "asv_bench"
PREFIXES = ("time_", "track_", "peakmem_")

sys.path.insert(0, str(FOLDER))
MODULES = [
    importlib.import_module(f"benchmarks.{module.name}")
    for module in pkgutil.iter_modules([str(FOLDER / "benchmarks")])
]
sys.path.remove(str(FOLDER))
METHODS = [
    (cls, method)
    for module in MODULES
    for cls in vars(module).values()
    if isinstance(cls, type) and cls.__module__ == module.__name__
    for method in dir(cls)
    if method.startswith(PREFIXES) and getattr(cls, method)
]


@pytest.fixture(scope="module", autouse=True)
def few_samples():
    """Epochs of one batch, one round, no pauses."""
    cases = importlib.import_module("benchmarks.cases")
    cases.CASES.update({name: replace(c, samples=c.batch) for name, c in cases.CASES.items()})
    cases.peers.PAUSE_SECONDS = 0.0
    importlib.import_module("benchmarks.functional").Step.rounds = 1
    dropin = importlib.import_module("benchmarks.sklearn_dropin")
    dropin.Comparison.rounds = 1
    dropin.GridSearch.epochs = 1
    dropin.MIN_SECONDS = 0.0
    dropin.EPOCHS.update(dict.fromkeys(dropin.EPOCHS, 2))


@pytest.mark.parametrize(("cls", "method"), METHODS, ids=lambda x: getattr(x, "__name__", x))
def test_runs(cls, method):
    for values in itertools.product(*getattr(cls, "params", ())):
        benchmark = cls()
        if hasattr(benchmark, "setup"):
            benchmark.setup(*values)
        result = getattr(benchmark, method)(*values)
        assert method.startswith(("time_", "peakmem_")) or result > 0


@pytest.mark.parametrize("name", ["timeraw_import", "timeraw_first_fit"])
def test_start(name):
    program = getattr(importlib.import_module("benchmarks.start"), name)()
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=300)


def run_script(name, *arguments):
    command = [sys.executable, str(FOLDER / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def test_peers():
    """Training with the libraries that are installed here, of a network from the command line."""
    done = run_script("peers.py", "--cases", "20-7-3:32", "--samples", "100", "--rounds", "1")
    assert done.returncode == 0, done.stderr
    assert "| 20-7-3:32 | 20-7-3 | 32 |" in done.stdout


def test_peers_predict(tmp_path):
    picture = tmp_path / "peers.png"
    options = ("--samples", "20", "--rounds", "1", "--picture", str(picture))
    done = run_script("peers.py", "--predict", "--cases", "row", *options)
    assert done.returncode == 0, done.stderr
    assert "| row | 64-20-20-10 | 1 |" in done.stdout
    assert picture.stat().st_size > 0


@pytest.mark.parametrize("case", ["nothing", "20:32", "20-x:32", "20-0-3:32", "20-7-3"])
def test_peers_unknown_case(case):
    done = run_script("peers.py", "--cases", case)
    assert done.returncode == 1
    assert "--cases: must be of iris, " in done.stderr
    assert f"got {case!r}" in done.stderr


def test_peers_library_that_fails(tmp_path, monkeypatch):
    """One line says which, below the library's own error."""
    (tmp_path / "jax.py").write_text("raise RuntimeError('no such device')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = run_script("peers.py", "--peers", "fastbp,JAX", "--cases", "20-7-3:32")
    assert done.returncode == 1
    assert "RuntimeError: no such device" in done.stderr
    assert done.stderr.endswith("JAX with n_threads=1 failed: see its error above\n")


def test_many_cores():
    """One thread has all work; two of equal layers have half of it each."""
    done = run_script("many_cores.py", "--cases", "512-512-512:512,iris")
    assert done.returncode == 0, done.stderr
    assert "| 512-512-512:512 | 512 | 100% | 100% |" in done.stdout
    assert "| iris | 16 | 100% |" in done.stdout


def test_cliffs():
    done = run_script("cliffs.py", "--largest", "3", "--rounds", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("steepest rise") == 5
