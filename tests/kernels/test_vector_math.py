"""exp, log, sigmoid, tanh and their kin against arbitrary precision: within 4 ulp over the whole
range, NaN through."""

import mpmath
import numpy as np
import pytest
from helpers.ulps import ulps

import fastbp
from fastbp.kernels import target, vector_math
from fastbp.kernels.jit import kernel
from fastbp.kernels.memory import load, store
from fastbp.kernels.simd import elementwise, lanes

EXACT = {
    "exp": mpmath.exp,
    "expm1": mpmath.expm1,
    "log": mpmath.log,
    "log1p": mpmath.log1p,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "tanh": mpmath.tanh,
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
}


def mapped(name):
    """The vector function as a function of an array."""
    import numba

    f = elementwise(getattr(vector_math, name))

    @kernel
    def body(x, y):
        for i in range(0, x.size, lanes(x)):
            store(y, i, f(load(x, i)))

    @numba.njit(error_model="numpy")
    def run(x, y):
        body(x, y)

    def apply(x):
        padded = np.resize(x, -(-x.size // 16) * 16)
        y = np.empty_like(padded)
        run(padded, y)
        return y[: x.size]

    return apply


def arguments(name, dtype, n=3000):
    """Random arguments over the function's whole range, with many near 0 and 1 and subnormal ones
    and results."""
    rng = np.random.default_rng(0)
    info = np.finfo(dtype)
    smallest = np.log2(float(info.smallest_subnormal))
    tiny = np.exp2(rng.uniform(smallest, 1, n))
    low = float(np.log(info.smallest_subnormal)) + 1
    high = float(np.log(info.max))
    if name == "log":
        x = np.concatenate(
            [np.exp2(rng.uniform(smallest, np.log2(float(info.max)), n)), rng.uniform(0.5, 2, n)]
        )
    elif name == "log1p":
        x = np.concatenate([rng.uniform(0, 1, n), tiny / 2])
    elif name == "expm1":
        x = np.concatenate([rng.uniform(low, high / 2, n), tiny, -tiny])
    else:
        x = np.concatenate([rng.uniform(low, high, n), rng.uniform(-3, 3, n), tiny, -tiny])
    return x.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EXACT)
def test_within_four_ulp(name, dtype):
    x = arguments(name, dtype)
    y = mapped(name)(x)
    assert np.isfinite(y).all()
    with mpmath.workprec(200):
        worst = max(
            ulps(b, EXACT[name](mpmath.mpf(float(a))), dtype) for a, b in zip(x, y, strict=True)
        )
    assert worst <= 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_limits(dtype):
    inf = np.inf
    nan = np.nan
    big = np.finfo(dtype).max
    x = np.array([nan, inf, -inf, big, -big, 0.0], dtype)
    for name, wanted in {
        "exp": [nan, inf, 0, inf, 0, 1],
        "sigmoid": [nan, 1, 0, 1, 0, 0.5],
        "tanh": [nan, 1, -1, 1, -1, 0],
        "softplus": [nan, inf, 0, big, 0, dtype(np.log(2))],
        "log": [nan, inf, nan, dtype(np.log(float(big))), nan, -inf],
    }.items():
        np.testing.assert_array_equal(mapped(name)(x), np.array(wanted, dtype), err_msg=name)
    assert np.signbit(mapped("tanh")(np.array([-0.0], dtype)))[0]


def test_denormals_are_off_in_kernels_only():
    """1e-30 * 1e-12 is no normal float32: zero in a kernel where the processor can be told so,
    itself again behind it."""
    net = fastbp.MLP([1, 1], output="identity", init=lambda rng, shape: np.full(shape, 1e-30))
    inside = net.predict(np.full((1, 1), 1e-12, "f4"))[0]
    behind = np.full(1, 1e-30, "f4") * np.float32(1e-12)
    assert behind[0] > 0
    assert inside == (0 if target.X86 else behind[0])
