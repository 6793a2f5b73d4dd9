"""Tables from files: CSV and Parquet by pyarrow, NPZ by NumPy."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import numpy as np

from ..preprocessing import OneHot, Scaled, number_of, quoted
from .columns import (
    NO_UTF8,
    DataError,
    LeftOutError,
    categories,
    check_useful,
    is_unicode,
    kinds,
    numbers,
    pyarrow,
    whole_numbers,
)
from .csv_file import CsvFile

MAX_PROBLEMS = 10  # columns that one message describes
MAX_EXACT = 2.0**53  # float64 has all whole numbers below


@dataclass(frozen=True)
class Selection:
    """Which columns of a table to read, and as what.

    Parameters
    ----------
    columns : mapping of str to Scaled or OneHot, optional
        By name: exactly these are read, encoded so; by default every column, as numbers or
        categories by its values, without those that are of no use as inputs.
    text : collection of str
        Columns of categories, whatever their values look like.
    number : collection of str
        Columns of numbers, whatever their values look like.
    drop : collection of str
        Columns that are not read.
    max_categories : int, optional
        The largest number of different texts in a column.
    target : str, optional
        A column that must exist.
    """

    columns: Mapping[str, Scaled | OneHot] | None = None
    text: Collection[str] = ()
    number: Collection[str] = ()
    drop: Collection[str] = ()
    max_categories: int | None = None
    target: str | None = None

    def choose(self, table: "Table", names: list[str], index: Collection[str] = ()) -> dict:
        """The columns to read among those of a table, as {name: place in a row}.

        Space around names has no meaning. Columns that are left out are noted in the table.

        Parameters
        ----------
        table : Table
        names : list of str
        index : collection of str
            Columns that are an index, such as that of a DataFrame, not data.
        """
        places: dict[str, list[int]] = {}
        for place, name in enumerate(names):
            places.setdefault(name.strip(), []).append(place)
        named = [*self.text, *self.number, *([] if self.target is None else [self.target])]
        wanted = dict.fromkeys([*(self.columns or ()), *named, *self.drop])
        absent = [name for name in wanted if not name.strip() or name.strip() not in places]
        if absent:
            raise DataError(f"{table.source}: {_absent(absent, names)}")
        dropped = {name.strip() for name in self.drop}
        if self.columns is not None:
            chosen = {name: name.strip() for name in self.columns}
        else:
            chosen = {name: name for name in places if name not in dropped}
            kept = {name.strip() for name in named}
            for name in [name for name in chosen if name not in kept]:
                if not name:
                    numbered = ", ".join(str(place + 1) for place in places[name][:MAX_PROBLEMS])
                    table.notes.append(f"column {numbered} left out: without a name")
                elif name in index:
                    table.notes.append(f"column {quoted(name)} left out: the index of a DataFrame")
                else:
                    continue
                del chosen[name]
        for name in chosen.values():
            if not is_unicode(name):
                place = places[name][0] + 1
                raise DataError(f"{table.source}, line 1, column {place}: {NO_UTF8}")
            times = len(places[name])
            if times > 1:
                raise DataError(f"{table.source}: {times} columns have the name {quoted(name)}")
        return {name: places[plain][0] for name, plain in chosen.items()}


def _absent(absent, names):
    """What is wrong if no columns have the names `absent`."""
    if not names:
        return "the first line is empty; it must name the columns"
    plural = "s" * (len(absent) > 1)
    if names[0].lower().startswith("sep="):
        return f"the first line is {quoted(names[0])} for Excel; tail -n +2 FILE is the table"
    what = f"no column{plural} {', '.join(map(quoted, absent[:MAX_PROBLEMS]))}"
    forms = {name.strip().casefold(): name for name in names}
    close = get_close_matches(absent[0].strip().casefold(), forms, n=1)
    if close:
        what += f" (close: {quoted(forms[close[0]])})"
    shown = ", ".join(map(quoted, names[:20])) + ", ..." * (len(names) > 20)
    what += f"; there are {shown}"
    separators = [c for c in ";\t|," if len(names) == 1 and c in names[0]]
    if separators:
        return f"{what}; --delimiter {quoted(separators[0])} divides the line"
    if any(number_of(name) is not None for name in names):
        what += "; the first line must name the columns"
    return what


@dataclass
class Table:
    """Columns of one length: float64 numbers, or texts of dtype object.

    Attributes
    ----------
    source : str
        The file's name in messages.
    columns : dict of str to ndarray (n,)
        Missing values are NaN and None. A target of whole numbers beyond 2**53 has dtype object.
    csv : CsvFile or None
        Finds the lines of rows.
    notes : list of str
        Remarks on how the table was read.
    """

    source: str
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    csv: CsvFile | None = None
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def missing(self, column: str) -> np.ndarray:
        """Where values of a column are missing, ndarray of bool (n,)."""
        values = self.columns[column]
        return values == None if values.dtype == object else np.isnan(values)  # noqa: E711

    def error(self, column: str, row: int, what: str) -> DataError:
        """The error of a value, `row` from 0."""
        line = f" (line {self.csv.line_of(row)})" if self.csv else ""
        return DataError(f"{self.source}, row {row + 1}{line}, column {quoted(column)}: {what}")


def imputed(counts: Mapping[Scaled | OneHot, int]) -> str:
    """What was imputed, from the number of missing values of each column; "" if nothing."""
    found = [
        f"{quoted(column.name)} {n} by {quoted(column.fill)}" + ", indicated" * column.indicator
        for column, n in counts.items()
        if n
    ]
    more = f" and {len(found) - MAX_PROBLEMS} more columns" * (len(found) > MAX_PROBLEMS)
    what = "missing values imputed by the median or the most frequent category: "
    return f"{what}{'; '.join(found[:MAX_PROBLEMS])}{more}" if found else ""


def read_table(path: str, selection: Selection, delimiter: str | None = None) -> Table:
    """The table in a file, or for "-" in the CSV on standard input.

    Messages count rows from 1, without the header. The format follows from the suffix: .parquet or
    .pq, .npz, and CSV for all others.

    Raises
    ------
    DataError
        If the file has another format, no rows or not the selected columns; or naming each column
        with a value of the wrong type, at most MAX_PROBLEMS of them.
    OSError
    ImportError
        If pyarrow is not installed.
    """
    suffix = Path(path).suffix.lower()
    table = Table(path)
    if suffix in (".parquet", ".pq"):
        columns = _parquet_columns(table, selection)
    elif suffix == ".npz":
        columns = _npz_columns(table, selection)
    else:
        table.csv = CsvFile(path, delimiter or ("\t" if suffix in (".tsv", ".tab") else ","))
        table.source = table.csv.source
        columns = table.csv.columns(selection.choose(table, table.csv.names))
    shared: dict[str, str] = {}
    problems: list[str] = []
    n_read = 0
    for name, column in columns:
        try:
            if isinstance(column, DataError):
                raise column
            n_read += len(column)
            _add_values(table, name, column, selection, shared)
        except LeftOutError as reason:
            table.notes.append(f"column {quoted(name)} left out: {reason}")
        except DataError as error:
            problems.append(str(error).removeprefix(f"{table.source}, "))
            if len(problems) == MAX_PROBLEMS:
                break
    if problems:
        raise DataError(f"{table.source}, {'; '.join(problems)}")
    if not n_read:
        raise DataError(f"{table.source}: no rows")
    return table


def _add_values(table, name, column, selection, shared):
    """Convert a column to the selected kind; by default to the kind of its values.

    In formats with types (Parquet, NPZ) a text is a category even if it is "7" or "NA".
    """
    pa = pyarrow(table.source)
    fail = partial(table.error, name)
    known = None if selection.columns is None else selection.columns[name]
    is_target = name == selection.target
    selected = {"text": name in selection.text, "number": name in selection.number}
    automatic = known is None and not any(selected.values())
    is_text = pa.types.is_binary(column.type)
    kind = "text" if is_text or pa.types.is_boolean(column.type) else "number"
    temporal = pa.types.is_temporal(column.type)
    if temporal and automatic and not is_target:
        raise LeftOutError(f"of type {column.type}; differences of dates can be numbers")
    if temporal or not (kind == "text" or _is_number(pa.types, column.type)):
        raise DataError(
            f"{table.source}, column {quoted(name)}: of type {column.type}, not numbers or text"
        )
    hint = ""
    if known:
        kind = "number" if isinstance(known, Scaled) else "text"
    elif not automatic:
        kind = "number" if selected["number"] else "text"
    elif is_text:
        kind, hint = _guess(table, name, kinds(column), fail, is_target)
    if kind == "number":
        values = numbers(column, fail, hint)
        if is_target and np.nanmax(np.abs(values), initial=0) >= MAX_EXACT:
            exact = whole_numbers(column)
            values = values if exact is None else np.array(exact, object)
        elif automatic and not is_target:
            note = check_useful(name, values)
            if note:
                table.notes.append(f"column {quoted(name)} {note}")
    else:
        values = categories(
            column,
            fail,
            shared,
            known,
            selection.max_categories,
            words=table.csv is not None and not selected["text"],
            hint=hint,
            may_leave_out=automatic and not is_target and is_text,
        )
    table.columns[name] = values
    if known and known.fill is None and table.missing(name).any():
        raise fail(int(table.missing(name).argmax()), "a missing value")


def _guess(table, name, found, fail, is_target):
    """What a column of texts is, and a hint for its errors.

    Parameters
    ----------
    found : dict of str to (int, str)
        The first row and text of each kind of text.

    Returns
    -------
    kind : "text" or "number"
    hint : str
        For a column that must not have both.
    """
    hint = f"; --text {name!r} takes all as categories, --drop {name!r} leaves it out"
    if "formatted" in found and not found.keys() & {"text", "date"}:
        row, text = found["formatted"]
        raise fail(
            row,
            f"{quoted(text)} is not written as numbers are: 1234.5, without other signs{hint}",
        )
    if list(found) == ["date"]:
        row, text = found["date"]
        if is_target:
            raise fail(row, f"{quoted(text)} is a date, which is neither a number nor a class")
        raise LeftOutError(f"dates, such as {quoted(text)}; differences of dates can be numbers")
    if not table.csv:
        return "text", ""  # the format has another type for numbers
    if "zeros" in found and not found.keys() - {"zeros", "number"}:
        text = found["zeros"][1].strip()
        table.notes.append(
            f"column {quoted(name)} taken as text, as {quoted(text)} begins with a zero; "
            f"--number {name!r} takes numbers"
        )
        return "text", ""
    first = next(iter(found), "number")
    return ("number" if first in ("number", "zeros") else "text"), hint


def _is_number(types, kind):
    return any(
        check(kind)
        for check in (types.is_integer, types.is_floating, types.is_decimal, types.is_null)
    )


def _parquet_columns(table: Table, selection: Selection) -> Iterator[tuple]:
    """(name, ChunkedArray) of each selected column, texts as bytes."""
    path = table.source
    pa = pyarrow(path)
    pq = pyarrow(path, "pyarrow.parquet")
    try:
        with open(path, "rb") as binary, pq.ParquetFile(binary) as file:
            names = file.schema_arrow.names
            chosen = selection.choose(table, names, _index_of(file.schema_arrow))
            content = file.read(columns=[names[place] for place in chosen.values()])
            for name, place in chosen.items():
                column = content[names[place]]
                kind = getattr(column.type, "value_type", column.type)  # of a dictionary
                if kind in (pa.string(), pa.large_string(), pa.string_view()):
                    column = column.cast(pa.string()).cast(pa.binary())
                yield name, column
    except pa.ArrowException as error:
        raise DataError(f"{path}: not a Parquet file that can be read: {error}") from error


def _index_of(schema):
    """The columns in which pandas has stored the index of a DataFrame."""
    try:
        columns = schema.pandas_metadata["index_columns"]
        return [name for name in columns if isinstance(name, str)]  # others are ranges
    except (KeyError, TypeError, ValueError):  # written by another program, or damaged
        return []


def _npz_columns(table: Table, selection: Selection) -> Iterator[tuple]:
    """(name, ChunkedArray) of each selected column: an array (n,), or X[0], ... of X (n, k).

    A DataError is in place of an array of a type that is neither numbers nor texts.
    """
    path = table.source
    pa = pyarrow(path)
    columns = {}
    with open(path, "rb") as file:
        try:
            arrays = np.load(file, allow_pickle=False)
            if not isinstance(arrays, np.lib.npyio.NpzFile):
                raise DataError(f"{path}: not an NPZ file, but one array, which has no name")
            for name in arrays.files:
                values = arrays[name]
                if values.ndim == 1:
                    columns[name] = values
                elif values.ndim == 2:
                    columns |= {f"{name}[{j}]": part for j, part in enumerate(values.T)}
                else:
                    raise DataError(
                        f"{path}, array {quoted(name)}: must be of shape (n,) or (n, k), "
                        f"got {values.shape}"
                    )
        except (DataError, MemoryError):
            raise
        except Exception as error:  # damage raises many kinds, of zipfile, zlib and NumPy
            raise DataError(f"{path}: not an NPZ file that can be read: {error}") from error
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{quoted(name)} {n}" for name, n in list(lengths.items())[:20])
        raise DataError(f"{path}: its arrays must have one number of rows, got {shown}")
    names = list(columns)
    for name, place in selection.choose(table, names).items():
        values = columns[names[place]]
        kind = values.dtype.kind
        if kind not in "UbfiuMm" or values.dtype == np.longdouble:
            what = f"of type {values.dtype}, not numbers or text"
            yield name, DataError(f"{path}, column {quoted(name)}: {what}")
        elif kind == "U":
            texts = pa.array(values.tolist(), pa.string()).cast(pa.binary())
            yield name, pa.chunked_array([texts])
        else:
            # Arrow has neither the byte orders nor all the units of dates
            native = values.dtype.newbyteorder("=") if kind in "bfiu" else f"{kind}8[s]"
            yield name, pa.chunked_array([pa.array(values.astype(native))])
