"""Compiled entry points of single calls without a product: on row-major arrays, an element's
neighbours in the lanes.

An array may be written in place. Nothing here flushes denormal numbers: values come out as they
are. Entry points that take a block (see standby.py), 0 for none, return how many members have
shared the work.
"""

import math

from .activations import activate, slope
from .cpu_features import CACHE_LINE
from .jit import entry, kernel
from .memory import keep_first, lane_max, lane_sum
from .output import exp, log
from .partition import ceil_div, share
from .rules import adam_rule, get, momentum_rule, put
from .simd import lanes, select, vector
from .spin_pool import block_at, shared, together


@kernel
def _elements(array, member, members):
    """A member's share of the elements of a flat array: from where to where, in whole cache lines."""
    line = CACHE_LINE // array.itemsize
    lines = ceil_div(array.size, line)
    return share(lines, member, members) * line, min(
        array.size, share(lines, member + 1, members) * line
    )


@shared
def _apply(out, z, activation, member, members):
    first, end = _elements(z, member, members)
    for i in range(first, end, lanes(z)):
        put(out, i, activate(activation, get(z, i, end - i)), end - i)


@entry
def apply(out, z, activation, block, members):
    """out = f(z), arrays of one shape."""
    return together(
        block_at(block), members, _apply((out.reshape(out.size), z.reshape(z.size), activation))
    )


@shared
def _apply_slope(out, a, activation, member, members):
    first, end = _elements(a, member, members)
    for i in range(first, end, lanes(a)):
        put(out, i, slope(activation, get(a, i, end - i)), end - i)


@entry
def apply_slope(out, a, activation, block, members):
    """out = f'(z) where a = f(z)."""
    return together(
        block_at(block),
        members,
        _apply_slope((out.reshape(out.size), a.reshape(a.size), activation)),
    )


@kernel
def _row_max(z, at, n):
    """The largest of a row; where there is a NaN, it or the largest of the others: either way it
    spreads over the row."""
    top = vector(z, -math.inf)
    for i in range(0, n, lanes(z)):
        x = keep_first(get(z, at + i, n - i), n - i, -math.inf)
        top = select(x > top, x, top)
    return lane_max(top)


@shared
def _softmax(out, z, n, logarithm, member, members):
    rows = z.size // max(n, 1)
    for row in range(share(rows, member, members), share(rows, member + 1, members)):
        at = row * n
        top, total = _row_max(z, at, n), vector(z, 0.0)
        for i in range(0, n, lanes(z)):
            e = exp(get(z, at + i, n - i) - top)
            if not logarithm:
                put(out, at + i, e, n - i)
            total = total + keep_first(e, n - i, 0.0)
        whole = vector(z, lane_sum(total))
        if logarithm:
            log_whole = log(whole)
            for i in range(0, n, lanes(z)):
                put(out, at + i, (get(z, at + i, n - i) - top) - log_whole, n - i)
        else:
            for i in range(0, n, lanes(z)):
                put(out, at + i, get(out, at + i, n - i) / whole, n - i)


@entry
def softmax(out, z, logarithm, block, members):
    """Each row of `out` the softmax of that of z, or its logarithm: z - max z - log sum exp(z - max
    z)."""
    task = _softmax((out.reshape(out.size), z.reshape(z.size), z.shape[1], logarithm))
    return together(block_at(block), members, task)


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
    w, m, v, g = (
        param.reshape(param.size),
        first.reshape(first.size),
        second.reshape(second.size),
        grad.reshape(grad.size),
    )
    for i in range(0, w.size, lanes(w)):
        n = w.size - i
        new = adam_rule(
            get(w, i, n), get(m, i, n), get(v, i, n), get(g, i, n), rate, beta_1, beta_2, epsilon
        )
        put(w, i, new[0], n)
        put(m, i, new[1], n)
        put(v, i, new[2], n)
