"""Every activation once: its value from z, and its slope from the output a = f(z).

The slope is computed from the output because the forward pass leaves the output in memory, as
scikit-learn's MLP does. At the kink of relu, leaky_relu, elu and selu the slope is the left one.
Comparisons are written so that a NaN passes through.

An activation that is not monotone has no slope as a function of its output. Its row has
``value_and_slope``, both from z, and its code is in `abi.STORES_SLOPES`: training stores the slopes
beside the activations, see plan.py.
"""

from collections.abc import Callable
from typing import NamedTuple

from numba import types
from numba.extending import intrinsic

from . import abi, gated_activations, vector_math
from .abi import LEAK, SELU_ALPHA, SELU_SCALE
from .simd import I64, Lanes, Vector, absolute, where


class Activation(NamedTuple):
    """Formulas on `Lanes`: either value and slope, or value_and_slope."""

    value: Callable | None = None
    slope: Callable | None = None
    value_and_slope: Callable | None = None


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


# By name; the codes are in abi.ACTIVATIONS.
ACTIVATIONS = {
    "identity": Activation(lambda z: z, lambda a: a.like(1.0)),
    "sigmoid": Activation(vector_math.sigmoid, lambda a: a * (1.0 - a)),
    "tanh": Activation(vector_math.tanh, lambda a: 1.0 - a * a),
    "relu": Activation(_relu, lambda a: where(a <= 0.0, a.like(0.0), 1.0)),
    "leaky_relu": Activation(_leaky_relu, lambda a: where(a <= 0.0, a.like(LEAK), 1.0)),
    "elu": Activation(_elu, lambda a: where(a <= 0.0, a + 1.0, 1.0)),
    # d softplus / dz = sigmoid(z) = 1 - exp(-a)
    "softplus": Activation(vector_math.softplus, lambda a: -vector_math.expm1(-a)),
    "softsign": Activation(_softsign, _softsign_slope),
    "selu": Activation(
        _selu, lambda a: where(a <= 0.0, a + SELU_SCALE * SELU_ALPHA, a.like(SELU_SCALE))
    ),
    "gelu": Activation(value_and_slope=gated_activations.gelu),
    "silu": Activation(value_and_slope=gated_activations.silu),
    "mish": Activation(value_and_slope=gated_activations.mish),
}


def _formulas(kind, names=abi.ACTIVATIONS):
    """Pairs (code, formula) of the activations in `names` that have a formula of this kind."""
    pairs = ((abi.ACTIVATIONS[name], getattr(ACTIVATIONS[name], kind)) for name in names)
    return [(code, formula) for code, formula in pairs if formula is not None]


def _switch(b, code, vector, formulas, default, name):
    """Emit a switch over `code`.

    formulas : pairs (code, function of Lanes that returns a list of Lanes)
    default : list of LLVM values, the result for any other code
    """
    done = b.append_basic_block(f"{name}.done")
    switch = b.switch(code, done)
    ends = [(default, b.block)]
    for number, formula in formulas:
        case = b.append_basic_block(f"{name}.{number}")
        switch.add_case(I64(number), case)
        b.position_at_end(case)
        ends.append(([x.value for x in formula(Lanes(b, vector))], b.block))
        b.branch(done)
    b.position_at_end(done)
    results = [b.phi(x.type) for x in default]
    for values, block in ends:
        for phi, value in zip(results, values, strict=True):
            phi.add_incoming(value, block)
    return results


def _by_code(formulas, name):
    """A kernel function (code, vector) -> vector that applies the formula of that code.

    An unknown code returns the vector unchanged.
    """
    formulas = [(code, lambda x, f=formula: [f(x)]) for code, formula in formulas]

    @intrinsic
    def apply(typingctx, code, vector):
        if not isinstance(vector, Vector):
            return None

        def codegen(context, b, signature, args):
            return _switch(b, *args, formulas, [args[1]], name)[0]

        return vector(types.int64, vector), codegen

    return apply


@intrinsic
def activate_with_slope(typingctx, code, vector):
    """(value, slope) from z, for a code in abi.STORES_SLOPES. LLVM drops a slope that is not
    used."""
    if not isinstance(vector, Vector):
        return None

    def codegen(context, b, signature, args):
        values = _switch(b, *args, _formulas("value_and_slope"), [args[1]] * 2, "with_slope")
        return context.make_tuple(b, signature.return_type, values)

    return types.UniTuple(vector, 2)(types.int64, vector), codegen


_LINEAR = abi.ACTIVATIONS["identity"]  # the default of a switch
activate = _by_code([(c, f) for c, f in _formulas("value") if c != _LINEAR], "activate")
slope = _by_code(_formulas("slope"), "slope")
# The same for the codes that an output layer can have: less code in the output's pass.
_OF_OUTPUTS = [name for name in abi.OUTPUTS if name in ACTIVATIONS]
activate_output = _by_code(
    [(c, f) for c, f in _formulas("value", _OF_OUTPUTS) if c != _LINEAR], "activate"
)
slope_of_output = _by_code(_formulas("slope", _OF_OUTPUTS), "slope")
