"""The examples in the docstrings of the package run, and give what they say."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import fastbp

# What an example needs beside the extra `test`.
NEEDS = {"fastbp.importers.torch": "torch"}
MODULES = [
    module.name
    for module in pkgutil.walk_packages(fastbp.__path__, "fastbp.")
    if not module.name.startswith("fastbp.kernels") and not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason="runs where PyTorch is installed")
    failed, _ = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS)
    assert failed == 0


def test_there_are_examples():
    tests = doctest.DocTestFinder().find(fastbp.mlp)
    assert any(test.examples for test in tests)
