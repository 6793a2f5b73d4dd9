"""What can be given as the path of a model, and files that are not one: read, or named in one
line."""

import gzip
import io
import os
import pickle
import socket
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers.needs import needs
from helpers.small_fit import X, Y, bits, make

import fastbp


def saved(path):
    net = make()
    net.fit(X, Y, epochs=1)
    net.save(path)
    return net


def test_paths_of_every_kind(tmp_path):
    plain = tmp_path / "\u017elu\u0165"
    for path in (plain, str(plain), os.fsencode(plain), os.fspath(plain)):
        plain.unlink(missing_ok=True)
        net = saved(path)
        assert bits(fastbp.load(path)) == bits(net)
        checkpoint = os.fsencode(tmp_path / "run") if isinstance(path, bytes) else tmp_path / "run"
        (tmp_path / "run").unlink(missing_ok=True)
        net.fit(X, Y, epochs=1, checkpoint=checkpoint)
        assert bits(fastbp.resume(checkpoint, X, Y)) == bits(net)
    os.symlink(plain, tmp_path / "link")
    assert bits(fastbp.load(tmp_path / "link")) == bits(fastbp.load(plain))


WRONG = {
    "BytesIO": (io.BytesIO(b"x"), TypeError, "an object of type BytesIO: write its content to"),
    "descriptor": (0, TypeError, "an object of type int$"),
    "None": (None, TypeError, "an object of type NoneType$"),
    "a list": (["x"], TypeError, "an object of type list$"),
    "empty": ("", ValueError, "got ''"),
    "null": ("a\0b", ValueError, r"got 'a\\x00b'"),
    "a folder's": ("net" + os.sep, ValueError, "got that of a folder, 'net"),
}
CALLS = {
    "load": ("path", fastbp.load),
    "resume": ("path", lambda path: fastbp.resume(path, X, Y)),
    "save": ("path", lambda path: make().save(path)),
    "onnx": ("path", lambda path: make().to_onnx(path)),
    "checkpoint": ("checkpoint", lambda path: make().fit(X, Y, checkpoint=path)),
}


@pytest.mark.parametrize(
    ("kind", "call"),
    [
        (kind, call)
        for kind in WRONG
        for call in CALLS
        if (kind, call) != ("None", "checkpoint")  # None is no checkpoint
    ],
)
def test_what_is_no_path(kind, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given, error, message = WRONG[kind]
    name, function = CALLS[call]
    if call == "onnx":
        pytest.importorskip("onnx")
    with pytest.raises(error, match=f"^{name} must be the path of a file, .*{message}"):
        function(given)
    assert not os.listdir(tmp_path)


def test_folders_and_missing_files(tmp_path):
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        fastbp.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="no-such"):
        fastbp.load(tmp_path / "no-such")
    saved(tmp_path / "net")
    with pytest.raises(NotADirectoryError, match="net"):
        fastbp.load(tmp_path / "net" / "x")


@needs("os.mkfifo")
def test_a_fifo_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for call in (fastbp.load, lambda path: fastbp.resume(path, X, Y)):
        with pytest.raises(ValueError, match=r"^path must be a file, got '.*fifo', a FIFO$"):
            call(tmp_path / "fifo")
    with pytest.raises(ValueError, match=r"^path must be a file, got '/dev/null', a device$"):
        fastbp.load("/dev/null")
    server = socket.socket(socket.AF_UNIX)
    server.bind(os.path.relpath(tmp_path / "socket"))
    server.close()
    with pytest.raises(ValueError, match=r"^path must be a file, got '.*', a socket$"):
        fastbp.load(tmp_path / "socket")


def array(path):
    with path.open("wb") as file:
        np.save(file, X)


def zipped(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("data.pkl", b"x")


FILES = {
    "Git LFS": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "a pointer of Git LFS, for which `git lfs pull` gets the file",
    ),
    "pickle": (lambda path: path.write_bytes(pickle.dumps(make())), "a pickle"),
    "old pickle": (lambda path: path.write_bytes(pickle.dumps([1], 2)), "a pickle"),
    "PyTorch": (zipped, "a zip archive, such as a model of PyTorch or Keras"),
    "Keras": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), "an HDF5 file"),
    "NumPy": (array, "an array of NumPy"),
    "gzip": (lambda path: path.write_bytes(gzip.compress(b"x")), "compressed by gzip"),
    "page": (lambda path: path.write_text("<!DOCTYPE html><p>404"), "an HTML page"),
    "empty": (lambda path: path.write_bytes(b""), "empty"),
}


@pytest.mark.parametrize("kind", FILES)
def test_other_files_are_named(kind, tmp_path):
    make_file, what = FILES[kind]
    make_file(tmp_path / "net")
    for call in (fastbp.load, lambda path: fastbp.resume(path, X, Y)):
        with pytest.raises(ValueError, match=rf"^path must be a .*net': it is {what}") as caught:
            call(Path(tmp_path / "net"))
        assert "\n" not in str(caught.value)
