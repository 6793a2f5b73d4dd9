"""Kernels as plain Python, with Numba's compiler switched off: what is scalar in them gives the
numbers of the compiled ones.

Scalar code prepares a step and divides the work. All else begins with an intrinsic (`lanes`, a
load, a tile): machine instructions, which have no meaning in Python. They are compared with
tests/oracles/naive.py and run with index checks instead.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from fastbp.kernels.tile import ROWS

PROGRAM = """
import json, sys
import numba
import numpy as np
from fastbp.engine.steps import step_params
from fastbp.kernels import functional_output, partition, rules

@numba.njit
def begin_step(steps, count, total):  # kernels can be called by compiled code only
    rules.begin_step(steps[0], count, total)

@numba.njit
def shared(n, i, members):
    return partition.split(n, i, members)

@numba.njit
def columns(n, panel):
    blocks = partition.column_blocks(n, panel)
    return [partition.column_block(block, n, panel) for block in range(blocks)]

@numba.njit
def group(rows):
    return partition.blocks_per_group(rows)

@numba.njit
def rows(n, blocks):
    size, longer = partition.block_sizes(n, blocks)
    return [partition.first_row(block, size, longer) for block in range(blocks + 1)]

@numba.njit
def rectangle(blocks, panels, member, members):
    return partition.thread_range(blocks, panels, member, members)

from fastbp.optimizers import OPTIMIZERS, SGD, Nadam, RMSprop
steps = []
for optimizer in [kind() for kind in OPTIMIZERS.values()] + [
    SGD(0.1, momentum=0.9), SGD(0.1, 0.9, True), Nadam(0.01, momentum_decay=0.1),
    RMSprop(momentum=0.9, centered=True),
]:
    step = step_params(optimizer.rule, **optimizer.step_settings(), alpha=0.3)
    for count in (1, 2, 3, 10, 11, 5):
        begin_step(step.view(np.recarray), count, 7.0)
        steps.append([float(x) for x in step[0]])
bounds = [
    [shared(n, i, members) for i in range(members + 1)]
    for n in range(20) for members in range(1, 6)
]
places = [columns(n, panel) for n in (1, 5, 31, 32, 33, 100, 512) for panel in (4, 8, 16, 32)]
groups = [group(n) for n in (1, 60, 5000, 10**9)]
cuts = [rows(n, blocks) for n in (1, 13, 29, 100) for blocks in (1, 2, 7) if n >= blocks]
rectangles = [
    [rectangle(blocks, panels, i, members) for i in range(members)]
    for blocks in (1, 5) for panels in (1, 2, 7) for members in (1, 2, 3, 13)
]
@numba.njit
def first_outside(labels):
    return functional_output.first_outside(labels, 3)

labels = [np.array(a, np.int64) for a in ([], [0, 2], [0, 3], [1, -1])]
outside = [first_outside(a) for a in labels]
json.dump([steps, bounds, [places, groups], cuts, rectangles, outside], sys.stdout)
"""


def run(program, disabled, **env):
    env = os.environ | {"NUMBA_DISABLE_JIT": disabled} | env
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def pure():
    return json.loads(run(PROGRAM, "1"))


def test_the_numbers_of_the_compiled_ones(pure):
    compiled = json.loads(run(PROGRAM, "0"))
    # A power is the C library's, or Python's.
    np.testing.assert_allclose(pure[0], compiled[0], rtol=1e-13)
    assert pure[1:] == compiled[1:]


def test_all_work_is_shared_out_once(pure):
    _, shares, (places, groups), cuts, rectangles, outside = pure
    for k, bounds in enumerate(shares):
        assert bounds[0] == 0
        assert bounds[-1] == k // 5
        assert bounds == sorted(bounds)
    kinds = [(n, panel) for n in (1, 5, 31, 32, 33, 100, 512) for panel in (4, 8, 16, 32)]
    for (n, panel), blocks in zip(kinds, places, strict=True):
        assert [i for block in blocks for i in range(*block)] == list(range(n))
        for first, end in blocks:
            assert 0 < end - first <= ROWS
            assert first // panel == (end - 1) // panel  # in one panel
    assert groups == sorted(groups, reverse=True)
    assert groups[-1] == 1
    for bounds in cuts:
        sizes = np.diff(bounds)
        assert bounds[0] == 0
        assert bounds[-1] in (1, 13, 29, 100)
        assert sizes.min() >= 1
        assert np.ptp(sizes) <= 1
    kinds = [(blocks, panels) for blocks in (1, 5) for panels in (1, 2, 7) for _ in range(4)]
    for (blocks, panels), each in zip(kinds, rectangles, strict=True):
        places = [block * panels + p for first in each for block, p in (first[:2], first[2:])]
        assert places == sorted(places)
        assert places[1:-1:2] == places[2::2]  # one ends where the next begins
        assert (places[0], places[-1]) == (0, blocks * panels)
    assert outside == [-1, -1, 1, 1]


CALLS = """
import numpy as np
import fastbp
from fastbp import functional as F

X = np.ones((4, 3))
W = np.ones((3, 2))
b = np.ones(2)
net = fastbp.MLP([3, 2])
before = [w.tobytes() for w in net.weights]
for call in (
    lambda: net.fit(X, [0, 1, 0, 1]),
    lambda: net.partial_fit(X, [0, 1, 0, 1]),
    lambda: net.predict(X),
    lambda: fastbp.check_gradients(net.astype("float64"), X, [0, 1, 0, 1]),
    fastbp.warmup,
    lambda: F.sigmoid(X),
    lambda: F.softmax(X),
    lambda: F.dense_forward(X, W, b),
    lambda: F.dense_backward(X @ W, X, W),
    lambda: F.sgd_step(W, W.copy(), 0.1),
):
    try:
        call()
    except RuntimeError as error:
        print(error)
assert before == [w.tobytes() for w in net.weights]
"""


def test_without_the_compiler_the_error_says_so(tmp_path):
    """In every call that needs code which is not ready, instead of an intrinsic's error."""
    lines = run(CALLS, "1", FASTBP_CACHE_DIR=str(tmp_path), FASTBP_JIT="1").splitlines()
    assert len(lines) == 10
    assert set(lines) == {
        "Numba's compiler is off (NUMBA_DISABLE_JIT), and fastbp's kernels consist of machine "
        "instructions, which Python cannot run: unset NUMBA_DISABLE_JIT"
    }
