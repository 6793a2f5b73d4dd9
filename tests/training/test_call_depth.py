"""How many Python frames lie between a public method and the compiled call."""

import sys
from pathlib import Path

import pytest
from helpers.small_fit import X, Y, make

import fastbp
from fastbp.kernels.entries import infer, train

PACKAGE = str(Path(fastbp.__file__).parent)


@pytest.fixture
def depths(monkeypatch):
    """The numbers of fastbp's frames on the stack, at each call of the compiled kernels."""
    found = []

    def counted(kernel):
        def call(*arguments):
            frame = sys._getframe(1)
            depth = 0
            while frame is not None:
                depth += frame.f_code.co_filename.startswith(PACKAGE)
                frame = frame.f_back
            found.append(depth)
            return kernel(*arguments)

        return call

    for kernel in (train, infer):
        kernel.load_dtype("float32")
        monkeypatch.setattr(kernel, "call", counted(kernel.call))
    return found


def test_fit(depths):
    make().fit(X, Y, epochs=2, n_threads=1)
    assert depths
    assert max(depths) <= 8


@pytest.mark.parametrize("rows", [1, 50])
def test_predict(depths, rows):
    make().predict(X[:rows])
    assert depths
    assert max(depths) <= 5
