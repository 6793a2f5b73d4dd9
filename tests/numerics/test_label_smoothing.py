"""Label smoothing: the loss reported is that of the smoothed targets, its gradient exactly that
one's, as PyTorch has it."""

import numpy as np
import pytest
from helpers.problems import problem
from oracles import naive

import fastbp

PAIRS = [
    ("softmax", "cross_entropy"),
    ("sigmoid", "binary_cross_entropy"),
    ("relu", "softmax_cross_entropy"),
]
LABELS = np.random.default_rng(0).integers(0, 3, 37)


def smoothed(targets, amount, loss):
    return (1 - amount) * targets + amount / (
        2 if loss == "binary_cross_entropy" else targets.shape[1]
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("amount", [0.1, 1.0])
def test_smoothed_targets(output, loss, dtype, amount):
    net, X, rows = problem(
        [4, 5, 3], 37, dtype, output, loss=loss, hidden="tanh", label_smoothing=amount
    )
    plain = fastbp.MLP([4, 5, 3], "tanh", output, loss, dtype=dtype)
    plain.weights = net.weights
    plain.biases = net.biases
    options = {"l2": 0.1, "sample_weight": np.random.default_rng(1).uniform(0, 2, 37)}
    for given, whole in ((LABELS, np.array(naive.one_hot(LABELS, 3))), (rows, rows)):
        got, wanted = (
            n.loss_and_gradients(X, y, **options)
            for n, y in ((net, given), (plain, smoothed(whole, amount, loss)))
        )
        assert got[0] == pytest.approx(wanted[0], rel=1e-6 if dtype == "float32" else 1e-13)
        for ours, theirs in zip(got[1] + got[2], wanted[1] + wanted[2], strict=True):
            np.testing.assert_allclose(
                ours,
                theirs,
                rtol=0,
                atol=(1e-6 if dtype == "float32" else 1e-14) * abs(theirs).max(),
            )
    assert net.loss(X, LABELS) == pytest.approx(net.loss_and_gradients(X, LABELS)[0], rel=1e-6)
    np.testing.assert_array_equal(net.predict(X), plain.predict(X))


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_central_differences_and_scalar_graph(output, loss):
    net, X, rows = problem(
        [4, 5, 3], 6, "float64", output, loss=loss, hidden="tanh", label_smoothing=0.2
    )
    for y in (LABELS[:6], rows):
        assert fastbp.check_gradients(net, X, y, l2=0.1).max_error < 1e-5
        graph_loss, dWs, dbs = fastbp.graph.from_net(net, X[0], y[0]).gradients()
        value, *gradients = net.loss_and_gradients(X[:1], y[:1])
        assert value == pytest.approx(graph_loss, rel=1e-12)
        for ours, theirs in zip(gradients[0] + gradients[1], dWs + dbs, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("rows", [False, True])
def test_torch(rows):
    torch = pytest.importorskip("torch", reason="a second opinion where PyTorch is installed")
    net, X, probabilities = problem([4, 3], 37, "float64", "softmax", label_smoothing=0.3)
    y = probabilities if rows else LABELS
    W, b = (torch.tensor(p[0].copy(), requires_grad=True) for p in (net.weights, net.biases))
    value = torch.nn.CrossEntropyLoss(label_smoothing=0.3)(torch.tensor(X) @ W + b, torch.tensor(y))
    value.backward()
    got, dWs, dbs = net.loss_and_gradients(X, y)
    assert got == pytest.approx(value.item(), rel=1e-12)
    np.testing.assert_allclose(dWs[0], W.grad.numpy(), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(dbs[0], b.grad.numpy(), rtol=1e-10, atol=1e-13)


def test_one_sigmoid_output_has_two_classes():
    net = fastbp.MLP([2, 1], output="sigmoid", dtype="float64", label_smoothing=0.2)
    plain = fastbp.MLP([2, 1], output="sigmoid", dtype="float64")
    X = np.random.default_rng(0).normal(size=(9, 2))
    y = np.arange(9) % 2
    assert net.loss(X, y) == pytest.approx(plain.loss(X, np.where(y, 0.9, 0.1)[:, None]), rel=1e-14)


@pytest.mark.parametrize("integers", [False, True])
def test_training(integers):
    """As on smoothed rows; where X is converted a batch at a time too; the same bits for any number
    of threads."""
    rng = np.random.default_rng(3)
    X = rng.integers(-3, 4, (3000, 4)) if integers else rng.normal(size=(3000, 4)).astype("f4")
    y = rng.integers(0, 3, 3000)
    nets = [fastbp.MLP([4, 40, 3], label_smoothing=s, seed=2) for s in (0.1, 0.1, 0.0)]
    soft = smoothed(np.eye(3)[y], 0.1, "cross_entropy")
    options = {"epochs": 3, "batch_size": 1500, "X_val": X, "optimizer": fastbp.SGD(0.5)}
    histories = [
        net.fit(X, t, y_val=t, n_threads=n, **options)
        for net, t, n in zip(nets, (y, y, soft), (1, 2, 1), strict=True)
    ]
    assert nets[0].parameters.tobytes() == nets[1].parameters.tobytes()
    assert histories[0].batch_loss == histories[1].batch_loss
    np.testing.assert_allclose(nets[0].parameters, nets[2].parameters, atol=1e-6)
    for ours, theirs in (
        (histories[0].loss, histories[2].loss),
        (histories[0].val_loss, histories[2].val_loss),
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_none_is_no_change_and_all_is_said():
    X = np.random.default_rng(0).normal(size=(37, 4))
    nets = [fastbp.MLP([4, 5, 3], **options) for options in ({}, {"label_smoothing": 0.0})]
    for net in nets:
        net.fit(X, LABELS, epochs=2)
    assert nets[0].parameters.tobytes() == nets[1].parameters.tobytes()
    net = fastbp.MLP([4, 3], label_smoothing=0.1)
    assert net.astype("float64").label_smoothing == net.label_smoothing == 0.1
    assert "label_smoothing=0.1" in repr(net)
