"""The update rules themselves: parameters and an optimizer's state from a tile of the gradient,
vector by vector.

The formulas' sources stand in update.py, which says what a tile's rule is and what comes before it.
A rule keeps one value or more for each parameter, first one of all, then the next: each begins with
a cache line, as the parameters do. Where the second began within one, its vectors lay in two lines
each, and two members that had neighbouring tiles wrote to the same lines.
"""

from .cpu_features import CACHE_LINE
from .jit import always_inline, kernel, never_inline
from .memory import load, load_first, store, store_first
from .partition import ceil_div
from .simd import elementwise, lanes, select, square_root, vector
from .tile import VECTORS

sqrt = elementwise(square_root)


@kernel
def load_tail(array, i, n):
    return load(array, i) if n >= lanes(array) else load_first(array, i, n)


@kernel
def store_tail(array, i, x, n):
    if n >= lanes(array):
        store(array, i, x)
    else:
        store_first(array, i, x, n)


@kernel
def slot_of(params):
    """plan.py's slot_size."""
    line = CACHE_LINE // params.itemsize
    return ceil_div(params.size, line) * line


@kernel
def momentum_rule(w, v, g, rate, mu, nesterov):
    """The parameters and their velocity after a step, as vectors."""
    v = v * mu - g * rate
    return w + (v * mu - g * rate if nesterov else v), v


@kernel
def adam_rule(w, m, v, g, rate, beta_1, beta_2, epsilon):
    """The parameters and both means after a step of plain Adam, as vectors.

    `adam` writes the formula out: a call with its arguments, two more than these, made whole steps
    8 to 18 % longer.
    """
    m = m * beta_1 + g * (1 - beta_1)
    v = v * beta_2 + g * g * (1 - beta_2)
    return w - m * rate / (sqrt(v) + epsilon), m, v


@kernel
def rows_apart(work, stride):
    """How far apart rows are that a vector at the end of one does not reach into: the order to
    update a tile in.

    A load that overlaps the masked lanes of a store just made has to wait for it: row after row,
    with the last columns of each before the first of the next, took 20 cycles a row.
    """
    n = lanes(work)
    return 1 if stride >= n else ceil_div(n, stride)


@kernel
def descend(params, at, stride, work, tile, rows, width, rate):
    gap = rows_apart(work, stride)
    for j in range(0, width, lanes(work)):
        for first in range(gap):
            for i in range(first, rows, gap):
                n, p, g = (
                    width - j,
                    at + i * stride + j,
                    load(work, tile + i * VECTORS * lanes(work) + j),
                )
                store_tail(params, p, load_tail(params, p, n) - g * rate, n)


@kernel
def momentum(params, state, at, stride, work, tile, rows, width, rate, mu, nesterov):
    gap = rows_apart(work, stride)
    for j in range(0, width, lanes(work)):
        for first in range(gap):
            for i in range(first, rows, gap):
                n, p, g = (
                    width - j,
                    at + i * stride + j,
                    load(work, tile + i * VECTORS * lanes(work) + j),
                )
                w, v = momentum_rule(
                    load_tail(params, p, n), load_tail(state, p, n), g, rate, mu, nesterov
                )
                store_tail(state, p, v, n)
                store_tail(params, p, w, n)


@kernel
def adam(
    params,
    state,
    at,
    stride,
    work,
    tile,
    rows,
    penalised,
    width,
    rate,
    look,
    shrink,
    beta_1,
    beta_2,
    floor,
):
    """Adam, AdamW and Nadam: one body, as what some need beside the others hides behind the root
    and the division."""
    always_inline()
    second = slot_of(params)
    gap = rows_apart(work, stride)
    for j in range(0, width, lanes(work)):
        for first in range(gap):
            for i in range(first, rows, gap):
                kept = shrink if i < penalised else 1.0
                n, p, g = (
                    width - j,
                    at + i * stride + j,
                    load(work, tile + i * VECTORS * lanes(work) + j),
                )
                m = load_tail(state, p, n) * beta_1 + g * (1 - beta_1)
                v = load_tail(state, second + p, n) * beta_2 + g * g * (1 - beta_2)
                store_tail(state, p, m, n)
                store_tail(state, second + p, v, n)
                store_tail(
                    params,
                    p,
                    load_tail(params, p, n) * kept - (m * rate + g * look) / (sqrt(v) + floor),
                    n,
                )


@kernel
def scaled(params, state, at, stride, work, tile, rows, width, rate, kept, added, epsilon):
    """Adagrad, and RMSprop at its plainest: the gradient over the root of a sum or mean of its
    squares."""
    never_inline()
    gap = rows_apart(work, stride)
    for j in range(0, width, lanes(work)):
        for first in range(gap):
            for i in range(first, rows, gap):
                n, p, g = (
                    width - j,
                    at + i * stride + j,
                    load(work, tile + i * VECTORS * lanes(work) + j),
                )
                v = load_tail(state, p, n) * kept + g * g * added
                store_tail(state, p, v, n)
                store_tail(params, p, load_tail(params, p, n) - g * rate / (sqrt(v) + epsilon), n)


@kernel
def rmsprop(params, state, at, stride, work, tile, rows, width, rate, rho, mu, centered, epsilon):
    """RMSprop with a momentum (0: none), and where `centered` is 1 with the gradient's mean taken
    off its mean square."""
    never_inline()
    second, third, nothing = slot_of(params), 2 * slot_of(params), vector(work, 0.0)
    gap = rows_apart(work, stride)
    for j in range(0, width, lanes(work)):
        for first in range(gap):
            for i in range(first, rows, gap):
                n, p, g = (
                    width - j,
                    at + i * stride + j,
                    load(work, tile + i * VECTORS * lanes(work) + j),
                )
                v = load_tail(state, p, n) * rho + g * g * (1 - rho)
                m = load_tail(state, second + p, n) * rho + g * (1 - rho)
                variance = v - m * m * centered
                # of a gradient that stays the same, by rounding
                variance = select(variance < 0.0, nothing, variance)
                b = load_tail(state, third + p, n) * mu + g / (sqrt(variance) + epsilon)
                store_tail(state, p, v, n)
                store_tail(state, second + p, m, n)
                store_tail(state, third + p, b, n)
                store_tail(params, p, load_tail(params, p, n) - b * rate, n)
