"""The gradient is the gradient of exactly the loss reported: central differences, the scalar graph,
and PyTorch's autograd."""

import itertools

import numpy as np
import pytest
from helpers.problems import HIDDEN, PAIRS, problem

import fastbp
from fastbp.base.activations import ACTIVATIONS

WIDTHS = [[4, 3], [4, 5, 3], [4, 5, 6, 3]]


def options(l2, weighted, n=6):
    chosen = {"l2": l2}
    if weighted:
        chosen["sample_weight"] = np.random.default_rng(5).uniform(0, 3, n)
    return chosen


@pytest.mark.parametrize("widths", WIDTHS, ids=["0 hidden", "1 hidden", "2 hidden"])
@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_central_differences(hidden, output, loss, widths):
    # Weights small enough that nothing saturates: a derivative near 0 is lost in the rounding of
    # the difference.
    net, X, targets = problem(
        widths, 6, "float64", output, loss=loss, hidden=hidden, seed=3, scale=0.4
    )
    for l2, weighted in ((0.0, False), (0.2, True)):
        # The losses' rounding leaves 1e-16 / 1e-5 in a difference: 1e-6 of the derivatives looked
        # at where the largest is 1e-2.
        check = fastbp.check_gradients(net, X, targets, per_array=6, **options(l2, weighted))
        assert check.max_error < 1e-5, (l2, weighted, str(check))


def test_central_differences_of_the_l1_penalty():
    net, X, targets = problem([4, 5, 3], 6, "float64", "softmax", hidden="tanh", seed=3)
    assert fastbp.check_gradients(net, X, targets, l1=0.3, l2=0.1).max_error < 1e-7
    _, with_it, _ = net.loss_and_gradients(X, targets, l1=0.3)
    for dW, plain, W in zip(
        with_it, net.loss_and_gradients(X, targets)[1], net.weights, strict=True
    ):
        np.testing.assert_allclose(dW - plain, 0.3 * np.sign(W), rtol=1e-13)


def test_central_differences_find_a_wrong_gradient(monkeypatch):
    net, X, targets = problem([4, 5, 3], 6, "float64", "softmax")
    right = fastbp.MLP.loss_and_gradients

    def wrong(self, *args, **kwargs):
        loss, dWs, dbs = right(self, *args, **kwargs)
        dWs[0][1, 2] *= 1.001
        return loss, dWs, dbs

    monkeypatch.setattr(fastbp.MLP, "loss_and_gradients", wrong)
    assert fastbp.check_gradients(net, X, targets).max_error > 1e-4


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_scalar_graph(hidden, output, loss):
    net, X, targets = problem([4, 5, 6, 3], 1, "float64", output, loss=loss, hidden=hidden, seed=4)
    graph_loss, *graph_gradients = fastbp.graph.from_net(net, X[0], targets[0], l2=0.1).gradients()
    loss_, *gradients = net.loss_and_gradients(X, targets, l2=0.1)
    assert loss_ == pytest.approx(graph_loss, rel=1e-12)
    for got, wanted in zip(
        itertools.chain(*gradients), itertools.chain(*graph_gradients), strict=True
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)


def torch_activation(torch, name):
    """PyTorch's module with its own default settings."""
    return getattr(torch.nn, ACTIVATIONS[name].torch.kind)()


def torch_loss(torch, net, weights, biases, X, targets, l2, sample_weight):
    F = torch.nn.functional
    a = X
    for W, b, name in zip(weights, biases, [*net.hidden, net.output], strict=True):
        z = a @ W + b
        a = torch.softmax(z, 1) if name == "softmax" else torch_activation(torch, name)(z)
    rows = {
        "cross_entropy": lambda: F.cross_entropy(z, targets, reduction="none"),
        "binary_cross_entropy": lambda: F.binary_cross_entropy_with_logits(
            z, targets, reduction="none"
        ).sum(1),
        "squared_error": lambda: 0.5 * ((a - targets) ** 2).sum(1),
        "softmax_cross_entropy": lambda: F.cross_entropy(a, targets, reduction="none"),
    }[net.loss_name]()
    return (sample_weight * rows).sum() / sample_weight.sum() + 0.5 * l2 * sum(
        (W**2).sum() for W in weights
    )


@pytest.mark.parametrize("widths", WIDTHS, ids=["0 hidden", "1 hidden", "2 hidden"])
@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_autograd_of_torch(hidden, output, loss, widths):
    torch = pytest.importorskip("torch", reason="a second opinion where PyTorch is installed")
    net, X, targets = problem(widths, 33, "float64", output, loss=loss, hidden=hidden, seed=6)
    for l2, weighted in itertools.product((0.0, 0.2), (False, True)):
        chosen = options(l2, weighted, 33)
        share = torch.tensor(chosen.get("sample_weight", np.ones(33)))
        weights, biases = (
            [torch.tensor(p.copy(), requires_grad=True) for p in group]
            for group in (net.weights, net.biases)
        )
        value = torch_loss(
            torch, net, weights, biases, torch.tensor(X), torch.tensor(targets), l2, share
        )
        value.backward()
        got, dWs, dbs = net.loss_and_gradients(X, targets, **chosen)
        assert got == pytest.approx(value.item(), rel=1e-9)
        for ours, theirs in zip(dWs + dbs, weights + biases, strict=True):
            np.testing.assert_allclose(
                ours, theirs.grad.numpy(), rtol=1e-9, atol=1e-9 * np.abs(ours).max()
            )
