"""The kernels against the naive oracle: forward, gradients and updates, over activations, dtypes,
odd shapes and threads."""

import numpy as np
import pytest
from helpers.problems import (
    HIDDEN,
    PAIRS,
    TOLERANCE,
    NaiveTraining,
    as_lists,
    assert_close,
    assert_gradients,
    problem,
)
from oracles import naive

import fastbp
from fastbp.kernels.plan import panel_of
from fastbp.kernels.simd import lanes_of
from fastbp.kernels.tile import ROWS


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_every_hidden_activation(hidden, dtype):
    net, X, targets = problem([5, 7, 6, 3], 19, dtype, "softmax", hidden=hidden)
    activations = net.forward(X)
    for r, x in enumerate(X.tolist()):
        _, wanted = naive.forward(x, *as_lists(net), net.hidden, "softmax")
        for got, a in zip(activations, wanted, strict=True):
            assert_close(got[r], a, dtype)
    assert_gradients(net, X, targets)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_every_output_and_loss(output, loss, dtype):
    weight = np.random.default_rng(1).uniform(0, 2, 21)
    for widths in ([4, 5, 3], [4, 2]):
        net, X, targets = problem(widths, 21, dtype, output, loss=loss, hidden="tanh")
        assert_gradients(net, X, targets)
        assert_gradients(net, X, targets, l2=0.3, sample_weight=weight)
        net.weights[0][1, :] = 0
        assert_gradients(net, X, targets, l2=0.1, l1=0.4)


ROWS_TO_TRY = sorted(
    {1, 2, 7, *(n + d for n in (lanes_of(np.dtype("f4")), panel_of("f4")) for d in (-1, 0, 1)), 71}
)
WIDTHS_TO_TRY = sorted(
    {1, 2, ROWS - 1, ROWS, ROWS + 1, 2 * ROWS + 1, *(panel_of("f4") + d for d in (-1, 0, 1)), 67}
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", ROWS_TO_TRY)
def test_odd_numbers_of_rows(n, dtype):
    net, X, targets = problem([3, ROWS + 1, 2], n, dtype, "softmax", hidden="tanh")
    for n_threads in (1, 2):
        assert_gradients(net, X, targets, n_threads)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", WIDTHS_TO_TRY)
def test_odd_widths(width, dtype):
    for widths in ([width, 3, 2], [3, width, 2], [2, 3, width]):
        net, X, targets = problem(widths, 5, dtype, "sigmoid", hidden="softplus")
        for n_threads in (1, 2):
            assert_gradients(net, X, targets, n_threads)


def test_deeper_contraction_than_a_packed_strip():
    net, X, _ = problem([1030, 3], 40, "float64", "identity")
    assert_close(net.forward(X)[-1], X @ net.weights[0] + net.biases[0], "float64")


RULES = {
    "sgd": (fastbp.SGD(0.3), {"kind": "sgd", "lr": 0.3}),
    "momentum": (fastbp.SGD(0.1, momentum=0.8), {"kind": "sgd", "lr": 0.1, "momentum": 0.8}),
    "nesterov": (
        fastbp.SGD(0.1, momentum=0.8, nesterov=True),
        {"kind": "nesterov", "lr": 0.1, "momentum": 0.8},
    ),
    "adam": (
        fastbp.Adam(0.05, beta_1=0.7, beta_2=0.95, epsilon=1e-6),
        {"kind": "adam", "lr": 0.05, "beta_1": 0.7, "beta_2": 0.95, "epsilon": 1e-6},
    ),
    "nadam": (
        fastbp.Nadam(0.05, beta_1=0.7, beta_2=0.95, epsilon=1e-3, momentum_decay=0.1),
        {
            "kind": "nadam",
            "lr": 0.05,
            "beta_1": 0.7,
            "beta_2": 0.95,
            "epsilon": 1e-3,
            "momentum_decay": 0.1,
        },
    ),
    "adamw": (
        fastbp.AdamW(0.05, beta_1=0.7, beta_2=0.95, epsilon=1e-3, weight_decay=0.3),
        {
            "kind": "adamw",
            "lr": 0.05,
            "beta_1": 0.7,
            "beta_2": 0.95,
            "epsilon": 1e-3,
            "weight_decay": 0.3,
        },
    ),
    "adagrad": (
        fastbp.Adagrad(0.05, epsilon=1e-3),
        {"kind": "adagrad", "lr": 0.05, "epsilon": 1e-3},
    ),
    "lion": (
        fastbp.Lion(0.01, beta_1=0.7, beta_2=0.95, weight_decay=0.3),
        {"kind": "lion", "lr": 0.01, "beta_1": 0.7, "beta_2": 0.95, "weight_decay": 0.3},
    ),
    "rmsprop": (
        fastbp.RMSprop(0.05, rho=0.8, epsilon=1e-3),
        {"kind": "rmsprop", "lr": 0.05, "beta_2": 0.8, "epsilon": 1e-3},
    ),
    "rmsprop, momentum": (
        fastbp.RMSprop(0.05, rho=0.8, epsilon=1e-3, momentum=0.6),
        {"kind": "rmsprop", "lr": 0.05, "beta_2": 0.8, "epsilon": 1e-3, "momentum": 0.6},
    ),
    "rmsprop, centred": (
        fastbp.RMSprop(0.05, rho=0.8, epsilon=1e-2, centered=True),
        {"kind": "rmsprop", "lr": 0.05, "beta_2": 0.8, "epsilon": 1e-2, "centered": True},
    ),
}
CLIPS = [{"clip_value": 0.02}, {"clip_norm": 0.1}, {"clip_value": 0.05, "clip_norm": 0.2}]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("rule", "clip"),
    [(r, {}) for r in RULES] + [(r, c) for r in ("sgd", "adam") for c in CLIPS],
)
def test_updates_step_by_step(rule, clip, dtype):
    """Three epochs of uneven batches, with penalties and sample weights."""
    optimizer, scalar = RULES[rule]
    net, X, targets = problem([4, ROWS + 3, 3], 23, dtype, "softmax", hidden="tanh")
    weight = np.random.default_rng(2).uniform(0.5, 2, 23).astype(dtype)
    penalties = {"l2": 0.01, "l1": 0.002} if clip else {"l2": 0.01}
    naive_training = NaiveTraining(net, scalar, clip, **penalties)
    history = net.fit(
        X,
        targets,
        epochs=3,
        batch_size=9,
        optimizer=optimizer,
        shuffle=False,
        sample_weight=weight,
        **penalties,
        **clip,
    )
    batches = [slice(first, first + 9) for first in range(0, 23, 9)] * 3
    losses = [naive_training.step(X[rows], targets[rows], weight[rows]) for rows in batches]
    assert naive_training.n_clipped > 4 or not clip
    assert_close(history.batch_loss, losses, dtype)
    for got, wanted in zip((*net.weights, *net.biases), naive_training.arrays, strict=True):
        assert np.abs(got - wanted).max() <= 100 * TOLERANCE[dtype]


def test_labels_are_one_hot_targets():
    labels = np.random.default_rng(3).integers(0, 4, 37)
    one_hot = np.array(naive.one_hot(labels, 4))
    for output, loss in PAIRS:
        net, X, _ = problem([3, 5, 4], 37, "float64", output, loss=loss)
        by_label = net.loss_and_gradients(X, labels)
        by_row = net.loss_and_gradients(X, one_hot)
        assert by_label[0] == by_row[0]
        for got, wanted in zip(by_label[1] + by_label[2], by_row[1] + by_row[2], strict=True):
            np.testing.assert_array_equal(got, wanted)
