"""Tables as the command line reads them: what is in doubt is refused in one line that says where."""

import io
import os
import random
import sys
import tracemalloc

import numpy as np
import pytest

from fastbp.cli import tables
from fastbp.cli.tables import DataError, Wanted, read_table
from fastbp.preprocessing import OneHot, Scaled

GOOD = "age,city,y\n1,Oslo,a\n-2.5e0,Rome,b\n 3 ,Oslo,a\n"
KNOWN = {"age": Scaled("age", 0.0, 1.0), "city": OneHot("city", ("Oslo", "Rome"))}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Content to a file's name in the working directory."""
    monkeypatch.chdir(tmp_path)

    def to_file(content, name="t.csv"):
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    return to_file


def read(path, delimiter=None, **wanted):
    return read_table(path, Wanted(**wanted), delimiter)


def as_lists(table):
    return {name: values.tolist() for name, values in table.columns.items()}


EXPECTED = {"age": [1, -2.5, 3], "city": ["Oslo", "Rome", "Oslo"], "y": ["a", "b", "a"]}
FORMS = {
    "plain": (GOOD, "t.csv", None),
    "marked as UTF-8": ("\ufeff" + GOOD, "t.csv", None),
    "no last line end": (GOOD.rstrip(), "t.csv", None),
    "Windows": (GOOD.replace("\n", "\r\n"), "t.txt", None),
    "empty lines": (GOOD.replace("\n", "\n\n") + "\n\n", "t.csv", None),
    "quoted": ('"age","city",y\n"1",Oslo,"a"\n-2.5e0,"Rome",b\n" 3 ","Oslo",a\n', "t.csv", None),
    "tabs": (GOOD.replace(",", "\t"), "t.tsv", None),
    "semicolons": (GOOD.replace(",", ";"), "t.csv", ";"),
}


@pytest.mark.parametrize(("content", "name", "delimiter"), FORMS.values(), ids=FORMS)
def test_csv(content, name, delimiter, write):
    table = read(write(content, name), delimiter)
    assert as_lists(table) == EXPECTED
    assert len(table) == 3


@pytest.mark.parametrize("rows", [tables.ROWS - 1, tables.ROWS, 3 * tables.ROWS + 1])
def test_long_csv(rows, write):
    lines = [f'{i / 8},"{i % 7}\n-"' for i in range(rows)]
    table = read(write("\n".join(["a,b", *lines])))
    np.testing.assert_array_equal(table.columns["a"], np.arange(rows) / 8)
    assert table.columns["b"].tolist() == [f"{i % 7}\n-" for i in range(rows)]
    assert [table.lines[row] for row in (0, 1, rows - 1)] == [3, 5, 1 + 2 * rows]
    with pytest.raises(DataError, match=rf"^t.csv, row {rows + 1} \(line {2 * rows + 2}\), column 'a': 'x' is not a number"):
        read(write("\n".join(["a,b", *lines, "x,z"])))


def test_columns_wanted(write):
    path = write("age,zip,city,y\n1,0123,Oslo,a\n2,0124,Rome,b\n")
    assert list(read(path, drop=["age", "y"]).columns) == ["zip", "city"]
    assert read(path, text=["zip"]).columns["zip"].tolist() == ["0123", "0124"]
    assert as_lists(read(path, columns=KNOWN)) == {"age": [1, 2], "city": ["Oslo", "Rome"]}
    assert read(write("a,b\n?,x\n,y\n"), drop=["a"]).columns["b"].tolist() == ["x", "y"]
    assert read(write("a\nNA\nnone\n7\n"), text=["a"]).columns["a"].tolist() == ["NA", "none", "7"]


ROW_2 = "t.csv, row 2 (line 3), column 'a': "
WRONG = {
    "empty": ("", {}, "t.csv: it is empty: not even a line of column names"),
    "only names": ("a,b\n", {}, "t.csv: no rows"),
    "only names, known": ("age,city\n\n\n", {"columns": KNOWN}, "t.csv: no rows"),
    "no name": ("a,\n1,2\n", {}, "t.csv, line 1, column 2: no name in UTF-8; the first line must name the columns"),
    "an empty first line": ("\na,b\n1,2\n", {}, "t.csv, row 1 (line 2): 2 values, where the first line names 0 columns"),
    "names in Latin 1": (b"a,\xe9\n1,2\n", {}, "t.csv, line 1, column 2: no name in UTF-8; the first line must"),
    "a name twice": ("a,b,a\n1,2,3\n", {}, "t.csv: 2 columns have the name 'a'"),
    "no target": ("a,b\n1,2\n", {"target": "c"}, "t.csv: no column 'c'; there are 'a', 'b'"),
    "nothing to drop": ("a,b\n1,2\n", {"drop": ["c"]}, "t.csv: no column 'c'; there are"),
    "nothing that is text": ("a,b\n1,2\n", {"text": ["c"]}, "t.csv: no column 'c'; there are"),
    "an input is not there": ("age,y\n1,2\n", {"columns": KNOWN}, "t.csv: no column 'city'; there are 'age', 'y'"),
    "too few values": ("a,b\n1,2\n\n3\n", {}, "t.csv, row 2 (line 4): 1 values, where the first line names 2 columns"),
    "too many values": ("a,b\n1,2,3\n", {}, "t.csv, row 1 (line 2): 3 values, where the first line names 2 columns"),
    "missing": ("a,b\n1,2\n3, \n", {}, "t.csv, row 2 (line 3), column 'b': a missing value"),
    "missing in text": ("a,b\nx,2\n,3\n", {}, ROW_2 + "a missing value"),
    "missing first": ("a,b\n,2\n1,3\n", {}, "t.csv, row 1 (line 2), column 'a': a missing value"),
    "missing first in text": ("a,b\n,2\nx,3\n", {}, "t.csv, row 1 (line 2), column 'a': a missing value"),
    "all missing": ("a,b\n,2\n,3\n", {}, "t.csv, row 1 (line 2), column 'a': a missing value"),
    "missing in the only column": ("a\n1\n\n", {}, ROW_2 + "a missing value"),
    "missing, known number": ("age,city\n,Oslo\n", {"columns": KNOWN}, "t.csv, row 1 (line 2), column 'age': a missing value"),
    "missing, known text": ("age,city\n1,\n", {"columns": KNOWN}, "t.csv, row 1 (line 2), column 'city': a missing value"),
    "NA": ("a\n1\nNA\n", {}, ROW_2 + "'NA' stands for a missing value"),
    "nan": ("a\n1\nnan\n", {}, ROW_2 + "a missing value"),
    "NA in text": (
        "a\nx\nNA\n", {}, ROW_2 + "'NA' stands for a missing value; --text 'a' takes all as categories",
    ),
    "text among numbers": (
        "a\n1\n2\nx\n", {}, "t.csv, row 3 (line 4), column 'a': 'x' is not a number, as the column's others are; --text 'a'",
    ),
    "a number among text": (
        "a\nx\n7\n", {}, ROW_2 + "'7' is a number, and the column's others are text; --text 'a' takes",
    ),
    "text for a known number": ("age,city\nx,Oslo\n", {"columns": KNOWN}, "t.csv, row 1 (line 2), column 'age': 'x' is not"),
    "unknown category": (
        "age,city\n1,Oslo\n2,Bonn\n", {"columns": KNOWN},
        "t.csv, row 2 (line 3), column 'city': 'Bonn' is unknown to the model, which knows 'Oslo', 'Rome'",
    ),
    "underscores": ("a\n1\n1_000\n", {}, ROW_2 + "'1_000' is not a number"),
    "infinite": ("a\n1\n-inf\n", {}, ROW_2 + "-inf is not finite, or too large to compute with"),
    "too large": ("a\n1\n1e301\n", {}, ROW_2 + "1e+301 is not finite, or too large to compute with"),
    "too many categories": ("a\nx1\nx2\nx3\nx4\nx5\n", {"most": 4}, "t.csv, row 5 (line 6), column 'a': more than 4"),
    "Latin 1": (b"a\nx\nn\xe9e\n", {}, ROW_2 + "text that is not UTF-8"),
    "Latin 1 among numbers": (b"a\n1\n\xe9\n", {}, ROW_2 + r"'\udce9' is not a number"),
    "too many columns": (
        ",".join(f"x{i}" for i in range(tables.MAX_COLUMNS + 1)), {}, "t.csv: 16385 columns, at most 16384 are read",
    ),
    "too long a line": ("a\n1\n" + "1," * 600_000, {}, "t.csv, line 3: 1200000 characters, at most 1048576 are read"),
    "too many texts": (
        "a,b,c\n" + "".join(f"{x}a,{x}b,{x}c\n" for x in range(30_000)), {"most": 10**6},
        "t.csv: more than 80000 different texts in its columns; --drop leaves one out",
    ),
    "a quote left open": ('a,b\n1,"2\n3,4\n', {}, "t.csv, line 3: not CSV: unexpected end of data"),
    "more behind a quote": ('a,b\n1,"2"x\n', {}, "t.csv, line 2: not CSV: "),
    "an endless value": ("a\n" + "9" * 200_000, {}, "t.csv, line 2: not CSV: field larger than field limit"),
    "a long value": ("a\n1\n" + "x" * 1000, {}, ROW_2 + "'" + "x" * 59 + "... is not a number"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "wanted", "message"), WRONG.values(), ids=WRONG)
def test_bad_csv(content, wanted, message, write):
    with pytest.raises(DataError) as caught:
        read(write(content), **wanted)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_standard_input(write, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD.encode())))
    assert as_lists(read("-")) == EXPECTED
    assert not sys.stdin.buffer.closed
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\n1\nx\n")))
    with pytest.raises(DataError, match=r"^standard input, row 2 \(line 3\), column 'a'"):
        read("-")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(DataError, match="standard input is closed"):
        read("-")


ARRAYS = {"age": np.array([1, -2.5, 3]), "city": np.array(["Oslo", "Rome", "Oslo"]), "y": np.array(["a", "b", "a"])}
PIXELS = np.arange(6, dtype=np.uint8).reshape(3, 2)


def test_npz(write, tmp_path):
    np.savez(tmp_path / "t.npz", **ARRAYS, X=PIXELS, flag=np.array([True, False, True]))
    table = read("t.npz")
    flags = ["True", "False", "True"]
    assert as_lists(table) == EXPECTED | {"X[0]": [0, 2, 4], "X[1]": [1, 3, 5], "flag": flags}
    assert read("t.npz", text=["X[0]"]).columns["X[0]"].tolist() == ["0", "2", "4"]


BAD_NPZ = {
    "missing": ({"a": np.array([1, np.nan])}, "t.npz, row 2, column 'a': a missing value"),
    "empty text": ({"a": np.array(["x", ""])}, "t.npz, row 2, column 'a': a missing value"),
    "infinite": ({"X": np.array([[1, 2], [3, np.inf]])}, "t.npz, row 2, column 'X[1]': inf is not finite"),
    "no rows": ({"a": np.zeros(0)}, "t.npz: no rows"),
    "no arrays": ({}, "t.npz: no rows"),
    "lengths": ({"a": np.zeros(2), "b": np.zeros(3)}, "t.npz: its arrays must have one number of rows, got 'a' 2, 'b' 3"),
    "scalar": ({"a": np.float64(2)}, "t.npz, array 'a': must be of shape (n,) or (n, k), got ()"),
    "three axes": ({"a": np.zeros((2, 2, 2))}, "t.npz, array 'a': must be of shape (n,) or (n, k), got (2, 2, 2)"),
    "complex": ({"a": np.zeros(2, complex)}, "t.npz, column 'a': of type complex128, not numbers or text"),
    "dates": ({"a": np.zeros(2, "datetime64[D]")}, "t.npz, column 'a': of type datetime64[D], not numbers or text"),
    "pickles": ({"a": np.array([{}, 1], object)}, "t.npz: not an NPZ file that can be read: Object arrays cannot be loaded"),
}


@pytest.mark.parametrize(("arrays", "message"), BAD_NPZ.values(), ids=BAD_NPZ)
def test_bad_npz(arrays, message, write, tmp_path):
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(DataError) as caught:
        read("t.npz")
    assert str(caught.value).startswith(message)


def test_what_is_no_npz(write, tmp_path):
    np.save(tmp_path / "t.npy", np.zeros(3))
    whole = io.BytesIO()
    np.savez(whole, **ARRAYS)
    for content in (b"", b"PK", b"a,b\n1,2\n", (tmp_path / "t.npy").read_bytes(), whole.getvalue()[:400]):
        with pytest.raises(DataError, match=r"^t\.npz: not an NPZ file"):
            read(write(content, "t.npz"))


def test_mutated_npz(write, tmp_path):
    np.savez(tmp_path / "a.npz", **ARRAYS)
    np.savez_compressed(tmp_path / "b.npz", **ARRAYS)
    whole, rng, refused = [(tmp_path / name).read_bytes() for name in ("a.npz", "b.npz")], random.Random(0), 0
    for i in range(N_MUTATIONS // 4):
        content = bytearray(whole[i % 2])
        for _ in range(rng.choice([1, 1, 2, 4])):
            at = rng.randrange(len(content))
            content[at : at + rng.choice([1, 1, 1, 4])] = bytes([rng.randrange(256)])
        try:
            assert_sound(read(write(bytes(content), "t.npz")))
        except (DataError, MemoryError):  # the size of an array may have become a large one
            refused += 1
    assert 0.3 * N_MUTATIONS / 4 < refused < 0.99 * N_MUTATIONS / 4


def test_parquet(write, tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    n = 2 * tables.ROWS + 5
    more = {"flag": [i % 2 == 0 for i in range(n)], "code": pa.array(list(map(str, range(n)))).dictionary_encode()}
    more |= {"small": pa.array([i % 100 for i in range(n)], pa.int8()), "half": np.arange(n).astype(np.float16) % 10}
    pq.write_table(pa.table({name: np.resize(values, n).tolist() for name, values in ARRAYS.items()} | more), "t.parquet")
    table = read("t.parquet")
    for name, values in ARRAYS.items():
        assert table.columns[name].tolist() == np.resize(values, n).tolist()
    assert table.columns["flag"][:2].tolist() == ["True", "False"]
    assert table.columns["code"][-1] == str(n - 1)
    assert table.columns["small"].tolist() == [i % 100 for i in range(n)]
    assert as_lists(read("t.parquet", columns=KNOWN)).keys() == {"age", "city"}


def test_bad_parquet(write):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    n = tables.ROWS + 10
    bad = {
        "row 4100, column 'a': a missing value": {"a": [1.0 if i != 4099 else None for i in range(n)]},
        "row 4101, column 'a': a missing value": {"a": ["x" if i != 4100 else None for i in range(n)]},
        "row 3, column 'a': a missing value": {"a": [1.0, 2.0, float("nan")]},
        "column 'a': of type timestamp[us], not numbers or text": {"a": pa.array([0], pa.timestamp("us"))},
        "column 'a': of type list<element: int64>, not numbers or text": {"a": [[1]]},
    }
    for message, columns in bad.items():
        pq.write_table(pa.table(columns), "t.parquet")
        with pytest.raises(DataError) as caught:
            read("t.parquet")
        assert str(caught.value) == f"t.parquet, {message}"
    pq.write_table(pa.table({"a": pa.array([], pa.int64())}), "t.parquet")
    with pytest.raises(DataError, match=r"^t\.parquet: no rows"):
        read("t.parquet")
    for content in (b"", b"PAR1", b"a,b\n1,2\n"):
        with pytest.raises(DataError, match=r"^t\.parquet: not a Parquet file that can be read"):
            read(write(content, "t.parquet"))


def test_without_pyarrow(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"^t\.parquet: Parquet needs pyarrow: pip install 'fastbp.parquet.'"):
        read(write(b"", "t.parquet"))


N_MUTATIONS = int(os.environ.get("FASTBP_MUTATIONS", "2000"))
WORDS = [
    b",",
    b'"',
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"",
    b"NA",
    b"1e999",
    b"_",
    b"'",
    b"\xe2\x80\xa8",
    b"x",
    b"7",
    b"-",
    b"\xef\xbb\xbf",
]


def assert_sound(table):
    """Numbers that can be computed with, texts that can be written, and as many of each."""
    for values in table.columns.values():
        assert len(values) == len(table) > 0
        if values.dtype == object:
            assert all(text.strip() and text.encode() for text in values.tolist())
        else:
            assert np.isfinite(values).all()


def test_mutated_csv(write):
    """Each is read or refused in words."""
    rng, read_ones = random.Random(0), 0
    for _ in range(N_MUTATIONS):
        content = bytearray(GOOD.encode())
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(content) + 1)
            content[at : at + rng.choice([0, 0, 1, 1, 5])] = rng.choice(WORDS)
        wanted = rng.choice([{}, {"columns": KNOWN}, {"text": ["age"]}, {"most": 1}])
        try:
            table = read(write(bytes(content)), **wanted)
        except DataError:
            continue
        read_ones += 1
        assert_sound(table)
    assert 0.05 * N_MUTATIONS < read_ones < 0.95 * N_MUTATIONS


@pytest.mark.parametrize(
    "row", ["1,2\n", "a,b\n", "1.25,some longer text\n", "{i},{i}\n", "{i}.5,x{j}\n"], ids=lambda row: row.strip()
)
def test_memory(row, write):
    """No more than ten times the file, beside what a few thousand rows and the interpreter take."""
    path = write("first,second\n" + "".join(row.format(i=i, j=i % 60_000) for i in range(200_000)))
    tracemalloc.start()
    try:
        with_text = "x" in row or "b" in row
        read(path, text=["second"] if with_text else [])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * os.path.getsize(path) + (8 << 20)
