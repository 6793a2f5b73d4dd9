"""Atomic operations on int64 arrays in shared memory, and one turn of a spin loop.

Stores release and loads acquire: a thread that reads a value also sees all that was written before
it.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from . import target
from .jit import kernel
from .simd import I32

# Of the C library, or of Windows' kernel32, which every process has loaded.
YIELD = "SwitchToThread" if target.SYSTEM == "win32" else "sched_yield"
yield_cpu = types.ExternalFunction(YIELD, types.int32())


@intrinsic
def atomic_add(typingctx, array, i, value):
    """Add to array[i]. Returns its old value."""

    def codegen(context, b, signature, args):
        data = context.make_array(array)(context, b, args[0]).data
        return b.atomic_rmw("add", b.gep(data, [args[1]]), args[2], "acq_rel")

    return types.int64(array, types.int64, types.int64), codegen


@intrinsic
def atomic_load(typingctx, array, i):
    def codegen(context, b, signature, args):
        data = context.make_array(array)(context, b, args[0]).data
        return b.load_atomic(b.gep(data, [args[1]]), "acquire", 8)

    return types.int64(array, types.int64), codegen


@intrinsic
def atomic_store(typingctx, array, i, value):
    def codegen(context, b, signature, args):
        data = context.make_array(array)(context, b, args[0]).data
        b.store_atomic(args[2], b.gep(data, [args[1]]), "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), codegen


@intrinsic
def compare_and_swap(typingctx, array, i, expected, value):
    """Replace array[i] by `value` if it is `expected`. Returns whether it was."""

    def codegen(context, b, signature, args):
        element = b.gep(context.make_array(array)(context, b, args[0]).data, [args[1]])
        return b.extract_value(b.cmpxchg(element, args[2], args[3], "acq_rel", "acquire"), 1)

    return types.boolean(array, types.int64, types.int64, types.int64), codegen


@intrinsic
def pause(typingctx):
    """An instruction that makes a turn of a spin loop take a while, in which the core's other
    thread computes: 23 ns on a Zen 5.

    Arm's `yield` does nothing on most processors. `isb` empties the pipeline and takes about as
    long as `pause`. Elsewhere a fence, so that a turn takes some time.
    """

    def codegen(context, b, signature, args):
        void = ir.VoidType()
        if target.X86:
            f = cgutils.get_or_insert_function(
                b.module, ir.FunctionType(void, []), "llvm.x86.sse2.pause"
            )
            b.call(f, [])
        elif target.ARM:
            f = cgutils.get_or_insert_function(
                b.module, ir.FunctionType(void, [I32]), "llvm.aarch64.isb"
            )
            b.call(f, [I32(15)])  # of the full system, the only kind there is
        else:
            b.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), codegen


@kernel
def spin_wait(spins, limit):
    """One turn of a spin loop that has made `spins` turns, which yields the CPU after `limit`
    turns. Returns the new number."""
    if spins < limit:
        pause()
    else:
        yield_cpu()
    return spins + 1
