"""Every activation once: its code, its value from z, and its slope from the output a = f(z).

Slopes come from the output because that is what the forward pass leaves in memory (as in scikit-learn's MLP). At the kink of
relu, leaky_relu and elu the slope is the left one. Comparisons are written so that a NaN goes through.
"""

from collections.abc import Callable
from typing import NamedTuple

from numba import types
from numba.extending import intrinsic

from . import functions
from .simd import I64, Lanes, Vector, where

LEAK = 0.01


class Activation(NamedTuple):
    code: int
    value: Callable
    slope: Callable


def _relu(z):
    return where(z < 0.0, 0.0, z)


def _leaky_relu(z):
    return where(z < 0.0, z * LEAK, z)


def _elu(z):
    return where(z < 0.0, functions.expm1(z), z)


ACTIVATIONS = {
    "identity": Activation(0, lambda z: z, lambda a: a.like(1.0)),
    "sigmoid": Activation(1, functions.sigmoid, lambda a: a * (1.0 - a)),
    "tanh": Activation(2, functions.tanh, lambda a: 1.0 - a * a),
    "relu": Activation(3, _relu, lambda a: where(a <= 0.0, a.like(0.0), 1.0)),
    "leaky_relu": Activation(4, _leaky_relu, lambda a: where(a <= 0.0, a.like(LEAK), 1.0)),
    "elu": Activation(5, _elu, lambda a: where(a <= 0.0, a + 1.0, 1.0)),
    # d softplus / dz = sigmoid(z) = 1 - exp(-a)
    "softplus": Activation(6, functions.softplus, lambda a: -functions.expm1(-a)),
}


def _by_code(formulas, name):
    """A kernel function (code, vector) -> vector that applies the formula of that code; an unknown code leaves the vector."""

    @intrinsic
    def apply(typingctx, code, vector):
        if not isinstance(vector, Vector):
            return None

        def codegen(context, b, signature, args):
            done = b.append_basic_block(f"{name}.done")
            switch = b.switch(args[0], done)
            ends = [(args[1], b.block)]
            for number, formula in formulas:
                case = b.append_basic_block(f"{name}.{number}")
                switch.add_case(I64(number), case)
                b.position_at_end(case)
                value = formula(Lanes(b, args[1])).value
                ends.append((value, b.block))
                b.branch(done)
            b.position_at_end(done)
            result = b.phi(args[1].type)
            for value, block in ends:
                result.add_incoming(value, block)
            return result

        return vector(types.int64, vector), codegen

    return apply


activate = _by_code([(a.code, a.value) for a in ACTIVATIONS.values() if a.code], "activate")
slope = _by_code([(a.code, a.slope) for a in ACTIVATIONS.values()], "slope")
