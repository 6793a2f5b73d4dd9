"""The command ``fastbp``: its subcommands and how they end.

Exit codes: 0 success, 1 failure, 2 an invalid command line.
"""

import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from .. import __version__
from . import demo, machine, predict, train
from .arguments import Parser, UsageError, say

# The exit code of a process that Ctrl-C ended on Windows, where a process cannot send itself the
# signal: STATUS_CONTROL_C_EXIT as a signed number.
CONTROL_C_EXIT = 0xC000013A - (1 << 32)

DESCRIPTION = "Train dense networks by back-propagation on CPUs, from tables."
EPILOG = """\
examples:
  fastbp demo                                             a first example, in a few seconds
  fastbp train iris.csv --target species --hidden 64,32   a model from a table, and its score
  fastbp predict model.safetensors new.csv > answers.csv  its predictions for other rows

'fastbp COMMAND --help' describes each. Exit codes: 0 success, 1 failure, 2 an invalid command line.
"""


def parser() -> Parser:
    """The parser of the command line."""
    made = Parser(prog="fastbp", description=DESCRIPTION, epilog=EPILOG)
    made.add_argument("--version", action="version", version=f"fastbp {__version__}")
    commands = made.add_subparsers(metavar="COMMAND", dest="command", required=True)
    for module in (demo, train, predict, machine):
        module.add_to(commands)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; by default that of the process.

    Returns
    -------
    int
        The exit code. A failure is described on standard error, in one line.

    Raises
    ------
    KeyboardInterrupt, BrokenPipeError
        `command` turns them into signals.
    SystemExit
        From argparse: with 2 for an invalid command line, 0 after its help.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    arguments = parser().parse_args(argv)
    arguments.argv = argv
    arguments.main = main  # for a command that runs others
    code = 1
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused by name
            return arguments.run(arguments) or 0
    except BrokenPipeError:
        raise
    except UsageError as error:
        message = f"{error} (see fastbp {arguments.command} --help)"
        code = 2
    except OSError as error:
        named = f"{error.filename}: " * (error.filename is not None)
        message = f"{named}{error.strerror or error}"
    except (ImportError, MemoryError, ValueError) as error:
        message = str(error) or "out of memory"
    one_line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)
    say(f"fastbp {arguments.command}: error: {one_line}")
    return code


def command() -> NoReturn:
    """The process ``fastbp``.

    Ctrl-C ends it by SIGINT and a closed standard output by SIGPIPE, as shells expect. On Windows
    the exit codes are STATUS_CONTROL_C_EXIT, as of Python itself, and 1. Characters that the
    encoding of the terminal lacks are written as escapes.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            code = main()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # its reader may have closed it, after help texts as well
    except KeyboardInterrupt:
        say("fastbp: interrupted")
        code = _end_by("SIGINT", CONTROL_C_EXIT)
    except BrokenPipeError:
        _discard_output()
        code = _end_by("SIGPIPE", 1)
    except OSError as error:  # such as a full disk
        _discard_output()
        say(f"fastbp: error: standard output: {error.strerror}")
        code = 1
    raise SystemExit(code)


def _discard_output():
    """Send the rest of standard output nowhere: Python would try to write it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end_by(name, code):
    """End the process by a signal. On Windows, where that is not possible, return its exit code."""
    if sys.platform != "win32":
        number = getattr(signal, name)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return code
