"""Update rules as the epilogue of the weights' product: a tile of the gradient goes straight into the parameters.

`step` is a float64 array of the step's numbers (see the names below). Plain SGD: W -= lr g. Momentum in the velocity form
v = mu v - lr g, W += v, Nesterov's W += mu v - lr g (Sutskever et al., 2013; as in scikit-learn and Keras). Adam: Kingma and Ba
(2015), section 2's efficient form, that is, with epsilon outside the bias correction:
W -= lr sqrt(1 - beta_2**t) / (1 - beta_1**t) m / (sqrt(v) + epsilon), again as in scikit-learn and Keras.
"""

from .jit import kernel, section
from .memory import lane_sum, load, load_first, store, store_first
from .simd import elementwise, lanes, square_root, vector
from .tile import VECTORS

GRADIENT, SGD, MOMENTUM, NESTEROV, ADAM = range(5)
# Values of a rule's state beside each parameter.
SLOTS = {GRADIENT: 0, SGD: 0, MOMENTUM: 1, NESTEROV: 1, ADAM: 2}
# Where a step's numbers stand in `step`. MORE: a later block of rows adds to this gradient; ADD: earlier ones have. A step may
# be made by several calls: RESUMED says that it was begun by an earlier one, which left the loss in BEFORE, UNFINISHED that a
# later one goes on with it, and TOTAL is then what its mean is over (0: found by the kernel). ALPHA, where not 0, is a penalty
# that a step's samples share, scikit-learn's: L2 is then ALPHA over their number or total weight. REGARDLESS: a loss that is
# not finite is no reason to stop.
RULE, LR, L2, BETA_1, BETA_2, EPSILON, RATE, MORE, ADD, RESUMED, UNFINISHED, BEFORE, TOTAL = range(13)
ALPHA, REGARDLESS, STEP_SIZE = range(13, 16)

sqrt = elementwise(square_root)


@kernel
def begin_step(step, count, total):
    """The rate of step number `count` (from 1 on), bias correction included, and the penalty of a mean over `total`."""
    if step[ALPHA] != 0:
        step[L2] = step[ALPHA] / total
    step[RATE] = step[LR]
    if step[RULE] == ADAM:
        step[RATE] = adam_rate(step[LR], step[BETA_1], step[BETA_2], count)


@kernel
def adam_rate(lr, beta_1, beta_2, count):
    return lr * ((1 - beta_2**count) ** 0.5 / (1 - beta_1**count))


@kernel
def momentum_rule(w, v, g, rate, mu, nesterov):
    """The parameters and their velocity after a step, as vectors."""
    v = v * mu - g * rate
    return w + (v * mu - g * rate if nesterov else v), v


@kernel
def adam_rule(w, m, v, g, rate, beta_1, beta_2, epsilon):
    """The parameters and both means after a step, as vectors."""
    m = m * beta_1 + g * (1 - beta_1)
    v = v * beta_2 + g * g * (1 - beta_2)
    return w - m * rate / (sqrt(v) + epsilon), m, v


@kernel
def get(array, i, n):
    return load(array, i) if n >= lanes(array) else load_first(array, i, n)


@kernel
def put(array, i, x, n):
    if n >= lanes(array):
        store(array, i, x)
    else:
        store_first(array, i, x, n)


@section
def update_tile(params, state, gradient, at, stride, work, tile, rows, penalised, width, sums, sum_at, step):
    """Apply the rule to params[at + i * stride + j], i < rows and j < width, with the gradient tile in `work`.

    The first `penalised` rows are weights, the rest the bias. Leaves the sum of the weights' squares in sums[sum_at].
    """
    squares = vector(params, 0.0)
    if step[ADD] != 0:
        add_earlier(gradient, at, stride, work, tile, rows, width)
    if step[MORE] == 0 and step[L2] != 0:
        squares = _penalise(params, at, stride, work, tile, penalised, width, step[L2])
    sums[sum_at] = lane_sum(squares)
    if step[MORE] != 0 or step[RULE] == GRADIENT:
        keep(gradient, at, stride, work, tile, rows, width)
    elif step[RULE] == SGD:
        _descend(params, at, stride, work, tile, rows, width, step[RATE])
    elif step[RULE] == ADAM:
        _adam(params, state, at, stride, work, tile, rows, width, step[RATE], step[BETA_1], step[BETA_2], step[EPSILON])
    else:
        _momentum(params, state, at, stride, work, tile, rows, width, step[RATE], step[BETA_1], step[RULE] == NESTEROV)


@section
def add_earlier(gradient, at, stride, work, tile, rows, width):
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            here = tile + i * VECTORS * lanes(work) + j
            store(work, here, load(work, here) + get(gradient, at + i * stride + j, width - j))


@section
def _penalise(params, at, stride, work, tile, rows, width, l2):
    """The penalty's gradient into the tile. Returns the sums of the weights' squares."""
    squares = vector(params, 0.0)
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            here, w = tile + i * VECTORS * lanes(work) + j, get(params, at + i * stride + j, width - j)
            store(work, here, load(work, here) + w * l2)
            squares = squares + w * w
    return squares


@section
def keep(gradient, at, stride, work, tile, rows, width):
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            put(gradient, at + i * stride + j, load(work, tile + i * VECTORS * lanes(work) + j), width - j)


@section
def _descend(params, at, stride, work, tile, rows, width, rate):
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            n, p, g = width - j, at + i * stride + j, load(work, tile + i * VECTORS * lanes(work) + j)
            put(params, p, get(params, p, n) - g * rate, n)


@section
def _momentum(params, state, at, stride, work, tile, rows, width, rate, mu, nesterov):
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            n, p, g = width - j, at + i * stride + j, load(work, tile + i * VECTORS * lanes(work) + j)
            w, v = momentum_rule(get(params, p, n), get(state, p, n), g, rate, mu, nesterov)
            put(state, p, v, n)
            put(params, p, w, n)


@section
def _adam(params, state, at, stride, work, tile, rows, width, rate, beta_1, beta_2, epsilon):
    second = params.size
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            n, p, g = width - j, at + i * stride + j, load(work, tile + i * VECTORS * lanes(work) + j)
            w, m, v = get(params, p, n), get(state, p, n), get(state, second + p, n)
            w, m, v = adam_rule(w, m, v, g, rate, beta_1, beta_2, epsilon)
            put(state, p, m, n)
            put(state, second + p, v, n)
            put(params, p, w, n)
