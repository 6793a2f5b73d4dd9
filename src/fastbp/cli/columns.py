"""Columns of a table as they are read, part by part: numbers or categories, and nothing in doubt."""

import math
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence

import numpy as np

from ..preprocessing import quoted, unknown_category

MISSING = frozenset({"", "?", "na", "n/a", "nan", "none", "null"})  # in lower case
LARGEST = 1e300  # beyond it arithmetic on the numbers overflows

Fail = Callable[[int, str], Exception]  # (row from 0, what is wrong) -> the error to raise


class Lines:
    """The line that each row ends in; nearly always that after the last row's, so only where it is
    not is noted."""

    def __init__(self) -> None:
        self._n, self._ahead = 0, -1
        # line = row + shift, for rows from here on
        self._from, self._shifts = array("q"), array("q")

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, row: int) -> int:
        return row + self._shifts[bisect_right(self._from, row) - 1]

    def append(self, line: int) -> None:
        """The next row ends in this line."""
        if line - self._n != self._ahead:
            self._ahead = line - self._n
            self._from.append(self._n)
            self._shifts.append(self._ahead)
        self._n += 1


class Numbers:
    """A column of numbers, 8 bytes a value."""

    different = 0  # texts

    def __init__(self, fail: Fail, hint: str = "") -> None:
        self._fail, self._hint, self._values = fail, hint, array("d")

    def add(self, values: Sequence[str] | np.ndarray) -> None:
        """Texts that are numbers, or an array of numbers."""
        if isinstance(values, np.ndarray):
            part = np.asarray(values, np.float64)
        else:
            try:
                part = np.array(list(map(float, values)))
                plain = "_" not in "".join(values)  # Python's own 1_000
            except ValueError:
                plain = False
            if not plain:
                part = np.array([self._number(i, value) for i, value in enumerate(values)])
        wrong = np.flatnonzero(~(abs(part) <= LARGEST))
        if len(wrong):
            value = float(part[wrong[0]])
            what = (
                "a missing value"
                if math.isnan(value)
                else f"{value} is not finite, or too large to compute with"
            )
            raise self._fail(len(self._values) + int(wrong[0]), what)
        self._values.frombytes(np.ascontiguousarray(part).tobytes())

    def _number(self, i, text):
        number = number_of(text)
        if number is None:
            row = len(self._values) + i
            raise self._fail(
                row,
                missing(text)
                or f"{quoted(text)} is not a number, as the column's others are{self._hint}",
            )
        return number

    def values(self) -> np.ndarray:
        """The numbers (n,), float64."""
        return np.frombuffer(self._values, np.float64)


class Texts:
    """A column of categories, 4 bytes a value.

    Parameters
    ----------
    known : set of str, optional
        The only categories there may be.
    most : int, optional
        As many different ones there may be.
    hint : str
        What to do about a number, or a text such as "NA"; without it they are categories like
        others.
    """

    def __init__(
        self, fail: Fail, known: set[str] | None, most: int | None, hint: str = ""
    ) -> None:
        self._fail, self._known, self._most, self._hint = fail, known, most, hint
        self._codes, self._place = array("i"), dict[str, int]()

    def add(self, values: Sequence[str] | np.ndarray) -> None:
        """Texts, or an array of what is to be texts."""
        texts = list(map(str, values.tolist())) if isinstance(values, np.ndarray) else values
        for text in dict.fromkeys(texts):  # each different one, in order
            if text not in self._place:
                what = self._wrong(text)
                if what:
                    raise self._fail(len(self._codes) + texts.index(text), what)
                self._place[text] = len(self._place)
        self._codes.extend([self._place[text] for text in texts])

    @property
    def different(self) -> int:
        """How many different texts there are so far."""
        return len(self._place)

    def _wrong(self, text):
        """What is wrong with a text that has not been met before; None if nothing is."""
        what = missing(text)
        if what and (self._hint or not text.strip()):
            return what + self._hint * bool(text.strip())
        if self._known is not None and text not in self._known:
            return unknown_category(text, sorted(self._known))
        if any("\ud800" <= c <= "\udfff" for c in text):
            return "text that is not UTF-8"
        if self._hint and number_of(text) is not None:
            return f"{quoted(text)} is a number, and the column's others are text{self._hint}"
        if len(self._place) == self._most:
            return f"more than {self._most} different texts so far; --drop leaves the column out, --max-categories allows more"
        return None

    def values(self) -> np.ndarray:
        """The texts (n,), of dtype object, each different one there only once."""
        return np.array([*self._place, None], object)[:-1][np.frombuffer(self._codes, np.intc)]


def number_of(text: str) -> float | None:
    """The number that a text is, or None."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def missing(text: str) -> str:
    """What is wrong with a text that stands for a missing value; "" if it does not."""
    if not text.strip():
        return "a missing value"
    return f"{quoted(text)} stands for a missing value" if text.strip().lower() in MISSING else ""
