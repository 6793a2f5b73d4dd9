"""How the work on a matrix is split into blocks of rows and divided among threads.

Divisions are rare: one takes as long as twenty multiplications, and small layers would consist of
divisions.
"""

from .jit import kernel
from .tile import ROWS

# Inputs of a group of row blocks, over all samples: they stay in the second-level cache.
GROUP = 1 << 16


@kernel
def ceil_div(n, d):
    return (n + d - 1) // d


@kernel
def split(items, thread, n_threads):
    """The first item of a thread's share. The share ends where the next thread's begins."""
    return items * thread if n_threads == 1 else items * thread // n_threads


@kernel
def block_sizes(n, blocks):
    """Rows per block where `n` rows are split into `blocks` blocks, and how many of the first
    blocks have one more: arguments of `first_row`."""
    return n // blocks, n % blocks


@kernel
def first_row(block, size, longer):
    return block * size + min(block, longer)


@kernel
def thread_range(blocks, panels, thread, n_threads):
    """A thread's share of blocks x panels: its first block and the first panel there, its last
    block and the end of the panels there."""
    first = split(blocks * panels, thread, n_threads)
    end = split(blocks * panels, thread + 1, n_threads)
    if panels == 1:
        return first, 0, end, 0
    return first // panels, first % panels, end // panels, end % panels


@kernel
def first_tile(item, blocks, columns, rows):
    """Tile number `item` of the weights' product over `rows` samples: column panel and row block;
    then, for `next_tile`, the first block of its group, the end of the group, and blocks per group.

    Row blocks are grouped: a group's inputs stay in the second-level cache while all columns of
    delta are processed.
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
    """The tile after (q, block): blocks of a group first, then columns, then groups."""
    block += 1
    if block == end:
        block = group
        q += 1
        if q == columns:
            q, block, group, end = 0, end, end, min(end + most, blocks)
    return q, block, group, end
