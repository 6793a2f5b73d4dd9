"""The penalties of a step, 1/2 l2 sum W^2 + l1 sum |W|, over the weights without the biases.

The sums are added in float64, in an order that depends on neither threads nor vector width: each
column over PENALTY_ROWS rows, then the columns from the first to the last, then the groups of rows.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import kernel, never_inline
from .memory import load_vector, pointer
from .partition import ceil_div
from .plan import PENALTY_ROWS
from .simd import I64, Lanes, absolute, lanes, lanes_of
from .tile import VECTORS


@intrinsic
def _column_sums(typingctx, total, params, at, rows, width, squares):
    """`total` plus the sums of `width` columns, of squares or of absolute values, one after the
    other. Row i of the columns is params[at + i * PANEL : ] for i < rows."""
    count = lanes_of(params.dtype)

    def codegen(context, b, signature, args):
        total, array, at, rows, width, squares = args
        kind = ir.VectorType(ir.DoubleType(), count)
        start = pointer(context, b, params, array, at, I64(count))
        sums = cgutils.alloca_once_value(b, ir.Constant(kind, [0.0] * count))
        with cgutils.for_range(b, rows) as loop:
            row = b.gep(start, [b.mul(loop.index, I64(count * VECTORS))])
            w = load_vector(b, row, count).value
            w = Lanes(b, w if w.type == kind else b.fpext(w, kind))
            term = b.select(squares, (w * w).value, absolute(w).value)
            b.store(b.fadd(b.load(sums), term), sums)
        added = b.load(sums)
        result = cgutils.alloca_once_value(b, total)
        for lane in range(count):
            with b.if_then(b.icmp_signed("<", I64(lane), width)):
                x = b.extract_element(added, I64(lane))
                b.store(b.fadd(b.load(result), x), result)
        return b.load(result)

    i8 = types.int64
    return types.float64(types.float64, params, i8, i8, i8, types.boolean), codegen


@kernel
def _sum(params, layer, first, rows, squares):
    """The sum over the rows first to first + rows - 1 of a layer's weights."""
    panel = VECTORS * lanes(params)
    total = 0.0
    for j in range(0, layer.n_out, lanes(params)):
        at = layer.w + j // panel * layer.w_panel + first * panel + j % panel
        total = _column_sums(total, params, at, rows, layer.n_out - j, squares)
    return total


@kernel
def penalty_sums(params, layers, step, sums, thread, n_threads):
    """Each group's part of the penalty to sums[its number]. Returns the number of groups."""
    never_inline()
    number = 0
    for i in range(layers.size):
        layer = layers[i]
        for group in range(ceil_div(layer.n_in, PENALTY_ROWS)):
            if number % n_threads == thread:
                first = group * PENALTY_ROWS
                rows = min(PENALTY_ROWS, layer.n_in - first)
                penalty = 0.0
                if step.l2 != 0.0:
                    penalty += 0.5 * step.l2 * _sum(params, layer, first, rows, True)
                if step.l1 != 0.0:
                    penalty += step.l1 * _sum(params, layer, first, rows, False)
                sums[number] = penalty
            number += 1
    return number
