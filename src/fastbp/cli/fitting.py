"""From a table to a trained net: encode columns, split rows, fit and score."""

import sys
import warnings
from collections import Counter
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np

from ..history import History
from ..kernels import entries
from ..mlp import MLP
from ..preprocessing import ColumnError, OneHot, Preprocessing, Scaled, quoted
from .arguments import say
from .columns import DataError
from .options import MAX_INTEGER_CLASSES, OPTIMIZER_OF, TrainOptions
from .scores import Classification, Importance, Regression, doubts, permutation_importance, split
from .tables import Selection, Table, imputed, read_table

ENDS = {"patience": "no more improvement", "interrupt": "interrupted", "epochs": "all done"}
MAX_IMPORTANCES = 200  # inputs of a table with more are not permuted, which would take too long


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
    notes: list[str]  # what was done with the table
    doubts: list[str]  # why the model may be of no use
    importances: list[Importance]  # for a report

    @property
    def ending(self) -> str:
        """The end of the training in a line."""
        history = self.history
        end = ENDS.get(str(history.stopped_by), history.stopped_by)
        best = history.best_epoch
        best_text = "" if best is None else f", the best was epoch {best + 1}"
        return f"{history.n_epochs} epochs ({end}{best_text})"

    @property
    def classes(self) -> tuple:
        """The classes of a classifier; of a regression, ()."""
        return getattr(self.preprocessing.target, "categories", ())


def train(options: TrainOptions) -> Trained:
    """Read the table, train a net and save it, and score it."""
    text = options.text or ()
    number = options.number or ()
    drop = options.drop or ()
    if options.target in drop:
        raise DataError(f"--drop must leave the target in, got {quoted(options.target)}")
    both = sorted({*text} & {*number})
    if both:
        raise DataError(f"--text and --number must name different columns, got {quoted(both[0])}")
    if options.held_out + options.validation >= 1:
        raise DataError(
            "--held-out and --validation must leave rows to train on, "
            f"got {options.held_out}, {options.validation}"
        )
    selection = Selection(None, text, number, drop, options.max_categories, options.target)
    table = read_table(options.data, selection, options.delimiter)
    notes = table.notes
    answered = np.flatnonzero(~table.missing(options.target))
    n_missing = len(table) - len(answered)
    if n_missing:
        notes.append(f"{n_missing} rows left out: their {quoted(options.target)} is missing")
    classes, labels = target_of(table, options, answered)
    if options.class_weight and classes is None:
        raise DataError(f"--class-weight needs classes, and {quoted(options.target)} is a number")
    divided = split(
        len(answered),
        options.held_out,
        options.validation,
        None if labels is None else labels[answered],
        options.seed,
    )
    rows = tuple(answered[some] for some in divided)
    shares = {
        "training": 1.0,
        "--validation": options.validation,
        "--held-out": options.held_out,
    }
    for some, (name, share) in zip(rows, shares.items(), strict=True):
        if share and not len(some):
            raise DataError(
                f"{table.source}: {len(answered)} rows are too few: none is left for {name}"
            )
    target = classes or Scaled.of(options.target, table.columns[options.target][rows[0]])
    preprocessing = Preprocessing(inputs_of(table, options.target, rows[0], notes), target)
    parts = tuple(_part(table, preprocessing, labels, some, options.dtype) for some in rows)

    what = f"{target.width} classes" if classes else "numbers"
    columns = f"{len(preprocessing.inputs)} columns as {preprocessing.width} inputs"
    say(f"{table.source}: {len(table)} rows, {columns}, target {quoted(options.target)}: {what}")
    for note in notes:
        say(f"note: {note}")
    net = MLP(
        [preprocessing.width, *options.hidden, target.width],
        options.activation,
        "softmax" if classes else "identity",
        dtype=options.dtype,
        seed=options.seed,
    )
    net.preprocessing_ = preprocessing
    history = fit(net, parts, options)
    net.save(options.out)  # before anything else can fail
    scores = _score(table, net, parts)
    importances = []
    if scores is not None and options.report and len(preprocessing.inputs) <= MAX_IMPORTANCES:
        importances = permutation_importance(net, parts[2].X, parts[2].y, options.seed)
    found = doubts(scores, preprocessing.target, [part.y for part in parts])
    for doubt in found:
        say(f"warning: {doubt}")
    return Trained(
        table.source,
        len(table),
        preprocessing,
        net,
        history,
        parts,
        scores,
        notes,
        found,
        importances,
    )


def _score(table, net, parts):
    training, _, held_out = parts
    target = net.preprocessing_.target
    if not len(held_out.rows):
        return None
    predicted = net.predict(held_out.X)
    if isinstance(target, OneHot):
        probabilities = net.predict_proba(held_out.X)
        return Classification.of(held_out.y, predicted, training.y, target.width, probabilities)
    actual = table.columns[target.name][held_out.rows]
    return Regression.of(actual, target.decode(predicted), target.mean)


def fit(net: MLP, parts: tuple[Part, ...], options: TrainOptions) -> History:
    """Train the net; Ctrl-C ends it early."""
    training, validation, held_out = parts
    optimizer = OPTIMIZER_OF[options.optimizer]()
    if options.lr is not None:
        optimizer = replace(optimizer, lr=options.lr)
    entries.train.load_dtype(options.dtype)  # Ctrl-C in a compilation is none in the fit
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
            class_weight=options.class_weight,
        )


def target_of(
    table: Table, options: TrainOptions, rows: np.ndarray
) -> tuple[OneHot | None, np.ndarray | None]:
    """The classes to predict and the label of each row (n,); (None, None) for a regression.

    Parameters
    ----------
    table : Table
    options : TrainOptions
    rows : ndarray
        Those with a target; the label of others is -1.
    """
    name = options.target
    task = options.task
    column = f"{table.source}, column {quoted(name)}"
    if not len(rows):
        raise DataError(f"{column}: all values are missing")
    values = table.columns[name][rows]
    if isinstance(values[0], str):
        if task == "regression":
            what = f"{quoted(values[0])} is not a number, which --task regression needs"
            raise table.error(name, int(rows[0]), what)
    else:
        whole = values == values // 1
        different = len(set(values.tolist()))
        few = different <= MAX_INTEGER_CLASSES and 2 * different <= len(values)
        if task == "regression" or (task is None and not (few and whole.all())):
            table.columns[name] = table.columns[name].astype(np.float64)
            return None, None
        if not whole.all():
            row = int(np.argmin(whole))
            what = f"{values[row]} is not a whole number, and classes are text or whole numbers"
            raise table.error(name, int(rows[row]), what)
        values = np.array([int(value) for value in values.tolist()], object)
    classes = tuple(sorted(set(values)))
    if len(classes) < 2:
        raise DataError(f"{column}: all rows are of one class, {quoted(classes[0])}")
    if len(classes) > options.max_categories:
        raise DataError(
            f"{column}: {len(classes)} classes; --max-categories allows {options.max_categories}"
        )
    target = OneHot(name, classes)
    labels = np.full(len(table), -1)
    labels[rows] = target.labels(values)
    return target, labels


def inputs_of(
    table: Table, target: str, rows: np.ndarray, notes: list[str]
) -> tuple[Scaled | OneHot, ...]:
    """The encoding of the columns.

    Categories are those of all rows; means, deviations, medians and the most frequent categories
    are those of `rows`. A column has an indicator if a value is missing in them. What is imputed is
    added to `notes`.
    """
    inputs: list[Scaled | OneHot] = []
    counts = {}
    for name, values in table.columns.items():
        if name == target:
            continue
        missing = table.missing(name)
        indicator = bool(missing[rows].any())
        known = values[rows][~missing[rows]]
        if not len(known):
            notes.append(f"column {quoted(name)} left out: no training row has a value")
            continue
        if values.dtype == object:
            categories = tuple(sorted({value for value in values if value is not None}))
            fill, _ = max(sorted(Counter(known).items()), key=itemgetter(1))
            inputs.append(OneHot(name, categories, fill, indicator))
        else:
            inputs.append(Scaled.of(name, known, float(np.median(known)), indicator))
        counts[inputs[-1]] = missing.sum()
    note = imputed(counts)
    if note:
        notes.append(note)
    if not inputs:
        left_out = "".join(f"; {note}" for note in notes)
        raise DataError(f"{table.source}: no columns beside the target {quoted(target)}{left_out}")
    return tuple(inputs)


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
