"""Numbers, counts and sums as text, and numbers put in the place of a formula's symbols."""

import re
import sys

ELLIPSIS = "…"
_ASCII = str.maketrans(
    {"Σ": "sum", "·": "*", "½": "1/2", "²": "^2", "√": "sqrt ", "≤": "<=", ELLIPSIS: "..."}
)


def number(value):
    """A number that stands alone, with eight digits."""
    return f"{value + 0.0:.8g}"  # + 0.0 turns -0 into 0


def counted(n, what):
    """A number of things: "1 epoch", "1,000 epochs"."""
    return f"{n:,} {what}{'s' * (n != 1)}"


def factor(value):
    """A number within a formula: a negative one in parentheses."""
    text = number(value)
    return f"({text})" if text.startswith("-") else text


def total(terms, shown):
    """Terms joined to a sum; those after the first `shown` are only counted."""
    terms = list(terms)
    left_out = len(terms) - shown
    if left_out > 0:
        terms[shown:] = [f"{ELLIPSIS} ({left_out} more)"]
    return " + ".join(terms) or "0"


def put_in(formula, **values):
    """The formula with a number in the place of each symbol, a single letter.

    A negative number is put in parentheses unless it begins an argument or a modulus: ``exp(-2)``,
    but ``3·(-2)``. Of ``A if z > 0 else B`` the case that applies is used.
    """
    above, _, below = formula.partition(" if z > 0 else ")
    text = below if below and not values["z"] > 0 else above
    for symbol, value in values.items():
        word = rf"(?<![A-Za-z]){symbol}(?![A-Za-z])"
        text = re.sub(rf"(?<=[(|]){word}|(?<=, ){word}", number(value), text)
        text = re.sub(word, factor(value), text)
    return text


def printable(text):
    """The text, in ASCII if standard output lacks a character of it, as a pipe on Windows, in code
    page 1252, lacks Σ: ``print`` would raise an error."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return text.translate(_ASCII)
    return text
