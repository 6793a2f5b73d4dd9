"""gelu, silu and mish: z times a gate between 0 and 1 that depends on z. Each returns (value,
slope).

A value is within 4 ulp of the exact value over the whole range. A slope is within 4 ulp of itself
or of 1/4, whichever is larger: below 0 it is a difference that crosses zero.

Far below 0 the gate underflows before z times the gate does, so the power of two is multiplied in
last. Arguments are clamped where the value has become 0, which also avoids infinity times 0: at
-inf value and slope are 0, at inf the slope is 1. Sources: Hendrycks and Gimpel, *Gaussian Error
Linear Units*, 2016; Misra, *Mish*, 2019; for the tail of the normal distribution Shepherd and
Laframboise, *Chebyshev Approximation of (1 + 2x) exp(x²) erfc x in 0 ≤ x < ∞*, Mathematics of
Computation 36, 1981.
"""

import math

from .abi import NORMAL_CENTRE, NORMAL_END, NORMAL_TAIL
from .simd import absolute, fma, where
from .vector_math import clamp, reduced_expm1, scale

# From here on z exp(-z) is 0, subnormal numbers included. Keys: True for float32.
EXP_END = {True: 120.0, False: 760.0}


def _quotient(x, y, inverse):
    """x / y from 1 / y, rounded almost as a division is."""
    q = x * inverse
    return fma(fma(-q, y, x), inverse, q)


def gelu(z):
    """z P(z), where P is the normal distribution; by the error function, not the tanh
    approximation.

    The slope is P(z) + z P'(z).
    """
    below = z < 0.0
    x = clamp(absolute(z), 0.0, NORMAL_END[z.single])
    # exp(-x²/2) as 2**n (1 + e); the second argument is the rounding error of x * x.
    square = x * x
    n, e = reduced_expm1(square * -0.5, fma(x, x, -square) * -0.5)
    # The tail's polynomial in t = (x - 2.5) / (x + 2.5), divided by x + 2.5.
    over = x + NORMAL_CENTRE
    inverse = 1.0 / over
    t = _quotient(x - NORMAL_CENTRE, over, inverse)
    series = x.like(0.0)
    for c in reversed(NORMAL_TAIL[z.single]):
        series = fma(series, t, c)
    ratio = _quotient(series, over, inverse)
    # P(-x) = ratio (1 + e) 2**n; below 0 times -x, before the power of two.
    tail = fma(ratio, e, ratio)
    tail = scale(where(below, -(tail * x), tail), n)
    # The slope at -x is P(-x) - x P'(x); its complement is the slope at x.
    slope = fma(x, -1 / math.sqrt(2 * math.pi), ratio)
    slope = scale(fma(slope, e, slope), n)
    return where(below, tail, z * (1.0 - tail)), where(below, slope, 1.0 - slope)


def _exp_of_minus_size(z):
    """z clamped to EXP_END; exp(-|z|); and the same as a factor and an exponent n of 2."""
    x = clamp(z, -EXP_END[z.single], EXP_END[z.single])
    n, e = reduced_expm1(-absolute(x))
    return x, scale(e + 1, n), e + 1, n


def silu(z):
    """z sigmoid(z). The slope is sigmoid(z) (1 + z sigmoid(-z))."""
    below = z < 0.0
    x, e, power, n = _exp_of_minus_size(z)
    whole = e + 1
    value = where(below, scale(x * power, n), z) / whole
    return value, where(below, e * (x + whole), fma(x, e, whole)) / (whole * whole)


def mish(z):
    """z tanh(softplus(z)), where tanh(log(1 + u)) = w / (w + 2) with u = exp(z) and w = u (u + 2).

    Above 0 numerator and denominator are divided by u**2, and e is 1 / u. The slope is
    tanh(softplus(z)) + 4 z u (1 + u) / (w + 2)**2.
    """
    below = z < 0.0
    x, e, power, n = _exp_of_minus_size(z)
    w = where(below, e + 2, fma(e, 2.0, 1.0))  # below 0 without its factor u
    d = where(below, fma(e, w, 2.0), fma(e * e, 2.0, w))
    value = where(below, scale(x * power * w, n), z * w) / d
    more = x * 4 * (e + 1)
    return value, where(below, e * fma(w, d, more), fma(w, d, more * e * e)) / (d * d)
