"""`fastbp.functional`: each function, and a whole training step in a hand-written loop, beside the
NumPy lines that they replace."""

import time
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from fastbp import functional as fn

from .cases import CASES, peers, seconds

LR = 0.01


def _sigmoid(z, out):
    np.negative(z, out=out)
    np.exp(out, out=out)
    out += 1
    return np.reciprocal(out, out=out)


def _softmax(z, out):
    np.subtract(z, z.max(axis=1, keepdims=True), out=out)
    np.exp(out, out=out)
    out /= out.sum(axis=1, keepdims=True)
    return out


def _log_softmax(z, out):
    np.subtract(z, z.max(axis=1, keepdims=True), out=out)
    out -= np.log(np.exp(out).sum(axis=1, keepdims=True))
    return out


def _sigmoid_slope(a, out):
    np.subtract(1, a, out=out)
    out *= a
    return out


def _tanh_slope(a, out):
    np.multiply(a, a, out=out)
    return np.subtract(1, out, out=out)


# The fastest NumPy lines: in place wherever possible.
NUMPY = {
    "sigmoid": _sigmoid,
    "tanh": lambda z, out: np.tanh(z, out=out),
    "relu": lambda z, out: np.maximum(z, 0, out=out),
    "leaky_relu": lambda z, out: np.maximum(
        z, np.multiply(z, z.dtype.type(0.01), out=out), out=out
    ),
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "sigmoid_slope": _sigmoid_slope,
    "tanh_slope": _tanh_slope,
    "relu_slope": lambda a, out: np.greater(a, 0, out=out),
    "leaky_relu_slope": lambda a, out: np.maximum(
        np.greater(a, 0, out=out), a.dtype.type(0.01), out=out
    ),
}


def _plain_softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _plain_log_softmax(z):
    shifted = z - z.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


# The lines of tutorials: a new array for every result.
PLAIN = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "softmax": _plain_softmax,
    "log_softmax": _plain_log_softmax,
    "sigmoid_slope": lambda a: a * (1 - a),
    "tanh_slope": lambda a: 1 - a**2,
    "relu_slope": lambda a: (a > 0).astype(a.dtype),
    "leaky_relu_slope": lambda a: np.where(a > 0, a.dtype.type(1), a.dtype.type(0.01)),
}


def _repeated(call, duration_seconds):
    """Median seconds of a call among as many successive ones as fit into the duration: the threads
    that calls share wake up during the first ones."""
    return seconds(call, 1 + int(duration_seconds / seconds(call, 1)))


def _speedup(theirs, ours):
    """Median ratio of their time to ours over alternating rounds."""
    return float(np.median([_repeated(theirs, 0.005) / _repeated(ours, 0.005) for _ in range(15)]))


class Elementwise:
    """200 x 512 numbers."""

    params = (list(NUMPY), ["float32", "float64"])
    param_names = ("function", "dtype")

    def setup(self, function, dtype):
        self.z = np.random.default_rng(0).normal(size=(200, 512)).astype(dtype)
        self.out = np.empty_like(self.z)
        self.f = getattr(fn, function)
        self.f(self.z, self.out)

    def time_function(self, function, dtype):
        self.f(self.z, self.out)

    def track_time_over_numpy(self, function, dtype):
        return 1 / _speedup(
            lambda: NUMPY[function](self.z, self.out), lambda: self.f(self.z, self.out)
        )

    def track_time_over_plain_numpy(self, function, dtype):
        return 1 / _speedup(lambda: PLAIN[function](self.z), lambda: self.f(self.z))


class _Loop:
    """The arrays of a net and its batch, and one training step by NumPy and by `fastbp.functional`:
    sigmoid hidden layers, softmax, plain SGD."""

    def __init__(self, case, dtype="float32"):
        case = replace(CASES[case], dtype=dtype)
        n = case.batch
        X, y = case.data()
        self.x = X[:n]
        self.y = y[:n]
        self.rows = np.arange(n)
        self.W = case.weights()
        self.b = [np.zeros(W.shape[1], dtype) for W in self.W]
        # Results of each step, allocated once, as a fast loop does.
        self.a = [self.x, *(np.empty((n, W.shape[1]), dtype) for W in self.W)]
        self.delta = [np.empty_like(a) for a in self.a]
        self.slope = [np.empty_like(a) for a in self.a]
        self.dW = [np.empty_like(W) for W in self.W]
        self.db = [np.empty_like(b) for b in self.b]
        self.lr = self.x.dtype.type(LR)

    def numpy(self):
        a = self.a
        last = len(self.W) - 1
        for i, (W, b) in enumerate(zip(self.W, self.b, strict=True)):
            z = np.matmul(a[i], W, out=a[i + 1])
            z += b
            (_softmax if i == last else _sigmoid)(z, z)
        p = a[-1]
        loss = -np.log(p[self.rows, self.y]).mean()
        p[self.rows, self.y] -= 1
        p /= p.dtype.type(len(p))
        delta = p
        for i in range(last, -1, -1):
            np.matmul(a[i].T, delta, out=self.dW[i])
            delta.sum(axis=0, out=self.db[i])
            if i > 0:
                delta = np.matmul(delta, self.W[i].T, out=self.delta[i])
                delta *= _sigmoid_slope(a[i], self.slope[i])
            self.dW[i] *= self.lr
            self.W[i] -= self.dW[i]
            self.db[i] *= self.lr
            self.b[i] -= self.db[i]
        return loss

    def functional(self, in_place=True):
        """`in_place`: into the arrays allocated once; otherwise each result is a new array."""
        dW = self.dW if in_place else [None] * len(self.W)
        db = self.db if in_place else [None] * len(self.W)
        last = len(self.W) - 1
        a = [self.x]
        for i, (W, b) in enumerate(zip(self.W, self.b, strict=True)):
            activation = "identity" if i == last else "sigmoid"
            out = self.a[i + 1] if in_place else None
            a.append(fn.dense_forward(a[i], W, b, activation, out=out))
        loss, delta = fn.output_delta(a[-1], self.y, out=a[-1] if in_place else None)
        for i in range(last, -1, -1):
            out = (dW[i], db[i], self.delta[i] if i else None) if in_place else None
            dW[i], db[i], delta = fn.dense_backward(
                delta, a[i], self.W[i], "sigmoid" if i else None, out=out
            )
        fn.sgd_step(self.W + self.b, dW + db, float(self.lr))
        return loss


class Step:
    """Forward, backward and update of one batch in a hand-written loop."""

    params = (list(CASES), ["float32", "float64"])
    param_names = ("case", "dtype")
    timeout = 300
    rounds = 7

    def setup(self, case, dtype):
        self.loop = _Loop(case, dtype)
        self.loop.functional()

    def time_step(self, case, dtype):
        self.loop.functional()

    def time_step_new_arrays(self, case, dtype):
        self.loop.functional(in_place=False)

    def _after_pause(self, step):
        """Seconds of a step once the threads of OpenBLAS have stopped spinning."""
        time.sleep(peers.PAUSE_SECONDS)
        return _repeated(step, 0.02)

    def track_time_over_numpy(self, case, dtype):
        """Over NumPy's fastest lines with its better number of BLAS threads, one or all."""
        medians = []
        for threads in (1, None):
            with threadpool_limits(threads):
                self.loop.numpy()
                ratios = [
                    self._after_pause(self.loop.numpy) / self._after_pause(self.loop.functional)
                    for _ in range(self.rounds)
                ]
            medians.append(float(np.median(ratios)))
        return 1 / min(medians)


class SmallStep:
    """`sgd_step` on a 3 x 4 array beside the NumPy line: both in C order, both transposes, the
    gradient an array of integers; with a bias; with a penalty."""

    params = (["C order", "transposes", "integers", "with a bias", "l2"],)
    param_names = ("arrays",)

    def setup(self, arrays):
        W = np.zeros((4, 3)).T if arrays == "transposes" else np.zeros((3, 4))
        dW = np.zeros_like(W, int if arrays == "integers" else float)
        b = np.zeros(4)
        db = np.zeros(4)
        calls = {
            "with a bias": (
                lambda: fn.sgd_step((W, b), (dW, db), LR),
                lambda: (self.line(W, dW), self.line(b, db)),
            ),
            "l2": (
                lambda: fn.sgd_step(W, dW, LR, l2=0.1),
                lambda: self.line(W, dW + 0.1 * W),
            ),
        }
        plain = (lambda: fn.sgd_step(W, dW, LR), lambda: self.line(W, dW))
        self.ours, self.theirs = calls.get(arrays, plain)

    @staticmethod
    def line(param, grad):
        param -= LR * grad

    def time_step(self, arrays):
        self.ours()

    def track_time_over_numpy(self, arrays):
        return 1 / _speedup(self.theirs, self.ours)


class Rule:
    """An update rule on a million parameters."""

    params = (["sgd", "momentum", "adam"], ["float32", "float64"])
    param_names = ("rule", "dtype")

    def setup(self, rule, dtype):
        self.arrays = [np.zeros((1000, 1000), dtype) for _ in range(4)]
        self.time_rule(rule, dtype)

    def time_rule(self, rule, dtype):
        param, grad, m, v = self.arrays
        if rule == "adam":
            fn.adam_step(param, grad, m, v, 1)
        elif rule == "momentum":
            fn.sgd_step(param, grad, 0.1, velocity=m, momentum=0.9)
        else:
            fn.sgd_step(param, grad, 0.1)
