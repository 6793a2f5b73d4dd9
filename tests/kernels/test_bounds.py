"""Every kernel over odd shapes in the index-checked build: a stray access is an IndexError."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastbp.kernels import jit

PROGRAM = """
import numpy as np, fastbp
from fastbp.kernels.memory import CHECKED
assert CHECKED
rng = np.random.default_rng(0)
rules = [kind() for kind in fastbp.optimizers.OPTIMIZERS.values()]
rules += [fastbp.SGD(0.1, 0.9), fastbp.RMSprop(momentum=0.9)]
limits = {"l1": 0.1, "clip_value": 0.1, "clip_norm": 0.5}
shapes = (
    [1, 1], [3, 2], [65, 33, 1], [13, 14, 15, 16], [31, 28, 29, 10], [260, 5, 64], [600, 3],
)
for dtype in ("float32", "float64"):
    for widths in shapes:
        for n in (1, 2, 15, 16, 17, 31, 32, 33, 63, 100):
            X = rng.normal(size=(n, widths[0])).astype(dtype)
            Y = rng.uniform(size=(n, widths[-1])).astype(dtype)
            options = {"epochs": 1, "batch_size": 40}
            net = fastbp.MLP(widths, output="sigmoid", hidden="relu", dtype=dtype)
            for rule in (fastbp.SGD(0.1), fastbp.SGD(0.1, 0.9), fastbp.Adam()):
                net.fit(X, Y, optimizer=rule, l2=0.1, sample_weight=np.ones(n), **options)
            net.fit(np.asfortranarray(X)[::-1], Y, epochs=1, batch_size=7)
            net = fastbp.MLP(widths, output="sigmoid", hidden="relu", dtype=dtype, dropout=0.2)
            for rule in rules:
                net.fit(X, Y, optimizer=rule, **limits, **options)
            net.loss_and_gradients(X, Y)
            net.forward(X)
            net.predict(X[:1])
            net.loss(X, rng.integers(0, widths[-1], n) if widths[-1] > 1 else Y)
    for widths in ([3, 2], [13, 14, 15, 16], [3, 65]):
        for n in (1, 16, 17, 33):
            X = rng.normal(size=(n, widths[0])).astype(dtype)
            labels = rng.integers(0, widths[-1], n)
            pairs = {"huber": "tanh", "absolute_error": "exp", "poisson": "exp"}
            for loss, output in {**pairs, "hinge": "identity"}.items():
                net = fastbp.MLP(widths, output=output, loss=loss, dtype=dtype)
                net.fit(X, labels, epochs=1, class_weight="balanced")
            net = fastbp.MLP(widths, dtype=dtype, label_smoothing=0.1)
            net.fit(X, labels, epochs=1, X_val=X, y_val=np.eye(widths[-1])[labels])
            net = fastbp.MLP(widths, loss=lambda a, y: (a.sum(), np.ones_like(a)), dtype=dtype)
            net.fit(X, labels, epochs=1, batch_size=7)
    X = rng.normal(size=(2050, 20)).astype(dtype)
    net = fastbp.MLP([20, 30, 3], dtype=dtype)
    net.fit(X, rng.integers(0, 3, 2050), epochs=1, batch_size=None)
# The check works: a plan for fewer rows than the job has must raise.
from fastbp.engine.steps import StepRunner, step_params
from fastbp.training.checked_samples import make_samples
samples = make_samples(net, X, rng.integers(0, 3, 2050))
step = step_params("sgd", lr=0.1)
steps = StepRunner(
    net.network, net.parameters, net.train_state.optimizer_state, samples, 20, step, [1]
)
steps.plan.job[0]["batch"] = steps.plan.job[0]["block"] = steps.batch = 2000
try:
    steps.run(np.arange(2050), 0)
except IndexError:
    print("all checked")
"""


FUNCTIONAL = """
import numpy as np
from fastbp import functional as fn
from fastbp.runtime import spin_pool
from fastbp.functional import dense, elementwise, output
from fastbp.kernels.memory import CHECKED
from fastbp.kernels.plan import aligned_zeros
from fastbp.kernels.block import SHARED_CALLS
assert CHECKED
dense.workspace = output.workspace = aligned_zeros  # none that an earlier call has made larger
spin_pool.available_cpus = lambda: 3
spin_pool.BACKOFF_SECONDS = spin_pool.STALL_RATIO = 0
# So that workers take part:
elementwise._EXP_BYTES = elementwise._PLAIN_BYTES = spin_pool.LOOP_GAP_SECONDS = 1
rng = np.random.default_rng(0)
shapes = (
    (0, 3, 2), (1, 1, 1), (2, 7, 1), (15, 1, 9), (17, 33, 31), (33, 14, 65), (1030, 20, 64),
)
pairs = (
    ("softmax", "cross_entropy"),
    ("identity", "squared_error"),
    ("tanh", "softmax_cross_entropy"),
)
slopes = (fn.sigmoid_slope, fn.leaky_relu_slope)
for dtype in ("float32", "float64"):
    for n, n_in, n_out in shapes:
        x = rng.normal(size=(n, n_in)).astype(dtype)
        W = rng.normal(size=(n_in, n_out)).astype(dtype)
        b = rng.normal(size=n_out).astype(dtype)
        a = fn.dense_forward(x, W, b, "tanh")
        fn.dense_backward(a, x, W, activation="relu")
        fn.dense_backward(a[::-1], np.asfortranarray(x), W)
        fn.dense_backward(a, x, W, activation="tanh", mask=x > 0)
        for n_threads in (2, 3):
            for _ in range(5):
                fn.dense_forward(x, W, b, "tanh", n_threads=n_threads)
                fn.dense_backward(a, x, W, activation="relu", n_threads=n_threads)
        for f in (fn.sigmoid, fn.relu, fn.softmax, fn.log_softmax, *slopes):
            f(a)
        if n:
            labels = rng.integers(0, n_out, n)
            for name, loss in pairs if n_out > 1 else pairs[1:2]:
                fn.output_delta(a, np.eye(n_out)[labels], name, loss)
            if n_out > 1:
                fn.output_delta(a, labels, "softmax", "cross_entropy")
        for param in (W, b, b[:0], W.T):
            m, v, g = (np.zeros_like(param) for _ in range(3))
            fn.sgd_step(param, g, 0.1)
            fn.sgd_step(param, g, 0.1, velocity=m, momentum=0.9, nesterov=True)
            fn.adam_step(param, g, m, v, 3)
assert spin_pool.shared_pool().block[SHARED_CALLS] > 0
# The check works here too: a workspace that is too small must raise.
dense.workspace = lambda size, dtype: aligned_zeros(size // 4, dtype)
try:
    fn.dense_forward(x, W, b)
except IndexError:
    print("all checked")
"""
GATED = """
import numpy as np, fastbp
from fastbp.kernels.memory import CHECKED
from fastbp.base.activations import HIDDEN, OUTPUTS
from fastbp.base.losses import LOSSES
from fastbp.base.network_arguments import check_loss
assert CHECKED
rng = np.random.default_rng(0)
for dtype in ("float32", "float64"):
    for i, hidden in enumerate(HIDDEN):
        for n in (1, 17, 40):
            X, y = rng.normal(size=(n, 5)).astype(dtype), rng.integers(0, 3, n)
            for dropout in (0.0, 0.4):
                net = fastbp.MLP([5, 17, 33, 3], hidden, dtype=dtype, dropout=dropout)
                net.fit(X, y, epochs=1, batch_size=16 + i, n_threads=2)
                net.fit(X, y, epochs=1, optimizer=fastbp.AdamW(), clip_norm=0.1, n_threads=3)
                net.predict(X[:1])
                net.forward(X)
    X = rng.normal(size=(19, 5)).astype(dtype)
    for output in OUTPUTS:
        for loss in LOSSES:
            try:
                check_loss(loss, output, 3)
            except ValueError:
                continue
            labels = rng.integers(0, 3, 19)
            net = fastbp.MLP([5, 3], output=output, loss=loss, dtype=dtype)
            for y in (labels, np.eye(3, dtype=dtype)[labels]):
                net.fit(X, y, epochs=1, batch_size=8, optimizer=fastbp.SGD(1e-3))
                net.loss_and_gradients(X, y, n_threads=2)
print("all checked")
"""


@pytest.mark.parametrize(
    "program", [PROGRAM, FUNCTIONAL, GATED], ids=["nets", "functional", "activations and losses"]
)
def test_every_index_is_in_its_array(program):
    env = os.environ | {"FASTBP_BOUNDSCHECK": "1", "NUMBA_BOUNDSCHECK": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["all", "checked"]


def test_every_entry_is_run():
    """The programs above call every entry point; a new one must be added to them."""
    entries = {}
    for path in Path(jit.__file__).parent.glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and any(
                ast.unparse(d) == "entry" for d in node.decorator_list
            ):
                entries.setdefault(path.stem, set()).add(node.name)
    assert entries == {
        "train": {"train"},
        "packing": {"repack", "all_finite", "copy"},
        "infer": {"infer"},
        "spin_pool": {"worker_loop", "wait_for_workers", "spin"},
        "functional": {"dense_forward", "dense_backward"},
        "functional_output": {"output_delta", "first_outside"},
        "elementwise": {
            "apply",
            "apply_slope",
            "softmax",
            "sgd",
            "momentum",
            "adam",
            "through_mask",
        },
    }
