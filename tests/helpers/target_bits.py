"""Print a digest of what training and inference produce, a line for each dtype named.

It is the same for every target: `tests/kernels/test_targets.py`, `make test-arm`.
"""

import hashlib
import sys
import tempfile
from pathlib import Path

import numpy as np

import fastbp

HIDDEN = ((("gelu", "silu"), 0.0), (("mish", "gelu"), 0.3), ("selu", 0.0))


def digest(dtype):
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (300, 33))
    y = rng.integers(0, 5, 300)
    digest = hashlib.sha256()

    def add(net, *arrays):
        for array in (net.parameters, *arrays):
            digest.update(array.tobytes())

    net = fastbp.MLP([33, 40, 21, 5], hidden=("elu", "tanh"), dtype=dtype)
    net.fit(X, y, epochs=2, optimizer=fastbp.Adam(0.01), l2=1e-3)
    add(net, net.forward(X)[-1])
    for hidden, dropout in HIDDEN:
        net = fastbp.MLP([33, 40, 21, 5], hidden, dtype=dtype, dropout=dropout)
        net.fit(20 * X, y, epochs=1)
        add(net, net.forward(X)[-1])
    net = fastbp.MLP([33, 40, 21, 5], hidden="tanh", dropout=0.3, dtype=dtype)
    for rule in (fastbp.Nadam(), fastbp.RMSprop(momentum=0.5, centered=True), fastbp.Adagrad()):
        net.fit(X, y, epochs=1, optimizer=rule, l1=1e-3, clip_value=0.1, clip_norm=0.1)
        add(net)
    # Losses with and without penalties, and all that is derived from them; two threads.
    for penalty in ({}, {"l2": 0.01}, {"l1": 0.01}, {"l2": 0.01, "l1": 1e-3, "clip_norm": 0.1}):
        net = fastbp.MLP([33, 70, 21, 5], hidden="tanh", dtype=dtype)
        history = net.fit(X, y, epochs=2, batch_size=30, X_val=X, y_val=y, n_threads=2, **penalty)
        digest.update(repr((history.loss, history.val_loss, history.batch_loss)).encode())
        penalty.pop("clip_norm", None)
        digest.update(repr(net.loss(X, y, **penalty)).encode())
    net = fastbp.MLP([33, 21, 5], output="tanh", loss="softmax_cross_entropy", dtype=dtype)
    add(net, net.predict_proba(X), net.predict_proba(X[:1]))
    # Denormal inputs, weights and results.
    tiny = float(np.finfo(dtype).smallest_normal) / 8
    net = fastbp.MLP([33, 40, 5], hidden="tanh", dtype=dtype)
    net.weights = [w * tiny for w in net.weights]
    net.fit(X, y, epochs=2, optimizer=fastbp.Adam(0.01))
    add(net)
    net.fit(X * tiny, y, epochs=2)
    add(net, net.forward(X * tiny)[0])
    # The optimizer's state in a file.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.safetensors"
        net.save(path)
        restored = fastbp.load(path)
    restored.fit(X, y, epochs=1, optimizer=fastbp.Adam(0.01))
    add(restored)
    return digest.hexdigest()


if __name__ == "__main__":
    for dtype in sys.argv[1:]:
        print(dtype, digest(dtype), flush=True)
