"""Fixtures of all tests, and the path of `helpers` and `oracles`."""

import os
import sys
from pathlib import Path

import pytest

# Limits of whoever runs the tests: what a test starts has those that it sets itself.
for variable in ("FASTBP_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.pop(variable, None)
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
def threads_of(monkeypatch, many_cpus):
    """A function that runs a call and returns the numbers of threads that it asked the pool for."""

    from fastbp.runtime import spin_pool

    def run(call):
        asked = set()
        real = spin_pool.SpinPool.run

        def spy(self, entry, args, n_threads, *rest, **named):
            asked.add(n_threads)
            return real(self, entry, args, 1, *rest, **named)

        with monkeypatch.context() as patch:
            patch.setattr(spin_pool.SpinPool, "run", spy)
            call()
        return asked

    return run


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
