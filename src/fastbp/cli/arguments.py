"""Types of command-line arguments, and a parser with errors of one line."""

import argparse
import math
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from ..base import files

DATA_HELP = "CSV, Parquet or NPZ file by its suffix; - reads CSV from standard input"


class Parser(argparse.ArgumentParser):
    """A parser with literal epilogs, no abbreviations, and errors of one line."""

    def __init__(self, **settings) -> None:
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **settings
        )

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
    if text == "-":
        raise argparse.ArgumentTypeError("must be a file, got '-'")
    return text


def check_writable(path: str) -> None:
    """Refuse a path, unless it is "-", that cannot be written, before the work for it begins.

    Raises
    ------
    OSError
    """
    if os.path.isdir(path):
        raise IsADirectoryError(21, "it is a folder", path)
    if path != "-":
        files.check_writable(path)


def say(text: str) -> None:
    """Write a message to standard error: standard output is for results."""
    print(text, file=sys.stderr, flush=True)
