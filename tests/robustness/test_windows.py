"""A simulated Windows (helpers/simulated_windows.py): no POSIX modules, functions and signals, the
rules of Windows for files that are open, standard output in code page 1252."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.needs import needs
from helpers.small_fit import X, Y, make

from fastbp.kernels import target
from fastbp.kernels.cache import cache_folder

TESTS = Path(__file__).parents[1]
pytestmark = [
    needs("fcntl"),
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux"),
]
# Libraries first: they take themselves to be where they are.
START = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
import asyncio, concurrent.futures, csv, multiprocessing, os, pathlib, platform, signal, threading
import jinja2, numba, numpy as np, platformdirs, pyarrow.csv, pyarrow.compute, safetensors.numpy
import sklearn.neural_network, tqdm.auto
from helpers import simulated_windows
simulated_windows.hide()
for name in ("fcntl", "termios"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise AssertionError(name)
import fastbp
from fastbp.base import files
"""


@pytest.fixture
def windows(tmp_path):
    """A function that runs a program there and returns what it prints."""

    def run(program, *arguments, system=sys.platform):
        done = subprocess.run(
            [sys.executable, "-c", START + program, *arguments],
            cwd=tmp_path,
            env=os.environ
            | {
                "FASTBP_CACHE_DIR": str(cache_folder().parent / "simulated-windows"),
                "FASTBP_TARGET": f"{target.NAME}:{system}",  # by default that of the processes
                "PYTHONIOENCODING": "cp1252",
                "PYTHONWARNDEFAULTENCODING": "1",
            },
            capture_output=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("cp1252")

    return run


TRAIN = """
from helpers.small_fit import VALIDATION, X, Y, make
settings = dict(batch_size=10, optimizer=fastbp.Adam(), n_threads=2, **VALIDATION)
plain = make()
plain.fit(X, Y, epochs=6, **settings)
print(plain.parameters.tobytes().hex())
for _ in range(2):  # also onto a file that exists
    plain.save("net")
loaded = fastbp.load("net")
assert (loaded.predict(X) == plain.predict(X)).all()

class Stop(fastbp.callbacks.Callback):
    def on_epoch_end(self, net, history):
        if history.n_epochs == 3:
            signal.raise_signal(signal.SIGINT)

log = fastbp.callbacks.CSVLogger("log.csv")
net = make()
net.fit(X, Y, epochs=6, **settings, checkpoint="run", checkpoint_every=0, callbacks=[log, Stop()])
assert net.history_.stopped_by == "interrupt"
settings.pop("batch_size"), settings.pop("optimizer")
net = fastbp.resume("run", X, Y, **settings, callbacks=[log, fastbp.callbacks.Callback()])
assert net.parameters.tobytes() == plain.parameters.tobytes()
assert len(open("log.csv", encoding="utf-8").readlines()) == 7
assert sorted(os.listdir()) == ["log.csv", "net", "run"]
fastbp.runtime.workers.start_thread(threading.Thread(target=int))
"""


def test_training_saving_and_resuming(windows):
    """With the bits of this system."""
    from helpers.small_fit import VALIDATION

    import fastbp

    net = make()
    net.fit(X, Y, epochs=6, batch_size=10, optimizer=fastbp.Adam(), **VALIDATION)
    assert windows(TRAIN).split() == [net.parameters.tobytes().hex()]


COMMANDS = """
from fastbp.cli.main import command
def run(*argv):
    sys.argv = ["fastbp", *argv]
    try:
        command()
    except SystemExit as ended:
        return ended.code
table = "a,b,y\\n" + "".join(f"{i},{i % 7},\\u017elu\\u0165 {i % 2}\\n" for i in range(60))
pathlib.Path("t.csv").write_text(table, encoding="utf-8")
train = ("train", "t.csv", "--target", "y", "--epochs", "3", "--report", "r.html")
assert run(*train) == 0
assert run(*train) == 0
assert run("predict", "model.safetensors", "t.csv", "--out", "answers.csv") == 0
assert "\\u017elu\\u0165 1" in pathlib.Path("answers.csv").read_text(encoding="utf-8")
assert run("info") == 0
assert run("demo") == 0
fit = fastbp.MLP.fit
fastbp.MLP.fit = lambda *_, **__: signal.raise_signal(signal.SIGINT)
assert run(*train) == -1073741510  # STATUS_CONTROL_C_EXIT
fastbp.MLP.fit = fit
def gone(arguments):
    raise BrokenPipeError
fastbp.cli.machine.run_info = gone
keep = os.dup(1)
assert run("info") == 1
os.dup2(keep, 1)
"""


def test_the_command_line(windows):
    assert "held-out rows" in windows(COMMANDS)


EXPLAIN = """
net = fastbp.MLP([2, 3, 2], sys.argv[1], seed=0)
print(net.explain([1, -2], 1, l2=0.1))
"""


def test_an_explanation_in_a_code_page_without_its_symbols(windows):
    text = windows(EXPLAIN, "gelu")
    assert "z0[0] = sum x*W0[:,0] + b0[0] = " in text
    assert text.isascii()


SIGNALS = """
class Stopped(Exception):
    pass

def stop(*_):
    raise Stopped

signal.signal(signal.SIGBREAK, stop)
X = np.zeros((40, 3))
y = np.zeros(40, int)
net = fastbp.MLP([3, 4, 2])
steps = []

def press(net, history):
    steps.append(net.train_state.step)
    with fastbp.runtime.signals.DeferSignals():
        signal.raise_signal(signal.SIGBREAK)
        steps.append(-1)

try:
    net.fit(X, y, epochs=5, batch_size=10, callbacks=press)
except Stopped:
    pass
else:
    raise AssertionError
assert steps == [4, -1] and len(net.history_.batch_loss) == net.train_state.step == 4
"""


def test_ctrl_break_is_deferred_like_other_signals(windows):
    windows(SIGNALS)


FILES = """
import time
files._RENAME_SECONDS = 0
for content in (b"old", b"new"):
    files.replace_file("net", [content])
try:
    with open("net", "rb") as reader:
        files.replace_file("net", [b"other"])
except OSError as error:
    assert (error.errno, error.filename) == (13, "net")
else:
    raise AssertionError
assert os.listdir() == ["net"]
assert open("net", "rb").read() == b"new"
files._RENAME_SECONDS = 60
reader = open("net", "rb")
threading.Timer(0.2, reader.close).start()
files.replace_file("net", [b"waited"])
assert open("net", "rb").read() == b"waited"

# Temporary files: of a live writer, of one between closing and renaming, of one that was killed.
path, live = files._locked_file(pathlib.Path("net"))
old = time.time() - 2 * files._STALE_SECONDS
os.utime(path, (old, old))
closing, killed = (path.with_name(f".net.{digit * 16}.tmp") for digit in "01")
for each in (closing, killed):
    each.write_bytes(b"part")
os.utime(killed, (old, old))
files.replace_file("net", [b"beside them"])
assert sorted(os.listdir()) == sorted([path.name, closing.name, "net"])
os.close(live)
files.check_writable("net")
os.chmod("net", 0o444)
access = os.access
os.access = lambda path, mode: bool(os.stat(path).st_mode & 0o222)  # root may write everywhere
try:
    files.check_writable("net")
except PermissionError as error:
    assert error.filename == "net"
else:
    raise AssertionError
os.altsep = "/"
try:
    files.check_path("path", "folder/")
except ValueError as error:
    assert "that of a folder" in str(error)
else:
    raise AssertionError
"""


def test_files(windows):
    windows(FILES)


YIELD = """
from fastbp.kernels.atomics import YIELD, spin_wait
assert YIELD == "SwitchToThread"

@numba.njit
def turn(spins):
    return spin_wait(spins, 5)

assert turn(4) == 5
assert simulated_windows.yields == []
assert turn(5) == 6
assert simulated_windows.yields == [1]
"""


def test_waiting_threads_yield_by_the_function_of_windows(windows):
    windows(YIELD, system="win32")
