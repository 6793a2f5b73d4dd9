"""Find widths and batch sizes at which one more unit or sample costs far more than its arithmetic.

    python asv_bench/cliffs.py
    python asv_bench/cliffs.py --n-threads 2 --rounds 9

A net of 64-w-w-10 is trained, with widths from 1 to 130 at a few batch sizes and with batch sizes
from 1 to 300 at a few widths. The time of each point is the best of several rounds, each of which
visits all points. Printed are nanoseconds a sample and multiply-add, and the steepest rise and fall
from one point to the next.
"""

import argparse
import time
from itertools import pairwise

import numpy as np

import fastbp

MIN_MACS = 20_000_000  # multiply-adds of one timed run


class Point:
    """Training of one width with one batch size."""

    def __init__(self, width, batch, n_threads, dtype):
        widths = (64, width, width, 10)
        self.macs = 3 * sum(a * b for a, b in pairwise(widths)) - 64 * width  # a sample
        steps = max(4, MIN_MACS // (self.macs * batch))
        rng = np.random.default_rng(0)
        self.X = rng.normal(size=(steps * batch, 64)).astype(dtype)
        self.y = rng.integers(0, 10, steps * batch)
        self.net = fastbp.MLP(widths, dtype=dtype)
        self.seconds = float("inf")
        self.options = {"epochs": 1, "batch_size": batch, "shuffle": False, "n_threads": n_threads}

    def run(self):
        start = time.perf_counter()
        self.net.fit(self.X, self.y, **self.options)
        self.seconds = min(self.seconds, time.perf_counter() - start)

    @property
    def nanoseconds(self):
        """Nanoseconds of a multiply-add."""
        return 1e9 * self.seconds / (len(self.X) * self.macs)


def sweep(name, values, points, rounds):
    """Time the points in alternation and print the steepest places."""
    for _ in range(rounds + 1):
        for point in points:
            point.run()
    times = np.array([point.nanoseconds for point in points])
    change = times[1:] / times[:-1]
    rise = int(change.argmax())
    fall = int(change.argmin())
    print(
        f"{name}: {times[0]:.3f} to {times[-1]:.3f} ns a multiply-add; "
        f"steepest rise {change[rise]:.2f} at {values[rise]} to {values[rise + 1]}, "
        f"steepest fall {1 / change[fall]:.2f} at {values[fall]} to {values[fall + 1]}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--n-threads", type=int, default=1)
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--largest", type=int, default=300, help="largest width and batch size")
    args = parser.parse_args()
    widths = range(1, min(130, args.largest) + 1)
    batches = range(1, args.largest + 1)
    for batch in (25, 128):
        points = [Point(w, batch, args.n_threads, args.dtype) for w in widths]
        sweep(f"widths to {widths[-1]}, batch {batch}", widths, points, args.rounds)
    for width in (20, 46, 100):
        points = [Point(width, b, args.n_threads, args.dtype) for b in batches]
        sweep(f"batches to {batches[-1]}, width {width}", batches, points, args.rounds)


if __name__ == "__main__":
    main()
