"""The graph of a network's loss, against central differences of the plain NumPy formulas."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.problems import OUTPUTS, PAIRS
from oracles import naive

from fastbp.graph import ACTIVATIONS, from_net, network

NUMPY = {name: np.vectorize(function, otypes=[float]) for name, function in naive.VALUE.items()}
NUMPY["softmax"] = naive.softmax


def numpy_loss(weights, biases, x, t, hidden, output, loss, l2):
    """Loss of a dense network straight from the definitions; also the smallest |z|, the distance
    from a kink."""
    a = np.asarray(x)
    nearest = math.inf
    for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
        z = a @ W + b
        nearest = min(nearest, np.abs(z).min())
        a = np.array(NUMPY[output if layer == len(weights) - 1 else hidden[layer]](z))
    if loss == "cross_entropy":
        value = -(t * np.log(a)).sum()
    elif loss == "binary_cross_entropy":
        value = -(t * np.log(a) + (1 - t) * np.log(1 - a)).sum()
    elif loss == "poisson":
        value = (t * np.log(t / a) - t + a).sum()
    elif loss == "softmax_cross_entropy":
        value = -(t * np.log(naive.softmax(a))).sum()
    else:
        value = ((a - t) ** 2).sum() / 2
    return value + l2 / 2 * sum((W**2).sum() for W in weights), nearest


def central_difference(f, array, h=1e-5):
    """Derivative of ``f()`` by each entry of ``array``, which is changed in place and restored."""
    slopes = np.empty_like(array)
    for index, kept in np.ndenumerate(array):
        array[index] = kept + h
        above = f()
        array[index] = kept - h
        slopes[index] = (above - f()) / (2 * h)
        array[index] = kept
    return slopes


def parameters(*sizes, seed=3):
    rng = np.random.default_rng(seed)
    pairs = list(itertools.pairwise(sizes))
    return (
        [rng.normal(size=pair) for pair in pairs],
        [rng.normal(size=n) for _, n in pairs],
        rng.normal(size=sizes[0]),
    )


def classic():
    """The well-known 2-2-2 example: w1..w8 = .15 .. .55, each unit's weights in a row, one bias for
    each layer."""
    weights = [np.array([[0.15, 0.20], [0.25, 0.30]]).T, np.array([[0.40, 0.45], [0.50, 0.55]]).T]
    biases = [np.full(2, 0.35), np.full(2, 0.60)]
    return network(
        weights, biases, [0.05, 0.10], [0.01, 0.99], output="sigmoid", loss="squared_error"
    )


def test_classic_example():
    graph = classic()
    loss, dWs, dbs = graph.gradients()
    assert loss == pytest.approx(0.2983711088, abs=5e-11)
    assert [a.value for a in graph.a[1]] == pytest.approx([0.75136507, 0.772928465], abs=5e-9)
    assert dWs[1][0, 0] == pytest.approx(0.082167041, abs=5e-10)  # dE/dw5
    assert dWs[0][0, 0] == pytest.approx(0.000438568, abs=5e-10)  # dE/dw1
    assert graph.deltas[1] == pytest.approx([0.138498562, -0.0380982365], abs=5e-10)
    assert all((db == delta).all() for db, delta in zip(dbs, graph.deltas, strict=True))


@pytest.mark.parametrize("hidden", ACTIVATIONS)
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_network_against_central_differences(output, loss, hidden):
    weights, biases, x = parameters(3, 4, 3, 2)
    names = (hidden, "tanh")
    t = np.array([0.3, 0.7])
    l2 = 0.1

    def reference():
        return numpy_loss(weights, biases, x, t, names, output, loss, l2)[0]

    # no kink within a step
    assert numpy_loss(weights, biases, x, t, names, output, loss, l2)[1] > 1e-3
    graph = network(weights, biases, x, t, hidden=names, output=output, loss=loss, l2=l2)
    value, dWs, dbs = graph.gradients()
    assert value == pytest.approx(reference(), rel=1e-12)
    for mine, given in ((dWs, weights), (dbs, biases)):
        for gradient, array in zip(mine, given, strict=True):
            wanted = central_difference(reference, array)
            assert gradient.shape == array.shape
            np.testing.assert_allclose(gradient, wanted, rtol=1e-7, atol=1e-9)
    assert [node.grad for node in graph.x] == pytest.approx(
        central_difference(reference, x), rel=1e-7, abs=1e-9
    )


@pytest.mark.parametrize("output", [*OUTPUTS, "exp"])
def test_default_loss_follows_the_output(output):
    weights, biases, x = parameters(3, 2)
    own = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy", "exp": "poisson"}
    loss = own.get(output, "squared_error")
    wanted, _ = numpy_loss(weights, biases, x, np.array([0.2, 0.8]), (), output, loss, 0.0)
    assert network(weights, biases, x, [0.2, 0.8], output=output).loss.value == pytest.approx(
        wanted
    )


def test_label_is_a_one_hot_target():
    weights, biases, x = parameters(3, 4, 3)
    for label in (2, np.int64(2)):
        _, dWs, _ = network(weights, biases, x, label).gradients()
        _, wanted, _ = network(weights, biases, x, [0, 0, 1]).gradients()
        assert all((dW == other).all() for dW, other in zip(dWs, wanted, strict=True))


def test_softmax_delta_is_output_minus_target():
    weights, biases, x = parameters(3, 4, 3)
    graph = network(weights, biases, x, 1)
    graph.gradients()
    assert graph.deltas[-1] == pytest.approx(
        [a.value - t for a, t in zip(graph.a[-1], (0, 1, 0), strict=True)]
    )


def test_hidden_names():
    weights, biases, x = parameters(3, 4, 4, 2)

    def loss(hidden):
        return network(weights, biases, x, 0, hidden=hidden).loss.value

    assert loss("tanh") == loss(["tanh", "tanh"]) != loss(["tanh", "relu"])
    assert loss("logistic") == loss("sigmoid") != loss("tanh")


def test_from_net_reads_the_nets_attributes():
    weights, biases, x = parameters(3, 4, 2)
    settings = {"hidden": ("elu",), "output": "sigmoid"}
    net = SimpleNamespace(weights=weights, biases=biases, loss_name="squared_error", **settings)
    wanted = network(weights, biases, x, 1, loss="squared_error", l2=0.5, **settings)
    assert from_net(net, x, 1, l2=0.5).loss.value == wanted.loss.value
    assert from_net(net, x, 1).loss.value < wanted.loss.value


W, B, X = parameters(3, 4, 2)


@pytest.mark.parametrize(
    ("error", "message", "changes"),
    [
        (
            ValueError,
            "hidden must be one of 'identity', .*'mish'.* got 'swish'",
            {"hidden": "swish"},
        ),
        (TypeError, "hidden must be one of 'identity', .*'mish'.* got 3", {"hidden": [3]}),
        (
            ValueError,
            "hidden must be .* each of the 1 hidden layers, got 2",
            {"hidden": ["relu"] * 2},
        ),
        (ValueError, "output must be one of 'softmax', .* got 'step'", {"output": "step"}),
        (ValueError, "loss must be one of 'cross_entropy', .* got 'mse'", {"loss": "mse"}),
        (ValueError, "'hinge' needs output='identity', got output='softmax'", {"loss": "hinge"}),
        (ValueError, "'poisson' needs output='exp', got output='softmax'", {"loss": "poisson"}),
        (
            ValueError,
            r"y must hold .* one-hot rows, got \[0.5, 0.5\]",
            {"output": "identity", "loss": "hinge", "y": [0.5, 0.5]},
        ),
        (ValueError, "label_smoothing must be at most 1, got 2", {"label_smoothing": 2}),
        (TypeError, "label_smoothing must be a number, got '1'", {"label_smoothing": "1"}),
        (
            ValueError,
            "label_smoothing needs .*'squared_error'",
            {"label_smoothing": 0.1, "loss": "squared_error"},
        ),
        (
            ValueError,
            "'cross_entropy' needs output='softmax', got output='tanh'",
            {"output": "tanh", "loss": "cross_entropy"},
        ),
        (
            ValueError,
            "'binary_cross_entropy' needs output='sigmoid', got output='softmax'",
            {"loss": "binary_cross_entropy"},
        ),
        (ValueError, "y must be at most 1, got 2", {"y": 2}),
        (ValueError, "y must be at least 0, got -1", {"y": -1}),
        (ValueError, r"y must be of shape \(2,\), got \(3,\)", {"y": [0, 0, 1]}),
        (
            ValueError,
            r"y must be of shape \(1,\) .* got the label 0",
            {"weights": [np.ones((3, 1))], "biases": [[0]], "output": "sigmoid"},
        ),
        (
            ValueError,
            "output='softmax' needs at least 2 outputs, .* got 1",
            {"weights": [np.ones((3, 1))], "biases": [[0]]},
        ),
        (ValueError, r"x must be of shape \(3,\), got \(2,\)", {"x": X[:2]}),
        (TypeError, "x must be an array of real numbers, got dtype", {"x": ["a", "b", "c"]}),
        (
            ValueError,
            r"weights\[1\] must be of shape \(4, n_out\), got \(3, 2\)",
            {"weights": [W[0], W[1][:3]]},
        ),
        (
            ValueError,
            r"weights\[0\] must be of shape \(n_in, n_out\), got \(0, 4\)",
            {"weights": [W[0][:0], W[1]]},
        ),
        (
            ValueError,
            r"weights\[0\] must be an array of real numbers",
            {"weights": [[[1, 2], [3]], W[1]]},
        ),
        (ValueError, r"biases\[0\] must be of shape \(4,\), got \(2,\)", {"biases": B[::-1]}),
        (ValueError, "weights and biases .* got 2 weight and 1 bias", {"biases": B[:1]}),
        (
            ValueError,
            "weights and biases .* got 0 weight and 0 bias",
            {"weights": [], "biases": []},
        ),
        (ValueError, "l2 must be a finite number at least 0, got -1", {"l2": -1}),
        (ValueError, "l2 must be a finite number at least 0, got nan", {"l2": math.nan}),
        (TypeError, "l2 must be a number, got '1'", {"l2": "1"}),
        (TypeError, "loss must be one of 'cross_entropy', .* got <", {"loss": lambda a, y: None}),
    ],
)
def test_errors_name_the_argument(error, message, changes):
    arguments = {"weights": W, "biases": B, "x": X, "y": 0}
    network(**arguments)
    with pytest.raises(error, match=message):
        network(**arguments | changes)
