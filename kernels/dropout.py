"""Dropout: in training each hidden unit is 0 for a sample with the layer's rate, else its
activation is divided by 1 - rate.

(Srivastava et al., *Dropout: a simple way to prevent neural networks from overfitting*, 2014,
inverted: predictions stay as they are.) The draw for a unit is word unit % 4 of the counter (unit
// 4, sample's place in the batch, step, layer) under the net's key, see philox.py; so it depends on
neither threads nor vector width.

What is dropped is stored as minus zero, which products take for zero, and which no activation that
is kept can be: backward sees from that what to leave out, and nothing is drawn or stored twice.
"""

from .activations import slope
from .jit import kernel
from .memory import load, store
from .partition import block_sizes, ceil_div, first_row, split
from .philox import below, random_words
from .simd import Lanes, elementwise, lanes, select, vector, where
from .tile import ROWS, VECTORS


def _unless_dropped(x, a):
    minus_zero = a.like(-0.0).as_bits()
    return where(Lanes(a.b, a.b.icmp_unsigned("==", a.as_bits(), minus_zero)), 0.0, x)


unless_dropped = elementwise(_unless_dropped)


@kernel
def _drop_unit(work, at, words, limit, scale):
    # Adding 0 makes a kept minus zero, as of tanh, plus zero.
    store(work, at, select(below(words, limit), load(work, at) * scale + 0.0, vector(work, -0.0)))


@kernel
def _drop_units(work, at, unit, end, sample, step, layer, job, limit, scale):
    """Drop from the units `unit` to `end` of a layer for a vector of samples, unit `unit` at
    work[at]."""
    panel = VECTORS * lanes(work)
    for group in range(unit // 4, (end + 3) // 4):
        w0, w1, w2, w3 = random_words(work, group, sample, step, layer, job.key0, job.key1)
        here, first, left = at + (4 * group - unit) * panel, unit - 4 * group, end - 4 * group
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
    """Drop units of layer `number` for the samples of a block, `sample` and those after it in the
    batch.

    A member's share is what it has just made in `forward`, so that nobody need wait.
    """
    panel = VECTORS * lanes(work)
    panels, blocks = ceil_div(rows, panel), ceil_div(layer.n_out, ROWS)
    limit, scale = int((1.0 - layer.dropout) * 4294967296.0), 1.0 / (1.0 - layer.dropout)
    size, longer = block_sizes(layer.n_out, blocks)
    for item in range(
        split(blocks * panels, thread, n_threads), split(blocks * panels, thread + 1, n_threads)
    ):
        block, p = item // panels, item % panels
        i0, i1 = first_row(block, size, longer), first_row(block + 1, size, longer)
        to = layer.a + (p * layer.a_rows + i0) * panel
        for v in range(0, panel, lanes(work)):
            _drop_units(
                work, to + v, i0, i1, sample + p * panel + v, step, number, job, limit, scale
            )


@kernel
def slope_through(activation, a, kept):
    """The derivative of what is stored by z: of the unit's activation, over the share of samples
    that keep it, or 0."""
    return unless_dropped(slope(activation, a * kept) * (1.0 / kept), a)
