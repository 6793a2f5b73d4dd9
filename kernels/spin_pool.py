"""Helpers that stand by: threads that stay in a compiled loop for a moment, where a kernel can call
them without Python.

To hand a thread a task through Python takes 34 us even while it is awake, as the interpreter's lock
goes to and fro; through shared memory it takes less than one. `together` does a task by the caller
and by those helpers that answer at once; what they are told is an address in the caller's compiled
code and one of its arguments, so that `serve`, their loop, is compiled once for all tasks.

A block is an int64 array with one value a cache line, a helper's state in a line of its own:

    IDLE -> READY           the helper, when it enters the loop, and back when nobody has called for a while
    READY -> CALLED         the caller
    CALLED -> ANSWERED      the helper
    CALLED -> AWAY          the caller, if there is no answer: the helper's core has been taken away, perhaps for milliseconds
    AWAY -> IDLE            the helper, when it has a core again: it leaves, to look for one that is not the caller's
    ANSWERED -> AT_WORK     the caller, when it knows how many have answered; plus the member's number
    AT_WORK -> READY        the helper: it looks no more at anything of the caller's
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .atomics import PAUSE_SPINS, atomic_load, atomic_store, compare_and_swap, spin_wait
from .jit import entry, kernel
from .plan import aligned_zeros
from .simd import I32, I64
from .team import ARRIVED, LINE, RELEASED, SPIN_LIMIT

IDLE, READY, CALLED, REVOKED, ACKED, RUNNING = range(6)
# TAKEN: whether a kernel has the block; STAY: 0 sends the helpers away; HELPERS: how many there
# are; HELPED: calls with help; LOST: helpers that were found away.
TAKEN, STAY, N_WORKERS, SHARED_CALLS, PREEMPTED, FAILED, COMMAND, SLOTS_AT = (
    ARRIVED + i * LINE for i in range(1, 9)
)
FUNCTION, ARGUMENTS, N_THREADS = range(COMMAND, COMMAND + 3)
# Looks for the answer of a helper: 5 us, many times what one takes that has a core.
ACK_SPINS = 100
# Looks for a call before the core is offered to others, 0.1 ms: even a program of low priority then
# has it for milliseconds, and a helper with nothing to do is not waited for.
SPINS_BEFORE_YIELD = 3000
# Looks for a helper that has been woken: half a millisecond, several times what that takes where a
# core is free; and a moment in which it can come past the thread that has woken it.
WAKE_SPINS, HANDOFF_SPINS = 2000, 20


def new_block(workers):
    """What a caller and at most so many helpers meet at."""
    block = aligned_zeros(SLOTS_AT + workers * LINE, np.int64)
    block[STAY] = 1
    return block


@kernel
def slot_offset(worker):
    return SLOTS_AT + worker * LINE


@intrinsic
def block_at(typingctx, address):
    """The block at an address, which costs less to hand over than an array; an empty one for 0."""
    kind = types.Array(types.int64, 1, "C")

    def codegen(context, b, signature, args):
        array = context.make_array(kind)(context, b)
        data = b.inttoptr(args[0], array.data.type)
        size = b.select(b.icmp_signed("==", args[0], I64(0)), I64(0), I64(1 << 31))
        context.populate_array(
            array, data=data, shape=[size], strides=[I64(8)], itemsize=I64(8), meminfo=None
        )
        return array._getvalue()

    return kind(types.int64), codegen


def parallel_task(function):
    """A kernel whose work members share: it takes arguments, then the member's number and how many
    there are.

    Called with the arguments, in a tuple, it gives a task for `together`: the addresses of compiled
    code that does a member's share and of the arguments, which live as long as the caller. A
    function that took such a kernel as an argument would not be kept on disk, as Numba writes the
    kernel's address in this process into its code.
    """
    part = kernel(function)

    @intrinsic
    def task(typingctx, args):
        called = types.Dispatcher(part).get_call_type(
            typingctx, (*args.types, types.int64, types.int64), {}
        )

        def codegen(context, b, signature, values):
            kept = ir.LiteralStructType([context.get_value_type(kind) for kind in args.types])
            slot = cgutils.alloca_once(b, kept)
            for i, value in enumerate(cgutils.unpack_tuple(b, values[0], len(args.types))):
                b.store(value, cgutils.gep_inbounds(b, slot, 0, i))
            code = _outlined(context, b.module, part.get_compile_result(called), called, kept)
            return context.make_tuple(
                b, signature.return_type, [b.ptrtoint(code, I64), b.ptrtoint(slot, I64)]
            )

        return types.UniTuple(types.int64, 2)(args), codegen

    return task


def _outlined(context, module, compiled, called, kept):
    """A function (address of the arguments, member, members) in this module that calls the compiled
    one; returns its status."""
    context.add_linking_libs([compiled.library])
    name = module.get_unique_name(f"{compiled.fndesc.unique_name}_share")
    code = ir.Function(module, ir.FunctionType(I32, [I64, I64, I64]), name)
    code.linkage = "internal"
    b = ir.IRBuilder(code.append_basic_block("entry"))
    address = b.inttoptr(code.args[0], kept.as_pointer())
    given = [b.load(cgutils.gep_inbounds(b, address, 0, i)) for i in range(len(kept))]
    status, _ = context.call_internal_no_propagate(
        b, compiled.fndesc, called, [*given, *code.args[1:]]
    )
    b.ret(status.code)
    return code


@intrinsic
def _run(typingctx, function, arguments, thread, n_threads):
    """Do a member's share; returns whether it ended with an error, as for an index out of its array
    in a checked build."""

    def codegen(context, b, signature, args):
        kind = ir.FunctionType(I32, [I64, I64, I64])
        code = b.call(b.inttoptr(args[0], kind.as_pointer()), args[1:])
        return b.icmp_signed("!=", code, I32(0))

    return types.boolean(*[types.int64] * 4), codegen


@kernel
def fork_join(block, most, task):
    """A task by the caller and by the helpers that are ready, at most so many members. Returns how
    many there were."""
    function, arguments = task
    n_threads = _call(block, most, function, arguments) if most > 1 else 1
    failed = _run(function, arguments, 0, n_threads)
    if n_threads > 1:
        if failed:
            _fail(block)
        failed = _finish(block)
    if failed:
        raise IndexError("a kernel's index is out of its array")
    return n_threads


@kernel
def _call(block, most, function, arguments):
    """Have helpers begin. Returns the members, of which the caller is the first; with one the block
    is not this caller's."""
    if not compare_and_swap(block, TAKEN, 0, 1):  # by another thread's call
        return 1
    block[FUNCTION], block[ARGUMENTS], block[FAILED] = function, arguments, 0
    atomic_store(block, ARRIVED, 0)
    workers, called = block[N_WORKERS], 0
    for worker in range(workers):
        if called < most - 1 and atomic_load(block, slot_offset(worker)) == READY:
            called += compare_and_swap(block, slot_offset(worker), READY, CALLED)
    n_threads, looks = 1, 0
    for worker in range(workers if called else 0):
        while atomic_load(block, slot_offset(worker)) == CALLED and looks < ACK_SPINS:
            looks = spin_wait(looks)
        block[PREEMPTED] += compare_and_swap(block, slot_offset(worker), CALLED, REVOKED)
        if atomic_load(block, slot_offset(worker)) == ACKED:
            n_threads += 1
    _begin(block, workers, n_threads)
    return n_threads


@kernel
def _begin(block, workers, n_threads):
    """Tell those that have answered their numbers; where nobody has, give the block back."""
    if n_threads == 1:
        atomic_store(block, TAKEN, 0)
        return
    block[N_THREADS] = n_threads
    block[SHARED_CALLS] += 1
    number = 0
    for worker in range(workers):
        if atomic_load(block, slot_offset(worker)) == ACKED:
            number += 1
            atomic_store(block, slot_offset(worker), RUNNING + number)


@kernel
def _fail(block):
    """Let the others pass their barriers, at which they would wait for ever for a member that has
    met with an error."""
    atomic_store(block, FAILED, 1)
    atomic_store(block, ARRIVED, RELEASED)


@kernel
def _finish(block):
    """Wait until no helper is at work, and give the block back. Returns whether a member has met
    with an error."""
    for worker in range(block[N_WORKERS]):
        looks = 0
        while atomic_load(block, slot_offset(worker)) > RUNNING:
            looks = spin_wait(looks)
    failed = block[FAILED] != 0
    atomic_store(block, TAKEN, 0)
    return failed


@entry
def worker_loop(address, worker):
    """Stand by as helper number `helper` of the block at `address`, until nobody has called for a
    while or STAY is 0.

    Returns whether it left because it was found away.
    """
    block, place, looks = block_at(address), slot_offset(worker), 0
    if block.size == 0:
        return False
    atomic_store(block, place, READY)
    while True:
        if atomic_load(block, place) == CALLED and compare_and_swap(block, place, CALLED, ACKED):
            _take_part(block, place)
            looks = 0
        elif atomic_load(block, place) == REVOKED:
            atomic_store(block, place, IDLE)
            return True
        gone = looks >= SPINS_BEFORE_YIELD + SPIN_LIMIT or atomic_load(block, STAY) == 0
        if gone and compare_and_swap(block, place, READY, IDLE):
            return False
        looks = spin_wait(looks - SPINS_BEFORE_YIELD) + SPINS_BEFORE_YIELD


@kernel
def _take_part(block, place):
    looks = 0
    while atomic_load(block, place) == ACKED:
        looks = spin_wait(looks)
    if _run(
        block[FUNCTION], block[ARGUMENTS], atomic_load(block, place) - RUNNING, block[N_THREADS]
    ):
        _fail(block)
    atomic_store(block, place, READY)


@entry
def wait_for_workers(address, workers, most):
    """Wait until so many have come to their loop, at most for so many looks.

    The core is offered at once: some schedulers wake a thread on that of who wakes it, where it
    waits for milliseconds.
    """
    block, looks, ready = block_at(address), 0, 0
    while ready < workers and looks < most:
        spin_wait(PAUSE_SPINS)
        looks, ready = looks + 1, 0
        for worker in range(block[N_WORKERS] if block.size else 0):
            ready += atomic_load(block, slot_offset(worker)) != IDLE
