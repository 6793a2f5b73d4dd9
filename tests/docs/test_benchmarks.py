"""Every benchmark runs: each method of each asv class once, with every parameter, and peers.py on a
handful of samples."""

import importlib
import itertools
import pkgutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "asv_bench"
PREFIXES = ("time_", "track_", "peakmem_")


@pytest.fixture(scope="module", autouse=True)
def few_samples():
    """The benchmarks' own modules, with epochs of one batch and one round."""
    sys.path.insert(0, str(FOLDER))
    cases = importlib.import_module("benchmarks.cases").CASES
    for name, (widths, batch, _) in list(cases.items()):
        cases[name] = widths, batch, batch
    dropin = importlib.import_module("benchmarks.sklearn_dropin")
    dropin.ROUNDS, dropin.LEAST = 1, 0.0
    dropin.EPOCHS.update(dict.fromkeys(dropin.EPOCHS, 2))
    yield
    sys.path.remove(str(FOLDER))


def benchmarks():
    """(module, class, method) of every benchmark in a class."""
    sys.path.insert(0, str(FOLDER))
    for module in pkgutil.iter_modules([str(FOLDER / "benchmarks")]):
        for cls in vars(importlib.import_module(f"benchmarks.{module.name}")).values():
            if isinstance(cls, type) and cls.__module__ == f"benchmarks.{module.name}":
                yield from (
                    (cls, method)
                    for method in dir(cls)
                    if method.startswith(PREFIXES) and getattr(cls, method)
                )
    sys.path.remove(str(FOLDER))


def parameters(cls):
    """Every combination, as asv makes them."""
    return list(itertools.product(*getattr(cls, "params", ())))


@pytest.mark.parametrize(
    ("cls", "method"), list(benchmarks()), ids=lambda x: getattr(x, "__name__", x)
)
def test_runs(cls, method):
    for values in parameters(cls):
        benchmark = cls()
        if hasattr(benchmark, "setup"):
            benchmark.setup(*values)
        result = getattr(benchmark, method)(*values)
        assert method.startswith(("time_", "peakmem_")) or result > 0


@pytest.mark.parametrize("name", ["timeraw_import", "timeraw_first_fit"])
def test_start(name):
    program = getattr(importlib.import_module("benchmarks.start"), name)()
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=300)


def test_peers():
    """Those of them that are installed here."""
    command = [
        sys.executable,
        str(FOLDER / "peers.py"),
        "--cases",
        "tiny",
        "--samples",
        "100",
        "--rounds",
        "1",
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    assert "| tiny | 64-20-20-10 | 25 |" in done.stdout


def test_peers_predict():
    command = [
        sys.executable,
        str(FOLDER / "peers.py"),
        "--predict",
        "--cases",
        "row",
        "--samples",
        "20",
        "--rounds",
        "1",
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    assert "| row | 64-20-20-10 | 1 |" in done.stdout


def test_cliffs():
    command = [sys.executable, str(FOLDER / "cliffs.py"), "--largest", "3", "--rounds", "1"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    assert done.stdout.count("steepest rise") == 5
