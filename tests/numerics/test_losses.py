"""The losses beside squared error and cross-entropies, against the naive twin, differences, the
scalar graph and PyTorch."""

import itertools

import numpy as np
import pytest
from helpers.problems import assert_gradients, problem

import fastbp

OUTPUTS = ("softmax", "sigmoid", "identity", "tanh", "relu", "softplus", "exp")
PAIRS = [(output, loss) for output in OUTPUTS for loss in ("huber", "absolute_error")]
PAIRS += [("exp", "poisson"), ("exp", "squared_error"), ("identity", "hinge")]


def case(output, loss, n=21, dtype="float64", widths=(4, 5, 3), seed=0):
    """A net, inputs, and targets on both sides of the loss's kinks: counts with zeros, one-hot
    rows, or any numbers."""
    net, X, _ = problem(
        list(widths), n, dtype, output, loss=loss, hidden="tanh", seed=seed, scale=0.7
    )
    rng = np.random.default_rng(seed + 1)
    targets = {
        "poisson": lambda: rng.poisson(1.5, (n, widths[-1])),
        "hinge": lambda: np.eye(widths[-1])[rng.integers(0, widths[-1], n)],
    }.get(loss, lambda: rng.normal(0, 2, (n, widths[-1])))()
    return net, X, targets.astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_naive_twin(output, loss, dtype):
    for widths in ((4, 5, 3), (4, 2)):
        net, X, targets = case(output, loss, 37, dtype, widths)
        assert_gradients(net, X, targets)
        for n_threads in (1, 2):
            weight = np.random.default_rng(1).uniform(0, 2, 37)
            assert_gradients(net, X, targets, n_threads, l2=0.3, sample_weight=weight)


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_central_differences(output, loss):
    net, X, targets = case(output, loss)
    for options in ({}, {"l2": 0.2, "sample_weight": np.random.default_rng(5).uniform(0, 3, 21)}):
        check = fastbp.check_gradients(net, X, targets, per_array=10, **options)
        assert check.max_error < 1e-5, str(check)


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_scalar_graph(output, loss):
    net, X, targets = case(output, loss, 5)
    for x, t in zip(X, targets, strict=True):
        graph_loss, *wanted = fastbp.graph.from_net(net, x, t, l2=0.1).gradients()
        value, *gradients = net.loss_and_gradients(x[None], t[None], l2=0.1)
        assert value == pytest.approx(graph_loss, rel=1e-12)
        for got, exact in zip(itertools.chain(*gradients), itertools.chain(*wanted), strict=True):
            np.testing.assert_allclose(got, exact, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_autograd_of_torch(output, loss):
    torch = pytest.importorskip("torch", reason="a second opinion where PyTorch is installed")
    F = torch.nn.functional
    net, X, targets = case(output, loss, 33)
    W0, W1 = (torch.tensor(w.copy(), requires_grad=True) for w in net.weights)
    b0, b1 = (torch.tensor(b.copy(), requires_grad=True) for b in net.biases)
    z = torch.tanh(torch.tensor(X) @ W0 + b0) @ W1 + b1
    a = {
        "softmax": lambda: torch.softmax(z, 1),
        "identity": lambda: z,
        "softplus": lambda: F.softplus(z),
    }.get(output, lambda: getattr(torch, output)(z))()
    t = torch.tensor(targets)
    rows = {
        "huber": lambda: F.huber_loss(a, t, reduction="none").sum(1),
        "absolute_error": lambda: F.l1_loss(a, t, reduction="none").sum(1),
        "squared_error": lambda: 0.5 * F.mse_loss(a, t, reduction="none").sum(1),
        # PyTorch leaves out what depends on the targets alone.
        "poisson": lambda: (F.poisson_nll_loss(z, t, reduction="none") + torch.xlogy(t, t) - t).sum(
            1
        ),
        # PyTorch divides by the number of classes.
        "hinge": lambda: F.multi_margin_loss(a, t.argmax(1), reduction="none") * a.shape[1],
    }[loss]()
    rows.mean().backward()
    got, dWs, dbs = net.loss_and_gradients(X, targets)
    assert got == pytest.approx(rows.mean().item(), rel=1e-9)
    for ours, theirs in zip(dWs + dbs, (W0, W1, b0, b1), strict=True):
        np.testing.assert_allclose(
            ours, theirs.grad.numpy(), rtol=1e-9, atol=1e-9 * np.abs(ours).max()
        )


def test_poisson_is_half_of_scikit_learns_deviance():
    metrics = pytest.importorskip("sklearn.metrics")
    net, X, targets = case("exp", "poisson", 40, widths=(4, 5, 1))
    rates = net.predict(X)
    np.testing.assert_array_equal(rates, net.forward(X)[-1][:, 0])
    assert 2 * net.loss(X, targets[:, 0]) == pytest.approx(
        metrics.mean_poisson_deviance(targets[:, 0], rates), rel=1e-12
    )


def test_a_count_regression_finds_the_rates():
    """A saturated model's rates are the groups' mean counts."""
    group = np.arange(60) % 3
    counts = np.random.default_rng(0).poisson(np.array([0.5, 3.0, 20.0])[group])
    net = fastbp.MLP([3, 1], output="exp", dtype="float64")
    assert net.loss_name == "poisson"
    X = np.eye(3)[group]
    net.fit(X, counts, epochs=600, batch_size=None, optimizer=fastbp.SGD(0.1))
    means = [counts[group == g].mean() for g in range(3)]
    np.testing.assert_allclose(net.predict(np.eye(3)), means, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("output", "loss"), [(o, loss) for o, loss in PAIRS if o != "exp"])
def test_finite_for_any_finite_z(output, loss, dtype):
    net = fastbp.MLP([1, 2], output=output, loss=loss, dtype=dtype)
    largest = float(np.finfo(dtype).max) / 8
    for z, target in itertools.product(
        [0, 1e-30, 60, -60, 1e4, -1e4, largest, -largest], np.eye(2)
    ):
        net.biases[0][:] = z, -z
        value, _, dbs = net.loss_and_gradients([[0.0]], [target])
        assert np.isfinite(value), z
        assert np.abs(dbs[0]).max() <= 1


@pytest.mark.parametrize(("dtype", "most"), [("float32", 88.0), ("float64", 709.0)])
def test_poisson_for_any_finite_z(dtype, most):
    """A rate too large for the dtype is an infinite loss, of which training stops; never a NaN."""
    net = fastbp.MLP([1, 1], output="exp", dtype=dtype)
    net.weights[0][:] = 1
    for z in (-1e30, -1e4, -110.0, most, 0.0):
        for t in (0.0, 1.0, 7.0):
            value, _, dbs = net.loss_and_gradients([[z]], [t])
            assert np.isfinite([value, dbs[0][0]]).all()
            assert value == pytest.approx((t and t * (np.log(t) - z)) - t + np.exp(z), rel=1e-5)
    for t in (0.0, 7.0):
        assert net.loss([[most + 2]], [t]) == np.inf
    with pytest.raises(fastbp.DivergenceError):
        net.fit([[most + 2]], [7.0], epochs=1)
    assert net.weights[0][0, 0] == 1


@pytest.mark.parametrize(
    ("output", "loss"),
    [
        ("identity", "huber"),
        ("identity", "absolute_error"),
        ("identity", "hinge"),
        ("exp", "poisson"),
    ],
)
def test_nan_goes_through(output, loss):
    net, X, targets = case(output, loss)
    net.weights[0][0, 0] = np.nan
    assert np.isnan(net.loss(X, targets))


@pytest.mark.parametrize(
    ("output", "loss"),
    [("identity", "huber"), ("tanh", "absolute_error"), ("identity", "hinge"), ("exp", "poisson")],
)
def test_same_bits_for_any_number_of_threads(output, loss):
    def trained(n_threads):
        net, X, targets = case(output, loss, 700, "float32", (9, 40, 5))
        history = net.fit(
            X, targets, epochs=3, batch_size=128, optimizer=fastbp.Adam(), n_threads=n_threads
        )
        return net.parameters.tobytes(), history.batch_loss

    assert trained(1) == trained(2) == trained(3)


def test_hinge_takes_labels_or_one_hot_rows():
    net, X, one_hot = case("identity", "hinge")
    labels = one_hot.argmax(axis=1)
    by_row, by_label = net.loss_and_gradients(X, one_hot), net.loss_and_gradients(X, labels)
    assert by_row[0] == by_label[0]
    for ours, theirs in zip(by_row[1] + by_row[2], by_label[1] + by_label[2], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for row, bad in ((3, [0.5, 0.5, 0]), (7, [0, 0, 0]), (9, [1, 1, 0])):
        wrong = one_hot.copy()
        wrong[row] = bad
        with pytest.raises(ValueError, match=rf"^y must hold .*one-hot.* in row {row}$"):
            net.loss(X, wrong)


def test_hinge_separates_what_can_be_separated():
    rng = np.random.default_rng(1)
    labels = np.arange(90) % 3
    X = 5 * np.eye(3)[labels] + rng.normal(size=(90, 3))
    net = fastbp.MLP([3, 3], output="identity", loss="hinge")
    history = net.fit(X, labels, epochs=200, batch_size=None, optimizer=fastbp.SGD(0.1))
    assert history.loss[-1] == 0.0  # every margin met: no gradient is left
    np.testing.assert_array_equal(net.predict(X), labels)
    with pytest.raises(ValueError, match=r"^predict_proba needs .*loss='hinge'"):
        net.predict_proba(X)


def test_targets_of_regressions():
    X = np.zeros((3, 2))
    for loss, output in (("huber", "identity"), ("absolute_error", "identity"), ("poisson", "exp")):
        net = fastbp.MLP([2, 1], output=output, loss=loss)
        assert net.loss(X, [1, 2, 3]) == net.loss(X, [[1.0], [2.0], [3.0]])
        assert net.predict(X).shape == (3,)
        with pytest.raises(ValueError, match=r"^predict_proba needs a classifier"):
            net.predict_proba(X)
        with pytest.raises(ValueError, match=r"^y must be of shape .*for 2 outputs"):
            fastbp.MLP([2, 2], output=output, loss=loss).loss(X, [0.5, 1.5, 2.5])
    with pytest.raises(
        ValueError, match=r"^y must be finite in float32 and at least 0, got -1.0 in row 1"
    ):
        net.loss(X, [1.0, -1.0, 2.0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("target", "lost"), [(0, False), ([1.0, 0.0], False), (1, True)])
def test_logits_at_the_ends_of_the_range_give_no_nan(dtype, target, lost):
    """Their difference overflows, and infinity times the target 0 would be none."""
    largest = np.finfo(dtype).max
    net = fastbp.MLP([2, 2], output="softmax", dtype=dtype)
    net.weights[0][...] = np.eye(2)
    loss = net.loss(np.array([[largest, -largest]], dtype), np.array([target]))
    assert loss == (largest if lost else 0)
    assert np.isfinite(
        net.loss_and_gradients(np.array([[largest, -largest]], dtype), np.array([target]))[1][0]
    ).all()
