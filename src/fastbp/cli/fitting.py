"""From a table to a trained net: columns encoded, rows shared out, the net fitted and scored."""

import sys
import warnings
from dataclasses import dataclass, replace

import numpy as np

from ..history import History
from ..mlp import MLP
from ..preprocessing import ColumnError, OneHot, Preprocessing, Scaled, quoted
from ..serialization.encoding import OPTIMIZERS
from ..warmup import warmup
from .arguments import say
from .machine import is_warm
from .predict import answers_of
from .scores import Classification, Regression, split
from .tables import DataError, Table, Wanted, read_table

FEW = 20  # different whole numbers that are taken for classes, if each comes twice on average
RULES = {kind.__name__.lower(): kind for kind in OPTIMIZERS.values()}


@dataclass(frozen=True)
class Part:
    """Some of a table's rows as a net sees them."""

    rows: np.ndarray
    X: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Trained:
    """A model and how it came to be: all that a report tells."""

    source: str
    n_rows: int
    preprocessing: Preprocessing
    net: MLP
    history: History
    parts: tuple[Part, Part, Part]
    scores: Classification | Regression | None


def train(arguments) -> Trained:
    """Train as the command line says."""
    if arguments.target in arguments.drop:
        raise DataError(f"--drop must leave the target in, got {quoted(arguments.target)}")
    wanted = Wanted(
        None, arguments.text, arguments.drop, arguments.max_categories, arguments.target
    )
    table = read_table(arguments.data, wanted, arguments.delimiter)
    classes, labels = target_of(table, arguments.target, arguments.task, arguments.max_categories)
    rows = split(len(table), arguments.held_out, arguments.validation, labels, arguments.seed)
    _check_shares(table, rows, arguments)
    target = classes or Scaled.of(arguments.target, table.columns[arguments.target][rows[0]])
    preprocessing = Preprocessing(inputs_of(table, arguments.target, rows[0]), target)
    parts = tuple(_part(table, preprocessing, labels, some, arguments.dtype) for some in rows)

    what = f"{len(target.categories)} classes" if isinstance(target, OneHot) else "numbers"
    columns = f"{len(preprocessing.inputs)} columns as {preprocessing.width} inputs"
    say(f"{table.source}: {len(table)} rows, {columns}, target {quoted(arguments.target)}: {what}")
    net = MLP(
        [preprocessing.width, *arguments.hidden, target.width],
        arguments.activation,
        "softmax" if classes else "identity",
        dtype=arguments.dtype,
        seed=arguments.seed,
    )
    net.preprocessing_ = preprocessing
    history = fit(net, parts, arguments)
    scores = scores_of(net, target, parts[0], parts[2], table)
    return Trained(table.source, len(table), preprocessing, net, history, parts, scores)


def fit(net, parts, arguments) -> History:
    """Train the net; Ctrl-C ends it early."""
    training, validation, _ = parts
    kind = RULES[arguments.optimizer]
    optimizer = kind() if arguments.lr is None else replace(kind(), lr=arguments.lr)
    if not is_warm():
        say("compiling the kernels, the first time only ...")
    warmup([arguments.dtype])
    say(
        "training on {} rows, validating on {}, holding out {}".format(
            *(len(part.rows) for part in parts)
        )
    )
    watched = (
        {"X_val": validation.X, "y_val": validation.y, "patience": arguments.patience}
        if len(validation.rows)
        else {}
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "fit was interrupted")  # the command says so itself
        return net.fit(
            training.X,
            training.y,
            epochs=arguments.epochs,
            batch_size=arguments.batch_size,
            optimizer=optimizer,
            l2=arguments.l2,
            n_threads=arguments.threads,
            progress=sys.stderr is not None,
            **watched,
        )


def target_of(
    table: Table, name: str, task: str | None, most: int
) -> tuple[OneHot | None, np.ndarray | None]:
    """The classes to predict and each row's label (n,); (None, None) for a regression."""
    values = table.columns[name]
    if values.dtype == object:
        if task == "regression":
            raise table.error(
                name, 0, f"{quoted(values[0])} is not a number, which --task regression needs"
            )
    else:
        whole_numbers = np.floor(values) == values
        different = len(np.unique(values))
        few = whole_numbers.all() and different <= FEW and 2 * different <= len(values)
        if task == "regression" or (task is None and not few):
            return None, None
        if not whole_numbers.all():
            row = int(np.argmin(whole_numbers))
            raise table.error(
                name,
                row,
                f"{values[row]} is no whole number, and classes are text or whole numbers",
            )
        values = np.array([int(value) for value in values.tolist()], object)
    classes = tuple(sorted(set(values)))
    if len(classes) < 2:
        raise DataError(
            f"{table.source}, column {quoted(name)}: all rows are of one class, {quoted(classes[0])}"
        )
    if len(classes) > most:
        raise DataError(
            f"{table.source}, column {quoted(name)}: {len(classes)} classes; --max-categories allows {most}"
        )
    target = OneHot(name, classes)
    return target, target.labels(values)


def inputs_of(table: Table, target: str, rows: np.ndarray) -> tuple[Scaled | OneHot, ...]:
    """How to encode the columns: categories are those of all rows, means and deviations those of
    these rows."""
    inputs = tuple(
        OneHot(name, tuple(sorted(set(values))))
        if values.dtype == object
        else Scaled.of(name, values[rows])
        for name, values in table.columns.items()
        if name != target
    )
    if not inputs:
        raise DataError(f"{table.source}: no columns beside the target {quoted(target)}")
    return inputs


def _check_shares(table, rows, arguments):
    if arguments.held_out + arguments.validation >= 1:
        raise DataError(
            f"--held-out and --validation must leave rows to train on, got {arguments.held_out}, {arguments.validation}"
        )
    shares = {
        "training": 1.0,
        "--validation": arguments.validation,
        "--held-out": arguments.held_out,
    }
    for some, (name, share) in zip(rows, shares.items(), strict=True):
        if share and not len(some):
            raise DataError(
                f"{table.source}: {len(table)} rows are too few: none is left for {name}"
            )


def _part(table, preprocessing, labels, rows, dtype):
    columns = {name: values[rows] for name, values in table.columns.items()}
    try:
        X = preprocessing.transform(columns, dtype)
        if labels is not None:
            return Part(rows, X, labels[rows])
        y = np.empty((len(rows), 1), dtype)
        preprocessing.target.encode(columns[preprocessing.target.name], y)
    except ColumnError as error:
        raise table.error(error.column, int(rows[error.row]), error.what) from error
    return Part(rows, X, y)


def scores_of(
    net: MLP, target: Scaled | OneHot, training: Part, held_out: Part, table: Table
) -> Classification | Regression | None:
    """How well the net does on the rows held out, if there are any."""
    if not len(held_out.rows):
        return None
    if isinstance(target, OneHot):
        return Classification.of(held_out.y, net.predict(held_out.X), training.y, target.width)
    return Regression.of(
        table.columns[target.name][held_out.rows], answers_of(net, target, held_out.X), target.mean
    )
