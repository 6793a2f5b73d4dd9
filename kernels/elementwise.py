"""Compiled entry points of single calls without a product, on row-major arrays: consecutive
elements lie in the lanes.

An array may be written in place. Denormal numbers are not flushed. Entry points that take a block
(see spin_pool.py; 0 for none) return the number of threads that shared the work.
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
def apply(out, z, activation, block, n_threads):
    """out = f(z), arrays of one shape."""
    return fork_join(
        block_at(block), n_threads, _apply((out.reshape(out.size), z.reshape(z.size), activation))
    )


@parallel_task
def _apply_slope(out, a, activation, thread, n_threads):
    first, end = element_range(a, thread, n_threads)
    for i in range(first, end, lanes(a)):
        store_tail(out, i, slope(activation, load_tail(a, i, end - i)), end - i)


@entry
def apply_slope(out, a, activation, block, n_threads):
    """out = f'(z) where a = f(z), arrays of one shape."""
    return fork_join(
        block_at(block),
        n_threads,
        _apply_slope((out.reshape(out.size), a.reshape(a.size), activation)),
    )


@entry
def through_mask(delta, x, mask, activation):
    """delta *= mask * f'(x / mask), and 0 where the mask is, arrays of one shape: from dL/dx to the
    delta of a layer with the outputs x = f(z) * mask."""
    d, flat_x, flat_mask = delta.reshape(delta.size), x.reshape(x.size), mask.reshape(mask.size)
    for i in range(0, d.size, lanes(d)):
        n = d.size - i
        m = load_tail(flat_mask, i, n)
        derivative = slope(activation, load_tail(flat_x, i, n) / m)
        new = load_tail(d, i, n) * m * derivative
        store_tail(d, i, select(m == 0.0, vector(d, 0.0), new), n)


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
def softmax(out, z, logarithm, block, n_threads):
    """The softmax of each row of z (n_rows, n), or its logarithm."""
    task = _softmax((out.reshape(out.size), z.reshape(z.size), z.shape[1], logarithm))
    return fork_join(block_at(block), n_threads, task)


@kernel
def _with_l2(g, w, l2):
    """The gradient with that of the L2 penalty."""
    return g + w * l2 if l2 != 0.0 else g


@entry
def sgd(param, grad, rate, l2):
    """A step of plain gradient descent, arrays of one shape; param is updated."""
    w, g = param.reshape(param.size), grad.reshape(grad.size)
    for i in range(0, w.size, lanes(w)):
        n = w.size - i
        old_w = load_tail(w, i, n)
        store_tail(w, i, _sgd(old_w, _with_l2(load_tail(g, i, n), old_w, l2), rate)[0], n)


@entry
def momentum(param, velocity, grad, rate, mu, nesterov, l2):
    """A step with momentum, arrays of one shape; param and velocity are updated."""
    w, v, g = param.reshape(param.size), velocity.reshape(velocity.size), grad.reshape(grad.size)
    for i in range(0, w.size, lanes(w)):
        n = w.size - i
        old_w = load_tail(w, i, n)
        gradient = _with_l2(load_tail(g, i, n), old_w, l2)
        new_w, new_v = _momentum(old_w, gradient, load_tail(v, i, n), rate, mu, nesterov)
        store_tail(v, i, new_v, n)
        store_tail(w, i, new_w, n)


@entry
def adam(param, first, second, grad, rate, beta_1, beta_2, epsilon, l2):
    """A step of Adam, arrays of one shape; param and the running means of the gradient and of its
    square are updated. `rate` includes the bias correction."""
    w, g = param.reshape(param.size), grad.reshape(grad.size)
    m, v = first.reshape(first.size), second.reshape(second.size)
    for i in range(0, w.size, lanes(w)):
        n = w.size - i
        old_w = load_tail(w, i, n)
        new_w, new_m, new_v = _adam(
            old_w,
            _with_l2(load_tail(g, i, n), old_w, l2),
            load_tail(m, i, n),
            load_tail(v, i, n),
            rate,
            0.0,  # lookahead
            1.0,  # shrink
            beta_1,
            beta_2,
            epsilon,
        )
        store_tail(w, i, new_w, n)
        store_tail(m, i, new_m, n)
        store_tail(v, i, new_v, n)
