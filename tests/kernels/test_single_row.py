"""A single sample has a product of its own, with the same bits as among others."""

import numpy as np
import pytest

import fastbp
from fastbp.base.activations import HIDDEN
from fastbp.engine.forward import outputs

WIDTHS = [(1, 1), (3, 2, 1), (5, 16, 10), (7, 33, 17, 4), (64, 100, 10), (130, 65, 31, 32, 3)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
def test_same_bits_alone_as_among_others(widths, output, dtype):
    rng = np.random.default_rng(0)
    if output == "softmax":
        widths = (*widths[:-1], max(2, widths[-1]))
    X = rng.normal(size=(5, widths[0])).astype(dtype)
    for hidden in HIDDEN if len(widths) > 2 and output == "identity" else ["tanh"]:
        net = fastbp.MLP(widths, hidden=hidden, output=output, loss="squared_error", dtype=dtype)
        net.biases = [rng.normal(size=b.shape) for b in net.biases]
        together = net.forward(X)[-1]
        for i in (3, 0, 4):
            alone = (
                net.predict_proba(X[i : i + 1])
                if output != "identity"
                else net.predict(X[i : i + 1]).reshape(1, -1)
            )
            np.testing.assert_array_equal(alone[0, -widths[-1] :], together[i])
        # The buffers of a single sample serve several again.
        few = outputs(net.network, net.parameters, X[1:4])
        np.testing.assert_array_equal(few, together[1:4])


@pytest.mark.parametrize("n", [257, 513])
def test_a_last_block_of_one(n):
    X = np.random.default_rng(0).normal(size=(n, 6))
    net = fastbp.MLP([6, 9, 3], dtype="float64")
    np.testing.assert_array_equal(net.predict_proba(X), net.forward(X)[-1])


def test_every_layout():
    X = np.random.default_rng(0).normal(size=(40, 12))
    net = fastbp.MLP([6, 9, 3], hidden="relu", dtype="float64")
    for some in (X[::-3, ::-2], np.asfortranarray(X[:, :6]), X[:, 3:9]):
        expected = net.forward(some)[-1]
        for i in range(len(some)):
            np.testing.assert_array_equal(net.predict_proba(some[i : i + 1])[0], expected[i])


def test_nan_goes_through():
    net = fastbp.MLP([3, 4, 2], hidden="relu", output="identity", loss="squared_error")
    net.weights[0][1, 2] = np.nan
    assert np.isnan(net.predict([[1.0, 2.0, 3.0]])).all()
