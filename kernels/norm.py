"""The whole gradient's norm kept below a limit: between the pass that writes it out and the one
that applies it.

g times min(1, limit / (norm + 1e-6)), as PyTorch's ``clip_grad_norm_`` (Pascanu, Mikolov and
Bengio, *On the difficulty of training recurrent neural networks*, 2013). The squares are added up
in float64, in an order that depends on neither threads nor vector width.
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
from .update import APPLYING, MAX_NORM, SCALE

# that a chunk is shared out to in turn: as one LLVM vector, which every processor cuts to its own
# width
SUMS = 16


@intrinsic
def _square_sum(typingctx, array, first, n):
    """The sum of the squares of array[first : first + n] in float64."""

    def codegen(context, b, signature, args):
        count, kind = ir.Constant(I64, SUMS), ir.VectorType(ir.DoubleType(), SUMS)
        start = pointer(context, b, signature.args[0], args[0], args[1], args[2])
        slot = cgutils.alloca_once_value(b, ir.Constant(kind, [0.0] * SUMS))

        def add_squares(x):
            x = x if isinstance(x.type.element, ir.DoubleType) else b.fpext(x, kind)
            b.store(b.fadd(b.load(slot), b.fmul(x, x)), slot)

        rest = b.srem(args[2], count)
        whole = b.sub(args[2], rest)
        with cgutils.for_range_slice(b, I64(0), whole, count) as (k, _):
            add_squares(load_vector(b, b.gep(start, [k]), SUMS).value)
        mask = ir.Constant(ir.VectorType(I1, SUMS), ir.Undefined)
        for lane in range(SUMS):
            mask = b.insert_element(mask, b.icmp_signed("<", I64(lane), rest), I64(lane))
        add_squares(load_masked(b, b.gep(start, [whole]), SUMS, mask))
        sums, total = b.load(slot), ir.Constant(ir.DoubleType(), 0.0)
        for lane in range(SUMS):
            total = b.fadd(total, b.extract_element(sums, I64(lane)))
        return total

    return types.float64(array, types.int64, types.int64), codegen


@kernel
def limit_norm(gradient, sums, at, step, sync, thread, n_threads, phase):
    """Find the scale that keeps the norm below the limit, with partial sums in sums[at:]; what
    follows applies the gradient."""
    chunks = ceil_div(gradient.size, CHUNK)
    phase = barrier(sync, n_threads, phase)
    for c in range(split(chunks, thread, n_threads), split(chunks, thread + 1, n_threads)):
        sums[at + c] = _square_sum(gradient, c * CHUNK, min(CHUNK, gradient.size - c * CHUNK))
    phase = barrier(sync, n_threads, phase)
    total = 0.0
    for c in range(chunks):
        total += sums[at + c]
    scale = step[MAX_NORM] / (total**0.5 + 1e-6)
    step[SCALE] = 1.0 if scale > 1.0 else scale
    step[APPLYING] = 1
    return phase
