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
    "gelu": 10,
    "silu": 11,
    "mish": 12,
}
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
