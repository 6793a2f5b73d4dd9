"""The register tile: a small matrix product whose result stays in registers over the whole
contraction.

    C[i, j] (+)= sum over k of A(i, k) * B[k, j]        i < rows, j < vectors * LANES

B and C are panels: PANEL elements a row. One element of A at a time is broadcast and multiplied
into the row's accumulators. A comes in two layouts, which serve the three products of a layer:

    columns:  A(i, k) = A[a + k * step + i]                                  weights, as they are or packed
    panels:   A(i, k) = A[a + (k // PANEL) * step + i * PANEL + k % PANEL]   activations, rows of samples

Every element is one chain of fused multiply-adds over k in order, whatever the tile's shape: so its
bits do not depend on how the work is cut into tiles or shared out among threads.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from . import cpu_features
from .memory import (
    check_range,
    first_lanes,
    load_masked,
    load_vector,
    pointer,
    prefetch,
    size_of,
    store_masked,
    store_vector,
)
from .simd import I1, I64, Lanes, fma, lanes_of, splat

ROWS = cpu_features.TILE_ROWS
VECTORS = cpu_features.TILE_VECTORS
PREFETCH_TILE_ROWS = 4  # rows of the parameters' tile asked for in each block of samples
SLOTS = 2  # values of state a parameter, at most
# a packed row of A: whole vectors of either dtype
PACK_WIDTH = -(-4 * ROWS // cpu_features.VECTOR_BYTES) * (cpu_features.VECTOR_BYTES // 4)
# rows of A asked for before they are packed: they lie a row apart, which no hardware prefetcher
# follows
PREFETCH_ROWS = 16


def _loop(b, count, values, body):
    """Emit ``for k in range(count): values = body(k, values)`` for count ≥ 1; returns the last
    values."""
    before, loop, after = b.block, b.append_basic_block("k"), b.append_basic_block("done")
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


def _pack_row(b, rows, count, a_k, step, to):
    """Copy one row of A, and ask for one that comes later."""
    for i in range(0, rows, count):
        at, wanted = b.gep(a_k, [I64(i)]), min(count, rows - i)
        mask = ir.Constant(ir.VectorType(I1, count), [int(lane < wanted) for lane in range(count)])
        row = (
            load_vector(b, at, count).value if wanted == count else load_masked(b, at, count, mask)
        )
        store_vector(Lanes(b, row), b.gep(to, [I64(i)]))
    later = b.gep(a_k, [b.mul(step, I64(PREFETCH_ROWS))])
    prefetch(b, later)
    prefetch(b, b.gep(later, [I64(rows - 1)]))


def _product(
    b, rows, vectors, count, panel, layout, k, a, step, bp, values, pack=None, at_block=None
):
    """Emit the k-loop of one shape: returns the accumulators' values."""
    row = 1 if layout == "columns" else panel
    column = step if layout == "columns" else I64(1)

    def multiply_add(kk, values, a, bp):
        a_k, b_k = b.gep(a, [b.mul(kk, column)]), b.gep(bp, [b.mul(kk, I64(panel))])
        bs = [load_vector(b, b.gep(b_k, [I64(j * count)]), count) for j in range(vectors)]
        new = []
        if pack is not None:
            _pack_row(b, rows, count, a_k, step, b.gep(pack, [b.mul(kk, I64(PACK_WIDTH))]))
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
        at_block(q)
        a_q, b_q = b.gep(a, [b.mul(q, step)]), b.gep(bp, [b.mul(q, I64(panel * panel))])
        return _loop(b, here, values, lambda kk, v: multiply_add(kk, v, a_q, b_q))

    return _loop(b, blocks, values, block)


def _shapes(b, rows, vectors, emit):
    """Branch to the code that ``emit(rows, vectors)`` makes for each shape of the tile: sizes known
    only when it runs."""
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


def _zero(address, count):
    return ir.Constant(ir.VectorType(address.type.pointee, count), [0.0] * count)


def _panel_rows(b, cp, rows, vectors, count):
    """Addresses of the tile's vectors in a panel."""
    return [
        b.gep(cp, [I64(i * count * VECTORS + j * count)])
        for i in range(rows)
        for j in range(vectors)
    ]


def _emit_columns(context, b, kinds, args, pack=None):
    c_array, c, first, a_array, a, step, b_array, bi, rows, vectors, k = args
    count = lanes_of(kinds[0].dtype)
    panel, wide = count * VECTORS, b.mul(vectors, I64(count))
    check_range(context, b, size_of(context, b, kinds[0], c_array), c, I64(panel), rows, wide)
    check_range(context, b, size_of(context, b, kinds[3], a_array), a, step, k, rows)
    check_range(context, b, size_of(context, b, kinds[6], b_array), bi, I64(panel), k, wide)
    cp = pointer(context, b, kinds[0], c_array, c, I64(0))
    ap = pointer(context, b, kinds[3], a_array, a, I64(0))
    bp = pointer(context, b, kinds[6], b_array, bi, I64(0))
    if pack is not None:
        pack = pointer(context, b, kinds[0], c_array, pack, b.mul(k, I64(PACK_WIDTH)))

    def shape(r, v):
        at = _panel_rows(b, cp, r, v, count)
        values = _product(
            b, r, v, count, panel, "columns", k, ap, step, bp, _start(b, first, at, count), pack
        )
        for p, value in zip(at, values, strict=True):
            store_vector(Lanes(b, value), p)

    _shapes(b, rows, vectors, shape)
    return context.get_dummy_value()


@intrinsic
def tile_columns(typingctx, c_array, c, first, a_array, a, step, b_array, bi, rows, vectors, k):
    """The product with A in columns, into the panel at c[c], or where not `first` added to what
    stands there."""
    i8 = types.int64
    signature = types.void(c_array, i8, types.boolean, a_array, i8, i8, b_array, i8, i8, i8, i8)
    return signature, lambda context, b, signature, args: _emit_columns(
        context, b, signature.args, args
    )


@intrinsic
def tile_packing(
    typingctx, c_array, c, first, a_array, a, step, b_array, bi, rows, vectors, k, pack
):
    """The same, copying A on the way into c_array: a strip at `pack`, PACK_WIDTH elements a row.

    Beside the products the copying costs nearly nothing; as a loop of its own it took a tenth of
    the forward sweep.
    """
    i8 = types.int64
    signature = types.void(c_array, i8, types.boolean, a_array, i8, i8, b_array, i8, i8, i8, i8, i8)
    return signature, lambda context, b, signature, args: _emit_columns(
        context, b, signature.args, args[:-1], args[-1]
    )


def _start(b, first, at, count):
    """Zeros, or where not `first` the vectors at the addresses `at`."""
    before = b.block
    go_on, start = b.append_basic_block("go_on"), b.append_basic_block("start")
    b.cbranch(first, start, go_on)
    b.position_at_end(go_on)
    kept = [load_vector(b, p, count).value for p in at]
    b.branch(start)
    b.position_at_end(start)
    values = []
    for old in kept:
        phi = b.phi(old.type)
        phi.add_incoming(_zero(at[0], count), before)
        phi.add_incoming(old, go_on)
        values.append(phi)
    return values


@intrinsic
def tile_panels(
    typingctx,
    c_array,
    c,
    a_array,
    a,
    step,
    b_array,
    bi,
    rows,
    width,
    k,
    params,
    state,
    at,
    stride,
    rate,
    descend,
    ask,
):
    """The product with A in panels, `width` of its columns wanted, into the panel at c[c].

    Or where `descend`, plain gradient descent while it is in registers: params[at + i * stride + j]
    -= rate * C[i, j]. Where `ask`, the parameters and their state are called into the caches
    meanwhile.
    """
    count = lanes_of(c_array.dtype)
    panel = count * VECTORS

    def codegen(context, b, signature, args):
        (
            c_array,
            c,
            a_array,
            a,
            step,
            b_array,
            bi,
            rows,
            width,
            k,
            params,
            state,
            at,
            stride,
            rate,
            descend,
            ask,
        ) = args
        kinds = signature.args
        vectors = b.sdiv(b.add(width, I64(count - 1)), I64(count))
        wide = b.mul(vectors, I64(count))
        check_range(context, b, size_of(context, b, kinds[0], c_array), c, I64(panel), rows, wide)
        size, whole, rest = (
            size_of(context, b, kinds[2], a_array),
            b.sdiv(k, I64(panel)),
            b.srem(k, I64(panel)),
        )
        check_range(context, b, size, a, step, whole, b.mul(rows, I64(panel)))
        check_range(context, b, size, b.add(a, b.mul(whole, step)), I64(panel), rows, rest)
        check_range(context, b, size_of(context, b, kinds[5], b_array), bi, I64(panel), k, wide)
        check_range(context, b, size_of(context, b, kinds[10], params), at, stride, rows, width)
        cp = pointer(context, b, kinds[0], c_array, c, I64(0))
        ap = pointer(context, b, kinds[2], a_array, a, I64(0))
        bp = pointer(context, b, kinds[5], b_array, bi, I64(0))
        wp = pointer(context, b, kinds[10], params, at, I64(0))
        wanted = [wp] + [
            _slot(context, b, kinds[10:12], (params, state), at, slot) for slot in range(SLOTS)
        ]
        rest = b.sub(width, b.mul(b.sub(vectors, I64(1)), I64(count)))  # columns of the last vector
        mask, full = first_lanes(b, count, rest), b.icmp_signed("==", rest, I64(count))

        def shape(r, v):
            def at_block(q):
                with b.if_then(ask):
                    _ask_for_rows(b, wanted, q, r, v, count, stride)

            start = [_zero(cp, count)] * (r * v)
            values = _product(
                b, r, v, count, panel, "panels", k, ap, step, bp, start, at_block=at_block
            )
            values = [Lanes(b, x) for x in values]
            with b.if_else(descend) as (in_registers, in_memory):
                with in_registers, b.if_else(full) as (whole, partial):
                    with whole:
                        _descend(b, values, v, wp, stride, rate, count, None)
                    with partial:
                        _descend(b, values, v, wp, stride, rate, count, mask)
                with in_memory:
                    for p, value in zip(_panel_rows(b, cp, r, v, count), values, strict=True):
                        store_vector(value, p)

        _shapes(b, rows, vectors, shape)
        return context.get_dummy_value()

    i8, f8, flag = types.int64, types.float64, types.boolean
    arguments = (
        c_array,
        i8,
        a_array,
        i8,
        i8,
        b_array,
        i8,
        i8,
        i8,
        i8,
        params,
        state,
        i8,
        i8,
        f8,
        flag,
        flag,
    )
    return types.void(*arguments), codegen


def _slot(context, b, kinds, arrays, at, slot):
    """The address of a parameter's state number `slot`, or where there is no such state of the
    parameter itself."""
    size, have = size_of(context, b, kinds[0], arrays[0]), size_of(context, b, kinds[1], arrays[1])
    line = cpu_features.CACHE_LINE // (kinds[0].dtype.bitwidth // 8)
    size = b.mul(b.sdiv(b.add(size, I64(line - 1)), I64(line)), I64(line))
    place = b.add(b.mul(size, I64(slot)), at)
    there = b.gep(context.make_array(kinds[1])(context, b, arrays[1]).data, [place])
    return b.select(
        b.icmp_signed("<", place, have), there, pointer(context, b, kinds[0], arrays[0], at, I64(0))
    )


def _ask_for_rows(b, addresses, q, rows, vectors, count, stride):
    """Ask for some rows of the tile at each address: a few lines at a time, as the processor drops
    what is too much."""
    for i in range(min(rows, PREFETCH_TILE_ROWS)):
        row = b.add(b.mul(q, I64(PREFETCH_TILE_ROWS)), I64(i))
        row = b.select(b.icmp_signed("<", row, I64(rows)), row, I64(rows - 1))
        for address in addresses:
            for j in range(vectors):
                prefetch(b, b.gep(address, [b.add(b.mul(row, stride), I64(j * count))]))


def _descend(b, gradient, vectors, wp, stride, rate, count, mask):
    """W -= rate * g, where there is a mask in its lanes only of each row's last vector."""
    rows = [b.gep(wp, [b.mul(stride, I64(i))]) for i in range(len(gradient) // vectors)]
    for j in range(vectors if mask is None else vectors - 1):
        for i, row in enumerate(rows):
            at = b.gep(row, [I64(j * count)])
            store_vector(load_vector(b, at, count) - gradient[i * vectors + j] * rate, at)
    if mask is not None:
        # All are loaded before one is stored: a load that overlaps what lies behind the lanes of a
        # store just made, as the next row does, has to wait for it. One after the other they took
        # 21 cycles a row.
        places = [b.gep(row, [I64((vectors - 1) * count)]) for row in rows]
        last = [Lanes(b, load_masked(b, at, count, mask)) for at in places]
        for at, w, g in zip(places, last, gradient[vectors - 1 :: vectors], strict=True):
            store_masked(b, (w - g * rate).value, at, mask)
