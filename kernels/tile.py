"""The register tile: a small matrix product whose result stays in registers over the whole contraction.

    C[i, j] (+)= sum over k of A(i, k) * B[k, j]        i < rows, j < vectors * LANES

B and C are panels: PANEL elements a row. One element of A at a time is broadcast and multiplied into the row's accumulators.
A comes in two layouts, which serve the three products of a layer:

    columns:  A(i, k) = A[a + k * step + i]                                  weights, as they are or packed
    panels:   A(i, k) = A[a + (k // PANEL) * step + i * PANEL + k % PANEL]   activations, rows of samples

Every element is one chain of fused multiply-adds over k in order, whatever the tile's shape: so its bits do not depend on how
the work is cut into tiles or shared out among threads.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from . import host
from .memory import check_range, load_vector, pointer, size_of, store_vector
from .simd import I64, Lanes, fma, lanes_of, splat

ROWS = host.TILE_ROWS
VECTORS = host.TILE_VECTORS


def _loop(b, count, values, body):
    """Emit ``for k in range(count): values = body(k, values)`` for count ≥ 1; returns the last values."""
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


def _product(b, rows, vectors, count, panel, layout, k, a, step, bp, values):
    """Emit the k-loop of one shape: returns the accumulators' values."""
    row = 1 if layout == "columns" else panel
    column = step if layout == "columns" else I64(1)

    def multiply_add(kk, values, a, bp):
        a_k, b_k = b.gep(a, [b.mul(kk, column)]), b.gep(bp, [b.mul(kk, I64(panel))])
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
        a_q, b_q = b.gep(a, [b.mul(q, step)]), b.gep(bp, [b.mul(q, I64(panel * panel))])
        return _loop(b, here, values, lambda kk, v: multiply_add(kk, v, a_q, b_q))

    return _loop(b, blocks, values, block)


def _register_tile(layout):
    @intrinsic
    def tile(typingctx, c_array, c, first, a_array, a, step, b_array, bi, rows, vectors, k):
        dtype = c_array.dtype
        count = lanes_of(dtype)
        panel = count * VECTORS

        def codegen(context, b, signature, args):
            c_array, c, first, a_array, a, step, b_array, bi, rows, vectors, k = args
            kinds = signature.args
            _check(context, b, signature.args, args, layout, panel, count)
            cp = pointer(context, b, kinds[0], c_array, c, I64(0))
            ap = pointer(context, b, kinds[3], a_array, a, I64(0))
            bp = pointer(context, b, kinds[6], b_array, bi, I64(0))
            done = b.append_basic_block("tile.done")
            shape = b.add(b.mul(b.sub(rows, I64(1)), I64(VECTORS)), b.sub(vectors, I64(1)))
            switch = b.switch(shape, done)
            for r in range(1, ROWS + 1):
                for v in range(1, VECTORS + 1):
                    case = b.append_basic_block(f"tile.{r}x{v}")
                    switch.add_case(I64((r - 1) * VECTORS + v - 1), case)
                    b.position_at_end(case)
                    _shape(b, r, v, count, panel, layout, first, k, ap, step, bp, cp)
                    b.branch(done)
            b.position_at_end(done)
            return context.get_dummy_value()

        i8 = types.int64
        return types.void(c_array, i8, types.boolean, a_array, i8, i8, b_array, i8, i8, i8, i8), codegen

    return tile


def _check(context, b, kinds, args, layout, panel, count):
    c_array, c, _, a_array, a, step, b_array, bi, rows, vectors, k = args
    wide = b.mul(vectors, I64(count))
    check_range(context, b, size_of(context, b, kinds[0], c_array), c, I64(panel), rows, wide)
    check_range(context, b, size_of(context, b, kinds[6], b_array), bi, I64(panel), k, wide)
    size = size_of(context, b, kinds[3], a_array)
    if layout == "columns":
        check_range(context, b, size, a, step, k, rows)
    else:
        whole = b.sdiv(k, I64(panel))
        check_range(context, b, size, a, step, whole, b.mul(rows, I64(panel)))
        rest = b.srem(k, I64(panel))
        check_range(context, b, size, b.add(a, b.mul(whole, step)), I64(panel), rows, rest)


def _shape(b, rows, vectors, count, panel, layout, first, k, a, step, bp, cp):
    at = [b.gep(cp, [I64(i * panel + j * count)]) for i in range(rows) for j in range(vectors)]
    zero = ir.Constant(ir.VectorType(cp.type.pointee, count), [0.0] * count)
    before = b.block
    go_on, start = b.append_basic_block("go_on"), b.append_basic_block("start")
    b.cbranch(first, start, go_on)
    b.position_at_end(go_on)
    kept = [load_vector(b, p, count).value for p in at]
    b.branch(start)
    b.position_at_end(start)
    values = []
    for old in kept:
        phi = b.phi(zero.type)
        phi.add_incoming(zero, before)
        phi.add_incoming(old, go_on)
        values.append(phi)
    for p, value in zip(at, _product(b, rows, vectors, count, panel, layout, k, a, step, bp, values), strict=True):
        store_vector(Lanes(b, value), p)


tile_columns = _register_tile("columns")
tile_panels = _register_tile("panels")
