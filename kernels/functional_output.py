"""Compiled entry points of the outputs, the loss and its delta on the caller's row-major arrays.

The samples pass through a panel at a time, as in functional.py.
"""

from .denormals import flush_denormals, restore_denormals
from .gather import scatter_panel
from .jit import entry
from .output import OF_LOGITS, activate_column, output_column, sum_of_losses
from .partition import ceil_div
from .simd import lanes
from .tile import VECTORS
from .transpose import transpose


@entry
def output_delta(delta, a, z, targets, labels, work, n, k, output, loss, has_labels, share, has_a):
    """The sum of the losses of the rows of z (n, k) times `share`, and its gradient by z into
    `delta`, which may be z; where `has_a`, also the outputs into `a`.

    a : (n, k); any array unless `has_a`
    targets : (n, k); any array where there are labels
    labels : int64 (n,), or empty
    """
    panel = VECTORS * lanes(work)
    # Sections of `work`: a panel of z at 0, of delta, of the targets; labels; shares in the mean.
    d = k * panel
    t = 2 * k * panel
    number = 3 * k * panel
    scale = number + panel
    value = 0.0
    denormals = flush_denormals()
    for first in range(0, n, panel):
        rows = min(panel, n - first)
        transpose(work, 0, panel, panel, z, first * k, k, rows, k)
        if not has_labels:
            transpose(work, t, panel, panel, targets, first * k, k, rows, k)
        for r in range(panel):
            if has_labels:
                work[number + r] = labels[first + r] if r < rows else 0
            work[scale + r] = share if r < rows else 0.0
        for v in range(0, ceil_div(rows, lanes(work)) * lanes(work), lanes(work)):
            output_column(work, v, d + v, t + v, number + v, scale + v, k, output, loss, has_labels)
            if has_a and loss in OF_LOGITS:  # the others have replaced z
                activate_column(work, v, k, output)
        value += sum_of_losses(work, scale, rows)
        scatter_panel(delta, first * k, work, d, rows, k)
        if has_a:
            scatter_panel(a, first * k, work, 0, rows, k)
    restore_denormals(denormals)
    return value


@entry
def first_outside(labels, k):
    """The index of the first label outside 0..k-1, or -1."""
    for i in range(labels.size):
        if labels[i] < 0 or labels[i] >= k:
            return i
    return -1
