"""A vector of lanes: the explicit SIMD that every kernel is written with.

A vector has two forms. `Lanes` is a vector value while code is emitted: Python arithmetic on it
appends LLVM instructions. A formula such as ``1 / (1 + exp(-z))`` is written once, as on paper, and
becomes straight-line vector code; `elementwise` makes it callable from a kernel. `Vector` is the
Numba type of the same value inside a jitted kernel, where `load`, `store`, arithmetic, comparisons
and `select` work on it.

Instructions carry no fast-math flags: a NaN passes through, and an element's bits depend on neither
its lane nor its neighbours. In a build with FASTBP_BOUNDSCHECK=1 every access checks its index and
raises an IndexError; the flag is part of the cache's key.
"""

import inspect
import operator

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

from . import target

I1, I32, I64 = (ir.IntType(bits) for bits in (1, 32, 64))


def lanes_of(dtype):
    """Lanes per vector register of this processor, for a Numba or NumPy float type."""
    size = dtype.itemsize if isinstance(dtype, np.dtype) else dtype.bitwidth // 8
    return target.VECTOR_BYTES // size


class Vector(types.Type):
    """Numba type: one register of floats."""

    def __init__(self, dtype):
        self.dtype = dtype
        self.lanes = lanes_of(dtype)
        super().__init__(name=f"Vector({dtype}x{self.lanes})")


class Mask(types.Type):
    """Numba type: one truth value per lane."""

    def __init__(self, lanes):
        self.lanes = lanes
        super().__init__(name=f"Mask({lanes})")


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, ir.VectorType(llvm_float(fe_type.dtype), fe_type.lanes))


@register_model(Mask)
class MaskModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, ir.VectorType(I1, fe_type.lanes))


def llvm_float(dtype):
    return ir.FloatType() if dtype == types.float32 else ir.DoubleType()


class Scalar:
    """A number or flag while code is emitted; it takes a vector's dtype where it meets a vector."""

    def __init__(self, builder, value):
        self.b = builder
        self.value = value

    def __rsub__(self, number):
        return Scalar(self.b, self.b.fsub(ir.Constant(self.value.type, number), self.value))


class Lanes:
    """A vector while code is emitted: floats, or the truth values of a comparison."""

    def __init__(self, builder, value):
        self.b = builder
        self.value = value
        self.count = value.type.count
        self.element = value.type.element
        self.single = isinstance(self.element, ir.FloatType)

    @property
    def bits(self):
        """The integer vector type as wide as this one."""
        return ir.VectorType(I32 if self.single else I64, self.count)

    def like(self, x):
        """`x`, a Python number, a Scalar or a scalar LLVM value, in every lane."""
        if isinstance(x, Lanes):
            return x
        x = x.value if isinstance(x, Scalar) else x
        if isinstance(x, (int, float)):
            x = np.float32(x) if self.single else x
            return Lanes(self.b, ir.Constant(self.value.type, [float(x)] * self.count))
        if x.type != self.element:
            if isinstance(x.type, ir.IntType):
                x = self.b.sitofp(x, self.element)
            else:
                x = (self.b.fptrunc if self.single else self.b.fpext)(x, self.element)
        return splat(self.b, x, self.count)

    def _with(self, emit, other):
        return Lanes(self.b, emit(self.value, self.like(other).value))

    def __add__(self, o):
        return self._with(self.b.fadd, o)

    def __sub__(self, o):
        return self._with(self.b.fsub, o)

    def __mul__(self, o):
        return self._with(self.b.fmul, o)

    def __truediv__(self, o):
        return self._with(self.b.fdiv, o)

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, o):
        return self.like(o) - self

    def __rtruediv__(self, o):
        return self.like(o) / self

    def __neg__(self):
        return Lanes(self.b, self.b.fneg(self.value))

    def _compare(self, sign, o):
        return Lanes(self.b, self.b.fcmp_ordered(sign, self.value, self.like(o).value))

    def __lt__(self, o):
        return self._compare("<", o)

    def __le__(self, o):
        return self._compare("<=", o)

    def __gt__(self, o):
        return self._compare(">", o)

    def __ge__(self, o):
        return self._compare(">=", o)

    def equals(self, o):
        return self._compare("==", o)

    def call(self, name, *others):
        """The LLVM intrinsic `name` of this vector and others."""
        args = [self.value] + [self.like(o).value for o in others]
        kind = ir.FunctionType(self.value.type, [a.type for a in args])
        suffix = f"v{self.count}f{32 if self.single else 64}"
        f = cgutils.get_or_insert_function(self.b.module, kind, f"llvm.{name}.{suffix}")
        return Lanes(self.b, self.b.call(f, args))

    def as_bits(self):
        return self.b.bitcast(self.value, self.bits)

    def from_bits(self, integers):
        return Lanes(self.b, self.b.bitcast(integers, self.value.type))

    def integers(self, x):
        return ir.Constant(self.bits, [int(x)] * self.count)


def splat(builder, scalar, count):
    """`scalar` in each of `count` lanes."""
    undef = ir.Constant(ir.VectorType(scalar.type, count), ir.Undefined)
    v = builder.insert_element(undef, scalar, ir.Constant(I32, 0))
    return Lanes(
        builder,
        builder.shuffle_vector(v, undef, ir.Constant(ir.VectorType(I32, count), [0] * count)),
    )


def fma(x, y, z):
    """x * y + z, rounded once."""
    return x.call("fma", y, z)


def absolute(x):
    return x.call("fabs")


def square_root(x):
    return x.call("sqrt")


def copy_sign(x, sign):
    return x.call("copysign", sign)


def where(mask, x, y):
    """x where the mask holds, else y; at least one of x and y is a vector.

    mask : Lanes with a truth value per lane, or a Scalar for all lanes
    """
    x = x if isinstance(x, Lanes) else y.like(x)
    return Lanes(x.b, x.b.select(mask.value, x.value, x.like(y).value))


# ---- the same, inside a jitted kernel


def with_signature(definition, parameters):
    """An intrinsic from `definition(typingctx, *args)` that takes arguments of these names."""
    names = ["typingctx", *parameters]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    definition.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    return intrinsic(definition)


def elementwise(formula, results=None):
    """Make `formula`, a Python function on `Lanes` and `Scalar`, callable from a kernel.

    results : number of vectors that the formula returns as a tuple; None for one vector
    """
    parameters = inspect.signature(formula).parameters

    def definition(typingctx, *kinds):
        vector = next((k for k in kinds if isinstance(k, Vector)), None)
        if vector is None:
            return None

        def codegen(context, builder, signature, values):
            args = {
                name: (Lanes if isinstance(kind, Vector | Mask) else Scalar)(builder, value)
                for name, kind, value in zip(parameters, signature.args, values, strict=True)
            }
            returned = formula(**args)
            if results is None:
                return returned.value
            return context.make_tuple(builder, signature.return_type, [x.value for x in returned])

        result = vector if results is None else types.UniTuple(vector, results)
        return result(*kinds), codegen

    definition.__name__ = formula.__name__
    return with_signature(definition, parameters)


def _on_vectors(function, emit, result=lambda vector: vector):
    """Define the Python operator `function` for two vectors, or for a vector and a number."""

    @type_callable(function)
    def typer(context):
        def resolve(x, y):
            vector = x if isinstance(x, Vector) else y
            other = y if vector is x else x
            if isinstance(vector, Vector) and (other == vector or isinstance(other, types.Number)):
                return result(vector)
            return None

        return resolve

    for kinds in ((Vector, Vector), (Vector, types.Number), (types.Number, Vector)):

        @lower_builtin(function, *kinds)
        def lower(context, builder, signature, values):
            x, y = (
                Lanes(builder, v) if isinstance(t, Vector) else v
                for t, v in zip(signature.args, values, strict=True)
            )
            x = x if isinstance(x, Lanes) else y.like(x)
            return emit(x, y).value


for _operator in (operator.add, operator.sub, operator.mul, operator.truediv):
    _on_vectors(_operator, _operator)
for _operator in (operator.lt, operator.le, operator.gt, operator.ge):
    _on_vectors(_operator, _operator, lambda vector: Mask(vector.lanes))
_on_vectors(operator.eq, lambda x, y: x.equals(y), lambda vector: Mask(vector.lanes))


@intrinsic
def lanes(typingctx, array):
    """Lanes per vector of `array`'s dtype, a compile-time constant."""
    if not isinstance(array, types.Array):
        return None
    return types.int64(array), lambda context, builder, signature, args: I64(lanes_of(array.dtype))


@intrinsic
def vector(typingctx, array, x):
    """The number `x` in every lane of a vector of `array`'s dtype."""
    if not isinstance(array, types.Array) or not isinstance(x, types.Number):
        return None
    kind = Vector(array.dtype)

    def codegen(context, builder, signature, args):
        zero = Lanes(builder, ir.Constant(context.get_value_type(kind), [0.0] * kind.lanes))
        return zero.like(args[1]).value

    return kind(array, x), codegen


select = elementwise(where)
