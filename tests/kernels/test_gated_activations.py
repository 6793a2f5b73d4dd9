"""gelu, silu, mish and selu against arbitrary precision, NaN and infinities; and that no code has
two names."""

import mpmath
import numba
import numpy as np
import pytest
from helpers.ulps import ulps

import fastbp
from fastbp.base.activations import HIDDEN, OUTPUTS
from fastbp.engine.forward import activations
from fastbp.kernels.abi import ACTIVATIONS, STORES_SLOPES
from fastbp.kernels.activations import activate, activate_with_slope
from fastbp.kernels.jit import kernel
from fastbp.kernels.memory import load, store
from fastbp.kernels.plan import Plan
from fastbp.kernels.simd import lanes

mpf = mpmath.mpf
GATED = [name for name, code in ACTIVATIONS.items() if code in STORES_SLOPES]


def exact_tanh_softplus(z):
    return mpmath.tanh(mpmath.log1p(mpmath.exp(z)))


def density(z):
    return mpmath.exp(-z * z / 2) / mpmath.sqrt(2 * mpmath.pi)


def sigmoid(z):
    return 1 / (1 + mpmath.exp(-z))


# Value and slope. The normal distribution by erfc: mpmath's ncdf loses the lower tail.
EXACT = {
    "gelu": (
        lambda z: z * mpmath.erfc(-z / mpmath.sqrt(2)) / 2,
        lambda z: mpmath.erfc(-z / mpmath.sqrt(2)) / 2 + z * density(z),
    ),
    "silu": (lambda z: z * sigmoid(z), lambda z: sigmoid(z) * (1 + z * sigmoid(-z))),
    "mish": (
        lambda z: z * exact_tanh_softplus(z),
        lambda z: exact_tanh_softplus(z) + z * (1 - exact_tanh_softplus(z) ** 2) * sigmoid(z),
    ),
}
SELU_SCALE, SELU_ALPHA = (
    mpf("1.0507009873554804934193349852946"),
    mpf("1.6732632423543772848170429916717"),
)


@kernel
def _both(code, z, a, s):
    for i in range(0, z.size, lanes(z)):
        value, slope = activate_with_slope(code, load(z, i))
        store(a, i, value)
        store(s, i, slope)


@numba.njit(error_model="numpy")
def _gated(code, z, a, s):
    _both(code, z, a, s)


@kernel
def _each(code, z, a):
    for i in range(0, z.size, lanes(z)):
        store(a, i, activate(code, load(z, i)))


@numba.njit(error_model="numpy")
def _activate(code, z, a):
    _each(code, z, a)


def mapped(name, z):
    """Value and slope of each z."""
    padded = np.resize(z, -(-z.size // 16) * 16)
    a, s = np.empty_like(padded), np.empty_like(padded)
    if name in GATED:
        _gated(ACTIVATIONS[name], padded, a, s)
    else:
        _activate(ACTIVATIONS[name], padded, a)
    return a[: z.size], s[: z.size]


def arguments(dtype, n=1500):
    """Arguments of every magnitude: near 0, subnormal, with subnormal results, and very large."""
    rng = np.random.default_rng(0)
    info = np.finfo(dtype)
    end = 130 if dtype is np.float32 else 780
    tiny = np.exp2(rng.uniform(np.log2(float(info.smallest_subnormal)), 1, n))
    huge = np.exp2(rng.uniform(4, np.log2(float(info.max)), n))
    spread = [
        rng.uniform(-4, 4, n),
        rng.uniform(-18, 18, n),
        rng.uniform(-42, 42, n),
        rng.uniform(-end, end, n),
    ]
    return np.concatenate([*spread, tiny, -tiny, huge, -huge]).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EXACT)
def test_within_four_ulp(name, dtype):
    z = arguments(dtype)
    a, s = mapped(name, z)
    assert np.isfinite(a).all()
    value, slope = EXACT[name]
    # Enough digits for 1 - tanh**2 and 1 + z sigmoid(-z); beyond |z| = 2**12 the limits are exact.
    with mpmath.workprec(300):
        worst = max(
            ulps(got, value(mpf(float(v))), dtype)
            for v, got in zip(z, a, strict=True)
            if abs(v) < 4096
        )
        worst_slope = max(
            abs(
                float(
                    (mpf(float(got)) - wanted)
                    / mpf(float(np.spacing(dtype(max(abs(float(wanted)), 0.25)))))
                )
            )
            for got, wanted in (
                (got, slope(mpf(float(v)))) for v, got in zip(z, s, strict=True) if abs(v) < 4096
            )
        )
    assert worst <= 4
    assert worst_slope <= 4
    far = abs(z) >= 4096
    np.testing.assert_array_equal(a[far], np.where(z[far] > 0, z[far], 0))
    np.testing.assert_array_equal(s[far], z[far] > 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_selu(dtype):
    """Within 4 ulp."""
    z = arguments(dtype)
    a, _ = mapped("selu", z)
    finite = abs(z) < np.finfo(dtype).max / 2
    with mpmath.workprec(200):

        def exact(v):
            return SELU_SCALE * (v if v > 0 else SELU_ALPHA * mpmath.expm1(v))

        worst = max(
            ulps(got, exact(mpf(float(v))), dtype)
            for v, got in zip(z[finite], a[finite], strict=True)
        )
    assert worst <= 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_limits(dtype):
    inf = np.inf
    nan = np.nan
    big = np.finfo(dtype).max
    z = np.array([nan, inf, -inf, big, -big, 0.0], dtype)
    for name in GATED:
        a, s = mapped(name, z)
        np.testing.assert_array_equal(a, np.array([nan, inf, 0, big, 0, 0], dtype), err_msg=name)
        np.testing.assert_array_equal(s, np.array([nan, 1, 0, 1, 0, s[-1]], dtype), err_msg=name)
        assert s[-1] == pytest.approx({"gelu": 0.5, "silu": 0.5, "mish": 0.6}[name], rel=1e-6)
    a, _ = mapped("selu", z)
    np.testing.assert_array_equal(a[[0, 1, 5]], np.array([nan, inf, 0], dtype))
    np.testing.assert_allclose(a[[2, 4]], -float(SELU_SCALE * SELU_ALPHA), rtol=1e-6)


def test_no_code_has_two_meanings():
    for code in {*HIDDEN.values(), *OUTPUTS.values()}:
        names = {name for table in (HIDDEN, OUTPUTS) for name, c in table.items() if c == code} - {
            "logistic"
        }
        assert len(names) == 1
    assert set(GATED).isdisjoint(OUTPUTS)


def data(n=300, width=20):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, width)), rng.integers(0, 3, n)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("batch", [33, 1500])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.usefixtures("many_cpus")
def test_the_same_bits_for_any_number_of_threads(dtype, batch, dropout):
    X, y = data(1500)

    def fitted(threads):
        net = fastbp.MLP(
            [20, 40, 33, 17, 3], ("gelu", "silu", "mish"), dropout=dropout, dtype=dtype
        )
        net.fit(X, y, epochs=2, batch_size=batch, n_threads=threads)
        return net.parameters.tobytes() + b"".join(
            a.tobytes() for a in activations(net.network, net.parameters, X, range(4), threads)
        )

    assert len({fitted(n) for n in (1, 2, 3)}) == 1


@pytest.mark.parametrize("name", ["gelu", "silu", "mish", "selu"])
def test_saved_and_loaded(name, tmp_path):
    X, y = data()
    net = fastbp.MLP([20, 9, 3], name)
    net.fit(X, y, epochs=1)
    net.save(tmp_path / "net")
    back = fastbp.load(tmp_path / "net")
    assert back.hidden == (name,)
    np.testing.assert_array_equal(back.predict_proba(X), net.predict_proba(X))
    for one in (net, back):
        one.fit(X, y, epochs=1, optimizer=one.optimizer_)
    np.testing.assert_array_equal(back.parameters, net.parameters)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", GATED)
def test_units_far_below_zero_are_not_taken_for_dropped_ones(name, dtype):
    """Their output underflows to minus zero, the mark of a dropped unit, which must have no effect
    where none is dropped."""
    X, y = data(50)
    nets = [fastbp.MLP([20, 8, 3], name, dtype=dtype, dropout=rate) for rate in (0.0, 2.0**-40)]
    for net in nets:
        net.biases[0][:4] = -2000
        net.biases[0][4:] = 50
        net.fit(X, y, epochs=2, optimizer=fastbp.SGD(0.5), batch_size=50)
        assert (net.biases[0][:4] == -2000).all()  # where the slope is 0
        assert (
            net.weights[0][:, 4:] != fastbp.MLP([20, 8, 3], name, dtype=dtype).weights[0][:, 4:]
        ).any()
    np.testing.assert_allclose(nets[1].parameters, nets[0].parameters, rtol=1e-6)


def test_nets_without_them_keep_no_slopes():
    plain, kept = (Plan((5, 7, 3), [HIDDEN[name], 0], "float32", 100) for name in ("tanh", "gelu"))
    panels = -(-100 // plain.panel)
    assert kept.work_size - plain.work_size == 7 * panels * plain.panel
