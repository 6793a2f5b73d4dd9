"""What all tests share: the folder on the path, for the naive twin; the command line in this
process."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def many_cpus(monkeypatch):
    """Teams and helpers as many as a test asks for, on whatever machine; otherwise there are no
    more than there are CPUs."""
    from fastbp.runtime import spin_pool, team

    for module in (spin_pool, team):
        monkeypatch.setattr(module, "available_cpus", lambda: 64)
    monkeypatch.setattr(spin_pool, "_helpers", None)
    yield
    spin_pool.end_spin_pool()


@pytest.fixture
def fastbp_says(capsys):
    """Runs a command line; its exit code, standard output and standard error."""

    from fastbp.cli.main import main  # here, so that tests of other things need not wait for it

    def run(*argv):
        try:
            code = main(list(argv))
        except SystemExit as caught:
            code = caught.code
        return code, *capsys.readouterr()

    return run
