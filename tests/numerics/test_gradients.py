"""The gradient is the gradient of exactly the loss reported: central differences, the scalar graph,
and PyTorch's autograd.

Of the product hidden activation x output and loss x widths x l2 x sample weights, every pair of
values is tried, and random networks besides.
"""

import itertools

import numpy as np
import pytest
from helpers.problems import HIDDEN, PAIRS, problem

import fastbp

WIDTHS = [[4, 5, 3], [4, 5, 6, 3]]
PENALTIES = [0.0, 0.2]
WEIGHTED = [False, True]
AXES = [HIDDEN, PAIRS, WIDTHS, PENALTIES, WEIGHTED]


def pairwise_case(i, j):
    """Hidden activation i with pair j; the other axes run through their values with i + j."""
    return (
        HIDDEN[i],
        PAIRS[j],
        WIDTHS[(i + j) % 2],
        PENALTIES[(i + j) // 2 % 2],
        WEIGHTED[(i + j) // 4 % 2],
    )


def drawn_cases(n):
    """Networks of up to three hidden layers, each layer with an activation of its own."""
    rng = np.random.default_rng(0)
    for _ in range(n):
        widths = rng.integers(1, 8, rng.integers(2, 6)).tolist()
        hidden = rng.choice(HIDDEN, len(widths) - 2).tolist()
        pair = PAIRS[rng.integers(len(PAIRS))]
        if "softmax" in pair or "softmax_cross_entropy" in pair:
            widths[-1] = max(2, widths[-1])
        yield (
            hidden,
            pair,
            widths,
            PENALTIES[rng.integers(2)],
            WEIGHTED[rng.integers(2)],
        )


PAIRWISE = [pairwise_case(i, j) for i in range(len(HIDDEN)) for j in range(len(PAIRS))]
NO_HIDDEN_LAYER = [
    ("identity", pair, [4, 3], l2, weighted)
    for pair, (l2, weighted) in zip(PAIRS, itertools.cycle(itertools.product(PENALTIES, WEIGHTED)))
]
CASES = [*PAIRWISE, *NO_HIDDEN_LAYER, *drawn_cases(60)]


def case_id(case):
    hidden, (output, loss), widths, l2, weighted = case
    hidden = hidden if isinstance(hidden, str) else ",".join(hidden)
    return f"{'-'.join(map(str, widths))} {hidden} {output} {loss} l2={l2} weighted={weighted}"


each_case = pytest.mark.parametrize(
    ("hidden", "pair", "widths", "l2", "weighted"), CASES, ids=map(case_id, CASES)
)


def case_problem(hidden, pair, widths, l2, weighted, n):
    """The case's net, inputs, targets and options of the loss.

    Small weights keep activations from saturating. A case is drawn again where a z is so near 0
    that a difference steps over the kink of relu and its kin, or where a derivative is so small
    that it is lost in the rounding of a difference.
    """
    output, loss = pair
    options = {"l2": l2}
    if weighted:
        options["sample_weight"] = np.random.default_rng(5).uniform(0, 3, n)
    for seed in range(3, 300):
        net, X, targets = problem(
            widths, n, "float64", output, loss=loss, hidden=hidden, seed=seed, scale=0.4
        )
        layers = zip([X, *net.forward(X)[:-1]], net.weights, net.biases, strict=True)
        nearest = min(abs(x @ W + b).min() for x, W, b in layers)
        _, *gradients = net.loss_and_gradients(X, targets, **options)
        sizes = np.concatenate([abs(g).ravel() for g in itertools.chain(*gradients)])
        # Derivatives of 0 are allowed: those of relu's dead units.
        if nearest > 1e-4 and not ((sizes > 1e-12) & (sizes < 1e-5)).any():
            return net, X, targets, options
    raise AssertionError("no network of this case has derivatives that differences can check")


def test_cases_cover_every_pair_of_values():
    for a, b in itertools.combinations(range(len(AXES)), 2):
        covered = [(case[a], case[b]) for case in PAIRWISE]
        assert all(pair in covered for pair in itertools.product(AXES[a], AXES[b])), (a, b)


@each_case
def test_central_differences(hidden, pair, widths, l2, weighted):
    net, X, targets, options = case_problem(hidden, pair, widths, l2, weighted, 6)
    # Rounding of the losses leaves 1e-16 / 1e-5 in a difference: 1e-6 of the derivatives compared
    # where the largest is 1e-2.
    check = fastbp.check_gradients(net, X, targets, per_array=6, **options)
    assert check.max_error < 1e-5, str(check)


def test_central_differences_of_the_l1_penalty():
    net, X, targets = problem([4, 5, 3], 6, "float64", "softmax", hidden="tanh", seed=3)
    assert fastbp.check_gradients(net, X, targets, l1=0.3, l2=0.1).max_error < 1e-7
    _, penalised, _ = net.loss_and_gradients(X, targets, l1=0.3)
    _, plain, _ = net.loss_and_gradients(X, targets)
    for dW, without, W in zip(penalised, plain, net.weights, strict=True):
        np.testing.assert_allclose(dW - without, 0.3 * np.sign(W), rtol=1e-13)


def test_central_differences_find_a_wrong_gradient(monkeypatch):
    net, X, targets = problem([4, 5, 3], 6, "float64", "softmax")
    right = fastbp.MLP.loss_and_gradients

    def wrong(self, *args, **kwargs):
        loss, dWs, dbs = right(self, *args, **kwargs)
        dWs[0][1, 2] *= 1.001
        return loss, dWs, dbs

    monkeypatch.setattr(fastbp.MLP, "loss_and_gradients", wrong)
    assert fastbp.check_gradients(net, X, targets).max_error > 1e-4


@each_case
def test_scalar_graph(hidden, pair, widths, l2, weighted):
    """Of one sample, to which a weight makes no difference."""
    net, X, targets, options = case_problem(hidden, pair, widths, l2, weighted, 1)
    graph_loss, *graph_gradients = fastbp.graph.from_net(net, X[0], targets[0], l2=l2).gradients()
    loss, *gradients = net.loss_and_gradients(X, targets, **options)
    assert loss == pytest.approx(graph_loss, rel=1e-12)
    for got, wanted in zip(
        itertools.chain(*gradients), itertools.chain(*graph_gradients), strict=True
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)


def torch_loss(torch, net, weights, biases, X, targets, l2, sample_weight):
    F = torch.nn.functional
    special = {"identity": lambda z: z, "softmax": lambda z: torch.softmax(z, 1)}
    a = X
    for W, b, name in zip(weights, biases, [*net.hidden, net.output], strict=True):
        z = a @ W + b
        a = (special.get(name) or getattr(F, name))(z)
    rows = {
        "cross_entropy": lambda: F.cross_entropy(z, targets, reduction="none"),
        "binary_cross_entropy": lambda: F.binary_cross_entropy_with_logits(
            z, targets, reduction="none"
        ).sum(1),
        "squared_error": lambda: 0.5 * ((a - targets) ** 2).sum(1),
        "softmax_cross_entropy": lambda: F.cross_entropy(a, targets, reduction="none"),
    }[net.loss_name]()
    penalty = 0.5 * l2 * sum((W**2).sum() for W in weights)
    return (sample_weight * rows).sum() / sample_weight.sum() + penalty


@each_case
def test_autograd_of_torch(hidden, pair, widths, l2, weighted):
    torch = pytest.importorskip("torch", reason="a second opinion where PyTorch is installed")
    net, X, targets, options = case_problem(hidden, pair, widths, l2, weighted, 33)
    share = torch.tensor(options.get("sample_weight", np.ones(33)))
    weights, biases = (
        [torch.tensor(p.copy(), requires_grad=True) for p in group]
        for group in (net.weights, net.biases)
    )
    value = torch_loss(
        torch, net, weights, biases, torch.tensor(X), torch.tensor(targets), l2, share
    )
    value.backward()
    got, dWs, dbs = net.loss_and_gradients(X, targets, **options)
    assert got == pytest.approx(value.item(), rel=1e-9)
    for ours, theirs in zip(dWs + dbs, weights + biases, strict=True):
        np.testing.assert_allclose(
            ours, theirs.grad.numpy(), rtol=1e-9, atol=1e-9 * np.abs(ours).max()
        )
