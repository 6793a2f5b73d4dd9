"""The report of a training: one HTML page that loads nothing and runs nothing.

The template escapes all text of the data, the file names and the command line. A policy in the page
forbids browsers to load or run anything.
"""

import shlex
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import numpy as np

from .. import __version__
from ..base.html import axis, linear_ticks, loss_svg
from ..base.optional import require
from ..preprocessing import OneHot
from .fitting import MAX_IMPORTANCES, Trained
from .options import TrainOptions
from .scores import Classification, Regression, digits, summary

MAX_CLASSES = 40  # in a confusion matrix
MAX_ROWS = 200  # in a table
MAX_POINTS = 2000  # in a scatter plot
SIDE = 400  # of a scatter plot, in pixels
START = 70  # of its axes
END = SIDE - 12


def load_template():
    """The Jinja2 template of reports.

    Raises
    ------
    ImportError
        If Jinja2 is not installed.
    """
    jinja2 = require("jinja2", "--report", "'fastbp[cli]'", "Jinja2")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html.jinja")


def report(template, trained: Trained, options: TrainOptions, argv: list[str]) -> str:
    """The report as a page.

    Parameters
    ----------
    template : jinja2.Template
    trained : Trained
    options : TrainOptions
    argv : list of str
        The command line.
    """
    scores = trained.scores
    target = trained.preprocessing.target
    columns = [(target, "target"), *((column, "input") for column in trained.preprocessing.inputs)]
    settings = {name.replace("_", "-"): _setting(v) for name, v in asdict(options).items()}
    python = ".".join(map(str, sys.version_info[:3]))
    return template.render(
        trained=trained,
        options=options,
        score=scores and summary(scores, trained.classes),
        classes=isinstance(scores, Classification) and _classes(scores, trained.classes),
        sizes=[len(part.rows) for part in trained.parts],
        loss_svg=loss_svg(trained.history),
        loss_unit=_loss_unit(trained) + " and the penalty of the weights" * (options.l2 > 0),
        scatter=isinstance(scores, Regression) and scatter(scores),
        digits=digits,
        largest=max((one.mean for one in trained.importances), default=0.0),
        max_importances=MAX_IMPORTANCES,
        columns=[(column.name, role, _encoding(column)) for column, role in columns],
        command=shlex.join(["fastbp", *argv]),
        settings=[*sorted(settings.items()), ("Python", python)],
        version=__version__,
        now=f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}",
        max_classes=MAX_CLASSES,
        max_rows=MAX_ROWS,
        max_points=MAX_POINTS,
    )


def _classes(scores, names):
    """(class, precision, recall, rows) of each class."""
    shares = [
        ["–" if np.isnan(share) else digits(share) for share in values]
        for values in (scores.precision, scores.recall)
    ]
    return list(zip(names, *shares, scores.confusion.sum(axis=1), strict=True))


def _setting(value):
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "by default" if value is None else value


def _encoding(column):
    if isinstance(column, OneHot):
        names = ", ".join(map(str, column.categories[:10])) + ", …" * (column.width > 10)
        what = f"{len(column.categories)} categories: {names}"
    else:
        what = f"mean {digits(column.mean)}, standard deviation {digits(column.scale)}"
    if column.indicator:
        fill = column.fill if isinstance(column.fill, str) else f"{column.fill:.6g}"
        what += f"; missing: {fill}, with an indicator"
    return what


def _loss_unit(trained):
    target = trained.preprocessing.target
    if isinstance(target, OneHot):
        return "in nats, the mean over rows"
    unit = digits(target.scale)
    return f"half the mean squared error, where 1 is one standard deviation of the target ({unit})"


def scatter(scores: Regression) -> dict:
    """What the template needs to draw predicted over actual values, on axes of one scale.

    At most MAX_POINTS of the rows are drawn, chosen at random.

    Returns
    -------
    dict
        "ticks": (text, x, y) of the numbers on both axes; "points": (x, y), in pixels; and the
        constants of the drawing.
    """
    some = np.random.default_rng(0).permutation(len(scores.actual))[:MAX_POINTS]
    points = np.stack([scores.actual[some], scores.predicted[some]], axis=1)
    ticks = linear_ticks(float(points.min()), float(points.max()))
    x_place = axis(ticks[0], ticks[-1], START, END)
    y_place = axis(ticks[0], ticks[-1], SIDE - START, SIDE - END)
    return {
        "side": SIDE,
        "start": START,
        "end": END,
        "ticks": [(f"{tick:.6g}", x_place(tick), y_place(tick)) for tick in ticks],
        "points": [(x_place(x), y_place(y)) for x, y in points],
    }
