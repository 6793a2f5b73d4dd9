"""The options of ``fastbp train``: each is a field, from which its argument is made."""

import argparse
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Literal

from ..base.activations import HIDDEN
from ..optimizers import NAMES as OPTIMIZER_OF
from .arguments import DATA_HELP, delimiter, model_path, number, whole, widths

MAX_INTEGER_CLASSES = (
    20  # different whole numbers taken for classes, if each has two rows on average
)
SHARE = number(0.0, below=0.9)
RATE = number(above=0.0)
PENALTY = number()


def _option(default, text, **settings):
    return field(default=default, metadata={"help": text, **settings})


@dataclass(frozen=True)
class TrainOptions:
    """What ``fastbp train`` does.

    The metadata of a field are the settings of its argument; "group" begins a group in the help.
    """

    data: str = field(metadata={"metavar": "DATA", "help": DATA_HELP})
    target: str = field(
        metadata={"metavar": "COLUMN", "type": str.strip, "help": "the column to predict"}
    )
    out: str = _option(
        "model.safetensors", "default: %(default)s", metavar="MODEL", type=model_path
    )
    report: str | None = _option(
        None, "write a report with figures, one file; - is standard output", metavar="HTML"
    )
    task: str | None = _option(
        None,
        "by default classification for text, "
        f"and for whole numbers of at most {MAX_INTEGER_CLASSES} values",
        choices=["classification", "regression"],
        group="the table",
    )
    text: Sequence[str] | None = _option(
        None,
        "its values are categories, even if they are numbers",
        metavar="COLUMN",
        type=str.strip,
        action="append",
    )
    number: Sequence[str] | None = _option(
        None,
        "its values are numbers, even those of an identifier or with leading zeros",
        metavar="COLUMN",
        type=str.strip,
        action="append",
    )
    drop: Sequence[str] | None = _option(
        None,
        "leave it out; for identifiers and the like",
        metavar="COLUMN",
        type=str.strip,
        action="append",
    )
    max_categories: int = _option(
        100, "in a column; default: %(default)s", metavar="N", type=whole()
    )
    delimiter: str | None = _option(
        None,
        "of CSV: one ASCII character, or tab; a comma by default",
        metavar="C",
        type=delimiter,
    )
    held_out: float = _option(
        0.2, "share of rows for the score; default: %(default)s", metavar="SHARE", type=SHARE
    )
    validation: float = _option(
        0.1, "share of rows for early stopping; default: %(default)s", metavar="SHARE", type=SHARE
    )
    hidden: tuple[int, ...] = _option(
        (64, 32),
        "such as 64,32 (default), or none",
        metavar="WIDTHS",
        type=widths,
        group="the network and its training",
    )
    activation: str = _option(
        "relu", "of the hidden layers; default: %(default)s", choices=list(HIDDEN)
    )
    epochs: int = _option(100, "at most; default: %(default)s", metavar="N", type=whole())
    patience: int = _option(
        10, "epochs without improvement; default: %(default)s", metavar="N", type=whole()
    )
    batch_size: int = _option(32, "default: %(default)s", metavar="N", type=whole())
    optimizer: str = _option("adam", "default: %(default)s", choices=list(OPTIMIZER_OF))
    lr: float | None = _option(
        None,
        "learning rate; the optimizer's own by default",
        metavar="RATE",
        type=RATE,
    )
    l2: float = _option(0.0, "default: 0", metavar="PENALTY", type=PENALTY)
    class_weight: Literal["balanced"] | None = _option(
        None, "balanced: rows of rare classes count more", choices=["balanced"]
    )
    dtype: str = _option("float32", "default: %(default)s", choices=["float32", "float64"])
    seed: int = _option(
        0, "of split, weights and shuffles; default: %(default)s", metavar="N", type=whole(0)
    )
    threads: int | None = _option(None, "by default the fastest number", metavar="N", type=whole())

    @classmethod
    def add_to(cls, parser: argparse.ArgumentParser) -> None:
        """Add an argument for each field."""
        group: argparse._ActionsContainer = parser
        for f in fields(cls):
            settings = dict(f.metadata)
            if "group" in settings:
                group = parser.add_argument_group(settings.pop("group"))
            if f.name == "data":
                group.add_argument("data", **settings)
                continue
            settings |= {"required": True} if f.default is MISSING else {"default": f.default}
            group.add_argument(f"--{f.name.replace('_', '-')}", **settings)

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> "TrainOptions":
        """The options that were parsed."""
        return cls(**{f.name: getattr(arguments, f.name) for f in fields(cls)})
