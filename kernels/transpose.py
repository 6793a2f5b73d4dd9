"""Transposition of a matrix in registers: rows of samples become samples in lanes, rows of weights
become columns, and back."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import kernel
from .memory import (
    check_range,
    first_lanes,
    load_masked,
    load_vector,
    pointer,
    size_of,
    store_masked,
    store_vector,
)
from .simd import I32, I64, Lanes, lanes, lanes_of


def _butterfly(b, rows):
    """The transpose of a square of vectors: its off-diagonal blocks of half the size are swapped,
    then those of a quarter, and so on."""
    n = len(rows)
    size = n // 2
    index = ir.VectorType(I32, n)
    while size:
        low = ir.Constant(index, [k if not k & size else n + (k ^ size) for k in range(n)])
        high = ir.Constant(index, [k | size if not k & size else n + k for k in range(n)])
        out = list(rows)
        for i in range(n):
            if not i & size:
                out[i] = b.shuffle_vector(rows[i], rows[i | size], low)
                out[i | size] = b.shuffle_vector(rows[i], rows[i | size], high)
        rows, size = out, size // 2
    return rows


def _move_square(b, target, source, rows, columns, width):
    """Emit a transposition: the first `columns` rows of `target` from the first `rows` of `source`.

    source, target : lists of addresses, one per lane
    width : elements written per row of `target`; zeros after the first `rows`
    """
    n = len(source)
    # Whole squares need no masks.
    whole = [b.icmp_signed(">=", size, I64(n)) for size in (rows, columns, width)]
    with b.if_else(b.and_(b.and_(whole[0], whole[1]), whole[2])) as (full, partial):
        with full:
            vectors = [load_vector(b, at, n).value for at in source]
            for v, at in zip(_butterfly(b, vectors), target, strict=True):
                store_vector(Lanes(b, v), at)
        with partial:
            vectors = []
            for r, at in enumerate(source):
                count = b.select(b.icmp_signed("<", I64(r), rows), columns, I64(0))
                vectors.append(load_masked(b, at, n, first_lanes(b, n, count)))
            wide = first_lanes(b, n, width)
            for c, (v, at) in enumerate(zip(_butterfly(b, vectors), target, strict=True)):
                with b.if_then(b.icmp_signed("<", I64(c), columns)):
                    store_masked(b, v, at, wide)


@intrinsic
def _square(typingctx, to, t, to_step, width, array, f, step, rows, columns):
    """One square of lanes x lanes of `transpose`."""
    n = lanes_of(to.dtype)

    def codegen(context, b, signature, args):
        to_array, t, to_step, width, from_array, f, step, rows, columns = args
        source = [
            pointer(context, b, array, from_array, b.add(f, b.mul(step, I64(r))), I64(0))
            for r in range(n)
        ]
        target = [
            pointer(context, b, to, to_array, b.add(t, b.mul(to_step, I64(c))), I64(0))
            for c in range(n)
        ]
        check_range(context, b, size_of(context, b, array, from_array), f, step, rows, columns)
        check_range(context, b, size_of(context, b, to, to_array), t, to_step, columns, width)
        _move_square(b, target, source, rows, columns, width)
        return context.get_dummy_value()

    i8 = types.int64
    return types.void(to, i8, i8, i8, array, i8, i8, i8, i8), codegen


@kernel
def transpose(to, t, to_step, width, array, f, step, rows, columns):
    """to[t + c * to_step + r] = array[f + r * step + c] for r < rows and c < columns.

    width : elements written per row of `to`, at least `rows`; zeros after the first `rows`
    """
    n = lanes(to)
    for r in range(0, width, n):
        for c in range(0, columns, n):
            _square(
                to,
                t + c * to_step + r,
                to_step,
                width - r,
                array,
                f + r * step + c,
                step,
                max(rows - r, 0),
                columns - c,
            )


@intrinsic
def _chosen_rows(typingctx, to, t, to_step, array, base, step, order, first, rows, columns):
    """One vector of r of `transpose_rows`, all columns; zeros for r >= rows."""
    n = lanes_of(to.dtype)

    def codegen(context, b, signature, args):
        to_array, t, to_step, from_array, base, step, order_array, first, rows, columns = args
        last = b.select(b.icmp_signed(">", rows, I64(0)), b.sub(rows, I64(1)), I64(0))
        wanted = b.select(b.icmp_signed(">", rows, I64(0)), columns, I64(0))
        # Addresses of the source's rows; those from `rows` on repeat the last one and are not read.
        source = []
        for r in range(n):
            place = b.add(first, b.select(b.icmp_signed("<", I64(r), last), I64(r), last))
            row = b.load(pointer(context, b, order, order_array, place, I64(1)))
            source.append(
                pointer(context, b, array, from_array, b.add(base, b.mul(row, step)), wanted)
            )
        check_range(context, b, size_of(context, b, to, to_array), t, to_step, columns, I64(n))
        start = pointer(context, b, to, to_array, t, I64(0))
        with cgutils.for_range_slice(b, I64(0), columns, I64(n)) as (c, _):
            here = [b.gep(at, [c]) for at in source]
            target = [b.gep(start, [b.mul(b.add(c, I64(i)), to_step)]) for i in range(n)]
            _move_square(b, target, here, rows, b.sub(columns, c), I64(n))
        return context.get_dummy_value()

    i8 = types.int64
    return types.void(to, i8, i8, array, i8, i8, order, i8, i8, i8), codegen


@kernel
def transpose_rows(to, t, to_step, width, array, base, step, order, first, rows, columns):
    """`transpose` with row r of the source at base + order[first + r] * step.

    width : a whole number of vectors
    """
    n = lanes(to)
    for r in range(0, width, n):
        here = max(rows - r, 0)
        _chosen_rows(
            to,
            t + r,
            to_step,
            array,
            base,
            step,
            order,
            first + r if here > 0 else first,
            here,
            columns,
        )
