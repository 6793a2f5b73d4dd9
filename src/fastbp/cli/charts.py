"""Figures of a report, as SVG that needs nothing else: lines over epochs, points on a plane."""

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

WIDTH, HEIGHT = 640.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 84.0, 16.0, 14.0, 44.0  # around the plane
MOST_POINTS = 500  # of a line
COLOURS = ("#1f77b4", "#ff7f0e")


class Axis:
    """Numbers to places between `start` and `end`, with ticks at round numbers.

    Parameters
    ----------
    low, high : float
        What must be seen.
    start, end : float
        Places in the drawing.
    log : bool
        Both numbers positive.
    """

    def __init__(
        self, low: float, high: float, start: float, end: float, log: bool = False
    ) -> None:
        self._log, self._start, self._end = log, start, end
        if log:
            self.ticks = [
                m * 10.0**e
                for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
                for m in (1, 2, 5)
            ]
            self._low, self._high = math.log10(low), math.log10(high)
        else:
            if low == high:
                low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
            step = round_step((high - low) / 5)
            self.ticks = [
                step * i for i in range(math.ceil(low / step), math.floor(high / step) + 1)
            ]
            self._low, self._high = low, high
        self.ticks = [tick for tick in self.ticks if low <= tick <= high]

    def __call__(self, value: float) -> float:
        value = math.log10(value) if self._log else value
        return self._start + (value - self._low) / (self._high - self._low) * (
            self._end - self._start
        )


def round_step(size: float) -> float:
    """The smallest of 1, 2, 5, 10, ... times a power of ten that is no less."""
    power = 10.0 ** math.floor(math.log10(size))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= size * (1 - 1e-9))


def line_chart(
    title: str,
    series: Mapping[str, Sequence[float]],
    x_label: str,
    y_label: str,
    mark: int | None = None,
) -> str:
    """Lines over 1, 2, 3, ...; the y axis is logarithmic where the numbers span more than a factor
    of 10.

    Parameters
    ----------
    series : mapping of str to sequence of float
        Of one length, at least 1, and finite.
    mark : int, optional
        A place, from 0, to mark on the last line.
    """
    values = [value for line in series.values() for value in line]
    low, high, n = min(values), max(values), max(map(len, series.values()))
    log = low > 0 and high / low > 10
    x, y = Axis(1, max(n, 2), LEFT, WIDTH - RIGHT), _upwards(low, high, log)
    parts = _frame(x, y, x_label, y_label)
    for (name, line), colour, row in zip(series.items(), COLOURS, range(len(series)), strict=False):
        shown = sorted({*range(0, len(line), max(1, len(line) // MOST_POINTS)), len(line) - 1})
        places = " ".join(f"{x(i + 1):.1f},{y(line[i]):.1f}" for i in shown)
        parts.append(
            f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        if len(shown) == 1:
            parts.append(f'<circle cx="{x(1):.1f}" cy="{y(line[0]):.1f}" r="3" fill="{colour}"/>')
        height = TOP + 14 + 18 * row
        parts.append(
            f'<line x1="{WIDTH - 150}" x2="{WIDTH - 130}" y1="{height}" y2="{height}" stroke="{colour}" stroke-width="2"/>'
        )
        parts.append(f'<text x="{WIDTH - 124}" y="{height + 4}">{escape(name)}</text>')
        if mark is not None and row == len(series) - 1:
            place = f'cx="{x(mark + 1):.1f}" cy="{y(line[mark]):.1f}" r="4.5"'
            parts.append(f'<circle {place} fill="none" stroke="#d62728" stroke-width="2"/>')
    return _svg(title, parts)


def scatter(
    title: str, x_values: np.ndarray, y_values: np.ndarray, x_label: str, y_label: str
) -> str:
    """Points (n,) on a plane with the same numbers along both axes, and the diagonal on which both
    are equal."""
    low, high = (float(f(np.concatenate([x_values, y_values]))) for f in (np.min, np.max))
    low, high = low - 0.03 * (high - low), high + 0.03 * (high - low)
    x, y = Axis(low, high, LEFT, WIDTH - RIGHT), _upwards(low, high)
    diagonal = " ".join(f"{x(v):.1f},{y(v):.1f}" for v in (low, high))
    parts = _frame(x, y, x_label, y_label)
    parts.append(f'<polyline points="{diagonal}" stroke="#d62728" stroke-dasharray="5 4"/>')
    parts += [
        f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="2.5" fill="{COLOURS[0]}" fill-opacity="0.5"/>'
        for a, b in zip(x_values.tolist(), y_values.tolist(), strict=True)
    ]
    return _svg(title, parts)


def _upwards(low, high, log=False):
    return Axis(low, high, HEIGHT - BOTTOM, TOP, log)


def _frame(x, y, x_label, y_label):
    """Axes with their ticks and labels."""
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = [f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="currentColor"/>']
    for tick in x.ticks:
        parts.append(f'<path d="M{x(tick):.1f} {bottom}v5" stroke="currentColor"/>')
        parts.append(
            f'<text x="{x(tick):.1f}" y="{bottom + 18}" text-anchor="middle">{tick:.6g}</text>'
        )
    for tick in y.ticks:
        parts.append(
            f'<path d="M{LEFT} {y(tick):.1f}H{right}" stroke="currentColor" stroke-opacity="0.15"/>'
        )
        parts.append(
            f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.6g}</text>'
        )
    parts.append(
        f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>'
    )
    middle = (TOP + bottom) / 2
    parts.append(
        f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">{escape(y_label)}</text>'
    )
    return parts


def _svg(title, parts):
    body = "\n".join(parts)
    return f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{escape(title)}">\n{body}\n</svg>'
