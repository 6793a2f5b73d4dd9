"""Limit on the norm of the whole gradient, between the pass that stores the gradient and the pass
that applies it.

g is multiplied by min(1, limit / (norm + 1e-6)), as by PyTorch's ``clip_grad_norm_`` (Pascanu,
Mikolov and Bengio, *On the difficulty of training recurrent neural networks*, 2013). The squares
are added in float64, in an order that depends on neither threads nor vector width.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import kernel
from .memory import load_masked, load_vector, pointer
from .partition import ceil_div, split
from .plan import CHUNK
from .simd import I1, I64
from .team import barrier

# Partial sums of a chunk, one LLVM vector, which LLVM splits into the processor's own vectors.
SUMS = 16


@intrinsic
def _square_sum(typingctx, array, first, n):
    """The sum of the squares of array[first : first + n] in float64."""

    def codegen(context, b, signature, args):
        array_type = signature.args[0]
        array, first, n = args
        kind = ir.VectorType(ir.DoubleType(), SUMS)
        start = pointer(context, b, array_type, array, first, n)
        slot = cgutils.alloca_once_value(b, ir.Constant(kind, [0.0] * SUMS))

        def add_squares(x):
            x = x if isinstance(x.type.element, ir.DoubleType) else b.fpext(x, kind)
            b.store(b.fadd(b.load(slot), b.fmul(x, x)), slot)

        # Whole vectors, then the rest under a mask.
        rest = b.srem(n, I64(SUMS))
        whole = b.sub(n, rest)
        with cgutils.for_range_slice(b, I64(0), whole, I64(SUMS)) as (k, _):
            add_squares(load_vector(b, b.gep(start, [k]), SUMS).value)
        mask = ir.Constant(ir.VectorType(I1, SUMS), ir.Undefined)
        for lane in range(SUMS):
            mask = b.insert_element(mask, b.icmp_signed("<", I64(lane), rest), I64(lane))
        add_squares(load_masked(b, b.gep(start, [whole]), SUMS, mask))

        # The partial sums, from the first lane to the last.
        sums = b.load(slot)
        total = ir.Constant(ir.DoubleType(), 0.0)
        for lane in range(SUMS):
            total = b.fadd(total, b.extract_element(sums, I64(lane)))
        return total

    return types.float64(array, types.int64, types.int64), codegen


@kernel
def limit_norm(gradient, sums, at, step, sync, thread, n_threads, phase):
    """Set the scale that limits the stored gradient's norm, and switch the step to its second pass.

    sums : partial sums are written to sums[at:]

    Returns the phase after two barriers.
    """
    chunks = ceil_div(gradient.size, CHUNK)
    phase = barrier(sync, n_threads, phase)
    for c in range(split(chunks, thread, n_threads), split(chunks, thread + 1, n_threads)):
        sums[at + c] = _square_sum(gradient, c * CHUNK, min(CHUNK, gradient.size - c * CHUNK))
    phase = barrier(sync, n_threads, phase)
    # Every thread adds all chunks in order: the same bits for any number of threads.
    total = 0.0
    for c in range(chunks):
        total += sums[at + c]
    scale = step.clip_norm / (total**0.5 + 1e-6)
    step.gradient_scale = 1.0 if scale > 1.0 else scale
    step.apply_stored = True
    return phase
