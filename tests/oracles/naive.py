"""The naive oracle of the kernels: loops over scalars in Python floats, importing nothing from
fastbp."""

import math

LEAK = 0.01
SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772


def sigmoid(z):
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


def normal(z):
    """The cumulative distribution function of the standard normal distribution."""
    return math.erfc(-z / math.sqrt(2)) / 2


def softplus(z):
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


VALUE = {
    "identity": lambda z: z,
    "sigmoid": sigmoid,
    "tanh": math.tanh,
    "relu": lambda z: z if z > 0 else 0.0,
    "leaky_relu": lambda z: z if z > 0 else LEAK * z,
    "elu": lambda z: z if z > 0 else math.expm1(z),
    "softplus": softplus,
    "selu": lambda z: SELU_SCALE * (z if z > 0 else SELU_ALPHA * math.expm1(z)),
    "gelu": lambda z: z * normal(z),
    "silu": lambda z: z * sigmoid(z),
    "mish": lambda z: z * math.tanh(softplus(z)),
    "softsign": lambda z: z / (1 + abs(z)),
    "exp": math.exp,
}
# Derivatives with respect to z, computed from z; the kernels mostly compute them from a.
SLOPE = {
    "identity": lambda z: 1.0,
    "sigmoid": lambda z: sigmoid(z) * sigmoid(-z),
    "tanh": lambda z: 1 - math.tanh(z) ** 2,
    "relu": lambda z: 1.0 if z > 0 else 0.0,
    "leaky_relu": lambda z: 1.0 if z > 0 else LEAK,
    "elu": lambda z: 1.0 if z > 0 else math.exp(z),
    "softplus": sigmoid,
    "selu": lambda z: SELU_SCALE * (1.0 if z > 0 else SELU_ALPHA * math.exp(z)),
    "gelu": lambda z: normal(z) + z * math.exp(-z * z / 2) / math.sqrt(2 * math.pi),
    "silu": lambda z: sigmoid(z) + z * sigmoid(z) * sigmoid(-z),
    "mish": lambda z: math.tanh(softplus(z)) + z * sigmoid(z) / math.cosh(softplus(z)) ** 2,
    "softsign": lambda z: 1 / (1 + abs(z)) ** 2,
    "exp": math.exp,
}


def log_sum_exp(v):
    top = max(v)
    return top + math.log(sum(math.exp(x - top) for x in v))


def softmax(v):
    total = log_sum_exp(v)
    return [math.exp(x - total) for x in v]


def dense(x, W, b):
    return [b[j] + sum(x[i] * W[i][j] for i in range(len(x))) for j in range(len(b))]


def outputs(z, output):
    return softmax(z) if output == "softmax" else [VALUE[output](v) for v in z]


def forward(x, weights, biases, hidden, output):
    """z and a of every layer for one sample."""
    zs, activations = [], []
    for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
        z = dense(x, W, b)
        x = (
            outputs(z, output)
            if layer == len(weights) - 1
            else [VALUE[hidden[layer]](v) for v in z]
        )
        zs.append(z)
        activations.append(x)
    return zs, activations


def sample_loss(z, a, t, loss):
    if loss == "cross_entropy":
        return sum(t[k] * (log_sum_exp(z) - z[k]) for k in range(len(z)))
    if loss == "binary_cross_entropy":
        return sum(softplus(z[k]) - t[k] * z[k] for k in range(len(z)))
    if loss == "squared_error":
        return 0.5 * sum((a[k] - t[k]) ** 2 for k in range(len(a)))
    if loss == "huber":
        return sum(
            0.5 * (x - y) ** 2 if abs(x - y) <= 1 else abs(x - y) - 0.5
            for x, y in zip(a, t, strict=True)
        )
    if loss == "absolute_error":
        return sum(abs(x - y) for x, y in zip(a, t, strict=True))
    if loss == "poisson":
        return sum((y * math.log(y / x) if y else 0.0) - y + x for x, y in zip(a, t, strict=True))
    if loss == "hinge":
        right = t.index(1.0)
        return sum(max(0.0, a[k] - a[right] + 1) for k in range(len(a)) if k != right)
    return sum(t[k] * (log_sum_exp(a) - a[k]) for k in range(len(a)))


def output_delta(z, a, t, output, loss):
    """dL/dz of the output layer, the Jacobian written out in full."""
    n = len(z)
    if loss == "cross_entropy":
        p = softmax(z)
        return [p[k] * sum(t) - t[k] for k in range(n)]
    if loss == "binary_cross_entropy":
        return [sigmoid(z[k]) - t[k] for k in range(n)]
    if loss == "squared_error":
        g = [a[k] - t[k] for k in range(n)]
    elif loss == "huber":
        g = [min(1.0, max(-1.0, a[k] - t[k])) for k in range(n)]
    elif loss == "absolute_error":
        g = [float(a[k] > t[k]) - float(a[k] < t[k]) for k in range(n)]
    elif loss == "poisson":
        g = [1 - t[k] / a[k] for k in range(n)]
    elif loss == "hinge":
        right = t.index(1.0)
        g = [float(a[k] - a[right] + 1 > 0) for k in range(n)]
        g[right] -= sum(g)
    else:
        p = softmax(a)
        g = [p[k] * sum(t) - t[k] for k in range(n)]
    if output == "softmax":
        return [sum(g[j] * a[j] * ((j == k) - a[k]) for j in range(n)) for k in range(n)]
    return [g[k] * SLOPE[output](z[k]) for k in range(n)]


def sign(w):
    return (w > 0) - (w < 0)


def loss_and_gradients(
    X, targets, weights, biases, hidden, output, loss, l2=0.0, sample_weight=None, l1=0.0
):
    """The mean loss with its penalties, and dW and db of every layer as nested lists."""
    share = sample_weight or [1.0] * len(X)
    total = sum(share)
    dWs = [[[l2 * w + l1 * sign(w) for w in row] for row in W] for W in weights]
    dbs = [[0.0] * len(b) for b in biases]
    value = sum(0.5 * l2 * w * w + l1 * abs(w) for W in weights for row in W for w in row)
    for x, t, s in zip(X, targets, share, strict=True):
        zs, activations = forward(x, weights, biases, hidden, output)
        value += s / total * sample_loss(zs[-1], activations[-1], t, loss)
        delta = [s / total * d for d in output_delta(zs[-1], activations[-1], t, output, loss)]
        for layer in reversed(range(len(weights))):
            below = activations[layer - 1] if layer else x
            for j, d in enumerate(delta):
                dbs[layer][j] += d
                for i, v in enumerate(below):
                    dWs[layer][i][j] += v * d
            if layer:
                W = weights[layer]
                z = zs[layer - 1]
                delta = [
                    SLOPE[hidden[layer - 1]](z[i])
                    * sum(W[i][j] * delta[j] for j in range(len(delta)))
                    for i in range(len(z))
                ]
    return value, dWs, dbs


def one_hot(labels, n):
    return [[float(k == label) for k in range(n)] for label in labels]


class Rule:
    """The update rule of one scalar parameter, with its state."""

    def __init__(
        self,
        kind,
        lr,
        momentum=0.0,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        centered=False,
        **decays,
    ):
        self.kind = kind
        self.lr = lr
        self.momentum = momentum
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.centered = centered
        self.weight_decay = decays.get("weight_decay", 0.0)
        self.momentum_decay = decays.get("momentum_decay", 0.0)
        self.velocity = self.m = self.v = 0.0
        self.t = 0
        self.product = 1.0

    def step(self, w, g):
        self.t += 1
        if self.kind in ("adam", "adamw", "nadam"):
            self.m = self.beta_1 * self.m + (1 - self.beta_1) * g
            self.v = self.beta_2 * self.v + (1 - self.beta_2) * g * g
        if self.kind == "adam":
            rate = self.lr * math.sqrt(1 - self.beta_2**self.t) / (1 - self.beta_1**self.t)
            return w - rate * self.m / (math.sqrt(self.v) + self.epsilon)
        if self.kind == "adamw":
            w -= self.lr * self.weight_decay * w
            m = self.m / (1 - self.beta_1**self.t)
            v = self.v / (1 - self.beta_2**self.t)
            return w - self.lr * m / (math.sqrt(v) + self.epsilon)
        if self.kind == "nadam":
            now, then = (
                self.beta_1 * (1 - 0.96 ** (t * self.momentum_decay) / 2)
                for t in (self.t, self.t + 1)
            )
            self.product *= now
            ahead = (1 - now) / (1 - self.product) * g + then / (1 - self.product * then) * self.m
            return w - self.lr * ahead / (
                math.sqrt(self.v / (1 - self.beta_2**self.t)) + self.epsilon
            )
        if self.kind == "lion":
            c = self.beta_1 * self.m + (1 - self.beta_1) * g
            self.m = self.beta_2 * self.m + (1 - self.beta_2) * g
            return w - self.lr * (sign(c) + self.weight_decay * w)
        if self.kind == "adagrad":
            self.v += g * g
            return w - self.lr * g / (math.sqrt(self.v) + self.epsilon)
        if self.kind == "rmsprop":
            self.v = self.beta_2 * self.v + (1 - self.beta_2) * g * g
            self.m = self.beta_2 * self.m + (1 - self.beta_2) * g
            variance = self.v - self.m**2 if self.centered else self.v
            self.velocity = self.momentum * self.velocity + g / (
                math.sqrt(max(variance, 0.0)) + self.epsilon
            )
            return w - self.lr * self.velocity
        self.velocity = self.momentum * self.velocity - self.lr * g
        return w + (
            self.momentum * self.velocity - self.lr * g
            if self.kind == "nesterov"
            else self.velocity
        )


def clipped(gradient, clip_value=None, clip_norm=None):
    """The numbers clipped to ±clip_value, then scaled to a norm of at most clip_norm."""
    if clip_value is not None:
        gradient = [min(max(g, -clip_value), clip_value) for g in gradient]
    if clip_norm is not None:
        scale = min(1.0, clip_norm / (math.sqrt(math.fsum(g * g for g in gradient)) + 1e-6))
        gradient = [scale * g for g in gradient]
    return gradient


def philox(counter, key, bits=32):
    """Philox4x32-10, or with 64 bits Philox4x64-10, of Salmon et al. (2011)."""
    mask = 2**bits - 1
    first, second = {32: (0xD2511F53, 0xCD9E8D57), 64: (0xD2E7470EE14C6C93, 0xCA5A826395121157)}[
        bits
    ]
    weyl = {32: (0x9E3779B9, 0xBB67AE85), 64: (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)}[bits]
    for _ in range(10):
        a, b = first * counter[0], second * counter[2]
        counter = [
            b >> bits ^ counter[1] ^ key[0],
            b & mask,
            a >> bits ^ counter[3] ^ key[1],
            a & mask,
        ]
        key = [(k + w) & mask for k, w in zip(key, weyl, strict=True)]
    return counter
