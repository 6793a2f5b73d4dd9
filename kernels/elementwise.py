"""Compiled entry points of single calls without a product: on row-major arrays, an element's neighbours in the lanes.

An array may be written in place. Nothing here flushes denormal numbers: values come out as they are.
"""

import math

from .activations import activate, slope
from .jit import entry, kernel
from .memory import keep_first, lane_max, lane_sum
from .output import exp, log
from .rules import adam_rule, get, momentum_rule, put
from .simd import lanes, select, vector


@entry
def apply(out, z, activation):
    """out = f(z), arrays of one shape."""
    to, source = out.reshape(out.size), z.reshape(z.size)
    for i in range(0, source.size, lanes(source)):
        n = source.size - i
        put(to, i, activate(activation, get(source, i, n)), n)


@entry
def apply_slope(out, a, activation):
    """out = f'(z) where a = f(z)."""
    to, source = out.reshape(out.size), a.reshape(a.size)
    for i in range(0, source.size, lanes(source)):
        n = source.size - i
        put(to, i, slope(activation, get(source, i, n)), n)


@kernel
def _row_max(z, at, n):
    """The largest of a row; where there is a NaN, it or the largest of the others: either way it spreads over the row."""
    top = vector(z, -math.inf)
    for i in range(0, n, lanes(z)):
        x = keep_first(get(z, at + i, n - i), n - i, -math.inf)
        top = select(x > top, x, top)
    return lane_max(top)


@entry
def softmax(out, z, logarithm):
    """Each row of `out` the softmax of that of z, or its logarithm: z - max z - log sum exp(z - max z)."""
    to, source, n = out.reshape(out.size), z.reshape(z.size), z.shape[1]
    for at in range(0, z.size, max(n, 1)):
        top, total = _row_max(source, at, n), vector(source, 0.0)
        for i in range(0, n, lanes(source)):
            e = exp(get(source, at + i, n - i) - top)
            if not logarithm:
                put(to, at + i, e, n - i)
            total = total + keep_first(e, n - i, 0.0)
        whole = vector(source, lane_sum(total))
        if logarithm:
            log_whole = log(whole)
            for i in range(0, n, lanes(source)):
                put(to, at + i, (get(source, at + i, n - i) - top) - log_whole, n - i)
        else:
            for i in range(0, n, lanes(source)):
                put(to, at + i, get(to, at + i, n - i) / whole, n - i)


@entry
def descend(param, grad, rate):
    """param -= rate * grad."""
    w, g = param.reshape(param.size), grad.reshape(grad.size)
    for i in range(0, w.size, lanes(w)):
        n = w.size - i
        put(w, i, get(w, i, n) - get(g, i, n) * rate, n)


@entry
def descend_with_momentum(param, velocity, grad, rate, mu, nesterov):
    """The velocity form of update.py."""
    w, v, g = param.reshape(param.size), velocity.reshape(velocity.size), grad.reshape(grad.size)
    for i in range(0, w.size, lanes(w)):
        n = w.size - i
        new_w, new_v = momentum_rule(get(w, i, n), get(v, i, n), get(g, i, n), rate, mu, nesterov)
        put(v, i, new_v, n)
        put(w, i, new_w, n)


@entry
def adam(param, first, second, grad, rate, beta_1, beta_2, epsilon):
    """Adam with the running means `first` and `second`; `rate` includes the bias correction."""
    w, m, v, g = param.reshape(param.size), first.reshape(first.size), second.reshape(second.size), grad.reshape(grad.size)
    for i in range(0, w.size, lanes(w)):
        n = w.size - i
        new = adam_rule(get(w, i, n), get(m, i, n), get(v, i, n), get(g, i, n), rate, beta_1, beta_2, epsilon)
        put(w, i, new[0], n)
        put(m, i, new[1], n)
        put(v, i, new[2], n)
