"""Barriers between the threads that run one task.

`sync` is an int64 array with one value a cache line: the block of a thread pool (spin_pool.py).
"""

from .atomics import atomic_add, atomic_load, spin_wait
from .jit import kernel

LINE = 8  # int64 values a cache line
ARRIVED = 0  # place in `sync` of the number of arrivals at barriers since the task began
RELEASED = 1 << 62  # value of ARRIVED after a thread has failed: no barrier waits any more


@kernel
def barrier(sync, n_threads, phase):
    """Wait until all threads have arrived at barrier number `phase`, from 0 on. Returns the next
    number."""
    if n_threads > 1:
        atomic_add(sync, ARRIVED, 1)
        spins = 0
        while atomic_load(sync, ARRIVED) < (phase + 1) * n_threads:
            spins = spin_wait(spins)
    return phase + 1


@kernel
def released(sync, n_threads):
    """Whether a thread has failed, so that the others must end the task."""
    return n_threads > 1 and atomic_load(sync, ARRIVED) >= RELEASED
