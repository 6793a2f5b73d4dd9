"""Values that a numeric setting refuses, and the class of the error."""

import numpy as np

NUMBERS = [
    (-1, ValueError),
    (np.nan, ValueError),
    (np.inf, ValueError),
    ("0.1", TypeError),
    (True, TypeError),
    (1j, TypeError),
]
