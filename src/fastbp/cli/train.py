"""``fastbp train``: a model from a table."""

from .arguments import STDIO, check_distinct, check_writable, say, write
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
encoding. Missing values (blank, ., ?, NA, N/A, #N/A, <NA>, NaN, None, null) are imputed by the
median or the most frequent category, with an indicator column; rows without a target are left out,
and so are dates, identifiers and columns without a name: notes say what was done. Held-out rows are
used for the score alone, validation rows for early stopping. Ctrl-C ends the training early: the
model so far is scored and written. In an NPZ file an array (n,) is a column, and an array X (n, k)
the columns X[0], X[1], ... .
"""


def add_to(commands) -> None:
    parser = commands.add_parser("train", help="a model from a table", epilog=EPILOG)
    parser.description = "Train a network on the columns of a table, and score it on held-out rows."
    TrainOptions.add_to(parser)
    parser.set_defaults(run=run)


def run(arguments) -> None:
    options = TrainOptions.of(arguments)
    check_distinct({"DATA": options.data}, {"--out": options.out, "--report": options.report})
    check_writable(options.out)
    if options.report:
        check_writable(options.report)
        template = load_template()  # an error now, not after the training
    trained = train(options)
    if options.report:
        html = report(template, trained, options, arguments.argv)
        write(options.report, [html.encode("utf-8", "xmlcharrefreplace")])
    # Everything is written before anything is printed: standard output may be closed or full.
    show = say if options.report == STDIO else print
    show(trained.ending)
    if trained.scores is not None:
        show(summary(trained.scores, trained.classes))
    for path in (options.out, options.report):
        if path and path != STDIO:
            show(f"wrote {path}")
    if trained.history.stopped_by == "interrupt":
        raise KeyboardInterrupt  # everything is written; the exit status still reports the Ctrl-C
