"""The thread team: members of equal standing run one kernel side by side, share out its work, and
meet at barriers.

`sync` is an int64 array with one value a cache line. Python writes STOP, MEMBERS and RUN;
everything else belongs to the members. Because a member may see STOP a step earlier than another,
member 0 copies it to STOPPING before a step's last barrier and all look there.

To wake a thread takes 50 to 150 us, as long as many small steps. So where member 0 is the caller
itself, the others stay in the kernel for a moment after each run, until it begins the next: between
`begin_run` and `end_run`. That spares them waking; what they do next they are told by Python in any
case. A member's place, behind everything else in `sync`, holds the last run that it has ended.
"""

import numpy as np

from .atomics import atomic_add, atomic_load, atomic_store, spin_wait
from .jit import kernel

LINE = 8  # int64 values a cache line
# SEEN: steps whose loss is known; UPDATED: those whose update was made; NOT_FINITE: whether the
# last loss was not finite.
ARRIVED, STOP, STOPPING, SEEN, UPDATED, NOT_FINITE, N_THREADS = (i * LINE for i in range(7))
# RUN: the number of a run whose member 0 is the caller, or 0. Behind what is of one run BELL, the
# last number that member 0 has rung for the others to come, or 0.
RUN, NEXT_RUN, SLOTS_AT = (i * LINE for i in range(7, 10))
# ARRIVED, where somebody does not come: nobody waits any more.
RELEASED = 1 << 62

# Looks for the next run, then the thread sleeps. About 0.2 ms: some times what passes between two
# epochs.
SPIN_LIMIT = 1000


@kernel
def barrier(sync, n_threads, phase):
    """Wait until every member has come to its barrier number `meeting` (from 0 on); returns the
    next number."""
    if n_threads > 1:
        atomic_add(sync, ARRIVED, 1)
        spins = 0
        while atomic_load(sync, ARRIVED) < (phase + 1) * n_threads:
            spins = spin_wait(spins)
    return phase + 1


@kernel
def stop_requested(sync):
    return atomic_load(sync, STOP) != 0


@kernel
def released(sync):
    """Whether somebody does not come, so that what others have to do together must be left."""
    return atomic_load(sync, ARRIVED) >= RELEASED


def new_sync(n_threads):
    """What a team of at most so many members meets at."""
    return np.zeros(SLOTS_AT + n_threads * LINE, np.int64)


@kernel
def slot_offset(thread):
    return SLOTS_AT + thread * LINE


@kernel
def begin_run(sync, thread):
    """The beginning of a run: member 0 calls those that have stayed. Returns its number, 0 if
    nobody is to stay after it."""
    if thread == 0 and sync[RUN] != 0:
        atomic_store(sync, NEXT_RUN, sync[RUN])
    return sync[RUN]


@kernel
def end_run(sync, thread, n_threads, run):
    """Its end: member 0 waits until the others look at nothing of it any more; they stay for the
    next one, for a moment."""
    spins = 0
    if run == 0:
        return
    if thread == 0:
        for other in range(1, n_threads):
            while atomic_load(sync, slot_offset(other)) != run and not released(sync):
                spins = spin_wait(spins)
    else:
        atomic_store(sync, slot_offset(thread), run)
        while spins < SPIN_LIMIT and atomic_load(sync, NEXT_RUN) == run:
            spins = spin_wait(spins)
