"""softsign: within 4 ulp, and its limits at infinity, where z / (1 + |z|) is NaN."""

import mpmath
import numpy as np
import pytest
from helpers.ulps import ulps

from fastbp import functional as fn


def layer(z, activation="softsign"):
    """f(z) by a layer with one unit of weight 1."""
    one = np.ones((1, 1), z.dtype)
    return fn.dense_forward(z[:, None], one, np.zeros(1, z.dtype), activation)[:, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_within_four_ulp(dtype):
    rng = np.random.default_rng(0)
    largest = np.log2(float(np.finfo(dtype).max))
    sizes = np.exp2(rng.uniform(-100, largest, 2000))
    z = (sizes * rng.choice([-1, 1], sizes.size)).astype(dtype)
    with mpmath.workprec(200):
        exact = [mpmath.mpf(float(v)) / (1 + abs(mpmath.mpf(float(v)))) for v in z]
        assert max(ulps(a, v, dtype) for a, v in zip(layer(z), exact, strict=True)) <= 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_limits(dtype):
    big = np.finfo(dtype).max
    z = np.array([np.nan, np.inf, -np.inf, big, -big, 0, -0.0, 1], dtype)
    a = layer(z)
    np.testing.assert_array_equal(a, np.array([np.nan, 1, -1, 1, -1, 0, 0, 0.5], dtype))
    one = np.ones((len(z), 1), dtype)
    _, _, below = fn.dense_backward(one, a[:, None], one[:1], "softsign")
    np.testing.assert_array_equal(below[:, 0], np.array([np.nan, 0, 0, 0, 0, 1, 1, 0.25], dtype))
