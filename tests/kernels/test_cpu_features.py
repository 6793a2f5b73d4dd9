"""The narrower processors' code, on this one: the right widths, and to the last bit the same
weights."""

import os
import platform
import subprocess
import sys

import pytest

from fastbp.kernels import cpu_features

PROGRAM = """
import hashlib, numpy as np, fastbp
from fastbp.kernels import cpu_features
rng = np.random.default_rng(0)
X, y = rng.normal(size=(300, 33)), rng.integers(0, 5, 300)
digest = hashlib.sha256()
for dtype in ("float32", "float64"):
    net = fastbp.MLP([33, 40, 21, 5], hidden=("elu", "tanh"), dtype=dtype)
    net.fit(X, y, epochs=2, optimizer=fastbp.Adam(0.01), l2=1e-3)
    digest.update(net.parameters.tobytes() + net.forward(X)[-1].tobytes())
    for hidden, dropout in ((("gelu", "silu"), 0.0), (("mish", "gelu"), 0.3), ("selu", 0.0)):
        net = fastbp.MLP([33, 40, 21, 5], hidden, dtype=dtype, dropout=dropout)
        net.fit(20 * X, y, epochs=1)
        digest.update(net.parameters.tobytes() + net.forward(X)[-1].tobytes())
    net = fastbp.MLP([33, 40, 21, 5], hidden="tanh", dropout=0.3, dtype=dtype)
    for rule in (fastbp.Nadam(), fastbp.RMSprop(momentum=0.5, centered=True), fastbp.Adagrad()):
        net.fit(X, y, epochs=1, optimizer=rule, l1=1e-3, clip_value=0.1, clip_norm=0.1)
        digest.update(net.parameters.tobytes())
    # Losses with and without penalties, and all that is derived from them.
    for penalty in ({}, {"l2": 0.01}, {"l1": 0.01}, {"l2": 0.01, "l1": 0.001, "clip_norm": 0.1}):
        net = fastbp.MLP([33, 70, 21, 5], hidden="tanh", dtype=dtype)
        history = net.fit(X, y, epochs=2, batch_size=30, X_val=X, y_val=y, **penalty)
        digest.update(repr((history.loss, history.val_loss, history.batch_loss)).encode())
        penalty.pop("clip_norm", None)
        digest.update(repr(net.loss(X, y, **penalty)).encode())
    net = fastbp.MLP([33, 21, 5], output="tanh", loss="softmax_cross_entropy", dtype=dtype)
    digest.update(net.predict_proba(X).tobytes() + net.predict_proba(X[:1]).tobytes())
print(cpu_features.VECTOR_BYTES, digest.hexdigest())
"""
CPUS = {
    "haswell": ("+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+avx,+avx2,+fma,+bmi,+bmi2,+popcnt,+lzcnt", 32),
    "x86-64": ("+sse2", 16),
}


def run(**env):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    width, digest = done.stdout.split()
    return int(width), digest


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names x86 processors")
@pytest.mark.parametrize("cpu", CPUS)
def test_the_same_bits(cpu):
    features, width = CPUS[cpu]
    here = run()
    there = run(NUMBA_CPU_NAME=cpu, NUMBA_CPU_FEATURES=features)
    assert (here[0], there[0]) == (cpu_features.VECTOR_BYTES, width)
    assert here[1] == there[1]
