"""Draw the layers of the package from the table of permitted imports: docs/_static/layers.svg.

    python docs/developer/draw_layers.py

A row is a layer: a package stands above everything that it may import. A line is a permission that
does not follow from other lines. The places of the boxes in their rows are chosen here; rows and
lines are computed from `MAY_IMPORT` of tests/docs/test_architecture.py.
"""

import functools
import runpy
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "_static" / "layers.svg"
TABLE = runpy.run_path(str(ROOT / "tests" / "docs" / "test_architecture.py"))

# Box: first column, columns, what it holds. A box of several names stands for packages with the
# same permissions.
VALUES = "optimizers, schedules, history, preprocessing"
TOOLS = "importers, loading, gradcheck, lr_finder, warmup"
TOP = "fastbp (__init__), cli, __main__"
BOXES = {
    "kernels": (0, 9, "the compiled core; imports nothing of fastbp"),
    "base": (0, 9, "validation, rows of activations and losses; imports kernels.abi alone"),
    VALUES: (0, 5, "values"),
    "runtime": (5, 2, "threads, CPUs, signals"),
    "patching": (7, 2, "names in scikit-learn"),
    "graph": (0, 1, "scalars"),
    "export": (1, 1, "to others"),
    "callbacks": (2, 1, "protocol"),
    "engine": (4, 2, "a net becomes kernel calls"),
    "functional": (6, 1, "single layers"),
    "accel": (8, 1, "a command"),
    "serialization": (4, 2, "a net becomes bytes"),
    "sklearn": (6, 2, "drop-in estimators"),
    "training": (2, 4, "the course of a fit"),
    "mlp": (0, 6, "the model class"),
    TOOLS: (0, 6, "from other libraries and files; tools on a net"),
    "plot": (0, 6, "displays"),
    TOP: (0, 9, "may import everything"),
}
COLUMN = 112
ROW = 76
HEIGHT = 46
GAP = 10
MARGIN = 16


def box_of(room):
    """The box of a package; KeyError for one that has no place in the picture."""
    for box in BOXES:
        if room in box.replace("fastbp (__init__)", "__init__").split(", "):
            return box
    raise KeyError(f"{room} has no box in {__file__}")


def permissions():
    """{box: boxes that it may import}."""
    drawn = {box: set() for box in BOXES}
    for room, allowed in TABLE["MAY_IMPORT"].items():
        if room != "_version":
            targets = {name.partition(".")[0] for name in allowed} - {"_version"}
            drawn[box_of(room)] |= {box_of(target) for target in targets} - {box_of(room)}
    drawn[TOP] = set(BOXES) - {TOP}
    return drawn


def svg():
    """The picture as text."""
    below = permissions()

    @functools.cache
    def level(box):
        return 1 + max(map(level, below[box]), default=-1)

    @functools.cache
    def reach(box):
        return below[box].union(*map(reach, below[box]))

    top = level(TOP)
    width = 2 * MARGIN + 9 * COLUMN - GAP
    height = 2 * MARGIN + top * ROW + HEIGHT

    def edges(box):
        """Left, right and upper edge of a box in the picture."""
        first, columns, _ = BOXES[box]
        left = MARGIN + first * COLUMN
        return left, left + columns * COLUMN - GAP, MARGIN + (top - level(box)) * ROW

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" text-anchor="middle">',
        f'<rect width="{width}" height="{height}" rx="10" fill="#ffffff"/>',
    ]
    for upper in BOXES:
        direct = below[upper] - set().union(*map(reach, below[upper]))
        for lower in direct if upper != TOP else ():
            left, right, y = edges(upper)
            lower_left, lower_right, lower_y = edges(lower)
            start, end = max(left, lower_left), min(right, lower_right)
            if start < end:  # straight down
                ends = ((start + end) / 2,) * 2
            elif left < lower_left:
                ends = (end - GAP, start + GAP)
            else:
                ends = (start + GAP, end - GAP)
            parts.append(
                f'<path d="M{ends[0]:g} {y + HEIGHT}L{ends[1]:g} {lower_y}" stroke="#7a8ba0" '
                f'stroke-width="1.5"/>'
            )
    for box, (_, _, text) in BOXES.items():
        left, right, y = edges(box)
        fill = "#e3edf7" if box in ("kernels", "mlp", TOP) else "#f4f6f8"
        middle = (left + right) / 2
        parts += [
            f'<rect x="{left}" y="{y}" width="{right - left}" height="{HEIGHT}" rx="6" '
            f'fill="{fill}" stroke="#5b6b7f"/>',
            f'<text x="{middle:g}" y="{y + 20}" font-size="14" font-weight="bold" '
            f'fill="#1b2733">{escape(box)}</text>',
            f'<text x="{middle:g}" y="{y + 37}" font-size="12" fill="#3a4857">'
            f"{escape(text)}</text>",
        ]
    lines = sorted(line for line in parts if line.startswith("<path"))  # sets have no order
    others = [line for line in parts if not line.startswith("<path")]
    return "\n".join([*others[:2], *lines, *others[2:], "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(svg(), encoding="utf-8")
