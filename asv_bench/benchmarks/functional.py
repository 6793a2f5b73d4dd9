"""`fastbp.functional`: each function, and a whole step in a caller's own loop, beside the NumPy
lines that they replace."""

import time
from itertools import pairwise

import numpy as np
from threadpoolctl import threadpool_limits

from fastbp import functional as fn

from .cases import CASES, seconds

LR = np.float32(0.01)


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


# The fastest NumPy lines for each: nothing is allocated that need not be.
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


# The lines as tutorials have them, a new array for every result.
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


def _in_a_row(call, duration):
    """Seconds of a call, one of as many in a row as take so long: threads that calls share wake
    during the first ones."""
    return seconds(call, 1 + int(duration / seconds(call, 1)))


def _times_as_fast(theirs, ours):
    """Median of rounds, by turns."""
    return float(np.median([_in_a_row(theirs, 0.005) / _in_a_row(ours, 0.005) for _ in range(15)]))


class Elementwise:
    """200 x 512 numbers."""

    params = (list(NUMPY), ["float32", "float64"])
    param_names = ("function", "dtype")

    def setup(self, function, dtype):
        self.z = np.random.default_rng(0).normal(size=(200, 512)).astype(dtype)
        self.out, self.f, self.lines = np.empty_like(self.z), getattr(fn, function), NUMPY[function]
        self.f(self.z, self.out)

    def time_function(self, function, dtype):
        self.f(self.z, self.out)

    def track_speedup_vs_numpy(self, function, dtype):
        return _times_as_fast(
            lambda: self.lines(self.z, self.out), lambda: self.f(self.z, self.out)
        )

    def track_speedup_vs_plain_numpy(self, function, dtype):
        return _times_as_fast(lambda: PLAIN[function](self.z), lambda: self.f(self.z))


class _Loop:
    """A net's arrays, its batch, and one step by NumPy and by `fastbp.functional`, sigmoid hidden
    layers and a softmax."""

    def __init__(self, case, dtype="float32"):
        widths, n, _ = CASES[case]
        rng = np.random.default_rng(0)
        self.W = [rng.normal(0, i**-0.5, (i, o)).astype(dtype) for i, o in pairwise(widths)]
        self.b = [np.zeros(o, dtype) for o in widths[1:]]
        self.x, self.y = (
            rng.normal(size=(n, widths[0])).astype(dtype),
            rng.integers(0, widths[-1], n),
        )
        self.rows = np.arange(n)
        # What each step writes, made once, as a loop that is to be fast has it.
        self.a = [self.x, *(np.empty((n, o), dtype) for o in widths[1:])]
        self.delta = [None, *(np.empty((n, o), dtype) for o in widths[1:])]
        self.slope = [None, *(np.empty((n, o), dtype) for o in widths[1:])]
        self.dW, self.db = [np.empty_like(W) for W in self.W], [np.empty_like(b) for b in self.b]
        self.lr = np.dtype(dtype).type(LR)

    def numpy(self):
        last, a = len(self.W) - 1, self.a
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
                below = np.matmul(delta, self.W[i].T, out=self.delta[i])
                below *= _sigmoid_slope(a[i], self.slope[i])
                delta = below
            self.dW[i] *= self.lr
            self.W[i] -= self.dW[i]
            self.db[i] *= self.lr
            self.b[i] -= self.db[i]
        return loss

    def functional(self):
        last, a = len(self.W) - 1, self.a
        for i in range(last):
            fn.dense_forward(a[i], self.W[i], self.b[i], "sigmoid", out=a[i + 1])
        z = fn.dense_forward(a[last], self.W[last], self.b[last], out=a[last + 1])
        loss, delta = fn.output_delta(z, self.y, out=z)
        for i in range(last, -1, -1):
            out, below = (
                (self.dW[i], self.db[i], self.delta[i] if i else None),
                "sigmoid" if i else None,
            )
            delta = fn.dense_backward(delta, a[i], self.W[i], below, out=out)[2]
        fn.sgd_step(self.W + self.b, self.dW + self.db, float(self.lr))
        return loss

    def functional_new(self):
        """The same with a new array for every result."""
        last, a, dW, db = len(self.W) - 1, [self.x], [None] * len(self.W), [None] * len(self.W)
        for i in range(last):
            a.append(fn.dense_forward(a[i], self.W[i], self.b[i], "sigmoid"))
        loss, delta = fn.output_delta(fn.dense_forward(a[last], self.W[last], self.b[last]), self.y)
        for i in range(last, -1, -1):
            dW[i], db[i], delta = fn.dense_backward(
                delta, a[i], self.W[i], "sigmoid" if i else None
            )
        fn.sgd_step(self.W + self.b, dW + db, float(self.lr))
        return loss


class Step:
    """Forward, backward and update of one batch in a caller's own loop."""

    params = (list(CASES), ["float32", "float64"])
    param_names = ("case", "dtype")
    timeout = 300

    def setup(self, case, dtype):
        self.loop = _Loop(case, dtype)
        self.loop.functional()

    def time_step(self, case, dtype):
        self.loop.functional()

    def time_step_new_arrays(self, case, dtype):
        self.loop.functional_new()

    def _paused(self, step):
        """Seconds of a step, one of some in a row, after OpenBLAS's threads have stopped spinning
        for more work."""
        time.sleep(0.1)
        return _in_a_row(step, 0.02)

    def track_speedup_vs_numpy(self, case, dtype):
        """Against NumPy's fastest lines at the number of BLAS threads that suits them best."""
        best = []
        for threads in (1, None):
            with threadpool_limits(threads):
                self.loop.numpy()
                pairs = [
                    (self._paused(self.loop.numpy), self._paused(self.loop.functional))
                    for _ in range(7)
                ]
                best.append(float(np.median([theirs / ours for theirs, ours in pairs])))
        return min(best)


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
        else:
            fn.sgd_step(
                param, grad, 0.1, **({"velocity": m, "momentum": 0.9} if rule == "momentum" else {})
            )
