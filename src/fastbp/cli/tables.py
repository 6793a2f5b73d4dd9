"""Tables from files: CSV and Parquet by pyarrow, NPZ by NumPy."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from ..preprocessing import OneHot, Scaled, quoted
from .columns import DataError, categories, missing, number_of, numbers, parts, pyarrow, texts
from .csv_file import CsvFile


@dataclass(frozen=True)
class Selection:
    """Which columns of a table to read, and as what.

    Parameters
    ----------
    columns : mapping of str to Scaled or OneHot, optional
        By name: exactly these are read, encoded so; by default every column, as numbers or
        categories by its first value.
    text : collection of str
        Columns of categories, whatever their values look like.
    drop : collection of str
        Columns that are not read.
    max_categories : int, optional
        The largest number of different texts in a column.
    target : str, optional
        A column that must exist.
    """

    columns: Mapping[str, Scaled | OneHot] | None = None
    text: Collection[str] = ()
    drop: Collection[str] = ()
    max_categories: int | None = None
    target: str | None = None

    def choose(self, source: str, names: list[str]) -> list[str]:
        """The columns to read among those of a table."""
        counts = Counter(names)
        for name, times in counts.most_common(1):
            if times > 1:
                raise DataError(f"{source}: {times} columns have the name {quoted(name)}")
        target = [] if self.target is None else [self.target]
        for name in [*(self.columns or ()), *self.text, *self.drop, *target]:
            if name not in counts:
                shown = ", ".join(map(quoted, names[:20])) + ", ..." * (len(names) > 20)
                raise DataError(f"{source}: no column {quoted(name)}; there are {shown}")
        if self.columns is not None:
            return list(self.columns)
        return [name for name in names if name not in self.drop]


@dataclass
class Table:
    """Columns of one length: float64 numbers, or texts of dtype object.

    Attributes
    ----------
    source : str
        The file's name in messages.
    columns : dict of str to ndarray (n,)
    csv : CsvFile or None
        Finds the lines of rows.
    """

    source: str
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    csv: CsvFile | None = None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def error(self, column: str, row: int, what: str) -> DataError:
        """The error of a value, `row` from 0."""
        line = f" (line {self.csv.line_of(row)})" if self.csv else ""
        return DataError(f"{self.source}, row {row + 1}{line}, column {quoted(column)}: {what}")


def read_table(path: str, selection: Selection, delimiter: str | None = None) -> Table:
    """The table in a file, or for "-" in the CSV on standard input.

    Messages count rows from 1, without the header. The format follows from the suffix: .parquet or
    .pq, .npz, and CSV for all others.

    Raises
    ------
    DataError
        If the file has another format, no rows, not the selected columns, or a value that is
        missing or of the wrong type.
    OSError
    ImportError
        If pyarrow is not installed.
    """
    suffix = Path(path).suffix.lower()
    table = Table(path)
    if suffix in (".parquet", ".pq"):
        columns = _parquet_columns(path, selection)
    elif suffix == ".npz":
        columns = _npz_columns(path, selection)
    else:
        table.csv = CsvFile(path, delimiter or ("\t" if suffix in (".tsv", ".tab") else ","))
        table.source = table.csv.source
        chosen = selection.choose(table.source, table.csv.names)
        columns = table.csv.columns(chosen)
    shared: dict[str, str] = {}
    for name, column in columns:
        table.columns[name] = _values(table, name, column, selection, shared)
    if not len(table):
        raise DataError(f"{table.source}: no rows")
    return table


def _values(table, name, column, selection, shared):
    """The values of a column of the selected kind; by default of the kind of its first value.

    In formats with types (Parquet, NPZ) a text is a category even if it is "7" or "NA".
    """
    fail = partial(table.error, name)
    if column.null_count:
        raise fail(column.is_null().to_pylist().index(True), "a missing value")
    known = None if selection.columns is None else selection.columns[name]
    hint = ""
    if known or name in selection.text:
        is_number = isinstance(known, Scaled)
    elif table.csv:
        hint = f"; --text {name!r} takes all as categories"
        values = (text for _, part in parts(column) for text in texts(part))
        first = next((text for text in values if not missing(text)), "0")
        is_number = number_of(first) is not None
    else:
        is_number = _is_number(pyarrow(table.source).types, column.type)
    if is_number:
        return numbers(column, fail, hint)
    allowed = set(map(str, known.categories)) if isinstance(known, OneHot) else None
    return categories(column, fail, shared, allowed, selection.max_categories, hint)


def _is_number(types, kind):
    return types.is_integer(kind) or types.is_floating(kind)


def _parquet_columns(path: str, selection: Selection) -> Iterator[tuple]:
    """(name, ChunkedArray) of each selected column."""
    pa = pyarrow(path)
    pq = pyarrow(path, "pyarrow.parquet")
    try:
        with open(path, "rb") as binary, pq.ParquetFile(binary) as file:
            chosen = selection.choose(path, file.schema_arrow.names)
            table = file.read(columns=chosen)
            for name in chosen:
                column = table[name]
                kind = getattr(column.type, "value_type", column.type)  # of a dictionary
                is_text = kind in (pa.string(), pa.large_string(), pa.string_view())
                is_plain = is_text or pa.types.is_boolean(kind) or _is_number(pa.types, kind)
                if not is_plain or pa.types.is_nested(column.type):
                    raise DataError(
                        f"{path}, column {quoted(name)}: of type {column.type}, not numbers or text"
                    )
                yield name, column.cast(pa.string()).cast(pa.binary()) if is_text else column
    except pa.ArrowException as error:
        raise DataError(f"{path}: not a Parquet file that can be read: {error}") from error


def _npz_columns(path: str, selection: Selection) -> Iterator[tuple]:
    """(name, ChunkedArray) of each selected column: an array (n,), or X[0], ... of X (n, k)."""
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
    for name in selection.choose(path, list(columns)):
        values = columns[name]
        kind = values.dtype.kind
        if kind not in "Ubfiu" or values.dtype == np.longdouble:
            raise DataError(
                f"{path}, column {quoted(name)}: of type {values.dtype}, not numbers or text"
            )
        native = values.astype(values.dtype.newbyteorder("="))
        yield name, pa.chunked_array([pa.array(native.tolist() if kind == "U" else native)])
