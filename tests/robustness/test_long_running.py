"""A process that trains and predicts without end: its memory does not grow."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROUNDS = int(os.environ.get("FASTBP_ROUNDS", "1500"))

ROUND = """
import gc, os, resource, sys, numpy as np, fastbp
rounds = int(sys.argv[1])
rng = np.random.default_rng(0)
x, y = rng.normal(size=(40, 6)), rng.integers(0, 3, 40)
kept = fastbp.MLP([6, 9, 3])

def resident():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

def work(i):
    net = fastbp.MLP([6, 5 + i % 7, 3], seed=i, dropout=0.1 * (i % 2))
    settings = {"epochs": 2, "batch_size": 7, "optimizer": fastbp.Adam(), "n_threads": 1 + i % 2}
    net.fit(x, y, **settings, X_val=x, y_val=y)
    kept.fit(x[: 1 + i % 40], y[: 1 + i % 40], epochs=1)
    kept.partial_fit(x, y, optimizer=fastbp.SGD(0.01) if i % 2 else fastbp.Adam(0.01))
    for each in (net, kept):
        each.predict(x)
        each.predict(x[:1])
        each.loss(x, y)

for i in range(500):
    work(i)
before, most = resident(), 0
tasks, files = (len(os.listdir(f"/proc/self/{what}")) for what in ("task", "fd"))
for i in range(rounds):
    work(i)
    if i % 500 == 499:
        most = max(most, resident() - before)
assert (tasks, files) == tuple(len(os.listdir(f"/proc/self/{what}")) for what in ("task", "fd"))
print(before, most)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_memory_is_flat(capsys):
    """After five hundred rounds of fits and predictions, FASTBP_ROUNDS more take at most two
    megabytes: a leak of 1.4 kilobytes a round would take as much in the short form, one of 60 bytes
    in the long (34,000 rounds: 100,000 fits)."""
    done = subprocess.run(
        [sys.executable, "-c", ROUND, str(ROUNDS)],
        capture_output=True,
        text=True,
        timeout=120 + ROUNDS,
    )
    assert (done.returncode, done.stderr) == (0, "")
    before, most = map(int, done.stdout.split())
    with capsys.disabled():
        print(
            f"\n{ROUNDS} rounds: {before / 1e6:.1f} MB at first, at most {most / 1e6:.2f} MB more",
            end="",
        )
    assert most < 2 << 20
