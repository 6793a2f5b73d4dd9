"""Activations, slopes and softmax on NumPy arrays: the values of the NumPy lines, in any layout,
into any `out`."""

import numpy as np
import pytest

from fastbp import functional as fn

LEAK = 0.01


def sigmoid(z):
    e = np.exp(-abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def log_softmax(z):
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


# What each function is in NumPy, here in float64 and without overflow.
ELEMENTWISE = {
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, LEAK * z),
    "sigmoid_slope": lambda a: a * (1 - a),
    "tanh_slope": lambda a: 1 - a**2,
    "relu_slope": lambda a: (a > 0) * 1.0,
    "leaky_relu_slope": lambda a: np.where(a > 0, 1, LEAK),
}
BY_ROW = {"softmax": lambda z: np.exp(log_softmax(z)), "log_softmax": log_softmax}
ALL = ELEMENTWISE | BY_ROW
DTYPES = ["float32", "float64"]


def values(name, shape, dtype, seed=0):
    """Arguments of that function: logits, or outputs for a slope."""
    rng = np.random.default_rng(seed)
    return (
        rng.uniform(-1, 1, shape) if name.endswith("slope") else rng.normal(0, 4, shape)
    ).astype(dtype)


def assert_rounded(got, wanted, dtype, scale=1.0):
    """Equal to a few roundings of numbers of size `scale`, or of the value itself where that is
    larger."""
    assert got.shape == wanted.shape
    assert got.dtype == dtype
    np.testing.assert_allclose(
        got, wanted, rtol=8 * np.finfo(dtype).eps, atol=8 * scale * np.finfo(dtype).eps
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "shape", [(1,), (17,), (0,), (5, 1), (3, 33), (0, 4), (2, 3, 5), (40, 64)], ids=str
)
def test_values(name, shape, dtype):
    z = values(name, shape, dtype)
    wanted = ALL[name](z.astype("f8")) if z.size else np.zeros(shape)
    # Of softmax the rounding of z - max z is what counts, and exp makes it relative.
    assert_rounded(
        getattr(fn, name)(z), wanted, dtype, scale=20.0 if name == "log_softmax" else 1.0
    )


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_scalars(name):
    for z in (0.25, np.float32(0.25), np.array(0.25)):
        got = getattr(fn, name)(z)
        assert isinstance(got, np.floating)
        assert got.dtype == (np.float32 if isinstance(z, np.float32) else np.float64)
        assert got == pytest.approx(float(ELEMENTWISE[name](np.float64(0.25))), rel=1e-6)


def layouts(array):
    """The same numbers in other memory: (what it is, array)."""
    wide = np.zeros((2 * array.shape[0], 3 * array.shape[1]), array.dtype)
    wide[::2, ::3] = array
    read_only = array.copy()
    read_only.flags.writeable = False
    shifted = (
        np.frombuffer(b"\0" + array.tobytes(), np.uint8)[1:].view(array.dtype).reshape(array.shape)
    )
    return {
        "Fortran": np.asfortranarray(array),
        "strided": wide[::2, ::3],
        "backwards": array[::-1, ::-1].copy()[::-1, ::-1],
        "read-only": read_only,
        "unaligned": shifted,
        "big-endian": array.astype(array.dtype.newbyteorder(">")),
    }


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ALL)
def test_layouts_and_out(name, dtype):
    f = getattr(fn, name)
    z = values(name, (21, 35), dtype)
    wanted = f(z)
    for what, same in layouts(z).items():
        got = f(same)
        np.testing.assert_array_equal(got, wanted, err_msg=what)
        assert got.dtype == wanted.dtype
    for what, out in layouts(np.zeros_like(z)).items():
        if what not in ("read-only", "unaligned", "big-endian"):
            assert f(z, out=out) is out
            np.testing.assert_array_equal(out, wanted, err_msg=what)
    plain = np.empty_like(z)
    in_place = z.copy()
    assert f(z, out=plain) is plain
    assert f(in_place, out=in_place) is in_place
    np.testing.assert_array_equal(plain, wanted)
    np.testing.assert_array_equal(in_place, wanted)


@pytest.mark.parametrize("name", ALL)
def test_out_that_overlaps(name):
    """The result goes a row further down in the very memory that is read."""
    memory = values(name, (8, 33), "float32")
    wanted = getattr(fn, name)(memory[:7].copy())
    getattr(fn, name)(memory[:7], out=memory[1:])
    np.testing.assert_array_equal(memory[1:], wanted)


@pytest.mark.parametrize("kind", ["i1", "u1", "i4", "i8", "u8", "?", ">i4"])
@pytest.mark.parametrize("name", ALL)
def test_integer_arrays(name, kind):
    """Of any layout; the result is float64."""
    z = np.arange(12).reshape(3, 4).astype(kind)
    f = getattr(fn, name)
    wanted = f(z.astype("f8"))
    for given in (z, np.asfortranarray(z), np.repeat(z, 2, axis=0)[::2]):
        np.testing.assert_array_equal(f(given), wanted, strict=True)
    out = np.empty((3, 4))
    assert f(z, out) is out
    np.testing.assert_array_equal(out, wanted)


def test_other_dtypes():
    z = np.arange(-4, 5).reshape(3, 3)
    for given in (z, z.tolist(), z.astype(np.int8), z.astype(np.longdouble)):
        np.testing.assert_array_equal(fn.tanh(given), fn.tanh(z.astype("f8")), strict=True)
    np.testing.assert_array_equal(fn.tanh(z.astype("f2")), fn.tanh(z.astype("f4")), strict=True)
    np.testing.assert_array_equal(fn.relu(z > 0), (z > 0) * 1.0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_overflow(dtype):
    """Where the NumPy lines warn of an overflow; here any warning is an error."""
    big = np.finfo(dtype).max
    z = np.array([[-np.inf, -big, -1e4, 0, 1e4, big, np.inf]], dtype)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(fn.sigmoid(z), [[0, 0, 0, 0.5, 1, 1, 1]])
        np.testing.assert_array_equal(fn.tanh(z), [[-1, -1, -1, 0, 1, 1, 1]])
        np.testing.assert_array_equal(
            fn.softmax(np.array([[1e4, 0, -big], [big, big, -big]], dtype)),
            [[1, 0, 0], [0.5, 0.5, 0]],
        )
        np.testing.assert_array_equal(fn.softmax(np.array([[-np.inf, 0]], dtype)), [[0, 1]])
        np.testing.assert_allclose(
            fn.log_softmax(np.array([[1e4, 0, -1e4]], dtype)), [[0, -1e4, -2e4]]
        )
        np.testing.assert_allclose(
            fn.log_softmax(np.full((1, 4), -big, dtype)), np.full((1, 4), -np.log(4)), rtol=1e-6
        )


@pytest.mark.parametrize("name", ALL)
def test_nan_goes_through(name):
    z = values(name, (3, 40), "float64")
    z[1, 35] = np.nan
    got = np.isnan(getattr(fn, name)(z))
    if name in BY_ROW:
        assert got[1].all()
        assert not got[[0, 2]].any()
    else:
        assert np.isnan(got).sum() == 0
        assert got[1, 35] or name in ("relu_slope", "leaky_relu_slope")  # comparisons, as in NumPy
        assert got.sum() <= 1


@pytest.mark.parametrize("name", ALL)
def test_bad_input(name):
    f = getattr(fn, name)
    z = np.full((2, 3), 0.5)
    argument = "a" if name.endswith("slope") else "z"
    for bad in (None, "text", z + 1j, [[1, 2], [3]], np.array([object()]), np.ma.masked_array(z)):
        with pytest.raises((TypeError, ValueError), match=f"^{argument} must be "):
            f(bad)
    read_only = np.zeros((2, 3))
    read_only.flags.writeable = False
    for bad in (
        np.zeros((3, 2)),
        np.zeros((2, 3), "f4"),
        np.zeros((2, 3), int),
        read_only,
        [[0.0] * 3] * 2,
        1,
    ):
        with pytest.raises((TypeError, ValueError), match=r"^out must be "):
            f(z, out=bad)
        assert not np.any(bad == 0.5)
    np.testing.assert_array_equal(z, np.full((2, 3), 0.5))
    if name in BY_ROW:
        with pytest.raises(ValueError, match="z must be"):
            f(1.0)
