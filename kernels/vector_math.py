"""Elementary functions on vectors, within 4 ulp of the exact value over the whole range, in float32
and float64.

Each is straight-line code on `Lanes`: no branches, no tables, the same for every lane. Sources:
Cody and Waite, *Software Manual for the Elementary Functions* (1980), for the argument reduction of
exp; fdlibm's ``e_log.c`` (Sun Microsystems, 1993) and musl's ``logf.c`` for the logarithm's series.
"""

import math

from llvmlite import ir
from numba.core import cgutils

from . import target
from .simd import I32, Lanes, absolute, copy_sign, fma, where

# Tables by dtype: True for float32, False for float64.

# ln 2 in two parts. The first has so few bits that n times it is exact for every n that can occur.
LN2 = {True: (0.693359375, -2.12194440e-4), False: (0.6931471803691238, 1.9082149292705877e-10)}
# Outside this range exp is 0 or infinity.
EXP_RANGE = {True: (-104.0, 89.0), False: (-746.0, 710.0)}
# (expm1(r) - r) / r² in powers of r, |r| <= ln(2) / 2: minimax polynomials with errors of 0.22 and
# 0.16 ulp of expm1(r), computed to 40 digits by Lawson's algorithm. Taylor's series needs two terms
# more in float32, four more in float64.
EXP_SERIES = {
    True: (0.49999998209, 0.16666543504, 0.041667183993, 0.0083665351015, 0.0013883474226),
    False: (
        0.50000000000000052,
        0.16666666666666587182,
        0.041666666666576418319,
        0.008333333333390599186,
        0.0013888888931661715474,
        0.00019841269716927079145,
        0.00002480150516116968127,
        2.7557409276505424815e-6,
        2.762608262884585664e-7,
        2.5053271655912497057e-8,
    ),
}
# From here on exp(x) / (exp(x) + 1) and tanh(x / 2) round to 1.
SATURATED = 40.0
LOG_SERIES = {
    True: (0.66666662693, 0.40000972152, 0.28498786688, 0.24279078841),
    False: (
        6.666666666666735130e-01,
        3.999999999940941908e-01,
        2.857142874366239149e-01,
        2.222219843214978396e-01,
        1.818357216161805012e-01,
        1.531383769920937332e-01,
        1.479819860511658591e-01,
    ),
}


def clamp(x, low, high):
    """x clamped to [low, high]. A NaN stays a NaN; LLVM's minnum and maxnum would drop it."""
    x = where(x < low, low, x)
    return where(x > high, high, x)


def power_of_two(n):
    """2**n for integral n in the range of normal numbers, by adding n to the exponent's bits."""
    mantissa, bias = (23, 127) if n.single else (52, 1023)
    # Adding 1.5 * 2**mantissa moves the integer to the low bits of the sum: exact, and defined for
    # NaN, unlike a conversion.
    low_bits = (n + (1.5 * 2.0**mantissa + bias)).as_bits()
    return n.from_bits(n.b.shl(low_bits, n.integers(mantissa)))


def scale(x, n):
    """x * 2**n, with overflow to infinity and gradual underflow."""
    if target.AVX512:
        return _scalef(x, n)
    # In two exact steps, because 2**n alone may be out of range.
    half = (n * 0.5).call("rint")
    return x * power_of_two(half) * power_of_two(n - half)


def _scalef(x, n):
    """AVX-512's instruction for it, which saves a fifth of a sigmoid's time."""
    name = f"llvm.x86.avx512.mask.scalef.{'ps' if x.single else 'pd'}.512"
    mask = ir.IntType(x.count)
    kind = ir.FunctionType(x.value.type, [x.value.type, x.value.type, x.value.type, mask, I32])
    f = cgutils.get_or_insert_function(x.b.module, kind, name)
    current_rounding = I32(4)
    return Lanes(x.b, x.b.call(f, [x.value, n.value, x.value, mask(-1), current_rounding]))


def reduced_expm1(x, beyond=None):
    """n and expm1(r), where x = n ln 2 + r and |r| <= ln(2) / 2.

    x : in EXP_RANGE, where n times LN2's first part is exact
    beyond : the rounding error of x, if known
    """
    n = (x * (1 / math.log(2))).call("rint")
    first, rest = LN2[x.single]
    r = fma(n, -rest, fma(n, -first, x))
    if beyond is not None:
        r = r + beyond
    *lower, q = map(x.like, EXP_SERIES[x.single])
    for c in reversed(lower):
        q = fma(q, r, c)
    return n, fma(q, r * r, r)


def _exp_within(x):
    """exp of x in EXP_RANGE."""
    n, e = reduced_expm1(x)
    return scale(e + 1, n)


def exp(x):
    return _exp_within(clamp(x, *EXP_RANGE[x.single]))


def _less_one(n, e):
    """2**n (1 + e) - 1, exact near 0; n in the range of normal numbers."""
    power = power_of_two(n)
    return fma(power, e, power - 1)


def expm1(x):
    """exp(x) - 1, exact near 0; for x up to half of exp's range."""
    n, e = reduced_expm1(clamp(x, *EXP_RANGE[x.single]))
    return _less_one(clamp(n, -100.0, 120.0) if x.single else clamp(n, -900.0, 1000.0), e)


def log(x):
    """Natural logarithm: -inf at 0, NaN below, subnormal numbers included."""
    smallest, up, mantissa = (2.0**-126, 24, 23) if x.single else (2.0**-1022, 54, 52)
    tiny = x < smallest
    y = where(tiny, x * 2.0**up, x)
    b = x.b
    bits = y.as_bits()
    # x = 2**exponent * fraction with the fraction in [sqrt(1/2), sqrt(2)), where the series
    # converges fast.
    root = x.like(math.sqrt(0.5)).as_bits()
    e = b.ashr(b.sub(bits, root), x.integers(mantissa))
    fraction = y.from_bits(b.sub(bits, b.shl(e, x.integers(mantissa))))
    exponent = type(x)(b, b.sitofp(e, x.value.type)) - where(tiny, x.like(up), 0.0)
    # log(1 + f) by the series in s = f / (2 + f), then the exponent's part.
    f = fraction - 1
    s = f / (f + 2)
    s2 = s * s
    series = x.like(0.0)
    for c in reversed(LOG_SERIES[x.single]):
        series = fma(series, s2, c)
    half = f * f * 0.5
    first, rest = LN2[x.single]
    value = fma(exponent, first, f - (half - fma(s, fma(series, s2, half), exponent * rest)))
    # The special cases: 0, negative numbers, infinity and NaN.
    value = where(x.equals(0.0), -math.inf, value)
    value = where(x < 0.0, math.nan, value)
    finite = x < math.inf
    return where(finite, value, x + where(x < 0.0, math.nan, x))


def log1p(x):
    """log(1 + x) for x in [0, 1], with a first-order correction of the rounding of 1 + x."""
    u = x + 1
    return log(u) + (x - (u - 1)) / u


def sigmoid(z):
    """exp(z) / (exp(z) + 1), with z clamped to where exp does not overflow."""
    e = _exp_within(clamp(z, EXP_RANGE[z.single][0], SATURATED))
    return e / (e + 1)


def tanh(z):
    """expm1(2 |z|) / (expm1(2 |z|) + 2) with the sign of z."""
    x = absolute(z) * 2
    t = _less_one(*reduced_expm1(where(x > SATURATED, SATURATED, x)))
    return copy_sign(t / (t + 2), z)


def softplus(z):
    """log(1 + exp(z)) as max(z, 0) + log1p(exp(-|z|)), which cannot overflow."""
    return where(z < 0.0, 0.0, z) + log1p(exp(-absolute(z)))
