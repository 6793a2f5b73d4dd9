"""The register tile: a small matrix product, with its result in registers over the whole
contraction.

    C[i, j] (+)= sum over k of A(i, k) * B[k, j]        i < rows, j < vectors * lanes

B and C are panels: PANEL elements per row. One element of A at a time is broadcast and multiplied
into the accumulators of its row. A has one of two layouts, which serve a layer's three products:

    columns:  A(i, k) = A[a + k * step + i]                                  columns of W
    panels:   A(i, k) = A[a + (k // PANEL) * step + i * PANEL + k % PANEL]   rows of packed W, or of
                                                                             samples in panels

Every element is one chain of fused multiply-adds over k in order, whatever the tile's shape. Its
bits therefore do not depend on how the work is split into tiles or among threads.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .memory import (
    check_range,
    load_vector,
    pointer,
    size_of,
    store_vector,
)
from .simd import I64, Lanes, fma, lanes_of, splat
from .target import TILE_ROWS as ROWS
from .target import TILE_VECTORS as VECTORS


def _loop(b, count, values, body):
    """Emit ``for k in range(count): values = body(k, values)`` for count >= 1.

    Returns the last values.
    """
    before = b.block
    loop = b.append_basic_block("k")
    after = b.append_basic_block("done")
    b.branch(loop)
    b.position_at_end(loop)
    k = b.phi(I64)
    phis = [b.phi(v.type) for v in values]
    new = body(k, phis)
    k_next = b.add(k, I64(1))
    k.add_incoming(I64(0), before)
    k.add_incoming(k_next, b.block)
    for phi, start, value in zip(phis, values, new, strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(value, b.block)
    b.cbranch(b.icmp_signed("<", k_next, count), loop, after)
    b.position_at_end(after)
    return new


def emit_product(b, rows, vectors, count, panel, layout, k, a, step, bp, values, at_block=None):
    """Emit the k-loop of one shape.

    rows, vectors : shape of the tile, Python numbers
    values : initial values of the accumulators, row by row
    at_block : called with the index of each panel of k in the layout "panels"

    Returns the accumulators' final values.
    """
    row = 1 if layout == "columns" else panel
    column = step if layout == "columns" else I64(1)

    def multiply_add(kk, values, a, bp):
        a_k = b.gep(a, [b.mul(kk, column)])
        b_k = b.gep(bp, [b.mul(kk, I64(panel))])
        bs = [load_vector(b, b.gep(b_k, [I64(j * count)]), count) for j in range(vectors)]
        new = []
        for i in range(rows):
            x = splat(b, b.load(b.gep(a_k, [I64(i * row)])), count)
            new += [fma(x, bs[j], Lanes(b, values[i * vectors + j])).value for j in range(vectors)]
        return new

    if layout == "columns":
        return _loop(b, k, values, lambda kk, v: multiply_add(kk, v, a, bp))
    blocks = b.sdiv(b.add(k, I64(panel - 1)), I64(panel))

    def block(q, values):
        left = b.sub(k, b.mul(q, I64(panel)))
        here = b.select(b.icmp_signed("<", left, I64(panel)), left, I64(panel))
        if at_block is not None:
            at_block(q)
        a_q = b.gep(a, [b.mul(q, step)])
        b_q = b.gep(bp, [b.mul(q, I64(panel * panel))])
        return _loop(b, here, values, lambda kk, v: multiply_add(kk, v, a_q, b_q))

    return _loop(b, blocks, values, block)


def emit_shapes(b, rows, vectors, emit):
    """Emit a switch over the run-time shape; ``emit(r, v)`` emits the code of the shape (r, v)."""
    done = b.append_basic_block("tile.done")
    shape = b.add(b.mul(b.sub(rows, I64(1)), I64(VECTORS)), b.sub(vectors, I64(1)))
    switch = b.switch(shape, done)
    for r in range(1, ROWS + 1):
        for v in range(1, VECTORS + 1):
            case = b.append_basic_block(f"tile.{r}x{v}")
            switch.add_case(I64((r - 1) * VECTORS + v - 1), case)
            b.position_at_end(case)
            emit(r, v)
            b.branch(done)
    b.position_at_end(done)


def zeros(address, count):
    return ir.Constant(ir.VectorType(address.type.pointee, count), [0.0] * count)


def panel_rows(b, cp, rows, vectors, count):
    """Addresses of the tile's vectors in the panel at `cp`, row by row."""
    return [
        b.gep(cp, [I64(i * count * VECTORS + j * count)])
        for i in range(rows)
        for j in range(vectors)
    ]


def _emit_tile(layout, context, b, kinds, args):
    """Emit the product with A in this layout; see `tile_columns` for the arguments."""
    c_array, c, first, a_array, a, step, b_array, bi, rows, vectors, k = args
    count = lanes_of(kinds[0].dtype)
    panel = count * VECTORS
    width = b.mul(vectors, I64(count))

    # Index checks of the checked build, then the addresses of the three matrices.
    check_range(context, b, size_of(context, b, kinds[0], c_array), c, I64(panel), rows, width)
    check_a = check_columns if layout == "columns" else check_panels
    check_a(context, b, size_of(context, b, kinds[3], a_array), a, step, rows, k, panel)
    check_range(context, b, size_of(context, b, kinds[6], b_array), bi, I64(panel), k, width)
    cp = pointer(context, b, kinds[0], c_array, c, I64(0))
    ap = pointer(context, b, kinds[3], a_array, a, I64(0))
    bp = pointer(context, b, kinds[6], b_array, bi, I64(0))

    def shape(r, v):
        at = panel_rows(b, cp, r, v, count)
        start = _start(b, first, at, count)
        values = emit_product(b, r, v, count, panel, layout, k, ap, step, bp, start)
        for p, value in zip(at, values, strict=True):
            store_vector(Lanes(b, value), p)

    emit_shapes(b, rows, vectors, shape)
    return context.get_dummy_value()


def check_columns(context, b, size, a, step, rows, k, panel):
    """The index check of A in the layout "columns"."""
    check_range(context, b, size, a, step, k, rows)


def check_panels(context, b, size, a, step, rows, k, panel):
    """The index check of A in the layout "panels"; the last panel may have fewer columns."""
    whole = b.sdiv(k, I64(panel))
    rest = b.srem(k, I64(panel))
    check_range(context, b, size, a, step, whole, b.mul(rows, I64(panel)))
    check_range(context, b, size, b.add(a, b.mul(whole, step)), I64(panel), rows, rest)


def _tile(layout):
    """The intrinsic that multiplies with A in this layout."""

    def definition(typingctx, c_array, c, first, a_array, a, step, b_array, bi, rows, vectors, k):
        i8 = types.int64
        signature = types.void(c_array, i8, types.boolean, a_array, i8, i8, b_array, i8, i8, i8, i8)
        return signature, lambda context, b, signature, args: _emit_tile(
            layout, context, b, signature.args, args
        )

    return intrinsic(definition)


# The product, stored to the panel at c[c]. Arguments (c_array, c, first, a_array, a, step, b_array,
# bi, rows, vectors, k):
#     first : whether the product replaces the panel's values; otherwise it is added to them
#     a, step : offset of A, and the distance of its columns or of its panels
#     bi : offset of B
tile_columns = _tile("columns")
tile_rows = _tile("panels")


def _start(b, first, at, count):
    """Zeros where `first`, else the vectors at the addresses `at`."""
    before = b.block
    resume = b.append_basic_block("resume")
    start = b.append_basic_block("start")
    b.cbranch(first, start, resume)
    b.position_at_end(resume)
    stored = [load_vector(b, p, count).value for p in at]
    b.branch(start)
    b.position_at_end(start)
    values = []
    for old in stored:
        phi = b.phi(old.type)
        phi.add_incoming(zeros(at[0], count), before)
        phi.add_incoming(old, resume)
        values.append(phi)
    return values
