"""Packed copies of parameters and optimizer state, the layout of the kernels (kernels/plan.py)."""

import numpy as np

from ..kernels import entries
from ..kernels.plan import Plan, new_state, slot_size, slots_of
from ..runtime.autotune import thread_count
from ..runtime.spin_pool import shared_pool

# Multiply-adds that take as long as the copy of a parameter.
MACS_PER_COPY = 8
# Elements from which a copy is shared among threads. Below, the hand-over disturbs what another
# thread does at the time: with a source of batches steps took half as long again.
SHARED_SIZE = 1 << 20


class Packing:
    """The packed layout of a network.

    Parameters
    ----------
    widths : sequence of int
    dtype : of the network

    Attributes
    ----------
    size, packed_size : int
        Number of parameters; elements of packed ones.
    """

    def __init__(self, widths, dtype):
        plan = Plan(widths, [0] * (len(widths) - 1), dtype, 1, trains=False)
        self.dtype = np.dtype(dtype)
        self.layers = plan.layers
        self.size = int(((plan.layers["n_in"] + 1) * plan.layers["n_out"]).sum())
        self.packed_size = plan.packed_size

    def new(self, slots=1):
        """Zeros for `slots` packed values a parameter."""
        return new_state(slots, self.packed_size, self.dtype)

    def pack(self, flat, packed):
        """Copy flat parameters, or `slots` of an optimizer's state, into packed ones."""
        self._repack(packed, flat, False)

    def unpack(self, packed, flat):
        """Copy packed parameters, or an optimizer's state, into flat ones."""
        self._repack(packed, flat, True)

    def packed_slots(self, slots):
        """The packed state of `slots`, an array (slots, size)."""
        flat = new_state(len(slots), self.size, self.dtype)
        slots_of(flat, self.size)[:] = slots
        packed = self.new(len(slots))
        self.pack(flat, packed)
        return packed

    def slots(self, packed):
        """The values of a packed state, an array (slots, size)."""
        slots = packed.size // slot_size(self.packed_size, self.dtype)
        flat = new_state(slots, self.size, self.dtype)
        self.unpack(packed, flat)
        return slots_of(flat, self.size)

    def _repack(self, packed, flat, unpacks):
        slots = packed.size // slot_size(self.packed_size, self.dtype)
        if slots:
            args = packed, flat, self.layers, slots, self.size, self.packed_size, unpacks
            _run(entries.repack, args, packed.size)


def copy(to, source):
    """to[:] = source, flat arrays of one size."""
    _run(entries.copy, (to, source), source.size)


def all_finite(array):
    """Whether all elements of a flat array are finite."""
    parts = np.zeros(_threads(array.size))
    _run(entries.all_finite, (array, parts), array.size)
    return not any(parts.tolist())


def _threads(size):
    return 1 if size < SHARED_SIZE else thread_count(None, size * MACS_PER_COPY)


def _run(entry, args, size):
    """Call an entry point that reads `size` elements."""
    if size < SHARED_SIZE:
        entry.call(*args, 0, 1)
    else:
        shared_pool().run(entry, args, _threads(size))
