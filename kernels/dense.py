"""The three products of a dense layer, each with what follows it fused into the tile while it is
hot.

    forward    a = f(x @ W + b)                        (n_out, samples) = (n_out, n_in + 1) . (n_in + 1, samples)
    backward   delta_below = (delta @ W.T) * f'(a)     (n_in, samples)  = (n_in, n_out) . (n_out, samples)
    weights    dW, db = x.T @ delta, sum(delta)        (n_in + 1, n_out) = (n_in + 1, samples) . (samples, n_out)

Shapes are those of the panels (see plan.py): samples lie in lanes, the bias is one more row of W
met by a row of ones. Work is shared out by output tiles, so no two members write the same place and
no sum is split between them.
"""

from .activations import FIRST_GATED, activate, gated, slope
from .dropout import slope_through, unless_dropped
from .jit import always_inline, kernel
from .memory import load, store
from .partition import block_sizes, ceil_div, first_row, first_tile, next_tile, split, thread_range
from .plan import DEPTH, STRIP_SIZE, TOGETHER
from .simd import lanes
from .tile import PACK_WIDTH, ROWS, VECTORS, tile_columns, tile_packing, tile_panels
from .transpose import transpose
from .update import ADD, APPLYING, MORE, PLAIN, RATE, update_tile

# parameters that stay in the caches from one sweep to the next; asking for more gained 15 % at 1024
# x 1024
CACHED = 1 << 16


@kernel
def vectors_in(array, rows, panel_index):
    """Vectors of a panel that hold samples: a last panel that is half empty costs half."""
    n = lanes(array)
    return min(VECTORS, ceil_div(rows - panel_index * VECTORS * n, n))


@kernel
def product(c_array, c, first, a_array, a, step, b_array, b, rows, vectors, k):
    """The tile of both sweeps, here so that its many shapes are compiled once."""
    tile_columns(c_array, c, first, a_array, a, step, b_array, b, rows, vectors, k)


@kernel
def product_packing(c_array, c, first, a_array, a, step, b_array, b, rows, vectors, k, pack):
    """The same, packing A on the way."""
    tile_packing(c_array, c, first, a_array, a, step, b_array, b, rows, vectors, k, pack)


@kernel
def forward(work, params, layer, onto, keep_slopes, rows, pack, thread, n_threads):
    """Activations of one layer for `rows` samples; of the last layer the logits z.

    onto : whether z begins with what stands in its place, a bias that is no row of the parameters
    keep_slopes : whether slopes that are none of the outputs' go to the layer's `slopes`, for `backward`; said as a constant
    """
    always_inline()
    panel = VECTORS * lanes(work)
    panels, blocks = ceil_div(rows, panel), ceil_div(layer.n_out, ROWS)
    k, n = layer.x_rows, layer.n_out
    size, longer = block_sizes(n, blocks)
    block, p0, last_block, end = thread_range(blocks, panels, thread, n_threads)
    # Strips that serve one panel only need not be packed, unless they are to be asked for ahead of
    # time.
    packing = panels > 1 or params.size > CACHED
    while block < last_block or (block == last_block and p0 < end):
        p1 = panels if block < last_block else end
        together = min(TOGETHER, last_block - block) if p0 == 0 and p1 == panels else 1
        for k0 in range(0, k, DEPTH):
            depth = min(DEPTH, k - k0)
            for p in range(p0, p1):
                vectors, x = vectors_in(work, rows, p), layer.x + (p * k + k0) * panel
                for j in range(together):
                    i0, i1 = (
                        first_row(block + j, size, longer),
                        first_row(block + j + 1, size, longer),
                    )
                    to, strip = layer.a + (p * layer.a_rows + i0) * panel, pack + j * STRIP_SIZE
                    if not packing:
                        w = layer.parameters + k0 * n + i0
                        product(
                            work,
                            to,
                            k0 == 0 and not onto,
                            params,
                            w,
                            n,
                            work,
                            x,
                            i1 - i0,
                            vectors,
                            depth,
                        )
                    elif p == p0:
                        # The first panel's product packs the weights on its way, for the others to
                        # find them in the cache.
                        w = layer.parameters + k0 * n + i0
                        product_packing(
                            work,
                            to,
                            k0 == 0 and not onto,
                            params,
                            w,
                            n,
                            work,
                            x,
                            i1 - i0,
                            vectors,
                            depth,
                            strip,
                        )
                    else:
                        product(
                            work,
                            to,
                            k0 == 0 and not onto,
                            work,
                            strip,
                            PACK_WIDTH,
                            work,
                            x,
                            i1 - i0,
                            vectors,
                            depth,
                        )
                    if k0 + depth == k and layer.activation >= FIRST_GATED:
                        slopes = layer.slopes + (p * n + i0) * panel - to
                        for v in range(to, to + (i1 - i0) * panel, lanes(work)):
                            a, f = gated(layer.activation, load(work, v))
                            store(work, v, a)
                            if keep_slopes:
                                store(work, slopes + v, f)
                    elif k0 + depth == k and layer.activation != 0:
                        for v in range(to, to + (i1 - i0) * panel, lanes(work)):
                            store(work, v, activate(layer.activation, load(work, v)))
        block, p0 = block + together, 0


@kernel
def backward(work, params, layer, below, delta, delta_below, rows, pack, thread, n_threads):
    """delta of the layer below from this layer's delta, both (features, samples) panels."""
    always_inline()
    panel = VECTORS * lanes(work)
    panels, blocks = ceil_div(rows, panel), ceil_div(layer.n_in, ROWS)
    k, n = layer.n_out, layer.n_in
    size, longer = block_sizes(n, blocks)
    block, p0, last_block, end = thread_range(blocks, panels, thread, n_threads)
    while block < last_block or (block == last_block and p0 < end):
        p1 = panels if block < last_block else end
        together = min(TOGETHER, last_block - block) if p0 == 0 and p1 == panels else 1
        for k0 in range(0, k, DEPTH):
            depth = min(DEPTH, k - k0)
            for j in range(together):
                i0 = first_row(block + j, size, longer)
                # Whole vectors where there are that many rows: what lies beyond the block's own is
                # never looked at.
                above = min(PACK_WIDTH, layer.x_rows - i0)
                w = layer.parameters + i0 * k + k0
                transpose(
                    work, pack + j * STRIP_SIZE, PACK_WIDTH, PACK_WIDTH, params, w, k, above, depth
                )
            for p in range(p0, p1):
                vectors, d = vectors_in(work, rows, p), delta + (p * k + k0) * panel
                for j in range(together):
                    i0, i1 = (
                        first_row(block + j, size, longer),
                        first_row(block + j + 1, size, longer),
                    )
                    to, strip = delta_below + (p * n + i0) * panel, pack + j * STRIP_SIZE
                    product(
                        work, to, k0 == 0, work, strip, PACK_WIDTH, work, d, i1 - i0, vectors, depth
                    )
                    if k0 + depth == k and below.activation >= FIRST_GATED:
                        a, s = (
                            layer.x + (p * layer.x_rows + i0) * panel,
                            below.slopes + (p * n + i0) * panel,
                        )
                        kept = 1.0 / (1.0 - below.dropout)
                        for v in range(0, (i1 - i0) * panel, lanes(work)):
                            f = load(work, s + v)
                            if below.dropout != 0.0:
                                f = unless_dropped(f * kept, load(work, a + v))
                            store(work, to + v, load(work, to + v) * f)
                    elif k0 + depth == k and below.dropout != 0.0:
                        a = layer.x + (p * layer.x_rows + i0) * panel
                        for v in range(0, (i1 - i0) * panel, lanes(work)):
                            f = slope_through(
                                below.activation, load(work, a + v), 1.0 - below.dropout
                            )
                            store(work, to + v, load(work, to + v) * f)
                    elif k0 + depth == k and below.activation != 0:
                        a = layer.x + (p * layer.x_rows + i0) * panel
                        for v in range(0, (i1 - i0) * panel, lanes(work)):
                            f = slope(below.activation, load(work, a + v))
                            store(work, to + v, load(work, to + v) * f)
        block, p0 = block + together, 0


@kernel
def transpose_delta(work, layer, delta, delta_t, delta_t_rows, rows, thread, n_threads):
    """delta with features in lanes, for the weights' product: panels [features of a
    panel][sample][PANEL].

    Shared out by features, as `backward` made them and as the weights of a small layer are: they
    need not change caches.
    """
    always_inline()
    panel = VECTORS * lanes(work)
    panels, columns = ceil_div(rows, panel), ceil_div(layer.n_out, panel)
    for item in range(
        split(panels * columns, thread, n_threads), split(panels * columns, thread + 1, n_threads)
    ):
        q = item // panels if columns > 1 else 0
        p = item - q * panels
        to, d = (
            delta_t + (q * delta_t_rows + p * panel) * panel,
            delta + (p * layer.n_out + q * panel) * panel,
        )
        features = min(panel, layer.n_out - q * panel)
        width = ceil_div(features, lanes(work)) * lanes(work)
        transpose(work, to, panel, width, work, d, panel, features, panel)


@kernel
def weights(
    work,
    layer,
    delta_t,
    delta_t_rows,
    rows,
    tile,
    params,
    state,
    gradient,
    sums,
    first_sum,
    step,
    thread,
    n_threads,
):
    """dW and db of one layer tile by tile, each handed to the update rule while it is hot. Returns
    the tiles of the layer.

    In a step's part that applies a gradient the products have been made: only the update is left.
    """
    always_inline()
    panel = VECTORS * lanes(work)
    k = layer.x_rows
    blocks, columns = ceil_div(k, ROWS), ceil_div(layer.n_out, panel)
    size, longer = block_sizes(k, blocks)
    item, last = (
        split(blocks * columns, thread, n_threads),
        split(blocks * columns, thread + 1, n_threads),
    )
    q, block, group, end, most = first_tile(item, blocks, columns, rows)
    descend = step[PLAIN] != 0 and step[ADD] == 0 and step[MORE] == 0
    while item < last:
        i0, i1 = first_row(block, size, longer), first_row(block + 1, size, longer)
        width = min(panel, layer.n_out - q * panel)
        x, d = layer.x + i0 * panel, delta_t + q * delta_t_rows * panel
        at = layer.parameters + i0 * layer.n_out + q * panel
        if step[APPLYING] == 0:
            tile_panels(
                work,
                tile,
                work,
                x,
                k * panel,
                work,
                d,
                i1 - i0,
                width,
                rows,
                params,
                state,
                at,
                layer.n_out,
                step[RATE],
                descend,
                params.size > CACHED,
            )
        if not descend:
            penalised = min(i1, layer.n_in) - i0
            update_tile(
                params,
                state,
                gradient,
                at,
                layer.n_out,
                work,
                tile,
                i1 - i0,
                penalised,
                width,
                sums,
                first_sum + item,
                step,
            )
        item += 1
        q, block, group, end = next_tile(q, block, group, end, most, blocks, columns)
    return blocks * columns
