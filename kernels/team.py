"""The thread team: members of equal standing run one kernel side by side, share out its work, and meet at barriers.

`sync` is an int64 array with one value a cache line. Python writes STOP; everything else belongs to the members. Because a
member may see STOP a step earlier than another, member 0 copies it to STOPPING before a step's last barrier and all look there.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from . import host
from .jit import kernel

LINE = 8  # int64 values a cache line
# SEEN: steps whose loss is known; UPDATED: those whose update was made; NOT_FINITE: whether the last loss was not finite.
ARRIVED, STOP, STOPPING, SEEN, UPDATED, NOT_FINITE, SIZE = (i * LINE for i in range(7))

# Then the core is offered to others, so that a team larger than the free cores goes on: two threads on one core take 3.6 us a
# sample of 64-20-20-10 where they took 29 after 2000 spins; on cores of their own nothing changes.
SPINS = 300

_yield_core = types.ExternalFunction("sched_yield", types.int32())


@intrinsic
def _atomic_add(typingctx, array, i, value):
    def codegen(context, b, signature, args):
        data = context.make_array(array)(context, b, args[0]).data
        return b.atomic_rmw("add", b.gep(data, [args[1]]), args[2], "acq_rel")

    return types.int64(array, types.int64, types.int64), codegen


@intrinsic
def _atomic_load(typingctx, array, i):
    def codegen(context, b, signature, args):
        data = context.make_array(array)(context, b, args[0]).data
        return b.load_atomic(b.gep(data, [args[1]]), "acquire", 8)

    return types.int64(array, types.int64), codegen


@intrinsic
def _relax(typingctx):
    """Tell the core that this is a waiting loop, where there is an instruction for it."""

    def codegen(context, b, signature, args):
        if host.X86:
            kind = ir.FunctionType(ir.VoidType(), [])
            b.call(cgutils.get_or_insert_function(b.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), codegen


@kernel
def barrier(sync, members, meeting):
    """Wait until every member has come to its barrier number `meeting` (from 0 on); returns the next number."""
    if members > 1:
        _atomic_add(sync, ARRIVED, 1)
        spins = 0
        while _atomic_load(sync, ARRIVED) < (meeting + 1) * members:
            spins += 1
            if spins < SPINS:
                _relax()
            else:
                _yield_core()
    return meeting + 1


@kernel
def share(items, member, members):
    """The first item of a member's share; the next member's first is its end."""
    return items * member // members


@kernel
def stop_asked(sync):
    return _atomic_load(sync, STOP) != 0
