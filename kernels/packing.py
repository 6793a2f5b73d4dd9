"""Between row-major parameters and packed ones (see plan.py), the same for optimizer state, and the
check that all of them are finite."""

from .jit import entry, kernel
from .memory import lane_sum, load, load_tail, slots_apart, store, store_tail
from .partition import split
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


@entry
def all_finite(array):
    """Whether all elements are finite: then each times 0 is 0."""
    n = lanes(array)
    a = vector(array, 0.0)
    b = vector(array, 0.0)
    whole = array.size // (2 * n) * 2 * n
    for i in range(0, whole, 2 * n):
        a = a + load(array, i) * 0.0
        b = b + load(array, i + n) * 0.0
    for i in range(whole, array.size, n):
        a = a + load_tail(array, i, array.size - i) * 0.0
    return lane_sum(a + b) == 0.0
