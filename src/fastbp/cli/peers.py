"""One epoch of training by each peer, as fast as its users can make it: what ``fastbp bench`` and
asv_bench/peers.py time.

The processes that run them have the wanted number of threads in their environment, see `rounds.py`.
Each function takes the case and gives back a callable that trains one epoch. All see the same float
arrays, the same batches in the same order, sigmoid hidden layers (or the case's own), softmax with
cross-entropy (or identity with squared error).
"""

import os
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Case:
    """A network and its data: `widths`, rows a `batch`, samples an epoch."""

    widths: tuple[int, ...]
    batch: int
    samples: int
    hidden: str = "sigmoid"
    dtype: str = "float32"
    optimizer: str = "sgd"
    regression: bool = False

    @property
    def flops(self):
        """Floating-point operations of an epoch, three products a layer, two where nothing is
        below; and of its outputs."""
        products = [a * b for a, b in zip(self.widths[:-1], self.widths[1:], strict=True)]
        return {
            "train": 2 * self.samples * (3 * sum(products) - products[0]),
            "predict": 2 * self.samples * sum(products),
        }

    def data(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(self.samples, self.widths[0])).astype(self.dtype)
        if self.regression:
            return X, rng.normal(size=(self.samples, self.widths[-1])).astype(self.dtype)
        return X, rng.integers(0, self.widths[-1], self.samples)

    def weights(self):
        rng = np.random.default_rng(1)
        pairs = zip(self.widths[:-1], self.widths[1:], strict=True)
        return [rng.normal(0, a**-0.5, (a, b)).astype(self.dtype) for a, b in pairs]


LR = 0.01


def activation(case):
    """The hidden layers' function, in NumPy."""
    one = np.dtype(case.dtype).type(1)
    return {
        "sigmoid": lambda z: one / (one + np.exp(-z)),
        "tanh": np.tanh,
        "relu": lambda z: np.maximum(z, 0),
    }[case.hidden]


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    e /= e.sum(axis=1, keepdims=True)
    return e


def one_cpu():
    """Keep this process to one processor, where the system can: the way to one thread where a
    library has no setting for it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def fastbp(case, threads):
    import fastbp

    X, y = case.data()
    output = "identity" if case.regression else "softmax"
    net = fastbp.MLP(case.widths, hidden=case.hidden, output=output, dtype=case.dtype)
    net.weights = case.weights()
    optimizer = fastbp.SGD(LR) if case.optimizer == "sgd" else fastbp.Adam(LR)
    options = {"epochs": 1, "batch_size": case.batch, "optimizer": optimizer, "shuffle": False}
    return lambda: net.fit(X, y, n_threads=threads or None, **options)


def numpy(case, threads):
    X, y = case.data()
    T = y if case.regression else np.eye(case.widths[-1], dtype=case.dtype)[y]
    W = case.weights()
    b = [np.zeros(w.shape[1], case.dtype) for w in W]
    moments = [[np.zeros_like(p), np.zeros_like(p)] for p in W + b]
    one, lr, t = X.dtype.type(1), X.dtype.type(LR), [0]
    value = activation(case)
    slope = {
        "sigmoid": lambda a: a * (one - a),
        "tanh": lambda a: one - a * a,
        "relu": lambda a: a > 0,
    }[case.hidden]

    def update(i, p, g):
        if case.optimizer == "sgd":
            p -= lr * g
            return
        m, v = moments[i]
        m *= X.dtype.type(0.9)
        m += X.dtype.type(0.1) * g
        v *= X.dtype.type(0.999)
        v += X.dtype.type(0.001) * g * g
        p -= (
            X.dtype.type(LR * (1 - 0.999 ** t[0]) ** 0.5 / (1 - 0.9 ** t[0]))
            * m
            / (np.sqrt(v) + X.dtype.type(1e-8))
        )

    def epoch():
        for first in range(0, case.samples, case.batch):
            x, target = X[first : first + case.batch], T[first : first + case.batch]
            t[0] += 1
            a = [x]
            for w, c in zip(W[:-1], b[:-1], strict=True):
                a.append(value(a[-1] @ w + c))
            z = a[-1] @ W[-1] + b[-1]
            delta = ((z if case.regression else softmax(z)) - target) / X.dtype.type(len(x))
            for i in range(len(W) - 1, -1, -1):
                dW, db = a[i].T @ delta, delta.sum(axis=0)
                if i:
                    delta = (delta @ W[i].T) * slope(a[i])
                update(i, W[i], dW)
                update(len(W) + i, b[i], db)

    return epoch


def sklearn(case, threads):
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    X, y = case.data()
    kind = MLPRegressor if case.regression else MLPClassifier
    hidden = {"sigmoid": "logistic"}.get(case.hidden, case.hidden)
    model = kind(
        hidden_layer_sizes=case.widths[1:-1],
        activation=hidden,
        solver=case.optimizer,
        alpha=0,
        batch_size=case.batch,
        learning_rate_init=LR,
        shuffle=False,
        momentum=0,
        nesterovs_momentum=False,
    )
    if case.regression:
        return lambda: model.partial_fit(X, y.ravel() if y.shape[1] == 1 else y)
    classes = np.arange(case.widths[-1])
    return lambda: model.partial_fit(X, y, classes=classes)


def torch(case, threads):
    import torch

    torch.set_num_threads(threads)
    X, y = (torch.from_numpy(a) for a in case.data())
    activation = {"sigmoid": torch.nn.Sigmoid, "tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}[
        case.hidden
    ]
    layers = []
    for w in case.weights():
        linear = torch.nn.Linear(w.shape[0], w.shape[1], dtype=X.dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(w.T))
            linear.bias.zero_()
        layers += [linear, activation()]
    net = torch.nn.Sequential(*layers[:-1])
    loss = torch.nn.MSELoss() if case.regression else torch.nn.CrossEntropyLoss()
    kind = torch.optim.SGD if case.optimizer == "sgd" else torch.optim.Adam
    optimizer = kind(net.parameters(), lr=LR, fused=True)
    batches = list(zip(X.split(case.batch), y.split(case.batch), strict=True))

    def epoch():
        for x, target in batches:
            optimizer.zero_grad(set_to_none=True)
            loss(net(x), target).backward()
            optimizer.step()

    return epoch


def jax(case, threads):
    if threads == 1:
        one_cpu()
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", case.dtype == "float64")
    X, y = case.data()
    steps = case.samples // case.batch
    X, y = (
        jnp.asarray(a[: steps * case.batch]).reshape(steps, case.batch, *a.shape[1:])
        for a in (X, y)
    )
    f = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu}[case.hidden]

    def loss(params, x, target):
        for w, b in params[:-1]:
            x = f(x @ w + b)
        z = x @ params[-1][0] + params[-1][1]
        if case.regression:
            return 0.5 * ((z - target) ** 2).sum(axis=1).mean()
        return -jnp.take_along_axis(jax.nn.log_softmax(z), target[:, None], axis=1).mean()

    def step(state, batch):
        params, m, v, t = state
        g = jax.grad(loss)(params, *batch)
        tree = jax.tree_util.tree_map
        if case.optimizer == "sgd":
            return (tree(lambda p, d: p - LR * d, params, g), m, v, t), None
        t = t + 1
        m = tree(lambda a, d: 0.9 * a + 0.1 * d, m, g)
        v = tree(lambda a, d: 0.999 * a + 0.001 * d * d, v, g)
        rate = LR * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        params = tree(
            lambda p, a, c: (p - rate * a / (jnp.sqrt(c) + 1e-8)).astype(p.dtype), params, m, v
        )
        return (params, m, v, t), None

    run = jax.jit(lambda state: jax.lax.scan(step, state, (X, y))[0], donate_argnums=0)
    params = [(jnp.asarray(w), jnp.zeros(w.shape[1], w.dtype)) for w in case.weights()]
    zeros = jax.tree_util.tree_map(jnp.zeros_like, params) if case.optimizer != "sgd" else None
    again = jax.tree_util.tree_map(jnp.zeros_like, zeros)
    state = [(params, zeros, again, jnp.zeros((), X.dtype))]

    def epoch():
        state[0] = jax.block_until_ready(run(state[0]))

    return epoch


PEERS = {"fastbp": fastbp, "NumPy": numpy, "scikit-learn": sklearn, "PyTorch": torch, "JAX": jax}
