"""The functions in several threads at once, after a fork, with every index checked, and compiled
for narrower processors."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from fastbp import functional as fn
from fastbp.kernels import target

STEP = """
import hashlib, sys, numpy as np
from fastbp import functional as fn

def step(seed, n_threads=None, dtype="float32"):
    # Forward, backward, update of one layer and its softmax; a digest of everything.
    rng = np.random.default_rng(seed)
    n, n_in, n_out = (int(size) for size in rng.integers(1, 90, 3))
    x, W, b = (rng.normal(size=shape).astype(dtype) for shape in ((n, n_in), (n_in, n_out), n_out))
    y = rng.integers(0, n_out, n)
    a = fn.dense_forward(x, W, b, "tanh", n_threads=n_threads)
    loss, delta = fn.output_delta(a, np.eye(n_out)[y], "sigmoid")
    dW, db, below = fn.dense_backward(delta, x, W, "sigmoid", n_threads=n_threads)
    slopes = fn.sigmoid_slope(fn.sigmoid(below))
    m, v = np.zeros_like(W), np.zeros_like(W)
    fn.adam_step(W, dW, m, v, 1)
    fn.sgd_step(b, db, 0.1)
    arrays = np.array(loss), a, delta, slopes, W, b
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
"""
CHECKED = """
from fastbp.kernels.memory import CHECKED
assert CHECKED
for dtype in ("float32", "float64"):
    for n, n_in, n_out in (
        (0, 3, 2), (1, 1, 1), (15, 14, 16), (33, 15, 33), (40, 600, 3), (530, 29, 65)
    ):
        shapes = (n, n_in), (n_in, n_out), n_out, (n, n_out)
        x, W, b, delta = (np.ones(shape, dtype) for shape in shapes)
        for n_threads in (1, 3):
            fn.dense_forward(x, W, b, "elu", n_threads=n_threads)
            fn.dense_backward(delta, x, W, "elu", n_threads=n_threads)
            fn.dense_backward(delta, x, W, n_threads=n_threads)
        if n_out > 1:
            fn.output_delta(delta, np.zeros(n, int))
        fn.output_delta(delta, delta, "tanh")
        for f in (fn.relu, fn.softmax, fn.log_softmax, fn.tanh_slope):
            f(delta), f(b)
    for seed in range(20):
        step(seed, None, dtype)
from fastbp.kernels import entries
try:  # and the check works: a workspace that is too small is found
    entries.dense_forward(delta, x, W, b, np.zeros(100, dtype), *x.shape, W.shape[1], 0, 0, 1)
except IndexError:
    print("checked")
"""


def test_several_threads_at_once():
    """Each makes its own calls, some of them shared: the results are those of one thread."""
    namespace: dict = {}
    exec(STEP, namespace)
    step = namespace["step"]
    wanted = [step(seed) for seed in range(30)]
    got: list = [[None] * 30 for _ in range(4)]

    def work(mine, n_threads):
        for seed in range(30):
            mine[seed] = step(seed, n_threads)

    threads = [
        threading.Thread(target=work, args=(mine, n))
        for mine, n in zip(got, (None, None, 1, 2), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [wanted] * 4


FORKED = """
import os, threading, warnings
wanted = [step(seed, 2) for seed in range(5)]
assert threading.active_count() > 1
warnings.simplefilter("error")  # Python 3.12 warns of threads that a child would not have
pid = os.fork()
if not pid:
    code = 1
    try:
        code = int([step(seed, n) for seed, n in zip(range(5), (None, 1, 2, 3, None))] != wanted)
    finally:
        os._exit(code)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert [step(seed, 2) for seed in range(5)] == wanted
print("forked")
"""


def run(program, **env):
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_a_fork():
    assert run(STEP + FORKED) == ["forked"]


def test_every_index_is_in_its_array():
    assert run(STEP + CHECKED, FASTBP_BOUNDSCHECK="1", NUMBA_BOUNDSCHECK="1") == ["checked"]


@pytest.mark.skipif(not target.X86, reason="needs a target of x86")
def test_the_same_bits_on_a_narrower_processor():
    """Except the loss: it is a sum over lanes in float64, and its last bit depends on their
    number."""
    program = STEP.replace("np.array(loss), ", "") + (
        "dtypes = 'float32', 'float64'\n"
        "print(*(step(seed, dtype=dtype) for seed in range(12) for dtype in dtypes))"
    )
    assert run(program) == run(program, FASTBP_TARGET="arm-shape")


def test_importing_fastbp_alone_does_not_import_it():
    assert run(
        "import sys, fastbp; print('fastbp.functional' in sys.modules, fastbp.functional.__name__)"
    ) == [
        "False",
        "fastbp.functional",
    ]


def test_results_share_no_memory():
    """A later call does not write into an earlier call's results."""
    x = np.ones((4, 3))
    W = np.ones((3, 2))
    b = np.zeros(2)
    first = fn.dense_forward(x, W, b)
    fn.dense_forward(2 * x, W, b)
    np.testing.assert_array_equal(first, np.full((4, 2), 3.0))
