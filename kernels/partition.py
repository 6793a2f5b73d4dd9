"""How the work on a matrix is split into blocks of rows and divided among threads.

Divisions are rare: one takes as long as twenty multiplications, and small layers would consist of
divisions.
"""

from .abi import CACHE_LINE
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
def element_range(array, thread, n_threads):
    """A thread's share of the elements of a flat array: first and end, whole cache lines."""
    line = CACHE_LINE // array.itemsize
    lines = ceil_div(array.size, line)
    first = split(lines, thread, n_threads) * line
    return first, min(array.size, split(lines, thread + 1, n_threads) * line)


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
def column_blocks(n, panel):
    """Blocks of at most ROWS columns in a matrix of `n` columns; none spans two panels."""
    last = (n - 1) // panel
    return last * ceil_div(panel, ROWS) + ceil_div(n - last * panel, ROWS)


@kernel
def column_block(block, n, panel):
    """First column of a block, and the column behind its last."""
    parts = ceil_div(panel, ROWS)
    q = block // parts
    first = q * panel
    width = panel
    if first + panel > n:
        width = n - first
        parts = ceil_div(width, ROWS)
    size, longer = block_sizes(width, parts)
    part = block - q * ceil_div(panel, ROWS)
    return first + first_row(part, size, longer), first + first_row(part + 1, size, longer)


@kernel
def blocks_per_group(rows):
    """Row blocks of the weights' product over `rows` samples that are processed for all columns
    before the next ones: their inputs stay in the second-level cache."""
    return max(1, GROUP // (ROWS * rows))
