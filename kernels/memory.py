"""Loads and stores of vectors, whole and partial, and prefetching.

Arrays are flat (one-dimensional, C-contiguous); an index counts elements. In a build with
FASTBP_BOUNDSCHECK=1 every access is checked against the array's size. Without the check an index
out of range is a stray read or write.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .abi import CACHE_LINE, CHECKED
from .jit import kernel
from .simd import I32, I64, Lanes, Vector, lanes, lanes_of


def pointer(context, builder, array_type, array, first, count):
    """The address of element `first`.

    A checked build raises an IndexError unless elements first to first + count - 1 exist.
    """
    check_range(
        context, builder, size_of(context, builder, array_type, array), first, I64(0), I64(1), count
    )
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [first])


def size_of(context, builder, array_type, array):
    return context.make_array(array_type)(context, builder, array).nitems


def check_range(context, builder, size, first, step, rows, columns):
    """In a checked build, raise an IndexError unless first + r * step + c is in range(size).

    For all r < rows and c < columns.
    """
    if not CHECKED:
        return
    some = builder.and_(*(builder.icmp_signed(">", n, I64(0)) for n in (rows, columns)))
    last = builder.add(builder.mul(builder.sub(rows, I64(1)), step), columns)
    low = builder.icmp_signed("<", first, I64(0))
    high = builder.icmp_signed(">", builder.add(first, last), size)
    with builder.if_then(builder.and_(some, builder.or_(low, high)), likely=False):
        context.call_conv.return_user_exc(
            builder, IndexError, ("a kernel's index is out of its array",)
        )


def load_vector(builder, address, count):
    """The `count` elements at `address`; element alignment suffices."""
    kind = ir.VectorType(address.type.pointee, count)
    value = builder.load(builder.bitcast(address, kind.as_pointer()))
    value.align = element_bytes(address.type.pointee)
    return Lanes(builder, value)


def store_vector(lanes, address):
    instruction = lanes.b.store(
        lanes.value, lanes.b.bitcast(address, lanes.value.type.as_pointer())
    )
    instruction.align = element_bytes(lanes.element)


def load_masked(builder, address, count, mask):
    """The elements at `address` in the lanes set in the mask, zeros in the others.

    Only set lanes access memory.
    """
    kind = ir.VectorType(address.type.pointee, count)
    zero = ir.Constant(kind, [0.0] * count)
    return _masked(
        builder, "load", kind, kind, [_as_vector(builder, address, kind), _align(kind), mask, zero]
    )


def store_masked(builder, value, address, mask):
    address = _as_vector(builder, address, value.type)
    _masked(builder, "store", value.type, ir.VoidType(), [value, address, _align(value.type), mask])


def _masked(builder, name, kind, result, args):
    suffix = f"v{kind.count}f{8 * element_bytes(kind.element)}"
    function_type = ir.FunctionType(result, [a.type for a in args])
    return builder.call(
        cgutils.get_or_insert_function(
            builder.module, function_type, f"llvm.masked.{name}.{suffix}.p0"
        ),
        args,
    )


def _as_vector(builder, address, kind):
    return builder.bitcast(address, kind.as_pointer())


def _align(kind):
    return I32(element_bytes(kind.element))


def element_bytes(llvm_type):
    return 4 if isinstance(llvm_type, ir.FloatType) else 8


def first_lanes(builder, count, n):
    """The mask of the first `n` of `count` lanes."""
    # Clamped to `count` and truncated to 32 bits, so that one vector comparison makes the mask.
    n = builder.trunc(builder.select(builder.icmp_signed("<", n, I64(count)), n, I64(count)), I32)
    kind = ir.VectorType(I32, count)
    undef = ir.Constant(kind, ir.Undefined)
    wide = builder.insert_element(undef, n, I32(0))
    wide = builder.shuffle_vector(wide, undef, ir.Constant(ir.VectorType(I32, count), [0] * count))
    return builder.icmp_signed("<", ir.Constant(kind, list(range(count))), wide)


def _is_flat(array):
    return (
        isinstance(array, types.Array)
        and array.ndim == 1
        and array.layout == "C"
        and isinstance(array.dtype, types.Float)
    )


@intrinsic
def load(typingctx, array, i):
    """The vector array[i : i + lanes]."""
    if not _is_flat(array):
        return None

    def codegen(context, builder, signature, args):
        count = lanes_of(array.dtype)
        return load_vector(
            builder, pointer(context, builder, array, *args, I64(count)), count
        ).value

    return Vector(array.dtype)(array, types.int64), codegen


@intrinsic
def store(typingctx, array, i, vector):
    """array[i : i + lanes] = vector."""
    if not _is_flat(array) or vector != Vector(array.dtype):
        return None

    def codegen(context, builder, signature, args):
        lanes = Lanes(builder, args[2])
        store_vector(lanes, pointer(context, builder, array, args[0], args[1], I64(lanes.count)))
        return context.get_dummy_value()

    return types.void(array, types.int64, vector), codegen


@intrinsic
def prefetch_element(typingctx, array, i):
    """Prefetch the cache line of array[i]."""

    def codegen(context, builder, signature, args):
        prefetch(builder, pointer(context, builder, array, *args, I64(1)))
        return context.get_dummy_value()

    return types.void(array, types.int64), codegen


@intrinsic
def load_first(typingctx, array, i, n):
    """The vector array[i : i + n], zeros in the lanes from n on, without access to their memory."""
    if not _is_flat(array):
        return None

    def codegen(context, builder, signature, args):
        count = lanes_of(array.dtype)
        address = pointer(context, builder, array, *args)
        return load_masked(builder, address, count, first_lanes(builder, count, args[2]))

    return Vector(array.dtype)(array, types.int64, types.int64), codegen


@intrinsic
def store_first(typingctx, array, i, vector, n):
    """array[i : i + n] = the first n lanes of vector."""
    if not _is_flat(array) or vector != Vector(array.dtype):
        return None

    def codegen(context, builder, signature, args):
        address = pointer(context, builder, array, args[0], args[1], args[3])
        store_masked(builder, args[2], address, first_lanes(builder, args[2].type.count, args[3]))
        return context.get_dummy_value()

    return types.void(array, types.int64, vector, types.int64), codegen


@intrinsic
def keep_first(typingctx, vector, n, other):
    """The first n lanes of the vector; the number `other` in the lanes from n on."""
    if not isinstance(vector, Vector) or not isinstance(other, types.Number):
        return None

    def codegen(context, builder, signature, args):
        lanes = Lanes(builder, args[0])
        return builder.select(
            first_lanes(builder, lanes.count, args[1]), lanes.value, lanes.like(args[2]).value
        )

    return vector(vector, types.int64, other), codegen


@kernel
def load_tail(array, i, n):
    """The vector array[i : i + lanes]; zeros in the lanes from n on where n < lanes."""
    return load(array, i) if n >= lanes(array) else load_first(array, i, n)


@kernel
def store_tail(array, i, x, n):
    """Store the vector x to array[i : i + lanes], or its first n lanes where n < lanes."""
    if n >= lanes(array):
        store(array, i, x)
    else:
        store_first(array, i, x, n)


def slot_index(builder, at, slot, n, dtype):
    """The index in an optimizer's state of slot number `slot` of parameter `at` of `n`.

    Each slot begins on a cache line (see plan.slot_size). Without that, vectors of the later slots
    spanned two lines each, and threads with neighbouring tiles wrote to the same lines.
    """
    line = CACHE_LINE // (dtype.bitwidth // 8)
    lines = builder.sdiv(builder.add(n, I64(line - 1)), I64(line))
    return builder.add(at, builder.mul(lines, I64(slot * line)))


@kernel
def slots_apart(array, n):
    """Elements from one slot to the next of an optimizer's state for `n` parameters."""
    line = CACHE_LINE // array.itemsize
    return (n + line - 1) // line * line


def prefetch(builder, address):
    """Prefetch the cache line at `address` for reading. Any address is allowed."""
    i8p = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [i8p, I32, I32, I32])
    f = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(f, [builder.bitcast(address, i8p), I32(0), I32(3), I32(1)])


@intrinsic
def lane_sum(typingctx, vector):
    """The sum of the lanes in float64, added from the first lane to the last."""
    if not isinstance(vector, Vector):
        return None

    def codegen(context, builder, signature, args):
        total = ir.Constant(ir.DoubleType(), 0.0)
        for i in range(vector.lanes):
            lane = builder.extract_element(args[0], I32(i))
            total = builder.fadd(
                total, builder.fpext(lane, total.type) if lane.type != total.type else lane
            )
        return total

    return types.float64(vector), codegen


@intrinsic
def lane_max(typingctx, vector):
    """The largest lane, a number of the vector's dtype. A NaN is skipped unless it is in lane 0."""
    if not isinstance(vector, Vector):
        return None

    def codegen(context, builder, signature, args):
        top = builder.extract_element(args[0], I32(0))
        for i in range(1, vector.lanes):
            lane = builder.extract_element(args[0], I32(i))
            top = builder.select(builder.fcmp_ordered(">", lane, top), lane, top)
        return top

    return vector.dtype(vector), codegen
