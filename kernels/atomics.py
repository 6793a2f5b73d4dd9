"""Atomic operations on int64 arrays in shared memory, and one turn of a spin loop.

Stores release and loads acquire: a thread that reads a value also sees all that was written before
it.
"""

import sys

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from . import cpu_features
from .jit import kernel

# Turns of a spin loop before it yields the CPU, so that more threads than free CPUs make progress:
# two threads on one CPU take 3.6 us a sample of 64-20-20-10, where they took 29 with 2000 spins. On
# CPUs of their own nothing changes.
PAUSE_SPINS = 300

# Of the C library, or of Windows' kernel32, which every process has loaded.
YIELD = "SwitchToThread" if sys.platform == "win32" else "sched_yield"
_yield_core = types.ExternalFunction(YIELD, types.int32())


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
def _relax(typingctx):
    """The instruction that marks a spin loop, where there is one."""

    def codegen(context, b, signature, args):
        if cpu_features.X86:
            kind = ir.FunctionType(ir.VoidType(), [])
            b.call(cgutils.get_or_insert_function(b.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), codegen


@kernel
def spin_wait(spins):
    """One turn of a spin loop that has made `spins` turns. Returns the new number."""
    if spins < PAUSE_SPINS:
        _relax()
    else:
        _yield_core()
    return spins + 1
