"""The thread team: members of equal standing run one kernel side by side, share out its work, and meet at barriers.

`sync` is an int64 array with one value a cache line. Python writes STOP and MEMBERS; everything else belongs to the members.
Because a member may see STOP a step earlier than another, member 0 copies it to STOPPING before a step's last barrier and all
look there.

To wake a thread takes 50 us, as long as many small steps. So the members of a kernel that is likely to be called again with the
same arguments stay in it for a moment after each run, and member 0 is the caller itself (see `another_run`). Where a member is
stands behind everything else in `sync`, at ``place_of(member)``.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from . import host
from .jit import entry, kernel

LINE = 8  # int64 values a cache line
# SEEN: steps whose loss is known; UPDATED: those whose update was made; NOT_FINITE: whether the last loss was not finite.
ARRIVED, STOP, STOPPING, SEEN, UPDATED, NOT_FINITE, MEMBERS, SIZE = (i * LINE for i in range(8))
# ARRIVED, where somebody does not come: nobody waits any more.
RELEASED = 1 << 62
# A member that is not in the kernel, or about to leave it; that has done its part and waits for the next run; that is to run.
AWAY, WAITING, CALLED = range(3)

# Then the core is offered to others, so that a team larger than the free cores goes on: two threads on one core take 3.6 us a
# sample of 64-20-20-10 where they took 29 after 2000 spins; on cores of their own nothing changes.
SPINS = 300
# Looks for another run, then the thread sleeps. About 0.2 ms: some times what passes between two epochs.
PATIENCE = 1000

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
def _atomic_store(typingctx, array, i, value):
    def codegen(context, b, signature, args):
        data = context.make_array(array)(context, b, args[0]).data
        b.store_atomic(args[2], b.gep(data, [args[1]]), "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), codegen


@intrinsic
def _atomic_turn(typingctx, array, i, old, new):
    """Make a value that is `old` `new`. Returns whether it was."""

    def codegen(context, b, signature, args):
        data = context.make_array(array)(context, b, args[0]).data
        result = b.cmpxchg(b.gep(data, [args[1]]), args[2], args[3], "acq_rel", "acquire")
        return b.extract_value(result, 1)

    return types.boolean(array, types.int64, types.int64, types.int64), codegen


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
def _pass_time(spins):
    """A moment of a waiting loop. Returns the moments so far."""
    if spins < SPINS:
        _relax()
    else:
        _yield_core()
    return spins + 1


@kernel
def barrier(sync, members, meeting):
    """Wait until every member has come to its barrier number `meeting` (from 0 on); returns the next number."""
    if members > 1:
        _atomic_add(sync, ARRIVED, 1)
        spins = 0
        while _atomic_load(sync, ARRIVED) < (meeting + 1) * members:
            spins = _pass_time(spins)
    return meeting + 1


@kernel
def stop_asked(sync):
    return _atomic_load(sync, STOP) != 0


@kernel
def released(sync):
    """Whether somebody does not come, so that what others have to do together must be left."""
    return _atomic_load(sync, ARRIVED) >= RELEASED


def new_sync(members):
    """What a team of at most so many members meets at."""
    return np.zeros(SIZE + members * LINE, np.int64)


@kernel
def place_of(member):
    return SIZE + member * LINE


@kernel
def another_run(sync, member, members):
    """The end of a run. Member 0 waits until the others have done their parts; they, for a while, until they are called again.

    Returns whether there is another run to be made, of as many members as MEMBERS then says.
    """
    spins = 0
    if member == 0:
        for other in range(1, members):
            while _atomic_load(sync, place_of(other)) == CALLED and not released(sync):
                spins = _pass_time(spins)
        return False
    place = place_of(member)
    _atomic_store(sync, place, WAITING)
    where = WAITING
    while where == WAITING:
        spins = _pass_time(spins)
        if spins > PATIENCE:  # called or sent away just now, it stays so
            _atomic_turn(sync, place, WAITING, AWAY)
        where = _atomic_load(sync, place)
    return where == CALLED


@entry
def end_wait(sync, member, where):
    """Have a member that waits in the kernel make one more run (CALLED) or leave (AWAY).

    Returns whether there was one: otherwise its thread has to be given the next call.
    """
    return _atomic_turn(sync, place_of(member), WAITING, where)
