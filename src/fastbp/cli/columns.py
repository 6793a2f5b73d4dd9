"""Arrow columns as numbers or categories; doubtful values are errors."""

from collections.abc import Callable, Iterator

import numpy as np

from ..base.optional import require
from ..preprocessing import quoted, unknown_category

MISSING = frozenset({"", "?", "na", "n/a", "nan", "none", "null"})  # in lower case
MAX_ABS = 1e300  # sums and squares of larger numbers overflow
MAX_TEXTS = 80_000  # different ones in a table; no model file has space for more
ROWS = 4096  # converted at once: Python texts take over ten times their size in the file


class DataError(ValueError):
    """Something is wrong with the user's data; the message says where."""


Fail = Callable[[int, str], Exception]  # (row from 0, what is wrong) -> the error to raise


def pyarrow(source: str, module: str = "pyarrow"):
    """A module of pyarrow, which reads `source`."""
    return require(module, f"reading {source}", "'fastbp[cli]'")


def parts(column) -> Iterator[tuple]:
    """(first row, values) of at most ROWS rows each."""
    for first in range(0, len(column), ROWS):
        yield first, column.slice(first, ROWS).combine_chunks()


def texts(values) -> list[str]:
    """Values as texts; bytes that are not UTF-8 become surrogates."""
    return [
        value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
        for value in values.to_pylist()
    ]


def numbers(column, fail: Fail, hint: str = "") -> np.ndarray:
    """The numbers (n,) of a column of numbers or of bytes, float64.

    Parameters
    ----------
    column : pyarrow.ChunkedArray (n,)
    fail : callable
        Makes the error of a row.
    hint : str
        What an error about a text recommends.
    """
    pa = pyarrow("a table")
    result = np.empty(len(column))
    for first, values in parts(column):
        place = slice(first, first + ROWS)
        try:
            if pa.types.is_binary(column.type):
                values = values.cast(pa.string())
            result[place] = np.from_dlpack(values.cast(pa.float64(), safe=False))
        except pa.ArrowInvalid:  # Python accepts more, such as space around a number
            for row, text in enumerate(texts(column.slice(first, ROWS)), first):
                number = number_of(text)
                if number is None:
                    what = f"{quoted(text)} is not a number, as the column's others are{hint}"
                    raise fail(row, missing(text) or what) from None
                result[row] = number
        wrong = np.flatnonzero(~(abs(result[place]) <= MAX_ABS))
        if len(wrong):
            row = first + int(wrong[0])
            what = f"{result[row]} is not finite, or too large to compute with"
            raise fail(row, "a missing value" if np.isnan(result[row]) else what)
    return result


def categories(
    column,
    fail: Fail,
    shared: dict[str, str],
    allowed: set[str] | None = None,
    max_categories: int | None = None,
    hint: str = "",
) -> np.ndarray:
    """The texts (n,) of a column, of dtype object.

    Parameters
    ----------
    column : pyarrow.ChunkedArray (n,)
    fail : callable
        Makes the error of a row.
    shared : dict of str to str
        The different texts of all columns so far; new ones are added.
    allowed : set of str, optional
        The only categories allowed; by default all.
    max_categories : int, optional
        The largest number of different texts in the column.
    hint : str
        What an error about a number, or a text such as "NA", recommends; without it these are
        categories like others.
    """

    def complaint(text):
        what = missing(text)
        if what and (hint or not text.strip()):
            return what + hint * bool(text.strip())
        if allowed is not None and text not in allowed:
            return unknown_category(text, sorted(allowed))
        if not is_unicode(text):
            return "text that is not UTF-8"
        if hint and number_of(text) is not None:
            return f"{quoted(text)} is a number, and the column's others are text{hint}"
        if len(found) == max_categories:
            return (
                f"more than {max_categories} different texts so far; "
                "--drop leaves the column out, --max-categories allows more"
            )
        if len(shared) == MAX_TEXTS and text not in shared:
            return f"more than {MAX_TEXTS} different texts in the table; --drop leaves a column out"
        return None

    result = np.empty(len(column), object)
    found = set()
    for first, values in parts(column):
        encoded = values.dictionary_encode()
        codes = np.from_dlpack(encoded.indices)
        different = texts(encoded.dictionary)
        for i, text in enumerate(different):
            if text not in found:
                what = complaint(text)
                if what:
                    raise fail(first + int(np.argmax(codes == i)), what)
                found.add(text)
            different[i] = shared.setdefault(text, text)
        result[first : first + ROWS] = np.array(different, object)[codes]
    return result


def number_of(text: str) -> float | None:
    """The number that a text represents, or None."""
    try:
        return None if "_" in text else float(text)  # float accepts 1_000
    except ValueError:
        return None


def missing(text: str) -> str:
    """What is wrong with a text that represents a missing value; "" if it does not."""
    if not text.strip():
        return "a missing value"
    is_missing = text.strip().lower() in MISSING
    return f"{quoted(text)} stands for a missing value" if is_missing else ""


def is_unicode(text: str) -> bool:
    """Whether a text that was decoded with "surrogateescape" was UTF-8."""
    return not any("\ud800" <= c <= "\udfff" for c in text)
