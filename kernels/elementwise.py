"""Compiled entry points of single calls without a product, on row-major arrays: consecutive
elements lie in the lanes.

Arrays of any shape are read as flat ones. An array may be written in place. Denormal numbers are
not flushed. Entry points that take a block's address (see block.py; 0 for none) return the number
of threads that shared the work.
"""

import math

from . import rules
from .activations import activate, slope
from .jit import entry, kernel
from .memory import keep_first, lane_max, lane_sum, load_tail, store_tail
from .output import exp, log
from .partition import element_range, split
from .simd import elementwise, lanes, select, vector
from .spin_pool import block_at, fork_join, parallel_task

# The formulas of update rules, as functions of vectors and numbers.
_sgd = elementwise(rules.sgd, results=1)
_momentum = elementwise(rules.momentum, results=2)
_adam = elementwise(rules.adam, results=3)


@parallel_task
def _apply(out, z, activation, thread, n_threads):
    first, end = element_range(z, thread, n_threads)
    for i in range(first, end, lanes(z)):
        store_tail(out, i, activate(activation, load_tail(z, i, end - i)), end - i)


@entry
def apply(out, z, activation, address, n_threads):
    """out = f(z), arrays of one shape."""
    return fork_join(block_at(address), n_threads, _apply((out, z, activation)))


@parallel_task
def _apply_slope(out, a, activation, thread, n_threads):
    first, end = element_range(a, thread, n_threads)
    for i in range(first, end, lanes(a)):
        store_tail(out, i, slope(activation, load_tail(a, i, end - i)), end - i)


@entry
def apply_slope(out, a, activation, address, n_threads):
    """out = f'(z) where a = f(z), arrays of one shape."""
    return fork_join(block_at(address), n_threads, _apply_slope((out, a, activation)))


@entry
def through_mask(delta, x, mask, activation):
    """delta *= mask * f'(x / mask), and 0 where the mask is, arrays of one shape: from dL/dx to the
    delta of a layer with the outputs x = f(z) * mask."""
    for i in range(0, delta.size, lanes(delta)):
        n = delta.size - i
        m = load_tail(mask, i, n)
        derivative = slope(activation, load_tail(x, i, n) / m)
        new = load_tail(delta, i, n) * m * derivative
        store_tail(delta, i, select(m == 0.0, vector(delta, 0.0), new), n)


@kernel
def _row_max(z, at, n):
    """The largest element of a row. For a row with a NaN, the NaN or the largest of the others: the
    sum of the row is NaN in both cases."""
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
        # exp(z - max z), stored unless the logarithm is wanted, and its sum.
        top = _row_max(z, at, n)
        total = vector(z, 0.0)
        for i in range(0, n, lanes(z)):
            e = exp(load_tail(z, at + i, n - i) - top)
            if not logarithm:
                store_tail(out, at + i, e, n - i)
            total = total + keep_first(e, n - i, 0.0)
        whole = vector(z, lane_sum(total))

        # (z - max z) - log(sum), or exp(z - max z) / sum.
        if logarithm:
            log_whole = log(whole)
            for i in range(0, n, lanes(z)):
                store_tail(out, at + i, (load_tail(z, at + i, n - i) - top) - log_whole, n - i)
        else:
            for i in range(0, n, lanes(z)):
                store_tail(out, at + i, load_tail(out, at + i, n - i) / whole, n - i)


@entry
def softmax(out, z, n, logarithm, address, n_threads):
    """The softmax of each row of n elements of z, or its logarithm."""
    task = _softmax((out, z, n, logarithm))
    return fork_join(block_at(address), n_threads, task)


@kernel
def _with_l2(g, w, l2):
    """The gradient with that of the L2 penalty."""
    return g + w * l2 if l2 != 0.0 else g


@entry
def sgd(param, grad, rate, l2):
    """A step of plain gradient descent, arrays of one shape; param is updated."""
    for i in range(0, param.size, lanes(param)):
        n = param.size - i
        w = load_tail(param, i, n)
        store_tail(param, i, _sgd(w, _with_l2(load_tail(grad, i, n), w, l2), rate)[0], n)


@entry
def momentum(param, velocity, grad, rate, mu, nesterov, l2):
    """A step with momentum, arrays of one shape; param and velocity are updated."""
    for i in range(0, param.size, lanes(param)):
        n = param.size - i
        w = load_tail(param, i, n)
        g = _with_l2(load_tail(grad, i, n), w, l2)
        new_w, new_v = _momentum(w, g, load_tail(velocity, i, n), rate, mu, nesterov)
        store_tail(velocity, i, new_v, n)
        store_tail(param, i, new_w, n)


@entry
def adam(param, first, second, grad, lr, beta_1, beta_2, epsilon, count, l2):
    """Step number `count` of Adam, arrays of one shape; param and the running means of the gradient
    and of its square are updated."""
    rate = rules.adam_rate(lr, beta_1, beta_2, count)
    for i in range(0, param.size, lanes(param)):
        n = param.size - i
        w = load_tail(param, i, n)
        new_w, new_m, new_v = _adam(
            w,
            _with_l2(load_tail(grad, i, n), w, l2),
            load_tail(first, i, n),
            load_tail(second, i, n),
            rate,
            0.0,  # lookahead
            1.0,  # shrink
            beta_1,
            beta_2,
            epsilon,
        )
        store_tail(param, i, new_w, n)
        store_tail(first, i, new_m, n)
        store_tail(second, i, new_v, n)
