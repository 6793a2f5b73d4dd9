"""Small random networks with inputs and targets, and comparisons with the naive oracle."""

import numpy as np
from oracles import naive

import fastbp
from fastbp.base import activations
from fastbp.base.activations import ACTIVATIONS

# Every activation of hidden layers, without aliases, and of outputs except exp, which overflows.
HIDDEN = [name for name in ACTIVATIONS if name in activations.HIDDEN]
OUTPUTS = [name for name in ACTIVATIONS if name in activations.OUTPUTS and name != "exp"]
PAIRS = [("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy")]
PAIRS += [(o, loss) for o in OUTPUTS for loss in ("squared_error", "softmax_cross_entropy")]

# Relative to the largest derivative of an array: a few roundings a term of the sums.
TOLERANCE = {"float32": 3e-5, "float64": 1e-13}


def problem(widths, n, dtype, output, seed=0, scale=1.0, **net_options):
    rng = np.random.default_rng(seed)
    net = fastbp.MLP(
        widths,
        output=output,
        dtype=dtype,
        init=lambda rng, shape: rng.normal(0, scale, shape),
        **net_options,
    )
    for b in net.biases:
        b[:] = rng.normal(0, scale, b.shape)
    X = rng.normal(size=(n, widths[0])).astype(dtype)
    targets = rng.uniform(size=(n, widths[-1]))
    targets = (targets / targets.sum(axis=1, keepdims=True)).astype(dtype)
    return net, X, targets


def twin(net, X, targets, **options):
    """The naive loss and gradients, from the same numbers."""
    loss, dWs, dbs = naive.loss_and_gradients(
        X.tolist(), targets.tolist(), [w.tolist() for w in net.weights], [b.tolist() for b in net.biases],
        net.hidden, net.output, net.loss_name, **options,
    )  # fmt: skip
    return loss, [np.array(d) for d in dWs], [np.array(d) for d in dbs]


def assert_close(got, wanted, dtype):
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= TOLERANCE[dtype] * max(np.abs(wanted).max(), 1e-3)


def assert_gradients(net, X, targets, n_threads=None, **options):
    loss, dWs, dbs = net.loss_and_gradients(X, targets, n_threads=n_threads, **options)
    if "sample_weight" in options:
        options["sample_weight"] = list(options["sample_weight"])
    true_loss, true_dWs, true_dbs = twin(net, X, targets, **options)
    assert_close(loss, true_loss, net.dtype.name)
    for got, wanted in zip(dWs + dbs, true_dWs + true_dbs, strict=True):
        assert got.dtype == net.dtype
        assert_close(got, wanted, net.dtype.name)
