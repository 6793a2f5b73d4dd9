"""Nets and optimizers that cannot be: an error that names the argument and what was given."""

import re

import numpy as np
import pytest
from helpers.bad_numbers import NUMBERS

import fastbp

WIDTHS = [
    (3, TypeError, "3"),
    ("34", TypeError, "'34'"),
    (None, TypeError, "None"),
    ({3, 2}, TypeError, "3"),
    ([], ValueError, r"\[\]"),
]
WIDTHS += [([3], ValueError, r"\[3\]"), ([3, 0, 2], ValueError, r"0"), ([-1, 2], ValueError, "-1")]
WIDTHS += [
    ([3, 2.5], TypeError, r"2\.5"),
    ([3, True], TypeError, "True"),
    ([3, "2"], TypeError, "'2'"),
]
# product 2**62, 2**64
WIDTHS += [([2**31, 2**31], ValueError, "2147483648"), ([2**32, 2**32], ValueError, "4294967296")]
WIDTHS += [
    ([2**63 - 1, 2**63, 2], ValueError, "9223372036854775807"),
    ([10**30, 2], ValueError, "0{30}"),
]


@pytest.mark.parametrize(("widths", "error", "message"), WIDTHS)
def test_widths(widths, error, message):
    with pytest.raises(error, match=rf"^widths(\[\d\])? .*{message}"):
        fastbp.MLP(widths)


MAKING = [  # arguments of MLP, error, message
    ({"hidden": "swish"}, ValueError, "^hidden .*'tanh'.*'softplus'.*got 'swish'"),
    ({"hidden": ["relu", "tanh"]}, ValueError, "^hidden .*1 hidden.*got 2"),
    (
        {"widths": [3, 4, 4, 2], "hidden": ["relu", "swish"]},
        ValueError,
        "^hidden .*'elu'.*got 'swish'",
    ),
    ({"hidden": 3}, TypeError, "^hidden .*3"),
    *(
        ({"widths": widths, **more}, ValueError, f"^{name}=.* at least 2 outputs.*'sigmoid'")
        for widths in ([2, 4, 1], [2, 1])
        for name, more in (
            ("output", {}),
            ("output", {"loss": "squared_error"}),
            ("output", {"loss": lambda a, y: (0.0, a)}),
            ("loss", {"output": "identity", "loss": "softmax_cross_entropy"}),
            ("loss", {"output": "sigmoid", "loss": "softmax_cross_entropy"}),
        )
    ),
    ({"output": "leaky_relu"}, ValueError, "^output .*'softmax'.*'identity'.*got 'leaky_relu'"),
    ({"output": None}, TypeError, "^output .*None"),
    ({"loss": "mse"}, ValueError, "^loss .*'cross_entropy'.*'squared_error'.*'hinge'.*got 'mse'"),
    ({"loss": "custom"}, ValueError, "^loss .*'cross_entropy'.*got 'custom'"),
    ({"loss": 3}, TypeError, "^loss .*3"),
    (
        {"output": "sigmoid", "loss": "cross_entropy"},
        ValueError,
        "^loss='cross_entropy' .*'sigmoid'",
    ),
    ({"loss": "binary_cross_entropy"}, ValueError, "^loss='binary_cross_entropy' .*'softmax'"),
    ({"loss": "poisson"}, ValueError, "^loss='poisson' needs output='exp', got output='softmax'"),
    ({"loss": "hinge"}, ValueError, "^loss='hinge' needs output='identity', got output='softmax'"),
    (
        {"widths": [3, 1], "output": "identity", "loss": "hinge"},
        ValueError,
        "^loss='hinge' .*2 outputs.*got 1",
    ),
    (
        {"output": "exp", "loss": "softmax_cross_entropy"},
        ValueError,
        "^loss='softmax_cross_entropy' .*'exp'",
    ),
    ({"label_smoothing": -0.1}, ValueError, "^label_smoothing .*at least 0.*-0.1"),
    ({"label_smoothing": 1.1}, ValueError, "^label_smoothing .*at most 1.*1.1"),
    ({"label_smoothing": "0.1"}, TypeError, "^label_smoothing .*number.*'0.1'"),
    (
        {"label_smoothing": 0.1, "loss": "squared_error"},
        ValueError,
        "^label_smoothing .*'cross_entropy'.*'squared_error'",
    ),
    (
        {"label_smoothing": 0.1, "loss": lambda a, y: (0.0, a)},
        ValueError,
        "^label_smoothing .*'cross_entropy'.*'custom'",
    ),
    ({"init": "zeros"}, ValueError, "^init .*'glorot_uniform'.*'he_normal'.*got 'zeros'"),
    ({"init": 3}, TypeError, "^init .*3"),
    ({"init": lambda rng, shape: np.zeros(3)}, ValueError, r"^init .*\(3, 4\).*\(3,\)"),
    ({"init": lambda rng, shape: np.zeros(shape, str)}, ValueError, "^init .*U1"),
    ({"init": lambda rng, shape: np.full(shape, np.nan)}, ValueError, "^init .*finite"),
    # not in float32
    ({"init": lambda rng, shape: np.full(shape, 1e39)}, ValueError, "^init .*finite"),
    ({"dtype": "float16"}, ValueError, "^dtype .*'float32', 'float64'.*'float16'"),
    ({"dtype": int}, ValueError, "^dtype .*'float32', 'float64'.*int"),
    ({"dtype": "double32"}, (TypeError, ValueError), "^dtype .*'float32', 'float64'.*double32"),
    ({"seed": -1}, ValueError, "^seed .*-1"),
    ({"seed": 1.5}, TypeError, r"^seed .*1\.5"),
    ({"seed": "one"}, TypeError, "^seed .*one"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), MAKING)
def test_making_a_net(arguments, error, message):
    with pytest.raises(error, match=message):
        fastbp.MLP(**{"widths": [3, 4, 2]} | arguments)


POSITIVE = [(0, ValueError), *NUMBERS, (None, TypeError), (10**400, ValueError)]
DECAY = [(1, ValueError), (1.5, ValueError), *NUMBERS, (None, TypeError)]
OPTIMIZERS = [(fastbp.SGD, "lr", v, e) for v, e in POSITIVE] + [
    (fastbp.SGD, "momentum", v, e) for v, e in DECAY
]
OPTIMIZERS += [(fastbp.Adam, name, v, e) for name in ("lr", "epsilon") for v, e in POSITIVE]
OPTIMIZERS += [(fastbp.Adam, name, v, e) for name in ("beta_1", "beta_2") for v, e in DECAY]
OPTIMIZERS += [
    (kind, name, v, e)
    for kind in (fastbp.RMSprop, fastbp.Adagrad)
    for name in ("lr", "epsilon")
    for v, e in POSITIVE
]
OPTIMIZERS += [(fastbp.RMSprop, name, v, e) for name in ("rho", "momentum") for v, e in DECAY]
OPTIMIZERS += [(fastbp.RMSprop, "centered", "no", TypeError)]
for kind, name in ((fastbp.AdamW, "weight_decay"), (fastbp.Nadam, "momentum_decay")):
    OPTIMIZERS += [(kind, name, v, e) for v, e in [*NUMBERS, (None, TypeError)]] + [
        (kind, "lr", 0, ValueError)
    ]


@pytest.mark.parametrize(("kind", "name", "value", "error"), OPTIMIZERS, ids=lambda v: str(v)[:20])
def test_optimizers(kind, name, value, error):
    with pytest.raises(error, match=rf"^{name} .*{re.escape(str(value))}"):
        kind(**{name: value})


def test_optimizers_and_nets_of_no_use():
    with pytest.raises(ValueError, match=r"^nesterov=True .*momentum"):
        fastbp.SGD(nesterov=True)
    with pytest.raises(TypeError, match=r"^nesterov .*no"):
        fastbp.SGD(momentum=0.5, nesterov="no")
    with pytest.raises(TypeError, match=r"^dtype .*None"):
        fastbp.MLP([3, 2], dtype=None)
