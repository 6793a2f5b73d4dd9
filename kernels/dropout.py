"""Dropout: in training each hidden unit is 0 for a sample with the layer's rate; otherwise its
activation is divided by 1 - rate.

Srivastava et al., *Dropout: a simple way to prevent neural networks from overfitting*, 2014, in the
inverted form, which leaves predictions unchanged. The draw for a unit is word unit % 4 of the
counter (unit // 4, sample's row in the batch, step, layer) under the network's key, see philox.py.
It depends on neither threads nor vector width.

A dropped unit is stored as minus zero, which products treat as zero and which no activation that is
not dropped can be. The backward pass recognises dropped units by it; nothing is drawn or stored
twice.
"""

from .activations import slope
from .jit import kernel
from .memory import load, store
from .partition import ceil_div, column_block, column_blocks, split
from .philox import below, random_words
from .simd import Lanes, elementwise, lanes, select, vector, where
from .tile import VECTORS


def _unless_dropped(x, a):
    minus_zero = a.like(-0.0).as_bits()
    return where(Lanes(a.b, a.b.icmp_unsigned("==", a.as_bits(), minus_zero)), 0.0, x)


# A kernel function (x, a): x, or 0 where the activation a is dropped.
unless_dropped = elementwise(_unless_dropped)


@kernel
def _drop_unit(work, at, words, limit, scale):
    # Adding 0 turns a minus zero that is not dropped, as of tanh, into plus zero.
    store(work, at, select(below(words, limit), load(work, at) * scale + 0.0, vector(work, -0.0)))


@kernel
def _drop_units(work, at, unit, end, sample, step, layer, job, limit, scale):
    """Drop from the units `unit` to `end` - 1 of a layer, for one vector of samples.

    work : unit number `unit` is at work[at]
    limit : a unit is dropped unless its 32-bit word is below this
    """
    panel = VECTORS * lanes(work)
    for group in range(unit // 4, (end + 3) // 4):
        # One counter gives the words of four units, of which the first and the last group may need
        # some only.
        w0, w1, w2, w3 = random_words(work, group, sample, step, layer, job.key0, job.key1)
        here = at + (4 * group - unit) * panel
        first = unit - 4 * group
        left = end - 4 * group
        if first <= 0:
            _drop_unit(work, here, w0, limit, scale)
        if first <= 1 < left:
            _drop_unit(work, here + panel, w1, limit, scale)
        if first <= 2 < left:
            _drop_unit(work, here + 2 * panel, w2, limit, scale)
        if first <= 3 < left:
            _drop_unit(work, here + 3 * panel, w3, limit, scale)


@kernel
def drop(work, layer, number, job, sample, step, rows, thread, n_threads):
    """Drop units of layer `number` for a block of `rows` samples, of which the first is row
    `sample` of the batch.

    A thread's share is what it has computed in `forward`, so no barrier is needed between the two.
    """
    panel = VECTORS * lanes(work)
    panels = ceil_div(rows, panel)
    blocks = column_blocks(layer.n_out, panel)
    limit = int((1.0 - layer.dropout) * 4294967296.0)
    scale = 1.0 / (1.0 - layer.dropout)
    items = blocks * panels
    for item in range(split(items, thread, n_threads), split(items, thread + 1, n_threads)):
        block = item // panels
        p = item % panels
        i0, i1 = column_block(block, layer.n_out, panel)
        to = layer.a + (p * layer.a_rows + i0) * panel
        for v in range(0, panel, lanes(work)):
            first = sample + p * panel + v
            _drop_units(work, to + v, i0, i1, first, step, number, job, limit, scale)


@kernel
def slope_through(activation, a, share):
    """The derivative by z of an activation `a` behind dropout that leaves `share` of the units.

    0 where the unit is dropped, else f'(z) / share.
    """
    return unless_dropped(slope(activation, a * share) * (1.0 / share), a)
