"""The docstring of MLP and the README name every activation and every loss."""

import re
from pathlib import Path

import pytest

import fastbp
from fastbp.base.activations import HIDDEN, OUTPUTS
from fastbp.base.losses import LOSSES

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("parameter", "names"), [("hidden", HIDDEN), ("output", OUTPUTS), ("loss", LOSSES)]
)
def test_docstring_of_the_model(parameter, names):
    section = re.search(rf"\n    {parameter} : (.*?)\n    \w+ :", fastbp.MLP.__doc__, re.DOTALL)[1]
    assert set(names) <= set(re.findall(r'"(\w+)"', section))


@pytest.mark.parametrize("names", [HIDDEN, OUTPUTS, LOSSES], ids=["hidden", "output", "loss"])
def test_readme(names):
    assert set(names) <= set(re.findall(r"\w+", README))
