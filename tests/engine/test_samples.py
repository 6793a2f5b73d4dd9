"""Arrays of every dtype and layout give the bits of the contiguous array of the net's dtype, and
are never copied whole."""

import tracemalloc

import numpy as np
import pytest
from helpers.layouts import LAYOUTS, surrounded
from hypothesis import given, settings
from hypothesis import strategies as st

import fastbp
from fastbp.engine.samples import CONVERTED_BYTES

RNG = np.random.default_rng(1)
N = 37
N_IN = 5
N_OUT = 3
X = RNG.normal(size=(N, N_IN))
LABELS = RNG.integers(0, N_OUT, N)
TARGETS = RNG.normal(size=(N, N_OUT))
WEIGHT = RNG.integers(0, 5, N)


def results(X, y, weight=None, dtype="float32", output="identity", batch_size=8):
    """Bits of all that is computed from X: outputs, loss, gradients, a fit with its shuffles."""
    net = fastbp.MLP(
        [np.shape(X)[1], 4, np.shape(y)[1] if np.ndim(y) == 2 else N_OUT],
        "tanh",
        output,
        dtype=dtype,
    )
    loss, dWs, dbs = net.loss_and_gradients(X, y, sample_weight=weight)
    arrays = [*net.forward(X), net.predict(X), *dWs, *dbs]
    losses = [loss, net.loss(X, y, sample_weight=weight)]
    history = net.fit(X, y, epochs=2, batch_size=batch_size, sample_weight=weight, X_val=X, y_val=y)
    arrays += [*net.weights, *net.biases]
    assert all(np.isfinite(a).all() for a in arrays)
    return [a.tobytes() for a in arrays], losses + history.batch_loss + history.val_loss


@pytest.fixture
def memmap(tmp_path):
    def make(array, mode="r"):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.npy"
        np.save(path, array)
        return np.load(path, mmap_mode=mode)

    return make


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("given_dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, given_dtype, dtype):
    lay = LAYOUTS[layout]
    x, t, w = (np.asarray(a, given_dtype) for a in (X, TARGETS, WEIGHT))
    expected = results(x.astype(dtype), t.astype(dtype), w.astype(dtype), dtype)
    assert results(lay(x), t, w, dtype) == expected
    assert results(x, lay(t), lay(w), dtype) == expected
    assert results(lay(x), lay(t), lay(w), dtype) == expected
    assert results(lay(x), lay(LABELS), dtype=dtype, output="softmax") == results(
        x.astype(dtype), LABELS, dtype=dtype, output="softmax"
    )


@pytest.mark.parametrize("given_dtype", ["float32", "float64", "uint8", ">f4"])
def test_memmaps(memmap, given_dtype):
    x, t, w = ((10 * abs(a)).astype(given_dtype) for a in (X, TARGETS, WEIGHT))
    expected = results(*(a.astype("float32") for a in (x, t, w)))
    assert results(*map(memmap, (x, t, w))) == expected
    assert results(*(memmap(np.asfortranarray(a)) for a in (x, t, w))) == expected
    assert results(*(memmap(a, "c") for a in (x, t, w))) == expected


DTYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "g"]
DTYPES += [">i2", ">i4", ">i8", ">u2", ">u4", ">u8", ">f2", ">f4", ">f8"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("given_dtype", DTYPES)
def test_dtypes(given_dtype, dtype):
    signed = np.dtype(given_dtype).kind in "if"
    x, t = ((3 * (a if signed else abs(a))).astype(given_dtype) for a in (X, TARGETS))
    w, labels = WEIGHT.astype(given_dtype), LABELS.astype(given_dtype)
    one_hot = np.eye(N_OUT)[LABELS].astype(given_dtype)
    expected = results(x.astype(dtype), t.astype(dtype), w.astype(dtype), dtype)
    assert results(x, t, w, dtype) == expected
    assert results(x[::-1, ::-1][::-1, ::-1], np.asfortranarray(t), w, dtype) == expected
    for y in (labels, one_hot):
        assert results(x, y, dtype=dtype, output="softmax") == results(
            x.astype(dtype), y.astype("i8" if y.ndim == 1 else dtype), dtype=dtype, output="softmax"
        )


def test_largest_integers_round_as_numpy_rounds_them():
    x = np.array([[2**63 - 1, 2**53 + 1], [2**24 + 1, 3]], np.int64)
    net = fastbp.MLP(
        [2, 1], output="identity", init=lambda rng, shape: np.array([[2.0**-60], [0.0]])
    )
    assert np.array_equal(net.predict(x), x[:, 0].astype("f4") * np.float32(2.0**-60))


def test_conversion_rounds_once():
    x = np.ones((1, 1), np.longdouble) + 2.0**-24
    # by way of float64, where there is more than that, the half would be a tie and come down to 1
    x += 2.0**-60
    net = fastbp.MLP([1, 1], output="identity", init=lambda rng, shape: np.ones(shape))
    assert net.predict(x)[0] == x.astype("f4")[0, 0]


@pytest.mark.parametrize("given_dtype", ["float32", "float64", "int8"])
def test_broadcast(given_dtype):
    row = (3 * X[:1]).astype(given_dtype)
    column = (3 * X[:, :1]).astype(given_dtype)
    targets = np.broadcast_to((3 * TARGETS[:1]).astype(given_dtype), TARGETS.shape)
    number = np.broadcast_to(np.array(2, given_dtype), (N,))
    for x in (row, column, column[:1]):
        wide = np.broadcast_to(x, X.shape)
        assert 0 in wide.strides
        expected = results(*(np.array(a, "float32", order="C") for a in (wide, targets, number)))
        assert results(wide, targets, number) == expected


def test_features_by_samples():
    columns = np.asfortranarray(X).T.copy()
    assert columns.shape == (N_IN, N)
    assert results(columns.T, TARGETS.T.copy().T) == results(X, TARGETS)


@settings(deadline=None, max_examples=60, database=None)
@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 20),
    steps=st.tuples(*[st.sampled_from([-3, -2, -1, 1, 2, 3])] * 2),
    given_dtype=st.sampled_from(["f4", "f8", "i2", ">f4", "f2"]),
    order=st.sampled_from("CF"),
    batch_size=st.integers(1, 41),
)
def test_any_slice(rows, columns, steps, given_dtype, order, batch_size):
    x = (4 * np.random.default_rng(rows).normal(size=(rows, columns))).astype(given_dtype)
    y = x[:, :1] + x[:, -1:] / 4
    view = (
        surrounded(x, *steps)
        if order == "C"
        else surrounded(np.ascontiguousarray(x.T), *steps[::-1]).T
    )
    plain = [np.ascontiguousarray(a, "float32") for a in (x, y)]
    assert results(view, y, batch_size=batch_size) == results(*plain, batch_size=batch_size)


@pytest.mark.parametrize("batch_size", [7, 64, 1500, None])
@pytest.mark.parametrize("lay", [np.ascontiguousarray, np.asfortranarray])
def test_conversion_in_several_pieces(lay, batch_size):
    x = RNG.integers(0, 3, (3000, 300)).astype(np.uint8)
    y = x[:, :3] / 2
    weight = x[:, 3] + 1
    assert x.size * 4 > 3 * CONVERTED_BYTES
    assert results(lay(x), lay(y), weight, batch_size=batch_size) == results(
        x.astype("f4"), y.astype("f4"), weight.astype("f4"), batch_size=batch_size
    )


def test_nothing_of_the_caller_is_written():
    arrays = X.astype("f4"), TARGETS.astype("f4"), WEIGHT.astype("f4")
    before = [a.copy() for a in arrays]
    results(*arrays)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))


ROWS = 40_000
FEATURES = 1000


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "x.npy"
    array = np.lib.format.open_memmap(path, "w+", np.uint8, (ROWS, FEATURES))
    array[:] = np.arange(ROWS, dtype=np.uint8)[:, None]
    array.flush()
    return np.load(path, mmap_mode="r"), np.arange(ROWS) % 2


USES = {
    "fit": lambda net, X, y: net.fit(X, y, epochs=1, batch_size=500, optimizer=fastbp.SGD(1e-6)),
    "fit in order": lambda net, X, y: net.fit(
        X, y, epochs=1, batch_size=25, shuffle=False, optimizer=fastbp.SGD(1e-6)
    ),
    "full batch": lambda net, X, y: net.fit(
        X, y, epochs=1, batch_size=None, optimizer=fastbp.SGD(1e-6)
    ),
    "validation": lambda net, X, y: net.fit(
        X[:50], y[:50], epochs=1, X_val=X, y_val=y, optimizer=fastbp.SGD(1e-6)
    ),
    "loss": lambda net, X, y: net.loss(X, y),
    "loss_and_gradients": lambda net, X, y: net.loss_and_gradients(X, y),
    "predict": lambda net, X, y: net.predict(X),
    "forward": lambda net, X, y: net.forward(X),
}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("use", USES)
def test_never_copied_whole(on_disk, use, backwards):
    x, y = on_disk
    x = x[::-1, ::-1] if backwards else x
    net = fastbp.MLP([FEATURES, 2, 2])
    fastbp.warmup()
    tracemalloc.start()
    try:
        USES[use](net, x, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    converted = x.size * net.dtype.itemsize
    # A block of 1024 rows, read, converted and in panels, takes 9 MB of the 160.
    assert peak < converted / 8, f"{peak:,} bytes at the peak; converted, X has {converted:,}"


def test_own_dtype_is_read_where_it_lies():
    """Not even a batch is copied: a full batch of an array of the net's dtype, strided, needs
    buffers for a block alone."""
    x = np.zeros((2 * FEATURES, ROWS // 4), "f4").T[::2, ::-2]
    net = fastbp.MLP([FEATURES, 2, 2])
    y = np.arange(len(x)) % 2
    tracemalloc.start()
    try:
        net.fit(x, y, epochs=1, batch_size=None)
        net.loss(x, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < x.nbytes, f"{peak:,} bytes at the peak; X has {x.nbytes:,}"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_whose_squares_overflow_are_no_matter(dtype):
    """They are looked at with care, and without a warning."""
    x = np.array([[1e-3, -1, 1, 2, 3]], dtype) * (np.finfo(dtype).max / 100)
    net = fastbp.MLP([5, 3], dtype=dtype)
    assert np.isfinite(net.predict_proba(x)).all()
    net.weights[0] = np.full((5, 3), np.finfo(dtype).max / 2, dtype)
    with pytest.raises(ValueError, match=r"X must be finite .* got inf in row 0"):
        net.predict(np.append(x[:, :4], [[np.inf]], axis=1).astype(dtype))
