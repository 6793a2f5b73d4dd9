"""Compiled entry points of single layer calls on the caller's row-major arrays.

The samples pass through panels like those of a network (see plan.py), a block of rows at a time.
They are transposed into lanes on the way in and back on the way out: O(rows x width) beside
products of O(rows x width x width). In between, the passes of dense.py and the formulas of
output.py apply. The bias is an array of its own, not a row of W: z begins with it, and db is summed
separately. `work` belongs to the calling thread; its sections follow one another as the functions
of workspace.py count them. Entry points that take a block's address (see block.py; 0 for none)
return the number of threads that shared the work.
"""

from typing import NamedTuple

from . import abi
from .denormals import flush_denormals, restore_denormals
from .dense import backward, forward
from .gather import scatter_panel
from .jit import entry, kernel
from .memory import load, load_tail, store, store_tail
from .packing import pack_layer
from .partition import block_sizes, blocks_per_group, ceil_div, first_row, split, thread_range
from .simd import lanes, vector
from .single_row import activate_row, multiply_row
from .spin_pool import block_at, fork_join, parallel_task
from .team import barrier
from .tile import ROWS, VECTORS
from .transpose import transpose
from .update import accumulate_gradient, store_gradient
from .weights_tile import tile_panels
from .workspace import BLOCK, TILE_SIZE

STORES_SLOPES = tuple(abi.STORES_SLOPES)


class Layer(NamedTuple):
    """The fields of abi.LAYER that the passes of dense.py read."""

    n_in: int
    n_out: int
    activation: int
    stores_slopes: bool
    parameters: int
    w: int
    w_row: int
    w_panel: int
    x: int
    x_rows: int
    a: int
    a_rows: int
    slopes: int
    dropout: float


@kernel
def _block_rows(work, n):
    """Rows of a block's panels, empty lanes included."""
    panel = VECTORS * lanes(work)
    return ceil_div(min(n, BLOCK), panel) * panel


@kernel
def _gather(work, to, source, first, rows, n, thread, n_threads):
    """The samples first to first + rows - 1 of `source` (n_samples, n) into panels at `to`."""
    panel = VECTORS * lanes(work)
    panels = ceil_div(rows, panel)
    for p in range(split(panels, thread, n_threads), split(panels, thread + 1, n_threads)):
        here = min(panel, rows - p * panel)
        transpose(
            work, to + p * n * panel, panel, panel, source, (first + p * panel) * n, n, here, n
        )


@kernel
def _scatter(out, work, a, first, rows, n, thread, n_threads):
    """Panels at `a` into the samples first to first + rows - 1 of `out` (n_samples, n)."""
    panel = VECTORS * lanes(work)
    panels = ceil_div(rows, panel)
    for p in range(split(panels, thread, n_threads), split(panels, thread + 1, n_threads)):
        scatter_panel(
            out, (first + p * panel) * n, work, a + p * n * panel, min(panel, rows - p * panel), n
        )


@kernel
def _begin_with_bias(work, z, b, rows, thread, n_threads):
    """The bias (n,) into every sample of z (n, rows)."""
    panel = VECTORS * lanes(work)
    n = b.size
    panels = ceil_div(rows, panel)
    for i in range(split(panels, thread, n_threads) * n, split(panels, thread + 1, n_threads) * n):
        bias = vector(work, b[i % n])
        for v in range(0, panel, lanes(work)):
            store(work, z + i * panel + v, bias)


@kernel
def _own_rows(work, rows, thread, n_threads):
    """The rows that a thread takes through a product: first panel and number of rows; then the
    thread's number and the number of threads that share these rows.

    Where panels divide evenly each thread takes its own alone: nothing moves between caches, and no
    barrier is needed.
    """
    panel = VECTORS * lanes(work)
    panels = ceil_div(rows, panel)
    if panels % n_threads and panels < 8 * n_threads:
        return 0, rows, thread, n_threads
    first = split(panels, thread, n_threads)
    end = min(rows, split(panels, thread + 1, n_threads) * panel)
    return first, end - first * panel, 0, 1


@kernel
def _forward_row(out, x, W, b, work, n_in, n_out, activation):
    """`_forward` of one row, with features in the lanes: the same bits, without a transpose and
    without empty lanes."""
    stores = activation in STORES_SLOPES
    layer = Layer(n_in, n_out, activation, stores, 0, 0, 0, 0, 0, n_in, n_in, n_out, 0, 0.0)
    for i in range(n_in):
        work[i] = x[i]
    for j in range(0, n_out, lanes(work)):
        store(work, n_in + j, load_tail(b, j, n_out - j))
    multiply_row(work, W, layer, n_in)
    activate_row(work, layer)
    for j in range(0, n_out, lanes(work)):
        store_tail(out, j, load(work, n_in + j), n_out - j)


@parallel_task
def _forward(out, x, W, b, work, n, n_in, n_out, activation, sync, thread, n_threads):
    panel = VECTORS * lanes(work)
    phase = 0
    # Sections of `work`: panels of x at 0, panels of z, packed W.
    z = _block_rows(work, n) * n_in
    w = z + _block_rows(work, n) * n_out
    # W is packed where more than one panel of samples reads it.
    packs = n > panel
    w_row, w_panel = (panel, n_in * panel) if packs else (n_out, panel)
    read, w = (work, w) if packs else (W, 0)
    denormals = flush_denormals()
    if packs:
        pack_layer(work, w, W, 0, n_in, n_out, thread, n_threads)
        phase = barrier(sync, n_threads, phase)
    if n == 1 and thread == 0:
        _forward_row(out, x, W, b, work, n_in, n_out, activation)
    for first in range(0, n if n > 1 else 0, BLOCK):
        rows = min(BLOCK, n - first)
        p, own, number, sharing = _own_rows(work, rows, thread, n_threads)
        x_at = p * n_in * panel
        a_at = z + p * n_out * panel
        stores = activation in STORES_SLOPES
        layer = Layer(
            n_in, n_out, activation, stores, 0, w, w_row, w_panel, x_at, n_in, a_at, n_out, 0, 0.0
        )

        # The rows into panels, the bias into z, the product; the outputs back into rows.
        _gather(work, 0, x, first, rows, n_in, thread, n_threads)
        _begin_with_bias(work, z, b, rows, thread, n_threads)
        if sharing > 1:
            phase = barrier(sync, n_threads, phase)
        forward(work, read, layer, True, False, own, number, sharing)
        if sharing > 1:
            phase = barrier(sync, n_threads, phase)
        _scatter(out, work, z, first, rows, n_out, thread, n_threads)
        if first + BLOCK < n:
            phase = barrier(sync, n_threads, phase)
    restore_denormals(denormals)


@entry
def dense_forward(out, x, W, b, work, n, n_in, n_out, activation, address, n_threads):
    """out = f(x @ W + b); shapes (n, n_out), (n, n_in), (n_in, n_out), (n_out,)."""
    sync = block_at(address)
    task = _forward((out, x, W, b, work, n, n_in, n_out, activation, sync))
    return fork_join(sync, n_threads, task)


@kernel
def _in_column_panels(work, to, height, source, first, rows, n, thread, n_threads):
    """The rows first to first + rows - 1 of `source` into column panels of `height` rows each: the
    layout of delta in the weights' product."""
    panel = VECTORS * lanes(work)
    for r in range(split(rows, thread, n_threads), split(rows, thread + 1, n_threads)):
        for j in range(0, n, lanes(work)):
            here = to + (j // panel * height + r) * panel + j % panel
            store(work, here, load_tail(source, (first + r) * n + j, n - j))


@kernel
def _weights(work, dW, db, x, d, height, rows, n_in, n_out, later, tile, thread, n_threads):
    """dW and db of a block of rows.

    x, d : offsets in `work` of panels of x, and of column panels of delta with `height` rows each
    later : whether dW and db of earlier blocks are added
    """
    panel = VECTORS * lanes(work)
    blocks = ceil_div(n_in, ROWS)
    size, longer = block_sizes(n_in, blocks)
    q0, block0, last_q, end = thread_range(ceil_div(n_out, panel), blocks, thread, n_threads)
    group = blocks_per_group(rows)
    for group0 in range(0, blocks, group):
        for q in range(q0, last_q + 1):
            first = max(group0, block0 if q == q0 else 0)
            last = min(group0 + group, blocks if q < last_q else end)
            width = min(panel, n_out - q * panel)
            for block in range(first, last):
                i0 = first_row(block, size, longer)
                i1 = first_row(block + 1, size, longer)
                at = i0 * n_out + q * panel
                tile_panels(
                    work,
                    tile,
                    work,
                    x + i0 * panel,
                    n_in * panel,
                    work,
                    d + q * height * panel,
                    i1 - i0,
                    ceil_div(width, lanes(work)),
                    rows,
                    dW,
                    dW,
                    0,
                    0.0,
                    False,
                    False,
                )
                if later:
                    accumulate_gradient(dW, at, n_out, work, tile, i1 - i0, width)
                store_gradient(dW, at, n_out, work, tile, i1 - i0, width)

    # db: the sum over the rows, a vector of outputs at a time.
    vectors = ceil_div(n_out, lanes(work))
    for v in range(split(vectors, thread, n_threads), split(vectors, thread + 1, n_threads)):
        j = v * lanes(work)
        at = d + j // panel * height * panel + j % panel
        total = vector(work, 0.0)
        for r in range(rows):
            total = total + load(work, at + r * panel)
        if later:
            total = total + load_tail(db, j, n_out - j)
        store_tail(db, j, total, n_out - j)


@parallel_task
def _backward(
    dW, db, below, delta, x, W, work, n, n_in, n_out, activation, sync, thread, n_threads
):
    panel = VECTORS * lanes(work)
    height = _block_rows(work, n)
    phase = 0
    # Sections of `work`: panels of x at 0, of delta, of the delta below; delta in column panels;
    # packed W; each thread's gradient tile.
    d = height * n_in
    d_below = d + height * n_out
    delta_t = d_below + height * n_in
    w = delta_t + height * ceil_div(n_out, panel) * panel
    tile = w + n_in * ceil_div(n_out, panel) * panel + thread * TILE_SIZE
    layer_below = Layer(0, n_in, activation, False, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0)
    denormals = flush_denormals()
    if activation >= 0:
        pack_layer(work, w, W, 0, n_in, n_out, thread, n_threads)
    for first in range(0, n, BLOCK):
        rows = min(BLOCK, n - first)
        p, own, number, sharing = _own_rows(work, rows, thread, n_threads)

        # The rows of x and delta into panels.
        _gather(work, 0, x, first, rows, n_in, thread, n_threads)
        _in_column_panels(work, delta_t, height, delta, first, rows, n_out, thread, n_threads)
        if activation >= 0:
            _gather(work, d, delta, first, rows, n_out, thread, n_threads)
        phase = barrier(sync, n_threads, phase)

        # The delta below, unless `activation` is negative, then dW and db. Threads that share rows
        # copy the delta below out only after a barrier.
        if activation >= 0:
            x_at = p * n_in * panel
            delta_at = p * n_out * panel
            layer = Layer(
                n_in, n_out, 0, False, 0, w, panel, n_in * panel, x_at, n_in, 0, 0, 0, 0.0
            )
            backward(
                work, work, layer, layer_below, d + delta_at, d_below + x_at, own, number, sharing
            )
            if sharing == 1:
                _scatter(below, work, d_below, first, rows, n_in, thread, n_threads)
        _weights(
            work,
            dW,
            db,
            0,
            delta_t,
            height,
            rows,
            n_in,
            n_out,
            first > 0,
            tile,
            thread,
            n_threads,
        )
        if activation >= 0 and sharing > 1:
            phase = barrier(sync, n_threads, phase)
            _scatter(below, work, d_below, first, rows, n_in, thread, n_threads)
        if first + BLOCK < n:
            phase = barrier(sync, n_threads, phase)
    restore_denormals(denormals)


@entry
def dense_backward(
    dW, db, below, delta, x, W, work, n, n_in, n_out, activation, address, n_threads
):
    """dW = x.T @ delta (n_in, n_out) and db = sum(delta) (n_out,).

    Unless `activation` is negative also below = (delta @ W.T) * f'(x), (n, n_in).
    """
    sync = block_at(address)
    return fork_join(
        sync,
        n_threads,
        _backward((dW, db, below, delta, x, W, work, n, n_in, n_out, activation, sync)),
    )
