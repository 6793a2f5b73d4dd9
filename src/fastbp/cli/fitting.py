"""From a table to a trained net: encode columns, split rows, fit and score."""

import sys
import warnings
from dataclasses import dataclass, replace

import numpy as np

from ..history import History
from ..mlp import MLP
from ..preprocessing import ColumnError, OneHot, Preprocessing, Scaled, quoted
from ..warmup import warmup
from .arguments import say
from .machine import is_warm
from .options import MAX_INTEGER_CLASSES, OPTIMIZER_OF, TrainOptions
from .scores import Classification, Regression, split
from .tables import DataError, Selection, Table, read_table


@dataclass(frozen=True)
class Part:
    """Some rows of a table, encoded for a net."""

    rows: np.ndarray
    X: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Trained:
    """A model, its training and its scores: the content of a report."""

    source: str
    n_rows: int
    preprocessing: Preprocessing
    net: MLP
    history: History
    parts: tuple[Part, ...]  # training, validation, held out
    scores: Classification | Regression | None

    @property
    def classes(self) -> tuple:
        """The classes of a classifier; of a regression, ()."""
        return getattr(self.preprocessing.target, "categories", ())


def train(options: TrainOptions) -> Trained:
    """Read the table, and train and score a net."""
    text = options.text or ()
    drop = options.drop or ()
    if options.target in drop:
        raise DataError(f"--drop must leave the target in, got {quoted(options.target)}")
    if options.held_out + options.validation >= 1:
        raise DataError(
            "--held-out and --validation must leave rows to train on, "
            f"got {options.held_out}, {options.validation}"
        )
    selection = Selection(None, text, drop, options.max_categories, options.target)
    table = read_table(options.data, selection, options.delimiter)
    classes, labels = target_of(table, options)
    rows = split(len(table), options.held_out, options.validation, labels, options.seed)
    shares = {
        "training": 1.0,
        "--validation": options.validation,
        "--held-out": options.held_out,
    }
    for some, (name, share) in zip(rows, shares.items(), strict=True):
        if share and not len(some):
            raise DataError(
                f"{table.source}: {len(table)} rows are too few: none is left for {name}"
            )
    target = classes or Scaled.of(options.target, table.columns[options.target][rows[0]])
    preprocessing = Preprocessing(inputs_of(table, options.target, rows[0]), target)
    parts = tuple(_part(table, preprocessing, labels, some, options.dtype) for some in rows)

    what = f"{target.width} classes" if classes else "numbers"
    columns = f"{len(preprocessing.inputs)} columns as {preprocessing.width} inputs"
    say(f"{table.source}: {len(table)} rows, {columns}, target {quoted(options.target)}: {what}")
    net = MLP(
        [preprocessing.width, *options.hidden, target.width],
        options.activation,
        "softmax" if classes else "identity",
        dtype=options.dtype,
        seed=options.seed,
    )
    net.preprocessing_ = preprocessing
    history = fit(net, parts, options)
    held_out = parts[2]
    scores: Classification | Regression | None = None
    if len(held_out.rows):
        predicted = net.predict(held_out.X)
        if isinstance(target, OneHot):
            scores = Classification.of(held_out.y, predicted, parts[0].y, target.width)
        else:
            actual = table.columns[target.name][held_out.rows]
            scores = Regression.of(actual, target.decode(predicted), target.mean)
    return Trained(table.source, len(table), preprocessing, net, history, parts, scores)


def fit(net: MLP, parts: tuple[Part, ...], options: TrainOptions) -> History:
    """Train the net; Ctrl-C ends it early."""
    training, validation, held_out = parts
    optimizer = OPTIMIZER_OF[options.optimizer]()
    if options.lr is not None:
        optimizer = replace(optimizer, lr=options.lr)
    if not is_warm():
        say("compiling the kernels, the first time only ...")
    warmup([options.dtype])
    sizes = [len(part.rows) for part in (training, validation, held_out)]
    say("training on {} rows, validating on {}, holding out {}".format(*sizes))
    watched = len(validation.rows) > 0
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "fit was interrupted")  # the command says so itself
        return net.fit(
            training.X,
            training.y,
            epochs=options.epochs,
            batch_size=options.batch_size,
            optimizer=optimizer,
            l2=options.l2,
            n_threads=options.threads,
            progress=sys.stderr is not None,
            X_val=validation.X if watched else None,
            y_val=validation.y if watched else None,
            patience=options.patience if watched else None,
        )


def target_of(table: Table, options: TrainOptions) -> tuple[OneHot | None, np.ndarray | None]:
    """The classes to predict and the label of each row (n,); (None, None) for a regression."""
    name = options.target
    task = options.task
    values = table.columns[name]
    column = f"{table.source}, column {quoted(name)}"
    if values.dtype == object:
        if task == "regression":
            what = f"{quoted(values[0])} is not a number, which --task regression needs"
            raise table.error(name, 0, what)
    else:
        whole = np.floor(values) == values
        different = len(np.unique(values))
        few = different <= MAX_INTEGER_CLASSES and 2 * different <= len(values)
        if task == "regression" or (task is None and not (few and whole.all())):
            return None, None
        if not whole.all():
            row = int(np.argmin(whole))
            what = f"{values[row]} is not a whole number, and classes are text or whole numbers"
            raise table.error(name, row, what)
        values = np.array([int(value) for value in values.tolist()], object)
    classes = tuple(sorted(set(values)))
    if len(classes) < 2:
        raise DataError(f"{column}: all rows are of one class, {quoted(classes[0])}")
    if len(classes) > options.max_categories:
        raise DataError(
            f"{column}: {len(classes)} classes; --max-categories allows {options.max_categories}"
        )
    target = OneHot(name, classes)
    return target, target.labels(values)


def inputs_of(table: Table, target: str, rows: np.ndarray) -> tuple[Scaled | OneHot, ...]:
    """The encoding of the columns: categories of all rows, means and deviations of `rows`."""
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
