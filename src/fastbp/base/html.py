"""How a net and a history show themselves in a notebook: HTML, with the curves drawn here, as SVG."""

import math
from html import escape
from itertools import pairwise

WIDTH, HEIGHT = 520, 260
# margins: tick labels at the left, tick labels, title and legend below
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 12, 62
POINTS = 500  # of a curve, at most: more than there are pixels
CUT_OFF = ("interrupt", "divergence", "error", "loss")  # what may end a fit within an epoch
COLOURS = {"minibatch": "#bbbbbb", "training": "#1f77b4", "validation": "#ff7f0e"}


def net_html(net):
    """A net's layers as a table."""
    names = [*net.hidden, net.output]
    rows = [("layer", "W", "activation", "parameters")]
    for i, (w, name) in enumerate(zip(net.weights, names, strict=True)):
        rows.append((str(i), f"{w.shape[0]} × {w.shape[1]}", name, f"{w.size + w.shape[1]:,}"))
    loss = net.loss_name if net.loss_function is None else repr(net.loss_function)
    total = sum(w.size + w.shape[1] for w in net.weights)
    body = "".join(_row(row, "th" if i == 0 else "td") for i, row in enumerate(rows))
    caption = f"MLP {'-'.join(map(str, net.widths))}: {total:,} parameters in {net.dtype.name}, loss {loss}"
    return f'<div><p style="margin:4px 0"><b>{escape(caption)}</b></p><table>{body}</table></div>'


def _row(cells, tag):
    style = "text-align:right;padding:1px 10px"
    return (
        "<tr>"
        + "".join(f'<{tag} style="{style}">{escape(cell)}</{tag}>' for cell in cells)
        + "</tr>"
    )


def history_html(history):
    """A history's figures, and its curves."""
    epochs = f"{history.n_epochs} epoch{'s' * (history.n_epochs != 1)}, {len(history.batch_loss):,} steps"
    facts = [
        epochs,
        "running" if history.stopped_by is None else f"stopped by {history.stopped_by}",
    ]
    for name, losses in (("loss", history.loss), ("validation", history.val_loss)):
        if losses:
            facts.append(f"{name} {losses[0]:.4g}" + f" → {losses[-1]:.4g}" * (len(losses) > 1))
    if history.best_epoch is not None:
        facts.append(f"best epoch {history.best_epoch + 1}")
    text = escape("; ".join(facts))
    return f'<div><p style="margin:4px 0"><b>History</b>: {text}</p>{loss_svg(history)}</div>'


def curves(history):
    """The curves of a history as {name: (epochs, losses)}: minibatches, epochs, validation, where
    there are any.

    Epochs count from 1: an epoch's loss stands at its end. A history does not say where in its
    steps an epoch ended, so all are taken to be equally long; of one that was not finished nobody
    knows how long, and half an epoch is assumed.
    """
    steps, n = len(history.batch_loss), history.n_epochs
    cut_off = history.stopped_by in CUT_OFF and (n < 2 or steps % n != 0)
    whole = n > 0 and not cut_off
    per_epoch = steps / (n if whole else n + 0.5)
    found = {
        "minibatch": ([(i + 1) / per_epoch for i in range(steps)], history.batch_loss),
        "training": (list(range(1, n + 1)), history.loss),
        "validation": (list(range(1, len(history.val_loss) + 1)), history.val_loss),
    }
    return {name: curve for name, curve in found.items() if curve[0]}


def loss_svg(history):
    """The loss curves of a history as an SVG image, or nothing where there is nothing to draw."""
    drawn = {name: _points(*curve) for name, curve in curves(history).items()}
    drawn = {name: points for name, points in drawn.items() if points}
    if not drawn:
        return ""
    losses = [y for points in drawn.values() for _, y in points]
    last = max(x for points in drawn.values() for x, _ in points)
    log = min(losses) > 0 and max(losses) > 10 * min(losses)
    ticks = _log_ticks(min(losses), max(losses)) if log else _ticks(min(losses), max(losses))
    shape = math.log10 if log else float
    low, high = (shape(end(*losses, *ticks)) for end in (min, max))
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT

    def place(x, y):
        return LEFT + (right - LEFT) * x / last, bottom - (bottom - TOP) * (shape(y) - low) / (
            (high - low) or 1
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="11" fill="#222">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for y in ticks:
        height = place(0, y)[1]
        parts.append(f'<path d="M{LEFT},{height:.1f} H{right}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{height + 4:.1f}" text-anchor="end">{y:.6g}</text>')
    for x in _ticks(0, last):
        if x == int(x) and x <= last:
            parts.append(
                f'<text x="{place(x, ticks[0])[0]:.1f}" y="{bottom + 16}" text-anchor="middle">{x:.0f}</text>'
            )
    parts.append(
        f'<text x="{(LEFT + right) / 2}" y="{bottom + 32}" text-anchor="middle">epoch</text>'
    )
    parts.append(f'<path d="M{LEFT},{TOP} V{bottom} H{right}" fill="none" stroke="#888"/>')
    for k, (name, points) in enumerate(drawn.items()):
        line = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in points)
        line += f" {line}" * (len(points) == 1)  # a line to itself, with round ends, is a dot
        width = 7 if len(points) == 1 else 1 if name == "minibatch" else 2.5
        style = f'fill="none" stroke="{COLOURS[name]}" stroke-width="{width}"'
        parts.append(
            f'<polyline points="{line}" {style} stroke-linecap="round" stroke-linejoin="round"/>'
        )
        x, y = LEFT + k * 120, HEIGHT - 10
        parts.append(f'<path d="M{x},{y - 4} h18" stroke="{COLOURS[name]}" stroke-width="2.5"/>')
        parts.append(f'<text x="{x + 24}" y="{y}">{name}</text>')
    return "".join([*parts, "</svg>"])


def _points(epochs, losses):
    """At most POINTS of a curve's points, the last among them, those that are no numbers left out."""
    step = -(-len(losses) // POINTS)
    points = list(zip(epochs, losses, strict=True))[::-1][::step][::-1]
    return [(x, y) for x, y in points if math.isfinite(y)]


def _ticks(low, high):
    """About five round numbers from `low` to `high`."""
    if low == high:
        low, high = low - abs(low) / 2 - 0.1 * (low == 0), high + abs(high) / 2 + 0.1 * (high == 0)
    rough = (high - low) / 4
    unit = 10 ** math.floor(math.log10(rough))
    step = unit * next(nice for nice in (1, 2, 5, 10) if nice * unit >= rough * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [i * step for i in range(first, last + 1)]


def _log_ticks(low, high):
    """Powers of ten from `low` to `high`, with 2 and 5 between them where there are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    step = -(-(last - first) // 7)
    ticks = [10.0**e for e in range(first, last + step, step)]
    if len(ticks) <= 4:
        ticks = sorted({m * t for t in ticks for m in (1, 2, 5)})
    inside = [t for t, above in pairwise([*ticks, math.inf]) if above > low]
    return [t for t, below in zip(inside, [0.0, *inside], strict=False) if below < high]
