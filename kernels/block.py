"""The block of memory through which a caller calls the workers of a thread pool.

A block is an int64 array with one value a cache line: what the caller and the workers share, then a
slot for the state of each worker.

    from     to                set by   when
    IDLE     READY             worker   it enters the loop
    READY    IDLE              worker   no call came for a while, or STAY is 0: it leaves the loop
    READY    CALLED            caller   requests this worker for its task
    CALLED   ACKED             worker   it sees the call
    CALLED   REVOKED           caller   no acknowledgement came: the worker has lost its CPU
    REVOKED  IDLE              worker   it has a CPU again: it leaves, to move off the caller's CPU
    ACKED    RUNNING + thread  caller   all have answered: the worker's thread number in this task
    RUNNING  READY             worker   its part is done; it reads nothing of the caller's any more
"""

import numpy as np

from .abi import CACHE_LINE
from .plan import aligned_zeros

LINE = CACHE_LINE // 8  # int64 values a cache line
ARRIVED = 0  # place of the number of arrivals at barriers since the task began
RELEASED = 1 << 62  # value of ARRIVED after a thread has failed: no barrier waits any more
IDLE, READY, CALLED, REVOKED, ACKED, RUNNING = range(6)
# TAKEN: whether a call has the block. STAY: 0 makes the workers leave. N_WORKERS: slots in use.
# PAUSE_LIMIT: turns of a spin loop before it yields the CPU. ACK_LIMIT: turns that a call waits for
# acknowledgements. SHARED_CALLS, PREEMPTED: counts of calls with workers and of revoked ones.
# FAILED: whether a part of the task ended with an error.
TAKEN, STAY, N_WORKERS, PAUSE_LIMIT, ACK_LIMIT = (ARRIVED + i * LINE for i in range(1, 6))
SHARED_CALLS, PREEMPTED, FAILED, COMMAND, SLOTS_AT = (ARRIVED + i * LINE for i in range(6, 11))
FUNCTION, ARGUMENTS, N_THREADS = range(COMMAND, COMMAND + 3)  # read and written together
# How long a turn takes depends on the processor, so loops are limited in turns that take a known
# time there (runtime/spin_pool.py). A loop yields after 10 us, so that more threads than free CPUs
# make progress: two threads on one CPU took 3.6 us a sample of 64-20-20-10 with 300 turns, and 29
# with 2000. On CPUs of their own nothing changes.
PAUSE_SECONDS = 1e-5
PAUSE_SPINS = 300  # about as many turns, until they are measured


def new_block(workers):
    """The block of a caller and at most `workers` workers."""
    block = aligned_zeros(SLOTS_AT + workers * LINE, np.int64)
    block[STAY] = 1
    block[PAUSE_LIMIT] = PAUSE_SPINS
    block[ACK_LIMIT] = PAUSE_SPINS // 2
    return block
