"""``fastbp predict``: a model's predictions for the rows of a table, as CSV."""

import csv
import io

from ..loading import load
from ..preprocessing import ColumnError, OneHot
from .arguments import DATA_HELP, check_distinct, check_writable, delimiter, model_path, say, write
from .tables import Selection, imputed, read_table

ROWS = 10_000  # converted to CSV at once
EPILOG = """\
examples:
  fastbp predict model.safetensors new.csv                            to the terminal
  fastbp predict model.safetensors new.csv --proba --out answers.csv  with class probabilities
  tail -n +5 raw.csv | fastbp predict model.safetensors - | sort | uniq -c

DATA needs the columns that the model was trained on, in any order; others are ignored. Missing
values are imputed as in the training. The predictions are in the order of the rows, below the name
of the target column, in UTF-8.
"""


def add_to(commands) -> None:
    parser = commands.add_parser(
        "predict", help="a model's predictions for the rows of a table", epilog=EPILOG
    )
    parser.description = "Write a model's prediction for each row of a table, as CSV."
    parser.add_argument(
        "model", metavar="MODEL", type=model_path, help="a file written by fastbp train"
    )
    parser.add_argument("data", metavar="DATA", help=DATA_HELP)
    parser.add_argument(
        "--out",
        metavar="FILE",
        default="-",
        help="where to write CSV; - is standard output, the default",
    )
    parser.add_argument(
        "--proba", action="store_true", help="add a column with the probability of each class"
    )
    parser.add_argument(
        "--delimiter",
        type=delimiter,
        metavar="C",
        help="of CSV: one ASCII character, or tab; a comma by default",
    )
    parser.set_defaults(run=run)


def run(arguments) -> None:
    inputs = {"MODEL": arguments.model, "DATA": arguments.data}
    check_distinct(inputs, {"--out": arguments.out})
    net = load(arguments.model)
    preprocessing = net.preprocessing_
    if preprocessing is None:
        raise ValueError(
            f"{arguments.model}: must be a model written by 'fastbp train', "
            "got one without the columns of a table"
        )
    target = preprocessing.target
    if arguments.proba and not isinstance(target, OneHot):
        raise ValueError(
            f"{arguments.model}: --proba needs a classifier, and this model predicts numbers"
        )
    check_writable(arguments.out)
    selection = Selection({column.name: column for column in preprocessing.inputs})
    table = read_table(arguments.data, selection, arguments.delimiter)
    try:
        X = preprocessing.transform(table.columns, net.dtype)
    except ColumnError as error:
        raise table.error(error.column, error.row, error.what) from error
    counts = {column: table.missing(column.name).sum() for column in preprocessing.inputs}
    note = imputed(counts)
    if note:
        say(f"note: {note}")
    names = [target.name]
    columns = [target.decode(net.predict(X)).tolist()]
    if arguments.proba and isinstance(target, OneHot):
        names += [f"P({category})" for category in target.categories]
        columns += [[f"{p:.6g}" for p in column] for column in net.predict_proba(X).T]
    write(arguments.out, (part.encode() for part in _csv(names, columns)))


def _csv(names, columns):
    """CSV as text, some rows at a time."""
    for first in range(0, len(columns[0]), ROWS):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if first == 0:
            writer.writerow(names)
        writer.writerows(zip(*(column[first : first + ROWS] for column in columns), strict=True))
        yield text.getvalue()
