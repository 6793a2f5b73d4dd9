"""Samples between the caller's arrays and panels: rows in (shuffled or not), activations out."""

from .jit import kernel
from .memory import prefetch_element
from .output import smooth
from .partition import ceil_div, split
from .plan import STRIP
from .simd import lanes
from .tile import VECTORS
from .transpose import transpose, transpose_rows

# Bytes per prefetch: the shortest cache line of any processor (abi.CACHE_LINE may be two lines).
PREFETCH_BYTES = 64


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
    line = PREFETCH_BYTES // source.itemsize
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


@kernel
def gather_block(
    work,
    job,
    source,
    targets,
    labels,
    sample_weight,
    order,
    first,
    rows,
    total,
    strip,
    thread,
    n_threads,
):
    """Inputs, targets and shares in the mean of the samples order[first : first + rows], into
    panels.

    total : divisor of the mean: the batch's rows or their total weight
    strip : offset in `work` of the thread's staging buffer
    """
    panel = VECTORS * lanes(work)
    panels = ceil_div(rows, panel)
    for p in range(split(panels, thread, n_threads), split(panels, thread + 1, n_threads)):
        at = first + p * panel
        here = min(panel, rows - p * panel)
        n_in = job.n_in
        n_out = job.n_out
        x_to = p * (n_in + 1) * panel
        t_to = job.targets_at + p * n_out * panel
        labels_to = job.labels_at + p * panel
        scale_to = job.scale_at + p * panel

        # Inputs (n_in, PANEL).
        gather_panel(
            work, x_to, strip, source, job.x_base, job.x_row, job.x_column, order, at, here, n_in
        )

        # Targets (n_out, PANEL), or labels (PANEL,) as numbers; label smoothing makes targets of
        # either.
        if job.has_targets:
            gather_panel(
                work,
                t_to,
                strip,
                targets,
                job.t_base,
                job.t_row,
                job.t_column,
                order,
                at,
                here,
                n_out,
            )
        if job.has_labels:
            gather_lanes(work, labels_to, labels, order, at, here, 1.0)
        if job.target_shift != 0.0 and job.has_targets + job.has_labels > 0:
            has_labels = job.has_labels != 0
            smooth(work, t_to, labels_to, n_out, has_labels, job.target_scale, job.target_shift)

        # Each sample's share in the mean (PANEL,), 0 in lanes without a sample.
        scale = 1.0 / total if total != 0.0 else 0.0
        if job.has_weights:
            gather_lanes(work, scale_to, sample_weight, order, at, here, scale)
        else:
            for r in range(panel):
                work[scale_to + r] = scale if r < here else 0.0


@kernel
def weight_of(job, sample_weight, order, first, rows):
    """The samples' total weight, the divisor of their mean."""
    if not job.has_weights:
        return float(rows)
    total = 0.0
    for r in range(first, first + rows):
        total += sample_weight[order[r]]
    return total
