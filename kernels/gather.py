"""Samples between the caller's arrays and panels: rows in (shuffled or not), activations out."""

from .abi import CACHE_LINE
from .jit import kernel
from .memory import prefetch_element
from .plan import STRIP
from .simd import lanes
from .tile import VECTORS
from .transpose import transpose, transpose_rows


@kernel
def gather_panel(work, to, strip, source, base, row_step, column_step, order, first, rows, n):
    """Samples order[first : first + rows] of `source`, n features each, into the panel at `to`;
    empty lanes become zeros.

    source : flat array; feature i of sample r is source[base + r * row_step + i * column_step]
    strip : offset in `work` of a buffer for STRIP features of a panel
    """
    panel = VECTORS * lanes(work)
    if column_step == 1:
        transpose_rows(work, to, panel, panel, source, base, row_step, order, first, rows, n)
        return
    # Strided features are copied to contiguous rows of the strip, which is then transposed.
    for start in range(0, n, STRIP):
        width = min(STRIP, n - start)
        for r in range(rows):
            at = base + order[first + r] * row_step + start * column_step
            for i in range(width):
                work[strip + r * STRIP + i] = source[at + i * column_step]
        transpose(work, to + start * panel, panel, panel, work, strip, STRIP, rows, width)


@kernel
def prefetch_samples(source, base, row_step, order, first, last, n):
    """Prefetch the samples order[first : last], n contiguous features each."""
    line = CACHE_LINE // source.itemsize
    for r in range(first, min(last, order.size)):
        at = base + order[r] * row_step
        for i in range(0, n, line):
            prefetch_element(source, at + i)


@kernel
def gather_lanes(work, to, source, order, first, rows, scale):
    """scale * source[order[first : first + rows]] into the lanes of the panel row at `to`; empty
    lanes become zeros."""
    for r in range(VECTORS * lanes(work)):
        work[to + r] = source[order[first + r]] * scale if r < rows else 0


@kernel
def scatter_panel(out, o, work, a, rows, n):
    """The `rows` samples of the panel at `a`, n features each, into row-major (rows, n) at
    out[o]."""
    panel = VECTORS * lanes(work)
    for start in range(0, n, panel):
        width = min(panel, n - start)
        transpose(out, o + start, n, width, work, a + start * panel, panel, width, rows)
