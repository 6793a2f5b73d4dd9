"""``fastbp train``: a model from a table."""

import sys

from ..base.files import replace_file
from .arguments import check_writable
from .fitting import train
from .options import TrainOptions
from .report import load_template, report
from .scores import summary

EPILOG = """\
examples:
  fastbp train iris.csv --target species
  fastbp train houses.csv --target price --hidden 128,64 --drop id --report houses.html
  fastbp train scans.npz --target label --hidden none --out linear.safetensors
  zcat big.csv.gz | fastbp train - --target y --task classification --text zip --text area

Columns of numbers are standardised, columns of text one-hot encoded; the model's file keeps the
encoding. Held-out rows are used for the score alone, validation rows for early stopping. A missing
value is an error. Ctrl-C ends the training early: the model so far is scored and written. In an NPZ
file an array (n,) is a column, and an array X (n, k) the columns X[0], X[1], ... .
"""
ENDS = {"patience": "no more improvement", "interrupt": "interrupted", "epochs": "all done"}


def add_to(commands) -> None:
    parser = commands.add_parser("train", help="a model from a table", epilog=EPILOG)
    parser.description = "Train a network on the columns of a table, and score it on held-out rows."
    TrainOptions.add_to(parser)
    parser.set_defaults(run=run)


def run(arguments) -> None:
    options = TrainOptions.of(arguments)
    check_writable(options.out)
    if options.report:
        check_writable(options.report)
        template = load_template()  # an error now, not after the training
    trained = train(options)
    history = trained.history
    result = sys.stderr if options.report == "-" else sys.stdout
    end = ENDS.get(str(history.stopped_by), history.stopped_by)
    best = history.best_epoch
    best_text = "" if best is None else f", the best was epoch {best + 1}"
    print(f"{history.n_epochs} epochs ({end}{best_text})", file=result)
    if trained.scores is not None:
        print(summary(trained.scores, trained.classes), file=result)
    trained.net.save(options.out)
    print(f"wrote {options.out}", file=result)
    if options.report:
        html = report(template, trained, options, arguments.argv)
        if options.report == "-":
            sys.stdout.write(html)
        else:
            replace_file(options.report, [html.encode("utf-8", "xmlcharrefreplace")])
            print(f"wrote {options.report}", file=result)
    if history.stopped_by == "interrupt":
        raise KeyboardInterrupt  # everything is written; the exit status still reports the Ctrl-C
