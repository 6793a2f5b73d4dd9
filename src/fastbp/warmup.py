"""Compiling ahead of time."""

import warnings
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
    KeyboardInterrupt
        On Ctrl-C.
    """
    for dtype in dtypes:
        net = MLP([1, 1], dtype=dtype)
        with warnings.catch_warnings():
            # which is no news of a net that nobody sees
            warnings.filterwarnings("ignore", "fit was interrupted")
            # as two need a kernel more
            history = net.fit(np.zeros((1, 1)), [0], epochs=1, n_threads=2)
        if history.stopped_by == "interrupt":
            raise KeyboardInterrupt
        net.predict(np.zeros((1, 1)))
