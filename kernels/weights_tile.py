"""The register tile of the weights' product, dW = x.T @ delta: A in panels (see tile.py).

Plain gradient descent is applied while the gradient is in registers. Any other update reads it from
the panel where it is stored, see update.py.
"""

from numba import types
from numba.extending import intrinsic

from .memory import (
    check_range,
    first_lanes,
    load_masked,
    load_vector,
    pointer,
    prefetch,
    size_of,
    slot_index,
    store_masked,
    store_vector,
)
from .rules import sgd
from .simd import I64, Lanes, lanes_of
from .tile import VECTORS, emit_product, emit_shapes, panel_rows, zeros

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
    width,
    k,
    params,
    state,
    at,
    stride,
    rate,
    plain,
    prefetches,
):
    """The product with A in panels and `width` columns, stored to the panel at c[c].

    a, step : offset of A and distance of its panels
    bi : offset of B
    params, state, at, stride : parameter (i, j) of the tile is params[at + i * stride + j]
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
            width,
            k,
            params,
            state,
            at,
            stride,
            rate,
            plain,
            prefetches,
        ) = args
        kinds = signature.args
        vectors = b.sdiv(b.add(width, I64(count - 1)), I64(count))
        padded = b.mul(vectors, I64(count))

        # Index checks of the checked build. A's last panel may have fewer than PANEL columns.
        check_range(context, b, size_of(context, b, kinds[0], c_array), c, I64(panel), rows, padded)
        size = size_of(context, b, kinds[2], a_array)
        whole = b.sdiv(k, I64(panel))
        rest = b.srem(k, I64(panel))
        check_range(context, b, size, a, step, whole, b.mul(rows, I64(panel)))
        check_range(context, b, size, b.add(a, b.mul(whole, step)), I64(panel), rows, rest)
        check_range(context, b, size_of(context, b, kinds[5], b_array), bi, I64(panel), k, padded)
        check_range(context, b, size_of(context, b, kinds[10], params), at, stride, rows, width)

        # Addresses of the matrices, and what is prefetched: parameters and slots of their state.
        cp = pointer(context, b, kinds[0], c_array, c, I64(0))
        ap = pointer(context, b, kinds[2], a_array, a, I64(0))
        bp = pointer(context, b, kinds[5], b_array, bi, I64(0))
        wp = pointer(context, b, kinds[10], params, at, I64(0))
        prefetched = [wp] + [
            _slot(context, b, kinds[10:12], (params, state), at, slot)
            for slot in range(PREFETCHED_SLOTS)
        ]

        # The last vector of a row may be partial.
        rest = b.sub(width, b.mul(b.sub(vectors, I64(1)), I64(count)))
        mask = first_lanes(b, count, rest)
        full = b.icmp_signed("==", rest, I64(count))

        def shape(r, v):
            def at_block(q):
                with b.if_then(prefetches):
                    _prefetch_rows(b, prefetched, q, r, v, count, stride)

            start = [zeros(cp, count)] * (r * v)
            values = emit_product(
                b, r, v, count, panel, "panels", k, ap, step, bp, start, at_block=at_block
            )
            values = [Lanes(b, x) for x in values]
            with b.if_else(plain) as (in_registers, in_memory):
                with in_registers, b.if_else(full) as (whole, partial):
                    with whole:
                        _update(b, values, v, wp, stride, rate, count, None)
                    with partial:
                        _update(b, values, v, wp, stride, rate, count, mask)
                with in_memory:
                    for p, value in zip(panel_rows(b, cp, r, v, count), values, strict=True):
                        store_vector(value, p)

        emit_shapes(b, rows, vectors, shape)
        return context.get_dummy_value()

    i8 = types.int64
    f8 = types.float64
    flag = types.boolean
    arguments = (
        *(c_array, i8, a_array, i8, i8, b_array, i8, i8, i8, i8),
        *(params, state, i8, i8, f8, flag, flag),
    )
    return types.void(*arguments), codegen


def _slot(context, b, kinds, arrays, at, slot):
    """The address of a parameter's state in a slot; of the parameter if there is no such slot."""
    n, size = (size_of(context, b, *each) for each in zip(kinds, arrays, strict=True))
    index = slot_index(b, at, slot, n, kinds[0].dtype)
    address = b.gep(context.make_array(kinds[1])(context, b, arrays[1]).data, [index])
    parameter = pointer(context, b, kinds[0], arrays[0], at, I64(0))
    return b.select(b.icmp_signed("<", index, size), address, parameter)


def _prefetch_rows(b, addresses, q, rows, vectors, count, stride):
    """Prefetch some rows of the tile at each address, in panel number `q` of the samples.

    A few cache lines at a time: the processor drops prefetches that exceed its line buffers.
    """
    for i in range(min(rows, PREFETCH_TILE_ROWS)):
        row = b.add(b.mul(q, I64(PREFETCH_TILE_ROWS)), I64(i))
        row = b.select(b.icmp_signed("<", row, I64(rows)), row, I64(rows - 1))
        for address in addresses:
            for j in range(vectors):
                prefetch(b, b.gep(address, [b.add(b.mul(row, stride), I64(j * count))]))


def _update(b, gradient, vectors, wp, stride, rate, count, mask):
    """Plain gradient descent on the parameters at `wp`; `mask` of each row's last vector, or
    None."""
    rows = [b.gep(wp, [b.mul(stride, I64(i))]) for i in range(len(gradient) // vectors)]
    for j in range(vectors if mask is None else vectors - 1):
        for i, row in enumerate(rows):
            at = b.gep(row, [I64(j * count)])
            (w,) = sgd(load_vector(b, at, count), gradient[i * vectors + j], rate=rate)
            store_vector(w, at)
    if mask is not None:
        # All rows are loaded before one is stored: a load that overlaps the masked lanes of the
        # last store, as the next row's does, waits for it. One after the other they took 21 cycles
        # a row.
        places = [b.gep(row, [I64((vectors - 1) * count)]) for row in rows]
        last = [Lanes(b, load_masked(b, at, count, mask)) for at in places]
        for at, old, g in zip(places, last, gradient[vectors - 1 :: vectors], strict=True):
            (w,) = sgd(old, g, rate=rate)
            store_masked(b, w.value, at, mask)
