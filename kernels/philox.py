"""Random bits from a counter. There is no state, so a draw depends on neither the thread nor the
order of draws.

Philox4x32-10 of Salmon, Moraes, Dror and Shaw, *Parallel random numbers: as easy as 1, 2, 3*
(2011): ten rounds turn a counter of four 32-bit words and a key of two into four random words.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

from .simd import I64, Mask, lanes_of, splat

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
LOW = 0xFFFFFFFF


class Words(types.Type):
    """Numba type: a 32-bit word per lane, stored in 64 bits: every vector unit multiplies 32 by 32
    bits to 64 in this form."""

    def __init__(self, lanes):
        self.lanes = lanes
        super().__init__(name=f"Words({lanes})")


@register_model(Words)
class WordsModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, ir.VectorType(I64, fe_type.lanes))


def philox(b, counter, key):
    """Emit the four random words of a counter.

    counter : four vectors of words
    key : two scalar words
    """
    kind = counter[0].type

    def constant(x):
        return ir.Constant(kind, [x] * kind.count)

    c0, c1, c2, c3 = counter
    for r in range(ROUNDS):
        k0, k1 = (
            b.and_(b.add(k, I64(r * w & LOW)), I64(LOW)) for k, w in zip(key, WEYL, strict=True)
        )
        p0, p1 = b.mul(c0, constant(MULTIPLIERS[0])), b.mul(c2, constant(MULTIPLIERS[1]))
        high0, high1 = b.lshr(p0, constant(32)), b.lshr(p1, constant(32))
        c0, c2 = (
            b.xor(b.xor(high, c), splat(b, k, kind.count).value)
            for high, c, k in ((high1, c1, k0), (high0, c3, k1))
        )
        c1, c3 = b.and_(p1, constant(LOW)), b.and_(p0, constant(LOW))
    return c0, c1, c2, c3


@intrinsic
def random_words(typingctx, array, group, first, step, layer, key0, key1):
    """Four random words of the counter (group, sample, step, layer), for a vector of samples from
    `first` on."""
    if not isinstance(array, types.Array):
        return None
    count = lanes_of(array.dtype)

    def codegen(context, b, signature, args):
        _, group, first, step, layer, *key = args
        lane = ir.Constant(ir.VectorType(I64, count), list(range(count)))
        group, first, step, layer = (splat(b, x, count).value for x in (group, first, step, layer))
        low = ir.Constant(lane.type, [LOW] * count)
        counter = [b.and_(x, low) for x in (group, b.add(first, lane), step, layer)]
        return context.make_tuple(b, signature.return_type, philox(b, counter, key))

    i8 = types.int64
    return types.UniTuple(Words(count), 4)(array, i8, i8, i8, i8, i8, i8), codegen


@intrinsic
def below(typingctx, words, limit):
    """Whether each word is below `limit`, in [0, 2**32]."""
    if not isinstance(words, Words):
        return None

    def codegen(context, b, signature, args):
        return b.icmp_unsigned("<", args[0], splat(b, args[1], words.lanes).value)

    return Mask(words.lanes)(words, types.int64), codegen
