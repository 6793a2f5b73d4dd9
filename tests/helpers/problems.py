"""Small random networks with inputs and targets, and comparisons with the naive oracle."""

import numpy as np
from oracles import naive

import fastbp

HIDDEN = [name for name in naive.VALUE if name != "exp"]
OUTPUTS = ["softmax", "sigmoid", "identity", "tanh", "relu", "softplus"]
PAIRS = [("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy")]
PAIRS += [(o, loss) for o in OUTPUTS for loss in ("squared_error", "softmax_cross_entropy")]
# Relative to the largest element of an array: a few roundings for each term of the sums.
TOLERANCE = {"float32": 3e-5, "float64": 1e-13}


def problem(widths, n, dtype, output, seed=0, scale=1.0, **net_options):
    """A net, inputs (n, n_in) and targets (n, n_out) that are positive and add up to 1."""
    rng = np.random.default_rng(seed)
    net = fastbp.MLP(
        widths,
        output=output,
        dtype=dtype,
        init=lambda rng, shape: rng.normal(0, scale, shape),
        **net_options,
    )
    for b in net.biases:
        b[:] = rng.normal(0, scale, b.shape)
    X = rng.normal(size=(n, widths[0])).astype(dtype)
    targets = rng.uniform(size=(n, widths[-1]))
    targets = (targets / targets.sum(axis=1, keepdims=True)).astype(dtype)
    return net, X, targets


def as_lists(net):
    """The weights and biases of every layer as nested lists."""
    return [w.tolist() for w in net.weights], [b.tolist() for b in net.biases]


def twin(net, X, targets, **options):
    """The naive loss and gradients at the same parameters."""
    loss, dWs, dbs = naive.loss_and_gradients(
        X.tolist(),
        targets.tolist(),
        *as_lists(net),
        net.hidden,
        net.output,
        net.loss_name,
        **options,
    )
    return loss, [np.array(d) for d in dWs], [np.array(d) for d in dbs]


class NaiveTraining:
    """Training steps of the naive oracle in float64, from the parameters that a net has.

    `rule` holds the arguments of `naive.Rule`, `clip` those of `naive.clipped`, `penalties` l1 and
    l2.
    """

    def __init__(self, net, rule, clip, **penalties):
        self.net = net.astype("float64")
        self.clip = clip
        self.penalties = penalties
        self.arrays = (*self.net.weights, *self.net.biases)
        self.n_clipped = 0
        no_decay = rule | {"weight_decay": 0.0}
        self._rules = [naive.Rule(**rule) for W in self.net.weights for _ in range(W.size)]
        self._rules += [naive.Rule(**no_decay) for b in self.net.biases for _ in range(b.size)]

    def step(self, X, targets, weight=None):
        """Take a step with this batch, and return its loss."""
        weight = None if weight is None else weight.tolist()
        loss, dWs, dbs = twin(
            self.net,
            X.astype(float),
            targets.astype(float),
            sample_weight=weight,
            **self.penalties,
        )
        raw = np.concatenate([g.ravel() for g in dWs + dbs]).tolist()
        gradient = naive.clipped(raw, **self.clip)
        self.n_clipped += gradient != raw
        values = np.concatenate([p.ravel() for p in self.arrays]).tolist()
        moved = iter(
            [rule.step(w, g) for rule, w, g in zip(self._rules, values, gradient, strict=True)]
        )
        for p in self.arrays:
            p.ravel()[:] = [next(moved) for _ in range(p.size)]
        return loss


def assert_close(got, wanted, dtype):
    got = np.asarray(got)
    wanted = np.asarray(wanted)
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= TOLERANCE[dtype] * max(np.abs(wanted).max(), 1e-3)


def assert_gradients(net, X, targets, n_threads=None, **options):
    """Loss and gradients of the net are those of the naive oracle."""
    loss, dWs, dbs = net.loss_and_gradients(X, targets, n_threads=n_threads, **options)
    if "sample_weight" in options:
        options["sample_weight"] = list(options["sample_weight"])
    true_loss, true_dWs, true_dbs = twin(net, X, targets, **options)
    assert_close(loss, true_loss, net.dtype.name)
    for got, wanted in zip(dWs + dbs, true_dWs + true_dbs, strict=True):
        assert got.dtype == net.dtype
        assert_close(got, wanted, net.dtype.name)
