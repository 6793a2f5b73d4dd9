"""Fixtures of all tests, and the path of `helpers` and `oracles`."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def many_cpus(monkeypatch):
    """As many threads as a test requests, in a pool of its own; without this fixture, at most one a
    CPU."""
    from fastbp.runtime import autotune, spin_pool

    for module in (autotune, spin_pool):
        monkeypatch.setattr(module, "available_cpus", lambda: 64)
    monkeypatch.setattr(spin_pool, "_pool", None)
    yield
    spin_pool.shutdown()


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
