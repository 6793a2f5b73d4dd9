"""Atomic replacement of files with long names."""

import os
import stat
import sys

import pytest
from helpers.needs import needs

import fastbp
from fastbp.base import files


def names():
    limit = 255
    for text in ("a", "é", "\U0001f600"):
        size = len(text.encode())
        yield from (text * ((limit - cut) // size) for cut in (0, 5, 21, 100, 160))


@pytest.mark.parametrize("name", list(names()), ids=lambda name: f"{len(name)} of {name[0]}")
def test_any_name_that_the_system_takes(name, tmp_path):
    path = tmp_path / name
    files.check_writable(path)
    assert os.listdir(tmp_path) == []
    for content in (b"old", b"new"):
        files.replace_file(path, [content])
        assert path.read_bytes() == content
    assert os.listdir(tmp_path) == [name]


def test_stale_files_of_long_names_are_removed(tmp_path):
    path = tmp_path / ("n" * 250)
    temporary, descriptor = files._locked_file(path)
    os.close(descriptor)  # as after a kill
    os.utime(temporary, (0, 0))  # on Windows it may be about to be renamed for a minute
    assert len(os.fsencode(temporary.name)) < 143
    files.replace_file(path, [b"new"])
    assert os.listdir(tmp_path) == [path.name]


def test_long_names_that_begin_alike(tmp_path):
    """A writer's temporary file is locked, and so kept by the writer of the other."""
    one, other = (tmp_path / ("n" * 249 + end) for end in "ab")
    temporary, descriptor = files._locked_file(one)
    files.replace_file(other, [b"other"])
    assert temporary.exists()
    os.close(descriptor)


def test_a_model_with_a_long_name(tmp_path):
    path = tmp_path / ("m" * 255)
    fastbp.MLP([1, 2]).save(path)
    assert fastbp.load(path).widths == (1, 2)


@needs("fcntl")
@pytest.mark.parametrize("has_it", [True, False])
def test_macos_flushes_the_drive_too(has_it, tmp_path, monkeypatch):
    """The file, then its folder; by fsync on a file system without F_FULLFSYNC."""
    flushed = []

    def fcntl(descriptor, command):
        assert command == 51
        if not has_it:
            raise OSError
        flushed.append(stat.S_IFMT(os.fstat(descriptor).st_mode))

    def fsync(descriptor):
        assert not has_it
        flushed.append(stat.S_IFMT(os.fstat(descriptor).st_mode))

    monkeypatch.setattr(files.fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(files.fcntl, "fcntl", fcntl)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(sys, "platform", "darwin")
    files.replace_file(tmp_path / "net", [b"content"])
    assert flushed == [stat.S_IFREG, stat.S_IFDIR]
