"""Whether one more unit or one more sample a batch ever costs much more: training time over every
width and every batch.

    python asv_bench/cliffs.py                     widths 1..130 at a few batches, batches 1..300 at a few widths
    python asv_bench/cliffs.py --n-threads 2 --rounds 9

A net of 64-w-w-10 trains on one thread; each point's time is the best of several rounds, which go
through all points by turns. Told is the time a sample per multiply-add, and where it rises and
falls most from one point to the next.
"""

import argparse
import time
from itertools import pairwise

import numpy as np

import fastbp

WIDTHS, BATCHES = range(1, 131), range(1, 301)
AT_BATCHES, AT_WIDTHS = (25, 128), (20, 46, 100)
WORK = 20_000_000  # multiply-adds of one timed run, at least


class Point:
    """Training of one width with one batch size."""

    def __init__(self, width, batch, n_threads, dtype):
        widths = (64, width, width, 10)
        self.per_sample = 3 * sum(a * b for a, b in pairwise(widths)) - 64 * width
        steps = max(4, WORK // (self.per_sample * batch))
        rng = np.random.default_rng(0)
        self.X, self.y = (
            rng.normal(size=(steps * batch, 64)).astype(dtype),
            rng.integers(0, 10, steps * batch),
        )
        self.net, self.best = fastbp.MLP(widths, dtype=dtype), float("inf")
        self.options = {"epochs": 1, "batch_size": batch, "shuffle": False, "n_threads": n_threads}

    def run(self):
        start = time.perf_counter()
        self.net.fit(self.X, self.y, **self.options)
        self.best = min(self.best, time.perf_counter() - start)

    @property
    def nanoseconds(self):
        """A sample, per multiply-add."""
        return 1e9 * self.best / (len(self.X) * self.per_sample)


def sweep(name, values, points, rounds):
    """Time the points by turns, then print the sweep's steepest places."""
    for _ in range(rounds + 1):
        for point in points:
            point.run()
    times = np.array([point.nanoseconds for point in points])
    change = times[1:] / times[:-1]
    rise, fall = int(change.argmax()), int(change.argmin())
    print(
        f"{name}: {times[0]:.3f} to {times[-1]:.3f} ns a multiply-add; steepest rise {change[rise]:.2f} at "
        f"{values[rise]} to {values[rise + 1]}, steepest fall {1 / change[fall]:.2f} at {values[fall]} to {values[fall + 1]}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--n-threads", type=int, default=1)
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--largest", type=int, default=300, help="no width and no batch above this")
    args = parser.parse_args()
    widths = [w for w in WIDTHS if w <= args.largest]
    batches = [b for b in BATCHES if b <= args.largest]
    for batch in AT_BATCHES:
        points = [Point(w, batch, args.n_threads, args.dtype) for w in widths]
        sweep(f"widths {widths[0]}..{widths[-1]}, batch {batch}", widths, points, args.rounds)
    for width in AT_WIDTHS:
        points = [Point(width, b, args.n_threads, args.dtype) for b in batches]
        sweep(f"batches {batches[0]}..{batches[-1]}, width {width}", batches, points, args.rounds)


if __name__ == "__main__":
    main()
