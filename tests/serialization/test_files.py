"""Atomic replacement of files with long names."""

import os

import pytest

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
