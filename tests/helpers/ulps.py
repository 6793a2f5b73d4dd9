"""Errors in units in the last place (ulp)."""

import mpmath
import numpy as np


def ulps(got, exact, dtype):
    """The error in ulp of the exact value, an mpmath number."""
    ulp = float(np.spacing(abs(dtype(float(exact)))))
    return abs(float((mpmath.mpf(float(got)) - exact) / mpmath.mpf(ulp)))
