"""Every kernel over odd shapes in the index-checked build, where a stray access is an IndexError."""

import os
import subprocess
import sys

PROGRAM = """
import numpy as np, fastbp
from fastbp.kernels.memory import CHECKED
assert CHECKED
rng = np.random.default_rng(0)
for dtype in ("float32", "float64"):
    for widths in ([1, 1], [3, 2], [65, 33, 1], [13, 14, 15, 16], [31, 28, 29, 10], [260, 5, 64], [600, 3]):
        for n in (1, 2, 15, 16, 17, 31, 32, 33, 63, 100):
            X, Y = rng.normal(size=(n, widths[0])).astype(dtype), rng.uniform(size=(n, widths[-1])).astype(dtype)
            net = fastbp.MLP(widths, output="sigmoid", hidden="relu", dtype=dtype)
            for optimizer in (fastbp.SGD(0.1), fastbp.SGD(0.1, 0.9), fastbp.Adam()):
                net.fit(X, Y, epochs=1, batch_size=40, optimizer=optimizer, l2=0.1, sample_weight=np.ones(n))
            net.fit(np.asfortranarray(X)[::-1], Y, epochs=1, batch_size=7)
            net = fastbp.MLP(widths, output="sigmoid", hidden="relu", dtype=dtype, dropout=0.2)
            for optimizer in (fastbp.RMSprop(momentum=0.9), fastbp.Adagrad(), fastbp.Nadam()):
                net.fit(X, Y, epochs=1, batch_size=40, optimizer=optimizer, l1=0.1, clip_value=0.1, clip_norm=0.5)
            net.loss_and_gradients(X, Y)
            net.forward(X)
            net.predict(X[:1])
            net.loss(X, rng.integers(0, widths[-1], n) if widths[-1] > 1 else Y)
    for widths in ([3, 2], [13, 14, 15, 16], [3, 65]):
        for n in (1, 16, 17, 33):
            X, labels = rng.normal(size=(n, widths[0])).astype(dtype), rng.integers(0, widths[-1], n)
            for loss, output in (("huber", "tanh"), ("absolute_error", "exp"), ("poisson", "exp"), ("hinge", "identity")):
                fastbp.MLP(widths, output=output, loss=loss, dtype=dtype).fit(X, labels, epochs=1, class_weight="balanced")
            net = fastbp.MLP(widths, dtype=dtype, label_smoothing=0.1)
            net.fit(X, labels, epochs=1, X_val=X, y_val=np.eye(widths[-1])[labels])
            fastbp.MLP(widths, loss=lambda a, y: (a.sum(), np.ones_like(a)), dtype=dtype).fit(X, labels, epochs=1, batch_size=7)
    X = rng.normal(size=(2050, 20)).astype(dtype)
    net = fastbp.MLP([20, 30, 3], dtype=dtype)
    net.fit(X, rng.integers(0, 3, 2050), epochs=1, batch_size=None)
# and the check is alive: a plan for fewer rows than are asked for must be noticed
from fastbp import engine
from fastbp.team import Team
samples = net._samples(X, rng.integers(0, 3, 2050), None)
numbers = fastbp.SGD(0.1).numbers()
with Team(1) as team:
    steps = engine.Steps(net._network, net._parameters, net._state, samples, 20, numbers, team, [1])
    steps.plan.job[0]["batch"] = steps.plan.job[0]["block"] = steps.batch = 2000
    try:
        steps.run(np.arange(2050), 0)
    except IndexError:
        print("all checked")
"""


def test_every_index_is_in_its_array():
    env = os.environ | {"FASTBP_BOUNDSCHECK": "1", "NUMBA_BOUNDSCHECK": "1"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["all", "checked"]
