"""``fastbp``: its commands, and how they end. Exit codes: 0 done, 1 it went wrong, 2 the command
line makes no sense."""

import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from .. import __version__
from . import demo, machine, predict, train
from .arguments import Parser, say

DESCRIPTION = "Dense networks trained by back-propagation on CPUs, from tables."
EPILOG = """\
examples:
  fastbp demo                                              see it at work
  fastbp train iris.csv --target species --hidden 64,32    a model from a table, with its score on held-out rows
  fastbp predict model.safetensors new.csv > answers.csv   what it says of other rows

'fastbp COMMAND --help' says more of each. Exit codes: 0 done, 1 it went wrong, 2 the command line makes no sense.
"""


def parser() -> Parser:
    """What the command line may be."""
    made = Parser(prog="fastbp", description=DESCRIPTION, epilog=EPILOG)
    made.add_argument("--version", action="version", version=f"fastbp {__version__}")
    commands = made.add_subparsers(metavar="COMMAND", dest="command", required=True)
    for part in (demo, train, predict, machine):
        part.add_to(commands)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the process's own by default.

    Returns
    -------
    int
        The exit code. What went wrong is on standard error, in one line.

    Raises
    ------
    KeyboardInterrupt, BrokenPipeError
        For the caller to end the process by, as `command` does.
    SystemExit
        From argparse: with 2 for a command line that makes no sense, 0 after its help.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    arguments = parser().parse_args(argv)
    arguments.argv = argv
    try:
        return arguments.run(arguments) or 0
    except BrokenPipeError:
        raise
    except OSError as error:
        named = f"{error.filename}: " * (error.filename is not None)
        message = f"{named}{error.strerror or error}"
    except (ImportError, MemoryError, ValueError) as error:
        message = str(error) or "out of memory"
    one_line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)
    say(f"fastbp {arguments.command}: error: {one_line}")
    return 1


def command() -> NoReturn:
    """The process ``fastbp``. Ctrl-C and a reader that has gone end it by the signals that shells
    know them by."""
    try:
        try:
            code = main()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # of help texts, whose reader may have gone as well
    except KeyboardInterrupt:
        say("fastbp: interrupted")
        _end_by(signal.SIGINT)
    except BrokenPipeError:
        _silence()
        _end_by(signal.SIGPIPE)
    except OSError as error:  # of a disk that is full, say
        _silence()
        say(f"fastbp: error: standard output: {error.strerror}")
        code = 1
    raise SystemExit(code)


def _silence():
    """Let what is still to be written to standard output go nowhere, or it would be tried again at
    exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end_by(number):
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
