"""How kernels are compiled: the one place that sets Numba's options.

`kernel` makes a building block, `entry` a function that Python calls. Only entries are optimised
and translated, with all that they call, and only they are cached on disk (cache.py).
"""

import contextlib

import numba
from numba import _dynfunc, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.extending import intrinsic

from .cache import Cache, cache_folder

# error_model: division without Python's zero check, which would keep loops scalar. No fast-math:
# NaN must go through, and contraction would make an element's bits depend on its place. nogil: the
# team's members run side by side. _nrt: kernels make no arrays, so nothing need be counted; without
# the counting, which is mostly found out to be needless, they compile sooner and a call costs less.
OPTIONS = {"error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True, "_nrt": False}


def kernel(function):
    """A compiled building block: called by kernels, compiled into them."""
    return numba.njit(no_cpython_wrapper=True, pipeline_class=_PartCompiler, **OPTIONS)(function)


def entry(function):
    """A compiled function that Python calls; its machine code is cached on disk, where there is a
    folder for it."""
    dispatcher = numba.njit(**OPTIONS)(function)
    with contextlib.suppress(OSError):  # where there is none, every process compiles anew
        dispatcher._cache = Cache(function, cache_folder())
    return dispatcher


def _with_attribute(name):
    def codegen(context, b, signature, args):
        b.function.attributes.add(name)
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def never_inline(typingctx):
    """Keep the kernel that says this a function of its own: as part of another, what few fits need
    would compile longer."""
    return _with_attribute("noinline")


@intrinsic
def always_inline(typingctx):
    """Make the kernel that says this a part of each that calls it, where many arguments cost more
    than what it does."""
    return _with_attribute("alwaysinline")


class _Part(JITCodeLibrary):
    """A building block's code, which is linked into entries and never run by itself.

    Numba optimises and translates every function, and then once more, as a part, with each that
    calls it, up the chain: without that a cold compile takes 16 s where it took 24.
    """

    def _optimize_final_module(self):
        pass

    def _finalize_final_module(self):
        self._finalize_dynamic_globals()
        self._finalized = True


class _PartCompiler(Compiler):
    def compile_extra(self, func):
        def get_executable(library, fndesc, env):
            return _dynfunc.make_function(
                fndesc.lookup_module(), fndesc.qualname, "", 0, env, (library,)
            )

        context = self.state.targetctx  # this compilation's own
        context.get_executable = get_executable
        self.state.library = _Part(context.codegen(), func.__qualname__)
        return super().compile_extra(func)
