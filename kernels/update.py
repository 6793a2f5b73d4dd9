"""Update of the parameters as the epilogue of the weights' product: the gradient of a tile goes
straight into the parameters.

A tile is (rows, width): `rows` rows of a panel of packed parameters, of which `width` columns are
parameters. Row i, column j of the parameters is params[at + i * PANEL + j], of their gradient
work[tile + i * PANEL + j]. The first `n_weight_rows` rows are weights, the others the bias, which
has neither penalty nor decay. Lanes beyond `width` have a gradient of zero, with which every rule
leaves zeros as they are.

A stored gradient is row-major: row i, column j is gradient[g + i * stride + j].

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
    load,
    load_tail,
    load_vector,
    pointer,
    size_of,
    slot_index,
    store,
    store_tail,
    store_vector,
)
from .rules import FORMULAS
from .simd import I64, Lanes, Scalar, lanes, lanes_of, select, vector
from .tile import VECTORS

GRADIENT = abi.RULES["gradient"].code


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

    Its arguments: params, state; the index `at` of the first parameter; their gradient g; whether
    they are weights; the formula's constants.
    """

    @intrinsic
    def update(typingctx, params, state, at, g, is_weight, constants):
        count = lanes_of(params.dtype)

        def codegen(context, b, signature, args):
            params_array, state_array, at, g, is_weight, constants = args

            # Addresses of the parameters and of each slot of their state.
            size = size_of(context, b, params, params_array)
            addresses = [pointer(context, b, params, params_array, at, I64(count))]
            for slot in range(len(formula.slots)):
                index = slot_index(b, at, slot, size, params.dtype)
                addresses.append(pointer(context, b, state, state_array, index, I64(count)))

            values = cgutils.unpack_tuple(b, constants, len(formula.constants))
            given = dict(zip(formula.constants, values, strict=True))
            if "shrink" in given:
                one = ir.Constant(ir.DoubleType(), 1.0)
                given["shrink"] = b.select(is_weight, given["shrink"], one)
            given = {name: Scalar(b, value) for name, value in given.items()}

            w, *old = [load_vector(b, address, count) for address in addresses]
            new = formula.function(w, Lanes(b, g), *old, **given)
            for x, address in zip(new, addresses, strict=True):
                store_vector(x, address)
            return context.get_dummy_value()

        return types.void(params, state, types.int64, g, types.boolean, constants), codegen

    return update


def _tile_loop(formula):
    """The kernel that applies a rule's formula to a tile."""
    constants = _constants(formula.constants)
    update = _vector_update(formula)
    inlining = always_inline if formula.inline else never_inline

    @kernel
    def loop(params, state, at, work, tile, rows, n_weight_rows, width, step):
        inlining()
        values = constants(step)  # loaded once: the stores below could change the record, for LLVM
        panel = VECTORS * lanes(work)
        for i in range(rows):
            for j in range(0, width, lanes(work)):
                here = i * panel + j
                update(params, state, at + here, load(work, tile + here), i < n_weight_rows, values)

    return loop


_LOOPS = {formula: _tile_loop(formula) for formula in dict.fromkeys(FORMULAS.values())}
_apply_rule = dispatch({abi.RULES[name].code: _LOOPS[f] for name, f in FORMULAS.items()})


@kernel
def update_tile(
    params, state, gradient, at, g, stride, work, tile, rows, n_weight_rows, width, step
):
    """Apply the step's penalties, clipping and rule to a tile, with its gradient in `work`."""
    always_inline()
    if step.apply_stored:
        # Second pass of a step that limits the norm: penalties and clipping are in the gradient.
        load_gradient(gradient, g, stride, work, tile, rows, width, step.gradient_scale)
    else:
        if step.accumulate:
            accumulate_gradient(gradient, g, stride, work, tile, rows, width)
        # The penalties and the limit belong to the whole gradient: after the last block of rows.
        if not step.incomplete:
            if step.l2 != 0:
                _add_l2(params, at, work, tile, n_weight_rows, width, step.l2)
            if step.l1 != 0:
                _add_l1(params, at, work, tile, n_weight_rows, width, step.l1)
            if step.clip_value != 0:
                _clip(work, tile, rows, width, step.clip_value)

    limits_norm = step.clip_norm != 0 and not step.apply_stored
    if step.incomplete or step.rule == GRADIENT or limits_norm:
        store_gradient(gradient, g, stride, work, tile, rows, width)
    else:
        _apply_rule(step.rule, params, state, at, work, tile, rows, n_weight_rows, width, step)


@kernel
def accumulate_gradient(gradient, g, stride, work, tile, rows, width):
    """Add the stored gradient to the tile's."""
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            here = tile + i * VECTORS * lanes(work) + j
            stored = load_tail(gradient, g + i * stride + j, width - j)
            store(work, here, load(work, here) + stored)


@kernel
def load_gradient(gradient, g, stride, work, tile, rows, width, scale):
    """The stored gradient times `scale` into the tile."""
    never_inline()
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            here = tile + i * VECTORS * lanes(work) + j
            store(work, here, load_tail(gradient, g + i * stride + j, width - j) * scale)


@kernel
def store_gradient(gradient, g, stride, work, tile, rows, width):
    """Store the tile's gradient."""
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            x = load(work, tile + i * VECTORS * lanes(work) + j)
            store_tail(gradient, g + i * stride + j, x, width - j)


@kernel
def _add_l2(params, at, work, tile, rows, width, l2):
    """Add the L2 penalty's gradient, l2 * w."""
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            here = i * VECTORS * lanes(work) + j
            store(work, tile + here, load(work, tile + here) + load(params, at + here) * l2)


@kernel
def _add_l1(params, at, work, tile, rows, width, l1):
    """Add the L1 penalty's gradient, l1 * sign(w), 0 at 0."""
    never_inline()
    zero = vector(params, 0.0)
    up = vector(params, l1)
    down = vector(params, -l1)
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            here = i * VECTORS * lanes(work) + j
            w = load(params, at + here)
            slope = select(w > 0.0, up, select(w < 0.0, down, zero))
            store(work, tile + here, load(work, tile + here) + slope)


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
