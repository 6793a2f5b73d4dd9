"""Fork-join: threads that spin in a compiled loop, where a kernel can call them without Python.

A hand-over through Python takes 34 us even while the thread is awake, because the interpreter's
lock changes hands. Through shared memory it takes 0.3 us. `fork_join` runs a task on the caller and
on those workers that acknowledge the call in time. A worker receives two addresses, of compiled
code and of its arguments, so `worker_loop` is compiled once for all tasks.

The states of a worker, and what the block holds, are described in block.py.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .atomics import atomic_load, atomic_store, compare_and_swap, pause, spin_wait, yield_cpu
from .block import (
    ACK_LIMIT,
    ACKED,
    ARGUMENTS,
    ARRIVED,
    CALLED,
    FAILED,
    FUNCTION,
    IDLE,
    LINE,
    N_THREADS,
    N_WORKERS,
    PAUSE_LIMIT,
    PREEMPTED,
    READY,
    RELEASED,
    REVOKED,
    RUNNING,
    SHARED_CALLS,
    SLOTS_AT,
    STAY,
    TAKEN,
)
from .jit import entry, kernel
from .simd import I32, I64

# A worker spins for 0.1 ms before it yields, ten times as long as other loops: after a yield even a
# program of low priority has the CPU for milliseconds. Then it yields for 0.2 ms, several times the
# pause between two epochs. A yield is a system call, of a similar length on every processor.
LONG_PAUSE = 10
YIELDS = 700


@kernel
def slot_offset(worker):
    return SLOTS_AT + worker * LINE


@intrinsic
def block_at(typingctx, address):
    """The block at an address, which costs less to pass than an array; an empty array for 0."""
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
    """A kernel that splits its work over threads: its last two arguments are the thread's number
    and the number of threads.

    Called with a tuple of the other arguments, it gives a task for `fork_join`: the address of
    compiled code that runs one thread's part, and the address of the arguments, which live as long
    as the caller. A kernel passed as an argument would keep its caller out of the cache on disk, as
    Numba writes the kernel's address in this process into the code.
    """
    part = kernel(function)

    @intrinsic
    def task(typingctx, args):
        called = types.Dispatcher(part).get_call_type(
            typingctx, (*args.types, types.int64, types.int64), {}
        )

        def codegen(context, b, signature, values):
            stored = ir.LiteralStructType([context.get_value_type(kind) for kind in args.types])
            slot = cgutils.alloca_once(b, stored)
            for i, value in enumerate(cgutils.unpack_tuple(b, values[0], len(args.types))):
                b.store(value, cgutils.gep_inbounds(b, slot, 0, i))
            code = _outlined(context, b.module, part.get_compile_result(called), called, stored)
            return context.make_tuple(
                b, signature.return_type, [b.ptrtoint(code, I64), b.ptrtoint(slot, I64)]
            )

        return types.UniTuple(types.int64, 2)(args), codegen

    return task


def _outlined(context, module, compiled, called, stored):
    """A function (address of the arguments, thread, n_threads) in this module that calls the
    compiled kernel and returns its status."""
    context.add_linking_libs([compiled.library])
    name = module.get_unique_name(f"{compiled.fndesc.unique_name}_part")
    code = ir.Function(module, ir.FunctionType(I32, [I64, I64, I64]), name)
    code.linkage = "internal"
    b = ir.IRBuilder(code.append_basic_block("entry"))
    address = b.inttoptr(code.args[0], stored.as_pointer())
    arguments = [b.load(cgutils.gep_inbounds(b, address, 0, i)) for i in range(len(stored))]
    status, _ = context.call_internal_no_propagate(
        b, compiled.fndesc, called, [*arguments, *code.args[1:]]
    )
    b.ret(status.code)
    return code


@intrinsic
def _run(typingctx, function, arguments, thread, n_threads):
    """Run one thread's part. Returns whether it ended with an error, as for an index out of bounds
    in a checked build."""

    def codegen(context, b, signature, args):
        kind = ir.FunctionType(I32, [I64, I64, I64])
        code = b.call(b.inttoptr(args[0], kind.as_pointer()), args[1:])
        return b.icmp_signed("!=", code, I32(0))

    return types.boolean(*[types.int64] * 4), codegen


@kernel
def fork_join(block, max_threads, task):
    """Run a task on the caller, which is thread 0, and on ready workers, at most `max_threads`
    together. Returns the number of threads."""
    function, arguments = task
    n_threads = _call(block, max_threads, function, arguments) if max_threads > 1 else 1
    failed = _run(function, arguments, 0, n_threads)
    if n_threads > 1:
        if failed:
            _fail(block)
        failed = _finish(block)
    if failed:
        raise IndexError("index out of bounds in a kernel")
    return n_threads


@kernel
def _call(block, max_threads, function, arguments):
    """Take the block and start workers. Returns the number of threads; where that is 1, the block
    is not this call's."""
    if not compare_and_swap(block, TAKEN, 0, 1):  # another thread's call has it
        return 1
    block[FUNCTION] = function
    block[ARGUMENTS] = arguments
    block[FAILED] = 0
    atomic_store(block, ARRIVED, 0)
    # Call as many workers as are wanted and ready.
    workers = block[N_WORKERS]
    called = 0
    for worker in range(workers):
        if called < max_threads - 1 and atomic_load(block, slot_offset(worker)) == READY:
            called += compare_and_swap(block, slot_offset(worker), READY, CALLED)
    # Wait for acknowledgements, of all workers together; revoke the other calls. No yields: a
    # worker that waits for the caller's own CPU has to be revoked, so that it moves off it.
    n_threads = 1
    spins = 0
    for worker in range(workers if called else 0):
        while atomic_load(block, slot_offset(worker)) == CALLED and spins < block[ACK_LIMIT]:
            pause()
            spins += 1
        block[PREEMPTED] += compare_and_swap(block, slot_offset(worker), CALLED, REVOKED)
        if atomic_load(block, slot_offset(worker)) == ACKED:
            n_threads += 1
    if n_threads == 1:
        atomic_store(block, TAKEN, 0)
        return 1
    # Start those that have acknowledged, numbered without gaps.
    block[N_THREADS] = n_threads
    block[SHARED_CALLS] += 1
    thread = 0
    for worker in range(workers):
        if atomic_load(block, slot_offset(worker)) == ACKED:
            thread += 1
            atomic_store(block, slot_offset(worker), RUNNING + thread)
    return n_threads


@kernel
def _fail(block):
    """Release all barriers of the task, where the other threads would wait for ever for one that
    has ended with an error."""
    atomic_store(block, FAILED, 1)
    atomic_store(block, ARRIVED, RELEASED)


@kernel
def _finish(block):
    """Wait until no worker runs, and give the block back. Returns whether a part ended with an
    error."""
    for worker in range(block[N_WORKERS]):
        spins = 0
        while atomic_load(block, slot_offset(worker)) > RUNNING:
            spins = spin_wait(spins, block[PAUSE_LIMIT])
    failed = block[FAILED] != 0
    atomic_store(block, TAKEN, 0)
    return failed


@entry
def worker_loop(address, worker):
    """Wait for calls as worker number `worker` of the block at `address`, until none came for a
    while or STAY is 0.

    Returns whether the loop ended because the worker's CPU was preempted.
    """
    block = block_at(address)
    slot = slot_offset(worker)
    spins = 0
    if block.size == 0:
        return False
    limit = LONG_PAUSE * block[PAUSE_LIMIT]
    atomic_store(block, slot, READY)
    while True:
        if atomic_load(block, slot) == CALLED and compare_and_swap(block, slot, CALLED, ACKED):
            _take_part(block, slot)
            spins = 0
        elif atomic_load(block, slot) == REVOKED:
            atomic_store(block, slot, IDLE)
            return True
        leaving = spins >= limit + YIELDS or atomic_load(block, STAY) == 0
        if leaving and compare_and_swap(block, slot, READY, IDLE):
            return False
        spins = spin_wait(spins, limit)


@kernel
def _take_part(block, slot):
    """Run this worker's part of the task, once the caller has set its thread number."""
    spins = 0
    while atomic_load(block, slot) == ACKED:
        spins = spin_wait(spins, block[PAUSE_LIMIT])
    thread = atomic_load(block, slot) - RUNNING
    if _run(block[FUNCTION], block[ARGUMENTS], thread, block[N_THREADS]):
        _fail(block)
    atomic_store(block, slot, READY)


@entry
def wait_for_workers(address, workers, max_yields):
    """Wait until `workers` workers are in their loop, at most for `max_yields` yields.

    The CPU is yielded at once: some schedulers wake a thread on the CPU of the thread that wakes
    it, where it waits for milliseconds.
    """
    block = block_at(address)
    yields = 0
    ready = 0
    while ready < workers and yields < max_yields:
        yield_cpu()
        yields += 1
        ready = 0
        for worker in range(block[N_WORKERS] if block.size else 0):
            ready += atomic_load(block, slot_offset(worker)) != IDLE


@entry
def spin(turns):
    """Make turns of a spin loop, to time them. Returns their number."""
    for _ in range(turns):
        pause()
    return turns
