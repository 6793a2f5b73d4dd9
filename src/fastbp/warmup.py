"""Compilation of the kernels ahead of time."""

from collections.abc import Sequence

from .base.validation import check_choice
from .kernels.entries import load_units

DTYPES = ("float32", "float64")


def warmup(dtypes: Sequence[str] = DTYPES) -> None:
    """Compile the kernels, or load them where they are ready, so that later calls do not wait.

    Parameters
    ----------
    dtypes : sequence of str, default ("float32", "float64")
        Of the nets and arrays to be used.

    Raises
    ------
    ValueError
        For a dtype other than these two.
    KeyboardInterrupt
        On Ctrl-C.
    """
    for dtype in dtypes:
        check_choice("dtype", dtype, DTYPES)
    for dtype in dtypes:
        load_units(dtype)
