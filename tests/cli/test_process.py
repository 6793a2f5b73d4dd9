"""fastbp as a process: streams, signals, exit codes, and what the library does not import."""

import errno
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib import metadata

import pytest
from helpers.needs import needs
from helpers.waiting import HUNG_SECONDS

import fastbp
from fastbp.cli.arguments import say
from fastbp.kernels import target

BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
FASTBP = [sys.executable, "-m", "fastbp"]
TABLE = "a,b,y\n" + "\n".join(f"{i % 13},{i % 7},{'nm'[i % 13 > 6]}" for i in range(200)) + "\n"


def run(*argv, **settings):
    settings = {"capture_output": True, "text": True, "timeout": 300} | settings
    done = subprocess.run([*FASTBP, *argv], **settings)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table and a model of it."""
    made = tmp_path_factory.mktemp("cli")
    (made / "t.csv").write_text(TABLE)
    code, out, err = run("train", "t.csv", "--target", "y", "--epochs", "3", cwd=made)
    assert code == 0, err
    assert "wrote model.safetensors" in out
    return made


def test_the_console_script():
    (entry,) = metadata.entry_points(group="console_scripts", name="fastbp")
    from fastbp.cli.main import command

    assert entry.load() is command
    assert run("--version") == (0, f"fastbp {fastbp.__version__}\n", "")


def test_importing_fastbp_imports_no_command_line():
    command = "import fastbp, sys; print([m for m in sys.modules if m.startswith('fastbp.cli')])"
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "[]\n"


def test_a_pipe(folder):
    code, out, err = run("predict", "model.safetensors", "-", cwd=folder, input="b,a\n1,2\n2,12\n")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "y"
    assert len(out.splitlines()) == 3


WITHOUT = """
import sys
class Missing:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])
missing = ["sklearn", "jinja2", "pandas", "matplotlib"]
sys.meta_path.insert(0, Missing)
from fastbp.cli.main import main
predict = ["predict", "model.safetensors", "t.csv", "--proba", "--out", "answers.csv"]
train = ["train", "t.csv", "--target", "y", "--out", "new.net"]
codes = [main(predict), main(train), main([*train, "--report", "r.html"])]
missing = ["pyarrow"]
for name in [name for name in sys.modules if name.startswith("pyarrow")]:
    sys.modules[name] = None
codes += [main(predict), main(train)]
print(codes)
"""
ERRORS = """\
fastbp train: error: fastbp train needs scikit-learn: pip install 'fastbp[cli]'
fastbp train: error: --report needs Jinja2: pip install 'fastbp[cli]'
fastbp predict: error: reading t.csv needs pyarrow: pip install 'fastbp[cli]'
fastbp train: error: reading t.csv needs pyarrow: pip install 'fastbp[cli]'
"""


def test_without_the_extra(folder):
    """`predict` needs pyarrow alone; what else is missing is named in a line."""
    command = [sys.executable, "-c", WITHOUT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder)
    assert (done.stdout, done.stderr) == ("[0, 1, 1, 1, 1]\n", ERRORS)
    assert not (folder / "new.net").exists()


PREDICTS = """
import sys
from fastbp.cli.main import main
code = main(["predict", "model.safetensors", "holes.csv", "--proba", "--out", "answers.csv"])
print(code, sorted({"sklearn", "jinja2", "pandas", "matplotlib"} & set(sys.modules)))
"""


def test_predict_imports_little(folder):
    """Also where values are missing, though the libraries are installed."""
    (folder / "holes.csv").write_text("a,b\n1,NA\n,2\n")
    command = [sys.executable, "-c", PREDICTS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder)
    assert done.stdout == "0 []\n"


def test_no_traceback(folder):
    code, out, err = run("predict", "model.safetensors", "missing.csv", cwd=folder)
    assert (code, out, err) == (
        1,
        "",
        "fastbp predict: error: missing.csv: No such file or directory\n",
    )
    assert run("predict", "model.safetensors")[0] == 2


@needs("signal.SIGPIPE")
@pytest.mark.parametrize("argv", [["predict", "model.safetensors", "-"], ["--help"]])
def test_a_reader_that_goes(argv, folder):
    """As cat ends: by the signal, in silence."""
    reader, writer = os.pipe()
    os.close(reader)
    content = "a,b\n" + "1,2\n" * 50_000
    with os.fdopen(writer, "wb") as gone:
        settings = {
            "stdout": gone,
            "stderr": subprocess.PIPE,
            "cwd": folder,
            "env": BUFFERED,
            "timeout": 300,
        }
        done = subprocess.run([*FASTBP, *argv], input=content.encode(), **settings)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_full_disk(folder):
    with open("/dev/full", "w") as full:
        code, _, err = run(
            "info", capture_output=False, stdout=full, stderr=subprocess.PIPE, env=BUFFERED
        )
    assert (code, err) == (1, "fastbp: error: standard output: No space left on device\n")
    with open("/dev/full", "w") as full:
        environment = BUFFERED | {"PYTHONUNBUFFERED": "1"}
        code, _, err = run(
            "info", capture_output=False, stdout=full, stderr=subprocess.PIPE, env=environment
        )
    assert (code, err) == (1, "fastbp info: error: No space left on device\n")


def test_closed_streams(folder):
    script = " ".join([*FASTBP, "info", ">&-"])
    assert subprocess.run(["sh", "-c", script], capture_output=True, timeout=300).returncode in (
        0,
        1,
    )
    script = " ".join([*FASTBP, "predict", "model.safetensors", "-", "<&-"])
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, timeout=300, cwd=folder, text=True
    )
    assert (done.returncode, done.stderr) == (
        1,
        "fastbp predict: error: standard input is closed\n",
    )


UNICODE = TABLE.replace("n", "é").replace("m", "日本")
TRAIN = ["train", "u.csv", "--target", "y", "--epochs", "3", "--out", "new.net"]


@pytest.fixture
def unicode_folder(tmp_path):
    """A table with classes that ASCII lacks."""
    (tmp_path / "u.csv").write_text(UNICODE, encoding="utf-8")
    return tmp_path


def saved(folder):
    return fastbp.load(folder / "new.net").preprocessing_.target.categories == ("é", "日本")


@needs("signal.SIGPIPE")
@pytest.mark.parametrize("report", [[], ["--report", "r.html"]], ids=["", "report"])
def test_a_closed_pipe_loses_no_model(report, unicode_folder):
    """Everything is written before anything is printed."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as gone:
        done = subprocess.run(
            [*FASTBP, *TRAIN, *report],
            stdout=gone,
            stderr=subprocess.PIPE,
            cwd=unicode_folder,
            env=BUFFERED | {"PYTHONUNBUFFERED": "1"},
            timeout=300,
        )
    assert done.returncode == -signal.SIGPIPE
    assert saved(unicode_folder)
    assert (unicode_folder / "r.html").exists() == bool(report)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_full_standard_output_loses_no_model(unicode_folder):
    with open("/dev/full", "w") as full:
        code, _, err = run(
            *TRAIN, "--report", "r.html", capture_output=False, stdout=full, stderr=subprocess.PIPE,
            env=BUFFERED | {"PYTHONUNBUFFERED": "1"}, cwd=unicode_folder,
        )  # fmt: skip
    assert code == 1
    assert err.endswith("No space left on device\n")
    assert saved(unicode_folder)
    assert (unicode_folder / "r.html").exists()


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_lose_no_model(redirection, unicode_folder):
    script = " ".join([*FASTBP, *TRAIN, "--report", "r.html", redirection])
    done = subprocess.run(
        ["sh", "-c", script], cwd=unicode_folder, capture_output=True, timeout=300
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert saved(unicode_folder)
    assert (unicode_folder / "r.html").exists()


ASCII = BUFFERED | {"PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0", "LC_ALL": "C"}


def test_names_that_the_terminal_lacks(unicode_folder):
    """They are printed as escapes; what is read by programs is UTF-8 in any locale."""
    code, out, err = run(*TRAIN, env=ASCII, cwd=unicode_folder)
    assert code == 0, err
    assert "'\\u65e5\\u672c' would be" in out or "'\\xe9' would be" in out
    assert saved(unicode_folder)
    argv = [*FASTBP, "predict", "new.net", "u.csv", "--proba"]
    done = subprocess.run(argv, env=ASCII, cwd=unicode_folder, capture_output=True, timeout=300)
    assert done.stdout.decode("utf-8").startswith("y,P(é),P(日本)\n")
    run(*argv[len(FASTBP) :], "--out", "answers.csv", env=ASCII, cwd=unicode_folder)
    assert (unicode_folder / "answers.csv").read_bytes() == done.stdout
    argv = [*FASTBP, *TRAIN, "--report", "-"]
    done = subprocess.run(argv, env=ASCII, cwd=unicode_folder, capture_output=True, timeout=300)
    assert "日本" in done.stdout.decode("utf-8")


@pytest.mark.parametrize("kind", ["none", "closed", "ASCII", "no stream"])
def test_no_message_raises(kind, monkeypatch, capsys):
    text = io.TextIOWrapper(io.BytesIO(), "ascii")
    if kind == "closed":
        text.close()
    stream = {"none": None, "no stream": object()}.get(kind, text)
    monkeypatch.setattr(sys, "stderr", stream)
    say("é 日本")
    assert capsys.readouterr().out == ""


class Gone(io.StringIO):
    """A standard error that fails from the second write on, as a pipe does without its reader."""

    def __init__(self, error):
        super().__init__()
        self.error = error
        self.writes = 0

    def write(self, text):
        self.writes += 1
        if self.writes > 1:
            raise self.error
        return super().write(text)


@pytest.mark.parametrize(
    "error", [BrokenPipeError(errno.EPIPE, "Broken pipe"), OSError(errno.ENOSPC, "No space")]
)
def test_a_standard_error_that_fails_during_training(error, unicode_folder, monkeypatch):
    """Messages and the progress bar are lost, the model is not."""
    from fastbp.cli.main import main

    monkeypatch.chdir(unicode_folder)
    stream = Gone(error)
    monkeypatch.setattr(sys, "stderr", stream)
    main(TRAIN)
    assert stream.writes > 1
    assert saved(unicode_folder)


def test_a_report_to_a_closed_standard_output(unicode_folder):
    script = " ".join([*FASTBP, *TRAIN, "--report", "-", ">&-"])
    done = subprocess.run(
        ["sh", "-c", script], cwd=unicode_folder, capture_output=True, timeout=300, text=True
    )
    assert done.stderr == "fastbp train: error: standard output: it is closed\n"
    assert not (unicode_folder / "new.net").exists()


def test_a_model_is_saved_before_it_is_scored(tmp_path, monkeypatch, fastbp_says):
    """An error in the scores costs the scores."""
    from fastbp.cli import fitting

    def fail(*arguments):
        raise ValueError("no score today")

    monkeypatch.chdir(tmp_path)
    (tmp_path / "u.csv").write_text(UNICODE, encoding="utf-8")
    monkeypatch.setattr(fitting, "_score", fail)
    code, _, err = fastbp_says(*TRAIN)
    assert code == 1
    assert err.endswith("fastbp train: error: no score today\n")
    assert saved(tmp_path)


@pytest.mark.skipif(
    not os.path.exists("/proc/self/task"), reason="the system does not show a process's threads"
)
def test_ctrl_c_while_training(tmp_path):
    """The model so far is scored and written; the process ends by the signal."""
    (tmp_path / "t.csv").write_text(
        "a,b,y\n" + "\n".join(f"{i % 977},{i % 7},{i * 0.37 % 1}" for i in range(5000)) + "\n"
    )
    argv = [
        "train",
        "t.csv",
        "--target",
        "y",
        "--epochs",
        "1000000",
        "--patience",
        "1000000",
        "--threads",
        "2",
    ]
    with subprocess.Popen(
        [*FASTBP, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        try:
            for line in process.stderr:
                if line.startswith("training on 3500 rows, validating on 500"):
                    break
            threads = f"/proc/{process.pid}/task"
            since = time.monotonic()
            before = len(os.listdir(threads))
            while len(os.listdir(threads)) == before and time.monotonic() < since + 5:
                time.sleep(0.02)  # until the threads that train are there, which by now they may be
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=HUNG_SECONDS)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGINT
    assert err.endswith("fastbp: interrupted\n")
    assert "Traceback" not in err
    assert "epochs (interrupted" in out
    assert "held-out rows" in out
    assert fastbp.load(tmp_path / "model.safetensors").history_.stopped_by == "interrupt"


def test_ctrl_c_while_warming_up(tmp_path):
    """It ends the compilation at once, and nothing is left in the cache."""
    env = os.environ | {"FASTBP_CACHE_DIR": str(tmp_path), "FASTBP_JIT": "1"}
    with subprocess.Popen([*FASTBP, "warmup"], stderr=subprocess.PIPE, env=env) as process:
        try:
            assert b"compiling kernels" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(HUNG_SECONDS) == -signal.SIGINT
            assert process.stderr.read() == b"fastbp: interrupted\n"
        finally:
            process.kill()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@needs("signal.pthread_kill")
def test_ctrl_c_while_reading(folder):
    with subprocess.Popen(
        [*FASTBP, "predict", "model.safetensors", "-"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
    ) as process:
        # more than a pipe holds: it is reading when this returns
        process.stdin.write(b"a,b\n" + b"1,2\n" * 50_000)
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        process.stdin.close()
        assert process.wait(HUNG_SECONDS) == -signal.SIGINT
        assert process.stderr.read() == b"fastbp: interrupted\n"


def test_info_and_warmup(tmp_path):
    code, out, err = run("info", env=os.environ | {"FASTBP_CACHE_DIR": str(tmp_path)})
    assert (code, err) == (0, "")
    for fact in (
        f"fastbp:        {fastbp.__version__}",
        "lanes of float32",
        f"kernels:       for {target.NAME}, ",
        "threads:       up to ",
        f"{tmp_path}",
        "(0 files, 0.0 MB)",
    ):
        assert fact in out
    for given, said in (
        ("1", "; by default 1, by the environment"),
        ("x", "; FASTBP_NUM_THREADS must"),
    ):
        _, out, _ = run("info", env=os.environ | {"FASTBP_NUM_THREADS": given})
        assert said in out.partition("threads:")[2].splitlines()[0] or os.cpu_count() == 1
    code, out, err = run("warmup", "--dtype", "float32")
    assert (code, err) == (0, "")
    assert out.startswith("float32: ready after ")
    assert "cache: /" in out
    ready = "ready in the package" in run("info")[1]
    assert ready or "(0 files" not in out


def test_no_cache(tmp_path):
    (tmp_path / "file").write_text("")
    code, out, _ = run("info", env=os.environ | {"FASTBP_CACHE_DIR": str(tmp_path / "file")})
    assert code == 0
    message = (
        "its folder cannot be used, so every process compiles anew: [Errno 20] Not a directory"
    )
    assert f"cache:         {message}: '" in out


def test_demo(tmp_path):
    code, out, err = run("demo", "--out", "made/here", cwd=tmp_path)
    assert code == 0, err
    assert sorted(path.name for path in (tmp_path / "made" / "here").iterdir()) == [
        "answers.csv", "model.safetensors", "report.html", "spirals.csv",
    ]  # fmt: skip
    accuracy = float(out.partition("accuracy ")[2].partition(" on 180 held-out rows")[0])
    assert accuracy > 0.9
    picture = out.splitlines()[-25:-1]
    assert all(len(line) == 60 and set(line) <= set(".o#") for line in picture)
    assert set("".join(picture)) == set(".o#")
    lines = [line.removeprefix("$ fastbp ") for line in out.splitlines() if line.startswith("$ ")]
    shutil.rmtree(tmp_path / "made" / "here" / "answers.csv", ignore_errors=True)
    assert run(*lines[1].split(), cwd=tmp_path) == (0, "", "")
