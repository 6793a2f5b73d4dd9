"""Compilation of the kernels ahead of time."""

import warnings
from collections.abc import Sequence

import numpy as np

from .mlp import MLP


def warmup(dtypes: Sequence[str] = ("float32", "float64")) -> None:
    """Compile the kernels, or load them from the cache, so that later calls do not wait for them.

    Parameters
    ----------
    dtypes : sequence of str, default ("float32", "float64")

    Raises
    ------
    ValueError
        For a dtype other than these two.
    KeyboardInterrupt
        On Ctrl-C.
    """
    for dtype in dtypes:
        net = MLP([1, 2], dtype=dtype)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "fit was interrupted")  # raised below
            # Two threads compile the kernel for one thread and that for several.
            history = net.fit(np.zeros((1, 1)), [0], epochs=1, n_threads=2)
        if history.stopped_by == "interrupt":
            raise KeyboardInterrupt
        net.predict(np.zeros((1, 1)))
