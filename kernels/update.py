"""Update rules as the epilogue of the weights' product: a tile of the gradient goes straight into
the parameters.

`step` is a float64 array of the step's numbers (see the names below). Plain SGD: W -= lr g.
Momentum in the velocity form v = mu v - lr g, W += v, Nesterov's W += mu v - lr g (Sutskever et
al., 2013; as in scikit-learn and Keras). Adam: Kingma and Ba (2015), section 2's efficient form,
that is, with epsilon outside the bias correction: W -= lr sqrt(1 - beta_2**t) / (1 - beta_1**t) m /
(sqrt(v) + epsilon), again as in scikit-learn and Keras. AdamW (Loshchilov and Hutter, 2019), Nadam
(Dozat, 2016), RMSprop (Tieleman and Hinton, 2012; centred: Graves, 2013) and Adagrad (Duchi et al.,
2011) are PyTorch's, with epsilon inside the correction.
"""

from .jit import always_inline, kernel, never_inline
from .memory import lane_sum, load, store
from .rules import adam, descend, load_tail, momentum, rmsprop, scaled, store_tail
from .simd import absolute, elementwise, lanes, select, vector
from .tile import VECTORS

# RMSPROP_MOMENTUM: with momentum, or centred, or both.
GRADIENT, SGD, MOMENTUM, NESTEROV, ADAM, ADAMW, NADAM, RMSPROP, RMSPROP_MOMENTUM, ADAGRAD = range(
    10
)
# Values of a rule's state beside each parameter.
SLOTS = {GRADIENT: 0, SGD: 0, MOMENTUM: 1, NESTEROV: 1, ADAM: 2, ADAMW: 2, NADAM: 2}
SLOTS |= {RMSPROP: 1, RMSPROP_MOMENTUM: 3, ADAGRAD: 1}
# Where a step's numbers stand in `step`. MORE: a later block of rows adds to this gradient; ADD:
# earlier ones have. A step may be made by several calls: RESUMED says that it was begun by an
# earlier one, which left the loss in BEFORE, UNFINISHED that a later one goes on with it, and TOTAL
# is then what its mean is over (0: found by the kernel). ALPHA, where not 0, is a penalty that a
# step's samples share, scikit-learn's: L2 is then ALPHA over their number or total weight.
# REGARDLESS: a loss that is not finite is no reason to stop.
RULE, LR, L2, BETA_1, BETA_2, EPSILON, RATE, MORE, ADD, RESUMED, UNFINISHED, BEFORE, TOTAL = range(
    13
)
ALPHA, REGARDLESS = range(13, 15)
# L1: the other penalty. CLIP: the largest derivative, MAX_NORM: the largest norm of the whole
# gradient (0: as they are). DECAY: AdamW's of the weights, Nadam's of the momentum. CENTERED: 1 or
# 0.
L1, CLIP, MAX_NORM, DECAY, CENTERED = range(15, 20)
# Found by `begin_step`. PLAIN: nothing but W -= lr g. Adam and its kin: W = SHRINK W - (RATE m +
# LOOK g) / (sqrt(v) + FLOOR). PRODUCT: Nadam's momenta of the first COUNT steps multiplied. Where
# the norm is limited a step has two parts: the gradient is written out, then, APPLYING, read back
# times SCALE.
PLAIN, SHRINK, LOOK, FLOOR, PRODUCT, COUNT, APPLYING, SCALE, STEP_SIZE = range(20, 29)

size_of = elementwise(absolute)


@kernel
def begin_step(step, count, total):
    """The rate of step number `count` (from 1 on), bias correction included, and the penalty of a
    mean over `total`."""
    if step[ALPHA] != 0:
        step[L2] = step[ALPHA] / total
    step[PLAIN] = (
        step[RULE] == SGD
        and step[L2] == 0
        and step[L1] == 0
        and step[CLIP] == 0
        and step[MAX_NORM] == 0
    )
    step[APPLYING] = 0
    step[RATE] = step[LR]
    if ADAM <= step[RULE] <= NADAM:
        correction = (1 - step[BETA_2] ** count) ** 0.5
        step[SHRINK], step[LOOK], step[FLOOR] = 1, 0, step[EPSILON]
        if step[RULE] != ADAM:
            step[FLOOR] *= correction
        if step[RULE] == NADAM:
            _begin_nadam(step, count, correction)
        else:
            step[RATE] = adam_rate(step[LR], step[BETA_1], step[BETA_2], count)
        if step[RULE] == ADAMW:
            step[SHRINK] = 1 - step[LR] * step[DECAY]


@kernel
def _nadam_momentum(step, count):
    """Dozat's schedule of the momentum: from half of beta_1 to all of it."""
    return step[BETA_1] * (1 - 0.5 * 0.96 ** (count * step[DECAY]))


@kernel
def _begin_nadam(step, count, correction):
    # A fit that goes on, or a member who was not at the last steps, finds the product again, with
    # the same bits.
    if step[COUNT] > count or step[COUNT] == 0:
        step[COUNT], step[PRODUCT] = 0, 1
    while step[COUNT] < count:
        step[COUNT] += 1
        step[PRODUCT] *= _nadam_momentum(step, step[COUNT])
    now, then = _nadam_momentum(step, count), _nadam_momentum(step, count + 1)
    step[LOOK] = step[LR] * correction * (1 - now) / (1 - step[PRODUCT])
    step[RATE] = step[LR] * correction * then / (1 - step[PRODUCT] * then)


@kernel
def adam_rate(lr, beta_1, beta_2, count):
    return lr * ((1 - beta_2**count) ** 0.5 / (1 - beta_1**count))


@kernel
def update_tile(
    params, state, gradient, at, stride, work, tile, rows, penalised, width, sums, sum_at, step
):
    """Apply the rule to params[at + i * stride + j], i < rows and j < width, with the gradient tile
    in `work`.

    The first `penalised` rows are weights, the rest the bias. Leaves the tile's part of the penalty
    in sums[sum_at].
    """
    always_inline()
    if step[APPLYING] != 0:
        load_gradient(gradient, at, stride, work, tile, rows, width, step[SCALE])
    else:
        penalty = 0.0
        if step[ADD] != 0:
            accumulate_gradient(gradient, at, stride, work, tile, rows, width)
        if step[MORE] == 0 and step[L2] != 0:
            penalty += (
                0.5
                * step[L2]
                * _penalise(params, at, stride, work, tile, penalised, width, step[L2])
            )
        if step[MORE] == 0 and step[L1] != 0:
            penalty += step[L1] * _penalise_sizes(
                params, at, stride, work, tile, penalised, width, step[L1]
            )
        if step[MORE] == 0 and step[CLIP] != 0:
            _clip(work, tile, rows, width, step[CLIP])
        sums[sum_at] = penalty
    if step[MORE] != 0 or step[RULE] == GRADIENT or (step[MAX_NORM] != 0 and step[APPLYING] == 0):
        store_gradient(gradient, at, stride, work, tile, rows, width)
    elif step[RULE] == SGD:
        descend(params, at, stride, work, tile, rows, width, step[RATE])
    elif step[RULE] < ADAM:
        momentum(
            params,
            state,
            at,
            stride,
            work,
            tile,
            rows,
            width,
            step[RATE],
            step[BETA_1],
            step[RULE] == NESTEROV,
        )
    elif step[RULE] <= NADAM:
        adam(
            params,
            state,
            at,
            stride,
            work,
            tile,
            rows,
            penalised,
            width,
            step[RATE],
            step[LOOK],
            step[SHRINK],
            step[BETA_1],
            step[BETA_2],
            step[FLOOR],
        )
    elif step[RULE] == RMSPROP_MOMENTUM:
        rmsprop(
            params,
            state,
            at,
            stride,
            work,
            tile,
            rows,
            width,
            step[RATE],
            step[BETA_2],
            step[BETA_1],
            step[CENTERED],
            step[EPSILON],
        )
    else:
        kept = 1.0 if step[RULE] == ADAGRAD else step[BETA_2]
        added = 1.0 if step[RULE] == ADAGRAD else 1 - step[BETA_2]
        scaled(
            params,
            state,
            at,
            stride,
            work,
            tile,
            rows,
            width,
            step[RATE],
            kept,
            added,
            step[EPSILON],
        )


@kernel
def accumulate_gradient(gradient, at, stride, work, tile, rows, width):
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            here = tile + i * VECTORS * lanes(work) + j
            store(
                work, here, load(work, here) + load_tail(gradient, at + i * stride + j, width - j)
            )


@kernel
def load_gradient(gradient, at, stride, work, tile, rows, width, scale):
    """The gradient as it was kept, times `scale`, into the tile."""
    never_inline()
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            here = tile + i * VECTORS * lanes(work) + j
            store(work, here, load_tail(gradient, at + i * stride + j, width - j) * scale)


@kernel
def _penalise(params, at, stride, work, tile, rows, width, l2):
    """The L2 penalty's gradient into the tile. Returns the sum of the weights' squares."""
    squares = vector(params, 0.0)
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            here, w = (
                tile + i * VECTORS * lanes(work) + j,
                load_tail(params, at + i * stride + j, width - j),
            )
            store(work, here, load(work, here) + w * l2)
            squares = squares + w * w
    return lane_sum(squares)


@kernel
def _penalise_sizes(params, at, stride, work, tile, rows, width, l1):
    """The L1 penalty's gradient, 0 for a weight of 0, into the tile. Returns the sum of the
    weights' sizes."""
    never_inline()
    sizes, nothing, up, down = (
        vector(params, 0.0),
        vector(params, 0.0),
        vector(params, l1),
        vector(params, -l1),
    )
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            here, w = (
                tile + i * VECTORS * lanes(work) + j,
                load_tail(params, at + i * stride + j, width - j),
            )
            store(
                work, here, load(work, here) + select(w > 0.0, up, select(w < 0.0, down, nothing))
            )
            sizes = sizes + size_of(w)
    return lane_sum(sizes)


@kernel
def _clip(work, tile, rows, width, largest):
    """Every derivative into [-largest, largest]; a NaN stays one."""
    never_inline()
    high, low = vector(work, largest), vector(work, -largest)
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            here = tile + i * VECTORS * lanes(work) + j
            g = load(work, here)
            g = select(g > high, high, g)
            store(work, here, select(g < low, low, g))


@kernel
def store_gradient(gradient, at, stride, work, tile, rows, width):
    for i in range(rows):
        for j in range(0, width, lanes(work)):
            store_tail(
                gradient,
                at + i * stride + j,
                load(work, tile + i * VECTORS * lanes(work) + j),
                width - j,
            )
