"""How kernels are compiled: the only place that sets Numba's options.

`kernel` makes a building block, `entry` one that is an entry point. Numba lowers them to LLVM's
code; compile.py optimises and translates a unit's entry points together with every kernel that they
call. `dispatch` selects a kernel by a code at run time.
"""

import inspect
from collections.abc import Callable

import numba
from llvmlite import binding, ir
from numba import _dynfunc, types
from numba.core import typed_passes, untyped_passes
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import PassManager
from numba.extending import intrinsic

from .abi import CHECKED
from .simd import with_signature

# error_model: division without Python's zero check, which would keep loops scalar. No fast-math:
# NaN must pass through, and contraction would make an element's bits depend on its position. nogil:
# the threads of a task run at the same time. _nrt: kernels allocate no arrays, so no reference
# needs counting; without the counting they compile sooner and a call costs less.
OPTIONS = {
    "error_model": "numpy",
    "nogil": True,
    "no_cfunc_wrapper": True,
    "boundscheck": CHECKED,
    "_nrt": False,
}


def kernel(function):
    """A compiled building block: called by kernels and compiled into them."""
    dispatcher = numba.njit(no_cpython_wrapper=True, pipeline_class=_PartCompiler, **OPTIONS)(
        function
    )
    if numba.config.DISABLE_JIT:
        return function
    template = dispatcher.get_call_template

    def of_any_value(args, kws):
        """Constants are arguments like others: Numba would compile the kernel for each of them."""
        return template(tuple(map(types.unliteral, args)), kws)

    dispatcher.get_call_template = of_any_value
    return dispatcher


ENTRIES: dict[str, Callable] = {}


def entry(function):
    """A kernel that Python calls, by its name, see signatures.py."""
    ENTRIES[function.__name__] = compiled = kernel(function)
    return compiled


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
    """A kernel's code, neither optimised nor translated by itself.

    Numba would optimise and translate every function, and again as a part of each function that
    calls it, up the chain.
    """

    def _optimize_functions(self, ll_module):
        pass

    def finalize(self):
        self._raise_if_finalized()
        self._finalized = True

    def _get_module_for_linking(self):
        """The kernel with all that it calls, for functions that Numba itself compiles: tests and
        benchmarks have such."""
        whole = self._codegen._create_empty_module(self.name)
        module = binding.parse_assembly(str(whole))
        for part in modules(self, set()):
            module.link_in(part, preserve=True)
        for function in module.functions:
            if not function.is_declaration and function.linkage == binding.Linkage.external:
                function.linkage = "linkonce_odr"
        return module


def modules(library, seen):
    """The modules of a kernel's library and of all that it calls, without those in `seen`."""
    if library in seen:
        return
    seen.add(library)
    if isinstance(library, _Part):
        yield library._final_module
        for each in library._linking_libraries:
            yield from modules(each, seen)
    else:  # of Numba's own functions, with all that they call
        yield library._get_module_for_linking()


# Those of Numba's passes that kernels need; the others inline closures, comprehensions, overloads
# and array expressions, and cost a fifth of the time.
PASSES = (
    untyped_passes.TranslateByteCode,
    untyped_passes.FixupArgs,
    untyped_passes.IRProcessing,
    untyped_passes.DeadBranchPrune,
    untyped_passes.GenericRewrites,
    untyped_passes.RewriteDynamicRaises,
    untyped_passes.ReconstructSSA,
    typed_passes.NopythonTypeInference,
    typed_passes.PreLowerStripPhis,
    typed_passes.IRLegalization,
    typed_passes.NativeLowering,
    typed_passes.NoPythonBackend,
)


class _PartCompiler(CompilerBase):
    def define_pipelines(self):
        manager = PassManager("kernel")
        for each in PASSES:
            manager.add_pass(each, each._name)
        manager.finalize()
        return [manager]

    def compile_extra(self, func):
        def get_executable(library, fndesc, env):
            return _dynfunc.make_function(
                fndesc.lookup_module(), fndesc.qualname, "", 0, env, (library,)
            )

        context = self.state.targetctx  # belongs to this compilation only
        context.get_executable = get_executable
        self.state.library = _Part(context.codegen(), func.__qualname__)
        return super().compile_extra(func)
