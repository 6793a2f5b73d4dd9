"""How kernels are compiled: the one place that sets Numba's options.

`kernel` makes a building block, `entry` a function that Python calls. Only entries are cached on disk (cache.py): loading one
brings the machine code of everything that it calls.
"""

import contextlib

import numba
from numba.core import ir
from numba.core.compiler import Compiler

from .cache import Cache, cache_folder

# error_model: division without Python's zero check, which would keep loops scalar. No fast-math: NaN must go through, and
# contraction would make an element's bits depend on its place. nogil: the team's members run side by side.
# _nrt: kernels make no arrays, so nothing need be counted; without the counting, which is mostly found out to be needless,
# they compile sooner and a call costs less.
OPTIONS = {"error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True, "_nrt": False}


def kernel(function):
    """A compiled building block: called by kernels, compiled into them."""
    return numba.njit(no_cpython_wrapper=True, **OPTIONS)(function)


def section(function):
    """A kernel that is one place's own: typed as part of its caller. As a function it would be optimised and translated once
    more for every caller up the chain, which is what a cold compile mostly consists of (12 s of train without, 7 s with)."""
    return numba.njit(no_cpython_wrapper=True, inline="always", **OPTIONS)(function)


def entry(function):
    """A compiled function that Python calls; its machine code is cached on disk, where there is a folder for it."""
    dispatcher = numba.njit(pipeline_class=_Compiler, **OPTIONS)(function)
    with contextlib.suppress(OSError):  # where there is none, every process compiles anew
        dispatcher._cache = Cache(function, cache_folder())
    return dispatcher


class _Compiler(Compiler):
    """Numba's, but for a copy that it makes while inlining sections: with each block of a section's code it copies the table of
    all the function's variables, only to replace it by the caller's. That was a fifth of a cold compile."""

    def compile_extra(self, func):
        def same(scope, memo):
            return scope

        before = vars(ir.Scope).get("__deepcopy__")
        ir.Scope.__deepcopy__ = same  # under Numba's lock, which lets one thread at a time compile
        try:
            return super().compile_extra(func)
        finally:
            if before is None:
                del ir.Scope.__deepcopy__
            else:
                ir.Scope.__deepcopy__ = before
