"""Fixtures of all tests, and the path of `helpers` and `oracles`."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def many_cpus(monkeypatch):
    """As many threads as a test requests; without this fixture, at most one a CPU."""
    from fastbp.runtime import spin_pool, team

    for module in (spin_pool, team):
        monkeypatch.setattr(module, "available_cpus", lambda: 64)
    monkeypatch.setattr(spin_pool, "_helpers", None)
    yield
    spin_pool.end_spin_pool()


@pytest.fixture
def fastbp_says(capsys):
    """A function that runs a command line and returns exit code, standard output and error."""

    from fastbp.cli.main import main  # here: only some tests need it

    def run(*argv):
        try:
            code = main(list(argv))
        except SystemExit as caught:
            code = caught.code
        return code, *capsys.readouterr()

    return run
