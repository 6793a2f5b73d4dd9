"""The output layer: its activation, the loss and delta = dL/dz in one pass over the logits, a
vector of samples at a time.

A column is one vector of samples with all its n outputs, one below the other: output k of the
column at z is the vector at z + k * PANEL. A softmax is plain arithmetic between rows, and nothing
crosses lanes. Targets t are rows like the outputs, or labels compared with the row's number. With
p = softmax(v):

    softmax cross-entropy of v   L = sum_k t_k (log sum_j exp v_j - v_k)    dL/dv = p sum_k t_k - t
    binary cross-entropy of z    L = sum_k softplus(z_k) - t_k z_k          dL/dz = sigmoid(z) - t
    squared error of a           L = 1/2 sum_k (a_k - t_k)^2                dL/da = a - t
    Poisson deviance of exp(z)   L = sum_k t_k (log t_k - z_k) - t_k + a_k  dL/dz = a - t
    Huber's loss of a            L = sum_k h(a_k - t_k)                     dL/da = h'(a - t)
    absolute error of a          L = sum_k |a_k - t_k|                      dL/da = sign(a - t)
    hinge of a, with label y     L = sum_{k != y} max(0, m_k)               dL/da_k = (m_k > 0),
                                                                            dL/da_y = -sum of those

with h(e) = 1/2 e^2 up to |e| = 1, |e| - 1/2 beyond, and m_k = a_k - a_y + 1 (Bishop, *Pattern
Recognition and Machine Learning*, 2006, section 5.2; McCullagh and Nelder, *Generalized Linear
Models*, 1989, section 2.3, for half the Poisson deviance; Huber, *Robust Estimation of a Location
Parameter*, 1964; Weston and Watkins, *Multi-class Support Vector Machines*, 1998). Three more
losses are as scikit-learn reports them: both cross-entropies with probabilities clipped to [eps, 1
- eps], eps that of the dtype, and the squared error as a mean over the outputs too. Their deltas
are those of the plain losses. GIVEN is a loss computed by the caller: its targets are dL/da.

A loss is a kernel (work, z, delta, targets, labels, has_labels, n, loss) that returns the loss of
each sample and writes its derivative to `delta`, registered with `loss_kernel`. A loss "of logits"
is taken of z and writes dL/dz. Any other is taken of a = f(z), which has replaced z, and writes
dL/da; the chain rule then gives dL/dz: dL/da f'(z), or for a softmax p_k (g_k - sum_j g_j p_j).
"""

from . import abi, simd, target, vector_math
from .abi import (
    CLIPPED_BINARY_CROSS_ENTROPY,
    CLIPPED_CROSS_ENTROPY,
    EXP,
    MEAN_SQUARED_ERROR,
    SOFTMAX,
)
from .activations import activate_output, slope_of_output
from .jit import dispatch, kernel
from .memory import load, store
from .simd import elementwise, lanes, select, vector
from .tile import VECTORS

FLOAT32_LANES = target.VECTOR_BYTES // 4

exp = elementwise(vector_math.exp)
log = elementwise(vector_math.log)
sigmoid = elementwise(vector_math.sigmoid)
softplus = elementwise(vector_math.softplus)
absolute = elementwise(simd.absolute)

_kernels: dict = {}  # of every loss, by code
_of_logits: list[int] = []


def loss_kernel(of_outputs=(), of_logits=()):
    """Compile a function as the kernel of these losses, given by their codes."""

    def register(function):
        compiled = kernel(function)
        _kernels.update(dict.fromkeys((*of_outputs, *of_logits), compiled))
        _of_logits.extend(of_logits)
        return compiled

    return register


@kernel
def _target(work, targets, labels, has_labels, k):
    """Row k of the targets: 0 and 1 from labels, or as given."""
    if has_labels:
        return select(load(work, labels) == float(k), vector(work, 1.0), vector(work, 0.0))
    return load(work, targets + k * VECTORS * lanes(work))


@kernel
def smooth(work, targets, labels, n, has_labels, scale, shift):
    """Label smoothing: the targets of a panel, or of its labels, replaced by scale * t + shift."""
    panel = VECTORS * lanes(work)
    for k in range(n):
        for v in range(0, panel, lanes(work)):
            t = _target(work, targets + v, labels + v, has_labels, k)
            store(work, targets + k * panel + v, t * scale + shift)


@kernel
def _row_max(work, v, n):
    panel = VECTORS * lanes(work)
    top = load(work, v)
    for k in range(1, n):
        x = load(work, v + k * panel)
        top = select(x > top, x, top)
    return top


@kernel
def softmax(work, to, v, n):
    """softmax of the column at v into the column at `to`, which may be v itself.

    Returns the largest v and the sum of exp(v - largest v).
    """
    panel = VECTORS * lanes(work)
    top = _row_max(work, v, n)
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
    """Replace the logits by the outputs a = f(z)."""
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
    """-log p, clipped to the finite numbers, so that 0 times it is 0; where `clipped`, for a
    probability clipped to [eps, 1 - eps]."""
    is_double = lanes(work) < FLOAT32_LANES
    low = 0.0
    high = 1.7976931348623157e308 if is_double else 3.4028234663852886e38
    if clipped:
        # -log(1 - eps) and -log(eps), with eps = 2**-23 and 2**-52.
        low = 2.220446049250313e-16 if is_double else 1.1920929665620916e-07
        high = 36.04365338911715 if is_double else 15.942385152878742
    minus_log_p = select(minus_log_p < low, vector(work, low), minus_log_p)
    return select(minus_log_p > high, vector(work, high), minus_log_p)


@loss_kernel(
    of_logits=(abi.LOSSES["cross_entropy"], CLIPPED_CROSS_ENTROPY),
    of_outputs=(abi.LOSSES["softmax_cross_entropy"],),
)
def _softmax_cross_entropy(work, v, delta, targets, labels, has_labels, n, loss):
    clipped = loss == CLIPPED_CROSS_ENTROPY
    panel = VECTORS * lanes(work)
    top, total = softmax(work, delta, v, n)
    log_total = log(total)
    value = vector(work, 0.0)
    weight = vector(work, 0.0)  # sum of the targets
    for k in range(n):
        t = _target(work, targets, labels, has_labels, k)
        value = value + t * _clip(work, (top - load(work, v + k * panel)) + log_total, clipped)
        weight = weight + t
    for k in range(n):
        t = _target(work, targets, labels, has_labels, k)
        store(work, delta + k * panel, load(work, delta + k * panel) * weight - t)
    return value


@loss_kernel(of_logits=(abi.LOSSES["binary_cross_entropy"],))
def _binary_cross_entropy(work, z, delta, targets, labels, has_labels, n, loss):
    panel = VECTORS * lanes(work)
    value = vector(work, 0.0)
    for k in range(n):
        logit = load(work, z + k * panel)
        t = _target(work, targets, labels, has_labels, k)
        value = value + (softplus(logit) - t * logit)
        store(work, delta + k * panel, sigmoid(logit) - t)
    return value


@loss_kernel(of_logits=(CLIPPED_BINARY_CROSS_ENTROPY,))
def _clipped_binary_cross_entropy(work, z, delta, targets, labels, has_labels, n, loss):
    panel = VECTORS * lanes(work)
    value = vector(work, 0.0)
    zero = vector(work, 0.0)
    for k in range(n):
        logit = load(work, z + k * panel)
        t = _target(work, targets, labels, has_labels, k)
        positive = logit > 0.0
        rest = softplus(select(positive, zero - logit, logit))  # log(1 + exp(-|z|))
        if_one = _clip(work, select(positive, rest, rest - logit), True)
        if_zero = _clip(work, select(positive, rest + logit, rest), True)
        value = value + (t * if_one + (1.0 - t) * if_zero)
        store(work, delta + k * panel, sigmoid(logit) - t)
    return value


@loss_kernel(of_logits=(abi.LOSSES["poisson"],))
def _poisson(work, z, delta, targets, labels, has_labels, n, loss):
    """From z rather than from exp(z): a large one would be infinite and give inf - inf."""
    panel = VECTORS * lanes(work)
    value = vector(work, 0.0)
    zero = vector(work, 0.0)
    for k in range(n):
        logit = load(work, z + k * panel)
        t = _target(work, targets, labels, has_labels, k)
        error = exp(logit) - t
        value = value + (select(t == 0.0, zero, t * (log(t) - logit)) + error)
        store(work, delta + k * panel, error)
    return value


@loss_kernel(of_outputs=(abi.LOSSES["squared_error"], MEAN_SQUARED_ERROR))
def _squared_error(work, a, delta, targets, labels, has_labels, n, loss):
    panel = VECTORS * lanes(work)
    value = vector(work, 0.0)
    for k in range(n):
        error = load(work, a + k * panel) - _target(work, targets, labels, has_labels, k)
        value = value + error * error * 0.5
        store(work, delta + k * panel, error)
    return value / float(n) if loss == MEAN_SQUARED_ERROR else value


@loss_kernel(of_outputs=(abi.LOSSES["huber"],))
def _huber(work, a, delta, targets, labels, has_labels, n, loss):
    panel = VECTORS * lanes(work)
    value = vector(work, 0.0)
    for k in range(n):
        error = load(work, a + k * panel) - _target(work, targets, labels, has_labels, k)
        size = absolute(error)
        value = value + select(size > 1.0, size - 0.5, error * error * 0.5)
        error = select(error > 1.0, vector(work, 1.0), error)
        store(work, delta + k * panel, select(error < -1.0, vector(work, -1.0), error))
    return value


@loss_kernel(of_outputs=(abi.LOSSES["absolute_error"],))
def _absolute_error(work, a, delta, targets, labels, has_labels, n, loss):
    panel = VECTORS * lanes(work)
    value = vector(work, 0.0)
    for k in range(n):
        error = load(work, a + k * panel) - _target(work, targets, labels, has_labels, k)
        value = value + absolute(error)
        error = select(error > 0.0, vector(work, 1.0), error)
        store(work, delta + k * panel, select(error < 0.0, vector(work, -1.0), error))
    return value


@loss_kernel(of_outputs=(abi.LOSSES["hinge"],))
def _hinge(work, a, delta, targets, labels, has_labels, n, loss):
    """From labels only: margins are taken to the one right output."""
    panel = VECTORS * lanes(work)
    y = load(work, labels)
    zero = vector(work, 0.0)
    one = vector(work, 1.0)
    # The output of each sample's own label.
    right = zero
    for k in range(n):
        right = select(y == float(k), load(work, a + k * panel), right)
    # The margins that are violated, of all outputs but that one.
    value = zero
    violations = zero
    for k in range(n):
        margin = select(y == float(k), zero, load(work, a + k * panel) - right + 1.0)
        value = value + select(margin <= 0.0, zero, margin)
        violated = select(margin > 0.0, one, zero)
        violations = violations + violated
        store(work, delta + k * panel, violated)
    # The derivative by the right output is minus their number.
    for k in range(n):
        d = select(y == float(k), zero - violations, load(work, delta + k * panel))
        store(work, delta + k * panel, d)
    return value


@loss_kernel(of_outputs=(abi.GIVEN,))
def _given(work, a, delta, targets, labels, has_labels, n, loss):
    panel = VECTORS * lanes(work)
    for k in range(n):
        store(work, delta + k * panel, load(work, targets + k * panel))
    return vector(work, 0.0)


_loss_column = dispatch(_kernels)
OF_LOGITS = tuple(_of_logits)


@kernel
def _through_activation(work, a, delta, n, output):
    """Replace dL/da by dL/dz."""
    panel = VECTORS * lanes(work)
    if output == SOFTMAX:
        mean = vector(work, 0.0)
        for k in range(n):
            mean = mean + load(work, delta + k * panel) * load(work, a + k * panel)
        for k in range(n):
            d = (load(work, delta + k * panel) - mean) * load(work, a + k * panel)
            store(work, delta + k * panel, d)
    elif output == EXP:
        for k in range(n):
            d = load(work, delta + k * panel) * load(work, a + k * panel)
            store(work, delta + k * panel, d)
    else:
        for k in range(n):
            slope = slope_of_output(output, load(work, a + k * panel))
            store(work, delta + k * panel, load(work, delta + k * panel) * slope)


@kernel
def output_column(work, z, delta, targets, labels, scale, n, output, loss, has_labels):
    """Loss and delta of one column, each times the samples' share in the mean.

    z, delta, targets : offsets in `work` of columns of n rows; z may be replaced by the outputs
    labels, scale : offsets in `work` of one vector: labels as numbers, and shares in the mean, 0 in
        lanes without a sample, which excludes these lanes from everything

    Each sample's part of the mean loss takes the place of its share.
    """
    panel = VECTORS * lanes(work)
    of_logits = loss in OF_LOGITS
    if not of_logits:
        activate_column(work, z, n, output)
    value = _loss_column(loss, work, z, delta, targets, labels, has_labels, n, loss)
    if not of_logits:
        _through_activation(work, z, delta, n, output)
    share = load(work, scale)
    for k in range(n):
        store(work, delta + k * panel, load(work, delta + k * panel) * share)
    store(work, scale, value * share)


@kernel
def sum_of_losses(work, at, rows):
    """The sum of the losses work[at : at + rows] in float64, in an order that does not depend on
    the vector width. The lanes up to a whole panel are zeros."""
    a = 0.0
    b = 0.0
    c = 0.0
    d = 0.0
    for i in range(at, at + rows, 4):
        a += work[i]
        b += work[i + 1]
        c += work[i + 2]
        d += work[i + 3]
    return (a + b) + (c + d)
