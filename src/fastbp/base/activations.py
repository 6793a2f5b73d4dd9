"""One row an activation: its kernel, its formulas as text, and its names in other libraries.

Every other table of activations is derived from these rows: what arguments may be, the nodes of
`fastbp.graph`, the text of `MLP.explain`, and the conversions from and to other libraries. A new
activation needs its vector formula in ``kernels``, its code in ``kernels/abi.py``, its row here and
its slow twin in the tests.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..kernels import abi
from ..kernels.abi import LEAK, SELU_ALPHA, SELU_SCALE
from . import onnx_formulas
from .onnx_formulas import Formula, operator


@dataclass(frozen=True)
class Counterpart:
    """A class of another library that computes an activation.

    Attributes
    ----------
    kind : str
        Name of the class.
    settings : dict
        The values of each setting with which it computes the same; the first is given to a new
        object.
    """

    kind: str
    settings: dict[str, tuple] = field(default_factory=dict)


@dataclass(frozen=True)
class Activation:
    """An activation a = f(z).

    Attributes
    ----------
    name : str
    summary : str
        First line of the docstring of the function in `fastbp.graph`.
    formula : str
        f(z) as text, for `formula_text.put_in`.
    value_and_slope : callable, float -> (float, float), or None
        f(z) and f'(z) of one number, with the left slope at a kink. None if outputs depend on each
        other.
    onnx : callable (graph, z) -> name of f(z)
    slope : str
        f'(z) as text, from the output a; empty where it has no short form in a.
    onnx_float64 : callable or None
        The formula in float64 where ONNX Runtime computes `onnx` in float32 alone.
    aliases : tuple of str
        Further names that users may write.
    torch : Counterpart or None
        Class in torch.nn.
    keras : tuple of str
        Functions in keras.activations, with the defaults they have there.
    keras_layers : tuple of Counterpart
        Classes in keras.layers. The first of those that have the settings is compared: Keras 2
        calls some by other names.
    sklearn : str or None
        scikit-learn's name.
    """

    name: str
    summary: str
    formula: str
    value_and_slope: Callable[[float], tuple[float, float]] | None
    onnx: Formula
    slope: str = ""
    onnx_float64: Formula | None = None
    aliases: tuple[str, ...] = ()
    torch: Counterpart | None = None
    keras: tuple[str, ...] = ()
    keras_layers: tuple[Counterpart, ...] = ()
    sklearn: str | None = None


def _sigmoid(z):
    power = math.exp(-abs(z))
    return (power if z < 0.0 else 1.0) / (1.0 + power), power / (1.0 + power) ** 2


def _tanh(z):
    value = math.tanh(z)
    return value, 1.0 - value * value


def _softplus(z):
    return max(z, 0.0) + math.log1p(math.exp(-abs(z))), _sigmoid(z)[0]


def _product(z, gate, gate_slope):
    """z times its gate. At -inf, where that would be infinity times 0, the limits."""
    if z == -math.inf:
        return 0.0, 0.0
    return z * gate, gate + (z * gate_slope if gate_slope else 0.0)


def _gelu(z):
    density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return _product(z, 0.5 * math.erfc(-z / math.sqrt(2.0)), density)


def _mish(z):
    softplus, slope = _softplus(z)
    gate, gate_slope = _tanh(softplus)
    return _product(z, gate, gate_slope * slope)


def _softsign(z):
    w = 1.0 + abs(z)
    return (math.copysign(1.0, z) if math.isinf(z) else z / w), 1.0 / w / w


def _exp(z):
    with np.errstate(over="ignore"):
        value = float(np.exp(z))
    return value, value


# The comparison z <= 0 in functions with a kink is false for NaN, which takes the branch of z.
SELU_BELOW = SELU_SCALE * SELU_ALPHA
_ROWS = (
    Activation(
        "identity",
        summary="The number itself, as a node of its own.",
        formula="z",
        slope="1",
        value_and_slope=lambda z: (z, 1.0),
        onnx=lambda graph, z: z,
        torch=Counterpart("Identity"),
        keras=("linear",),
        keras_layers=(Counterpart("Identity"),),
        sklearn="identity",
    ),
    Activation(
        "sigmoid",
        summary="Logistic function ``1 / (1 + exp(-z))``, written in ``exp(-|z|)``, which cannot "
        "overflow.",
        formula="1 / (1 + exp(-z))",
        slope="a·(1 - a)",
        value_and_slope=_sigmoid,
        onnx=operator("Sigmoid"),
        aliases=("logistic",),
        torch=Counterpart("Sigmoid"),
        keras=("sigmoid",),
        sklearn="logistic",
    ),
    Activation(
        "tanh",
        summary="Hyperbolic tangent.",
        formula="tanh(z)",
        slope="(1 - a²)",
        value_and_slope=_tanh,
        onnx=operator("Tanh"),
        torch=Counterpart("Tanh"),
        keras=("tanh",),
        sklearn="tanh",
    ),
    Activation(
        "relu",
        summary="Rectifier ``max(0, z)``; its slope at 0 is taken as 0.",
        formula="max(0, z)",
        value_and_slope=lambda z: (0.0, 0.0) if z <= 0.0 else (z, 1.0),
        onnx=operator("Relu"),
        torch=Counterpart("ReLU"),
        keras=("relu",),
        keras_layers=(
            Counterpart("ReLU", {"max_value": (None,), "negative_slope": (0,), "threshold": (0,)}),
        ),
        sklearn="relu",
    ),
    Activation(
        "leaky_relu",
        summary="Leaky rectifier: ``z`` above 0, else ``0.01 z``; its slope at 0 is taken as 0.01.",
        formula=f"max({LEAK}·z, z)",
        value_and_slope=lambda z: (LEAK * z, LEAK) if z <= 0.0 else (z, 1.0),
        onnx=operator("LeakyRelu", alpha=LEAK),
        onnx_float64=onnx_formulas.leaky_relu,
        torch=Counterpart("LeakyReLU", {"negative_slope": (LEAK,)}),
        keras_layers=(
            Counterpart("LeakyReLU", {"negative_slope": (LEAK,)}),
            Counterpart("LeakyReLU", {"alpha": (LEAK,)}),
        ),
    ),
    Activation(
        "elu",
        summary="Exponential linear unit with alpha 1: ``z`` above 0, else ``exp(z) - 1``.",
        formula="z if z > 0 else exp(z) - 1",
        value_and_slope=lambda z: (math.expm1(z), math.exp(z)) if z <= 0.0 else (z, 1.0),
        onnx=operator("Elu", alpha=1.0),
        onnx_float64=onnx_formulas.elu,
        torch=Counterpart("ELU", {"alpha": (1.0,)}),
        keras=("elu",),
        keras_layers=(Counterpart("ELU", {"alpha": (1.0,)}),),
    ),
    Activation(
        "softplus",
        summary="Softplus ``log(1 + exp(z))``, written as ``max(z, 0) + log1p(exp(-|z|))``, which "
        "cannot overflow.",
        formula="log(1 + exp(z))",
        slope="(1 - exp(-a))",
        value_and_slope=_softplus,
        onnx=operator("Softplus"),
        onnx_float64=onnx_formulas.softplus,
        # PyTorch returns z beyond the threshold, less than 2.1e-9 below the exact value.
        torch=Counterpart("Softplus", {"beta": (1.0,), "threshold": (20.0,)}),
        keras=("softplus",),
    ),
    Activation(
        "selu",
        summary="Scaled exponential linear unit: ``scale z`` above 0, else ``scale alpha (exp(z) - "
        "1)`` (Klambauer et al., 2017).",
        formula=f"{SELU_SCALE:.8g}·z if z > 0 else {SELU_BELOW:.8g}·(exp(z) - 1)",
        value_and_slope=lambda z: (
            (SELU_BELOW * math.expm1(z), SELU_BELOW * math.exp(z))
            if z <= 0.0
            else (SELU_SCALE * z, SELU_SCALE)
        ),
        onnx=operator("Selu", alpha=SELU_ALPHA, gamma=SELU_SCALE),
        onnx_float64=onnx_formulas.selu,
        torch=Counterpart("SELU"),
        keras=("selu",),
    ),
    Activation(
        "gelu",
        summary="Gaussian error linear unit ``z P(z)``, P the normal distribution ``erfc(-z / "
        "sqrt(2)) / 2``.",
        formula="z·½·(1 + erf(z / √2))",
        value_and_slope=_gelu,
        onnx=onnx_formulas.gelu_by_erf,
        onnx_float64=onnx_formulas.gelu,
        torch=Counterpart("GELU", {"approximate": ("none",)}),
        keras=("gelu",),
    ),
    Activation(
        "silu",
        summary="Sigmoid linear unit ``z sigmoid(z)``, also called swish.",
        formula="z / (1 + exp(-z))",
        value_and_slope=lambda z: _product(z, *_sigmoid(z)),
        onnx=onnx_formulas.silu,
        torch=Counterpart("SiLU"),
        keras=("silu", "swish"),
    ),
    Activation(
        "mish",
        summary="``z tanh(softplus(z))``.",
        formula="z·tanh(log(1 + exp(z)))",
        value_and_slope=_mish,
        onnx=onnx_formulas.mish,
        torch=Counterpart("Mish"),
        keras=("mish",),
    ),
    Activation(
        "softsign",
        summary="Softsign ``z / (1 + |z|)``.",
        formula="z / (1 + |z|)",
        slope="(1 - |a|)²",
        value_and_slope=_softsign,
        onnx=operator("Softsign"),
        onnx_float64=lambda graph, z: graph.op(
            "Div", z, graph.op("Add", graph.op("Abs", z), graph.constant(1))
        ),
        torch=Counterpart("Softsign"),
        keras=("softsign",),
    ),
    Activation(
        "softmax",
        summary="Softmax ``exp(z) / sum(exp(z))`` over a layer's units.",
        formula="exp(z) / Σ exp(z)",
        value_and_slope=None,
        onnx=operator("Softmax", axis=1),
        torch=Counterpart("Softmax", {"dim": (1, -1)}),
        keras=("softmax",),
        keras_layers=(Counterpart("Softmax", {"axis": (-1, 1)}),),
        sklearn="softmax",
    ),
    Activation(
        "exp",
        summary="Exponential function; inf where it overflows.",
        formula="exp(z)",
        slope="a",
        value_and_slope=_exp,
        onnx=operator("Exp"),
        keras=("exponential",),
        sklearn="exp",
    ),
)
ACTIVATIONS = {row.name: row for row in _ROWS}
ALIASES = {alias: row.name for row in _ROWS for alias in row.aliases}
# Names that `hidden` may hold, and those of `output`, with their kernel codes.
HIDDEN = abi.ACTIVATIONS | {alias: abi.ACTIVATIONS[name] for alias, name in ALIASES.items()}
OUTPUTS = abi.OUTPUTS
