"""Calls that make one step: `partial_fit`, and fits of one batch."""

import gc
import weakref

import numpy as np
import pytest

import fastbp

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = RNG.integers(0, 3, 60)


@pytest.mark.parametrize("call", ["partial_fit", "fit"])
def test_the_caller_s_arrays_are_free(call):
    net = fastbp.MLP([4, 5, 3], dtype="float64")
    x = X.copy()
    if call == "fit":
        net.fit(x, Y, epochs=1, batch_size=None)
    else:
        net.partial_fit(x, Y)
    held = weakref.ref(x)
    del x
    gc.collect()
    assert held() is None


def test_the_buffers_of_the_step_before():
    """Other sizes, settings and optimizers after each other give the bits of new buffers."""
    net, twin = fastbp.MLP([4, 5, 3], seed=1), fastbp.MLP([4, 5, 3], seed=1)
    calls = [(60, {}), (7, {"l2": 0.1}), (60, {"clip_norm": 0.01}), (1, {}), (31, {"l1": 0.1})]
    for optimizer in (fastbp.SGD(0.1), fastbp.Adam(0.01), fastbp.Nadam(0.01), fastbp.SGD(0.1)):
        for n, settings in calls:
            for each in (net, twin):
                each.partial_fit(X[:n], Y[:n], optimizer=optimizer, **settings)
            twin.network.spare_runners.clear()
            np.testing.assert_array_equal(net.parameters, twin.parameters)
            np.testing.assert_array_equal(net.train_state.slots(), twin.train_state.slots())


@pytest.mark.parametrize(
    "kind",
    [fastbp.Adam, fastbp.AdamW, fastbp.Nadam, fastbp.RMSprop, fastbp.Adagrad],
    ids=lambda kind: kind.__name__,
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_epsilon_that_is_flushed_to_0(kind, dtype):
    """Beside parameters without a gradient, as of an input that is always 0."""
    x = X * [1, 1, 0, 1]
    for epsilon in (1e-60, 1e-300):
        net = fastbp.MLP([4, 5, 3], dtype=dtype)
        net.fit(x, Y, epochs=2, optimizer=kind(epsilon=epsilon))
        assert np.isfinite(net.parameters).all()


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, ValueError])
def test_an_exception_of_a_loss_keeps_steps_and_state_together(error):
    """Whatever its class."""
    calls = []

    def loss(a, y):
        calls.append(1)
        if len(calls) == 40:
            raise error
        return float(((a - y) ** 2).sum()), 2 * (a - y)

    def plain(a, y):
        return float(((a - y) ** 2).sum()), 2 * (a - y)

    options = {"epochs": 50, "batch_size": 4, "shuffle": False, "optimizer": fastbp.Adam(0.01)}
    targets = np.eye(3)[Y]
    net = fastbp.MLP([4, 5, 3], output="identity", loss=loss)
    twin = fastbp.MLP([4, 5, 3], output="identity", loss=plain)
    try:
        net.fit(X, targets, **options)
    except (ValueError, SystemExit, GeneratorExit):
        pass
    except UserWarning:
        assert error is KeyboardInterrupt  # fit returns, with a warning, here an error
    made = net.train_state.step
    assert 0 < made == len(net.history_.batch_loss)

    class Stop(fastbp.callbacks.Callback):
        def on_step_end(self, net, history):
            return len(history.batch_loss) == made

    twin.fit(X, targets, callbacks=Stop(), **options)
    np.testing.assert_array_equal(net.parameters, twin.parameters)
    np.testing.assert_array_equal(net.train_state.slots(), twin.train_state.slots())


def test_patience_and_a_loss_that_raises():
    """The weights of the last whole step are kept, as of any error."""
    calls = []

    def loss(a, y):
        calls.append(1)
        if len(calls) == 200:
            raise ArithmeticError
        scale = 1.0 if len(calls) < 100 else 5.0  # the best epoch is long ago
        return scale * float(((a - y) ** 2).mean()), scale * 2 * (a - y) / a.size

    net = fastbp.MLP([4, 5, 3], output="identity", loss=loss)
    last = []
    with pytest.raises(ArithmeticError):
        net.fit(
            X,
            np.eye(3)[Y],
            epochs=400,
            batch_size=None,
            patience=300,
            callbacks=lambda net, history: last.append(net.parameters.copy()),
        )
    np.testing.assert_array_equal(net.parameters, last[-1])
