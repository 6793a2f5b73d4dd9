"""Print one SHA-256 of everything that training and inference produce over a fixed grid.

A change that must not alter a number prints the same line before and after it::

    python tests/fingerprint.py

The grid covers networks x dtypes x update rules x penalties x clipping x dropout x threads,
streams, custom losses, checkpoints, saved files, the scikit-learn estimators and
`fastbp.functional`. Only public names are used, so the script runs on any version of the library.
``--parts`` prints a line for each part, to find out which one differs.
"""

import argparse
import hashlib
import os
import pathlib
import tempfile
import warnings

import numpy as np

import fastbp
import fastbp.sklearn
from fastbp import functional

RULES = [
    fastbp.SGD(0.1),
    fastbp.SGD(0.05, 0.9),
    fastbp.SGD(0.05, 0.9, True),
    fastbp.Adam(0.01),
    fastbp.AdamW(0.01),
    fastbp.Nadam(0.01),
    fastbp.RMSprop(0.003),
    fastbp.RMSprop(0.003, momentum=0.5, centered=True),
    fastbp.Adagrad(0.02),
    fastbp.SGD(fastbp.schedules.Cosine(0.2, 3)),
    fastbp.Adam(fastbp.schedules.ReduceOnPlateau(0.02, patience=1)),
]
# widths, arguments of MLP, number of classes or None for real targets
NETS = [
    ([7, 5], {}, 5),
    ([13, 20, 17, 5], {"hidden": "tanh"}, 5),
    ([13, 20, 17, 5], {"hidden": ["gelu", "mish"], "label_smoothing": 0.1}, 5),
    ([64, 100, 10], {"hidden": "relu", "dropout": 0.3}, 10),
    ([9, 33, 1], {"hidden": "silu", "output": "sigmoid"}, 2),
    ([9, 33, 4], {"hidden": "selu", "output": "identity", "loss": "huber"}, None),
    (
        [9, 12, 12, 3],
        {
            "hidden": ["elu", "leaky_relu"],
            "output": "identity",
            "loss": "hinge",
            "dropout": [0.2, 0.0],
        },
        3,
    ),
    ([6, 8, 2], {"hidden": "softplus", "output": "exp"}, "counts"),
    ([300, 130, 6], {"hidden": "sigmoid", "output": "tanh", "loss": "softmax_cross_entropy"}, 6),
]
OPTIONS = [
    {},
    {"l2": 0.01},
    {"l1": 0.001, "clip_value": 0.05},
    {"l2": 0.01, "l1": 0.001, "clip_norm": 0.3},
]


class Digest:
    """A running hash of arrays, numbers, text and bytes."""

    def __init__(self):
        self._hash = hashlib.sha256()

    def add(self, *values):
        for value in values:
            if isinstance(value, list | tuple):
                self.add(*value)
            elif isinstance(value, bytes | str | None):
                self._hash.update(repr(value).encode())
            else:
                array = np.ascontiguousarray(value)
                self._hash.update(repr((array.dtype.str, array.shape)).encode() + array.tobytes())

    def hexdigest(self):
        return self._hash.hexdigest()


def data(n, n_in, kind, n_out, seed=0):
    """Inputs near 1, and labels, counts or real targets."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, n_in))
    if kind == "counts":
        return X, rng.poisson(2.0, (n, n_out)).astype(float)
    return X, rng.integers(0, kind, n) if kind else rng.standard_normal((n, n_out))


def add_net(digest, net, X, y, folder):
    """The state of a trained net, as its file, and its results for samples."""
    path = os.path.join(folder, "net.fbp")
    net.save(path)
    with open(path, "rb") as file:
        digest.add(file.read())
    history = net.history_
    digest.add(
        history.loss,
        history.val_loss,
        history.batch_loss,
        history.learning_rate,
        history.stopped_by or "",
    )
    digest.add(
        list(net.forward(X)),
        net.predict(X),
        net.predict(X[:1]),
        net.predict(X[:3]),
        net.loss(X, y, l2=0.1, l1=0.01),
    )
    digest.add(*net.loss_and_gradients(X, y, l2=0.1))
    again = fastbp.load(path)
    digest.add(list(again.weights), again.predict(X))


def fits(digest, folder):
    for index, (widths, settings, kind) in enumerate(NETS):
        for dtype in ("float32", "float64"):
            for number, rule in enumerate(RULES):
                options = OPTIONS[(index + number) % len(OPTIONS)]
                X, y = data(143, widths[0], kind, widths[-1], seed=index)
                net = fastbp.MLP(widths, dtype=dtype, seed=number, **settings)
                net.fit(
                    X,
                    y,
                    epochs=4,
                    batch_size=25,
                    optimizer=rule,
                    n_threads=1 + number % 2,
                    X_val=X[:40],
                    y_val=y[:40],
                    patience=3 if number % 3 == 0 else None,
                    **options,
                )
                add_net(digest, net, X, y, folder)


def large_batches(digest, folder):
    """More rows than a block, weights of samples and classes, layouts and dtypes that are
    converted."""
    X, y = data(2600, 20, 4, 4)
    weight = np.random.default_rng(1).uniform(0, 2, len(X))
    for threads in (1, 2, None):
        for given in (
            X,
            np.asfortranarray(X.astype(np.float32)),
            (X * 50).astype(np.int16),
            X[:, ::-1],
        ):
            net = fastbp.MLP([20, 70, 4], hidden="tanh")
            net.fit(
                given,
                y,
                epochs=2,
                batch_size=1500,
                optimizer=fastbp.Adam(),
                n_threads=threads,
                sample_weight=weight,
                class_weight="balanced",
                clip_norm=1.0,
                l2=1e-3,
            )
            add_net(digest, net, given, y, folder)
    net = fastbp.MLP([256, 512, 256, 10], hidden="relu")
    X, y = data(700, 256, 10, 10)
    net.fit(X, y, epochs=2, batch_size=128, optimizer=fastbp.SGD(0.05, 0.9))
    add_net(digest, net, X, y, folder)


def custom_loss(a, y):
    error = a[:, 0] - y
    return float(np.mean(error**2)), (2 * error / len(y))[:, None]


def courses(digest, folder):
    """Streams, custom losses, single steps, callbacks, checkpoints and resumption, conversions."""
    X, y = data(90, 8, 3, 3)
    net = fastbp.MLP([8, 11, 3], dropout=0.1)
    net.fit(
        [(X[i : i + 30], y[i : i + 30]) for i in (0, 30, 60)],
        epochs=3,
        optimizer=fastbp.Adam(),
        X_val=X,
        y_val=y,
    )
    for i in range(5):
        digest.add(net.partial_fit(X[i::5], y[i::5], optimizer=fastbp.Adam(0.01), clip_norm=0.1))
    add_net(digest, net, X, y, folder)
    net = fastbp.MLP([8, 11, 1], output="identity", loss=custom_loss)
    net.fit(X, X[:, 0], epochs=4, batch_size=20, optimizer=fastbp.SGD(0.05, 0.5))
    digest.add(list(net.weights), net.history_.batch_loss, net.loss(X, X[:, 0]))
    path = os.path.join(folder, "checkpoint.fbp")
    for stop in (1, 2):
        net = fastbp.MLP([8, 11, 3], hidden="elu", seed=stop)

        def leave(net, history, stop=stop):
            if history.n_epochs == stop:
                raise KeyboardInterrupt

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net.fit(
                X,
                y,
                epochs=4,
                batch_size=20,
                callbacks=leave,
                checkpoint=path,
                checkpoint_every=0,
                patience=10,
            )
        if os.path.exists(path):
            with open(path, "rb") as file:
                digest.add(file.read())
            net = fastbp.resume(path, X, y)
            with open(path, "rb") as file:
                digest.add(file.read())
            os.unlink(path)
        add_net(digest, net, X, y, folder)
    digest.add(
        list(net.astype("float64").weights), net.summary(), str(net.explain(X[0], y[0])), repr(net)
    )
    digest.add(
        fastbp.lr_find(net, X, y, batch_size=20).losses,
        str(fastbp.check_gradients(net.astype("float64"), X, y)),
    )
    loss, dWs, dbs = fastbp.graph.from_net(net, X[0], y[0], l2=0.1).gradients()
    digest.add(loss, dWs, dbs)
    for name in ("1.safetensors", "checkpoint-1.safetensors"):
        for path in pathlib.Path(__file__).parent.rglob(name):
            digest.add(list(fastbp.load(path).weights))


def estimators(digest):
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    X = X / 16
    for dtype in (np.float32, np.float64):
        for settings in (
            {},
            {"solver": "sgd", "activation": "tanh", "early_stopping": True},
            {"solver": "lbfgs", "activation": "logistic"},
            {
                "solver": "sgd",
                "learning_rate": "invscaling",
                "activation": "identity",
                "alpha": 0.0,
            },
        ):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fitted = fastbp.sklearn.MLPClassifier(
                    (30, 20), max_iter=6, random_state=0, **settings
                ).fit(X.astype(dtype), y)
                digest.add(
                    fitted.coefs_,
                    fitted.intercepts_,
                    fitted.loss_,
                    fitted.predict_proba(X[:50].astype(dtype)),
                )
                fitted = fastbp.sklearn.MLPRegressor(
                    hidden_layer_sizes=(20,), max_iter=5, random_state=0, **settings
                ).fit(X.astype(dtype), y)
                digest.add(
                    fitted.coefs_,
                    fitted.loss_,
                    fitted.predict(X[:50].astype(dtype)),
                    fitted.predict(X[:1].astype(dtype)),
                )
        net = fastbp.from_sklearn(fitted)
        digest.add(list(net.weights), net.predict(X))


def functions(digest):
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        for n, n_in, n_out in ((1, 3, 4), (33, 20, 17), (700, 130, 70)):
            x = rng.standard_normal((n, n_in)).astype(dtype)
            W = rng.standard_normal((n_in, n_out)).astype(dtype)
            b = rng.standard_normal(n_out).astype(dtype)
            labels = rng.integers(0, n_out, n)
            for activation in (
                "identity",
                "sigmoid",
                "tanh",
                "relu",
                "leaky_relu",
                "elu",
                "softplus",
                "selu",
            ):
                a = functional.dense_forward(x, W, b, activation)
                digest.add(a, functional.dense_backward(a, x, W, activation))
            z = functional.dense_forward(x, W, b)
            loss, delta = functional.output_delta(z, labels)
            digest.add(loss, delta)
            for name in ("sigmoid", "tanh", "relu", "leaky_relu", "softmax", "log_softmax"):
                digest.add(getattr(functional, name)(z))
            for name in ("sigmoid_slope", "tanh_slope", "relu_slope", "leaky_relu_slope"):
                digest.add(getattr(functional, name)(functional.sigmoid(z)))
            velocity, m, v = (np.zeros_like(W) for _ in range(3))
            dW = rng.standard_normal(W.shape).astype(dtype)
            for t in range(1, 4):
                functional.sgd_step(W, dW, 0.1)
                functional.sgd_step(W, dW, 0.1, velocity=velocity, momentum=0.9)
                functional.adam_step(W, dW, m, v, t, 0.01)
            digest.add(W, velocity, m, v)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", action="store_true", help="a line for each part")
    show = parser.parse_args().parts
    whole = hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        for part in (fits, large_batches, courses, estimators, functions):
            digest = Digest()
            part(digest, *([folder] if part in (fits, large_batches, courses) else []))
            whole.update(digest.hexdigest().encode())
            if show:
                print(part.__name__, digest.hexdigest())
    print(whole.hexdigest())


if __name__ == "__main__":
    main()
