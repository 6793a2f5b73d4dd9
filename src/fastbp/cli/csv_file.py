"""CSV by pyarrow, every column as bytes: `columns` decides what is a number.

pyarrow's errors do not name lines, and it accepts text behind a closing quote. The standard
library's stricter parser reads a file again to find the line of an error, and beforehand to check a
file with quotes.
"""

import codecs
import csv
import io
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import BinaryIO

from .columns import DataError, is_unicode, pyarrow

STDIN = "-"
# These limits, and MAX_TEXTS, keep the memory below ten times the file's size and 32 MiB.
MAX_ROW_BYTES = 1 << 20
BLOCK_BYTES = 4 * MAX_ROW_BYTES  # holds any row after each quote in it is escaped by doubling
MAX_COLUMNS = 1 << 14
MAX_DECODERS = 256  # columns of one pass over a file: pyarrow takes 3 kB for each


class CsvFile:
    """A CSV file.

    Parameters
    ----------
    path : str
        "-" is standard input. It is kept in memory, like other files that cannot be rewound.
    delimiter : str
        One ASCII character.

    Attributes
    ----------
    source : str
        The file's name in messages.
    names : list of str
        Of the columns.
    """

    def __init__(self, path: str, delimiter: str) -> None:
        self.source = "standard input" if path == STDIN else path
        self._delimiter = delimiter
        self._open: Callable[[], BinaryIO] = partial(open, path, "rb")  # type: ignore[assignment]
        if path == STDIN and sys.stdin is None:
            raise DataError("standard input is closed")
        with io.BytesIO(sys.stdin.buffer.read()) if path == STDIN else self._open() as file:
            if path == STDIN or not file.seekable():
                self._open = partial(io.BytesIO, file.read())
        _, header = next(self._rows(), (0, None))
        if header is None:
            raise DataError(f"{self.source}: it is empty: not even a line of column names")
        self.names = [name.encode("latin-1").decode("utf-8", "surrogateescape") for name in header]
        n = len(self.names)
        if n > MAX_COLUMNS:
            raise DataError(f"{self.source}: {n} columns, at most {MAX_COLUMNS} are read")
        for i, name in enumerate(self.names):
            if not name.strip() or not is_unicode(name):
                raise DataError(
                    f"{self.source}, line 1, column {i + 1}: no name in UTF-8; "
                    "the first line must name the columns"
                )

    def columns(self, chosen: list[str]) -> Iterator[tuple]:
        """(name, ChunkedArray of bytes) of each chosen column."""
        pa = pyarrow(self.source)
        arrow_csv = pyarrow(self.source, "pyarrow.csv")
        if self._has_quotes() or not self.names:
            self.line_of(-1)
        read = arrow_csv.ReadOptions(
            use_threads=False,
            block_size=BLOCK_BYTES,
            column_names=self.names,
            skip_rows_after_names=1,
        )
        parse = arrow_csv.ParseOptions(
            delimiter=self._delimiter,
            newlines_in_values=True,
            ignore_empty_lines=len(self.names) > 1,
        )
        for start in range(0, len(chosen), MAX_DECODERS):
            some = chosen[start : start + MAX_DECODERS]
            convert = arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(some, pa.binary()),
                include_columns=some,
                strings_can_be_null=False,
                null_values=[],  # each column would copy these lists of words
                true_values=[],
                false_values=[],
            )
            try:
                with self._open() as file:
                    table = arrow_csv.read_csv(file, read, parse, convert)
            except pa.ArrowInvalid as error:
                if self.line_of(-1) is None:  # pyarrow refuses a header without an end of line
                    return
                raise DataError(f"{self.source}: not CSV that can be read: {error}") from error
            yield from zip(some, table.columns, strict=True)

    def line_of(self, row: int) -> int | None:
        """The line in which a row (from 0; -1 is the last) ends; None without such a row.

        All rows up to it are checked.
        """
        n = len(self.names)
        line = None
        i = -1
        for end, cells in islice(self._rows(), 1, None):
            cells = cells or [""] * (n == 1)  # with more columns, empty lines are not rows
            if not cells:
                continue
            i += 1
            line = end
            where = f"{self.source}, row {i + 1} (line {line})"
            if len(cells) != n:
                raise DataError(
                    f"{where}: {len(cells)} values, where the first line names {n} columns"
                )
            if sum(map(len, cells)) > MAX_ROW_BYTES:
                raise DataError(f"{where}: over {MAX_ROW_BYTES} bytes in a row")
            if i == row:
                break
        return line

    def _has_quotes(self):
        with self._open() as file:
            return any(b'"' in block for block in iter(partial(file.read, BLOCK_BYTES), b""))

    def _rows(self):
        """(line, cells) of each row, the header first, by the standard library's strict parser.

        A byte is a character (Latin-1): the structure of the file does not depend on its texts.
        """
        csv.field_size_limit(MAX_ROW_BYTES)
        with self._open() as binary:
            if binary.read(3) != codecs.BOM_UTF8:
                binary.seek(0)
            text = io.TextIOWrapper(binary, "latin-1", newline="")
            reader = csv.reader(self._checked(text), delimiter=self._delimiter, strict=True)
            try:
                for cells in reader:
                    yield reader.line_num, cells
            except csv.Error as error:
                line = f"{self.source}, line {reader.line_num}"
                raise DataError(f"{line}: not CSV: {error}") from error

    def _checked(self, lines):
        """Lines, none of them too long."""
        for number, line in enumerate(lines, 1):
            if len(line) > MAX_ROW_BYTES:
                raise DataError(
                    f"{self.source}, line {number}: {len(line)} bytes, "
                    f"at most {MAX_ROW_BYTES} are read"
                )
            yield line
