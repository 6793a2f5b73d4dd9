"""Errors in units of the last place."""

import mpmath
import numpy as np


def ulps(got, exact, dtype):
    """The error in units of the last place of the exact value."""
    return abs(
        float(
            (mpmath.mpf(float(got)) - exact)
            / mpmath.mpf(float(np.spacing(abs(dtype(float(exact))))))
        )
    )
