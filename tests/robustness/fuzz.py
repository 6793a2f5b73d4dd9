"""Coverage-guided fuzzing of whatever reads a stranger's file: `make fuzz`, or

python tests/robustness/fuzz.py model|checkpoint|csv [options of libFuzzer, such as
-max_total_time=300]

An input is taken or refused by the errors that are documented. Anything else ends the run and
leaves the input in .fuzz/: an error of another kind, a warning, a result that is not sound, an
input that takes longer than ten seconds, or more memory than the process may take. Beside the
mutations of the tests, which need Python alone, this finds its way by coverage, by atheris.
"""

import contextlib
import json
import sys
import warnings
from pathlib import Path

import atheris

# Numba compiles from bytecode, so the kernels' must be their own.
KERNELS = [
    f"fastbp.kernels.{path.stem}" for path in (Path(__file__).parents[2] / "kernels").glob("*.py")
]
with atheris.instrument_imports(include=["fastbp"], exclude=KERNELS):
    import fastbp
    from fastbp.cli import tables

# ruff: noqa: E402 - what else imports fastbp must come after that
import numpy as np
from helpers.checkpoint_files import written
from helpers.mutation import sealed
from helpers.saved_nets import OPTIMIZERS, SHAPES, trained
from helpers.tables import FORMS, GOOD, KNOWN, WRONG, assert_sound
from helpers.torture_checkpoints import VALIDATION, X, Y

from fastbp.preprocessing import OneHot, Preprocessing, Scaled
from fastbp.serialization import save

# inputs found to lead somewhere, which the next run begins with, and those that fail
FOLDER = Path.cwd() / ".fuzz"
PATH = FOLDER / "input"
SPLIT = b"\xff"  # which no text of JSON holds
WANTED = [
    {},
    {"columns": KNOWN},
    {"text": ["age"]},
    {"max_categories": 1},
    {"drop": ["age"]},
    {"target": "y"},
]
DELIMITERS = [None, ";", "\t"]


def file_of(data):
    """A file with a right checksum and right lengths. The input is JSON: the document and the
    arrays, or a header of both."""
    kind, _, rest = data.partition(SPLIT)
    first, _, rest = rest.partition(SPLIT)
    if kind == b"h":
        return sealed(len(first).to_bytes(8, "little") + first + rest)
    entries, _, body = rest.partition(SPLIT)
    text = json.dumps('{"sha256": "' + "0" * 64 + '", ' + first.decode("utf-8", "replace")).encode()
    header = b'{"__metadata__":{"fastbp":' + text + b"}, " + entries
    return sealed(len(header).to_bytes(8, "little") + header + body)


def inputs_of(content):
    """What `file_of` makes the same file of, in both ways."""
    size = int.from_bytes(content[:8], "little")
    head = content[8 : 8 + size]
    body = content[8 + size :]
    header = json.loads(head)
    document = header.pop("__metadata__")["fastbp"].partition(", ")[2]
    yield b"h" + SPLIT + head + SPLIT + body
    yield b"d" + SPLIT + document.encode() + SPLIT + json.dumps(header)[1:].encode() + SPLIT + body


class Begun(Exception):  # noqa: N818 - no error
    """All of a checkpoint has been taken, and the first step would come next."""


class Leave(fastbp.callbacks.Callback):
    def on_fit_begin(self, net, history):
        raise Begun


def model(data):
    """What is loaded is whole, and can be saved and loaded again as the same."""
    PATH.write_bytes(file_of(data))
    try:
        net = fastbp.load(PATH)
    except ValueError:
        return
    assert np.isfinite(net.parameters).all()
    assert np.isfinite(net.train_state.optimizer_state).all()
    again = b"".join(save.to_bytes(net))
    PATH.write_bytes(again)
    assert b"".join(save.to_bytes(fastbp.load(PATH))) == again


def checkpoint(data):
    """Read to where the fit would go on; the samples are always those of the seeds."""
    PATH.write_bytes(file_of(data))
    with contextlib.suppress(ValueError, Begun):
        fastbp.resume(PATH, X, Y, **VALIDATION, callbacks=Leave())


def csv(data):
    """Read as the input's first byte says, and sound."""
    wanted = WANTED[data[0] % len(WANTED)] if data else {}
    delimiter = DELIMITERS[data[0] // 8 % 3] if data else None
    PATH.write_bytes(data[1:])
    try:
        table = tables.read_table(str(PATH), tables.Selection(**wanted), delimiter)
    except tables.DataError:
        return
    assert_sound(table)


def files_of_models():
    """Files of every kind of net, and of every format."""
    for name in OPTIMIZERS:
        yield fastbp_file(trained(optimizer=OPTIMIZERS[name])[0])
    for name in SHAPES:
        yield fastbp_file(trained(name)[0])
    net = fastbp.MLP([3, 2])
    net.preprocessing_ = Preprocessing(
        (Scaled("a", 0.5, 2.0), OneHot("b", ("x", "y"))), OneHot("c", (0, 1))
    )
    yield fastbp_file(net)
    yield from (
        path.read_bytes()
        for path in (Path(__file__).parents[1] / "serialization" / "formats").glob(
            "[0-9]*.safetensors"
        )
    )


def fastbp_file(net):
    return b"".join(save.to_bytes(net))


def seeds(target):
    """The inputs to begin with."""
    if target == "csv":
        texts = [content for content, *_ in FORMS.values()] + [
            content for content, *_ in WRONG.values()
        ]
        texts = [text if isinstance(text, bytes) else text.encode() for text in texts]
        return [
            bytes([i % 24]) + text
            for i, text in enumerate([GOOD.encode(), *texts])
            if len(text) < 2000
        ]
    PATH.unlink(missing_ok=True)  # of an earlier run, which no fit's checkpoint may replace
    files = [written(PATH)] if target == "checkpoint" else files_of_models()
    return [given for content in files for given in inputs_of(content)]


def words(inputs):
    """Names and numbers that stand in the inputs, and some that only a person would think of, as
    libFuzzer's dictionary."""
    found = {
        word
        for given in inputs
        for word in given.replace(b"\\", b"").split(b'"')
        if 1 < len(word) < 20 and word.isascii()
    }
    found |= {
        b"NaN",
        b"1e999",
        b"-1",
        b"null",
        b"[]",
        b"{}",
        b"true",
        b"9" * 30,
        b"\\ud800",
        b'"',
        b"\r\n",
        b"\xef\xbb\xbf",
    }
    return "".join('"' + "".join(f"\\x{c:02x}" for c in word) + '"\n' for word in sorted(found))


def main():
    targets = {"model": model, "checkpoint": checkpoint, "csv": csv}
    if len(sys.argv) < 2 or sys.argv[1] not in targets:
        sys.exit(__doc__)
    name = sys.argv[1]
    options = sys.argv[2:]
    corpus = FOLDER / name
    corpus.mkdir(parents=True, exist_ok=True)
    given = seeds(name)
    for i, content in enumerate(given):
        (corpus / str(i)).write_bytes(content)
        targets[name](content)  # which compiles, or loads, what is needed
    (FOLDER / "words").write_text(words(given))
    limits = [
        "-timeout=10",
        "-rss_limit_mb=1024",
        "-max_len=20000",
        "-len_control=0",
        f"-dict={FOLDER / 'words'}",
    ]
    kept = f"-artifact_prefix={FOLDER / name}-"
    atheris.Setup(
        [sys.argv[0], *limits, kept, "-print_final_stats=1", *options, str(corpus)], targets[name]
    )
    print(f"{len(given)} inputs to begin with, in {corpus}", flush=True)
    warnings.simplefilter("error")
    atheris.Fuzz()


if __name__ == "__main__":
    main()
