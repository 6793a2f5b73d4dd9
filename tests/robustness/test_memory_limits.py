"""Files made to be dear: reading takes no more than ten times the file's size and 32 MiB, whatever
is in it."""

import itertools
import json
import os
import tracemalloc

import pytest
from helpers.mutation import changed, put

import fastbp
from fastbp.cli import tables
from fastbp.cli.tables import DataError, Wanted, read_table
from fastbp.history import History
from fastbp.preprocessing import OneHot, Preprocessing, Scaled
from fastbp.serialization.container import MAX_HEADER_BYTES

FLOOR = 32 << 20


def peak_of(call):
    """The most memory at once; refusals are as good as results."""
    tracemalloc.start()
    try:
        call()
    except ValueError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


def numbered(n, form):
    return ",".join(form.format(i) for i in range(n))


WIDE = tables.MAX_COLUMNS
HALF = tables.MAX_LINE // 2 - 1
CSV = {
    "as wide as may be": f"{numbered(WIDE, '{:x}')}\n{numbered(WIDE, '1')}\n",
    "as wide, of texts": f"{numbered(WIDE, 'x{:x}')}\n{numbered(WIDE, 'é{}')}\n",
    "as wide, some rows": f"{numbered(WIDE, '{:x}')}\n" + f"{numbered(WIDE, '11')}\n" * 9,
    "all texts different": "a,b\n" + "".join(f"{i:x}a,{i:x}b\n" for i in range(tables.MAX_TEXTS)),
    "a table of names": numbered(HALF // 4, "{:x}") + "\n",
    "a row too wide": "a\n" + "aa," * (tables.MAX_LINE // 3) + "\n",
    "a row far too wide": "a\n" + "é," * (8 * HALF) + "\n",
    "a row too wide, of other letters": "a\n" + "ж," * HALF + "\n",
    "an open quote": 'a\n"' + "é\n" * 1_000_000,
    "long texts": "a\n" + ("x" * 100_000 + "\U0001f600\n") * 50,
}


@pytest.mark.parametrize("content", CSV.values(), ids=CSV)
def test_csv(content, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(content, encoding="utf-8")
    assert peak_of(lambda: read_table(str(path), Wanted())) < 10 * os.path.getsize(path) + FLOOR


ROWS = {
    "short": ("a", "1\n", 60_000),
    "short texts": ("a", "a\nb\n", 30_000),
    "over two lines": ("a,b", 'a,"x\ny"\n', 30_000),
    "empty lines between": ("a,b", "1,a\n\n", 30_000),
    "wide": (numbered(500, "{:x}"), numbered(500, "11") + "\n", 300),
    "wide texts": (numbered(500, "{:x}"), numbered(500, "aa") + "\n", 300),
}


@pytest.mark.parametrize(("names", "row", "n"), ROWS.values(), ids=ROWS)
def test_what_rows_of_csv_take(names, row, n, tmp_path):
    """Of twice as many rows, the second half: not ten times what it takes in the file, and no
    floor."""
    path = tmp_path / "t.csv"
    peaks = []
    sizes = []
    for rows in (n, 2 * n):
        path.write_text(f"{names}\n" + row * rows, encoding="utf-8")
        peaks.append(peak_of(lambda: read_table(str(path), Wanted())))
        sizes.append(os.path.getsize(path))
    assert 0 < peaks[1] - peaks[0] < 10 * (sizes[1] - sizes[0])


def shortest(n):
    """As many different texts, none of which JSON writes in fewer characters."""
    letters = [chr(c) for c in range(33, 127) if chr(c) not in '"\\\\']
    texts = (text for size in (1, 2, 3) for text in itertools.product(letters, repeat=size))
    return ["".join(text) for text in itertools.islice(texts, n)]


def test_csv_that_is_too_wide_for_any_model_is_refused(tmp_path):
    """What a model file cannot hold may be refused by the reader: its limits are the wider ones."""
    path = tmp_path / "t.csv"
    path.write_text(f"{numbered(WIDE, '{:x}')}\n{numbered(WIDE, '1')}\n", encoding="utf-8")
    assert len(read_table(str(path), Wanted()).columns) == WIDE
    target = Scaled("y", 0.0, 1.0)
    with pytest.raises(ValueError, match="too many for a model file"):
        Preprocessing(tuple(Scaled(f"{i:x}", 0.0, 1.0) for i in range(WIDE)), target)
    with pytest.raises(ValueError, match="too many for a model file"):
        Preprocessing((OneHot("x", tuple(shortest(tables.MAX_TEXTS))),), target)
    path.write_text(f"{numbered(WIDE + 1, '{:x}')}\n", encoding="utf-8")
    with pytest.raises(DataError, match="16385 columns, at most 16384"):
        read_table(str(path), Wanted())


def of_columns(column):
    """A net of as many such columns as a model file has room for."""
    net = fastbp.MLP([6000, 1], output="identity")
    net.preprocessing_ = Preprocessing(
        tuple(column(f"{i:x}") for i in range(6000)), Scaled("y", 0.0, 1.0)
    )
    return net


def long_history():
    net = fastbp.MLP([1, 1], output="identity")
    steps = [i / 10 for i in range(200_000)]
    net.history_ = History(loss=[0.5], batch_loss=steps, learning_rate=steps, stopped_by="epochs")
    return net


NETS = {
    "large": lambda: fastbp.MLP([1000, 1000]),
    "many layers": lambda: fastbp.MLP([1] * 4000),
    "many numbers": lambda: of_columns(lambda name: Scaled(name, 0.0, 1.0)),
    "many categories": lambda: of_columns(lambda name: OneHot(name, ("a",))),
    "a long history": long_history,
}


@pytest.mark.parametrize("make", NETS.values(), ids=NETS)
def test_models(make, tmp_path):
    path = tmp_path / "net"
    make().save(path)
    assert peak_of(lambda: fastbp.load(path)) < 10 * os.path.getsize(path) + FLOOR


@pytest.mark.parametrize("part", [[], {}, [1], {"a": 1}, "\u0436", 1.5, [[[[]]]]], ids=repr)
def test_headers_full_of_small_things(part, tmp_path):
    """As full as a header can be: what is larger is not even parsed."""
    path = tmp_path / "net"
    fastbp.MLP([1, 1]).save(path)
    room = (MAX_HEADER_BYTES - 5000) // (len(json.dumps(json.dumps(part))))
    path.write_bytes(changed(path.read_bytes(), put("document", "more", value=[part] * room)))
    assert 0.7 * MAX_HEADER_BYTES < os.path.getsize(path) < MAX_HEADER_BYTES
    with pytest.raises(ValueError, match="document must have the keys"):
        fastbp.load(path)
    assert peak_of(lambda: fastbp.load(path)) < 10 * os.path.getsize(path) + FLOOR
