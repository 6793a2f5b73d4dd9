"""Numbers at the ends of the range: denormal, saturated, overflowing. The caller's own arithmetic
is unchanged."""

import threading

import numpy as np
import pytest

import fastbp
from fastbp import functional as fn
from fastbp.kernels import target

RNG = np.random.default_rng(2)
X = RNG.normal(size=(60, 5))
Y = RNG.integers(0, 3, 60)


def denormals_kept():
    return bool(np.full(1, 1e-30, "f4") * np.float32(1e-12) > 0) and bool(
        np.full(1, 1e-160) * 1e-160 > 0
    )


def diverge(net):
    with pytest.raises(fastbp.DivergenceError):
        net.fit(X, RNG.normal(size=(60, 3)), optimizer=fastbp.SGD(1e30))


CALLS = {
    "fit": lambda net: net.fit(X, Y, epochs=2),
    "partial_fit": lambda net: net.partial_fit(X, Y),
    "divergence": lambda net: diverge(fastbp.MLP([5, 3], output="identity")),
    "predict": lambda net: (net.predict(X[:1]), net.predict(X)),
    "loss": lambda net: net.loss_and_gradients(X, Y),
    "functional": lambda net: fn.dense_backward(
        fn.dense_forward(X, np.ones((5, 3)), np.ones(3)), X, np.ones((5, 3))
    ),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_callers_arithmetic_is_left_alone(dtype, name):
    """In the main thread, and in another, which trains alone."""
    net = fastbp.MLP([5, 4, 3], dtype=dtype)
    kept = []

    def call():
        kept.append(denormals_kept())
        CALLS[name](net)
        kept.append(denormals_kept())

    call()
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert kept == [True] * 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("what", ["inputs", "weights", "both"])
def test_training_on_denormals(what, dtype):
    """Nothing comes of them but zeros, and the biases learn how frequent the classes are."""
    tiny = float(np.finfo(dtype).smallest_normal) / 8
    net = fastbp.MLP([5, 6, 3], hidden="tanh", dtype=dtype)
    x = X * (tiny if what != "weights" else 1.0)
    if what != "inputs":
        net.weights = [w * tiny for w in net.weights]
    history = net.fit(x, Y, epochs=60, optimizer=fastbp.SGD(0.1))
    assert history.loss[-1] <= history.loss[0]
    assert np.isfinite(net.parameters).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_result_that_rounding_makes_normal(dtype):
    """The one case in which Arm's results are not x86's: x86 flushes after rounding, Arm before."""
    info = np.finfo(dtype)
    smallest = info.smallest_normal
    x = np.full((1, 1), info.epsneg / 4, dtype)
    z = fn.dense_forward(x, np.full((1, 1), -smallest), np.full(1, smallest))  # smallest * (1 - x)
    assert z[0, 0] == (0 if target.ARM else smallest)
    x[:] = info.epsneg  # the exact result is a denormal number
    assert fn.dense_forward(x, np.full((1, 1), -smallest), np.full(1, smallest))[0, 0] == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("output", "n_out"), [("softmax", 3), ("sigmoid", 1), ("sigmoid", 3)])
def test_saturated_logits(output, n_out, dtype):
    """Logits as large as the type allows: a finite loss, or an infinite one by its name; where the
    net is right, nothing to learn."""
    net = fastbp.MLP([1, n_out], output=output, dtype=dtype)
    for scale in (1e3, 1e30):
        net.weights[0][:] = scale
        net.biases[0][:] = -scale * np.arange(n_out)
        p = net.predict_proba(np.ones((4, 1)))
        assert np.isfinite(p).all()
        assert set(np.unique(p)) <= {0.0, 1.0, 0.5}
        right = net.predict(np.ones((4, 1)))
        before = net.parameters.copy()
        assert net.loss(np.ones((4, 1)), right) < 1
        net.fit(np.ones((4, 1)), right, epochs=3)
        assert np.isfinite(net.parameters).all()
        wrong = 1 - right if output == "sigmoid" else (right + 1) % 3
        net.parameters[:] = before
        assert net.loss(np.ones((4, 1)), wrong) > 500
        net.fit(np.ones((4, 1)), wrong, epochs=3)
        assert np.isfinite(net.parameters).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_weight_that_is_not_finite(dtype, bad):
    """Written into the net's own memory: the fit names it and changes nothing."""
    net = fastbp.MLP([5, 4, 3], dtype=dtype)
    net.weights[0][2, 1] = bad
    net.weights[1][1, :] = bad
    before = net.parameters.tobytes()
    with pytest.raises(ValueError, match=r"^weights\[0\] must be finite .* in row 2"):
        net.fit(X, Y)
    assert net.parameters.tobytes() == before
    assert net.train_state.step == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_that_overflow(dtype):
    """Finite inputs and weights, an infinite product: the error names the place, the weights are
    the last finite ones."""
    net = fastbp.MLP([5, 4, 3], "identity", "identity", dtype=dtype)
    before = net.parameters.tobytes()
    big = float(np.finfo(dtype).max) / 2
    x = X.copy()
    x[25:50] = big
    with pytest.raises(fastbp.DivergenceError, match="epoch 0, batch 1;"):
        net.fit(
            x, RNG.normal(size=(60, 3)), batch_size=25, shuffle=False, optimizer=fastbp.SGD(1e-3)
        )
    assert net.train_state.step == 1
    assert net.parameters.tobytes() != before
    assert np.isfinite(net.parameters).all()
