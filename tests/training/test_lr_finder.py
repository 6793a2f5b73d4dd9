"""fastbp.lr_find: its rates, its smoothing, its end, and that the net is left alone."""

import pickle

import numpy as np
import pytest
from helpers.small_fit import X, Y, make

import fastbp


def test_definition():
    """Against the formulas, with the losses of steps made one by one."""
    found = fastbp.lr_find(
        make("float64"), X, Y, start=1e-4, end=1.0, steps=30, beta=0.8, batch_size=50
    )
    rates = 1e-4 * 1e4 ** (np.arange(30) / 29)
    np.testing.assert_allclose(found.learning_rates, rates, rtol=1e-12)
    net = make("float64")
    losses = []
    order = net.train_state.rng.permutation(50)  # one batch: its order matters to rounding only
    losses = [net.partial_fit(X[order], Y[order], fastbp.SGD(rate)) for rate in rates]
    np.testing.assert_allclose(found.losses, losses, rtol=1e-10)
    weights = 0.8 ** np.arange(30)
    means = [np.average(losses[: i + 1][::-1], weights=weights[: i + 1]) for i in range(30)]
    np.testing.assert_allclose(found.smoothed, means, rtol=1e-9)
    good = np.flatnonzero(means <= min(means) + 0.01 * losses[0])
    assert found.suggestion == found.learning_rates[good[-1]] / 10


@pytest.mark.parametrize("optimizer", [fastbp.SGD(), fastbp.SGD(5.0, 0.9), fastbp.Adam()], ids=repr)
def test_the_net_is_left_alone(optimizer):
    net = make()
    net.fit(X, Y, epochs=1, optimizer=fastbp.Adam())
    before = pickle.dumps(net)
    fastbp.lr_find(net, X, Y, optimizer)
    assert pickle.dumps(net) == before


def test_it_stops_when_the_loss_explodes():
    net = fastbp.MLP([4, 20, 1], "relu", "identity", seed=0)
    found = fastbp.lr_find(net, X, X @ [1.0, 2.0, -1.0, 0.5], end=1e6, steps=200)
    assert len(found.learning_rates) == len(found.losses) == len(found.smoothed) < 200
    *others, last = found.smoothed
    assert not last <= 4 * min(found.smoothed)
    assert max(b / min(found.smoothed[: i + 1]) for i, b in enumerate(others)) <= 4
    assert "suggestion" in repr(found)


def test_a_loss_that_is_not_finite_ends_it():
    net = fastbp.MLP([4, 1], output="identity", seed=0)
    found = fastbp.lr_find(net, X, X[:, 0] * 1e3, end=1e30, steps=10, beta=0.999)
    assert len(found.losses) < 10
    assert np.isfinite(found.smoothed).all()
    with pytest.raises(ValueError, match=r"^start "):
        fastbp.lr_find(net, X, X[:, 0] * 1e3, start=1e38, end=3e38)


def test_the_suggestion_trains_well():
    load_digits = pytest.importorskip("sklearn.datasets").load_digits
    x, y = load_digits(return_X_y=True)

    def trained(rate):
        net = fastbp.MLP([64, 30, 10], "relu")
        return net.fit(x / 16, y, epochs=5, optimizer=fastbp.SGD(rate)).loss[-1]

    found = fastbp.lr_find(fastbp.MLP([64, 30, 10], "relu"), x / 16, y)
    assert trained(found.suggestion) < 0.5 * min(trained(found.suggestion / 100), np.log(10))


@pytest.mark.parametrize("optimizer", [fastbp.SGD(), fastbp.SGD(momentum=0.9), fastbp.Adam()])
@pytest.mark.parametrize("batch_size", [5, 25, None])
def test_a_net_that_is_trained(batch_size, optimizer):
    """The batches' losses differ by far more than a step changes them: neither the first rate is
    suggested, nor does the test end at once."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(300, 4))
    y = (x[:, 0] + 0.3 * rng.normal(size=300) > 0).astype(int)
    net = fastbp.MLP([4, 16, 2], "tanh")
    net.fit(x, y, epochs=80, optimizer=fastbp.SGD(0.1, momentum=0.9))
    found = fastbp.lr_find(net, x, y, optimizer, batch_size=batch_size)
    assert len(found.losses) > 50
    assert found.suggestion > 2e-5  # a tenth of the first rate is 1e-7
    level = found.smoothed[0]
    early = found.smoothed[:30]
    np.testing.assert_allclose(early, level, rtol=0.02)  # rates that change little
    before = net.loss(x, y)
    if batch_size is None:
        assert level == pytest.approx(before, rel=1e-5)
    assert level == pytest.approx(before, rel=0.5)


@pytest.mark.parametrize("n_zeros", [10, 49])
def test_samples_of_weight_0_are_left_out(n_zeros):
    weight = np.arange(50.0)
    weight[:n_zeros] = 0
    kept = weight > 0
    for y in (Y, np.eye(3)[Y], Y.tolist()):
        found = fastbp.lr_find(make(), X.tolist(), y, sample_weight=weight, batch_size=4)
        wanted = fastbp.lr_find(
            make(), X[kept], np.array(y)[kept], sample_weight=weight[kept], batch_size=4
        )
        assert repr(found) == repr(wanted)
        np.testing.assert_array_equal(found.losses, wanted.losses)
        assert (found.losses > 0).all()


@pytest.mark.parametrize("shift", [-1e3, -1.0, 0.0, 1.0])
def test_losses_below_zero(shift):
    def loss(a, y):
        return 0.5 * float(np.mean((a[:, 0] - y) ** 2)) + shift, (a - y[:, None]) / len(y)

    net = fastbp.MLP([4, 1], output="identity", loss=loss, dtype="float64", seed=0)
    found = fastbp.lr_find(net, X, X[:, 0], batch_size=None)
    assert len(found.losses) > 50
    plain = fastbp.MLP([4, 1], output="identity", dtype="float64", seed=0)
    wanted = fastbp.lr_find(plain, X, X[:, 0], batch_size=None).suggestion
    assert found.suggestion == pytest.approx(wanted, rel=0.2)


def test_a_loss_that_rises_at_once():
    net = fastbp.MLP([4, 1], output="identity", dtype="float64", seed=0)
    with pytest.warns(UserWarning, match=r"^the loss rises .*start must be smaller, got 1000$"):
        fastbp.lr_find(net, X, X[:, 0], start=1e3, end=1e4)


BAD = [
    ("start", 0, ValueError),
    ("end", 1e-9, ValueError),
    ("steps", 1, ValueError),
    ("beta", 1.0, ValueError),
]
BAD += [
    ("optimizer", "sdg", ValueError),
    ("optimizer", fastbp.SGD, TypeError),
    ("optimizer", fastbp.SGD, TypeError),
    ("batch_size", 0, ValueError),
]


@pytest.mark.parametrize(("name", "value", "error"), BAD)
def test_bad_settings(name, value, error):
    with pytest.raises(error, match=f"^{name} "):
        fastbp.lr_find(make(), X, Y, **{name: value})


def test_weights_and_labels_of_any_kind():
    """Weights of one change nothing, whatever the labels are."""
    for labels in (["b", "a", "c"], [2, 0, 1], [-5, 7, 3]):
        net = fastbp.MLP([4, 5, 3], seed=1)
        x = np.random.default_rng(0).normal(size=(60, 4))
        y = np.array(labels)[np.arange(60) % 3]
        net.fit(x, y, epochs=3)
        plain = fastbp.lr_find(net, x, y, steps=20)
        weighted = fastbp.lr_find(net, x, y, steps=20, sample_weight=np.ones(60))
        np.testing.assert_array_equal(plain.losses, weighted.losses)
