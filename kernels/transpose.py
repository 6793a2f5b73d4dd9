"""Transposing a matrix in registers: how rows of samples become samples in lanes, rows of weights columns, and back."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .jit import kernel
from .memory import check_range, first_lanes, load_masked, load_vector, pointer, size_of, store_masked, store_vector
from .simd import I32, I64, Lanes, lanes, lanes_of


def _butterfly(b, rows):
    """The transpose of a square of vectors: the off-diagonal blocks of half its size change places, then of a quarter, ..."""
    n, size = len(rows), len(rows) // 2
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


@intrinsic
def _square(typingctx, to, t, to_step, width, array, f, step, rows, columns):
    """One square of lanes x lanes: to[t + c * to_step + r] = array[f + r * step + c], zeros for r from `rows` to `width`."""
    n = lanes_of(to.dtype)

    def codegen(context, b, signature, args):
        to_array, t, to_step, width, from_array, f, step, rows, columns = args
        source = [pointer(context, b, array, from_array, b.add(f, b.mul(step, I64(r))), I64(0)) for r in range(n)]
        target = [pointer(context, b, to, to_array, b.add(t, b.mul(to_step, I64(c))), I64(0)) for c in range(n)]
        check_range(context, b, size_of(context, b, array, from_array), f, step, rows, columns)
        check_range(context, b, size_of(context, b, to, to_array), t, to_step, columns, width)
        whole = [b.icmp_signed(">=", size, I64(n)) for size in (rows, columns, width)]
        with b.if_else(b.and_(b.and_(whole[0], whole[1]), whole[2])) as (full, partial):
            with full:
                for v, at in zip(_butterfly(b, [load_vector(b, at, n).value for at in source]), target, strict=True):
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
        return context.get_dummy_value()

    i8 = types.int64
    return types.void(to, i8, i8, i8, array, i8, i8, i8, i8), codegen


@kernel
def transpose(to, t, to_step, width, array, f, step, rows, columns):
    """to[t + c * to_step + r] = array[f + r * step + c] for r < rows and c < columns.

    Every row of `to` is written up to `width` >= rows elements: zeros after the first `rows`.
    """
    n = lanes(to)
    for r in range(0, width, n):
        for c in range(0, columns, n):
            _square(
                to, t + c * to_step + r, to_step, width - r, array, f + r * step + c, step, max(rows - r, 0), columns - c
            )  # fmt: skip
