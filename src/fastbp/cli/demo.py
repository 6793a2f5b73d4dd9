"""``fastbp demo``: from a table of three spiral arms to a model, a report and a picture in text."""

import csv
import io
import os
import shlex
from pathlib import Path

import numpy as np

from ..base.files import replace_file
from ..loading import load

SHADE_OF = {"red": ".", "green": "o", "blue": "#"}  # by arm
ROWS = 300  # an arm
WIDTH = 60  # of the picture, in characters
HEIGHT = 24
EPILOG = "example:\n  fastbp demo --out fastbp-demo\n"


def add_to(commands) -> None:
    parser = commands.add_parser(
        "demo", help="a table, a model, its report and a picture, in a few seconds", epilog=EPILOG
    )
    parser.description = (
        "Write a small table, train on it, and draw the model's predictions. "
        "The commands are shown."
    )
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        default="fastbp-demo",
        help="created if missing; default: %(default)s",
    )
    parser.set_defaults(run=run)


def run(arguments) -> int:
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    names = ("spirals.csv", "model.safetensors", "report.html", "answers.csv")
    table, model, report, answers = (os.fspath(folder / name) for name in names)
    replace_file(table, [spirals().encode()])
    print(f"wrote {table}")
    settings = ["--target", "arm", "--hidden", "64,32", "--lr", "0.01"]
    for step in (
        ["train", table, *settings, "--out", model, "--report", report],
        ["predict", model, table, "--proba", "--out", answers],
    ):
        print(f"\n$ fastbp {shlex.join(step)}", flush=True)
        code = arguments.main(step)
        if code:
            return code
    print(f"wrote {answers}\n\nThe arm predicted at each point of the plane:\n")
    print(picture(load(model)))
    return 0


def spirals() -> str:
    """A table of points on three arms of a spiral with some noise, as CSV."""
    rng = np.random.default_rng(0)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["x", "y", "arm"])
    for i, arm in enumerate(SHADE_OF):
        radius = np.sqrt(np.linspace(0.02, 1, ROWS))
        angle = 4 * radius + 2 * np.pi * i / len(SHADE_OF) + rng.normal(0, 0.25, ROWS)
        points = zip(radius * np.cos(angle), radius * np.sin(angle), strict=True)
        writer.writerows((f"{x:.4f}", f"{y:.4f}", arm) for x, y in points)
    return text.getvalue()


def picture(net) -> str:
    """The predicted arm at each point of a grid, as characters."""
    x, y = np.meshgrid(np.linspace(-1, 1, WIDTH), np.linspace(1, -1, HEIGHT))
    X = net.preprocessing_.transform({"x": x.ravel(), "y": y.ravel()}, net.dtype)
    arms = net.preprocessing_.target.decode(net.predict(X)).reshape(HEIGHT, WIDTH)
    legend = ", ".join(f"{shade} {arm}" for arm, shade in SHADE_OF.items())
    return "\n".join(["".join(SHADE_OF[arm] for arm in row) for row in arms.tolist()] + [legend])
