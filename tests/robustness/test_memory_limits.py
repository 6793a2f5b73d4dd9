"""Reading a file takes at most ten times its size and 32 MiB, even if it is made to take more."""

import itertools
import json
import os
import subprocess
import sys
import tracemalloc

import pyarrow as pa
import pyarrow.compute
import pytest
from helpers.mutation import changed, put
from helpers.needs import needs

import fastbp
from fastbp.cli import columns, csv_file
from fastbp.cli.tables import DataError, Selection, read_table
from fastbp.history import History
from fastbp.preprocessing import OneHot, Preprocessing, Scaled
from fastbp.serialization.container import MAX_HEADER_BYTES

FLOOR = 32 << 20
POOLS = []  # buffers may outlive a test, and must not outlive their pool


def peak_of(call):
    """The most memory of Python and of Arrow during a call, in bytes; it may be refused."""
    default = pa.default_memory_pool()
    POOLS.append(pa.proxy_memory_pool(default))
    pa.set_memory_pool(POOLS[-1])
    tracemalloc.start()
    try:
        call()
    except ValueError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        pa.set_memory_pool(default)
    return peak + POOLS[-1].max_memory()


def numbered(n, form):
    return ",".join(form.format(i) for i in range(n))


WIDE = csv_file.MAX_COLUMNS
HALF = csv_file.MAX_ROW_BYTES // 2 - 1
CSV = {
    "as wide as may be": f"{numbered(WIDE, '{:x}')}\n{numbered(WIDE, '1')}\n",
    "as wide, of texts": f"{numbered(WIDE, 'x{:x}')}\n{numbered(WIDE, 'é{}')}\n",
    "as wide, some rows": f"{numbered(WIDE, '{:x}')}\n" + f"{numbered(WIDE, '11')}\n" * 9,
    "all texts different": "a,b\n" + "".join(f"{i:x}a,{i:x}b\n" for i in range(columns.MAX_TEXTS)),
    "a table of names": numbered(HALF // 4, "{:x}") + "\n",
    "a row too wide": "a\n" + "aa," * (csv_file.MAX_ROW_BYTES // 3) + "\n",
    "a row far too wide": "a\n" + "é," * (8 * HALF) + "\n",
    "a row too wide, of other letters": "a\n" + "ж," * HALF + "\n",
    "an open quote": 'a\n"' + "é\n" * 1_000_000,
    "long texts": "a\n" + ("x" * 100_000 + "\U0001f600\n") * 50,
    "short numbers": "a\n" + "1\n" * 4_000_000,
    "short texts": "a\n" + "a\n" * 4_000_000,
    "quoted": "a,b\n" + '"1","a\nx"\n' * 500_000,
    "spaces before quotes": "a,b\n" + '1, "a\nx"\n' * 500_000,
    "missing": "a,b\n" + ",\n" * 2_000_000,
    "missing numbers": "a,b\n" + "1,NA\n,2\n" * 300_000,
    "dates": "a\n" + "2020-01-31\n" * 500_000,
    "leading zeros": "a\n" + "07\n" * 1_000_000,
    "identifiers": "a\n" + "".join(f"x{i:x}\n" for i in range(600_000)),
}


RESIDENT = """
import resource, sys
import pyarrow.compute, pyarrow.csv
from fastbp.cli.tables import Selection, read_table
unit = 1 if sys.platform == "darwin" else 1024
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_table(sys.argv[1], Selection(max_categories=int(sys.argv[2]) or None))
except ValueError:
    pass
print(unit * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


@needs("resource")
@pytest.mark.parametrize("max_categories", [0, 100])
@pytest.mark.parametrize("content", CSV.values(), ids=CSV)
def test_csv(content, max_categories, tmp_path):
    """Resident memory above that of a process that has imported the modules."""
    path = tmp_path / "t.csv"
    path.write_text(content, encoding="utf-8")
    command = [sys.executable, "-c", RESIDENT, str(path), str(max_categories)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert int(done.stdout) < 10 * os.path.getsize(path) + FLOOR


ROWS = {
    "short": ("a", "1\n", 60_000),
    "short texts": ("a", "a\nb\n", 30_000),
    "over two lines": ("a,b", 'a,"x\ny"\n', 30_000),
    "empty lines between": ("a,b", "1,a\n\n", 30_000),
    "wide": (numbered(500, "{:x}"), numbered(500, "11") + "\n", 300),
    "wide texts": (numbered(500, "{:x}"), numbered(500, "aa") + "\n", 300),
}


@needs("resource")
@pytest.mark.parametrize(("names", "row", "n"), ROWS.values(), ids=ROWS)
def test_what_rows_of_csv_take(names, row, n, tmp_path):
    """The second half of a table takes less than ten times its part of the file."""
    path = tmp_path / "t.csv"
    peaks = []
    sizes = []
    for rows in (n, 2 * n):
        path.write_text(f"{names}\n" + row * rows, encoding="utf-8")
        peaks.append(peak_of(lambda: read_table(str(path), Selection())))
        sizes.append(os.path.getsize(path))
    assert 0 < peaks[1] - peaks[0] < 10 * (sizes[1] - sizes[0])


def shortest(n):
    """`n` different texts, as short in JSON as possible."""
    letters = [chr(c) for c in range(33, 127) if chr(c) not in '"\\\\']
    texts = (text for size in (1, 2, 3) for text in itertools.product(letters, repeat=size))
    return ["".join(text) for text in itertools.islice(texts, n)]


def test_csv_that_is_too_wide_for_any_model_is_refused(tmp_path):
    """The reader's limits are wider than those of a model file."""
    path = tmp_path / "t.csv"
    path.write_text(f"{numbered(WIDE, '{:x}')}\n{numbered(WIDE, '1')}\n", encoding="utf-8")
    assert len(read_table(str(path), Selection()).columns) == WIDE
    target = Scaled("y", 0.0, 1.0)
    with pytest.raises(ValueError, match="too many for a model file"):
        Preprocessing(tuple(Scaled(f"{i:x}", 0.0, 1.0) for i in range(WIDE)), target)
    with pytest.raises(ValueError, match="too many for a model file"):
        Preprocessing((OneHot("x", tuple(shortest(columns.MAX_TEXTS))),), target)
    path.write_text(f"{numbered(WIDE + 1, '{:x}')}\n", encoding="utf-8")
    with pytest.raises(DataError, match="16385 columns, at most 16384"):
        read_table(str(path), Selection())


def of_columns(column):
    """A net of as many such columns as a model file has space for."""
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
    "many layers": lambda: fastbp.MLP([1] * 4000, output="sigmoid"),
    "many numbers": lambda: of_columns(lambda name: Scaled(name, 0.0, 1.0)),
    "many categories": lambda: of_columns(lambda name: OneHot(name, ("a",))),
    "a long history": long_history,
}


@needs("resource")
@pytest.mark.parametrize("make", NETS.values(), ids=NETS)
def test_models(make, tmp_path):
    path = tmp_path / "net"
    make().save(path)
    assert peak_of(lambda: fastbp.load(path)) < 10 * os.path.getsize(path) + FLOOR


@needs("resource")
@pytest.mark.parametrize("part", [[], {}, [1], {"a": 1}, "\u0436", 1.5, [[[[]]]]], ids=repr)
def test_headers_full_of_small_things(part, tmp_path):
    """A header as full as possible: a larger one is not parsed."""
    path = tmp_path / "net"
    fastbp.MLP([1, 2]).save(path)
    room = (MAX_HEADER_BYTES - 5000) // (len(json.dumps(json.dumps(part))))
    path.write_bytes(changed(path.read_bytes(), put("document", "more", value=[part] * room)))
    assert 0.7 * MAX_HEADER_BYTES < os.path.getsize(path) < MAX_HEADER_BYTES
    with pytest.raises(ValueError, match="document must have the keys"):
        fastbp.load(path)
    assert peak_of(lambda: fastbp.load(path)) < 10 * os.path.getsize(path) + FLOOR
