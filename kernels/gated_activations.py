"""gelu, silu and mish: z times a gate between 0 and 1 that depends on z; each with its slope, as
(value, slope).

Values are within 4 ulp of the exact value over the whole range, slopes within 4 ulp of themselves
or of 1/4, whichever is larger: each is a difference below 0, where it crosses zero.

Far below 0 the gate underflows before z times the gate does; so the power of two is multiplied in
last. Arguments are cut off where the value has become 0, which also keeps infinity times 0 out: at
-inf value and slope are 0, at inf the slope is 1. Sources: Hendrycks and Gimpel, *Gaussian Error
Linear Units*, 2016; Misra, *Mish*, 2019; Shepherd and Laframboise, *Chebyshev Approximation of (1 +
2x) exp(x²) erfc x in 0 ≤ x < ∞*, Mathematics of Computation 36, 1981, for the tail of the normal
law.
"""

import math

from .abi import NORMAL_CENTRE, NORMAL_END, NORMAL_TAIL
from .simd import absolute, fma, where
from .vector_math import clamp, reduced_expm1, scale

# z exp(z) is 0 from here on, subnormal numbers included.
END = {True: 120.0, False: 760.0}


def _quotient(x, y, inverse):
    """x / y by 1 / y, rounded nearly as a division is."""
    q = x * inverse
    return fma(fma(-q, y, x), inverse, q)


def gelu(z):
    """z P(z) with the normal distribution P, by the error function and not by tanh. Slope P(z) + z
    P'(z)."""
    below, x = z < 0.0, clamp(absolute(z), 0.0, NORMAL_END[z.single])
    square = x * x
    n, e = reduced_expm1(square * -0.5, fma(x, x, -square) * -0.5)
    over, series = x + NORMAL_CENTRE, x.like(0.0)
    inverse = 1.0 / over
    t = _quotient(x - NORMAL_CENTRE, over, inverse)
    for c in reversed(NORMAL_TAIL[z.single]):
        series = fma(series, t, c)
    ratio = _quotient(series, over, inverse)
    tail = fma(ratio, e, ratio)  # exp(-x²/2) is 1 + e, times 2**n
    tail = scale(where(below, -(tail * x), tail), n)
    # P(-x) - x P'(x), whose complement is the slope at x
    slope = fma(x, -1 / math.sqrt(2 * math.pi), ratio)
    slope = scale(fma(slope, e, slope), n)
    return where(below, tail, z * (1.0 - tail)), where(below, slope, 1.0 - slope)


def _halves(z):
    """z within END, exp(-|z|), and the same as a number times 2**n."""
    x = clamp(z, -END[z.single], END[z.single])
    n, e = reduced_expm1(-absolute(x))
    return x, scale(e + 1, n), e + 1, n


def silu(z):
    """z sigmoid(z). Slope sigmoid(z) (1 + z sigmoid(-z))."""
    below, (x, e, power, n) = z < 0.0, _halves(z)
    whole = e + 1
    value = where(below, scale(x * power, n), z) / whole
    return value, where(below, e * (x + whole), fma(x, e, whole)) / (whole * whole)


def mish(z):
    """z tanh(softplus(z)), where tanh(log(1 + u)) = w / (w + 2) with w = u (u + 2); above 0 both by
    u**2, e being 1 / u.

    Slope tanh(softplus(z)) + 4 z u (1 + u) / (w + 2)**2.
    """
    below, (x, e, power, n) = z < 0.0, _halves(z)
    w = where(below, e + 2, fma(e, 2.0, 1.0))  # below 0 without its factor u
    d = where(below, fma(e, w, 2.0), fma(e * e, 2.0, w))
    value = where(below, scale(x * power * w, n), z * w) / d
    more = x * 4 * (e + 1)
    return value, where(below, e * fma(w, d, more), fma(w, d, more * e * e)) / (d * d)
