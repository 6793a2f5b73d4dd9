"""HTML of nets and histories for notebooks and reports; curves are drawn as inline SVG."""

import math
from collections.abc import Callable
from html import escape
from itertools import pairwise

from .formula_text import counted

# The size of a drawing in pixels; margins hold the tick labels, and below also the axis title and
# the legend.
WIDTH = 520
HEIGHT = 260
LEFT = 64
RIGHT = WIDTH - 12
TOP = 12
BOTTOM = HEIGHT - 62
MAX_POINTS = 500  # of a curve: more would share pixels
# The range of the losses that are drawn; others are drawn at its ends. Ticks beyond would overflow.
SMALLEST = 1e-300
LARGEST = 1e300
PARTIAL_EPOCH = ("interrupt", "divergence", "error", "loss")  # ends of a fit within an epoch
COLOURS = {
    "minibatch": "#bbbbbb",
    "training": "#1f77b4",
    "validation": "#ff7f0e",
    "best": "#d62728",
}


def net_html(net):
    """The layers of a net as a table."""
    names = [*net.hidden, net.output]
    rows = [("layer", "W", "activation", "parameters")]
    for i, (w, name) in enumerate(zip(net.weights, names, strict=True)):
        rows.append((str(i), f"{w.shape[0]} × {w.shape[1]}", name, f"{w.size + w.shape[1]:,}"))
    loss = net.loss_name if net.loss_function is None else repr(net.loss_function)
    total = sum(w.size + w.shape[1] for w in net.weights)
    widths = "-".join(map(str, net.widths))
    return table_html(f"MLP {widths}: {total:,} parameters in {net.dtype.name}, loss {loss}", rows)


def table_html(caption, rows):
    """Rows of texts as a table, the first of them its head."""
    body = "".join(_row(row, "th" if i == 0 else "td") for i, row in enumerate(rows))
    return f'<div><p style="margin:4px 0"><b>{escape(caption)}</b></p><table>{body}</table></div>'


def _row(cells, tag):
    style = 'style="text-align:right;padding:1px 10px"'
    return f"<tr>{''.join(f'<{tag} {style}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


def history_text(history):
    """The figures of a history as one line."""
    epochs = counted(history.n_epochs, "epoch")
    facts = [f"{epochs}, {counted(len(history.batch_loss), 'step')}"]
    facts.append(f"stopped by {history.stopped_by}" if history.stopped_by else "running")
    for name, values in (
        ("loss", history.loss),
        ("validation", history.val_loss),
        ("accuracy", history.accuracy),
        ("validation accuracy", history.val_accuracy),
    ):
        if values:
            facts.append(f"{name} {values[0]:.4g}" + f" → {values[-1]:.4g}" * (len(values) > 1))
    if history.best_epoch is not None:
        facts.append(f"best epoch {history.best_epoch + 1}")
    return "; ".join(facts)


def history_html(history):
    """The figures of a history and its curves."""
    text = escape(history_text(history))
    drawings = loss_svg(history) + curves_svg(accuracies(history), [], "accuracy")
    return f'<div><p style="margin:4px 0"><b>History</b>: {text}</p>{drawings}</div>'


def curves(history):
    """The curves of a history that have points, as {name: (epochs, losses)}.

    Epochs count from 1, and the loss of an epoch is at its end. A history does not record at which
    step an epoch ended, so all epochs get the same length; an epoch that was cut off has an unknown
    length and gets half of it.
    """
    steps = len(history.batch_loss)
    n = history.n_epochs
    cut_off = history.stopped_by in PARTIAL_EPOCH and (n < 2 or steps % n != 0)
    per_epoch = steps / (n if n > 0 and not cut_off else n + 0.5)
    found = {
        "minibatch": ([(i + 1) / per_epoch for i in range(steps)], history.batch_loss),
        "training": (list(range(1, n + 1)), history.loss),
        "validation": (list(range(1, len(history.val_loss) + 1)), history.val_loss),
    }
    return {name: curve for name, curve in found.items() if curve[0]}


def accuracies(history):
    """The accuracies of a history that were recorded, as `curves` has the losses."""
    found = {"training": history.accuracy, "validation": history.val_accuracy}
    return {name: (range(1, len(y) + 1), y) for name, y in found.items() if y}


def loss_svg(history):
    """The loss curves of a history as an SVG image, with a circle at the best epoch."""
    monitored = enumerate(history.val_loss or history.loss)
    best = _in_range((i + 1, y) for i, y in monitored if i == history.best_epoch)
    return curves_svg(curves(history), best)


def curves_svg(found, best, label="loss"):
    """Curves as an SVG image; "" without a finite value.

    The scale is logarithmic where all values are positive and the largest is more than ten times
    the smallest.

    Parameters
    ----------
    found : dict of str to (epochs, values)
    best : list of (int, float)
        Points that are marked.
    label : str
        Of the values' axis.
    """
    drawn = {name: _points(*curve) for name, curve in found.items()}
    drawn = {name: points for name, points in drawn.items() if points}
    if not drawn:
        return ""
    losses = [y for points in [*drawn.values(), best] for _, y in points]
    last = max(x for points in drawn.values() for x, _ in points)
    log = min(losses) > 0 and max(losses) > 10 * min(losses)
    ticks = (log_ticks if log else linear_ticks)(min(losses), max(losses))
    shape = math.log10 if log else float
    x_place = axis(0, last, LEFT, RIGHT)
    linear_place = axis(shape(min(ticks)), shape(max(ticks)), BOTTOM, TOP)

    def y_place(y):
        return linear_place(shape(y))

    epochs = [x for x in linear_ticks(0, last) if x == int(x) and x <= last]
    parts = frame(epochs, ticks, x_place, y_place, "epoch", label)
    for k, (name, points) in enumerate(drawn.items()):
        line = " ".join(f"{x_place(x):.1f},{y_place(y):.1f}" for x, y in points)
        line += f" {line}" * (len(points) == 1)  # with round ends, a line of no length is a dot
        width = 7 if len(points) == 1 else 1 if name == "minibatch" else 2.5
        style = f'fill="none" stroke="{COLOURS[name]}" stroke-width="{width}"'
        parts.append(
            f'<polyline points="{line}" {style} stroke-linecap="round" stroke-linejoin="round"/>'
        )
        x = LEFT + k * 120
        y = HEIGHT - 10
        parts.append(f'<path d="M{x},{y - 4} h18" stroke="{COLOURS[name]}" stroke-width="2.5"/>')
        parts.append(f'<text x="{x + 24}" y="{y}">{name}</text>')
    for x, y in best:
        centre = f'cx="{x_place(x):.1f}" cy="{y_place(y):.1f}"'
        style = f'fill="none" stroke="{COLOURS["best"]}" stroke-width="2"'
        parts.append(f'<circle {centre} r="4.5" {style}/>')
    return svg(parts)


def svg(parts):
    """An SVG image of WIDTH x HEIGHT pixels from its elements."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11" fill="#222">'
    )
    return "".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>"])


def axis(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """The linear map from the numbers low .. high to the pixels start .. end."""
    return lambda value: start + (end - start) * (value - low) / ((high - low) or 1)


def frame(x_ticks, y_ticks, x_place, y_place, x_label, y_label=""):
    """SVG elements of both axes, their tick labels and the horizontal grid lines."""
    parts = []
    for y in y_ticks:
        height = y_place(y)
        parts.append(f'<path d="M{LEFT},{height:.1f} H{RIGHT}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{height + 4:.1f}" text-anchor="end">{y:.6g}</text>')
    middle = 'text-anchor="middle"'
    for x in x_ticks:
        parts.append(f'<text x="{x_place(x):.1f}" y="{BOTTOM + 16}" {middle}>{x:.6g}</text>')
    label = escape(x_label)
    parts.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{BOTTOM + 32}" {middle}>{label}</text>')
    if y_label:
        place = f'transform="translate(12,{(TOP + BOTTOM) / 2}) rotate(-90)"'
        parts.append(f"<text {place} {middle}>{escape(y_label)}</text>")
    parts.append(f'<path d="M{LEFT},{TOP} V{BOTTOM} H{RIGHT}" fill="none" stroke="#888"/>')
    return parts


def _points(epochs, losses):
    """The finite ones of at most MAX_POINTS points of a curve, among them the last."""
    step = -(-len(losses) // MAX_POINTS)
    return _in_range(list(zip(epochs, losses, strict=True))[::-1][::step][::-1])


def _in_range(points):
    """The finite ones of points (x, y), y limited to the range that is drawn."""
    return [
        (x, y and math.copysign(min(max(abs(y), SMALLEST), LARGEST), y))
        for x, y in points
        if math.isfinite(y)
    ]


def linear_ticks(low, high):
    """About five round numbers, from at most `low` to at least `high`."""
    if low == high:
        low = low - (abs(low) / 2 or 0.1)
        high = high + (abs(high) / 2 or 0.1)
    rough = (high - low) / 4
    unit = 10 ** math.floor(math.log10(rough))
    step = unit * next(nice for nice in (1, 2, 5, 10) if nice * unit >= rough * 0.999)
    return [i * step for i in range(math.floor(low / step), math.ceil(high / step) + 1)]


def log_ticks(low, high):
    """Powers of ten from at most `low` to at least `high`, with 2 and 5 between a few of them."""
    first = math.floor(math.log10(low))
    last = math.ceil(math.log10(high))
    step = -(-(last - first) // 7)
    ticks = [10.0**e for e in range(first, last + step, step)]
    if len(ticks) <= 4:
        ticks = sorted({m * t for t in ticks for m in (1, 2, 5)})
    inside = [t for t, above in pairwise([*ticks, math.inf]) if above > low]
    return [t for t, below in zip(inside, [0.0, *inside], strict=False) if below < high]
