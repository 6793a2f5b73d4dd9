"""The directive `rows`: reference tables made from the rows and classes of the package.

    ```{rows} activations
    ```

The tables cannot differ from the package: a new row appears here by itself.
"""

import dataclasses
import inspect
import re

import numpy as np
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

from fastbp import optimizers, schedules
from fastbp.base.activations import ACTIVATIONS, HIDDEN, OUTPUTS
from fastbp.base.losses import LOSSES


def cell(text: object) -> str:
    return str(text).replace("|", r"\|")


def code(text: object) -> str:
    return f"`{cell(text)}`" if text else ""


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]


def bare(formula: str) -> str:
    """A formula without the parentheses around the whole of it."""
    return re.sub(r"^\(([^()]*(?:\([^()]*\)[^()]*)*)\)$", r"\1", formula)


def activations() -> list[str]:
    head = ["name", "a = f(z)", "slope from a", "layers", "PyTorch", "Keras", "scikit-learn"]
    rows = []
    for row in ACTIVATIONS.values():
        layers = {"hidden": HIDDEN, "output": OUTPUTS}
        keras = [*row.keras, *(counterpart.kind for counterpart in row.keras_layers)]
        rows.append(
            [
                ", ".join(code(name) for name in (row.name, *row.aliases)),
                code(row.formula),
                code(bare(row.slope)),
                ", ".join(name for name, names in layers.items() if row.name in names),
                code(row.torch and row.torch.kind),
                code(keras[0] if keras else ""),
                code(row.sklearn),
            ]
        )
    return table(head, rows)


def summary(kind: type) -> str:
    return inspect.getdoc(kind).partition("\n\n")[0].replace("\n", " ")


def settings(kind: type) -> str:
    """The fields of a dataclass with their defaults, as in a call."""
    fields = (
        field.name
        if field.default is dataclasses.MISSING
        else f"{field.name}={field.default:.4g}"
        if isinstance(field.default, float)
        else f"{field.name}={field.default!r}"
        for field in dataclasses.fields(kind)
    )
    return ", ".join(map(code, fields))


def losses() -> list[str]:
    """Formulas of one sample with the label 1, which is written y."""
    rows = []
    for row in LOSSES.values():
        target = np.array([0.0, 1.0])
        slopes = dict.fromkeys(row.slope_text(a, target, 0)[0] for a in (target, target + 3.0))
        formula = row.text(target, target, 2)[0]
        outputs = (
            [row.output] if row.output else [o for o in OUTPUTS if o not in row.refused_outputs]
        )
        rows.append(
            [
                code(row.name),
                code(formula.replace("[1]", "[y]")),
                " or ".join(code(bare(slope).replace("[1]", "[y]")) for slope in slopes),
                ", ".join(code(output) for output in outputs),
                "yes" if row.is_canonical else "no",
                "yes" if row.has_smoothing else "no",
            ]
        )
    return table(
        ["name", "loss of a sample", "derivative", "outputs", "default", "smoothing"], rows
    )


def classes(module: str, kinds: list[type]) -> list[str]:
    return table(
        ["class", "settings and defaults", "what it does"],
        [
            [f"{{class}}`~{module}.{kind.__name__}`", settings(kind), summary(kind)]
            for kind in kinds
        ],
    )


TABLES = {
    "activations": activations,
    "losses": losses,
    "optimizers": lambda: classes("fastbp", list(optimizers.OPTIMIZERS.values())),
    "schedules": lambda: classes(
        "fastbp.schedules",
        [getattr(schedules, name) for name in schedules.__all__ if name != "Schedule"],
    ),
}


class Rows(Directive):
    """Markdown of one of `TABLES`, parsed in the page."""

    required_arguments = 1

    def run(self):
        parent = nodes.Element()
        lines = TABLES[self.arguments[0]]()
        self.state.nested_parse(StringList(lines, source="rows"), self.content_offset, parent)
        return parent.children


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("rows", Rows)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
