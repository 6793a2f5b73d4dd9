"""Dropout: its random bits against known answers, what is dropped, the gradient of what is left,
threads and large batches."""

import numba
import numpy as np
import pytest
from helpers.problems import HIDDEN
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from oracles import naive

import fastbp
from fastbp.engine.steps import StepRunner
from fastbp.kernels.philox import philox
from fastbp.kernels.simd import I64, lanes_of

# Random123's kat_vectors: counter, key, result.
KNOWN = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@intrinsic
def _kernel_words(typingctx, out, words):
    """The kernel's generator on eight counters in lanes: words[:32] the counters, word by word,
    then the key."""

    def codegen(context, b, signature, args):
        kind = ir.VectorType(I64, 8)
        to, given = (
            context.make_array(signature.args[i])(context, b, args[i]).data for i in range(2)
        )
        counter = [
            b.load(b.bitcast(b.gep(given, [I64(8 * i)]), kind.as_pointer()), align=8)
            for i in range(4)
        ]
        key = [b.load(cgutils.gep_inbounds(b, given, 32 + i)) for i in range(2)]
        for i, word in enumerate(philox(b, counter, key)):
            b.store(word, b.bitcast(b.gep(to, [I64(8 * i)]), kind.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(out, words), codegen


@numba.njit
def kernel_words(out, words):
    _kernel_words(out, words)


def test_the_twin_gives_the_known_answers():
    for counter, key, answer in KNOWN:
        assert naive.philox(counter, key) == answer


def test_the_twin_of_64_bits_is_numpy_s():
    for key in ([0, 0], [5, 2**64 - 1]):
        judge = np.random.Philox(
            key=np.array(key, np.uint64), counter=np.array([7, 2**63, 1, 9], np.uint64)
        )
        # NumPy counts up before it draws.
        assert judge.random_raw(4).tolist() == naive.philox([8, 2**63, 1, 9], key, 64)


def test_the_kernel_gives_the_known_answers():
    counters = np.random.default_rng(0).integers(0, 2**32, (8, 4))
    for counter, key, answer in KNOWN:
        counters[3] = counter
        out = np.zeros((4, 8), np.int64)
        kernel_words(out.ravel(), np.concatenate([counters.T.ravel(), key]))
        assert out[:, 3].tolist() == answer
        assert out.T.tolist() == [naive.philox(c, key) for c in counters.tolist()]


def kept(net, layer, rows, step, first=0):
    """Whether each unit of a hidden layer is kept, from the twin's random words."""
    limit = int((1 - net.dropout[layer]) * 2**32)
    key = list(net.train_state.dropout_key)
    draw = [
        [
            naive.philox([unit // 4, first + r, step, layer], key)[unit % 4] < limit
            for unit in range(net.widths[layer + 1])
        ]
        for r in range(rows)
    ]
    return np.array(draw)


def twin_gradient(net, X, Y, masks):
    """Back-propagation through the thinned net, by NumPy in float64, for identity outputs and
    squared error."""
    activations = [X.astype(float)]
    zs = []
    for i, (W, b) in enumerate(zip(net.weights, net.biases, strict=True)):
        zs.append(activations[-1] @ W + b)
        if i < len(masks):
            f = np.vectorize(naive.VALUE[net.hidden[i]], otypes=[float])
            activations.append(f(zs[-1]) * masks[i] / (1 - net.dropout[i]))
    delta = (zs[-1] - Y) / len(X)
    gradients = []
    for i in reversed(range(len(zs))):
        gradients.insert(0, (activations[i].T @ delta, delta.sum(axis=0)))
        if i:
            f = np.vectorize(naive.SLOPE[net.hidden[i - 1]], otypes=[float])
            delta = (
                delta @ net.weights[i].T * f(zs[i - 1]) * masks[i - 1] / (1 - net.dropout[i - 1])
            )
    return gradients


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_gradient_of_the_thinned_net(hidden, dtype):
    """Two steps of plain descent, rows of zeros among the samples, so that kept activations of
    exactly 0 occur."""
    n = 2 * lanes_of(np.dtype(dtype)) + 3
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(n, 5)).astype(dtype), rng.normal(size=(n, 3)).astype(dtype)
    X[::3] = 0
    net = fastbp.MLP([5, 37, 6, 3], hidden, "identity", dtype=dtype, dropout=(0.3, 0.5), seed=2)
    twin = net.astype("float64")
    net.fit(X, Y, epochs=2, batch_size=n, optimizer=fastbp.SGD(0.05), shuffle=False)
    for step in range(2):
        masks = [kept(twin, layer, n, step) for layer in range(2)]
        assert all(0.05 < m.mean() < 0.95 for m in masks)
        for i, (dW, db) in enumerate(twin_gradient(twin, X, Y, masks)):
            twin.weights[i][...] -= 0.05 * dW
            twin.biases[i][...] -= 0.05 * db
    near = 2e-6 if dtype == "float32" else 4e-15
    np.testing.assert_allclose(net.parameters, twin.parameters, rtol=0, atol=near)


def test_rates():
    """The share that is kept, and that draws of units, samples, steps and layers have nothing to do
    with each other."""
    net = fastbp.MLP([1, 64, 64, 2], dropout=0.25)
    draws = np.array(
        [[kept(net, layer, 64, step).ravel() for step in range(3)] for layer in range(2)]
    )
    assert abs(draws.mean() - 0.75) < 0.01
    flat = np.vstack([draws.reshape(6, -1), draws[0, 0].reshape(64, 64).T.ravel()])
    assert abs(np.corrcoef(flat) - np.eye(7)).max() < 0.06
    assert net.train_state.dropout_key == fastbp.MLP([1, 2]).train_state.dropout_key
    assert net.train_state.dropout_key != fastbp.MLP([1, 2], seed=1).train_state.dropout_key


def fitted(X, y, dropout=0.4, threads=None, **options):
    net = fastbp.MLP([20, 40, 33, 3], "tanh", dropout=dropout, seed=5)
    net.fit(X, y, epochs=2, optimizer=fastbp.Adam(0.01), n_threads=threads, **options)
    return net


@pytest.mark.parametrize("batch", [1, 33, 300, 2600])
@pytest.mark.usefixtures("many_cpus")
def test_the_same_bits_for_any_number_of_threads(batch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2600 if batch > 1 else 60, 20))
    y = rng.integers(0, 3, 2600)
    y = y[: len(X)]
    results = {fitted(X, y, threads=n, batch_size=batch).parameters.tobytes() for n in (1, 2, 3)}
    assert len(results) == 1


def test_a_batch_in_pieces(monkeypatch):
    """A step with samples converted in pieces drops the same units as the step in one call."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2600, 20)).astype("f4")
    y = rng.integers(0, 3, 2600)
    whole = fitted(X, y, batch_size=2500)
    monkeypatch.setattr("fastbp.engine.samples.CONVERTED_BYTES", 1)
    rows = []
    step = StepRunner._begin_part
    monkeypatch.setattr(
        StepRunner,
        "_begin_part",
        lambda self, *a: (step(self, *a), rows.append(int(self.plan.job[0]["row"]))),
    )
    pieces = fitted(X.astype(">f4"), y, batch_size=2500)
    assert set(rows) == {0, 1024, 2048}
    assert whole.parameters.tobytes() == pieces.parameters.tobytes()


def test_only_training_drops():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 20))
    y = rng.integers(0, 3, 50)
    net = fitted(X, y)
    plain = fastbp.MLP([20, 40, 33, 3], "tanh", seed=5)
    plain.weights = net.weights
    plain.biases = net.biases
    for call in (
        lambda n: n.forward(X)[-1],
        lambda n: n.loss(X, y),
        lambda n: n.loss_and_gradients(X, y)[1][0],
    ):
        np.testing.assert_array_equal(call(net), call(plain))
    assert fastbp.check_gradients(net, X, y, per_array=5).max_error < 1e-5


def test_a_rate_of_zero_is_no_dropout():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 20))
    y = rng.integers(0, 3, 50)
    assert (
        fitted(X, y, dropout=0.0).parameters.tobytes()
        == fitted(X, y, dropout=(0, 0)).parameters.tobytes()
    )
    assert (
        fitted(X, y, dropout=(0.0, 0.5)).parameters.tobytes()
        != fitted(X, y, dropout=0.0).parameters.tobytes()
    )


def test_going_on():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 20))
    y = rng.integers(0, 3, 50)
    net, whole = (fastbp.MLP([20, 8, 3], dropout=0.5, seed=1) for _ in range(2))
    for _ in range(2):
        net.fit(X, y, epochs=2)
    whole.fit(X, y, epochs=4)
    assert net.parameters.tobytes() == whole.parameters.tobytes()


@pytest.mark.parametrize(
    ("dropout", "error", "message"),
    [
        (1.0, ValueError, r"^dropout .*below 1.*1\.0"),
        (-0.1, ValueError, r"^dropout .*at least 0.*-0\.1"),
        ("half", TypeError, "^dropout .*half"),
        ([0.1], ValueError, "^dropout .*2 hidden layers, got 1"),
        ([0.1, 1.5], ValueError, r"^dropout\[1\] .*1\.5"),
        ([0.1, None], TypeError, r"^dropout\[1\] .*None"),
        (float("nan"), ValueError, "^dropout .*nan"),
    ],
)
def test_bad_rates(dropout, error, message):
    with pytest.raises(error, match=message):
        fastbp.MLP([2, 3, 3, 2], dropout=dropout)
