"""The same bits for any number of threads, in training, gradients and inference, and for a row
alone or among others."""

import numpy as np
import pytest

import fastbp
from fastbp.engine import forward, steps
from fastbp.training.checked_samples import make_samples

pytestmark = pytest.mark.usefixtures("many_cpus")
NETS = [[3, 2], [64, 20, 20, 10], [30, 70, 45, 7], [5, 200, 1]]


def data(widths, n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, widths[0])), rng.integers(0, max(2, widths[-1]), n)


@pytest.mark.parametrize(
    "optimizer", [fastbp.SGD(0.1), fastbp.SGD(0.1, 0.9, True), fastbp.Adam(0.01)], ids=repr
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("widths", NETS, ids=str)
def test_training(widths, dtype, optimizer):
    X, y = data(widths, 301)
    results = []
    for n_threads in (1, 2, 3):
        net = fastbp.MLP(
            widths, hidden="tanh", output="softmax" if widths[-1] > 1 else "sigmoid", dtype=dtype
        )
        history = net.fit(
            X, y, epochs=2, batch_size=37, optimizer=optimizer, l2=1e-3, n_threads=n_threads
        )
        results.append(
            (
                net.parameters.tobytes(),
                net.train_state.optimizer_state.tobytes(),
                history.batch_loss,
            )
        )
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("batch", [1, 16, 33, 300, 1500, 2600])
def test_batches(batch):
    """From one row to several blocks of rows a step."""
    X, y = data([30, 40, 7], 2600)
    results = []
    for n_threads in (1, 2, 3):
        net = fastbp.MLP([30, 40, 7])
        net.fit(
            X, y, epochs=1, batch_size=batch, optimizer=fastbp.SGD(0.1, 0.5), n_threads=n_threads
        )
        results.append(net.parameters.tobytes())
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("batch", [20, 1500])
def test_everything_at_once(batch):
    """Both penalties, both clips, dropout, and a rule that depends on the step number."""
    X, y = data([30, 70, 200, 7], 1600)
    results = []
    for n_threads in (1, 2, 3):
        net = fastbp.MLP([30, 70, 200, 7], dropout=0.3)
        settings = {
            "l1": 1e-4,
            "l2": 1e-3,
            "clip_value": 0.01,
            "clip_norm": 0.05,
            "optimizer": fastbp.Nadam(0.01),
        }
        history = net.fit(X, y, epochs=2, batch_size=batch, n_threads=n_threads, **settings)
        results.append(
            (
                net.parameters.tobytes(),
                net.train_state.optimizer_state.tobytes(),
                history.batch_loss,
            )
        )
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_and_inference(dtype):
    X, y = data([30, 70, 45, 7], 1999)
    X = X.astype(dtype)
    net = fastbp.MLP([30, 70, 45, 7], dtype=dtype)
    samples = make_samples(net, X, y)
    gradients, losses, outputs = zip(
        *[
            (
                steps.loss_and_gradient(net.network, net.parameters, samples, 0.1, n)[1].tobytes(),
                forward.mean_loss(net.network, net.parameters, samples, n),
                [
                    a.tobytes()
                    for a in forward.activations(net.network, net.parameters, X, range(3), n)
                ],
            )
            for n in (1, 2, 3)
        ],
        strict=True,
    )
    for results in (gradients, losses, outputs):
        assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_predictions_in_pieces(monkeypatch, n_threads):
    """Large predictions are cut into several calls of the kernel."""
    X, y = data([30, 70, 7], 1999)
    net = fastbp.MLP([30, 70, 7])
    samples = make_samples(net, X, y)

    def results():
        loss = forward.mean_loss(net.network, net.parameters, samples, n_threads)
        outputs = forward.activations(net.network, net.parameters, X, range(2), n_threads)
        return loss, [a.tobytes() for a in outputs]

    whole = results()
    monkeypatch.setattr(forward, "UNINTERRUPTIBLE_MACS", 1)
    assert results() == whole


def test_a_row_alone_and_among_others():
    """A row's output has the same bits by itself, in any place, and from run to run."""
    X, _ = data([30, 70, 45, 7], 300)
    net = fastbp.MLP([30, 70, 45, 7], hidden="elu")
    together = net.forward(X)[-1]
    for i in (0, 15, 31, 32, 255, 256, 299):
        np.testing.assert_array_equal(net.forward(X[i : i + 1])[-1][0], together[i])
    np.testing.assert_array_equal(net.forward(X[::-1])[-1][::-1], together)


def test_more_threads_than_cpus_finish():
    X, y = data([8, 16, 3], 200)
    net = fastbp.MLP([8, 16, 3])
    alone = fastbp.MLP([8, 16, 3])
    net.fit(X, y, epochs=2, n_threads=13)
    alone.fit(X, y, epochs=2, n_threads=1)
    np.testing.assert_array_equal(net.parameters, alone.parameters)
