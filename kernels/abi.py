"""What the compiled code and its callers agree on: the codes of activations, outputs and losses.

Nothing here imports Numba, so that callers need not. Codes are names for numbers: their order has no
meaning, and no code is compared with another but by equality.
"""

# Activations of hidden layers, see activations.py. Codes 7 and 8 are those of outputs alone.
ACTIVATIONS = {
    "identity": 0,
    "sigmoid": 1,
    "tanh": 2,
    "relu": 3,
    "leaky_relu": 4,
    "elu": 5,
    "softplus": 6,
    "selu": 9,
    "softsign": 10,
    "gelu": 11,
    "silu": 12,
    "mish": 13,
}
# Activations with a slope that cannot be computed from the output. Training stores it per unit.
STORES_SLOPES = frozenset(ACTIVATIONS[name] for name in ("gelu", "silu", "mish"))
# Activations that an output layer can have: their code is compiled into the output's pass.
OUTPUTS = {
    "softmax": 7,
    "sigmoid": 1,
    "identity": 0,
    "tanh": 2,
    "relu": 3,
    "softplus": 6,
    "exp": 8,
}
# Losses that a network can have, see output.py.
LOSSES = {
    "cross_entropy": 0,
    "binary_cross_entropy": 1,
    "squared_error": 2,
    "softmax_cross_entropy": 3,
    "huber": 8,
    "absolute_error": 9,
    "poisson": 7,
    "hinge": 10,
}
# Losses as scikit-learn reports them, with the deltas of the plain ones; and one whose dL/da is given
# in the place of the targets.
CLIPPED_CROSS_ENTROPY = 4
CLIPPED_BINARY_CROSS_ENTROPY = 5
MEAN_SQUARED_ERROR = 6
GIVEN = 11

# Constants of activations that their callers compute with too: the scalar graph, text, ONNX models.
LEAK = 0.01  # the slope of leaky_relu below 0
# Klambauer et al., *Self-Normalizing Neural Networks*, 2017: the fixed point that keeps mean 0 and
# variance 1.
SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717
# The tail of the normal distribution, P(a normal number is beyond x), for gelu; by "is float32". z
# times the tail beyond |z| is 0 from NORMAL_END on, subnormal numbers included.
NORMAL_END = {True: 15.0, False: 39.0}
NORMAL_CENTRE = 2.5
# (x + 2.5) exp(x²/2) P(a normal number is beyond x) in t = (x - 2.5) / (x + 2.5), x up to
# NORMAL_END: Chebyshev's series as powers of t, computed to 60 digits; its error is 2.5e-9 and
# 9.4e-19 of the value.
NORMAL_TAIL = {
    True: (
        0.7066566574,
        -0.4336921257,
        0.131987233,
        0.009238615865,
        -0.01638942711,
        -0.001619402477,
        0.002536343591,
        0.0007353854872,
        -0.0003276908947,
        -0.0002164054732,
        4.54265046e-6,
        2.159200198e-5,
    ),
    False: (
        0.706656656902876548,
        -0.433692141846983555,
        0.131987278502487856,
        0.00923917461633811143,
        -0.016390025391317899,
        -0.00162501000932760457,
        0.00253815854864859282,
        0.000759201766427047247,
        -0.00032422354422907108,
        -0.000262543502799026936,
        -0.0000182378271225818679,
        0.0000564190125055505598,
        0.0000294728052319939598,
        -8.56124757214000879e-7,
        -8.52893036109159319e-6,
        -4.39087815832312117e-6,
        -2.81721877190290651e-8,
        1.29429231611784076e-6,
        8.31609934828876006e-7,
        1.47493647087903614e-7,
        -1.88424225595850103e-7,
        -2.00282060291631419e-7,
        -5.99582369026787051e-8,
        4.45398214479162739e-8,
        4.12214833318021815e-8,
        3.27810012641986928e-9,
        -7.14249038643805759e-9,
        -2.15457757011533923e-9,
    ),
}
