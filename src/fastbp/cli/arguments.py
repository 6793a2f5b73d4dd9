"""Types of command-line arguments, and a parser with errors of one line."""

import argparse
import contextlib
import errno
import math
import os
import stat
import sys
from collections.abc import Callable, Iterable
from itertools import combinations
from typing import NoReturn

from ..base import files

STDIO = "-"  # in place of a path: standard input, or output
DATA_HELP = "CSV, Parquet or NPZ file by its suffix; - reads CSV from standard input"


class UsageError(ValueError):
    """The command line is invalid, though each of its arguments is valid."""


class StoreOnce(argparse.Action):
    """The action of options with one value: a second one would replace the first in silence."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        given = namespace.__dict__.setdefault("given", set())
        if self.dest in given:
            raise argparse.ArgumentError(self, "given twice")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """A parser with literal epilogs, no abbreviations, and errors of one line."""

    def __init__(self, **settings) -> None:
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **settings
        )
        self.register("action", None, StoreOnce)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def number(
    least: float = 0, above: float = -math.inf, below: float = math.inf, kind: type = float
) -> Callable[[str], float]:
    """The argument type of finite numbers within bounds."""
    bounds = f"of at least {least:g}" if above == -math.inf else f"above {above:g}"
    bounds += f" and below {below:g}" * (below < math.inf)
    what = "a whole number" if kind is int else "a number"

    def convert(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not (max(least, above) <= value < below and value != above):
            raise argparse.ArgumentTypeError(f"must be {what} {bounds}, got {text!r}")
        return value

    return convert


def whole(least: int = 1) -> Callable[[str], float]:
    """The argument type of whole numbers of at least `least`."""
    return number(least, kind=int)


def widths(text: str) -> tuple[int, ...]:
    """The argument type of hidden layers' widths: "64,32", or "none" for no layer."""
    if text == "none":
        return ()
    try:
        values = tuple(int(part) for part in text.split(","))
    except ValueError:
        values = (0,)
    if min(values) < 1:
        raise argparse.ArgumentTypeError(f"must be widths such as 64,32, or none, got {text!r}")
    return values


def delimiter(text: str) -> str:
    """The argument type of CSV delimiters: one ASCII character, or "tab"."""
    character = "\t" if text in ("tab", "\\t") else text
    if len(character) != 1 or not character.isascii() or character in '"\r\n':
        raise argparse.ArgumentTypeError(f"must be one ASCII character, or tab, got {text!r}")
    return character


def model_path(text: str) -> str:
    """The argument type of model files, which cannot be standard input or output."""
    if text == STDIO:
        raise argparse.ArgumentTypeError("must be a file, got '-'")
    return text


def check_writable(path: str) -> None:
    """Refuse a path that cannot be written, before the work for it begins; "-" is standard output.

    Raises
    ------
    OSError
    """
    if path == STDIO:
        if sys.stdout is None:
            raise OSError(errno.EBADF, "it is closed", "standard output")
        return
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", path)
    files.check_writable(path)


def check_distinct(inputs: dict[str, str], outputs: dict[str, str | None]) -> None:
    """Refuse an output that would replace an input or another output.

    Parameters
    ----------
    inputs, outputs : dict of str to str
        Paths by the names of their arguments; "-" is standard input or output, None is no file.
        Links to one file, hard or symbolic, are that file.

    Raises
    ------
    UsageError
    """
    paths = {name: (path, _identity(path, 0)) for name, path in inputs.items()}
    paths |= {name: (path, _identity(path, 1)) for name, path in outputs.items() if path}
    for (name, (path, one)), (other, (other_path, another)) in combinations(paths.items(), 2):
        if one is not None and one == another and {name, other} & set(outputs):
            raise UsageError(
                f"{name} and {other} must be different files, got {path!r} and {other_path!r}"
            )


def _identity(path, descriptor):
    """What two paths to one file share; None for a device or a pipe."""
    try:
        found = os.fstat(descriptor) if path == STDIO else os.stat(path)
    except OSError:
        return None if path == STDIO else os.path.realpath(path)
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def write(path: str, parts: Iterable[bytes]) -> None:
    """Write the concatenated `parts` to a file, or for "-" to standard output.

    Bytes, because the encoding of standard output is that of the locale.

    Raises
    ------
    OSError
    """
    if path != STDIO:
        files.replace_file(path, parts)
        return
    sys.stdout.flush()
    if hasattr(sys.stdout, "buffer"):
        sys.stdout.buffer.writelines(parts)
    else:  # replaced by a stream of text, as in a notebook
        sys.stdout.write(b"".join(parts).decode())


def say(text: str) -> None:
    """Write a message to standard error, if possible: standard output is for results.

    A stream that is closed, full, without a reader or something else ends no training.
    """
    if sys.stderr is not None:  # print would write to standard output
        with contextlib.suppress(Exception):
            print(text, file=sys.stderr, flush=True)
