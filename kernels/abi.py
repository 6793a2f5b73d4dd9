"""What callers and compiled code share: codes, record layouts, sizes and constants.

Nothing here imports Numba, so a caller can use it without loading the compiler. Codes are names for
numbers. Their order has no meaning: a code is compared with another for equality only.
"""

import os
from typing import NamedTuple

import numpy as np

from .target import TARGET

# Whether kernels are built with index checks.
CHECKED = os.environ.get("FASTBP_BOUNDSCHECK", "0") == "1"

# ---- Activations and outputs

# Activations of hidden layers, see activations.py. Codes 7 and 8 belong to outputs only.
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
    "softsign": 13,
}
# Activations with a slope that cannot be computed from the output. Training stores it per unit.
STORES_SLOPES = frozenset(ACTIVATIONS[name] for name in ("gelu", "silu", "mish"))
# Activations of output layers.
SOFTMAX = 7
EXP = 8
OUTPUTS = {
    "softmax": SOFTMAX,
    "sigmoid": ACTIVATIONS["sigmoid"],
    "identity": ACTIVATIONS["identity"],
    "tanh": ACTIVATIONS["tanh"],
    "relu": ACTIVATIONS["relu"],
    "softplus": ACTIVATIONS["softplus"],
    "exp": EXP,
}

LEAK = 0.01  # slope of leaky_relu below 0
# The fixed point at which mean 0 and variance 1 are preserved: Klambauer et al.,
# *Self-Normalizing Neural Networks*, 2017.
SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717

# Tail of the normal distribution, for gelu: (x + 2.5) exp(x²/2) P(a normal number exceeds x) as a
# polynomial in t = (x - 2.5) / (x + 2.5) for 0 <= x <= NORMAL_END. Keys: True for float32, False
# for float64. A Chebyshev series converted to powers of t and computed to 60 digits; the truncation
# errors are 2.5e-9 and 9.4e-19, relative.
NORMAL_CENTRE = 2.5
NORMAL_END = {True: 15.0, False: 39.0}
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

# ---- Losses

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
# Losses as scikit-learn reports them; their deltas are those of the plain losses.
CLIPPED_CROSS_ENTROPY = 4
CLIPPED_BINARY_CROSS_ENTROPY = 5
MEAN_SQUARED_ERROR = 6
# A loss computed by the caller: dL/da takes the place of the targets.
GIVEN = 11

# ---- Update rules


class Rule(NamedTuple):
    """An update rule's code, and the names of the values it stores for each parameter.

    State is laid out slot by slot: the first value of all parameters, then the second, and so on.
    """

    code: int
    slots: tuple[str, ...] = ()


# The formulas are in rules.py.
RULES = {
    "gradient": Rule(0),  # stores the gradient and changes no parameter
    "sgd": Rule(1),
    "momentum": Rule(2, ("velocity",)),
    "nesterov": Rule(3, ("velocity",)),
    "adam": Rule(4, ("m", "v")),
    "adamw": Rule(5, ("m", "v")),
    "nadam": Rule(6, ("m", "v")),
    "rmsprop": Rule(7, ("v",)),
    "rmsprop_momentum": Rule(8, ("v", "m", "b")),  # with momentum, centred, or both
    "adagrad": Rule(9, ("v",)),
    "lion": Rule(10, ("m",)),
}

# ---- Records

# One layer of a plan. Offsets count elements.
LAYER = np.dtype(
    [
        ("n_in", "i8"),
        ("n_out", "i8"),
        ("activation", "i8"),  # code of a hidden layer's activation; 0 for the output layer
        ("stores_slopes", "?"),  # whether the activation's code is in STORES_SLOPES
        # Offset of the row-major (n_in + 1, n_out) matrix in flat parameters and gradients.
        ("parameters", "i8"),
        # W(i, j) is params[w + j // PANEL * w_panel + i * w_row + j % PANEL], see plan.py.
        ("w", "i8"),
        ("w_row", "i8"),
        ("w_panel", "i8"),
        ("x", "i8"),  # offset of the input panels in `work`
        # Rows per panel of the input: n_in + 1, or n_in where the bias is a separate array.
        ("x_rows", "i8"),
        ("a", "i8"),  # offset of the output panels in `work`
        # Rows per panel of the output: n_out + 1 where the output is the input of a layer.
        ("a_rows", "i8"),
        ("slopes", "i8"),  # offset of the (n_out, samples) panels of stored slopes in `work`
        ("dropout", "f8"),  # rate at which training drops units of the output; 0 for none
        ("out", "i8"),  # offset in `out` of this layer's activations for infer; -1 for none
    ],
    align=True,
)

# One call of a kernel: where the samples are, which steps to make, where the sections of `work`
# begin (fields that end in _at; offsets count elements).
JOB = np.dtype(
    [
        ("block", "i8"),  # rows per block
        ("batch", "i8"),  # rows per step
        ("n_in", "i8"),
        ("n_out", "i8"),
        ("output", "i8"),  # codes
        ("loss", "i8"),
        ("to_probabilities", "?"),  # infer: softmax of the outputs, for softmax_cross_entropy
        ("has_targets", "i8"),
        ("has_labels", "i8"),
        ("has_weights", "i8"),
        # Feature i of sample r is source[x_base + r * x_row + i * x_column]; likewise for targets.
        ("x_base", "i8"),
        ("x_row", "i8"),
        ("x_column", "i8"),
        ("t_base", "i8"),
        ("t_row", "i8"),
        ("t_column", "i8"),
        # Samples of an epoch. The order is that of one epoch or of several, one after the other;
        # the last step of each has the samples that are left.
        ("n_samples", "i8"),
        ("begin", "i8"),  # first step of the call, counted along the order
        ("end", "i8"),  # step after the last one
        ("done", "i8"),  # steps made before the first one of the order
        ("has_rates", "i8"),
        ("key0", "i8"),  # two 32-bit words: the key of the dropout draws
        ("key1", "i8"),
        ("row", "i8"),  # row within its batch of the call's first sample; 0 for a whole batch
        ("delta0_at", "i8"),  # two buffers each, used alternately from layer to layer
        ("delta1_at", "i8"),
        ("delta_t0_at", "i8"),
        ("delta_t1_at", "i8"),
        ("delta_t_rows", "i8"),  # rows per column panel of a transposed delta
        ("targets_at", "i8"),
        ("labels_at", "i8"),
        ("scale_at", "i8"),
        ("tile_at", "i8"),  # one gradient tile of tile_size elements per thread
        ("tile_size", "i8"),
        ("strip_at", "i8"),  # one staging buffer of strip_size elements per thread
        ("strip_size", "i8"),
        # Label smoothing replaces targets t by target_scale * t + target_shift; a shift of 0 turns
        # it off.
        ("target_scale", "f8"),
        ("target_shift", "f8"),
    ],
    align=True,
)

# One training step. Each thread has a record of its own. All zeros, with a rule's code and a
# learning rate, is a valid step.
STEP = np.dtype(
    [
        # Settings: an optimizer's fields by their names, penalties, clipping.
        ("rule", "i8"),  # code
        ("lr", "f8"),
        ("momentum", "f8"),
        ("nesterov", "?"),
        ("beta_1", "f8"),
        ("beta_2", "f8"),
        ("rho", "f8"),
        ("epsilon", "f8"),
        ("centered", "?"),
        ("weight_decay", "f8"),
        ("momentum_decay", "f8"),
        ("l2", "f8"),
        ("l1", "f8"),
        ("alpha", "f8"),  # where not 0, l2 is alpha over the batch's total weight (scikit-learn)
        ("clip_value", "f8"),  # largest absolute derivative; 0 for no limit
        ("clip_norm", "f8"),  # largest norm of the whole gradient; 0 for no limit
        ("allow_divergence", "?"),  # continue after a loss that is not finite
        # A step may be made in several calls, each with some of its rows.
        ("resumed", "?"),  # an earlier call began this step
        ("unfinished", "?"),  # a later call finishes this step
        ("earlier_loss", "f8"),  # of the rows of the earlier calls
        ("total_weight", "f8"),  # divisor of the mean loss; 0 for the sum of the rows' weights
        # Written by kernels, for a step.
        ("plain", "?"),  # W -= lr * gradient and nothing else
        ("rate", "f8"),  # learning rate with the rule's bias correction
        ("lookahead", "f8"),  # factor of the gradient beside the momentum (Nadam)
        ("shrink", "f8"),  # factor of the weights, not biases: decoupled weight decay
        ("floor", "f8"),  # epsilon as the rule's formula adds it
        ("momentum_product", "f8"),  # of Nadam's momenta of the steps 1 to momentum_steps
        ("momentum_steps", "i8"),
        # Written by kernels, for a block of rows.
        ("accumulate", "?"),  # add the stored gradient of earlier blocks
        ("incomplete", "?"),  # store the gradient: later blocks are added
        # Written by kernels, for the second pass of a step that limits the gradient's norm.
        ("apply_stored", "?"),  # the gradient is read from memory and scaled
        ("gradient_scale", "f8"),
    ],
    align=True,
)

# Elements of `progress`, which `train` writes: the number of steps with a known loss, the number of
# updates, and whether the last loss was not finite.
SEEN, UPDATED, NOT_FINITE = range(3)

# ---- Sizes

CACHE_LINE = TARGET.cache_line  # bytes
BLOCK_ROWS = 1024  # rows per block in training: bounds the buffers of a large batch
INFER_ROWS = 256  # rows per block in inference
