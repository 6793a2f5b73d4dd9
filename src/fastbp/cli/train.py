"""``fastbp train``: a model from a table."""

import sys

from ..base.activations import HIDDEN
from ..base.files import replace_file
from .arguments import character, check_writable, model_path, number, whole, widths
from .fitting import FEW, RULES, train
from .report import report
from .scores import in_words

EPILOG = """\
examples:
  fastbp train iris.csv --target species
  fastbp train houses.csv --target price --hidden 128,64 --drop id --report houses.html
  fastbp train scans.npz --target label --hidden none --out linear.safetensors
  zcat big.csv.gz | fastbp train - --target y --task classification --text zip --text area

Columns of numbers are standardised, columns of text one-hot encoded; how is kept in the model's file. The rows that are held
out are used for the score alone; those for validation decide when to stop. A value that is missing is an error. Ctrl-C ends
the training early: the model so far is scored and written. An NPZ file's arrays (n,) are columns, an array X (n, k) is the
columns X[0], X[1], ... .
"""


def add_to(commands) -> None:
    made = commands.add_parser("train", help="a model from a table", epilog=EPILOG)
    made.description = (
        "Train a network on the columns of a table, and score it on rows that were held out."
    )
    made.add_argument(
        "data",
        metavar="DATA",
        help="CSV, Parquet or NPZ file by its ending; - reads CSV from standard input",
    )
    made.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    made.add_argument(
        "--out",
        metavar="MODEL",
        type=model_path,
        default="model.safetensors",
        help="default: %(default)s",
    )
    made.add_argument(
        "--report",
        metavar="HTML",
        help="write a report with figures, one file; - is standard output",
    )

    data = made.add_argument_group("the table")
    tasks = ["classification", "regression"]
    data.add_argument(
        "--task",
        choices=tasks,
        help=f"by default classification for text, and for at most {FEW} whole numbers",
    )
    data.add_argument(
        "--text",
        metavar="COLUMN",
        action="append",
        default=[],
        help="its values are categories, even if they are numbers",
    )
    data.add_argument(
        "--drop",
        metavar="COLUMN",
        action="append",
        default=[],
        help="leave it out; for identifiers and the like",
    )
    data.add_argument(
        "--max-categories",
        metavar="N",
        type=whole(),
        default=100,
        help="in a column; default: %(default)s",
    )
    data.add_argument(
        "--delimiter",
        type=character,
        metavar="C",
        help="of CSV: one character, or tab; a comma by default",
    )
    share = number(0.0, below=0.9)
    data.add_argument(
        "--held-out",
        metavar="SHARE",
        type=share,
        default=0.2,
        help="rows for the score; default: %(default)s",
    )
    data.add_argument(
        "--validation",
        metavar="SHARE",
        type=share,
        default=0.1,
        help="rows that say when to stop; default: 0.1",
    )

    net = made.add_argument_group("the network and its training")
    net.add_argument(
        "--hidden",
        metavar="WIDTHS",
        type=widths,
        default=[64, 32],
        help="such as 64,32 (default), or none",
    )
    net.add_argument(
        "--activation",
        choices=list(HIDDEN),
        default="relu",
        help="of the hidden layers; default: %(default)s",
    )
    net.add_argument(
        "--epochs", metavar="N", type=whole(), default=100, help="at most; default: %(default)s"
    )
    net.add_argument(
        "--patience",
        metavar="N",
        type=whole(),
        default=10,
        help="epochs without progress; default: %(default)s",
    )
    net.add_argument(
        "--batch-size", metavar="N", type=whole(), default=32, help="default: %(default)s"
    )
    net.add_argument(
        "--optimizer", choices=list(RULES), default="adam", help="default: %(default)s"
    )
    net.add_argument(
        "--lr",
        metavar="RATE",
        type=number(above=0.0),
        help="learning rate; the optimizer's own by default",
    )
    net.add_argument("--l2", metavar="PENALTY", type=number(), default=0.0, help="default: 0")
    net.add_argument(
        "--dtype", choices=["float32", "float64"], default="float32", help="default: %(default)s"
    )
    net.add_argument(
        "--seed",
        metavar="N",
        type=whole(0),
        default=0,
        help="of split, weights, shuffles; default: %(default)s",
    )
    net.add_argument("--threads", metavar="N", type=whole(), help="by default as many as pay")
    made.set_defaults(run=run)


def run(arguments) -> None:
    for path in filter(None, (arguments.out, arguments.report)):
        check_writable(path)
    trained = train(arguments)
    result = sys.stderr if arguments.report == "-" else sys.stdout
    print(_course(trained.history), file=result)
    if trained.scores is not None:
        print(
            in_words(trained.scores, getattr(trained.preprocessing.target, "categories", ())),
            file=result,
        )
    trained.net.save(arguments.out)
    print(f"wrote {arguments.out}", file=result)
    if arguments.report:
        html = report(trained, arguments)
        if arguments.report == "-":
            sys.stdout.write(html)
        else:
            replace_file(arguments.report, [html.encode("utf-8", "xmlcharrefreplace")])
            print(f"wrote {arguments.report}", file=result)
    if trained.history.stopped_by == "interrupt":
        raise KeyboardInterrupt  # all is kept, but whoever waits for the process should know


def _course(history):
    ends = {"patience": "no more progress", "interrupt": "interrupted", "epochs": "all done"}
    best = "" if history.best_epoch is None else f", the best was epoch {history.best_epoch + 1}"
    return f"{history.n_epochs} epochs ({ends.get(history.stopped_by, history.stopped_by)}{best})"
