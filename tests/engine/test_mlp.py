"""The model's surface: what it returns, initial weights, arrays of parameters, copies, optimizers,
import and warm-up."""

import copy
import dataclasses
import math
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import fastbp

RNG = np.random.default_rng(2)
X = RNG.normal(size=(11, 3))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


OUTPUTS = {
    "softmax": softmax,
    "sigmoid": sigmoid,
    "identity": lambda z: z,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "softplus": lambda z: np.log1p(np.exp(z)),
}
KINDS = [("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy")]
KINDS += [
    (output, loss) for output in OUTPUTS for loss in ("squared_error", "softmax_cross_entropy")
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("output", "loss", "width"),
    [
        (*kind, width)
        for kind in KINDS
        for width in (1, 2, 4)
        if width > 1 or not {"softmax", "softmax_cross_entropy"} & {*kind}
    ],
)
def test_what_is_returned(output, loss, width, dtype):
    net = fastbp.MLP([3, 5, width], "tanh", output, loss, dtype=dtype, seed=4)
    near = {
        "rtol": 1e-5 if dtype == "float32" else 1e-13,
        "atol": 1e-6 if dtype == "float32" else 1e-14,
    }
    hidden = np.tanh(X @ net.weights[0].astype(float) + net.biases[0])
    a = OUTPUTS[output](hidden @ net.weights[1].astype(float) + net.biases[1])
    layers = net.forward(X)
    assert [(f.shape, f.dtype) for f in layers] == [((11, 5), net.dtype), ((11, width), net.dtype)]
    np.testing.assert_allclose(layers[0], hidden, **near)
    np.testing.assert_allclose(layers[1], a, **near)

    predicted = net.predict(X)
    if "softmax" in (output, loss.split("_")[0]):
        expected = a.argmax(axis=1)
        kind = np.int64
    elif loss == "binary_cross_entropy":
        expected = a > 0.5
        kind = np.int64
    else:
        expected = a
        kind = net.dtype
    expected = expected[:, 0] if expected.shape == (11, 1) else expected
    assert (predicted.shape, predicted.dtype) == (expected.shape, kind)
    np.testing.assert_allclose(predicted, expected, **near)

    if loss == "squared_error" and output not in ("softmax", "sigmoid"):
        return
    probability = net.predict_proba(X)
    expected = softmax(a) if loss == "softmax_cross_entropy" else a
    if output == "sigmoid" and loss != "softmax_cross_entropy" and width == 1:
        expected = np.hstack([1 - a, a])
    assert (probability.shape, probability.dtype) == (expected.shape, net.dtype)
    np.testing.assert_allclose(probability, expected, **near)


def test_results_are_the_caller_s_and_may_be_empty():
    net = fastbp.MLP([3, 5, 2], output="identity")
    before = pickle.dumps(net)
    for array in [*net.forward(X), net.predict(X), *net.loss_and_gradients(X, X[:, :2])[1]]:
        array[...] = 99
    assert pickle.dumps(net) == before
    assert [a.shape for a in (*net.forward(X[:0]), net.predict(X[:0]))] == [(0, 5), (0, 2), (0, 2)]


def test_repr_and_summary():
    net = fastbp.MLP([784, 100, 30, 10], hidden=["relu", "logistic"], dtype="float64")
    assert repr(net).startswith(
        "MLP([784, 100, 30, 10], hidden=('relu', 'sigmoid'), output='softmax', "
        "loss='cross_entropy', "
    )
    again = eval(f"fastbp.{net!r}")
    assert (repr(again), pickle.dumps(again)) == (repr(net), pickle.dumps(net))  # the same seed
    heading, *layers, total = [" ".join(line.split()) for line in net.summary().splitlines()]
    assert heading == "layer W activation parameters"
    assert layers == [
        "0 784 x 100 relu 78,500",
        "1 100 x 30 sigmoid 3,030",
        "2 30 x 10 softmax 310",
    ]
    assert "81,840 parameters" in total
    assert repr(fastbp.MLP([3, 1], output="sigmoid")).startswith(
        "MLP([3, 1], output='sigmoid', loss='binary_cross_entropy'"
    )
    ones = fastbp.MLP([2, 1], output="tanh", init=lambda r, s: np.ones(s))
    assert repr(ones.weights) == "[[[1.]\n  [1.]]]"


VARIANCE = {"glorot": lambda n_in, n_out: 2 / (n_in + n_out), "he": lambda n_in, n_out: 2 / n_in}


@pytest.mark.parametrize("name", ["glorot_uniform", "glorot_normal", "he_uniform", "he_normal"])
def test_initializers(name):
    family, law = name.split("_")
    net = fastbp.MLP([200, 300, 100], init=name, dtype="float64")
    for w, b in zip(net.weights, net.biases, strict=True):
        variance = VARIANCE[family](*w.shape)
        deviations = 6 * variance * math.sqrt((2 if law == "normal" else 0.8) / w.size)
        assert abs(w.var() - variance) < deviations
        assert abs(w.mean()) < 6 * math.sqrt(variance / w.size)
        limit = math.sqrt(3 * variance)
        assert (abs(w).max() <= limit) == (law == "uniform")
        assert abs(w).max() > 0.999 * limit
        assert not b.any()


def test_initializer_of_one_s_own():
    shapes = []
    rng = np.random.default_rng(7)

    def draw(rng, shape):
        shapes.append(shape)
        return rng.normal(size=shape)

    net = fastbp.MLP([2, 3, 4], init=draw, seed=7)
    assert shapes == [(2, 3), (3, 4)]
    for w, shape in zip(net.weights, shapes, strict=True):
        assert np.array_equal(w, rng.normal(size=shape).astype("float32"))


def test_seeds():
    def weights(seed):
        return fastbp.MLP([3, 4, 2], seed=seed).parameters.tobytes()

    assert weights(5) == weights(5) == weights(np.int64(5))
    assert len({weights(seed) for seed in (0, 1, 2, None, None)}) == 5
    assert (
        weights(5)
        == fastbp.MLP([3, 4, 2], seed=5, dtype="float64").astype("float32").parameters.tobytes()
    )


X_LINEAR = RNG.normal(size=(60, 3)) @ np.array([[1, 0.3, 0], [0, 1, 0.2], [0, 0, 1]]) + 0.5
ONES = np.column_stack([X_LINEAR, np.ones(60)])
CONVERGE = {
    "epochs": 4000,
    "batch_size": None,
    "optimizer": fastbp.SGD(0.4, momentum=0.8),
    "shuffle": False,
}


@pytest.mark.parametrize("weight", [None, RNG.uniform(0, 2, 60)])
@pytest.mark.parametrize("width", [1, 3])
def test_linear_regression(width, weight):
    y = RNG.normal(size=(60, width))
    net = fastbp.MLP([3, width], output="identity", dtype="float64")
    net.fit(X_LINEAR, y[:, 0] if width == 1 else y, sample_weight=weight, **CONVERGE)
    root = np.sqrt(np.ones(60) if weight is None else weight)[:, None]
    solution = np.linalg.lstsq(root * ONES, root * y, rcond=None)[0]
    np.testing.assert_allclose(np.vstack([*net.weights, *net.biases]), solution, rtol=0, atol=1e-12)


def newton(y, l2):
    """Logistic regression by Newton's method on the mean loss."""
    w = np.zeros(4)
    penalty = l2 * np.diag([1.0, 1, 1, 0])
    for _ in range(30):
        p = sigmoid(ONES @ w)
        w -= np.linalg.solve(
            ONES.T * (p * (1 - p)) @ ONES / 60 + penalty, ONES.T @ (p - y) / 60 + penalty @ w
        )
    return w


def test_logistic_regression():
    y = (X_LINEAR @ [1, -2, 0.5] + RNG.normal(size=60) > 0).astype(int)
    one = fastbp.MLP([3, 1], output="sigmoid", dtype="float64")
    one.fit(X_LINEAR, y, l2=0.05, **CONVERGE)
    np.testing.assert_allclose(
        np.append(one.weights[0], one.biases[0]), newton(y, 0.05), rtol=0, atol=1e-12
    )
    # Of two softmax outputs only the difference counts; its half, in each of both, is penalised
    # half as much.
    two = fastbp.MLP([3, 2], dtype="float64")
    two.fit(X_LINEAR, y, l2=0.1, **CONVERGE)
    difference = np.append(np.diff(two.weights[0]), np.diff(two.biases[0]))
    np.testing.assert_allclose(difference, newton(y, 0.05), rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        two.predict_proba(X_LINEAR), one.predict_proba(X_LINEAR), rtol=0, atol=1e-12
    )


def trained(**more):
    net = fastbp.MLP([3, 5, 2], seed=6, **more)
    net.fit(X, np.arange(11) % 2, epochs=3, batch_size=4, optimizer=fastbp.Adam())
    return net


def state(net):
    return (
        net.parameters.tobytes(),
        net.train_state.optimizer_state.tobytes(),
        str(net.train_state.rng.bit_generator.state),
        net.train_state.step,
        net.history_,
    )


def train_on(net):
    net.fit(X, np.arange(11) % 2, epochs=2, batch_size=4, optimizer=fastbp.Adam())
    return state(net)


COPIES = {
    f"pickle {p}": lambda net, p=p: pickle.loads(pickle.dumps(net, p))
    for p in range(pickle.HIGHEST_PROTOCOL + 1)
}
COPIES |= {"deepcopy": copy.deepcopy, "astype": lambda net: net.astype("float32")}


@pytest.mark.parametrize("how", COPIES)
def test_copies_are_equal_and_independent(how):
    net = trained()
    copied = COPIES[how](net)
    before = copy.deepcopy(state(net))
    assert state(copied) == before
    assert (repr(copied), copied.summary()) == (repr(net), net.summary())
    after = train_on(copied)
    copied.weights[0][...] = 0
    copied.biases = [b + 1 for b in copied.biases]
    assert state(net) == before
    assert train_on(net) == after


def test_astype():
    net = trained()
    double = net.astype("float64")
    arrays = [
        *double.weights,
        *double.biases,
        *double.forward(X),
        *double.loss_and_gradients(X, [0] * 11)[1],
    ]
    assert {a.dtype for a in arrays} == {np.dtype("float64")}
    assert all(np.array_equal(a, b) for a, b in zip(double.weights, net.weights, strict=True))
    assert double.astype(np.float32).parameters.tobytes() == net.parameters.tobytes()
    np.testing.assert_allclose(
        np.frombuffer(train_on(double)[0]), np.frombuffer(train_on(net)[0], "f4"), rtol=0, atol=1e-5
    )


def test_arrays_are_the_net_s_own():
    net = fastbp.MLP([3, 5, 2], output="identity")
    assert [a.shape for a in (*net.weights, *net.biases)] == [(3, 5), (5, 2), (5,), (2,)]
    net.weights[1][...] = 0
    net.biases[1][:] = [1, 2]
    assert np.array_equal(net.predict(X), np.tile([1, 2], (11, 1)))
    w = net.weights[0]
    given = np.arange(15)[::-1].reshape(5, 3).T
    net.fit(X, X[:, :2], epochs=1)
    net.weights[0] += 1
    net.weights[0] = given
    assert net.weights[0] is w
    assert np.array_equal(w, given)
    given[0, 0] = -1
    assert w[0, 0] == 14
    net.weights = [np.ones((3, 5)), [[1, 2]] * 5]
    net.biases = (b for b in (np.zeros(5), [3, 4]))
    assert [a.tolist() for a in (w, net.biases[1])] == [[[1] * 5] * 3, [3, 4]]


def test_parameters_assigned_from_themselves():
    net = fastbp.MLP([3, 3, 3])
    first, second = (w.copy() for w in net.weights)
    net.weights = [net.weights[1], net.weights[0]]
    assert np.array_equal(net.weights[0], second)
    assert np.array_equal(net.weights[1], first)
    net.weights[0] = net.weights[0].T
    assert np.array_equal(net.weights[0], second.T)


def test_optimizers_are_values():
    sgd = fastbp.SGD(0.5, momentum=0.9, nesterov=True)
    adam = fastbp.Adam(0.01, beta_1=0.8)
    assert repr(sgd) == "SGD(lr=0.5, momentum=0.9, nesterov=True)"
    assert repr(adam) == "Adam(lr=0.01, beta_1=0.8, beta_2=0.999, epsilon=1e-08)"
    others = (
        fastbp.AdamW(weight_decay=0.1),
        fastbp.Nadam(),
        fastbp.RMSprop(momentum=0.5, centered=True),
        fastbp.Adagrad(),
    )
    for optimizer in (sgd, adam, *others):
        same = eval(f"fastbp.{optimizer!r}")
        assert (
            (same, hash(same))
            == (optimizer, hash(optimizer))
            == (pickle.loads(pickle.dumps(same)), hash(same))
        )
        assert optimizer != dataclasses.replace(optimizer, lr=0.7)
        with pytest.raises(dataclasses.FrozenInstanceError):
            optimizer.lr = 1.0
    assert (
        fastbp.SGD(1)
        == fastbp.SGD(1.0)
        == fastbp.SGD(np.float32(1))
        != fastbp.Adam(1)
        != fastbp.AdamW(1)
    )


def in_subprocess(code, *arguments):
    environment = os.environ | {"PYTHONWARNINGS": "error"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout


def test_a_pickle_in_another_process():
    net = trained()
    code = (
        "import pickle, sys; net, X = pickle.loads(bytes.fromhex(sys.argv[1])); "
        "print(net.predict_proba(X).tobytes().hex())"
    )
    assert (
        in_subprocess(code, pickle.dumps((net, X)).hex()).strip()
        == net.predict_proba(X).tobytes().hex()
    )


KERNELS = "import sys, fastbp, numpy as np; from fastbp.kernels.loader import origins\n"


def test_import_costs_little():
    code = (
        KERNELS
        + "heavy = {'numba', 'scipy', 'sklearn', 'matplotlib', 'torch', 'pandas'}\n"
        + "print(origins, *heavy.intersection(sys.modules))"
    )
    assert in_subprocess(code).strip() == "{}"


def test_warmup_leaves_nothing_to_compile():
    code = """
fastbp.warmup()
before = dict(origins)
assert len(before) == 7
for dtype in ("float32", "float64"):
    x = np.arange(15, dtype=dtype).reshape(5, 3) / 15
    frozen = x.copy()
    frozen.flags.writeable = False
    for X in (x, frozen, x.astype("i1"), np.asfortranarray(x), x[::-1, ::-1].astype(">f8")):
        targets = {"softmax": [0, 1, 2, 0, 1], "identity": X, "sigmoid": x > 0.5, "tanh": frozen}
        for output, y in targets.items():
            net = fastbp.MLP([3, 4, 3], "relu", output, dtype=dtype)
            weight, adam = {"sample_weight": np.arange(5)}, {"optimizer": fastbp.Adam()}
            for more in ({}, weight, {"n_threads": 2}, adam):
                net.fit(X, y, epochs=1, batch_size=2, X_val=X, y_val=y, **more)
            net.loss(X, y), net.loss_and_gradients(X, y), net.forward(X), net.predict(X)
    fastbp.functional.softmax(fastbp.functional.dense_forward(x, np.ones((3, 4))))
print(origins == before, "numba" in sys.modules and "cache" in before.values())
"""
    fastbp.warmup()  # what the cache lacks is compiled here
    assert in_subprocess(KERNELS + code).strip() == "True False"
