"""``fastbp demo``: three arms of a spiral, from a table to a model, a report and a picture in
characters."""

import csv
import io
import os
import shlex
from pathlib import Path

import numpy as np

from ..base.files import replace_file
from ..loading import load

ARMS = ("red", "green", "blue")
ROWS = 300  # an arm
WIDTH, HEIGHT = 60, 24  # of the picture, in characters
EPILOG = "example:\n  fastbp demo --out fastbp-demo\n"


def add_to(commands) -> None:
    made = commands.add_parser(
        "demo", help="a table, a model, its report and a picture, in a few seconds", epilog=EPILOG
    )
    made.description = "Make a small table, train on it, draw what the model has learnt. The commands that do so are shown."
    made.add_argument(
        "--out",
        metavar="FOLDER",
        default="fastbp-demo",
        help="made if missing; default: %(default)s",
    )
    made.set_defaults(run=run)


def run(arguments) -> int:
    from .main import main  # which imports this module

    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    table, model = os.fspath(folder / "spirals.csv"), os.fspath(folder / "model.safetensors")
    replace_file(table, [spirals().encode()])
    print(f"wrote {table}")
    report, answers = os.fspath(folder / "report.html"), os.fspath(folder / "answers.csv")
    steps = [
        [
            "train",
            table,
            "--target",
            "arm",
            "--hidden",
            "64,32",
            "--lr",
            "0.01",
            "--out",
            model,
            "--report",
            report,
        ],
        ["predict", model, table, "--proba", "--out", answers],
    ]
    for step in steps:
        print(f"\n$ fastbp {shlex.join(step)}", flush=True)
        code = main(step)
        if code:
            return code
    print(
        f"wrote {answers}\n\nThe arm that the model sees at each place:\n\n{picture(load(model))}"
    )
    return 0


def spirals() -> str:
    """A table of points on three arms of a spiral with some noise, as CSV."""
    rng, text = np.random.default_rng(0), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["x", "y", "arm"])
    for i, arm in enumerate(ARMS):
        radius = np.sqrt(np.linspace(0.02, 1, ROWS))
        angle = 4 * radius + 2 * np.pi * i / len(ARMS) + rng.normal(0, 0.25, ROWS)
        points = zip(radius * np.cos(angle), radius * np.sin(angle), strict=True)
        writer.writerows((f"{x:.4f}", f"{y:.4f}", arm) for x, y in points)
    return text.getvalue()


def picture(net) -> str:
    """A character for each place of the plane: the first of the arm's name."""
    x, y = np.meshgrid(np.linspace(-1, 1, WIDTH), np.linspace(1, -1, HEIGHT))
    X = net.preprocessing_.transform({"x": x.ravel(), "y": y.ravel()}, net.dtype)
    arms = net.preprocessing_.target.decode(net.predict(X)).reshape(HEIGHT, WIDTH)
    shades = dict(zip(ARMS, ".o#", strict=True))
    legend = ", ".join(f"{shades[arm]} {arm}" for arm in ARMS)
    return "\n".join(["".join(shades[arm] for arm in row) for row in arms.tolist()] + [legend])
