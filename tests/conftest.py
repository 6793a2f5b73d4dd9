"""What all tests share: the folder on the path, for the naive twin; the command line in this
process."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def many_cpus(monkeypatch):
    """As many threads as a test wants, on any machine, in a pool of its own; otherwise there are no
    more than there are CPUs."""
    from fastbp.runtime import autotune, spin_pool

    for module in (autotune, spin_pool):
        monkeypatch.setattr(module, "available_cpus", lambda: 64)
    monkeypatch.setattr(spin_pool, "_pool", None)
    yield
    spin_pool.shutdown()


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
