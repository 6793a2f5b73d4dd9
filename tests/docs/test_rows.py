"""The docstring of MLP names every activation and every loss; the site's tables are made from the
rows."""

import re

import pytest

import fastbp
from fastbp.base.activations import HIDDEN, OUTPUTS
from fastbp.base.losses import LOSSES


@pytest.mark.parametrize(
    ("parameter", "names"), [("hidden", HIDDEN), ("output", OUTPUTS), ("loss", LOSSES)]
)
def test_docstring_of_the_model(parameter, names):
    section = re.search(rf"\n    {parameter} : (.*?)\n    \w+ :", fastbp.MLP.__doc__, re.DOTALL)[1]
    assert set(names) <= set(re.findall(r'"(\w+)"', section))
