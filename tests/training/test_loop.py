"""The course of a fit: history, stopping, going on, divergence, Ctrl-C, threads, forks and batches
of several blocks."""

import copy
import math
import threading

import numpy as np
import pytest
from helpers.small_fit import RNG, VALIDATION, X_VAL, Y_VAL, X, Y, bits, make

import fastbp

OPTIMIZERS = [
    fastbp.SGD(0.1),
    fastbp.SGD(0.1, 0.9),
    fastbp.SGD(0.1, 0.9, nesterov=True),
    fastbp.Adam(0.01),
]


@pytest.mark.parametrize("weight", [None, RNG.integers(0, 4, 50)])
@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize("batch", [1, 7, 10, 50, 80, None])
def test_losses(batch, l2, weight):
    net = make("float64")
    size = 50 if batch is None else min(batch, 50)
    firsts = range(0, 50, size)
    weights = np.ones(50) if weight is None else weight
    expected = (
        net.loss(X[:size], Y[:size], l2)
        if weight is None
        else net.loss(X[:size], Y[:size], l2, weight[:size] + 1e-300)
    )
    after = []
    history = net.fit(
        X, Y, epochs=3, batch_size=batch, l2=l2, sample_weight=weight, shuffle=False, **VALIDATION,
        callbacks=lambda net, history: after.append(net.loss(X_VAL, Y_VAL)),
    )  # fmt: skip
    assert (history.n_epochs, len(history.loss), len(history.batch_loss)) == (3, 3, 3 * len(firsts))
    assert history is net.history_
    assert history.stopped_by == "epochs"
    assert history.best_epoch is None
    if weights[:size].any():
        assert history.batch_loss[0] == pytest.approx(expected, rel=1e-13)
    shares = [weights[first : first + size].sum() for first in firsts]
    per_epoch = np.reshape(history.batch_loss, (3, -1))
    np.testing.assert_allclose(
        history.loss, np.average(per_epoch, axis=1, weights=shares), rtol=1e-13
    )
    assert history.val_loss == after


UNITS = [1, 2.0**-31, 2.0**-33, 2.0**-100, 2.0**-149, 2.0**-300, 2.0**-1000, 2.0**-1060]


@pytest.mark.parametrize("unit", UNITS, ids=lambda u: f"2**{int(np.log2(u))}")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_unit_of_the_weights_does_not_matter(dtype, unit):
    """A mean is the same whatever the unit, also where the weights are too small for the dtype."""
    weight = RNG.integers(0, 9, 50).astype(float)
    settings = {"epochs": 2, "batch_size": 7, **VALIDATION}
    stream = [(X[i : i + 9], Y[i : i + 9]) for i in range(0, 50, 9)]
    weights = [weight[i : i + 9] for i in range(0, 50, 9)]
    classes = {0: 1.0, 2: 3.0}
    results = []
    for scale in (1.0, unit):
        nets = [make(dtype) for _ in range(3)]
        histories = [nets[0].fit(X, Y, sample_weight=weight * scale, **settings)]
        weighted = {c: classes.get(c, 1.0) * scale for c in range(3)}
        histories.append(nets[1].fit(X, Y, class_weight=weighted, **settings))
        batches = [(*b, w * scale) for b, w in zip(stream, weights, strict=True)]
        histories.append(nets[2].fit(batches, epochs=2))
        losses = [h.loss for h in histories]
        steps = [h.batch_loss for h in histories]
        mean = nets[0].loss(X, Y, sample_weight=weight * scale)
        results.append((list(map(bits, nets)), steps, mean, losses))
    assert results[0][:3] == results[1][:3]
    np.testing.assert_allclose(results[1][3], results[0][3], rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batches_of_a_stream_keep_their_share(dtype):
    """Batches of tiny weights beside others count with the sum of their own weights."""
    sizes = np.repeat([1.0, 2.0**-40, 2.0**-50], [20, 20, 10])
    batches = [(X[i : i + 10], Y[i : i + 10], sizes[i : i + 10]) for i in range(0, 50, 10)]
    history = make(dtype).fit(batches, epochs=1)
    expected = np.average(history.batch_loss, weights=sizes[::10])
    assert history.loss == [pytest.approx(expected, rel=1e-14)]
    assert len(set(history.batch_loss)) == 5


def test_batches_follow_the_shuffle():
    net, plain = make(), make()
    order = copy.deepcopy(net.train_state.rng).permutation(50)
    plain.fit(X[order], Y[order], epochs=1, batch_size=7, shuffle=False)
    net.fit(X, Y, epochs=1, batch_size=7)
    assert bits(net)[0] == bits(plain)[0]
    assert net.history_ == plain.history_


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("between", [lambda net: net, copy.deepcopy])
def test_going_on(optimizer, between):
    net, whole = make(), make()
    settings = {"batch_size": 8, "optimizer": optimizer, "l2": 0.01}
    parts = [net.fit(X, Y, epochs=2, **settings)]
    net = between(net)
    parts.append(net.fit(X, Y, epochs=2, **settings))
    history = whole.fit(X, Y, epochs=4, **settings)
    assert bits(net) == bits(whole)
    assert parts[0].loss + parts[1].loss == history.loss
    assert parts[0].batch_loss + parts[1].batch_loss == history.batch_loss


def test_state_is_kept_for_an_optimizer_of_its_kind_only():
    def adam_after(*optimizers, forget=False):
        net = make()
        for optimizer in optimizers:
            net.fit(X, Y, epochs=1, shuffle=False, optimizer=optimizer)
        net.parameters[:] = make().parameters
        if forget:
            net.train_state.optimizer_state[:] = 0
        net.fit(X, Y, epochs=1, shuffle=False, optimizer=fastbp.Adam())
        return bits(net)

    assert adam_after() == adam_after(fastbp.SGD()) == adam_after(fastbp.Adam(), fastbp.SGD())
    assert adam_after(fastbp.Adam(0.1)) != adam_after(fastbp.Adam(0.1), forget=True)
    assert adam_after(fastbp.Adam(0.1))[3] == 4


@pytest.mark.parametrize("restore", [True, False])
@pytest.mark.parametrize("patience", [1, 3])
@pytest.mark.parametrize("validation", [VALIDATION, {}])
def test_patience(validation, patience, restore):
    net = make()
    seen = []
    history = net.fit(
        X,
        Y,
        epochs=400,
        batch_size=5,
        optimizer=fastbp.Adam(0.05),
        patience=patience,
        restore_best=restore,
        **validation,
        callbacks=lambda net, history: seen.append(net.parameters.tobytes()),
    )
    losses = history.val_loss if validation else history.loss
    assert history.stopped_by == "patience"
    assert history.best_epoch == int(np.argmin(losses))
    assert history.n_epochs == len(seen) == history.best_epoch + patience + 1
    assert net.parameters.tobytes() == seen[history.best_epoch if restore else -1]


def test_patience_to_the_end_and_with_no_progress():
    net = make()
    seen = []
    history = net.fit(
        X, Y, epochs=30, optimizer=fastbp.Adam(0.1), patience=29, **VALIDATION,
        callbacks=lambda net, history: seen.append(net.parameters.tobytes()),
    )  # fmt: skip
    assert (history.stopped_by, history.n_epochs) == ("epochs", 30)
    assert net.parameters.tobytes() == seen[history.best_epoch] != seen[-1]
    # never lower than at first
    history = make().fit(X, Y, epochs=30, optimizer=fastbp.SGD(1e-30), patience=4, **VALIDATION)
    assert (history.stopped_by, history.best_epoch, history.n_epochs) == ("patience", 0, 5)


def test_callbacks():
    net = make()
    calls = []

    def first(given, history):
        assert given is net
        assert history is net.history_
        assert history.stopped_by is None
        calls.append(("first", history.n_epochs, len(history.val_loss)))

    def second(net, history):
        calls.append(("second", history.n_epochs, len(history.val_loss)))
        return history.n_epochs == 2

    history = net.fit(X, Y, epochs=9, callbacks=[first, second], **VALIDATION)
    assert calls == [(name, n, n) for n in (1, 2) for name in ("first", "second")]
    assert (history.stopped_by, history.n_epochs) == ("callback", 2)
    twin = make()
    twin.fit(X, Y, epochs=2)
    assert bits(net) == bits(twin)


def test_an_error_in_a_callback_goes_through():
    net, twin = make(), make()
    with pytest.raises(ZeroDivisionError):
        net.fit(X, Y, callbacks=lambda net, history: 1 / 0)
    net.fit(X, Y, epochs=1)
    twin.fit(X, Y, epochs=2)
    assert bits(net) == bits(twin)


def test_progress(capsys):
    quiet = make()
    shown = make()
    threads = threading.active_count()
    quiet.fit(X, Y, epochs=3, **VALIDATION)
    assert capsys.readouterr() == ("", "")
    history = shown.fit(X, Y, epochs=3, **VALIDATION, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    for text in (
        "3/3",
        f" loss={history.loss[-1]:.4f}",
        f"val_loss={history.val_loss[-1]:.4f}",
        "samples/s=",
    ):
        assert text in err
    assert bits(shown) == bits(quiet)
    assert threading.active_count() == threads  # none is left that a fork would have to mind


@pytest.mark.parametrize("optimizer", [fastbp.SGD(1e6), fastbp.SGD(1e6, 0.9)], ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_divergence(dtype, optimizer):
    net, twin = (fastbp.MLP([4, 3], output="identity", dtype=dtype, seed=8) for _ in range(2))
    with pytest.raises(fastbp.DivergenceError) as caught:
        net.fit(X, X[:, :3], epochs=100, batch_size=10, optimizer=optimizer)
    error = caught.value
    assert error.history is net.history_
    assert error.history.stopped_by == "divergence"
    assert f"epoch {error.epoch}, batch {error.batch}" in str(error)
    made = len(error.history.batch_loss) - 1
    assert (error.epoch, error.batch) == divmod(made, 5)
    assert not math.isfinite(error.history.batch_loss[-1])
    assert np.isfinite(error.history.batch_loss[:-1]).all()
    assert np.isfinite(net.parameters).all()
    if error.epoch:
        twin.fit(X, X[:, :3], epochs=error.epoch, batch_size=10, optimizer=optimizer)
    order = copy.deepcopy(twin.train_state.rng).permutation(50)[: 10 * error.batch]
    if error.batch:
        twin.fit(
            X[order], X[order, :3], epochs=1, batch_size=10, optimizer=optimizer, shuffle=False
        )
    assert bits(net)[:2] == bits(twin)[:2]
    assert net.train_state.step == twin.train_state.step == made


@pytest.mark.parametrize(
    "optimizer", [fastbp.SGD(10), fastbp.SGD(10, 0.5), fastbp.SGD(10, 0.5, nesterov=True)], ids=repr
)
@pytest.mark.parametrize(("bad", "epochs"), [(1, 1), (3, 1), (4, 1), (5, 2), (5, 1)])
def test_an_update_that_overflows(bad, epochs, optimizer):
    """The update of batch `bad` makes the weight infinite, which the next batch's loss shows, or
    else the epoch's end."""
    x = np.tile([[0.01], [-0.01]], (6, 1))
    y = np.tile([1, 0], 6)
    x[2 * bad : 2 * bad + 2] = 1e38
    y[2 * bad : 2 * bad + 2] = 0
    net, twin = (
        fastbp.MLP([1, 1], output="sigmoid", init=lambda rng, shape: np.full(shape, 0.1))
        for _ in range(2)
    )
    settings = {"batch_size": 2, "optimizer": optimizer, "shuffle": False}
    with pytest.raises(fastbp.DivergenceError, match=f"epoch 0, batch {min(bad + 1, 5)};"):
        net.fit(x, y, epochs=epochs, **settings)
    twin.fit(x[: 2 * bad], y[: 2 * bad], epochs=1, **settings)
    assert np.isfinite(net.parameters).all()
    assert bits(net) == bits(twin)
    for each in (net, twin):
        each.fit(x[:2], y[:2], **settings)
    assert bits(net) == bits(twin)


SQUARING = [
    fastbp.Adam(),
    fastbp.AdamW(fastbp.schedules.Exponential(0.1, 0.9, per="step")),
    fastbp.Nadam(),
    fastbp.RMSprop(),
    fastbp.RMSprop(momentum=0.9),
    fastbp.Adagrad(),
]


@pytest.mark.parametrize("hook", [None, lambda *_: None], ids=["an epoch", "a step"])
@pytest.mark.parametrize("bad", [0, 2, 4])
@pytest.mark.parametrize("optimizer", SQUARING, ids=repr)
def test_a_state_that_overflows(optimizer, bad, hook, tmp_path):
    """The square of a gradient of 1e22 is infinite in float32, while loss and weights stay finite:
    such a fit would never move again, and no file holds its state."""
    x, y = X.copy(), X[:, :3].copy()
    part = slice(10 * bad, 10 * bad + 10)
    x[part] *= 1e10
    y[part] *= 1e12
    net, twin = (fastbp.MLP([4, 3], output="identity", seed=8) for _ in range(2))
    settings = {"batch_size": 10, "shuffle": False, "optimizer": optimizer}
    callback = fastbp.callbacks.Callback()
    if hook:
        callback.on_step_end = hook
    with pytest.raises(fastbp.DivergenceError, match=rf"state is not .* epoch 0, batch {bad};"):
        net.fit(x, y, epochs=3, callbacks=callback, **settings)
    history = net.history_
    assert (history.stopped_by, len(history.batch_loss), history.n_samples) == (
        "divergence",
        bad + 1,
        10 * bad,
    )
    assert np.isfinite(history.batch_loss).all()
    assert len(history.learning_rate) == bad + 1
    if bad:
        twin.fit(x[: 10 * bad], y[: 10 * bad], epochs=1, **settings)
        assert bits(net) == bits(twin)
    assert np.isfinite(net.train_state.optimizer_state).all()
    net.save(tmp_path / "net")
    loaded = fastbp.load(tmp_path / "net")
    for each in (net, loaded):
        each.fit(X, X[:, :3], epochs=2, **settings)
    assert bits(net) == bits(loaded)


@pytest.mark.parametrize("where", ["parameters", "optimizer_state"])
def test_a_state_beyond_float32(where, tmp_path):
    """`astype` refuses what it would make infinite, and no file could hold; NaN stays NaN."""
    net = make("float64")
    net.fit(X, Y, epochs=1, optimizer=fastbp.Adam())
    values = getattr(net.train_state, where)
    values[3] = -1e39
    with pytest.raises(ValueError, match=r"must be finite in float32, got -1e\+39$"):
        net.astype("float32")
    assert values[3] == -1e39
    net.astype("float64").save(tmp_path / "net")
    values[3] = np.nan
    assert np.isnan(getattr(net.astype("float32").train_state, where)).sum() == 1


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("n", [1024, 1025, 2500])
def test_a_batch_of_several_blocks(n, n_threads):
    x = RNG.normal(size=(n, 4))
    y = RNG.integers(0, 3, n)
    weight = RNG.uniform(0, 2, n)
    l2 = 0.01
    net = make("float64")
    w1, w2 = [w.copy() for w in net.weights]
    b1, b2 = [b.copy() for b in net.biases]
    hidden = np.tanh(x @ w1 + b1)
    z = hidden @ w2 + b2
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    share = weight / weight.sum()
    delta = (p - np.eye(3)[y]) * share[:, None]
    below = delta @ w2.T * (1 - hidden**2)
    loss = -share @ np.log(p[np.arange(n), y]) + l2 / 2 * (np.sum(w1**2) + np.sum(w2**2))
    history = net.fit(
        x,
        y,
        epochs=1,
        batch_size=None,
        optimizer=fastbp.SGD(0.5),
        l2=l2,
        sample_weight=weight,
        n_threads=n_threads,
    )
    assert history.batch_loss == history.loss == [pytest.approx(loss, rel=1e-12)]
    gradients = [
        x.T @ below + l2 * w1,
        below.sum(axis=0),
        hidden.T @ delta + l2 * w2,
        delta.sum(axis=0),
    ]
    for value, old, g in zip(
        (net.weights[0], net.biases[0], net.weights[1], net.biases[1]),
        (w1, b1, w2, b2),
        gradients,
        strict=True,
    ):
        np.testing.assert_allclose(value, old - 0.5 * g, rtol=0, atol=1e-13)
