"""Update of the parameters as the epilogue of the weights' product: the gradient of a tile goes
straight into the parameters.

A tile is (rows, width): `rows` rows of one layer's (n_in + 1, n_out) matrix and `width` of its
columns, at most a panel. Its gradient lies in `work` from `tile` on, a panel per row; row i, column
j of the parameters is params[at + i * stride + j]. The first `n_weight_rows` rows are weights, the
others the bias, which has neither penalty nor decay.

The loop over a tile is generated from each rule's formula (rules.py), with the formula inlined into
it: called as a function on vectors, Adam's made whole steps 8 to 18 % longer.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from . import abi
from .jit import always_inline, dispatch, kernel, never_inline
from .memory import (
    first_lanes,
    lane_sum,
    load,
    load_masked,
    load_tail,
    load_vector,
    pointer,
    size_of,
    slot_index,
    store,
    store_masked,
    store_tail,
    store_vector,
)
from .partition import ceil_div
from .rules import FORMULAS
from .simd import I64, Lanes, Scalar, absolute, elementwise, lanes, lanes_of, select, vector
from .tile import VECTORS

GRADIENT = abi.RULES["gradient"].code
magnitude = elementwise(absolute)


def _constants(names):
    """A kernel function (step) -> tuple of the fields `names` of a record of abi.STEP."""

    @intrinsic
    def constants(typingctx, step):
        result = types.Tuple([step.typeof(name) for name in names])

        def codegen(context, b, signature, args):
            values = []
            for name, kind in zip(names, result, strict=True):
                place = cgutils.get_record_member(
                    b, args[0], step.offset(name), context.get_data_type(kind)
                )
                values.append(context.unpack_value(b, kind, place))
            return context.make_tuple(b, result, values)

        return result(step), codegen

    return constants


def _vector_update(formula):
    """A kernel function that applies a formula to one vector of parameters and their state.

    Its arguments: params, state; the index `at` of the first parameter; how many of the lanes are
    parameters, n (all where n is at least that); their gradient g; whether they are weights; the
    formula's constants.
    """

    @intrinsic
    def update(typingctx, params, state, at, n, g, is_weight, constants):
        count = lanes_of(params.dtype)
        n_slots = len(formula.slots)

        def codegen(context, b, signature, args):
            params_array, state_array, at, n, g, is_weight, constants = args
            whole = b.icmp_signed(">=", n, I64(count))
            accessed = b.select(whole, I64(count), n)

            # Addresses of the parameters and of each slot of their state.
            size = size_of(context, b, params, params_array)
            addresses = [pointer(context, b, params, params_array, at, accessed)]
            for slot in range(n_slots):
                index = slot_index(b, at, slot, size, params.dtype)
                addresses.append(pointer(context, b, state, state_array, index, accessed))

            values = cgutils.unpack_tuple(b, constants, len(formula.constants))
            given = dict(zip(formula.constants, values, strict=True))
            if "shrink" in given:
                one = ir.Constant(ir.DoubleType(), 1.0)
                given["shrink"] = b.select(is_weight, given["shrink"], one)
            given = {name: Scalar(b, value) for name, value in given.items()}

            def new(w, *values):
                return formula.function(w, Lanes(b, g), *values, **given)

            with b.if_else(whole) as (all_lanes, first):
                with all_lanes:
                    old = [load_vector(b, address, count) for address in addresses]
                    for x, address in zip(new(*old), addresses, strict=True):
                        store_vector(x, address)
                with first:
                    mask = first_lanes(b, count, n)
                    old = [Lanes(b, load_masked(b, each, count, mask)) for each in addresses]
                    for x, address in zip(new(*old), addresses, strict=True):
                        store_masked(b, x.value, address, mask)
            return context.get_dummy_value()

        i8 = types.int64
        return types.void(params, state, i8, i8, g, types.boolean, constants), codegen

    return update


@kernel
def _rows_apart(work, stride):
    """How many rows lie between two that are updated one after the other.

    A load that overlaps the masked lanes of the last store waits for it. Row after row, with the
    last columns of each before the first of the next, took 20 cycles a row where rows are shorter
    than a vector.
    """
    n = lanes(work)
    return 1 if stride >= n else ceil_div(n, stride)


def _tile_loop(formula):
    """The kernel that applies a rule's formula to a tile."""
    constants = _constants(formula.constants)
    update = _vector_update(formula)
    inlining = always_inline if formula.inline else never_inline

    @kernel
    def loop(params, state, at, stride, work, tile, rows, n_weight_rows, width, step):
        inlining()
        values = constants(step)  # loaded once: the stores below could change the record, for LLVM
        gap = _rows_apart(work, stride)
        for j in range(0, width, lanes(work)):
            for first in range(gap):
                for i in range(first, rows, gap):
                    g = load(work, tile + i * VECTORS * lanes(work) + j)
                    here = at + i * stride + j
                    update(params, state, here, width - j, g, i < n_weight_rows, values)

    return loop


_LOOPS = {formula: _tile_loop(formula) for formula in dict.fromkeys(FORMULAS.values())}
_apply_rule = dispatch({abi.RULES[name].code: _LOOPS[f] for name, f in FORMULAS.items()})


@kernel
def update_tile(
    params, state, gradient, at, stride, work, tile, rows, n_weight_rows, width, sums, sum_at, step
):
    """Apply the step's penalties, clipping and rule to a tile, with its gradient in `work`.

    sums : the tile's part of the penalty is stored to sums[sum_at]
    """
    always_inline()
    if step.apply_stored:
        # Second pass of a step that limits the norm: penalties and clipping are in the gradient.
        load_gradient(gradient, at, stride, work, tile, rows, width, step.gradient_scale)
    else:
        penalty = 0.0
        if step.accumulate:
            accumulate_gradient(gradient, at, stride, work, tile, rows, width)
        # The penalties and the limit belong to the whole gradient: after the last block of rows.
        if not step.incomplete:
            if step.l2 != 0:
                squares = _add_l2(params, at, stride, work, tile, n_weight_rows, width, step.l2)
                penalty += 0.5 * step.l2 * squares
            if step.l1 != 0:
                sizes = _add_l1(params, at, stride, work, tile, n_weight_rows, width, step.l1)
                penalty += step.l1 * sizes
            if step.clip_value != 0:
                _clip(work, tile, rows, width, step.clip_value)
        sums[sum_at] = penalty

    limits_norm = step.clip_norm != 0 and not step.apply_stored
    if step.incomplete or step.rule == GRADIENT or limits_norm:
        store_gradient(gradient, at, stride, work, tile, rows, width)
    else:
        _apply_rule(
            step.rule, params, state, at, stride, work, tile, rows, n_weight_rows, width, step
        )


@kernel
def accumulate_gradient(gradient, at, stride, work, tile, rows, width):
    """Add the stored gradient to the tile's."""
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            here = tile + i * VECTORS * lanes(work) + j
            stored = load_tail(gradient, at + i * stride + j, width - j)
            store(work, here, load(work, here) + stored)


@kernel
def load_gradient(gradient, at, stride, work, tile, rows, width, scale):
    """The stored gradient times `scale` into the tile."""
    never_inline()
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            here = tile + i * VECTORS * lanes(work) + j
            store(work, here, load_tail(gradient, at + i * stride + j, width - j) * scale)


@kernel
def store_gradient(gradient, at, stride, work, tile, rows, width):
    """Store the tile's gradient."""
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            g = load(work, tile + i * VECTORS * lanes(work) + j)
            store_tail(gradient, at + i * stride + j, g, width - j)


@kernel
def _add_l2(params, at, stride, work, tile, rows, width, l2):
    """Add the L2 penalty's gradient, l2 * w. Returns the sum of the weights' squares."""
    squares = vector(params, 0.0)
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            here = tile + i * VECTORS * lanes(work) + j
            w = load_tail(params, at + i * stride + j, width - j)
            store(work, here, load(work, here) + w * l2)
            squares = squares + w * w
    return lane_sum(squares)


@kernel
def _add_l1(params, at, stride, work, tile, rows, width, l1):
    """Add the L1 penalty's gradient, l1 * sign(w), 0 at 0. Returns the sum of the absolute
    weights."""
    never_inline()
    sizes = vector(params, 0.0)
    zero = vector(params, 0.0)
    up = vector(params, l1)
    down = vector(params, -l1)
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            here = tile + i * VECTORS * lanes(work) + j
            w = load_tail(params, at + i * stride + j, width - j)
            slope = select(w > 0.0, up, select(w < 0.0, down, zero))
            store(work, here, load(work, here) + slope)
            sizes = sizes + magnitude(w)
    return lane_sum(sizes)


@kernel
def _clip(work, tile, rows, width, limit):
    """Clip every derivative to [-limit, limit]; a NaN stays one."""
    never_inline()
    high = vector(work, limit)
    low = vector(work, -limit)
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            here = tile + i * VECTORS * lanes(work) + j
            g = load(work, here)
            g = select(g > high, high, g)
            store(work, here, select(g < low, low, g))
