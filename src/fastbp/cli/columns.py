"""Arrow columns as numbers or categories; doubtful values are errors, useless columns left out."""

import re
from collections.abc import Callable, Iterator

import numpy as np

from ..base.optional import require
from ..preprocessing import OneHot, number_of, quoted, unknown_category

# in lower case
MISSING = frozenset({"", ".", "?", "#n/a", "<na>", "na", "n/a", "nan", "none", "null"})
MAX_ABS = 1e300  # sums and squares of larger numbers overflow
MAX_TEXTS = 80_000  # different ones in a table; no model file has space for more
ROWS = 4096  # converted at once: Python texts take over ten times their size in the file
MIN_IDENTIFIERS = 20  # fewer different texts may be names of things that come again
NO_UTF8 = "text that is not UTF-8; iconv -f latin1 -t utf-8 converts Latin-1"
LEADING_ZERO = r"\s*[+-]?0[0-9]+\s*"  # of a whole number: 007, not 0.07
SIGNS = str.maketrans("", "", "%$€£¥ ,()'\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}")
MONTH = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[.,]?"
DATE = re.compile(
    r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([ T]+\d{1,2}:\d\d.*)?|(19|20)\d\d-\d\d|\d{1,2}:\d\d(:\d\d.*)?"
    rf"|\d{{1,2}}[. -]+{MONTH}[ -]+\d{{2,4}}.*|{MONTH} \d{{1,2}},? \d{{4}}.*",
    re.IGNORECASE,
)
IDENTIFIER_NAME = re.compile(  # customer_id and CustomerId, but not paid
    r"(?i:(.*[\W_])?(id|uuid|guid)|index|unnamed: \d+)|.*[a-z]I[dD]"
)


class DataError(ValueError):
    """Something is wrong with the user's data; the message says where."""


class LeftOutError(Exception):
    """A column is of no use as an input; the message says why."""


Fail = Callable[[int, str], Exception]  # (row from 0, what is wrong) -> the error to raise


def pyarrow(source: str, module: str = "pyarrow"):
    """A module of pyarrow, which reads `source`."""
    return require(module, f"reading {source}", "'fastbp[cli]'")


def parts(column) -> Iterator[tuple]:
    """(first row, values) of at most ROWS rows each."""
    for first in range(0, len(column), ROWS):
        yield first, column.slice(first, ROWS).combine_chunks()


def texts(values) -> list[str | None]:
    """Values as texts; bytes that are not UTF-8 become surrogates, nulls None."""
    return [
        value.decode("utf-8", "surrogateescape")
        if isinstance(value, bytes)
        else None
        if value is None
        else str(value)
        for value in values.to_pylist()
    ]


def kinds(column) -> dict[str, tuple[int, str]]:
    """The first (row, text) of each kind of text in a column of bytes, in the order of rows.

    "zeros" are whole numbers with leading zeros, "formatted" numbers with signs that programs do
    not read, such as "1,234", "12%" or "$5"; missing values have no kind. The search ends at a
    "text", behind which no other kind matters.
    """
    pa = pyarrow("a table")
    compute = pyarrow("a table", "pyarrow.compute")
    found: dict[str, tuple[int, str]] = {}
    for first, values in parts(column):
        try:
            values.cast(pa.string()).cast(pa.float64())
            zeros = compute.match_substring_regex(values, f"^{LEADING_ZERO}$")
            if not compute.any(zeros).as_py():
                found.setdefault("number", (first, ""))
                continue
        except pa.ArrowInvalid:
            pass  # not numbers alone
        encoded = values.dictionary_encode(null_encoding="encode")
        codes = np.from_dlpack(encoded.indices)
        for i, text in enumerate(texts(encoded.dictionary)):
            text = text or ""  # of a null
            kind = _kind_of(text)
            if kind and kind not in found:
                found[kind] = (first + int(np.argmax(codes == i)), text)
        if "text" in found:
            break
    return found


def _kind_of(text):
    if missing(text):
        return None
    if re.fullmatch(LEADING_ZERO, text):
        return "zeros"
    if number_of(text) is not None:
        return "number"
    if DATE.fullmatch(text.strip()):
        return "date"
    return "text" if number_of(text.translate(SIGNS)) is None else "formatted"


def numbers(column, fail: Fail, hint: str = "") -> np.ndarray:
    """The numbers of a column of numbers or of bytes.

    Parameters
    ----------
    column : pyarrow.ChunkedArray (n,)
    fail : callable
        Makes the error of a row.
    hint : str
        What an error about a text recommends.

    Returns
    -------
    ndarray of float64 (n,)
        NaN for missing values.
    """
    pa = pyarrow("a table")
    result = np.empty(len(column))
    for first, values in parts(column):
        place = slice(first, first + ROWS)
        try:
            if pa.types.is_binary(column.type):
                values = values.cast(pa.string())
            values = values.cast(pa.float64(), safe=False)
            # to_numpy would import pandas
            result[place] = np.from_dlpack(
                values.fill_null(np.nan) if values.null_count else values
            )
        except pa.ArrowInvalid:  # missing values, and what Python accepts, such as a minus sign
            for row, text in enumerate(texts(column.slice(first, ROWS)), first):
                number = np.nan if text is None or missing(text) else number_of(text)
                if text is not None and number is None:
                    what = f"{quoted(text)} is not a number, as the column's others are{hint}"
                    raise fail(row, what if is_unicode(text) else f"{what}: {NO_UTF8}") from None
                result[row] = number
        wrong = np.flatnonzero(abs(result[place]) > MAX_ABS)
        if len(wrong):
            row = first + int(wrong[0])
            raise fail(row, f"{result[row]} is not finite, or too large to compute with")
    return result


def whole_numbers(column) -> list[int | None] | None:
    """The values of a column of whole numbers (n,), of any size; None for other columns."""
    try:
        return [None if text is None or missing(text) else int(text) for text in texts(column)]
    except ValueError:
        return None


def categories(
    column,
    fail: Fail,
    shared: dict[str, str],
    known: OneHot | None = None,
    max_categories: int | None = None,
    words: bool = True,
    hint: str = "",
    may_leave_out: bool = False,
) -> np.ndarray:
    """The texts of a column, without space around them and with one kind of line end.

    Parameters
    ----------
    column : pyarrow.ChunkedArray (n,)
    fail : callable
        Makes the error of a row.
    shared : dict of str to str
        The different texts of all columns so far; new ones are added.
    known : OneHot, optional
        The only categories allowed; by default all.
    max_categories : int, optional
        The largest number of different texts in the column.
    words : bool
        Whether a text such as "NA" is a missing value, as a blank one is.
    hint : str
        What an error about a number recommends; without it numbers are categories like others.
    may_leave_out : bool
        Whether a column is left out in which texts are identifiers.

    Returns
    -------
    ndarray of object (n,)
        None for missing values.

    Raises
    ------
    LeftOutError
    """
    allowed = known and set(known.categories)

    def category(text, row):
        """The category of a text; None if it is missing."""
        if text is None:
            return None
        plain = text.strip().replace("\r\n", "\n")
        if allowed:
            # models of earlier versions have space around their categories
            for form in (text, plain, *_spellings(plain)):
                if form in allowed:
                    return form
        if not plain or (words and missing(plain)):
            return None
        what = ""
        if not is_unicode(plain):
            what = NO_UTF8
        elif allowed:
            what = unknown_category(plain, sorted(allowed))
        elif hint and number_of(plain) is not None:
            what = f"{quoted(plain)} is a number, and the column's others are text{hint}"
        elif plain not in found and len(found) == max_categories:
            if may_leave_out and _mostly_different(column):
                raise LeftOutError("most rows have a text of their own")
            what = (
                f"more than {max_categories} different texts so far; "
                "--drop leaves the column out, --max-categories allows more"
            )
        elif len(shared) == MAX_TEXTS and plain not in shared:
            what = f"more than {MAX_TEXTS} different texts in the table; --drop leaves a column out"
        if what:
            raise fail(row, what)
        found.add(plain)
        return shared.setdefault(plain, plain)

    result = np.empty(len(column), object)
    found: set[str] = set()
    for first, values in parts(column):
        encoded = values.dictionary_encode(null_encoding="encode")
        codes = np.from_dlpack(encoded.indices)
        kept = np.empty(len(encoded.dictionary), object)
        for i, text in enumerate(texts(encoded.dictionary)):
            kept[i] = category(text, first + int(np.argmax(codes == i)))
        result[first : first + ROWS] = kept[codes]
    if may_leave_out and MIN_IDENTIFIERS <= len(found) == np.count_nonzero(result):
        raise LeftOutError("each row has a text of its own")
    return result


def _spellings(text):
    """Of a flag: formats and programs write it in their own ways."""
    is_flag = text.lower() in ("true", "false")
    return [text.lower(), text.upper(), text.capitalize()] if is_flag else []


def _mostly_different(column):
    """Whether more than half of the values that are not blank are different."""
    compute = pyarrow("a table", "pyarrow.compute")
    blank = compute.sum(compute.equal(compute.binary_length(column), 0)).as_py() or 0
    return 2 * len(column.unique()) > len(column) - column.null_count - blank


def check_useful(name: str, values: np.ndarray) -> str:
    """A remark on a column of numbers that may be identifiers; "" if they are not.

    Parameters
    ----------
    name : str
    values : ndarray (n,)
        NaN for missing values.

    Raises
    ------
    LeftOutError
        If they are the numbers of a column of identifiers, or dates such as 20260131.
    """
    with np.errstate(all="ignore"):
        whole = len(values) > 1 and bool((np.floor(values) == values).all())
        if not whole:
            return ""
        if IDENTIFIER_NAME.fullmatch(name):
            if len(np.unique(values)) == len(values):
                raise LeftOutError("an identifier by its name, and each row has its own number")
            return f"is an identifier by its name; --text {name!r} makes it categories"
        month = values // 100 % 100
        day = values % 100
        years = (values >= 19e6) & (values < 21e6)
        if (years & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all():
            raise LeftOutError(f"its numbers are dates, such as {values[0]:.0f}")
        counts = values[0] in (0, 1) and bool((np.diff(values) == 1).all())
    if counts and len(values) >= MIN_IDENTIFIERS:
        return f"counts the rows; --drop {name!r} leaves it out if it is an identifier"
    return ""


def missing(text: str) -> bool:
    """Whether a text represents a missing value."""
    return text.strip().lower() in MISSING


def is_unicode(text: str) -> bool:
    """Whether a text that was decoded with "surrogateescape" was UTF-8."""
    return not any("\ud800" <= c <= "\udfff" for c in text)
