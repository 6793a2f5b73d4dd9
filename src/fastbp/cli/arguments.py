"""What the commands' arguments may be, and a parser that says what is wrong in one line."""

import argparse
import math
import os
import sys
from pathlib import Path
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """argparse's, with examples kept as they are written, no abbreviations, and errors in one line."""

    def __init__(self, **settings) -> None:
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **settings
        )

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def whole(least: int = 1):
    """A type of arguments: whole numbers of at least this."""

    def convert(text):
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(
                f"must be a whole number of at least {least}, got {text!r}"
            )
        return number

    return convert


def number(least: float = 0.0, above: float = -math.inf, below: float = math.inf):
    """A type of arguments: finite numbers within these bounds."""
    bounds = f"at least {least:g}" if above == -math.inf else f"above {above:g}"
    bounds += f" and below {below:g}" * (below < math.inf)

    def convert(text):
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (max(least, above) <= value < below and value != above):
            raise argparse.ArgumentTypeError(f"must be a number {bounds}, got {text!r}")
        return value

    return convert


def widths(text: str) -> list[int]:
    """Widths of hidden layers, "64,32"; "none" for no such layer."""
    if text == "none":
        return []
    try:
        values = [int(part) for part in text.split(",")]
    except ValueError:
        values = [0]
    if min(values) < 1:
        raise argparse.ArgumentTypeError(f"must be widths such as 64,32, or none, got {text!r}")
    return values


def character(text: str) -> str:
    """A delimiter: one character, or "tab"."""
    text = "\t" if text in ("tab", "\\t") else text
    if len(text) != 1 or text in '"\r\n':
        raise argparse.ArgumentTypeError(f"must be one character, or tab, got {text!r}")
    return text


def model_path(text: str) -> str:
    """A model's file, which cannot be standard input or output."""
    if text == "-":
        raise argparse.ArgumentTypeError("must be a file, got '-'")
    return text


def check_writable(path: str) -> None:
    """Whether `path`, unless it is "-", can be written to: looked at before hours are spent on what
    is to stand there.

    Raises
    ------
    OSError
    """
    target = Path(os.path.realpath(path))
    if path == "-":
        return
    if target.is_dir():
        raise IsADirectoryError(21, "it is a folder", path)
    if not target.parent.is_dir():
        raise FileNotFoundError(2, "its folder is not there", path)
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise PermissionError(13, "its folder may not be written to", path)


def say(text: str) -> None:
    """A line for people, on standard error: standard output is for results."""
    print(text, file=sys.stderr, flush=True)
