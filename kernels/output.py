"""The output layer: its activation, the loss and delta = dL/dz in one pass over the logits, a
vector of samples at a time.

A column is one vector of samples with all its n outputs, one below the other, so a softmax is plain
arithmetic between rows and nothing crosses lanes. Targets t are rows like the outputs, or labels
compared with the row's number. With p = softmax(v):

    softmax cross-entropy of v   L = sum_k t_k (log sum_j exp v_j - v_k)    dL/dv = p sum_k t_k - t
    binary cross-entropy of z    L = sum_k softplus(z_k) - t_k z_k          dL/dz = sigmoid(z) - t
    squared error of a           L = 1/2 sum_k (a_k - t_k)^2                dL/da = a - t
    Poisson deviance of exp(z)   L = sum_k t_k (log t_k - z_k) - t_k + a_k  dL/dz = a - t
    Huber's loss of a            L = sum_k h(a_k - t_k)                     dL/da = a - t within [-1, 1]
    absolute error of a          L = sum_k |a_k - t_k|                      dL/da = sign(a - t), 0 at 0
    hinge of a, with label y     L = sum_{k != y} max(0, m_k)               dL/da_k = (m_k > 0), dL/da_y = -sum of those

with h(e) = 1/2 e^2 up to |e| = 1, from there |e| - 1/2, and m_k = a_k - a_y + 1 (Bishop, *Pattern
Recognition and Machine Learning*, 2006, section 5.2; McCullagh and Nelder, *Generalized Linear
Models*, 1989, section 2.3, for half the Poisson deviance; Huber, *Robust Estimation of a Location
Parameter*, 1964; Weston and Watkins, *Multi-class Support Vector Machines*, 1998). Three more
losses are as scikit-learn reports them: both cross-entropies with probabilities clipped to [eps, 1
- eps], eps that of the dtype, and the squared error as a mean over the outputs too. Their deltas
are those of the plain losses. GIVEN is a loss that somebody else has computed: its targets are
dL/da. Where the loss is not taken of the logits, the chain rule leads from dL/da to dL/dz: dL/da
f'(z), or for a softmax p_k (g_k - sum_j g_j p_j).
"""

from . import abi, cpu_features, simd, vector_math
from .activations import activate_output, slope_of_output
from .jit import kernel
from .memory import lane_sum, load, store
from .simd import elementwise, lanes, select, vector
from .tile import VECTORS

SOFTMAX, EXP = abi.OUTPUTS["softmax"], abi.OUTPUTS["exp"]
CROSS_ENTROPY = abi.LOSSES["cross_entropy"]
BINARY_CROSS_ENTROPY = abi.LOSSES["binary_cross_entropy"]
SQUARED_ERROR = abi.LOSSES["squared_error"]
SOFTMAX_CROSS_ENTROPY = abi.LOSSES["softmax_cross_entropy"]
POISSON = abi.LOSSES["poisson"]
HUBER = abi.LOSSES["huber"]
ABSOLUTE_ERROR = abi.LOSSES["absolute_error"]
HINGE = abi.LOSSES["hinge"]
CLIPPED_CROSS_ENTROPY = abi.CLIPPED_CROSS_ENTROPY
CLIPPED_BINARY_CROSS_ENTROPY = abi.CLIPPED_BINARY_CROSS_ENTROPY
MEAN_SQUARED_ERROR = abi.MEAN_SQUARED_ERROR
GIVEN = abi.GIVEN
SINGLES = cpu_features.VECTOR_BYTES // 4  # lanes of a float32 vector

exp = elementwise(vector_math.exp)
log = elementwise(vector_math.log)
sigmoid = elementwise(vector_math.sigmoid)
softplus = elementwise(vector_math.softplus)
absolute = elementwise(simd.absolute)


@kernel
def _target(work, targets, labels, has_labels, k):
    """Row k of the targets: 0 and 1 from labels, or as given."""
    if has_labels:
        return select(load(work, labels) == float(k), vector(work, 1.0), vector(work, 0.0))
    return load(work, targets + k * VECTORS * lanes(work))


@kernel
def smooth(work, targets, labels, n, has_labels, keep, spread):
    """The targets of a panel, or those that its labels stand for, as keep t + spread: label
    smoothing."""
    panel = VECTORS * lanes(work)
    for k in range(n):
        for v in range(0, panel, lanes(work)):
            t = _target(work, targets + v, labels + v, has_labels, k)
            store(work, targets + k * panel + v, t * keep + spread)


@kernel
def _largest(work, v, n):
    panel = VECTORS * lanes(work)
    top = load(work, v)
    for k in range(1, n):
        x = load(work, v + k * panel)
        top = select(x > top, x, top)
    return top


@kernel
def softmax(work, to, v, n):
    """softmax of the column at v into the column at `to`, which may be v itself. Returns the
    largest v and the sum."""
    panel = VECTORS * lanes(work)
    top = _largest(work, v, n)
    total = vector(work, 0.0)
    for k in range(n):
        e = exp(load(work, v + k * panel) - top)
        store(work, to + k * panel, e)
        total = total + e
    for k in range(n):
        store(work, to + k * panel, load(work, to + k * panel) / total)
    return top, total


@kernel
def activate_column(work, z, n, output):
    """The outputs a = f(z) in the place of the logits."""
    panel = VECTORS * lanes(work)
    if output == SOFTMAX:
        softmax(work, z, z, n)
    elif output == EXP:
        for k in range(n):
            store(work, z + k * panel, exp(load(work, z + k * panel)))
    else:
        for k in range(n):
            store(work, z + k * panel, activate_output(output, load(work, z + k * panel)))


@kernel
def _clip(work, minus_log_p, clipped):
    """-log p of a probability clipped to [eps, 1 - eps], where it is to be; finite in any case, so
    that times 0 it is 0."""
    double = lanes(work) < SINGLES
    low, high = 0.0, 1.7976931348623157e308 if double else 3.4028234663852886e38
    if clipped:
        low, high = 1.1920929665620916e-07, 15.942385152878742  # -log(1 - 2**-23) and -log(2**-23)
        if double:
            low, high = 2.220446049250313e-16, 36.04365338911715  # the same of 2**-52
    minus_log_p = select(minus_log_p < low, vector(work, low), minus_log_p)
    return select(minus_log_p > high, vector(work, high), minus_log_p)


@kernel
def _softmax_cross_entropy(work, v, delta, targets, labels, has_labels, n, clipped):
    panel = VECTORS * lanes(work)
    top, total = softmax(work, delta, v, n)
    log_total = log(total)
    loss, weight = vector(work, 0.0), vector(work, 0.0)
    for k in range(n):
        t = _target(work, targets, labels, has_labels, k)
        loss = loss + t * _clip(work, (top - load(work, v + k * panel)) + log_total, clipped)
        weight = weight + t
    for k in range(n):
        t = _target(work, targets, labels, has_labels, k)
        store(work, delta + k * panel, load(work, delta + k * panel) * weight - t)
    return loss


@kernel
def _binary_cross_entropy(work, z, delta, targets, labels, has_labels, n):
    panel = VECTORS * lanes(work)
    loss = vector(work, 0.0)
    for k in range(n):
        logit, t = load(work, z + k * panel), _target(work, targets, labels, has_labels, k)
        loss = loss + (softplus(logit) - t * logit)
        store(work, delta + k * panel, sigmoid(logit) - t)
    return loss


@kernel
def _clipped_binary_cross_entropy(work, z, delta, targets, labels, has_labels, n):
    panel = VECTORS * lanes(work)
    loss, nothing = vector(work, 0.0), vector(work, 0.0)
    for k in range(n):
        logit, t = load(work, z + k * panel), _target(work, targets, labels, has_labels, k)
        positive = logit > 0.0
        rest = softplus(select(positive, nothing - logit, logit))  # log(1 + exp(-|z|))
        one = _clip(work, select(positive, rest, rest - logit), True)
        zero = _clip(work, select(positive, rest + logit, rest), True)
        loss = loss + (t * one + (1.0 - t) * zero)
        store(work, delta + k * panel, sigmoid(logit) - t)
    return loss


@kernel
def _poisson(work, z, delta, targets, labels, has_labels, n):
    """From z, not from exp(z), of which a large one would be infinite and make inf - inf."""
    panel = VECTORS * lanes(work)
    loss, nothing = vector(work, 0.0), vector(work, 0.0)
    for k in range(n):
        logit, t = load(work, z + k * panel), _target(work, targets, labels, has_labels, k)
        error = exp(logit) - t
        loss = loss + (select(t == 0.0, nothing, t * (log(t) - logit)) + error)
        store(work, delta + k * panel, error)
    return loss


@kernel
def _squared_error(work, a, delta, targets, labels, has_labels, n):
    panel = VECTORS * lanes(work)
    loss = vector(work, 0.0)
    for k in range(n):
        error = load(work, a + k * panel) - _target(work, targets, labels, has_labels, k)
        loss = loss + error * error * 0.5
        store(work, delta + k * panel, error)
    return loss


@kernel
def _huber(work, a, delta, targets, labels, has_labels, n):
    panel = VECTORS * lanes(work)
    loss = vector(work, 0.0)
    for k in range(n):
        error = load(work, a + k * panel) - _target(work, targets, labels, has_labels, k)
        size = absolute(error)
        loss = loss + select(size > 1.0, size - 0.5, error * error * 0.5)
        error = select(error > 1.0, vector(work, 1.0), error)
        store(work, delta + k * panel, select(error < -1.0, vector(work, -1.0), error))
    return loss


@kernel
def _absolute_error(work, a, delta, targets, labels, has_labels, n):
    panel = VECTORS * lanes(work)
    loss = vector(work, 0.0)
    for k in range(n):
        error = load(work, a + k * panel) - _target(work, targets, labels, has_labels, k)
        loss = loss + absolute(error)
        error = select(error > 0.0, vector(work, 1.0), error)
        store(work, delta + k * panel, select(error < 0.0, vector(work, -1.0), error))
    return loss


@kernel
def _hinge(work, a, delta, labels, n):
    """Of labels alone: the margin is to the one right output."""
    panel, y = VECTORS * lanes(work), load(work, labels)
    right, nothing, one = vector(work, 0.0), vector(work, 0.0), vector(work, 1.0)
    for k in range(n):
        right = select(y == float(k), load(work, a + k * panel), right)
    loss, violations = nothing, nothing
    for k in range(n):
        margin = select(y == float(k), nothing, load(work, a + k * panel) - right + 1.0)
        loss = loss + select(margin <= 0.0, nothing, margin)
        violated = select(margin > 0.0, one, nothing)
        violations = violations + violated
        store(work, delta + k * panel, violated)
    for k in range(n):
        store(
            work,
            delta + k * panel,
            select(y == float(k), nothing - violations, load(work, delta + k * panel)),
        )
    return loss


@kernel
def _given(work, delta, targets, n):
    panel = VECTORS * lanes(work)
    for k in range(n):
        store(work, delta + k * panel, load(work, targets + k * panel))
    return vector(work, 0.0)


@kernel
def _through_activation(work, a, delta, n, output):
    """dL/da into dL/dz, in place."""
    panel = VECTORS * lanes(work)
    if output == SOFTMAX:
        mean = vector(work, 0.0)
        for k in range(n):
            mean = mean + load(work, delta + k * panel) * load(work, a + k * panel)
        for k in range(n):
            store(
                work,
                delta + k * panel,
                (load(work, delta + k * panel) - mean) * load(work, a + k * panel),
            )
    elif output == EXP:
        for k in range(n):
            store(
                work, delta + k * panel, load(work, delta + k * panel) * load(work, a + k * panel)
            )
    else:
        for k in range(n):
            store(
                work,
                delta + k * panel,
                load(work, delta + k * panel) * slope_of_output(output, load(work, a + k * panel)),
            )


@kernel
def output_column(work, z, delta, targets, labels, scale, n, output, loss, has_labels):
    """The scaled loss of one column, summed over its lanes in float64, and its scaled delta.

    `scale` is the samples' share in the mean: 0 in lanes without a sample, which so stay out of
    everything.
    """
    panel = VECTORS * lanes(work)
    clipped = loss == CLIPPED_CROSS_ENTROPY
    if clipped or loss == CROSS_ENTROPY:
        value = _softmax_cross_entropy(work, z, delta, targets, labels, has_labels, n, clipped)
    elif loss == BINARY_CROSS_ENTROPY:
        value = _binary_cross_entropy(work, z, delta, targets, labels, has_labels, n)
    elif loss == CLIPPED_BINARY_CROSS_ENTROPY:
        value = _clipped_binary_cross_entropy(work, z, delta, targets, labels, has_labels, n)
    elif loss == POISSON:
        value = _poisson(work, z, delta, targets, labels, has_labels, n)
    else:
        activate_column(work, z, n, output)
        if loss == SOFTMAX_CROSS_ENTROPY:
            value = _softmax_cross_entropy(work, z, delta, targets, labels, has_labels, n, False)
        elif loss == HUBER:
            value = _huber(work, z, delta, targets, labels, has_labels, n)
        elif loss == ABSOLUTE_ERROR:
            value = _absolute_error(work, z, delta, targets, labels, has_labels, n)
        elif loss == HINGE:
            value = _hinge(work, z, delta, labels, n)
        elif loss == GIVEN:
            value = _given(work, delta, targets, n)
        else:
            value = _squared_error(work, z, delta, targets, labels, has_labels, n)
        if loss == MEAN_SQUARED_ERROR:
            value = value / float(n)
        _through_activation(work, z, delta, n, output)
    share = load(work, scale)
    for k in range(n):
        store(work, delta + k * panel, load(work, delta + k * panel) * share)
    return lane_sum(value * share)
