"""Tables of the command line: doubtful values are refused in one line that says where."""

import io
import os
import random
import sys
import tracemalloc

import numpy as np
import pytest
from helpers.tables import EXPECTED, FORMS, GOOD, KNOWN, WRONG, assert_sound

from fastbp.cli.columns import ROWS
from fastbp.cli.tables import DataError, Selection, read_table


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Content to a file's name in the working directory."""
    monkeypatch.chdir(tmp_path)

    def to_file(content, name="t.csv"):
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    return to_file


def read(path, delimiter=None, **wanted):
    return read_table(path, Selection(**wanted), delimiter)


def as_lists(table):
    return {name: values.tolist() for name, values in table.columns.items()}


@pytest.mark.parametrize(("content", "name", "delimiter"), FORMS.values(), ids=FORMS)
def test_csv(content, name, delimiter, write):
    table = read(write(content, name), delimiter)
    assert as_lists(table) == EXPECTED
    assert len(table) == 3


@pytest.mark.parametrize("rows", [ROWS - 1, ROWS, 3 * ROWS + 1])
def test_long_csv(rows, write):
    lines = [f'{i / 8},"{i % 7}\n-"' for i in range(rows)]
    table = read(write("\n".join(["a,b", *lines])))
    np.testing.assert_array_equal(table.columns["a"], np.arange(rows) / 8)
    assert table.columns["b"].tolist() == [f"{i % 7}\n-" for i in range(rows)]
    assert [table.csv.line_of(row) for row in (0, 1, rows - 1)] == [3, 5, 1 + 2 * rows]
    with pytest.raises(
        DataError,
        match=rf"^t.csv, row {rows + 1} \(line {2 * rows + 2}\), column 'a': 'x' is not a number",
    ):
        read(write("\n".join(["a,b", *lines, "x,z"])))


def test_columns_wanted(write):
    path = write("age,zip,city,y\n1,0123,Oslo,a\n2,0124,Rome,b\n")
    assert list(read(path, drop=["age", "y"]).columns) == ["zip", "city"]
    assert read(path, text=["zip"]).columns["zip"].tolist() == ["0123", "0124"]
    assert as_lists(read(path, columns=KNOWN)) == {"age": [1, 2], "city": ["Oslo", "Rome"]}
    assert read(write("a,b\n?,x\n,y\n"), drop=["a"]).columns["b"].tolist() == ["x", "y"]
    assert read(write("a\nNA\nnone\n7\n"), text=["a"]).columns["a"].tolist() == ["NA", "none", "7"]


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


ARRAYS = {
    "age": np.array([1, -2.5, 3]),
    "city": np.array(["Oslo", "Rome", "Oslo"]),
    "y": np.array(["a", "b", "a"]),
}
PIXELS = np.arange(6, dtype=np.uint8).reshape(3, 2)


def test_npz(write, tmp_path):
    np.savez(tmp_path / "t.npz", **ARRAYS, X=PIXELS, flag=np.array([True, False, True]))
    table = read("t.npz")
    flags = ["True", "False", "True"]
    assert as_lists(table) == EXPECTED | {"X[0]": [0, 2, 4], "X[1]": [1, 3, 5], "flag": flags}
    assert read("t.npz", text=["X[0]"]).columns["X[0]"].tolist() == ["0", "2", "4"]


BAD_NPZ = {
    "infinite": (
        {"X": np.array([[1, 2], [3, np.inf]])},
        "t.npz, row 2, column 'X[1]': inf is not finite",
    ),
    "no rows": ({"a": np.zeros(0)}, "t.npz: no rows"),
    "no arrays": ({}, "t.npz: no rows"),
    "lengths": (
        {"a": np.zeros(2), "b": np.zeros(3)},
        "t.npz: its arrays must have one number of rows, got 'a' 2, 'b' 3",
    ),
    "scalar": ({"a": np.float64(2)}, "t.npz, array 'a': must be of shape (n,) or (n, k), got ()"),
    "three axes": (
        {"a": np.zeros((2, 2, 2))},
        "t.npz, array 'a': must be of shape (n,) or (n, k), got (2, 2, 2)",
    ),
    "complex": (
        {"a": np.zeros(2, complex)},
        "t.npz, column 'a': of type complex128, not numbers or text",
    ),
    "pickles": (
        {"a": np.array([{}, 1], object)},
        "t.npz: not an NPZ file that can be read: Object arrays cannot be loaded",
    ),
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
    for content in (
        b"",
        b"PK",
        b"a,b\n1,2\n",
        (tmp_path / "t.npy").read_bytes(),
        whole.getvalue()[:400],
    ):
        with pytest.raises(DataError, match=r"^t\.npz: not an NPZ file"):
            read(write(content, "t.npz"))


def test_mutated_npz(write, tmp_path):
    np.savez(tmp_path / "a.npz", **ARRAYS)
    np.savez_compressed(tmp_path / "b.npz", **ARRAYS)
    whole = [(tmp_path / name).read_bytes() for name in ("a.npz", "b.npz")]
    rng = random.Random(0)
    refused = 0
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

    n = 2 * ROWS + 5
    more = {
        "flag": [i % 2 == 0 for i in range(n)],
        "code": pa.array([str(i // 2) for i in range(n)]).dictionary_encode(),
    }
    more |= {
        "small": pa.array([i % 100 for i in range(n)], pa.int8()),
        "half": np.arange(n).astype(np.float16) % 10,
    }
    pq.write_table(
        pa.table({name: np.resize(values, n).tolist() for name, values in ARRAYS.items()} | more),
        "t.parquet",
    )
    table = read("t.parquet")
    for name, values in ARRAYS.items():
        assert table.columns[name].tolist() == np.resize(values, n).tolist()
    assert table.columns["flag"][:2].tolist() == ["True", "False"]
    assert table.columns["code"][-1] == str((n - 1) // 2)
    assert table.columns["small"].tolist() == [i % 100 for i in range(n)]
    assert as_lists(read("t.parquet", columns=KNOWN)).keys() == {"age", "city"}


def test_bad_parquet(write):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    n = ROWS + 10
    bad = {
        "row 4100, column 'a': inf is not finite, or too large to compute with": {
            "a": [1.0 if i != 4099 else float("inf") for i in range(n)]
        },
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


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_without_pyarrow(name, write, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        ImportError, match=rf"^reading {name} needs pyarrow: pip install 'fastbp.cli.'$"
    ):
        read(write(GOOD, name))


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


def test_mutated_csv(write):
    """Each is read or refused in words."""
    rng = random.Random(0)
    read_ones = 0
    for _ in range(N_MUTATIONS):
        content = bytearray(GOOD.encode())
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(content) + 1)
            content[at : at + rng.choice([0, 0, 1, 1, 5])] = rng.choice(WORDS)
        wanted = rng.choice([{}, {"columns": KNOWN}, {"text": ["age"]}, {"max_categories": 1}])
        try:
            table = read(write(bytes(content)), **wanted)
        except DataError:
            continue
        read_ones += 1
        assert_sound(table)
    assert 0.05 * N_MUTATIONS < read_ones < 0.95 * N_MUTATIONS


@pytest.mark.parametrize(
    "row",
    ["1,2\n", "a,b\n", "1.25,some longer text\n", "{i},{i}\n", "{i}.5,x{j}\n"],
    ids=lambda row: row.strip(),
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
