"""Barriers between the threads that run one task.

`sync` is an int64 array with one value a cache line: the block of a thread pool (block.py).
"""

from .atomics import atomic_add, atomic_load, spin_wait
from .block import ARRIVED, PAUSE_LIMIT, RELEASED
from .jit import kernel


@kernel
def barrier(sync, n_threads, phase):
    """Wait until all threads have arrived at barrier number `phase`, from 0 on. Returns the next
    number."""
    if n_threads > 1:
        atomic_add(sync, ARRIVED, 1)
        spins = 0
        while atomic_load(sync, ARRIVED) < (phase + 1) * n_threads:
            spins = spin_wait(spins, sync[PAUSE_LIMIT])
    return phase + 1


@kernel
def released(sync, n_threads):
    """Whether a thread has failed, so that the others must end the task."""
    return n_threads > 1 and atomic_load(sync, ARRIVED) >= RELEASED
