"""CSV by pyarrow, every column as bytes: `columns` decides what is a number.

pyarrow's errors do not name lines, and it accepts text behind a closing quote. The standard
library's stricter parser reads a file again to find the line of an error, and beforehand to check a
file with quotes.
"""

import codecs
import csv
import io
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import BinaryIO

from .arguments import STDIO
from .columns import DataError, pyarrow

# These limits, and MAX_TEXTS, keep the memory below ten times the file's size and 32 MiB.
MAX_ROW_BYTES = 1 << 20
BLOCK_BYTES = 4 * MAX_ROW_BYTES  # holds any row after each quote in it is escaped by doubling
MAX_COLUMNS = 1 << 14
MAX_DECODERS = 256  # columns of one pass over a file: pyarrow takes 3 kB for each
# What a file is that begins with these bytes, and what to do.
SIGNATURES = {
    b"\x1f\x8b": "compressed by gzip; gzip -dc FILE | fastbp COMMAND - reads it",
    b"BZh": "compressed by bzip2; bzip2 -dc FILE | fastbp COMMAND - reads it",
    b"\xfd7zXZ": "compressed by xz; xz -dc FILE | fastbp COMMAND - reads it",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; zstd -dc FILE | fastbp COMMAND - reads it",
    b"PK\x03\x04": "a ZIP archive or Excel file; save the table as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel file; save the table as CSV",
    b"PAR1": "Parquet, which the name of a file must end in: .parquet",
    b"ARROW1": "an Arrow file; save the table as Parquet",
    b"\x93NUMPY": "one array of NumPy; save named arrays by numpy.savez",
    codecs.BOM_UTF16_LE: "UTF-16; iconv -f utf-16 -t utf-8 converts it",
    codecs.BOM_UTF16_BE: "UTF-16; iconv -f utf-16 -t utf-8 converts it",
}


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
        Of the columns, as they stand in the file; bytes that are not UTF-8 are surrogates.
    """

    def __init__(self, path: str, delimiter: str) -> None:
        self.source = "standard input" if path == STDIO else path
        self._delimiter = delimiter
        self._open: Callable[[], BinaryIO] = partial(open, path, "rb")  # type: ignore[assignment]
        if path == STDIO and sys.stdin is None:
            raise DataError("standard input is closed")
        with io.BytesIO(sys.stdin.buffer.read()) if path == STDIO else self._open() as file:
            if path == STDIO or not file.seekable():
                self._open = partial(io.BytesIO, file.read())
        with self._open() as file:
            head = file.read(8)
        for signature, what in SIGNATURES.items():
            if head.startswith(signature):
                raise DataError(f"{self.source}: not CSV but {what}")
        if head[:2].count(0) == 1:
            raise DataError(f"{self.source}: not CSV but UTF-16; iconv -f utf-16 converts it")
        _, header = next(self._rows(), (0, None))
        if header is None:
            raise DataError(f"{self.source}: it is empty: not even a line of column names")
        self.names = [name.encode("latin-1").decode("utf-8", "surrogateescape") for name in header]
        n = len(self.names)
        if n > MAX_COLUMNS:
            raise DataError(f"{self.source}: {n} columns, at most {MAX_COLUMNS} are read")

    def columns(self, chosen: dict[str, int]) -> Iterator[tuple]:
        """(name, ChunkedArray of bytes) of each chosen column, from names and places in the row."""
        pa = pyarrow(self.source)
        arrow_csv = pyarrow(self.source, "pyarrow.csv")
        if self._has(b'"') or not self.names:
            self.line_of(-1)
        # pyarrow takes a quote behind a space for text
        if self._has(re.escape(self._delimiter.encode()) + b' +"') or self._has(b'\n +"'):
            self._open = partial(io.BytesIO, self._without_spaces())
        # numbers as names: those of the file may come twice, or not be UTF-8
        names = list(map(str, range(len(self.names))))
        read = arrow_csv.ReadOptions(
            use_threads=False,
            block_size=BLOCK_BYTES,
            column_names=names,
            skip_rows_after_names=1,
        )
        parse = arrow_csv.ParseOptions(
            delimiter=self._delimiter,
            newlines_in_values=True,
            ignore_empty_lines=len(self.names) > 1,
        )
        for start in range(0, len(chosen), MAX_DECODERS):
            some = list(chosen)[start : start + MAX_DECODERS]
            places = [names[chosen[name]] for name in some]
            convert = arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(places, pa.binary()),
                include_columns=places,
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
                what = f"{len(cells)} values, where the first line names {n} columns"
                if len(cells) == n + 1 and not cells[-1]:
                    what += "; the last is empty, so the first line lacks a delimiter at its end"
                raise DataError(f"{where}: {what}")
            if sum(map(len, cells)) > MAX_ROW_BYTES:
                raise DataError(f"{where}: over {MAX_ROW_BYTES} bytes in a row")
            if i == row:
                break
        return line

    def _has(self, pattern):
        """Whether the file contains what a pattern of bytes describes."""
        end = b""
        with self._open() as file:
            for block in iter(partial(file.read, BLOCK_BYTES), b""):
                if re.search(pattern, end + block):
                    return True
                end = block[-64:]
        return False

    def _without_spaces(self):
        """The file's bytes without spaces in front of values; its lines stay where they are."""
        content = io.BytesIO()
        text = io.TextIOWrapper(content, "latin-1", newline="")
        writer = csv.writer(text, delimiter=self._delimiter, lineterminator="\n")
        writer.writerows(cells for _, cells in self._rows())
        text.flush()
        return content.getvalue()

    def _rows(self):
        """(line, cells) of each row, the header first, by the standard library's strict parser.

        A byte is a character (Latin-1): the structure of the file does not depend on its texts.
        """
        csv.field_size_limit(MAX_ROW_BYTES)
        with self._open() as binary:
            if binary.read(3) != codecs.BOM_UTF8:
                binary.seek(0)
            text = io.TextIOWrapper(binary, "latin-1", newline="")
            reader = csv.reader(
                self._checked(text),
                delimiter=self._delimiter,
                skipinitialspace=self._delimiter != " ",
                strict=True,
            )
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
