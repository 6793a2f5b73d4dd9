"""The report of a training: one HTML file that needs no network, no script and no other file.

Whatever comes from the data, the file names or the command line is escaped; a policy in the page
itself keeps browsers from loading or running anything.
"""

import shlex
import sys
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from .. import __version__
from ..preprocessing import MAX_TEXT, OneHot
from .charts import line_chart, scatter
from .scores import Classification, Regression, in_words

if TYPE_CHECKING:
    from .fitting import Trained

MOST_CLASSES = 40  # of which the confusion matrix is shown
MOST_ROWS = 200  # of a table
MOST_POINTS = 2000  # of a scatter plot
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; fill: currentColor; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; } th, td { padding: 0.2rem 0.7rem; text-align: left; vertical-align: top; }
thead th { border-bottom: 1px solid; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
table.matrix td { text-align: right; min-width: 2.2rem; border: 1px solid #8884; }
p.score { font-size: 1.15rem; } code { overflow-wrap: anywhere; }
"""


def report(trained: "Trained", arguments) -> str:
    """The report as a page.

    Parameters
    ----------
    trained : Trained
    arguments : Namespace
        Of the command line.
    """
    title = f"{arguments.target} from {trained.source}"
    sections = [f"<h1>{_text(title)}</h1>", _summary(trained)]
    sections += ["<h2>Training</h2>", _losses(trained)]
    if isinstance(trained.scores, Classification):
        sections += ["<h2>Held-out rows</h2>", _confusion(trained), _classes(trained)]
    elif isinstance(trained.scores, Regression):
        sections += ["<h2>Held-out rows</h2>", _residuals(trained.scores, arguments.target)]
    sections += [
        "<h2>Columns</h2>",
        _columns(trained),
        "<h2>Network</h2>",
        f"<pre>{_text(trained.net.summary(), 10_000)}</pre>",
    ]
    sections += ["<h2>Settings</h2>", _settings(arguments)]
    made = f"fastbp {__version__}, {datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"
    body = "\n".join([*sections, f"<footer><p><small>{_text(made)}</small></p></footer>"])
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width">\n<title>{_text(title)}</title>\n<style>{STYLE}</style>\n'
        f"</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _text(value, most=MAX_TEXT):
    """A text of whatever origin as HTML, not too long."""
    text = str(value)
    return escape(text if len(text) <= most else text[:most] + "…")


def _table(header, rows, numeric=()):
    """A table of texts that are HTML already; columns in `numeric` are set to the right."""
    kind = ["n" if i in numeric else "" for i in range(len(header))]
    head = "".join(f'<th class="{c}">{cell}</th>' for c, cell in zip(kind, header, strict=True))
    shown = [
        "<tr>"
        + "".join(f'<td class="{c}">{cell}</td>' for c, cell in zip(kind, row, strict=True))
        + "</tr>"
        for row in rows[:MOST_ROWS]
    ]
    more = f"<p>… and {len(rows) - MOST_ROWS} more.</p>" * (len(rows) > MOST_ROWS)
    body = "\n".join(shown)
    return _wide(f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>") + more


def _wide(table):
    """A table that is scrolled where it is wider than the page."""
    return f'<div class="wide">{table}</div>'


def _summary(trained):
    training, validation, held_out = (len(part.rows) for part in trained.parts)
    classes = getattr(trained.preprocessing.target, "categories", ())
    score = "No rows were held out, so there is no score."
    if trained.scores is not None:
        score = in_words(trained.scores, classes)
        score = score[0].upper() + score[1:] + "."
    rows = f"{trained.n_rows} rows: {training} trained on, {validation} for validation, {held_out} held out."
    return f'<p class="score">{_text(score, 1000)}</p>\n<p>{_text(rows, 1000)}</p>'


def _losses(trained):
    history = trained.history
    if not history.loss:
        return "<p>Interrupted before the first epoch was over.</p>"
    series = {"training": history.loss} | (
        {"validation": history.val_loss} if history.val_loss else {}
    )
    note = f"{history.n_epochs} epochs, ended by: {history.stopped_by}."
    if history.best_epoch is not None and history.stopped_by != "interrupt":
        note += f" The circle marks epoch {history.best_epoch + 1}, whose weights the model has."
    figure = line_chart(
        "Loss by epoch",
        series,
        "epoch",
        trained.net.loss_name.replace("_", " "),
        history.best_epoch,
    )
    return f"<figure>{figure}</figure>\n<p>{_text(note, 1000)}</p>"


def _confusion(trained):
    """Rows: what the class was; columns: what was predicted; the darker, the more."""
    scores, names = trained.scores, trained.preprocessing.target.categories
    if len(names) > MOST_CLASSES:
        return f"<p>{len(names)} classes are too many for a confusion matrix.</p>"
    most = max(1, int(scores.confusion.max()))
    head = "".join(f'<th class="n">{_text(name)}</th>' for name in names)
    lines = []
    for i, name in enumerate(names):
        cells = "".join(
            f'<td style="background: rgb({"31 119 180" if i == j else "214 39 40"} / {0.75 * count / most:.3f})">{count}</td>'
            for j, count in enumerate(scores.confusion[i].tolist())
        )
        lines.append(f"<tr><th>{_text(name)}</th>{cells}</tr>")
    caption = "<p>Each row is a class; the columns are what the model predicted.</p>"
    body = "\n".join(lines)
    return caption + _wide(
        f'<table class="matrix"><thead><tr><th></th>{head}</tr></thead><tbody>\n{body}\n</tbody></table>'
    )


def _classes(trained):
    scores = trained.scores
    rows = [
        (
            _text(name),
            _share(scores.precision(i)),
            _share(scores.recall(i)),
            str(int(scores.confusion[i].sum())),
        )
        for i, name in enumerate(trained.preprocessing.target.categories)
    ]
    return "<p></p>" + _table(["class", "precision", "recall", "rows"], rows, {1, 2, 3})


def _share(value):
    return "–" if value is None else f"{value:.3f}"


def _residuals(scores, name):
    n = len(scores.actual)
    some = (
        np.arange(n)
        if n <= MOST_POINTS
        else np.sort(np.random.default_rng(0).permutation(n)[:MOST_POINTS])
    )
    figure = scatter(
        "Predicted over actual",
        scores.actual[some],
        scores.predicted[some],
        f"actual {name}"[:MAX_TEXT],
        "predicted",
    )
    note = (
        f"{len(some)} of {n} held-out rows, drawn at random. " * (len(some) < n)
        + "On the dashed line the model is right."
    )
    return f"<figure>{figure}</figure>\n<p>{note}</p>"


def _columns(trained):
    preprocessing = trained.preprocessing
    rows = []
    for column, role in [(column, "input") for column in preprocessing.inputs] + [
        (preprocessing.target, "target")
    ]:
        if isinstance(column, OneHot):
            names = ", ".join(str(category) for category in column.categories[:10]) + ", …" * (
                column.width > 10
            )
            about = f"{column.width} categories: {names}"
        else:
            about = f"mean {column.mean:.6g}, standard deviation {column.scale:.6g}"
        rows.append((_text(column.name), role, _text(about, 400)))
    return _table(["column", "role", "encoded by"], rows[-1:] + rows[:-1])


def _settings(arguments):
    given = shlex.join(["fastbp", *arguments.argv])
    options = {
        name: value
        for name, value in sorted(vars(arguments).items())
        if name not in ("run", "argv", "command")
    }
    shown = [
        ", ".join(map(str, v)) if isinstance(v, list) else "by default" if v is None else str(v)
        for v in options.values()
    ]
    rows = [
        (_text(name.replace("_", "-")), _text(value, 400))
        for name, value in zip(options, shown, strict=True)
    ]
    python = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    return f"<p><code>{_text(given, 2000)}</code></p>" + _table(
        ["option", "value"], [*rows, ("Python", python)]
    )
