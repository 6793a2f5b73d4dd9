"""Command lines and tables that fastbp refuses: one line, the right exit code, nothing written; and
its help."""

import argparse
import re
import subprocess
import sys

import pytest

import fastbp

TRAIN = ["train", "t.csv", "--target", "y"]
GOOD = "a,y\n" + "\n".join(f"{i},{'nm'[i % 2]}" for i in range(20)) + "\n"
NUMBERS = "a,y\n" + "\n".join(f"{i},{i / 8}" for i in range(50)) + "\n"
REFUSED = {
    "no file": (None, TRAIN, "t.csv: No such file or directory"),
    "no target": ("a,b\n1,2\n", TRAIN, "t.csv: no column 'y'; there are 'a', 'b'"),
    "target dropped": (GOOD, [*TRAIN, "--drop", "y"], "--drop must leave the target in, got 'y'"),
    "only the target": ("y\n" + "n\nm\n" * 9, TRAIN, "t.csv: no columns beside the target 'y'"),
    "weights for numbers": (
        NUMBERS,
        [*TRAIN, "--class-weight", "balanced"],
        "--class-weight needs classes, and 'y' is a number",
    ),
    "text and number": (
        GOOD,
        [*TRAIN, "--text", "a", "--number", "a"],
        "--text and --number must name different columns, got 'a'",
    ),
    "one class": (
        GOOD.replace("m", "n"),
        TRAIN,
        "t.csv, column 'y': all rows are of one class, 'n'",
    ),
    "regression of text": (
        GOOD,
        [*TRAIN, "--task", "regression"],
        "t.csv, row 1 (line 2), column 'y': 'n' is not a number, which --task",
    ),
    "classes of fractions": (
        "a,y\n1,1\n2,1.5\n",
        [*TRAIN, "--task", "classification"],
        "t.csv, row 2 (line 3), column 'y': 1.5 is not a whole number",
    ),
    "many classes": (
        "a,y\n" + "1,n\n" + "".join(f"{i},k{i}\n" for i in range(200)),
        TRAIN,
        "t.csv, row 101 (line 102), column 'y': more than 100 different texts so far; --drop",
    ),
    "many numbered classes": (
        "a,y\n" + "".join(f"{i},{i}\n" for i in range(200)),
        [*TRAIN, "--task", "classification"],
        "t.csv, column 'y': 200 classes; --max-categories allows 100",
    ),
    "few rows": ("a,y\n1,n\n2,m\n", TRAIN, "t.csv: 2 rows are too few: none is left for "),
    "nothing left to train on": (
        GOOD,
        [*TRAIN, "--held-out", "0.5", "--validation", "0.5"],
        "--held-out and --validation must leave rows to train on",
    ),
    "diverging": (
        NUMBERS,
        [*TRAIN, "--lr", "1e30", "--optimizer", "sgd"],
        "the loss, a weight or the optimizer's state is not finite at epoch ",
    ),
    "out is a folder": (GOOD, [*TRAIN, "--out", "."], ".: it is a folder"),
    "out in no folder": (
        GOOD,
        [*TRAIN, "--out", "no/model"],
        "no/model: No such file or directory",
    ),
    "report in no folder": (
        GOOD,
        [*TRAIN, "--report", "no/r.html"],
        "no/r.html: No such file or directory",
    ),
    "a text with line ends": (
        'a,y\n1,"n"\nx,"a\n\x1b[31mb"\n',
        TRAIN,
        "t.csv, row 2 (line 4), column 'a': 'x' is not",
    ),
    "a model that is none": (
        GOOD,
        ["predict", "t.csv", "t.csv"],
        "path must be a model saved by fastbp, got 't.csv': ",
    ),
    "a model that is not there": (
        GOOD,
        ["predict", "no.net", "t.csv"],
        "no.net: No such file or directory",
    ),
    "a model of no table": (
        GOOD,
        ["predict", "plain.net", "t.csv"],
        "plain.net: must be a model written by 'fastbp train', got one without the columns",
    ),
}


@pytest.mark.parametrize(("content", "argv", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(content, argv, message, tmp_path, monkeypatch, fastbp_says):
    monkeypatch.chdir(tmp_path)
    fastbp.MLP([1, 2]).save("plain.net")
    if content is not None:
        (tmp_path / "t.csv").write_text(content)
    before = sorted(tmp_path.iterdir())
    code, out, err = fastbp_says(*argv)
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith(f"fastbp {argv[0]}: error: {message}")
    assert all(line.isprintable() for line in err.splitlines())
    # a fit begins after a line about the table
    assert err.count("\n") == 1 or "not finite" in message
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "fastbp: error: the following arguments are required: COMMAND (see fastbp --help)"),
        (["fly"], "fastbp: error: argument COMMAND: invalid choice: 'fly'"),
        (
            ["train", "t.csv"],
            "fastbp train: error: the following arguments are required: --target (see fastbp",
        ),
        (
            [*TRAIN, "--hidden", "3,0"],
            "fastbp train: error: argument --hidden: must be widths such as 64,32, or none, got ",
        ),
        ([*TRAIN, "--hidden", "3,x"], "fastbp train: error: argument --hidden: must be widths"),
        (
            [*TRAIN, "--epochs", "0"],
            "fastbp train: error: argument --epochs: must be a whole number of at least 1, got '0'",
        ),
        (
            [*TRAIN, "--lr", "0"],
            "fastbp train: error: argument --lr: must be a number above 0, got '0'",
        ),
        (
            [*TRAIN, "--lr", "nan"],
            "fastbp train: error: argument --lr: must be a number above 0, got 'nan'",
        ),
        (
            [*TRAIN, "--l2", "inf"],
            "fastbp train: error: argument --l2: must be a number of at least 0, got 'inf'",
        ),
        (
            [*TRAIN, "--held-out", "1"],
            "fastbp train: error: argument --held-out: must be a number of at least 0 and below",
        ),
        (
            [*TRAIN, "--optimizer", "x"],
            "fastbp train: error: argument --optimizer: invalid choice: 'x'",
        ),
        (
            [*TRAIN, "--delimiter", ",,"],
            "fastbp train: error: argument --delimiter: must be one ASCII character, or tab, got",
        ),
        ([*TRAIN, "--out", "-"], "fastbp train: error: argument --out: must be a file, got '-'"),
        (
            [*TRAIN, "--target", "a"],
            "fastbp train: error: argument --target: given twice (see fastbp train --help)",
        ),
        (
            [*TRAIN, "--lr", "1", "--lr", "2"],
            "fastbp train: error: argument --lr: given twice (see fastbp train --help)",
        ),
        (
            ["predict", "m", "t.csv", "--out", "a", "--out", "b"],
            "fastbp predict: error: argument --out: given twice (see fastbp predict --help)",
        ),
        ([*TRAIN, "--epoch", "3"], "fastbp: error: unrecognized arguments: --epoch 3"),
        (
            ["predict", "-", "t.csv"],
            "fastbp predict: error: argument MODEL: must be a file, got '-'",
        ),
    ],
)
def test_usage(argv, message, fastbp_says):
    code, out, err = fastbp_says(*argv)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert err.count("\n") == 1


PREDICT = ["predict", "m.net", "t.csv"]
OVERWRITTEN = {
    "data by the model": ([*TRAIN, "--out", "./t.csv"], "DATA", "--out"),
    "data by the report": ([*TRAIN, "--report", "t.csv"], "DATA", "--report"),
    "data by a hard link": ([*TRAIN, "--out", "hard"], "DATA", "--out"),
    "data by a symbolic link": ([*TRAIN, "--report", "soft"], "DATA", "--report"),
    "model by the report": ([*TRAIN, "--out", "m", "--report", "m"], "--out", "--report"),
    "new, in a linked folder": (
        [*TRAIN, "--out", "m", "--report", "here/m"],
        "--out",
        "--report",
    ),
    "standard input": (["train", "-", "--target", "y", "--out", "t.csv"], "DATA", "--out"),
    "model by the answers": ([*PREDICT, "--out", "m.net"], "MODEL", "--out"),
    "data by the answers": ([*PREDICT, "--out", "soft"], "DATA", "--out"),
    "data by standard output": (PREDICT, "DATA", "--out"),
}


@pytest.mark.parametrize(("argv", "one", "other"), OVERWRITTEN.values(), ids=OVERWRITTEN)
def test_no_file_is_overwritten_by_another_output(argv, one, other, tmp_path):
    """With exit code 2 and before anything is read."""
    (tmp_path / "t.csv").write_text(GOOD)
    (tmp_path / "m.net").write_text("a model")
    (tmp_path / "hard").hardlink_to(tmp_path / "t.csv")
    (tmp_path / "soft").symlink_to("t.csv")
    (tmp_path / "here").symlink_to(".")
    before = sorted(tmp_path.iterdir())
    with open(tmp_path / "t.csv", "rb") as stdin, open(tmp_path / "t.csv", "ab") as stdout:
        done = subprocess.run(
            [sys.executable, "-m", "fastbp", *argv],
            stdin=stdin,
            stdout=stdout if argv is PREDICT else subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            cwd=tmp_path,
        )
    assert done.returncode == 2
    message = f"fastbp {argv[0]}: error: {one} and {other} must be different files, got "
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "t.csv").read_text() == GOOD
    assert (tmp_path / "m.net").read_text() == "a model"


def test_devices_may_be_shared(tmp_path, monkeypatch, fastbp_says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(GOOD)
    fast = ["--epochs", "1", "--out", "/dev/null", "--report", "/dev/null"]
    assert fastbp_says(*TRAIN, *fast)[0] == 0


@pytest.mark.parametrize("command", ["", "demo", "train", "predict", "warmup"])
def test_help_has_examples(command, fastbp_says):
    code, out, err = fastbp_says(*command.split(), "--help")
    assert (code, err) == (0, "")
    assert re.search(rf"examples?:\n  (\w.* \| )?fastbp {command}", out)


def test_examples_in_help_are_command_lines(capsys):
    """Each parses."""
    from fastbp.cli.main import parser

    made = parser()
    (commands,) = (
        action for action in made._actions if isinstance(action, argparse._SubParsersAction)
    )
    epilogs = [made.epilog, *(part.epilog or "" for part in commands.choices.values())]
    lines = re.findall(
        r"^  (?:.*\| )?fastbp (.*?)(?: {2,}.*| [>|].*)?$", "\n".join(epilogs), re.MULTILINE
    )
    assert len(lines) >= 10
    for line in lines:
        made.parse_args(line.split())
