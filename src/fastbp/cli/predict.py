"""``fastbp predict``: what a model says of a table's rows, as CSV."""

import csv
import io
import sys

import numpy as np

from ..base.files import replace_file
from ..loading import load
from ..preprocessing import ColumnError, OneHot, Scaled
from .arguments import character, check_writable, model_path
from .tables import STDIN, Wanted, read_table

ROWS = 10_000  # written together
EPILOG = """\
examples:
  fastbp predict model.safetensors new.csv                         to the terminal
  fastbp predict model.safetensors new.csv --proba --out says.csv  with the probability of each class
  tail -n +5 raw.csv | fastbp predict model.safetensors - | sort | uniq -c

DATA needs the columns that the model was trained on, whatever their order; others are not looked at. The answers stand in the
order of the rows, below the name of the column that the model was trained to predict.
"""


def add_to(commands) -> None:
    made = commands.add_parser(
        "predict", help="a model's answers for the rows of a table", epilog=EPILOG
    )
    made.description = "What a model says of each row of a table, as CSV."
    made.add_argument(
        "model", metavar="MODEL", type=model_path, help="a file that fastbp train has written"
    )
    made.add_argument(
        "data",
        metavar="DATA",
        help="CSV, Parquet or NPZ file by its ending; - reads CSV from standard input",
    )
    made.add_argument(
        "--out",
        metavar="FILE",
        default="-",
        help="where to write CSV; - is standard output, the default",
    )
    made.add_argument(
        "--proba", action="store_true", help="a column more for each class, with its probability"
    )
    made.add_argument(
        "--delimiter",
        type=character,
        metavar="C",
        help="of CSV: one character, or tab; a comma by default",
    )
    made.set_defaults(run=run)


def run(arguments) -> None:
    net = load(arguments.model)
    preprocessing = net.preprocessing_
    if preprocessing is None:
        raise ValueError(
            f"{arguments.model}: does not know the columns of a table, as models of 'fastbp train' do"
        )
    target = preprocessing.target
    if arguments.proba and not isinstance(target, OneHot):
        raise ValueError(
            f"{arguments.model}: --proba needs a classifier, and this model predicts numbers"
        )
    check_writable(arguments.out)
    wanted = Wanted({column.name: column for column in preprocessing.inputs})
    table = read_table(arguments.data, wanted, arguments.delimiter)
    try:
        X = preprocessing.transform(table.columns, net.dtype)
    except ColumnError as error:
        raise table.error(error.column, error.row, error.what) from error
    names, answers = [target.name], [answers_of(net, target, X).tolist()]
    if arguments.proba and isinstance(target, OneHot):
        probabilities = net.predict_proba(X)
        names += [f"P({category})" for category in target.categories]
        answers += [[f"{p:.6g}" for p in column] for column in probabilities.T]
    parts = _csv(names, answers)
    if arguments.out == STDIN:
        for part in parts:
            sys.stdout.write(part)
    else:
        replace_file(arguments.out, (part.encode() for part in parts))


def answers_of(net, target: Scaled | OneHot, X: np.ndarray) -> np.ndarray:
    """What a net predicts, in the words or units of its target."""
    return target.decode(net.predict(X))


def _csv(names, columns):
    """CSV, some rows at a time."""
    for first in range(0, len(columns[0]), ROWS):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if first == 0:
            writer.writerow(names)
        writer.writerows(zip(*(column[first : first + ROWS] for column in columns), strict=True))
        yield text.getvalue()
