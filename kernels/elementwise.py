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
from .partition import ceil_div, split
from .rules import adam_rule, load_tail, momentum_rule, store_tail
from .simd import lanes, select, vector
from .spin_pool import block_at, fork_join, parallel_task


@kernel
def _elements(array, thread, n_threads):
    """A member's share of the elements of a flat array: from where to where, in whole cache lines."""
    line = CACHE_LINE // array.itemsize
    lines = ceil_div(array.size, line)
    return split(lines, thread, n_threads) * line, min(
        array.size, split(lines, thread + 1, n_threads) * line
    )


@parallel_task
def _apply(out, z, activation, thread, n_threads):
    first, end = _elements(z, thread, n_threads)
    for i in range(first, end, lanes(z)):
        store_tail(out, i, activate(activation, load_tail(z, i, end - i)), end - i)


@entry
def apply(out, z, activation, block, n_threads):
    """out = f(z), arrays of one shape."""
    return fork_join(
        block_at(block), n_threads, _apply((out.reshape(out.size), z.reshape(z.size), activation))
    )


@parallel_task
def _apply_slope(out, a, activation, thread, n_threads):
    first, end = _elements(a, thread, n_threads)
    for i in range(first, end, lanes(a)):
        store_tail(out, i, slope(activation, load_tail(a, i, end - i)), end - i)


@entry
def apply_slope(out, a, activation, block, n_threads):
    """out = f'(z) where a = f(z)."""
    return fork_join(
        block_at(block),
        n_threads,
        _apply_slope((out.reshape(out.size), a.reshape(a.size), activation)),
    )


@kernel
def _row_max(z, at, n):
    """The largest of a row; where there is a NaN, it or the largest of the others: either way it
    spreads over the row."""
    top = vector(z, -math.inf)
    for i in range(0, n, lanes(z)):
        x = keep_first(load_tail(z, at + i, n - i), n - i, -math.inf)
        top = select(x > top, x, top)
    return lane_max(top)


@parallel_task
def _softmax(out, z, n, logarithm, thread, n_threads):
    rows = z.size // max(n, 1)
    for row in range(split(rows, thread, n_threads), split(rows, thread + 1, n_threads)):
        at = row * n
        top, total = _row_max(z, at, n), vector(z, 0.0)
        for i in range(0, n, lanes(z)):
            e = exp(load_tail(z, at + i, n - i) - top)
            if not logarithm:
                store_tail(out, at + i, e, n - i)
            total = total + keep_first(e, n - i, 0.0)
        whole = vector(z, lane_sum(total))
        if logarithm:
            log_whole = log(whole)
            for i in range(0, n, lanes(z)):
                store_tail(out, at + i, (load_tail(z, at + i, n - i) - top) - log_whole, n - i)
        else:
            for i in range(0, n, lanes(z)):
                store_tail(out, at + i, load_tail(out, at + i, n - i) / whole, n - i)


@entry
def softmax(out, z, logarithm, block, n_threads):
    """Each row of `out` the softmax of that of z, or its logarithm: z - max z - log sum exp(z - max
    z)."""
    task = _softmax((out.reshape(out.size), z.reshape(z.size), z.shape[1], logarithm))
    return fork_join(block_at(block), n_threads, task)


@entry
def descend(param, grad, rate):
    """param -= rate * grad."""
    w, g = param.reshape(param.size), grad.reshape(grad.size)
    for i in range(0, w.size, lanes(w)):
        n = w.size - i
        store_tail(w, i, load_tail(w, i, n) - load_tail(g, i, n) * rate, n)


@entry
def descend_with_momentum(param, velocity, grad, rate, mu, nesterov):
    """The velocity form of update.py."""
    w, v, g = param.reshape(param.size), velocity.reshape(velocity.size), grad.reshape(grad.size)
    for i in range(0, w.size, lanes(w)):
        n = w.size - i
        new_w, new_v = momentum_rule(
            load_tail(w, i, n), load_tail(v, i, n), load_tail(g, i, n), rate, mu, nesterov
        )
        store_tail(v, i, new_v, n)
        store_tail(w, i, new_w, n)


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
            load_tail(w, i, n),
            load_tail(m, i, n),
            load_tail(v, i, n),
            load_tail(g, i, n),
            rate,
            beta_1,
            beta_2,
            epsilon,
        )
        store_tail(w, i, new[0], n)
        store_tail(m, i, new[1], n)
        store_tail(v, i, new[2], n)
