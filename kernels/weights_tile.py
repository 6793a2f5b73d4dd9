"""The register tile of the weights' product, dW = x.T @ delta: A in panels (see tile.py).

Plain gradient descent is applied while the gradient is in registers. Any other update reads it from
the panel where it is stored, see update.py.
"""

from numba import types
from numba.extending import intrinsic

from .memory import (
    check_range,
    load_vector,
    pointer,
    prefetch,
    size_of,
    slot_index,
    store_vector,
)
from .rules import sgd
from .simd import I64, Lanes, lanes_of
from .tile import VECTORS, check_panels, emit_product, emit_shapes, panel_rows, zeros

# Rows of a tile of parameters that are prefetched during each panel of samples.
PREFETCH_TILE_ROWS = 4
PREFETCHED_SLOTS = 2  # slots of the optimizer's state that are prefetched with the parameters


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
    vectors,
    k,
    params,
    state,
    at,
    rate,
    plain,
    prefetches,
):
    """The product with A in panels, stored to the panel at c[c].

    a, step : offset of A and distance of its panels
    bi : offset of B
    params, state, at : parameter (i, j) of the tile is params[at + i * PANEL + j]
    rate, plain : where `plain`, C is not stored: the sgd rule is applied while C is in registers
    prefetches : whether the parameters and their state are prefetched during the product
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
            vectors,
            k,
            params,
            state,
            at,
            rate,
            plain,
            prefetches,
        ) = args
        kinds = signature.args
        width = b.mul(vectors, I64(count))

        # Index checks of the checked build.
        check_range(context, b, size_of(context, b, kinds[0], c_array), c, I64(panel), rows, width)
        check_panels(context, b, size_of(context, b, kinds[2], a_array), a, step, rows, k, panel)
        check_range(context, b, size_of(context, b, kinds[5], b_array), bi, I64(panel), k, width)
        updated = b.select(plain, rows, I64(0))
        size = size_of(context, b, kinds[10], params)
        check_range(context, b, size, at, I64(panel), updated, width)

        # Addresses of the matrices, and what is prefetched: parameters and slots of their state.
        cp = pointer(context, b, kinds[0], c_array, c, I64(0))
        ap = pointer(context, b, kinds[2], a_array, a, I64(0))
        bp = pointer(context, b, kinds[5], b_array, bi, I64(0))
        wp = pointer(context, b, kinds[10], params, at, I64(0))
        prefetched = [wp] + [
            _slot(context, b, kinds[10:12], (params, state), at, slot)
            for slot in range(PREFETCHED_SLOTS)
        ]

        def shape(r, v):
            def at_block(q):
                with b.if_then(prefetches):
                    _prefetch_rows(b, prefetched, q, r, v, count)

            start = [zeros(cp, count)] * (r * v)
            values = emit_product(
                b, r, v, count, panel, "panels", k, ap, step, bp, start, at_block=at_block
            )
            values = [Lanes(b, x) for x in values]
            with b.if_else(plain) as (in_registers, in_memory):
                with in_registers:
                    for p, g in zip(panel_rows(b, wp, r, v, count), values, strict=True):
                        (w,) = sgd(load_vector(b, p, count), g, rate=rate)
                        store_vector(w, p)
                with in_memory:
                    for p, g in zip(panel_rows(b, cp, r, v, count), values, strict=True):
                        store_vector(g, p)

        emit_shapes(b, rows, vectors, shape)
        return context.get_dummy_value()

    i8 = types.int64
    f8 = types.float64
    flag = types.boolean
    arguments = (
        *(c_array, i8, a_array, i8, i8, b_array, i8, i8, i8, i8),
        *(params, state, i8, f8, flag, flag),
    )
    return types.void(*arguments), codegen


def _slot(context, b, kinds, arrays, at, slot):
    """The address of a parameter's state in a slot; of the parameter if there is no such slot."""
    n, size = (size_of(context, b, *each) for each in zip(kinds, arrays, strict=True))
    index = slot_index(b, at, slot, n, kinds[0].dtype)
    address = b.gep(context.make_array(kinds[1])(context, b, arrays[1]).data, [index])
    parameter = pointer(context, b, kinds[0], arrays[0], at, I64(0))
    return b.select(b.icmp_signed("<", index, size), address, parameter)


def _prefetch_rows(b, addresses, q, rows, vectors, count):
    """Prefetch some rows of the tile at each address, in panel number `q` of the samples.

    A few cache lines at a time: the processor drops prefetches that exceed its line buffers.
    """
    for i in range(min(rows, PREFETCH_TILE_ROWS)):
        row = b.add(b.mul(q, I64(PREFETCH_TILE_ROWS)), I64(i))
        row = b.select(b.icmp_signed("<", row, I64(rows)), row, I64(rows - 1))
        for address in addresses:
            for j in range(vectors):
                at = b.add(b.mul(row, I64(count * VECTORS)), I64(j * count))
                prefetch(b, b.gep(address, [at]))
