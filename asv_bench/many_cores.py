"""Compute, from the functions that divide a step among threads, how evenly they divide it.

    python asv_bench/many_cores.py
    python asv_bench/many_cores.py --cases 100-500-10:64 --dtype float64

For each number of threads: an upper bound on the efficiency of a training step, that is, its
multiply-adds over the number of threads times those of the busiest thread, pass by pass, as a
barrier follows each pass. Nothing is timed: the costs of barriers, of the memory and of the passes
without a product (samples into panels, loss, transposes) come on top. Then the barriers of a step,
and at 16 threads the share of W's cache lines that a thread reads (forward, backward) after another
one has written them (update). The shape of the register tile is that of this processor.
"""

import argparse
from itertools import pairwise

import numba
import numpy as np
from peers import TRAIN_CASES, parse_case

from fastbp.kernels.partition import (
    block_sizes,
    ceil_div,
    column_block,
    column_blocks,
    first_row,
    thread_range,
)
from fastbp.kernels.plan import panel_of
from fastbp.kernels.tile import ROWS, VECTORS

THREADS = (1, 2, 4, 8, 16, 32, 64, 128)
FORWARD, BACKWARD, WEIGHTS = range(3)


@numba.njit
def share(kind, n_in, n_out, rows, panel, thread, n_threads, touched):
    """Multiply-adds of one thread's share of a pass, in vectors. In touched[q, i] the rows i of
    W's panels q that it reads or writes are set."""
    panels = ceil_div(rows, panel)
    lanes = panel // VECTORS
    columns = ceil_div(n_out, panel)
    blocks = columns
    others = ceil_div(n_in + 1, ROWS) if kind == WEIGHTS else panels
    if kind == FORWARD:
        blocks = column_blocks(n_out, panel)
    elif kind == BACKWARD:
        blocks = ceil_div(n_in, ROWS)
    block, p0, last, end = thread_range(blocks, others, thread, n_threads)
    total = 0
    while block < last or (block == last and p0 < end):
        for p in range(p0, others if block < last else end):
            vectors = min(VECTORS, ceil_div(rows - p * panel, lanes))
            if kind == FORWARD:
                i0, i1 = column_block(block, n_out, panel)
                total += (i1 - i0) * (n_in + 1) * vectors
                touched[i0 // panel] = True
            elif kind == BACKWARD:
                size, longer = block_sizes(n_in, blocks)
                i0 = first_row(block, size, longer)
                i1 = first_row(block + 1, size, longer)
                total += (i1 - i0) * n_out * vectors
                touched[:, i0:i1] = True
            else:
                size, longer = block_sizes(n_in + 1, others)
                i0 = first_row(p, size, longer)
                i1 = first_row(p + 1, size, longer)
                width = min(panel, n_out - block * panel)
                total += (i1 - i0) * rows * ceil_div(width, lanes)
                touched[block, i0:i1] = True
        block += 1
        p0 = 0
    return total


def passes(case):
    """(kind, n_in, n_out) of each product of a step."""
    layers = list(pairwise(case.widths))
    for i, (n_in, n_out) in enumerate(layers):
        yield FORWARD, n_in, n_out
        yield WEIGHTS, n_in, n_out
        if i:
            yield BACKWARD, n_in, n_out


def divide(case, n_threads):
    """The bound on the efficiency, and the share of lines read that another thread has written."""
    panel = panel_of(case.dtype)
    work = longest = moved = read = 0
    written = {}
    for kind, n_in, n_out in sorted(passes(case), reverse=True):  # the updates first
        maps = np.zeros((n_threads, -(-n_out // panel), n_in + 1), bool)
        shares = [
            share(kind, n_in, n_out, case.batch, panel, thread, n_threads, maps[thread])
            for thread in range(n_threads)
        ]
        work += sum(shares)
        longest += max(shares)
        if kind == WEIGHTS:
            written[n_in, n_out] = maps
        else:
            read += maps.sum()
            moved += (maps & ~written[n_in, n_out]).sum()
    return work / (n_threads * longest), moved / read


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", help=f"of {', '.join(TRAIN_CASES)}; or widths:batch")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    args = parser.parse_args()
    names = args.cases.split(",") if args.cases else [n for n in TRAIN_CASES if n != "higgs"]
    print(f"tiles of {ROWS} x {panel_of(args.dtype)}, {args.dtype}\n")
    print(f"| case | batch | {' | '.join(map(str, THREADS))} | barriers | lines moved at 16 |")
    print("|---" * (len(THREADS) + 4) + "|")
    for name in names:
        case = parse_case(name, TRAIN_CASES)
        bounds = [divide(case, n)[0] for n in THREADS]
        barriers = 2 * len(case.widths) + 1
        cells = [f"{bound:.0%}" for bound in bounds]
        moved = f"{divide(case, 16)[1]:.0%}"
        print(f"| {' | '.join([name, str(case.batch), *cells, str(barriers), moved])} |")


if __name__ == "__main__":
    main()
