"""Denormal numbers are flushed to zero while a kernel runs.

Arithmetic on them is several times slower: the weights' product ran at 61 GFLOP/s on denormal
deltas and at 224 on normal ones. Training has no use for numbers below 1e-38.

Each thread has a control register: MXCSR on x86, with one bit that makes denormal results zero and
one that reads denormal operands as zero; FPCR on Arm, with one bit (FZ) for both. They differ in
one case. A result that is below the smallest normal number, but would be rounded up to it, stays on
x86, which flushes after rounding, and becomes zero on Arm, which flushes before.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from . import target
from .simd import I32, I64

MXCSR_FLUSH = 0x8040  # flush to zero, denormals are zero
FPCR_FLUSH = 1 << 24  # FZ


def _control(b):
    """The thread's control register, as an int64; 0 on processors without a known one."""
    if target.X86:
        slot = cgutils.alloca_once(b, I32)
        _mxcsr(b, "stmxcsr", slot)
        return b.zext(b.load(slot), I64)
    if target.ARM:
        return b.call(_intrinsic(b, I64, [], "llvm.aarch64.get.fpcr"), [])
    return I64(0)


def _set_control(b, value):
    if target.X86:
        slot = cgutils.alloca_once(b, I32)
        b.store(b.trunc(value, I32), slot)
        _mxcsr(b, "ldmxcsr", slot)
    elif target.ARM:
        b.call(_intrinsic(b, ir.VoidType(), [I64], "llvm.aarch64.set.fpcr"), [value])


def _mxcsr(b, name, slot):
    i8p = ir.IntType(8).as_pointer()
    b.call(_intrinsic(b, ir.VoidType(), [i8p], f"llvm.x86.sse.{name}"), [b.bitcast(slot, i8p)])


def _intrinsic(b, result, arguments, name):
    return cgutils.get_or_insert_function(b.module, ir.FunctionType(result, arguments), name)


@intrinsic
def flush_denormals(typingctx):
    """Treat denormal numbers as zero in this thread. Returns the argument of
    `restore_denormals`."""

    def codegen(context, b, signature, args):
        before = _control(b)
        _set_control(b, b.or_(before, I64(MXCSR_FLUSH if target.X86 else FPCR_FLUSH)))
        return before

    return types.int64(), codegen


@intrinsic
def restore_denormals(typingctx, before):
    """Restore the thread's handling of denormal numbers."""

    def codegen(context, b, signature, args):
        _set_control(b, args[0])
        return context.get_dummy_value()

    return types.void(types.int64), codegen
