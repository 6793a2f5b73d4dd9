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
from ..base.html import BOTTOM, COLOURS, LEFT, RIGHT, TOP, axis, frame, linear_ticks, loss_svg, svg
from ..base.optional import require
from ..preprocessing import OneHot
from .fitting import Trained
from .options import TrainOptions
from .scores import Classification, Regression, summary

MAX_CLASSES = 40  # in a confusion matrix
MAX_ROWS = 200  # in a table
MAX_POINTS = 2000  # in a scatter plot


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
        scatter_svg=isinstance(scores, Regression) and scatter_svg(scores, options.target),
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
        ["–" if np.isnan(share) else f"{share:.3f}" for share in values]
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
        return f"{column.width} categories: {names}"
    return f"mean {column.mean:.6g}, standard deviation {column.scale:.6g}"


def scatter_svg(scores: Regression, name: str) -> str:
    """Predicted over actual values as an SVG image, with the diagonal of equal ones.

    At most MAX_POINTS of the rows are drawn, chosen at random.
    """
    some = np.random.default_rng(0).permutation(len(scores.actual))[:MAX_POINTS]
    points = np.stack([scores.actual[some], scores.predicted[some]], axis=1)
    ticks = linear_ticks(float(points.min()), float(points.max()))
    x_place = axis(ticks[0], ticks[-1], LEFT, RIGHT)
    y_place = axis(ticks[0], ticks[-1], BOTTOM, TOP)
    parts = frame(ticks, ticks, x_place, y_place, f"actual {name:.60}; above: predicted")
    line = f'stroke="{COLOURS["best"]}" stroke-dasharray="5 4"'
    parts.append(f'<path d="M{LEFT},{BOTTOM} L{RIGHT},{TOP}" {line}/>')
    fill = f'r="2.5" fill="{COLOURS["training"]}" fill-opacity="0.5"'
    parts += [f'<circle cx="{x_place(x):.1f}" cy="{y_place(y):.1f}" {fill}/>' for x, y in points]
    return svg(parts)
