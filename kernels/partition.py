"""How the work on a matrix is cut into blocks of rows, and shared out among the members.

Divisions are few and far between: one takes as long as twenty products, and small layers would
consist of them.
"""

from .jit import kernel
from .tile import ROWS

GROUP = 1 << 16  # inputs, of some row blocks and all samples, that stay in the second-level cache


@kernel
def ceil_div(n, d):
    return (n + d - 1) // d


@kernel
def split(items, thread, n_threads):
    """The first item of a member's share; the next member's first is its end."""
    return items * thread if n_threads == 1 else items * thread // n_threads


@kernel
def block_sizes(n, blocks):
    """Rows of each of `blocks` blocks of `n` rows, and how many of them, the first ones, have one
    more: for `first_row`."""
    return n // blocks, n % blocks


@kernel
def first_row(block, size, longer):
    return block * size + min(block, longer)


@kernel
def thread_range(blocks, panels, thread, n_threads):
    """A member's share of blocks x panels: the first block and its first panel there, the last
    block and its end in that."""
    first, end = (
        split(blocks * panels, thread, n_threads),
        split(blocks * panels, thread + 1, n_threads),
    )
    if panels == 1:
        return first, 0, end, 0
    return first // panels, first % panels, end // panels, end % panels


@kernel
def first_tile(item, blocks, columns, rows):
    """The tile number `item` of the weights' product over `rows` samples: its column panel and row
    block, and for `next_tile` the first block of its group, the first behind it, and blocks a
    group.

    Row blocks come in groups whose inputs stay in the second-level cache while the columns of delta
    pass by.
    """
    most = max(1, GROUP // (ROWS * rows))
    group = item // (most * columns) * most
    size = min(most, blocks - group)
    return (
        (item - group * columns) // size,
        group + (item - group * columns) % size,
        group,
        group + size,
        most,
    )


@kernel
def next_tile(q, block, group, end, most, blocks, columns):
    block += 1
    if block == end:
        block, q = group, q + 1
        if q == columns:
            q, block, group, end = 0, end, end, min(end + most, blocks)
    return q, block, group, end
