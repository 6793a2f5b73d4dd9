"""A loss of the caller's own: right, checked, and of no harm when it goes wrong."""

import pickle
import signal
import threading

import numpy as np
import pytest

import fastbp

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 4))
Y = RNG.uniform(0.05, 0.95, size=(70, 3))
LABELS = RNG.integers(0, 3, 70)


def half_squares(a, y):
    return 0.5 * np.sum((a - y) ** 2) / len(a), (a - y) / len(a)


def negative_log(a, y):
    """Cross-entropy of probabilities, from labels."""
    rows = np.arange(len(a))
    derivative = np.zeros_like(a)
    derivative[rows, y] = -1 / a[rows, y] / len(a)
    return -np.log(a[rows, y]).mean(), derivative


def spread(a, y):
    """No mean over rows: half the variance of the batch's outputs around their mean, which ties the
    rows together."""
    away = a - a.mean(axis=0)
    return 0.5 * np.sum(away**2), away


def net_of(loss, output="identity", dtype="float64", widths=(4, 5, 3)):
    return fastbp.MLP(list(widths), "tanh", output, loss, dtype=dtype, seed=1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "output", ["softmax", "sigmoid", "identity", "tanh", "relu", "softplus", "exp"]
)
def test_as_the_kernels_loss(output, dtype):
    ours, theirs = net_of(half_squares, output, dtype), net_of("squared_error", output, dtype)
    options = {
        "epochs": 4,
        "batch_size": 16,
        "optimizer": fastbp.Adam(0.01),
        "l2": 0.01,
        "X_val": X,
        "y_val": Y,
    }
    got, wanted = (net.fit(X, Y, **options) for net in (ours, theirs))
    tolerance = {"rtol": 1e-5 if dtype == "float32" else 1e-11}
    np.testing.assert_allclose(got.batch_loss, wanted.batch_loss, **tolerance)
    np.testing.assert_allclose(got.loss + got.val_loss, wanted.loss + wanted.val_loss, **tolerance)
    np.testing.assert_allclose(ours.parameters, theirs.parameters, rtol=0, atol=tolerance["rtol"])
    np.testing.assert_array_equal(ours.forward(X)[-1], ours.forward(X)[-1])
    assert ours.loss_name == "custom"
    assert ours.loss_function is half_squares


@pytest.mark.parametrize(
    ("loss", "y", "output"),
    [(half_squares, Y, "sigmoid"), (negative_log, LABELS, "softmax"), (spread, Y, "softplus")],
)
def test_central_differences(loss, y, output):
    check = fastbp.check_gradients(net_of(loss, output), X, y, l2=0.1)
    assert check.max_error < 1e-5, str(check)


def test_torch():
    torch = pytest.importorskip("torch", reason="an outside judge where PyTorch is installed")

    def by_torch(a, y):
        outputs = torch.tensor(a, requires_grad=True)
        value = torch.nn.functional.smooth_l1_loss(outputs, torch.tensor(y))
        value.backward()
        return value.item(), outputs.grad.numpy()

    net = net_of(by_torch)
    parameters = [torch.tensor(p.copy(), requires_grad=True) for p in net.weights + net.biases]
    rule = torch.optim.SGD(parameters, 0.3)
    history = net.fit(X, Y, epochs=3, batch_size=16, shuffle=False, optimizer=fastbp.SGD(0.3))
    losses = []
    for _ in range(3):
        for first in range(0, 70, 16):
            x, t = (torch.tensor(part[first : first + 16]) for part in (X, Y))
            W0, W1, b0, b1 = parameters
            value = torch.nn.functional.smooth_l1_loss(torch.tanh(x @ W0 + b0) @ W1 + b1, t)
            losses.append(value.item())
            rule.zero_grad()
            value.backward()
            rule.step()
    np.testing.assert_allclose(history.batch_loss, losses, rtol=1e-10)
    for ours, theirs in zip(net.weights + net.biases, parameters, strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "inputs", [lambda x: x, np.asfortranarray, lambda x: (10 * x).astype(np.int16)]
)
def test_batches_larger_than_a_block_and_inputs_of_other_kinds(inputs):
    rng = np.random.default_rng(2)
    x = inputs(rng.normal(size=(2600, 4)))
    y = rng.normal(size=(2600, 3))
    results = []
    for loss, n_threads in ((half_squares, 1), (half_squares, 3), ("squared_error", 1)):
        net = net_of(loss, widths=(4, 60, 3))
        history = net.fit(
            x, y, epochs=2, batch_size=2500, optimizer=fastbp.SGD(0.05, 0.9), n_threads=n_threads
        )
        results.append(
            (net.parameters.copy(), history.batch_loss, *net.loss_and_gradients(x, y)[:2])
        )
    ours, same, theirs = results
    assert ours[0].tobytes() == same[0].tobytes()
    assert ours[1] == same[1]
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose([*ours[1], ours[2]], [*theirs[1], theirs[2]], rtol=1e-12)
    for a, b in zip(ours[3], theirs[3], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_what_the_function_is_given():
    seen = []
    names = np.arange(70, dtype=np.int16)

    def watching(a, y):
        seen.append((a, y))
        a[:] = np.nan  # the function's own
        return 0.0, np.zeros_like(a)

    net = net_of(watching, dtype="float32")
    X_before, names_before = X.copy(), names.copy()
    net.fit(X, names, epochs=1, batch_size=32, shuffle=False)
    steps = seen[-3:]
    assert [y.tolist() for _, y in steps] == [
        list(range(32)),
        list(range(32, 64)),
        list(range(64, 70)),
    ]
    assert all(
        a.dtype == np.float32 and a.shape == (len(y), 3) and y.dtype == np.int16 for a, y in steps
    )
    np.testing.assert_array_equal(X, X_before)
    np.testing.assert_array_equal(names, names_before)
    assert np.isfinite(net.parameters).all()


def wrong(change):
    def loss(a, y):
        return change(*half_squares(a, y))

    return loss


WRONG = {  # what is wrong: the function, error, message
    "no mean": (wrong(lambda v, d: (v, d * 70)), ValueError, "derivative of the loss.*differences"),
    "sign": (wrong(lambda v, d: (v, -d)), ValueError, "derivative of the loss"),
    "factor 2": (wrong(lambda v, d: (v, 2 * d)), ValueError, "derivative of the loss"),
    "one per cent": (wrong(lambda v, d: (v, 1.01 * d)), ValueError, "derivative of the loss"),
    "one column": (wrong(lambda v, d: (v, d * [1, 1, 1.1])), ValueError, "derivative of the loss"),
    "by z, not a": (
        lambda a, y: (half_squares(a, y)[0], half_squares(a, y)[1] * a * (1 - a)),
        ValueError,
        "derivative",
    ),
    "NaN": (wrong(lambda v, d: (np.nan, d)), ValueError, "finite loss, got nan"),
    "infinite": (wrong(lambda v, d: (np.inf, d)), ValueError, "finite loss, got inf"),
    "NaN derivative": (
        wrong(lambda v, d: (v, np.where(d == d[4, 1], np.nan, d))),
        ValueError,
        "dloss_da.*nan in row 4",
    ),
    "too large": (
        wrong(lambda v, d: (v, np.full_like(d, 1e39, float))),
        ValueError,
        r"(dloss_da|derivative)",
    ),
    "shape": (wrong(lambda v, d: (v, d[:, :2])), ValueError, r"dloss_da .*\(16, 3\).*\(16, 2\)"),
    "a number": (wrong(lambda v, d: (v, 1.0)), ValueError, r"dloss_da .*\(16, 3\).*\(\)"),
    "loss of each row": (wrong(lambda v, d: (d.sum(axis=1), d)), TypeError, "one real number"),
    "complex": (wrong(lambda v, d: (v, d * 1j)), TypeError, "dloss_da .*complex128"),
    "text": (wrong(lambda v, d: ("0.1", d)), TypeError, "one real number, got '0.1'"),
    "no pair": (wrong(lambda v, d: v), TypeError, "pair .*loss, dloss_da.*float"),
    "none": (wrong(lambda v, d: None), TypeError, "pair .*loss, dloss_da.*None"),
    "three": (wrong(lambda v, d: (v, d, d)), TypeError, "pair .*loss, dloss_da.*tuple"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_function_is_refused_before_anything_is_changed(kind):
    loss, error, message = WRONG[kind]
    net = net_of(loss, "sigmoid")
    before = net.parameters.tobytes(), net.train_state.rng.bit_generator.state
    with pytest.raises(error, match=rf"(?=.*loss\(a, y\)).*({message})"):
        net.fit(X, Y, batch_size=16)
    assert (net.parameters.tobytes(), net.train_state.rng.bit_generator.state) == before
    assert net.history_ is None


def absolute(a, y):
    return np.abs(a - y).mean(), np.sign(a - y) / a.size


def in_single_precision(a, y):
    loss, derivative = absolute(a.astype("f4"), y.astype("f4"))
    return np.float32(loss), derivative.astype("f4")


def hinge(a, y):
    margin = np.maximum(0, 1 - (2 * y - 1) * a)
    return margin.mean(), np.where(margin > 0, 1 - 2 * y, 0) / a.size


@pytest.mark.parametrize("loss", [absolute, in_single_precision, hinge, negative_log])
@pytest.mark.parametrize("output", ["softmax", "sigmoid", "relu", "identity"])
def test_right_functions_pass(loss, output):
    """With kinks, at outputs of exactly 0 and 1, in single precision."""
    if loss is negative_log and output != "softmax":
        return
    for scale, y in ((1, Y.round()), (20 if loss is negative_log else 200, Y)):
        net = net_of(loss, output)
        net.weights[1][:] *= scale
        if output == "relu":
            net.biases[1][0] = -1000  # a dead unit
        net.fit(
            X[:, ::-1],
            LABELS if loss is negative_log else y,
            epochs=1,
            batch_size=None,
            optimizer=fastbp.SGD(1e-9),
        )


class StopsAt:
    """Half squares until call number `last`, from which on something else happens."""

    def __init__(self, last, then):
        self.calls = 0
        self.last = last
        self.then = then

    def __call__(self, a, y):
        self.calls += 1
        loss, derivative = half_squares(a, y)
        return (loss, derivative) if self.calls <= self.last else self.then(loss, derivative)


def fail(loss, derivative):
    raise ZeroDivisionError("three rows of zeros")


@pytest.mark.parametrize("steps", [0, 1, 4, 5, 7])
def test_a_function_that_raises_leaves_the_last_whole_step(steps):
    options = {"batch_size": 16, "shuffle": False, "optimizer": fastbp.Adam(0.1)}
    count = StopsAt(10**9, None)
    net_of(count).fit(X, Y, epochs=1, **options)
    loss = StopsAt(count.calls - 5 + steps, fail)  # an epoch has 5 batches
    net = net_of(loss)
    with pytest.raises(ZeroDivisionError, match="three rows") as caught:
        net.fit(X, Y, epochs=3, **options)
    assert caught.value.__notes__ == [f"raised by the loss at batch {steps % 5} of an epoch"]
    other = net_of(half_squares)
    for first in [16 * (step % 5) for step in range(steps)]:
        other.fit(X[first : first + 16], Y[first : first + 16], epochs=1, **options)
    assert net.parameters.tobytes() == other.parameters.tobytes()
    assert (
        net.train_state.optimizer_state.tobytes() == other.train_state.optimizer_state.tobytes()
        or steps == 0
    )
    assert len(net.history_.batch_loss) == net.train_state.step == steps
    assert net.history_.n_epochs == steps // 5
    assert net.history_.stopped_by == "loss"
    loss.last = 10**9  # and the net goes on
    net.fit(X, Y, epochs=1, **options)
    other.fit(X, Y, epochs=1, **options)
    assert net.parameters.tobytes() == other.parameters.tobytes()


def test_a_function_that_goes_bad_later():
    for then, error, message in (
        (lambda v, d: (np.nan, d), fastbp.DivergenceError, "epoch 0, batch 2"),
        (lambda v, d: (v, d * np.nan), ValueError, r"dloss_da of loss\(a, y\) must be finite"),
        (lambda v, d: (v, d[:1]), ValueError, r"dloss_da .*\(16, 3\).*\(1, 3\)"),
    ):
        count = StopsAt(10**9, None)
        net_of(count).fit(X[:32], Y[:32], epochs=1, batch_size=16, shuffle=False)
        net = net_of(StopsAt(count.calls, then))
        other = net_of(half_squares)
        with pytest.raises(error, match=message):
            net.fit(X, Y, batch_size=16, shuffle=False)
        other.fit(X[:32], Y[:32], epochs=1, batch_size=16, shuffle=False)
        assert net.parameters.tobytes() == other.parameters.tobytes()


def test_divergence_keeps_the_last_finite_weights():
    net = net_of(half_squares, dtype="float32")
    with pytest.raises(fastbp.DivergenceError):
        net.fit(X, Y, epochs=50, batch_size=16, optimizer=fastbp.SGD(1e6))
    assert np.isfinite(net.parameters).all()


def test_loss_and_gradients_tell_what_is_wrong():
    net = net_of(wrong(lambda v, d: (v, d[:1])))
    for call in (net.loss, net.loss_and_gradients):
        with pytest.raises(ValueError, match=r"^loss\(a, y\) .*shape \(70, 3\), got \(1, 3\)"):
            call(X, Y)
    net = net_of(lambda a, y: fail(a, y))
    for call in (net.loss, net.loss_and_gradients):
        with pytest.raises(ZeroDivisionError):
            call(X, Y)
    # What check_gradients is for: a wrong derivative of the right shape.
    assert fastbp.check_gradients(net_of(wrong(lambda v, d: (v, 2 * d))), X, Y).max_error > 0.4


def test_what_does_not_go_with_it():
    net = net_of(half_squares)
    with pytest.raises(ValueError, match=r"^sample_weight cannot .*callable"):
        net.fit(X, Y, sample_weight=np.ones(70))
    with pytest.raises(ValueError, match=r"^sample_weight cannot .*callable"):
        net.loss(X, Y, sample_weight=np.ones(70))
    with pytest.raises(ValueError, match=r"^class_weight cannot .*callable"):
        net.fit(X, Y, class_weight="balanced")
    with pytest.raises(ValueError, match=r"^net must have a loss with a name.*half_squares"):
        fastbp.graph.from_net(net, X[0], Y[0])
    with pytest.raises(
        ValueError, match=r"^y must have one row for each of the 70 rows of X, got 69"
    ):
        net.fit(X, Y[:-1])
    with pytest.raises(ValueError, match=r"^y must be finite.*nan in row 3"):
        net.fit(X, np.where(np.arange(70) == 3, np.nan, 0.0))
    with pytest.raises(TypeError, match=r"^y must be .*real numbers"):
        net.fit(X, Y.astype(str))
    with pytest.raises(ValueError, match=r"^y_val must have one row for each of the 70"):
        net.fit(X, Y, X_val=X, y_val=Y[:3])


def test_copies_and_names():
    net = net_of(negative_log, "softmax", "float32")
    net.fit(X, LABELS, epochs=2)
    twin = pickle.loads(pickle.dumps(net))
    assert twin.loss(X, LABELS) == net.loss(X, LABELS)
    assert net.astype("float64").loss(X, LABELS) == pytest.approx(net.loss(X, LABELS), rel=1e-5)
    assert "negative_log" in repr(net)
    assert "loss custom" in net.summary()
    assert set(net.predict(X)) <= {0, 1, 2}
    np.testing.assert_allclose(net.predict_proba(X).sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("call", [50, 54, 57])
def test_ctrl_c_in_the_function_comes_after_its_step(call):
    calls = []

    def pressed(a, y):
        calls.append(len(a))
        if len(calls) == call:
            signal.raise_signal(signal.SIGINT)
        return half_squares(a, y)

    net, other = net_of(pressed), net_of(half_squares)
    options = {"batch_size": 16, "shuffle": False, "optimizer": fastbp.Adam(0.1)}
    with pytest.warns(UserWarning, match="interrupted"):
        net.fit(X, Y, epochs=100, **options)
    first = len(calls) - len(net.history_.batch_loss)  # of a step, after those of the check
    assert len(calls) == call
    assert 0 < call - first == net.train_state.step
    for step in range(net.train_state.step):
        part = slice(16 * (step % 5), 16 * (step % 5) + 16)
        other.fit(X[part], Y[part], epochs=1, **options)
    assert net.parameters.tobytes() == other.parameters.tobytes()
    assert net.history_.stopped_by == "interrupt"
    net.fit(X, Y, epochs=1, **options)


def test_in_another_thread():
    net, other = net_of(half_squares), net_of(half_squares)
    thread = threading.Thread(target=net.fit, args=(X, Y), kwargs={"epochs": 3})
    thread.start()
    other.fit(X, Y, epochs=3)
    thread.join()
    assert net.parameters.tobytes() == other.parameters.tobytes()
