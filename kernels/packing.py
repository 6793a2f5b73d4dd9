"""Between row-major parameters and packed ones (see plan.py), the same for optimizer state, copies
of it, and the check that all values are finite."""

from .jit import entry, kernel
from .memory import lane_sum, load, load_tail, slots_apart, store, store_tail
from .partition import element_range, split
from .simd import lanes, vector
from .spin_pool import block_at, fork_join, parallel_task
from .tile import VECTORS


@kernel
def pack_layer(packed, to, flat, at, rows, n, thread, n_threads):
    """`rows` rows of n columns from flat[at:] into the panels at packed[to:]."""
    panel = VECTORS * lanes(packed)
    for i in range(split(rows, thread, n_threads), split(rows, thread + 1, n_threads)):
        for j in range(0, n, lanes(packed)):
            here = to + (j // panel * rows + i) * panel + j % panel
            store(packed, here, load_tail(flat, at + i * n + j, n - j))


@kernel
def _unpack_layer(flat, at, packed, to, rows, n, thread, n_threads):
    panel = VECTORS * lanes(packed)
    for i in range(split(rows, thread, n_threads), split(rows, thread + 1, n_threads)):
        for j in range(0, n, lanes(packed)):
            here = to + (j // panel * rows + i) * panel + j % panel
            store_tail(flat, at + i * n + j, load(packed, here), n - j)


@kernel
def pack_layers(packed, flat, layers, thread, n_threads):
    """The parameters of all layers, one slot."""
    for i in range(layers.size):
        layer = layers[i]
        rows = layer.n_in + 1
        pack_layer(packed, layer.w, flat, layer.parameters, rows, layer.n_out, thread, n_threads)


@parallel_task
def _repack(packed, flat, layers, slots, size, packed_size, unpacks, thread, n_threads):
    for slot in range(slots):
        to = slot * slots_apart(packed, packed_size)
        at = slot * slots_apart(flat, size)
        for i in range(layers.size):
            layer = layers[i]
            w, p = to + layer.w, at + layer.parameters
            rows = layer.n_in + 1
            if unpacks:
                _unpack_layer(flat, p, packed, w, rows, layer.n_out, thread, n_threads)
            else:
                pack_layer(packed, w, flat, p, rows, layer.n_out, thread, n_threads)


@entry
def repack(packed, flat, layers, slots, size, packed_size, unpacks, address, n_threads):
    """Pack `flat` into `packed`, or where `unpacks` the reverse. Returns the number of threads.

    packed, flat : network's dtype, `slots` values for each of `packed_size` elements and of `size`
        parameters, see plan.new_state; the lanes of `packed` beyond n_out are zeros
    layers : abi.LAYER, of packed parameters
    address, n_threads : as for train.train
    """
    sync = block_at(address)
    task = _repack((packed, flat, layers, slots, size, packed_size, unpacks))
    return fork_join(sync, n_threads, task)


@parallel_task
def _all_finite(array, parts, thread, n_threads):
    first, end = element_range(array, thread, n_threads)
    n = lanes(array)
    a = vector(array, 0.0)
    b = vector(array, 0.0)
    whole = first + (end - first) // (2 * n) * 2 * n
    for i in range(first, whole, 2 * n):
        a = a + load(array, i) * 0.0
        b = b + load(array, i + n) * 0.0
    for i in range(whole, end, n):
        a = a + load_tail(array, i, end - i) * 0.0
    parts[thread] = lane_sum(a + b)


@entry
def all_finite(array, parts, address, n_threads):
    """parts[thread] = 0 for each thread with finite elements only: then each times 0 is 0, else
    NaN. Returns the number of threads.

    parts : float64 (n_threads,)
    """
    return fork_join(block_at(address), n_threads, _all_finite((array, parts)))


@parallel_task
def _copy(to, source, thread, n_threads):
    first, end = element_range(source, thread, n_threads)
    for i in range(first, end, lanes(source)):
        store_tail(to, i, load_tail(source, i, end - i), end - i)


@entry
def copy(to, source, address, n_threads):
    """to[:] = source, flat arrays of one size. Returns the number of threads."""
    return fork_join(block_at(address), n_threads, _copy((to, source)))
