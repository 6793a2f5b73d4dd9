"""Tables from files: CSV by the standard library, Parquet by pyarrow, NPZ by NumPy; what is wrong
in one is said in a line."""

import csv
import io
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..preprocessing import OneHot, Scaled, quoted
from .columns import Lines, Numbers, Texts, missing, number_of

STDIN = "-"
ROWS = 4096  # read together, or as many of CSV as have
# values, which take ten and more times their place in the file while they are texts
CELLS = 1 << 16
# More has no room in a model file, and what a name, a column or a text takes beside its characters
# would be most of the memory.
MAX_LINE = 1 << 20  # characters
MAX_COLUMNS = 1 << 14
MAX_TEXTS = 80_000  # different ones, over all columns
FORMATS = {".parquet": "parquet", ".pq": "parquet", ".npz": "npz"}  # everything else is CSV


class DataError(ValueError):
    """Something is wrong with the user's data; the message says where."""


@dataclass(frozen=True)
class Wanted:
    """What to make of a table's columns.

    Parameters
    ----------
    columns : mapping of str to Scaled or OneHot, optional
        By name: all that is read, as these say; by default every column, numbers or texts as its
        first value is.
    text : collection of str
        Columns of categories, whatever they look like.
    drop : collection of str
        Columns that are not read.
    most : int
        Different texts in a column.
    target : str, optional
        This column must be there.
    """

    columns: Mapping[str, Scaled | OneHot] | None = None
    text: Collection[str] = ()
    drop: Collection[str] = ()
    most: int | None = None
    target: str | None = None

    def check(self, source: str, names: list[str]) -> list[str]:
        """The names of columns to read among those of a table."""
        there = Counter(names)
        name, times = there.most_common(1)[0] if there else ("", 0)
        if times > 1:
            raise DataError(f"{source}: {times} columns have the name {quoted(name)}")
        for name in [*(self.columns or ()), *self.text, *self.drop] + [self.target] * (
            self.target is not None
        ):
            if name not in there:
                shown = ", ".join(map(quoted, names[:20])) + ", ..." * (len(names) > 20)
                raise DataError(f"{source}: no column {quoted(name)}; there are {shown}")
        if self.columns is not None:
            return list(self.columns)
        return [name for name in names if name not in self.drop]


@dataclass
class Table:
    """Columns of one length: float64 numbers or texts of dtype object.

    Attributes
    ----------
    source : str
        Its file, as messages name it.
    lines : Lines
        The line of a CSV file that each row ends in; empty for other formats.
    """

    source: str
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    lines: Lines = field(default_factory=Lines)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def error(self, column: str, row: int, what: str) -> DataError:
        """What is wrong with a value, `row` from 0."""
        line = f" (line {self.lines[row]})" if row < len(self.lines) else ""
        return DataError(f"{self.source}, row {row + 1}{line}, column {quoted(column)}: {what}")


def read_table(path: str, wanted: Wanted, delimiter: str | None = None) -> Table:
    """The table in a file, or for "-" in the CSV on standard input. Rows are counted from 1, the
    header not among them.

    Raises
    ------
    DataError
        If the file is none of its kind, has no rows, lacks a column that is wanted, or a value is
        missing or of the wrong type.
    OSError
    ImportError
        If it is Parquet and pyarrow is not installed.
    """
    kind = FORMATS.get(Path(path).suffix.lower(), "csv")
    table = Table("standard input" if path == STDIN else path)
    if path == STDIN or kind == "csv":
        delimiter = delimiter or ("\t" if path.lower().endswith((".tsv", ".tab")) else ",")
        with _text(path) as file:
            _read_csv(file, delimiter, wanted, table)
    else:
        (_read_parquet if kind == "parquet" else _read_npz)(path, wanted, table)
    if not len(table):
        raise DataError(f"{table.source}: no rows")
    return table


@contextmanager
def _text(path):
    """A file or standard input as text. Bytes that are not UTF-8 become surrogates, which the
    columns find."""
    if path == STDIN and sys.stdin is None:
        raise DataError("standard input is closed")
    with nullcontext(sys.stdin.buffer) if path == STDIN else open(path, "rb") as binary:
        file = io.TextIOWrapper(binary, encoding="utf-8-sig", errors="surrogateescape", newline="")
        try:
            yield file
        finally:
            file.detach()


def _read_csv(file, delimiter, wanted, table):
    reader = csv.reader(_lines(file, table), delimiter=delimiter, strict=True)
    try:
        names = next(reader, None)
        if names is None:
            raise DataError(f"{table.source}: it is empty: not even a line of column names")
        if len(names) > MAX_COLUMNS:
            raise DataError(f"{table.source}: {len(names)} columns, at most {MAX_COLUMNS} are read")
        for i, name in enumerate(names):
            if not name.strip() or any("\ud800" <= c <= "\udfff" for c in name):
                where = f"{table.source}, line 1, column {i + 1}"
                raise DataError(f"{where}: no name in UTF-8; the first line must name the columns")
        chosen = wanted.check(table.source, names)
        builders = None
        while rows := _rows(reader, len(names), table):
            cells = dict(zip(names, zip(*rows, strict=True), strict=True))
            if builders is None:
                builders = {
                    name: _builder(table, name, wanted, _kind(cells[name])) for name in chosen
                }
            for name, builder in builders.items():
                builder.add(cells[name])
            if sum(builder.different for builder in builders.values()) > MAX_TEXTS:
                raise DataError(
                    f"{table.source}: more than {MAX_TEXTS} different texts in its columns; --drop leaves one out"
                )
    except csv.Error as error:
        raise DataError(f"{table.source}, line {reader.line_num}: not CSV: {error}") from error
    table.columns = {name: builder.values() for name, builder in (builders or {}).items()}


def _lines(file, table):
    """The lines of a file, none of them too long."""
    for number, line in enumerate(file, 1):
        if len(line) > MAX_LINE:
            raise DataError(
                f"{table.source}, line {number}: {len(line)} characters, at most {MAX_LINE} are read"
            )
        yield line


def _rows(reader, width, table):
    """The next rows, all of this width; their lines are noted in the table. Lines with nothing on
    them are not rows."""
    rows, most = [], min(ROWS, -(-CELLS // max(width, 1)))
    for row in reader:
        row = row or [""] * (width == 1)
        if not row:
            continue
        table.lines.append(reader.line_num)
        if len(row) != width:
            where = f"{table.source}, row {len(table.lines)} (line {reader.line_num})"
            raise DataError(
                f"{where}: {len(row)} values, where the first line names {width} columns"
            )
        rows.append(row)
        if len(rows) == most:
            break
    return rows


def _kind(texts):
    """What a column is, by the first of its values that is there: texts or numbers."""
    first = next((text for text in texts if not missing(text)), "0")
    return Texts if number_of(first) is None else Numbers


def _builder(table, name, wanted, kind, typed=False):
    """What collects a column that is of this kind, unless the caller says otherwise.

    Where files have types, a text is one even if it is "7" or "NA".
    """

    def fail(row, what):
        return table.error(name, row, what)

    hint = "" if typed else f"; --text {name!r} takes all as categories"
    if wanted.columns is not None:
        column = wanted.columns[name]
        return (
            Texts(fail, set(map(str, column.categories)), None)
            if isinstance(column, OneHot)
            else Numbers(fail)
        )
    if name in wanted.text:
        return Texts(fail, None, wanted.most)
    return Numbers(fail, hint) if kind is Numbers else Texts(fail, None, wanted.most, hint)


def _read_parquet(path, wanted, table):
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ImportError(
            f"{path}: Parquet needs pyarrow: pip install 'fastbp[parquet]'"
        ) from error
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            builders = {}
            for name in wanted.check(path, schema.names):
                kind = _arrow_kind(pa.types, schema.field(name).type)
                if kind is None:
                    raise DataError(
                        f"{path}, column {quoted(name)}: of type {schema.field(name).type}, not numbers or text"
                    )
                builders[name] = _builder(table, name, wanted, kind, typed=True)
            done = 0
            for batch in file.iter_batches(ROWS, columns=list(builders)):
                for name, builder in builders.items():
                    values = batch.column(batch.schema.get_field_index(name))
                    if values.null_count:
                        row = done + values.is_null().to_pylist().index(True)
                        raise table.error(name, row, "a missing value")
                    values = (
                        values.to_pylist()
                        if _texts(pa.types, values.type)
                        else values.to_numpy(zero_copy_only=False)
                    )
                    builder.add(values)
                done += batch.num_rows
    except pa.ArrowException as error:
        raise DataError(f"{path}: not a Parquet file that can be read: {error}") from error
    table.columns = {name: builder.values() for name, builder in builders.items()}


def _arrow_kind(types, kind):
    if _texts(types, kind) or types.is_boolean(kind):
        return Texts
    return Numbers if types.is_integer(kind) or types.is_floating(kind) else None


def _texts(types, kind):
    if types.is_dictionary(kind):
        kind = kind.value_type
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _read_npz(path, wanted, table):
    with open(path, "rb") as file:
        try:
            arrays = np.load(file, allow_pickle=False)
            if not isinstance(arrays, np.lib.npyio.NpzFile):
                raise DataError(f"{path}: not an NPZ file, but one array, which has no name")
            columns = dict(_npz_columns(path, {name: arrays[name] for name in arrays.files}))
        except (DataError, MemoryError):
            raise
        except Exception as error:  # whatever zipfile, zlib and NumPy raise of damage
            raise DataError(f"{path}: not an NPZ file that can be read: {error}") from error
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{quoted(name)} {n}" for name, n in list(lengths.items())[:20])
        raise DataError(f"{path}: its arrays must have one number of rows, got {shown}")
    for name in wanted.check(path, list(columns)):
        kind = {"U": Texts, "b": Texts, "f": Numbers, "i": Numbers, "u": Numbers}.get(
            columns[name].dtype.kind
        )
        if kind is None:
            raise DataError(
                f"{path}, column {quoted(name)}: of type {columns[name].dtype}, not numbers or text"
            )
        builder = _builder(table, name, wanted, kind, typed=True)
        builder.add(columns[name].tolist() if columns[name].dtype.kind == "U" else columns[name])
        table.columns[name] = builder.values()


def _npz_columns(path, arrays: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """(name, values) of each column: an array (n,), or each column of an array (n, k), named X[0],
    X[1], ..."""
    for name, array_ in arrays.items():
        if array_.ndim == 1:
            yield name, array_
        elif array_.ndim == 2:
            yield from ((f"{name}[{j}]", array_[:, j]) for j in range(array_.shape[1]))
        else:
            raise DataError(
                f"{path}, array {quoted(name)}: must be of shape (n,) or (n, k), got {array_.shape}"
            )
