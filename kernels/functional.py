"""Compiled entry points of single layer calls on the caller's row-major arrays.

The samples pass through panels like those of a net (see plan.py), a block of rows at a time:
transposed into lanes on the way in and back on the way out, which is O(rows x width) beside
products of O(rows x width x width). Between them stand the sweeps of dense.py and the formulas of
output.py. Here the bias is an array of its own and no row of W: z begins with it, and db is a sum
of its own. `work` is the calling thread's; its sections follow one another as the `*_size`
functions count them. Entry points that take a block (see standby.py), 0 for none, return how many
members have shared the work.
"""

from typing import NamedTuple

from .denormals import flush_denormals, restore_denormals
from .dense import backward, forward
from .gather import scatter_panel
from .jit import entry, kernel
from .memory import load, store
from .output import output_column
from .partition import block_sizes, ceil_div, first_row, first_tile, next_tile, split
from .plan import STRIP_SIZE, TOGETHER, panel_of
from .rules import load_tail, store_tail
from .simd import lanes, vector
from .spin_pool import block_at, fork_join, parallel_task
from .team import barrier
from .tile import ROWS, VECTORS, tile_panels
from .transpose import transpose
from .update import accumulate_gradient, store_gradient

BLOCK = 512  # rows at a time: bounds `work`
WIDEST = panel_of("float32")  # a panel of float64 is half as wide
PACK, TILE = STRIP_SIZE * TOGETHER, ROWS * WIDEST  # each member's own


class Layer(NamedTuple):
    """What the sweeps read of a layer: plan.py's LAYER."""

    n_in: int
    n_out: int
    activation: int
    parameters: int
    x: int
    x_rows: int
    a: int
    a_rows: int
    slopes: int
    dropout: float


def forward_size(n, n_in, n_out, n_threads):
    """Elements of `work` that `dense_forward` needs, at most."""
    return (min(n, BLOCK) + WIDEST) * (n_in + n_out) + n_threads * PACK


def backward_size(n, n_in, n_out, n_threads):
    """Elements of `work` that `dense_backward` needs, at most."""
    return (min(n, BLOCK) + WIDEST) * (2 * n_in + 2 * n_out + WIDEST) + n_threads * (PACK + TILE)


def output_size(k):
    """Elements of `work` that `output_delta` needs, at most."""
    return WIDEST * (3 * k + 2)


@kernel
def _block_rows(work, n):
    """Rows that a block's panels have room for."""
    panel = VECTORS * lanes(work)
    return ceil_div(min(n, BLOCK), panel) * panel


@kernel
def _gather(work, to, source, first, rows, n, thread, n_threads):
    """Rows first to first + rows of `source`, n features each, into panels."""
    panel = VECTORS * lanes(work)
    panels = ceil_div(rows, panel)
    for p in range(split(panels, thread, n_threads), split(panels, thread + 1, n_threads)):
        here = min(panel, rows - p * panel)
        transpose(
            work, to + p * n * panel, panel, panel, source, (first + p * panel) * n, n, here, n
        )


@kernel
def _scatter(out, work, a, first, rows, n, thread, n_threads):
    """The same back."""
    panel = VECTORS * lanes(work)
    panels = ceil_div(rows, panel)
    for p in range(split(panels, thread, n_threads), split(panels, thread + 1, n_threads)):
        scatter_panel(
            out, (first + p * panel) * n, work, a + p * n * panel, min(panel, rows - p * panel), n
        )


@kernel
def _begin_with_bias(work, z, b, rows, thread, n_threads):
    """The bias into every sample of z."""
    panel, n = VECTORS * lanes(work), b.size
    panels = ceil_div(rows, panel)
    for i in range(split(panels, thread, n_threads) * n, split(panels, thread + 1, n_threads) * n):
        bias = vector(work, b[i % n])
        for v in range(0, panel, lanes(work)):
            store(work, z + i * panel + v, bias)


@kernel
def _own_rows(work, rows, thread, n_threads):
    """The first panel of the rows that a member takes through a product, how many rows, and with
    whom: its number and members.

    Where panels go round evenly each member takes its own through by itself: nothing changes
    caches, and nobody waits.
    """
    panel = VECTORS * lanes(work)
    panels = ceil_div(rows, panel)
    if panels % n_threads and panels < 8 * n_threads:
        return 0, rows, thread, n_threads
    first = split(panels, thread, n_threads)
    return first, min(rows, split(panels, thread + 1, n_threads) * panel) - first * panel, 0, 1


@parallel_task
def _forward(out, x, W, b, work, activation, sync, thread, n_threads):
    panel = VECTORS * lanes(work)
    n, n_in, n_out, phase = x.shape[0], W.shape[0], W.shape[1], 0
    z = _block_rows(work, n) * n_in
    pack = z + _block_rows(work, n) * n_out + thread * PACK
    to, source, params = out.reshape(out.size), x.reshape(x.size), W.reshape(W.size)
    denormals = flush_denormals()
    for first in range(0, n, BLOCK):
        rows = min(BLOCK, n - first)
        p, own, number, others = _own_rows(work, rows, thread, n_threads)
        layer = Layer(
            n_in, n_out, activation, 0, p * n_in * panel, n_in, z + p * n_out * panel, n_out, 0, 0.0
        )
        _gather(work, 0, source, first, rows, n_in, thread, n_threads)
        _begin_with_bias(work, z, b, rows, thread, n_threads)
        if others > 1:
            phase = barrier(sync, n_threads, phase)
        forward(work, params, layer, True, False, own, pack, number, others)
        if others > 1:
            phase = barrier(sync, n_threads, phase)
        _scatter(to, work, z, first, rows, n_out, thread, n_threads)
        if first + BLOCK < n:
            phase = barrier(sync, n_threads, phase)
    restore_denormals(denormals)


@entry
def dense_forward(out, x, W, b, work, activation, block, n_threads):
    """out = f(x @ W + b)."""
    sync = block_at(block)
    return fork_join(sync, n_threads, _forward((out, x, W, b, work, activation, sync)))


@kernel
def _in_column_panels(work, to, height, source, first, rows, n, thread, n_threads):
    """Rows of `source` in panels of columns, `height` rows each: what the weights' product wants of
    delta."""
    panel = VECTORS * lanes(work)
    for r in range(split(rows, thread, n_threads), split(rows, thread + 1, n_threads)):
        for j in range(0, n, lanes(work)):
            here = to + (j // panel * height + r) * panel + j % panel
            store(work, here, load_tail(source, (first + r) * n + j, n - j))


@kernel
def _weights(work, dW, db, x, d, height, rows, n_in, n_out, later, tile, thread, n_threads):
    """dW and db of a block of rows, added to those of earlier blocks where this is a later one."""
    panel = VECTORS * lanes(work)
    blocks, columns = ceil_div(n_in, ROWS), ceil_div(n_out, panel)
    size, longer = block_sizes(n_in, blocks)
    item = split(blocks * columns, thread, n_threads)
    q, block, group, end, most = first_tile(item, blocks, columns, rows)
    for _ in range(item, split(blocks * columns, thread + 1, n_threads)):
        i0, i1 = first_row(block, size, longer), first_row(block + 1, size, longer)
        width, at = min(panel, n_out - q * panel), i0 * n_out + q * panel
        tile_panels(
            work,
            tile,
            work,
            x + i0 * panel,
            n_in * panel,
            work,
            d + q * height * panel,
            i1 - i0,
            width,
            rows,
            dW,
            dW,
            at,
            n_out,
            0.0,
            False,
            False,
        )
        if later:
            accumulate_gradient(dW, at, n_out, work, tile, i1 - i0, width)
        store_gradient(dW, at, n_out, work, tile, i1 - i0, width)
        q, block, group, end = next_tile(q, block, group, end, most, blocks, columns)
    vectors = ceil_div(n_out, lanes(work))
    for v in range(split(vectors, thread, n_threads), split(vectors, thread + 1, n_threads)):
        j = v * lanes(work)
        at, total = d + j // panel * height * panel + j % panel, vector(work, 0.0)
        for r in range(rows):
            total = total + load(work, at + r * panel)
        if later:
            total = total + load_tail(db, j, n_out - j)
        store_tail(db, j, total, n_out - j)


@parallel_task
def _backward(dW, db, below, delta, x, W, work, activation, sync, thread, n_threads):
    panel = VECTORS * lanes(work)
    n, n_in, n_out, room, phase = (
        x.shape[0],
        W.shape[0],
        W.shape[1],
        _block_rows(work, x.shape[0]),
        0,
    )
    # In `work`: panels of x, of delta, of the delta below, and delta in column panels; each
    # member's pack and tile.
    d, d_below = room * n_in, room * (n_in + n_out)
    delta_t = d_below + room * n_in
    pack = delta_t + room * ceil_div(n_out, panel) * panel + thread * (PACK + TILE)
    layer_below = Layer(0, n_in, activation, 0, 0, 0, 0, 0, 0, 0.0)
    to, source, params, to_below = (
        dW.reshape(dW.size),
        x.reshape(x.size),
        W.reshape(W.size),
        below.reshape(below.size),
    )
    above = delta.reshape(delta.size)
    denormals = flush_denormals()
    for first in range(0, n, BLOCK):
        rows = min(BLOCK, n - first)
        p, own, number, others = _own_rows(work, rows, thread, n_threads)
        _gather(work, 0, source, first, rows, n_in, thread, n_threads)
        _in_column_panels(work, delta_t, room, above, first, rows, n_out, thread, n_threads)
        if activation >= 0:
            _gather(work, d, above, first, rows, n_out, thread, n_threads)
        phase = barrier(sync, n_threads, phase)
        if activation >= 0:
            x_at, delta_at = p * n_in * panel, p * n_out * panel
            layer = Layer(n_in, n_out, 0, 0, x_at, n_in, 0, 0, 0, 0.0)
            backward(
                work,
                params,
                layer,
                layer_below,
                d + delta_at,
                d_below + x_at,
                own,
                pack,
                number,
                others,
            )
            if others == 1:
                _scatter(to_below, work, d_below, first, rows, n_in, thread, n_threads)
        _weights(
            work,
            to,
            db,
            0,
            delta_t,
            room,
            rows,
            n_in,
            n_out,
            first > 0,
            pack + PACK,
            thread,
            n_threads,
        )
        if activation >= 0 and others > 1:
            phase = barrier(sync, n_threads, phase)
            _scatter(to_below, work, d_below, first, rows, n_in, thread, n_threads)
        if first + BLOCK < n:
            phase = barrier(sync, n_threads, phase)
    restore_denormals(denormals)


@entry
def dense_backward(dW, db, below, delta, x, W, work, activation, block, n_threads):
    """dW = x.T @ delta, db = sum(delta), and unless `activation` is negative below = (delta @ W.T)
    * f'(x).

    `below` is not touched where it is not wanted.
    """
    sync = block_at(block)
    return fork_join(
        sync, n_threads, _backward((dW, db, below, delta, x, W, work, activation, sync))
    )


@entry
def output_delta(delta, z, targets, labels, work, output, loss, has_labels):
    """The mean loss of the rows of z, and its gradient with respect to z into `delta`, which may be
    z itself.

    targets : the shape of z, or anything where there are labels; labels : int64 (n,), or empty
    """
    panel, n, k = VECTORS * lanes(work), z.shape[0], z.shape[1]
    d, t = k * panel, 2 * k * panel
    number, scale, value = t + k * panel, t + (k + 1) * panel, 0.0
    to, source, wanted = delta.reshape(delta.size), z.reshape(z.size), targets.reshape(targets.size)
    denormals = flush_denormals()
    for first in range(0, n, panel):
        rows = min(panel, n - first)
        transpose(work, 0, panel, panel, source, first * k, k, rows, k)
        if not has_labels:
            transpose(work, t, panel, panel, wanted, first * k, k, rows, k)
        for r in range(panel):
            if has_labels:
                work[number + r] = labels[first + r] if r < rows else 0
            work[scale + r] = 1.0 / n if r < rows else 0.0
        for v in range(0, ceil_div(rows, lanes(work)) * lanes(work), lanes(work)):
            value += output_column(
                work, v, d + v, t + v, number + v, scale + v, k, output, loss, has_labels
            )
        scatter_panel(to, first * k, work, d, rows, k)
    restore_denormals(denormals)
    return value


@entry
def first_outside(labels, k):
    """The first place of a label that is none of 0..k-1, or -1."""
    for i in range(labels.size):
        if labels[i] < 0 or labels[i] >= k:
            return i
    return -1
