"""Every activation once: its code, its value from z, and its slope from the output a = f(z), or
where that cannot be from z.

Slopes come from the output because that is what the forward pass leaves in memory (as in
scikit-learn's MLP). At the kink of relu, leaky_relu, elu and selu the slope is the left one.
Comparisons are written so that a NaN goes through.

Those of GATED are not monotone, so their slope is none of the output's: value and slope come from z
together, and the slopes are kept beside the activations, see plan.py.
"""

from collections.abc import Callable
from typing import NamedTuple

from numba import types
from numba.extending import intrinsic

from . import abi, gated_activations, vector_math
from .abi import LEAK, SELU_ALPHA, SELU_SCALE
from .simd import I64, Lanes, Vector, absolute, where


class Activation(NamedTuple):
    code: int
    value: Callable
    slope: Callable


class Gated(NamedTuple):
    code: int
    value_and_slope: Callable


def _softsign(z):
    z = vector_math.clamp(z, -(2.0**60), 2.0**60)  # from there on the value is 1; inf / inf is NaN
    return z / (absolute(z) + 1.0)


def _softsign_slope(a):
    x = 1.0 - absolute(a)
    return x * x


def _relu(z):
    return where(z < 0.0, 0.0, z)


def _leaky_relu(z):
    return where(z < 0.0, z * LEAK, z)


def _elu(z):
    return where(z < 0.0, vector_math.expm1(z), z)


def _selu(z):
    return where(z < 0.0, vector_math.expm1(z) * (SELU_SCALE * SELU_ALPHA), z * SELU_SCALE)


ACTIVATIONS = {
    "identity": Activation(abi.ACTIVATIONS["identity"], lambda z: z, lambda a: a.like(1.0)),
    "sigmoid": Activation(abi.ACTIVATIONS["sigmoid"], vector_math.sigmoid, lambda a: a * (1.0 - a)),
    "tanh": Activation(abi.ACTIVATIONS["tanh"], vector_math.tanh, lambda a: 1.0 - a * a),
    "relu": Activation(abi.ACTIVATIONS["relu"], _relu, lambda a: where(a <= 0.0, a.like(0.0), 1.0)),
    "leaky_relu": Activation(
        abi.ACTIVATIONS["leaky_relu"], _leaky_relu, lambda a: where(a <= 0.0, a.like(LEAK), 1.0)
    ),
    "elu": Activation(abi.ACTIVATIONS["elu"], _elu, lambda a: where(a <= 0.0, a + 1.0, 1.0)),
    # d softplus / dz = sigmoid(z) = 1 - exp(-a)
    "softplus": Activation(
        abi.ACTIVATIONS["softplus"], vector_math.softplus, lambda a: -vector_math.expm1(-a)
    ),
    "softsign": Activation(abi.ACTIVATIONS["softsign"], _softsign, _softsign_slope),
    "selu": Activation(
        9, _selu, lambda a: where(a <= 0.0, a + SELU_SCALE * SELU_ALPHA, a.like(SELU_SCALE))
    ),
}
GATED = {
    "gelu": Gated(abi.ACTIVATIONS["gelu"], gated_activations.gelu),
    "silu": Gated(abi.ACTIVATIONS["silu"], gated_activations.silu),
    "mish": Gated(abi.ACTIVATIONS["mish"], gated_activations.mish),
}
FIRST_GATED = 11  # this code and all above
OF_OUTPUTS = ("sigmoid", "identity", "tanh", "relu", "softplus")


def _cases(b, code, vector, formulas, otherwise, name):
    """Emit a switch over the codes of `formulas`, pairs (code, function of Lanes): the values it
    gives, or `otherwise`."""
    done = b.append_basic_block(f"{name}.done")
    switch = b.switch(code, done)
    ends = [(otherwise, b.block)]
    for number, formula in formulas:
        case = b.append_basic_block(f"{name}.{number}")
        switch.add_case(I64(number), case)
        b.position_at_end(case)
        ends.append(([x.value for x in formula(Lanes(b, vector))], b.block))
        b.branch(done)
    b.position_at_end(done)
    results = [b.phi(x.type) for x in otherwise]
    for values, block in ends:
        for phi, value in zip(results, values, strict=True):
            phi.add_incoming(value, block)
    return results


def _by_code(formulas, name):
    """A kernel function (code, vector) -> vector that applies the formula of that code; an unknown
    code leaves the vector."""
    formulas = [(code, lambda x, f=formula: [f(x)]) for code, formula in formulas]

    @intrinsic
    def apply(typingctx, code, vector):
        if not isinstance(vector, Vector):
            return None

        def codegen(context, b, signature, args):
            return _cases(b, *args, formulas, [args[1]], name)[0]

        return vector(types.int64, vector), codegen

    return apply


@intrinsic
def gated(typingctx, code, vector):
    """Value and slope, both from z, of the gated activation of that code. A slope that nobody looks
    at is not computed."""
    if not isinstance(vector, Vector):
        return None

    def codegen(context, b, signature, args):
        return context.make_tuple(
            b, signature.return_type, _cases(b, *args, GATED.values(), [args[1]] * 2, "gated")
        )

    return types.UniTuple(vector, 2)(types.int64, vector), codegen


activate = _by_code([(a.code, a.value) for a in ACTIVATIONS.values() if a.code], "activate")
slope = _by_code([(a.code, a.slope) for a in ACTIVATIONS.values()], "slope")
# The same of fewer codes: what an output cannot be need not be compiled into its pass.
activate_output = _by_code(
    [(a.code, a.value) for name in OF_OUTPUTS if (a := ACTIVATIONS[name]).code], "activate"
)
slope_of_output = _by_code(
    [(ACTIVATIONS[name].code, ACTIVATIONS[name].slope) for name in OF_OUTPUTS], "slope"
)
