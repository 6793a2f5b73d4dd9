"""Compiling ahead of time."""

from collections.abc import Sequence

import numpy as np

from .mlp import MLP


def warmup(dtypes: Sequence[str] = ("float32", "float64")) -> None:
    """Compile the kernels, or load them from the cache, so that nothing later waits for it.

    Parameters
    ----------
    dtypes : sequence of str, default ("float32", "float64")

    Raises
    ------
    ValueError
        For a dtype that no net can have.
    """
    for dtype in dtypes:
        net = MLP([1, 1], dtype=dtype)
        net.fit(np.zeros((1, 1)), [0], epochs=1)
        net.predict(np.zeros((1, 1)))
