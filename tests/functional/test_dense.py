"""A layer forward and backward, and the loss with its delta: against the naive twin and a net's own
gradients."""

import numpy as np
import pytest
from helpers.problems import HIDDEN, PAIRS, assert_close
from oracles import naive

import fastbp
from fastbp import functional as fn
from fastbp.kernels import abi
from fastbp.kernels.plan import DEPTH, panel_of
from fastbp.kernels.target import TILE_ROWS as ROWS
from fastbp.kernels.workspace import BLOCK

DTYPES = ["float32", "float64"]
GATED = [name for name in HIDDEN if abi.ACTIVATIONS[name] in abi.STORES_SLOPES]
PANEL = panel_of("float32")
SHAPES = [
    (1, 1, 1),
    (2, 1, 3),
    (5, ROWS, 1),
    (PANEL - 1, ROWS + 1, PANEL),
    (PANEL, 2 * ROWS + 1, PANEL + 1),
]
SHAPES += [
    (PANEL + 1, 3, 67),
    (71, 67, 33),
    (BLOCK + 9, 5, 4),
    (3, DEPTH + 5, 2),
    (4, 3, DEPTH + 7),
]


def layer(n, n_in, n_out, dtype, seed=0):
    """x, W, b and delta."""
    rng = np.random.default_rng(seed)
    return tuple(
        rng.normal(size=shape).astype(dtype)
        for shape in ((n, n_in), (n_in, n_out), n_out, (n, n_out))
    )


def exact(x, W, b, delta, activation):
    """The layer's outputs, dW, db and delta below in float64, x being the outputs of a layer of the
    same activation."""
    x, W, b, delta = (array.astype("f8") for array in (x, W, b, delta))
    value = np.vectorize(naive.VALUE[activation], otypes=[float])
    # The slope from the output a: by the twin at some z with f(z) = a, which x is made from.
    return value(x @ W + b), x.T @ delta, delta.sum(axis=0), delta @ W.T


def assert_layer(got, wanted, dtype, terms):
    """To a few roundings a term of the sums, relative to the largest element."""
    assert got.dtype == dtype
    assert got.shape == wanted.shape
    scale = max(np.abs(wanted).max(initial=0), 1e-3)
    assert np.abs(got - wanted).max(initial=0) <= 4 * (4 + terms**0.5) * np.finfo(dtype).eps * scale


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_odd_shapes(shape, dtype):
    x, W, b, delta = layer(*shape, dtype)
    z, dW, db, below = exact(x, W, b, delta, "identity")
    for n_threads in (None, 1, 2):
        assert_layer(fn.dense_forward(x, W, b, n_threads=n_threads), z, dtype, shape[1])
        got = fn.dense_backward(delta, x, W, "identity", n_threads=n_threads)
        for array, wanted, terms in zip(
            got, (dW, db, below), (shape[0], shape[0], shape[2]), strict=True
        ):
            assert_layer(array, wanted, dtype, terms)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [name for name in HIDDEN if name not in GATED])
def test_every_activation(activation, dtype):
    """Forward, and backward to the layer below, which has the outputs x; the twin computes slopes
    from z."""
    z_below = np.random.default_rng(1).normal(size=(37, 18))
    x = np.vectorize(naive.VALUE[activation])(z_below).astype(dtype)
    _, W, b, delta = layer(37, 18, 11, dtype)
    a, dW, db, below = exact(x, W, b, delta, activation)
    below = below * np.vectorize(naive.SLOPE[activation])(z_below)
    assert_layer(fn.dense_forward(x, W, b, activation), a, dtype, 18)
    for got, wanted in zip(
        fn.dense_backward(delta, x, W, activation), (dW, db, below), strict=True
    ):
        assert_layer(got, wanted, dtype, 37)
    first = fn.dense_backward(delta, x, W)
    assert first[2] is None
    for got, wanted in zip(first, (dW, db), strict=False):
        assert_layer(got, wanted, dtype, 37)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", GATED)
def test_activations_with_a_slope_that_is_not_in_their_output(activation, dtype):
    x, W, b, delta = layer(71, 19, 33, dtype)
    a, *_ = exact(x, W, b, delta, activation)
    assert_layer(fn.dense_forward(x, W, b, activation), a, dtype, 19)
    with pytest.raises(
        ValueError,
        match=f"derivative that follows from its output x, got {activation!r}: use 'identity'",
    ):
        fn.dense_backward(delta, x, W, activation)


def test_the_same_bits_for_any_number_of_threads():
    for shape in ((33, 65, 37), (2 * BLOCK + 3, 40, 70)):
        x, W, b, delta = layer(*shape, "float32")
        results = []
        for n_threads in (None, 1, 2, 3):
            arrays = (
                fn.dense_forward(x, W, b, "tanh", n_threads=n_threads),
                *fn.dense_backward(delta, x, W, "tanh", n_threads=n_threads),
            )
            results.append([array.tobytes() for array in arrays])
        assert results[0] == results[1] == results[2] == results[3]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape", [(1, 1), (5, 33), (ROWS + 3, 16), (67, 31), (DEPTH + 5, 64)], ids=str
)
def test_one_row_has_the_bits_of_a_batch(shape, dtype):
    """One row has a kernel of its own."""
    x, W, b, _ = layer(3, *shape, dtype)
    for activation in ("identity", "tanh", "gelu"):
        wanted = fn.dense_forward(x, W, b, activation)
        for i in range(3):
            for n_threads in (None, 2):
                got = fn.dense_forward(x[i : i + 1], W, b, activation, n_threads=n_threads)
                np.testing.assert_array_equal(got, wanted[i : i + 1])


def test_large_layers_use_the_team():
    """The default number of threads, at a size where there are several, has the bits of one."""
    x, W, b, delta = layer(260, 300, 310, "float32")
    np.testing.assert_array_equal(fn.dense_forward(x, W, b), fn.dense_forward(x, W, b, n_threads=1))
    for got, wanted in zip(
        fn.dense_backward(delta, x, W, "relu"),
        fn.dense_backward(delta, x, W, "relu", n_threads=1),
        strict=True,
    ):
        np.testing.assert_array_equal(got, wanted)


def test_no_rows():
    x, W, b, delta = layer(0, 3, 2, "float32")
    for n_threads in (None, 2):
        assert fn.dense_forward(x, W, b, n_threads=n_threads).shape == (0, 2)
        out = np.ones((3, 2), "f4"), np.ones(2, "f4"), None
        dW, db, below = fn.dense_backward(delta, x, W, "tanh", out=out, n_threads=n_threads)
        assert not dW.any()
        assert not db.any()
        assert below.shape == (0, 3)
    loss, delta = fn.output_delta(delta, np.zeros(0, int))
    assert (loss, delta.shape) == (0, (0, 2))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("n", [1, 19, PANEL + 2])
def test_output_delta(output, loss, dtype, n):
    rng = np.random.default_rng(n)
    for k in (2 if "softmax" in (output, loss[:7]) else 1, 4):
        z = rng.normal(size=(n, k)).astype(dtype)
        t = rng.uniform(size=(n, k))
        t = (t / t.sum(axis=1, keepdims=True)).astype(dtype)
        a = [naive.outputs(row, output) for row in z.tolist()]
        wanted = sum(map(naive.sample_loss, z.tolist(), a, t.tolist(), [loss] * n)) / n
        deltas = [
            naive.output_delta(*row, output, loss)
            for row in zip(z.tolist(), a, t.tolist(), strict=True)
        ]
        got, delta = fn.output_delta(z, t, output, loss)
        assert isinstance(got, float)
        assert delta.dtype == dtype
        assert_close(got, wanted, dtype)
        assert_close(delta, np.array(deltas) / n, dtype)
        in_place = z.copy()
        again, same = fn.output_delta(in_place, t, output, loss, out=in_place)
        assert same is in_place
        assert again == got
        np.testing.assert_array_equal(in_place, delta)
        over_targets = t.copy()
        fn.output_delta(z, over_targets, output, loss, out=over_targets)
        np.testing.assert_array_equal(over_targets, delta)


def test_labels_are_one_hot_targets():
    z = layer(37, 1, 4, "float32")[3]
    labels = np.random.default_rng(3).integers(0, 4, 37)
    one_hot = np.eye(4)[labels]
    for output, loss in PAIRS:
        by_row = fn.output_delta(z, one_hot, output, loss)
        for given in (labels, labels.astype(np.int8), labels[::-1].copy()[::-1], labels.tolist()):
            by_label = fn.output_delta(z, given, output, loss)
            assert by_label[0] == by_row[0]
            np.testing.assert_array_equal(by_label[1], by_row[1])
    # the targets of one output as a row of numbers
    column = fn.output_delta(z[:, :1], one_hot[:, 0], "sigmoid")
    np.testing.assert_array_equal(
        column[1], fn.output_delta(z[:, :1], one_hot[:, :1], "sigmoid")[1]
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_losses_do_not_overflow(dtype):
    z = np.array([[1e4, 0, -1e4], [0, 1e4, -1e4]], dtype)
    with np.errstate(all="raise"):
        loss, delta = fn.output_delta(z, np.array([0, 2]))
        np.testing.assert_allclose(delta, [[0, 0, 0], [0, 0.5, -0.5]], atol=1e-30)
        assert loss == 1e4
        loss, delta = fn.output_delta(z, np.array([[1, 1, 0], [0, 0, 1]]), "sigmoid")
        np.testing.assert_allclose(delta, [[0, -0.25, 0], [0.25, 0.5, -0.5]], atol=1e-30)
        assert loss == pytest.approx((np.log(2) + np.log(2) + 2e4) / 2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_net_written_with_them(dtype):
    """Loss and gradients of a whole net are those of `fastbp.MLP`."""
    net = fastbp.MLP([7, 20, 12, 4], hidden=("tanh", "sigmoid"), dtype=dtype, seed=2)
    X = np.random.default_rng(0).normal(size=(45, 7)).astype(dtype)
    y = np.arange(45) % 4
    a = [X]
    for W, b, f in zip(net.weights, net.biases, ("tanh", "sigmoid", "identity"), strict=True):
        a.append(fn.dense_forward(a[-1], W, b, f))
    loss, delta = fn.output_delta(a[-1], y)
    true_loss, dWs, dbs = net.loss_and_gradients(X, y)
    assert_close(loss, true_loss, dtype)
    for i, below in ((2, "sigmoid"), (1, "tanh"), (0, None)):
        dW, db, delta = fn.dense_backward(delta, a[i], net.weights[i], below)
        assert_close(dW, dWs[i], dtype)
        assert_close(db, dbs[i], dtype)


def strided(array):
    """The same numbers with gaps between them."""
    wide = np.full([2 * n for n in array.shape], np.nan, array.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in array.shape)]
    view[...] = array
    return view


@pytest.mark.parametrize("dtype", DTYPES)
def test_layouts_and_out(dtype):
    x, W, b, delta = layer(35, 19, 21, dtype)
    a = fn.dense_forward(x, W, b, "tanh")
    gradients = fn.dense_backward(delta, x, W, "tanh")
    for other in (strided, np.asfortranarray, lambda array: array[::-1].copy()[::-1]):
        np.testing.assert_array_equal(fn.dense_forward(other(x), other(W), other(b), "tanh"), a)
        for got, wanted in zip(
            fn.dense_backward(other(delta), other(x), other(W), "tanh"), gradients, strict=True
        ):
            np.testing.assert_array_equal(got, wanted)
        out = other(np.zeros_like(a))
        assert fn.dense_forward(x, W, b, "tanh", out=out) is out
        np.testing.assert_array_equal(out, a)
        outs = tuple(other(np.zeros_like(array)) for array in gradients)
        for got, to, wanted in zip(
            fn.dense_backward(delta, x, W, "tanh", out=outs), outs, gradients, strict=True
        ):
            assert got is to
            np.testing.assert_array_equal(to, wanted)
        to = other(np.zeros_like(a))
        loss, got = fn.output_delta(other(a), np.arange(35) % 21, out=to)
        assert got is to
        np.testing.assert_array_equal(to, fn.output_delta(a, np.arange(35) % 21)[1])
        assert loss == fn.output_delta(a, np.arange(35) % 21)[0]


def test_out_in_the_memory_of_an_input():
    x, W, b, delta = layer(33, 20, 20, "float64")
    a = fn.dense_forward(x, W, b, "relu")
    (dW, db, below) = fn.dense_backward(delta, x, W, "relu")
    for n_threads in (1, 2):
        x_copy, delta_copy, W_copy = x.copy(), delta.copy(), W.copy()
        fn.dense_forward(x_copy, W, b, "relu", out=x_copy, n_threads=n_threads)
        np.testing.assert_array_equal(x_copy, a)
        fn.dense_backward(
            delta_copy, x, W_copy, "relu", out=(W_copy, None, delta_copy), n_threads=n_threads
        )
        np.testing.assert_array_equal(W_copy, dW)
        np.testing.assert_array_equal(delta_copy, below)
    memory = np.zeros((20, 40))
    # between one another's elements
    fn.dense_backward(delta, x, W, out=(memory[:, ::2], memory[0, 1::2], None))
    np.testing.assert_array_equal(memory[:, ::2], dW)
    np.testing.assert_array_equal(memory[0, 1::2], db)


def test_mixed_dtypes_are_float64():
    x, W, b, delta = layer(5, 4, 3, "float64")
    assert fn.dense_forward(x.astype("f4"), W, b).dtype == np.float64
    np.testing.assert_array_equal(
        fn.dense_forward(np.arange(20).reshape(5, 4), W, b),
        fn.dense_forward(np.arange(20.0).reshape(5, 4), W, b),
    )
    assert all(
        array.dtype == np.float64 for array in fn.dense_backward(delta.astype("f4"), x, W, "tanh")
    )
    assert fn.dense_forward(*(array.astype("f2") for array in (x, W, b))).dtype == np.float32


BAD_FORWARD = [
    ({"x": np.zeros((2, 3, 4))}, "x must be 1-dimensional or 2-dimensional"),
    ({"x": np.zeros(3), "out": None}, "x must have one column for each of the 4 rows of W"),
    ({"x": np.zeros(4)}, r"out must be of shape \(3,\) for one sample, got \(5, 3\)"),
    ({"x": np.zeros((5, 3))}, "x must have one column for each of the 4 rows of W"),
    ({"x": np.zeros((5, 4), complex)}, "x must be an array of real numbers"),
    ({"x": None}, "x must be an array of real numbers"),
    ({"W": np.zeros((4, 0)), "b": np.zeros(0)}, "W must have at least one row and one column"),
    ({"b": np.zeros(4)}, "b must have one number for each of the 3 columns of W, .*got shape"),
    ({"b": np.zeros((1, 4))}, "b must have one number for each of the 3 columns of W"),
    ({"b": np.zeros((3, 1))}, r"b must have one number .*, as shape \(3,\) or \(1, 3\)"),
    ({"b": 0.0}, "b must be 1-dimensional or 2-dimensional"),
    ({"mask": np.zeros((4, 3))}, r"mask must be of shape \(5, 3\)"),
    ({"mask": np.zeros(3)}, r"mask must be of shape \(5, 3\)"),
    ({"mask": "none"}, "mask must be an array of real numbers"),
    ({"activation": "rely"}, "activation must be one of 'identity', "),
    ({"activation": "swish"}, "activation must be one of .*'gelu', 'silu', 'mish'"),
    ({"activation": None}, "activation must be one of"),
    ({"activation": ["relu"]}, "activation must be one of"),
    ({"n_threads": 0}, "n_threads must be at least 1"),
    ({"n_threads": 1.5}, "n_threads must be a whole number"),
    ({"out": np.zeros((5, 4))}, r"out must be of shape \(5, 3\) and dtype float64"),
    ({"out": np.zeros((5, 3), "f4")}, "out must be of shape"),
    ({"out": [[0.0] * 3] * 5}, "out must be an array"),
]


@pytest.mark.parametrize(
    ("change", "message"), BAD_FORWARD, ids=lambda v: v if isinstance(v, str) else ""
)
def test_bad_forward(change, message):
    x, W, b, _ = layer(5, 4, 3, "float64")
    out = np.full((5, 3), 7.0)
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        fn.dense_forward(**({"x": x, "W": W, "b": b, "out": out} | change))
    assert (out == 7).all()


BAD_BACKWARD = [
    ({"delta": np.zeros((5, 4))}, "delta must be of shape"),
    ({"delta": np.zeros((4, 3))}, "delta must be of shape"),
    ({"delta": "text"}, "delta must be "),
    ({"x": np.zeros(4)}, "delta must be 1-dimensional"),
    ({"delta": np.zeros(3)}, "delta must be 2-dimensional"),
    (
        {"x": np.zeros(4), "delta": np.zeros(2), "out": None},
        r"delta must be of shape \(1, 3\)",
    ),
    (
        {"x": np.zeros(4), "delta": np.zeros(3), "out": (None, None, np.zeros((1, 4)))},
        r"out\[2\] must be of shape \(4,\) for one sample",
    ),
    ({"mask": np.zeros((5, 3))}, r"mask must be of shape \(5, 4\)"),
    (
        {"activation": None, "mask": np.zeros((5, 4)), "out": None},
        "mask must be None where activation is None",
    ),
    ({"x": np.zeros((5, 3))}, "x must have one column for each of the 4 rows of W"),
    ({"W": np.zeros(4)}, "W must be 2-dimensional"),
    ({"activation": "softmax"}, "activation must be one of 'identity', "),
    ({"n_threads": True}, "n_threads must be a whole number"),
    ({"out": np.zeros((4, 3))}, "out must be a tuple of three"),
    ({"out": (None, None)}, "out must be a tuple of three"),
    ({"out": (np.zeros((3, 4)), None, None)}, r"out\[0\] must be of shape \(4, 3\)"),
    ({"out": (None, np.zeros((3, 1)), None)}, r"out\[1\] must be of shape \(3,\)"),
    (
        {"out": (None, None, np.zeros((5, 4), "f4"))},
        r"out\[2\] must be of shape \(5, 4\) and dtype float64",
    ),
    (
        {"activation": None, "out": (None, None, np.zeros((5, 4)))},
        r"out\[2\] must be None where activation is None",
    ),
]


@pytest.mark.parametrize(
    ("change", "message"), BAD_BACKWARD, ids=lambda v: v if isinstance(v, str) else ""
)
def test_bad_backward(change, message):
    x, W, _, delta = layer(5, 4, 3, "float64")
    out = np.full((4, 3), 7.0), np.full(3, 7.0), None
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        fn.dense_backward(
            **({"delta": delta, "x": x, "W": W, "activation": "relu", "out": out} | change)
        )
    assert (out[0] == 7).all()
    assert (out[1] == 7).all()


def test_outs_that_share_memory():
    x, W, _, delta = layer(4, 4, 3, "float64")
    memory = np.full((4, 4), 7.0)
    with pytest.raises(ValueError, match="out must be arrays that share no memory"):
        fn.dense_backward(delta, x, W, "relu", out=(memory[:, :3], memory[0, :3], None))
    with pytest.raises(ValueError, match="out must be arrays that share no memory"):
        fn.dense_backward(delta, x, W[:, :3], "relu", out=(memory[:, :3], None, memory))
    assert (memory == 7).all()


BAD_OUTPUT = [
    ({"z": np.zeros((2, 3, 4))}, "z must be 1-dimensional or 2-dimensional"),
    ({"z": np.zeros(3)}, "y must be 0-dimensional or 1-dimensional, got shape|out must be of"),
    ({"z": np.zeros((5, 1)), "output": "identity", "loss": "hinge"}, "loss='hinge' needs at least"),
    ({"reduction": "none"}, "reduction must be one of 'mean', 'sum'"),
    ({"reduction": None}, "reduction must be one of"),
    ({"return_output": 1}, "return_output must be True or False"),
    ({"y": -np.eye(5, 3), "output": "exp"}, "y must hold counts of at least 0"),
    (
        {"y": np.full((5, 3), 0.5), "output": "identity", "loss": "hinge"},
        "y must hold integer labels or one-hot rows",
    ),
    ({"z": np.zeros((5, 0))}, "z must have at least one column"),
    ({"y": np.zeros(4, int)}, "y must have one row for each of the 5 rows of z, got 4"),
    ({"y": np.zeros((5, 2))}, r"y must be of shape \(5, 3\) or integer labels of shape \(5,\)"),
    ({"y": np.array([0, 1, 2, 3, 0])}, "y must hold labels 0..2, got 3 in row 3"),
    ({"y": np.array([0, 1, -1, 2, 0])}, "y must hold labels 0..2, got -1 in row 2"),
    ({"y": np.array([0, 1, 0.5, 2, 0])}, "y must hold whole labels 0..2, got 0.5 in row 2"),
    ({"y": list("abcde")}, "y must be an array of real numbers"),
    ({"output": "linear"}, "output must be one of 'softmax', "),
    ({"output": None}, "output must be one of"),
    ({"output": []}, "output must be one of"),
    ({"loss": "mse"}, "loss must be one of 'cross_entropy', "),
    ({"output": "tanh", "loss": "cross_entropy"}, "loss='cross_entropy' needs output='softmax'"),
    ({"out": np.zeros((5, 2))}, r"out must be of shape \(5, 3\) and dtype float64"),
]


@pytest.mark.parametrize(
    ("change", "message"), BAD_OUTPUT, ids=lambda v: v if isinstance(v, str) else ""
)
def test_bad_output(change, message):
    z = layer(5, 1, 3, "float64")[3]
    y = np.array([0, 1, 2, 1, 0])
    out = np.full((5, 3), 7.0)
    with pytest.raises((TypeError, ValueError), match=f"^({message})"):
        fn.output_delta(**({"z": z, "y": y, "out": out} | change))
    assert (out == 7).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_biases(dtype):
    """None is no bias; a row (1, n_out), of any layout, is a vector (n_out,)."""
    x, W, b, _ = layer(9, 7, 5, dtype)
    wanted = fn.dense_forward(x, W, b, "tanh")
    for row in (b[None], strided(b[None]), np.asfortranarray(b[:, None]).T, [b]):
        got = fn.dense_forward(x, W, row, "tanh")
        np.testing.assert_array_equal(got, wanted, strict=True)
    without = fn.dense_forward(x, W, None, "tanh")
    np.testing.assert_array_equal(without, fn.dense_forward(x, W, 0 * b, "tanh"), strict=True)
    np.testing.assert_array_equal(fn.dense_forward(x, W), fn.dense_forward(x, W, 0 * b))
    assert fn.dense_forward(x.tolist(), W.astype("f4")).dtype == np.float64


@pytest.mark.parametrize("given", [np.asarray, np.ndarray.tolist], ids=["array", "list"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_one_sample(dtype, given):
    """A vector is a batch of one row, with results and `out` of one axis less."""
    x, W, b, delta = layer(1, 7, 5, dtype)
    a = fn.dense_forward(x, W, b, "tanh")
    got = fn.dense_forward(given(x[0]), W, b, "tanh")
    np.testing.assert_allclose(got, a[0], rtol=1e-6)
    assert got.shape == (5,)
    out = np.empty(5, dtype)
    assert fn.dense_forward(x[0], W, b[None], "tanh", out=out) is out
    np.testing.assert_array_equal(out, a[0])
    wanted = fn.dense_backward(delta, x, W, "tanh")
    dW, db, below = fn.dense_backward(given(delta[0]), given(x[0]), W, "tanh")
    for array, row in ((dW, wanted[0]), (db, wanted[1]), (below, wanted[2][0])):
        np.testing.assert_allclose(array, row, rtol=1e-5, atol=1e-7)
        assert array.shape == row.shape
    outs = np.empty_like(W), np.empty_like(b), np.empty(7, dtype)
    for array, to in zip(fn.dense_backward(delta[0], x[0], W, "tanh", out=outs), outs, strict=True):
        assert array is to
    np.testing.assert_array_equal(outs[2], wanted[2][0])
    assert fn.dense_backward(delta[0], x[0], W)[2] is None
    assert fn.dense_backward(delta[0], x[0], W, out=(None, None, None))[2] is None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [name for name in HIDDEN if name not in GATED])
def test_dropout_mask(activation, dtype):
    """Backward is the derivative of forward, for factors that change the activation's value, and
    dropped units let nothing through, whatever their activation's derivative at 0."""
    rng = np.random.default_rng(4)
    x, W, b, _ = layer(13, 6, 9, dtype)
    _, W2, _, delta = layer(13, 9, 4, dtype, seed=1)
    mask = ((rng.random((13, 9)) >= 0.4) / 0.6).astype(dtype)
    plain = fn.dense_forward(x, W, b, activation)
    a = fn.dense_forward(x, W, b, activation, mask=mask)
    np.testing.assert_array_equal(a, plain * mask)
    slope = fn.dense_backward(np.ones_like(plain), plain, np.eye(9, dtype=dtype), activation)[2]
    wanted = (delta @ W2.T) * mask * slope
    out = None, None, np.empty_like(a)
    for below in (
        fn.dense_backward(delta, a, W2, activation, mask=mask)[2],
        fn.dense_backward(delta, a, W2, activation, mask=mask, out=out)[2],
        fn.dense_backward(delta, a, W2, activation, mask=mask.T.copy().T.tolist())[2],
    ):
        np.testing.assert_allclose(
            below,
            wanted,
            rtol=1e-4 if dtype == "float32" else 1e-12,
            atol=2e-6 if dtype == "float32" else 1e-14,
        )
        assert not below[mask == 0].any()
    for got, same in zip(
        fn.dense_backward(delta, a, W2, activation, mask=mask)[:2],
        fn.dense_backward(delta, a, W2)[:2],
        strict=True,
    ):
        np.testing.assert_array_equal(got, same)
    one = fn.dense_forward(x[2], W, b, activation, mask=mask[2])
    np.testing.assert_array_equal(one, a[2])
    below = fn.dense_backward(delta[2], a[2], W2, activation, mask=mask[2] != 0)[2]
    assert not below[mask[2] == 0].any()


def test_mask_of_flags_and_in_place():
    x, W, b, delta = layer(8, 5, 5, "float64")
    keep = np.arange(40).reshape(8, 5) % 3 > 0
    wanted = fn.dense_forward(x, W, b, "relu") * keep
    np.testing.assert_array_equal(fn.dense_forward(x, W, b, "relu", mask=keep), wanted)
    mask = keep * 1.0
    np.testing.assert_array_equal(fn.dense_forward(x, W, b, "relu", mask=mask, out=mask), wanted)
    below = fn.dense_backward(delta, wanted, W, "relu", mask=keep)[2]
    mask = keep * 1.0
    fn.dense_backward(delta, wanted, W, "relu", mask=mask, out=(None, None, mask))
    np.testing.assert_array_equal(mask, below)
    np.testing.assert_array_equal(below, (delta @ W.T) * keep * (wanted > 0))


def test_a_nan_goes_through():
    x, W, b, delta = layer(20, 9, 8, "float32")
    x[3, 2] = np.nan
    assert np.isnan(fn.dense_forward(x, W, b, "relu")).sum() == 8
    dW, db, below = fn.dense_backward(delta, x, W, "tanh")
    assert np.isnan(dW[2]).all()
    assert np.isnan(dW).sum() == 8
    assert np.isfinite(db).all()
    assert np.isnan(below[3, 2])
    z = fn.dense_forward(x, W, b)
    loss, delta = fn.output_delta(z, np.zeros(20, int))
    assert np.isnan(loss)
    assert np.isnan(delta).sum() == 8
