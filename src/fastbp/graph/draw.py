"""Drawings of a graph, operands left of results: Graphviz DOT text, or SVG with a layered layout.

The layout follows Sugiyama, Tagawa & Toda, *IEEE Trans. Syst. Man Cybern.* 11, 1981. The column of
a node is the longest path to it. An arrow across several columns has a slot in each, so that it
passes between the boxes. Sweeps over the columns then move each slot towards the mean of its
neighbours.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from html import escape
from unicodedata import east_asian_width

from .scalar import Value, topological_order

MAX_NODES = 1000  # a larger drawing is unreadable and slow

# Pixels. Characters are monospaced at font size 12; the sizes suit the widest of such fonts.
_CHAR_WIDTH = 7.4
_LINE_HEIGHT = 16.0
_BOX_HEIGHT = 60.0
_ARROW_HEIGHT = 12.0  # of the slot of a passing arrow
_ROW_GAP = 12.0
_COLUMN_GAP = 56.0
_MARGIN = 12.0
_SWEEPS = 60

_Slot = tuple[Value, int]  # a node in its own column, or its passing arrow in one to the right


def to_dot(node: Value) -> str:
    """Describe the graph of ``node`` in the DOT language of Graphviz.

    Parameters
    ----------
    node : Value

    Returns
    -------
    str
        A ``digraph``; each node shows name and operation, value and gradient.
    """
    order = topological_order(node)
    number = {current: k for k, current in enumerate(order)}
    lines = [
        "digraph {",
        "  rankdir=LR;",
        '  node [shape=box, style="rounded,filled", fontname="monospace"];',
    ]
    for current in order:
        label = "\\n".join(
            # & too: Graphviz reads HTML entities in labels
            text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
            for text in _texts(current)
        )
        lines.append(f'  n{number[current]} [label="{label}", fillcolor="{_fill(current, node)}"];')
        lines.extend(f"  n{number[parent]} -> n{number[current]};" for parent in current.parents)
    return "\n".join([*lines, "}", ""])


def to_svg(node: Value) -> str:
    """Draw the graph of ``node`` as a self-contained SVG image.

    Parameters
    ----------
    node : Value

    Returns
    -------
    str
        The image; each box shows name and operation, value and gradient, each arrow has its local
        derivative as a tooltip.

    Raises
    ------
    ValueError
        If the graph has more than ``MAX_NODES`` nodes.
    """
    order = topological_order(node)
    if len(order) > MAX_NODES:
        raise ValueError(
            f"node must have a graph of at most {MAX_NODES} nodes to be drawn, got {len(order)}"
        )
    level = _levels(order)
    y = _layout(order, level)
    left, width = _columns(order, level)

    total_width = left[-1] + width[-1] + _MARGIN
    total_height = max(y.values()) + _BOX_HEIGHT / 2 + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total_width:.0f}" '
        f'height="{total_height:.0f}" viewBox="0 0 {total_width:.0f} {total_height:.0f}" '
        'font-family="DejaVu Sans Mono, Menlo, monospace" font-size="12" text-anchor="middle">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for current in order:  # arrows first, boxes over them
        parts.extend(_arrows(current, level, y, left, width))
    for current in order:
        column = level[current]
        middle = y[current, column]
        centre = left[column] + width[column] / 2
        parts.append(
            f'<rect x="{left[column]:.1f}" y="{middle - _BOX_HEIGHT / 2:.1f}" '
            f'width="{width[column]:.1f}" height="{_BOX_HEIGHT:.0f}" '
            f'rx="7" fill="{_fill(current, node)}" stroke="#555"/>'
        )
        styles = ('font-weight="bold" fill="#111"', 'fill="#111"', 'fill="#b00020"')
        for row, (text, style) in enumerate(zip(_texts(current), styles, strict=True)):
            baseline = middle + (row - 1) * _LINE_HEIGHT + 4
            parts.append(f'<text x="{centre:.1f}" y="{baseline:.1f}" {style}>{escape(text)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _notebook_drawing(node: Value) -> str | None:
    """Drawing for notebooks. None for a graph too large to draw, so that they show the text."""
    try:
        return to_svg(node)
    except ValueError:
        return None


# Here and not in scalar.py, which this module imports.
setattr(Value, "_repr_svg_", _notebook_drawing)  # noqa: B010 - not declared in the class


def _texts(node: Value) -> tuple[str, str, str]:
    """Return the lines of a box."""
    title = " = ".join(filter(None, (node.name, node.op))) or "constant"
    # XML allows no control characters
    printable = "".join(c if c.isprintable() else " " for c in title)
    return printable, f"value {node.value:.4g}", f"grad {node.grad:.4g}"


def _fill(node: Value, result: Value) -> str:
    return "#ffe3b8" if node is result else "#f1f1f1" if node.parents else "#dcebfb"


def _levels(order: list[Value]) -> dict[Value, int]:
    """Return the column of each node: right of its operands, and a leaf just left of its first
    result."""
    level: dict[Value, int] = {}
    for node in order:
        level[node] = 1 + max((level[parent] for parent in node.parents), default=-1)
    first_result: dict[Value, int] = {}
    for node in order:
        for leaf in node.parents:
            if not leaf.parents:
                first_result[leaf] = min(level[node], first_result.get(leaf, level[node]))
    return level | {leaf: result - 1 for leaf, result in first_result.items()}


def _layout(order: list[Value], level: dict[Value, int]) -> dict[_Slot, float]:
    """Return the height (of its middle, from the top) of each node and passing arrow."""
    # The slots that each slot is joined to, and the height within the other slot; operands end at
    # different heights, which keeps their order.
    before: defaultdict[_Slot, list[tuple[_Slot, float]]] = defaultdict(list)
    after: defaultdict[_Slot, list[tuple[_Slot, float]]] = defaultdict(list)
    columns: list[list[_Slot]] = [[] for _ in range(max(level.values()) + 1)]
    # The last column in which a node needs a slot is that before its last result.
    last = dict(level)
    for node in order:
        for k, parent in enumerate(node.parents):
            last[parent] = max(last[parent], level[node] - 1)
            before[node, level[node]].append(((parent, level[node] - 1), 0.0))
            after[parent, level[node] - 1].append(
                ((node, level[node]), _port(k, len(node.parents)))
            )
    for node in order:
        for column in range(level[node], last[node] + 1):
            columns[column].append((node, column))
            if column > level[node]:
                before[node, column].append(((node, column - 1), 0.0))
                after[node, column - 1].append(((node, column), 0.0))

    def place(slots: list[_Slot], wanted: dict[_Slot, float]) -> None:
        slots.sort(key=wanted.__getitem__)
        sizes = [_BOX_HEIGHT if level[node] == column else _ARROW_HEIGHT for node, column in slots]
        y.update(zip(slots, _spread([wanted[slot] for slot in slots], sizes), strict=True))

    y: dict[_Slot, float] = {}
    for slots in columns:
        place(slots, dict.fromkeys(slots, 0.0))
    for sweep in range(_SWEEPS):
        for slots in columns if sweep % 2 == 0 else reversed(columns):
            # In the first half of the sweeps only the side just visited counts, which undoes
            # crossings; then both sides, which balances.
            near = before if sweep % 2 == 0 else after
            wanted = {}
            for slot in slots:
                neighbours = near[slot] if sweep < _SWEEPS // 2 else before[slot] + after[slot]
                heights = [y[other] + port for other, port in neighbours] or [y[slot]]
                wanted[slot] = sum(heights) / len(heights)
            place(slots, wanted)
    top = min(y.values()) - _BOX_HEIGHT / 2 - _MARGIN
    return {slot: middle - top for slot, middle in y.items()}


def _port(k: int, count: int) -> float:
    """Return the height at which the k-th of ``count`` arrows enters a box, from its middle."""
    return ((k + 0.5) / count - 0.5) * (_BOX_HEIGHT - 16)


def _spread(wanted: list[float], sizes: list[float]) -> list[float]:
    """Return the places nearest (least squares) to the ``wanted``, ascending ones, without overlap.

    With the stacked sizes subtracted this is isotonic regression, solved by pooling adjacent
    violators (Barlow et al., *Statistical Inference under Order Restrictions*, 1972).
    """
    stacked = [0.0]
    for above, below in itertools.pairwise(sizes):
        stacked.append(stacked[-1] + (above + below) / 2 + _ROW_GAP)
    pools: list[tuple[float, int]] = []  # mean, size
    for want, offset in zip(wanted, stacked, strict=True):
        mean = want - offset
        size = 1
        while pools and pools[-1][0] >= mean:
            other, count = pools.pop()
            mean = (mean * size + other * count) / (size + count)
            size += count
        pools.append((mean, size))
    means = [mean for mean, size in pools for _ in range(size)]
    return [mean + offset for mean, offset in zip(means, stacked, strict=True)]


def _columns(order: list[Value], level: dict[Value, int]) -> tuple[list[float], list[float]]:
    """Return the left edge and the width of each column; all boxes of a column are as wide as the
    widest."""
    width = [0.0] * (max(level.values()) + 1)
    for node in order:
        cells = max(
            sum(2 if east_asian_width(c) in "WF" else 1 for c in text) for text in _texts(node)
        )
        width[level[node]] = max(width[level[node]], cells * _CHAR_WIDTH + 16)
    left = [_MARGIN]
    for column_width in width[:-1]:
        left.append(left[-1] + column_width + _COLUMN_GAP)
    return left, width


def _arrows(
    node: Value,
    level: dict[Value, int],
    y: dict[_Slot, float],
    left: list[float],
    width: list[float],
) -> list[str]:
    """Draw the arrows into ``node``, spread over its left side in the order of their origins."""
    column = level[node]
    incoming = sorted(
        zip(node.parents, node.partials, strict=True), key=lambda edge: y[edge[0], column - 1]
    )
    parts = []
    for k, (parent, partial) in enumerate(incoming):
        start = level[parent]
        x = left[start] + width[start]
        height = y[parent, start]
        path = f"M{x:.1f},{height:.1f}"
        for passed in range(start + 1, column + 1):
            arrives = passed == column
            tip = left[passed] - (6 if arrives else 0)
            arrival = y[node, column] + _port(k, len(incoming)) if arrives else y[parent, passed]
            bend = (x + tip) / 2
            path += f" C{bend:.1f},{height:.1f} {bend:.1f},{arrival:.1f} {tip:.1f},{arrival:.1f}"
            x = left[passed] + width[passed]
            height = arrival
            if not arrives:
                path += f" H{x:.1f}"
        parts.append(
            f'<path d="{path}" fill="none" stroke="#777">'
            f"<title>local derivative {partial:.4g}</title></path>"
            f'<path d="M{left[column]:.1f},{height:.1f} l-8,-3.5 v7 z" fill="#777"/>'
        )
    return parts
