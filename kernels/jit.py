"""How kernels are compiled: the only place that sets Numba's options.

`kernel` makes a building block, `entry` a function that Python calls. Only entries are optimised
and translated, together with every kernel that they call, and only entries are cached on disk
(cache.py). `dispatch` selects a kernel by a code at run time.
"""

import functools
import inspect

import numba
from llvmlite import ir
from numba import _dynfunc, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.extending import intrinsic

from .cache import Cache
from .simd import with_signature

# error_model: division without Python's zero check, which would keep loops scalar. No fast-math:
# NaN must pass through, and contraction would make an element's bits depend on its position. nogil:
# the threads of a task run at the same time. _nrt: kernels allocate no arrays, so no reference
# needs counting; without the counting they compile sooner and a call costs less.
OPTIONS = {"error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True, "_nrt": False}


def kernel(function):
    """A compiled building block: called by kernels and compiled into them."""
    return numba.njit(no_cpython_wrapper=True, pipeline_class=_PartCompiler, **OPTIONS)(function)


def entry(function):
    """A compiled function that Python calls. Its machine code is cached on disk if there is a
    cache folder."""
    if numba.config.DISABLE_JIT:
        return _without_compiler(function)
    dispatcher = numba.njit(**OPTIONS)(function)
    dispatcher._cache = Cache(function)
    return dispatcher


def _without_compiler(function):
    """The function as Python, which ends at the first intrinsic that it calls."""

    @functools.wraps(function)
    def run(*args):
        try:
            return function(*args)
        except NotImplementedError as error:
            raise RuntimeError(
                "Numba's compiler is off (NUMBA_DISABLE_JIT), and fastbp's kernels consist of "
                "machine instructions, which Python cannot run: unset NUMBA_DISABLE_JIT"
            ) from error

    return run


def dispatch(kernels):
    """A kernel function (code, *args) that calls the kernel of that code with the other arguments.

    An unknown code calls nothing and returns zero.

    Parameters
    ----------
    kernels : dict of int to kernel
        All with the same parameters and the same result. A kernel may have several codes; its call
        is then compiled once.
    """
    codes_of: dict = {}
    for code, function in kernels.items():
        codes_of.setdefault(function, []).append(code)

    def definition(typingctx, code, *args):
        signatures = {f: types.Dispatcher(f).get_call_type(typingctx, args, {}) for f in codes_of}
        result = next(iter(signatures.values())).return_type

        def codegen(context, b, signature, values):
            done = b.append_basic_block("dispatched")
            switch = b.switch(values[0], done)
            ends = [(context.get_constant_null(result), b.block)]
            for function, called in signatures.items():
                case = b.append_basic_block("dispatch")
                for number in codes_of[function]:
                    switch.add_case(ir.Constant(values[0].type, number), case)
                b.position_at_end(case)
                compiled = function.get_compile_result(called)
                context.add_linking_libs([compiled.library])
                value = context.call_internal(b, compiled.fndesc, called, values[1:])
                ends.append((value, b.block))
                b.branch(done)
            b.position_at_end(done)
            phi = b.phi(ends[0][0].type)
            for value, block in ends:
                phi.add_incoming(value, block)
            return phi

        return result(code, *args), codegen

    parameters = inspect.signature(next(iter(codes_of))).parameters
    return with_signature(definition, ["code", *parameters])


def _with_attribute(name):
    def codegen(context, b, signature, args):
        b.function.attributes.add(name)
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def never_inline(typingctx):
    """Keep the calling kernel a function of its own: rarely used code inlined into another kernel
    lengthens the compilation."""
    return _with_attribute("noinline")


@intrinsic
def always_inline(typingctx):
    """Inline the calling kernel into each kernel that calls it: its many arguments would cost more
    than its work."""
    return _with_attribute("alwaysinline")


class _Part(JITCodeLibrary):
    """A building block's code, which is linked into entries and never run by itself.

    Numba optimises and translates every function, and again as a part of each function that calls
    it, up the chain. Skipping this for building blocks cut a cold compile from 24 s to 16 s.
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

        context = self.state.targetctx  # belongs to this compilation only
        context.get_executable = get_executable
        self.state.library = _Part(context.codegen(), func.__qualname__)
        return super().compile_extra(func)
