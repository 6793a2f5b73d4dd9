"""The three products of a dense layer, each with what follows it applied to a tile while it is hot.

    forward    a = f(x @ W + b)
               (n_out, samples) = (n_out, n_in + 1) . (n_in + 1, samples)
    backward   delta_below = (delta @ W.T) * f'(a)
               (n_in, samples) = (n_in, n_out) . (n_out, samples)
    weights    dW, db = x.T @ delta, sum(delta)
               (n_in + 1, n_out) = (n_in + 1, samples) . (samples, n_out)

Shapes are those of the panels (see plan.py): samples lie in lanes, the bias is one more row of W
that meets a row of ones. Threads share the work by output tiles, so no two threads write the same
element and no sum is split between threads. In `forward` and `weights` a thread's share is a range
of columns of W, so that its caches keep the panels that it updates.
"""

from .activations import activate, activate_with_slope, slope
from .dropout import slope_through, unless_dropped
from .jit import always_inline, kernel
from .memory import load, store
from .partition import (
    block_sizes,
    blocks_per_group,
    ceil_div,
    column_block,
    column_blocks,
    first_row,
    split,
    thread_range,
)
from .plan import DEPTH
from .simd import lanes
from .tile import ROWS, VECTORS, tile_columns, tile_rows
from .transpose import transpose
from .update import update_tile
from .weights_tile import tile_panels

# Parameters that stay in the caches from one pass to the next. Prefetching where there are more
# gained 15 % at 1024 x 1024.
CACHED_PARAMETERS = 1 << 16
# Blocks of rows that use a panel of delta while it is in the second-level cache.
BLOCKS_PER_PANEL = 4


@kernel
def vectors_in(array, rows, panel_index):
    """Vectors of a panel that hold samples: a last panel that is half empty costs half."""
    n = lanes(array)
    return min(VECTORS, ceil_div(rows - panel_index * VECTORS * n, n))


@kernel
def product(c_array, c, first, a_array, a, step, b_array, b, rows, vectors, k):
    """`tile_columns` as a function, so that its many shapes are compiled once."""
    tile_columns(c_array, c, first, a_array, a, step, b_array, b, rows, vectors, k)


@kernel
def product_of_rows(c_array, c, first, a_array, a, step, b_array, b, rows, vectors, k):
    """`tile_rows` as a function."""
    tile_rows(c_array, c, first, a_array, a, step, b_array, b, rows, vectors, k)


@kernel
def forward(work, params, layer, adds_to_z, writes_slopes, rows, thread, n_threads):
    """Activations (n_out, rows) of one layer; the logits z for the output layer.

    params : packed or row-major, as the layer's fields say
    adds_to_z : whether the product is added to what is stored at z, a bias outside the parameters
    writes_slopes : compile-time flag: store activation derivatives that cannot be computed from the
        output, for `backward`
    """
    always_inline()
    panel = VECTORS * lanes(work)
    panels = ceil_div(rows, panel)
    k = layer.x_rows
    n = layer.n_out
    blocks = column_blocks(n, panel)
    per_panel = ceil_div(panel, ROWS)
    block, p0, last_block, end = thread_range(blocks, panels, thread, n_threads)

    # The thread's share of blocks x panels: block by block of W's columns, those of one panel
    # together for all panels of x.
    while block < last_block or (block == last_block and p0 < end):
        p1 = panels if block < last_block else end
        q = block // per_panel
        group = min((q + 1) * per_panel, last_block) - block if p0 == 0 and p1 == panels else 1
        # The contraction in strips of DEPTH rows of W.
        for k0 in range(0, k, DEPTH):
            depth = min(DEPTH, k - k0)
            first = k0 == 0 and not adds_to_z
            is_last = k0 + depth == k
            strip = layer.w + q * layer.w_panel + k0 * layer.w_row
            for p in range(p0, p1):
                vectors = vectors_in(work, rows, p)
                x = layer.x + (p * k + k0) * panel
                for j in range(block, block + group):
                    i0, i1 = column_block(j, n, panel)
                    to = layer.a + (p * layer.a_rows + i0) * panel
                    w = strip + i0 - q * panel
                    product(
                        work, to, first, params, w, layer.w_row, work, x, i1 - i0, vectors, depth
                    )

                    # Epilogue, when z is complete: the activation, and its slope where it is
                    # stored. Code 0 is the identity.
                    if is_last and layer.stores_slopes:
                        slopes = layer.slopes + (p * n + i0) * panel - to
                        for v in range(to, to + (i1 - i0) * panel, lanes(work)):
                            a, f = activate_with_slope(layer.activation, load(work, v))
                            store(work, v, a)
                            if writes_slopes:
                                store(work, slopes + v, f)
                    elif is_last and layer.activation != 0:
                        for v in range(to, to + (i1 - i0) * panel, lanes(work)):
                            store(work, v, activate(layer.activation, load(work, v)))
        block += group
        p0 = 0


@kernel
def backward(work, params, layer, below, delta, delta_below, rows, thread, n_threads):
    """delta (n_in, rows) of the layer below from this layer's delta (n_out, rows).

    params : packed
    layer, below : this layer, and the one below, which has the activation
    delta, delta_below : offsets in `work`
    """
    always_inline()
    panel = VECTORS * lanes(work)
    panels = ceil_div(rows, panel)
    blocks = ceil_div(layer.n_in, ROWS)
    k = layer.n_out
    n = layer.n_in
    size, longer = block_sizes(n, blocks)
    block, p0, last_block, end = thread_range(blocks, panels, thread, n_threads)

    # The thread's share of blocks x panels, as in `forward`, with blocks of W's rows.
    while block < last_block or (block == last_block and p0 < end):
        p1 = panels if block < last_block else end
        group = min(BLOCKS_PER_PANEL, last_block - block) if p0 == 0 and p1 == panels else 1
        for k0 in range(0, k, DEPTH):
            depth = min(DEPTH, k - k0)
            is_last = k0 + depth == k
            strip = layer.w + k0 // panel * layer.w_panel
            for p in range(p0, p1):
                vectors = vectors_in(work, rows, p)
                d = delta + (p * k + k0) * panel
                for j in range(group):
                    i0 = first_row(block + j, size, longer)
                    i1 = first_row(block + j + 1, size, longer)
                    to = delta_below + (p * n + i0) * panel
                    w = strip + i0 * panel
                    product_of_rows(
                        work,
                        to,
                        k0 == 0,
                        params,
                        w,
                        layer.w_panel,
                        work,
                        d,
                        i1 - i0,
                        vectors,
                        depth,
                    )

                    # Epilogue, when delta_below is complete: multiply by the derivative of the
                    # activation below, stored or computed from the output, and by the
                    # dropout mask.
                    a = layer.x + (p * layer.x_rows + i0) * panel
                    if is_last and below.stores_slopes:
                        s = below.slopes + (p * n + i0) * panel
                        scale = 1.0 / (1.0 - below.dropout)
                        for v in range(0, (i1 - i0) * panel, lanes(work)):
                            f = load(work, s + v)
                            if below.dropout != 0.0:
                                f = unless_dropped(f * scale, load(work, a + v))
                            store(work, to + v, load(work, to + v) * f)
                    elif is_last and below.dropout != 0.0:
                        share = 1.0 - below.dropout
                        for v in range(0, (i1 - i0) * panel, lanes(work)):
                            f = slope_through(below.activation, load(work, a + v), share)
                            store(work, to + v, load(work, to + v) * f)
                    elif is_last and below.activation != 0:
                        for v in range(0, (i1 - i0) * panel, lanes(work)):
                            f = slope(below.activation, load(work, a + v))
                            store(work, to + v, load(work, to + v) * f)
        block += group
        p0 = 0


@kernel
def transpose_delta(work, layer, delta, delta_t, delta_t_rows, rows, thread, n_threads):
    """delta with features in lanes, for the weights' product.

    delta : offset in `work` of panels [panel][n_out][PANEL] of samples
    delta_t : offset in `work` of panels [column panel][delta_t_rows][PANEL] of features, written

    Threads share it by features, as they share `backward` and the weights of a small layer, so the
    values stay in their caches.
    """
    always_inline()
    panel = VECTORS * lanes(work)
    panels = ceil_div(rows, panel)
    columns = ceil_div(layer.n_out, panel)
    items = panels * columns
    for item in range(split(items, thread, n_threads), split(items, thread + 1, n_threads)):
        q = item // panels if columns > 1 else 0
        p = item - q * panels
        to = delta_t + (q * delta_t_rows + p * panel) * panel
        d = delta + (p * layer.n_out + q * panel) * panel
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
    step,
    thread,
    n_threads,
):
    """dW and db (n_in + 1, n_out) of one layer, tile by tile; each tile goes to the update rule.

    delta_t, delta_t_rows : as of `transpose_delta`
    tile : offset in `work` of the thread's gradient tile
    params, state : packed

    In the second pass of a step that limits the gradient's norm the gradient is stored already, and
    only the update is made.
    """
    always_inline()
    panel = VECTORS * lanes(work)
    k = layer.x_rows
    n = layer.n_out
    blocks = ceil_div(k, ROWS)
    size, longer = block_sizes(k, blocks)
    # The thread's share of columns x blocks, panel by panel of columns.
    q0, block0, last_q, end = thread_range(ceil_div(n, panel), blocks, thread, n_threads)
    # Plain gradient descent is applied to the product's registers.
    plain = step.plain and not step.accumulate and not step.incomplete
    prefetches = params.size > CACHED_PARAMETERS
    group = blocks_per_group(rows)
    for group0 in range(0, blocks, group):
        for q in range(q0, last_q + 1):
            first = max(group0, block0 if q == q0 else 0)
            last = min(group0 + group, blocks if q < last_q else end)
            width = min(panel, n - q * panel)
            for block in range(first, last):
                i0 = first_row(block, size, longer)
                i1 = first_row(block + 1, size, longer)
                at = layer.w + q * layer.w_panel + i0 * panel
                if not step.apply_stored:
                    tile_panels(
                        work,
                        tile,
                        work,
                        layer.x + i0 * panel,
                        k * panel,
                        work,
                        delta_t + q * delta_t_rows * panel,
                        i1 - i0,
                        ceil_div(width, lanes(work)),
                        rows,
                        params,
                        state,
                        at,
                        step.rate,
                        plain,
                        prefetches,
                    )
                if not plain:
                    update_tile(
                        params,
                        state,
                        gradient,
                        at,
                        layer.parameters + i0 * n + q * panel,
                        n,
                        work,
                        tile,
                        i1 - i0,
                        min(i1, layer.n_in) - i0,
                        width,
                        step,
                    )
