"""One row a loss: its kernel, the outputs it goes with, and its formulas as text and as nodes.

Every other table of losses is derived from these rows. A new loss needs its formula in
``kernels/output.py``, its code in ``kernels/abi.py``, its row here and its slow twin in the tests.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..kernels import abi
from .formula_text import factor, number, total


@dataclass(frozen=True)
class Loss:
    """A loss of one sample with outputs a = f(z) and targets t.

    Attributes
    ----------
    name : str
    text : callable (a, t, shown) -> (formula, formula with numbers)
        Arrays (n_out,), and the number of terms that are written out.
    slope_text : callable (a, t, j) -> (formula, formula with numbers)
        dL/da_j; of a canonical loss delta_j = dL/dz_j.
    node : callable (ops, z, a, t) -> node
        The loss of lists of nodes; `ops` has the functions of `fastbp.graph`.
    output : str or None
        The only output that it goes with; None if it goes with several.
    refused_outputs : tuple of str
        Outputs that it does not go with, although `output` is None.
    is_canonical : bool
        Whether it is the default of `output`, with delta = a - t.
    is_regression : bool
        Whether targets are numbers, not classes or probabilities.
    needs_labels : bool
        Whether targets are labels or one-hot rows, of at least two outputs.
    has_smoothing : bool
    smoothing_classes : int or None
        Over how many classes label smoothing spreads its share; None for all outputs.
    sklearn : dict
        The network's output -> ``out_activation_`` of scikit-learn's estimator with this loss.
    sklearn_code : int or None
        Kernel code of the loss as scikit-learn reports it.
    """

    name: str
    text: Callable[[np.ndarray, np.ndarray, int], tuple[str, str]]
    slope_text: Callable[[np.ndarray, np.ndarray, int], tuple[str, str]]
    node: Callable[[Any, list, list, list], Any]
    output: str | None = None
    refused_outputs: tuple[str, ...] = ()
    is_canonical: bool = False
    is_regression: bool = False
    needs_labels: bool = False
    has_smoothing: bool = False
    smoothing_classes: int | None = None
    sklearn: dict[str, str] = field(default_factory=dict)
    sklearn_code: int | None = None

    @property
    def code(self) -> int:
        return abi.LOSSES[self.name]


def _pairs(a, t):
    """(a_k, t_k) of each output as text for formulas, and as numbers."""
    return [(factor(u), factor(v), u, v) for u, v in zip(a, t, strict=True)]


def _logs(p, t, shown):
    terms = (f"{factor(t_k)}·log({number(p_k)})" for p_k, t_k in zip(p, t, strict=True) if t_k)
    return f"-({total(terms, shown)})"


def _softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def _times_sum(t):
    """The factor of a softmax where the targets do not add up to 1 exactly."""
    return "" if abs(t.sum() - 1) < 1e-12 else f"·{factor(t.sum())}"


def _cross_entropy_node(ops, logits, t):
    normaliser = ops.log_sum_exp(logits)
    return ops.total(t_k * (normaliser - logit) for logit, t_k in zip(logits, t, strict=True))


def _difference(a, t, j):
    return f"{factor(a[j])} - {factor(t[j])}"


def _binary_text(a, t, shown):
    pairs = _pairs(a, t)
    ones = [f"{t_k}·log({number(u)})" for _, t_k, u, v in pairs if v]
    zeros = [f"(1 - {t_k})·log(1 - {a_k})" for a_k, t_k, _, v in pairs if v != 1]
    return "-Σ t·log(a) + (1 - t)·log(1 - a)", f"-({total(ones + zeros, shown)})"


def _squared_text(a, t, shown):
    terms = (f"({a_k} - {t_k})²" for a_k, t_k, *_ in _pairs(a, t))
    return "½·Σ (a - t)²", f"½·({total(terms, shown)})"


def _huber_text(a, t, shown):
    terms = (
        f"½·({a_k} - {t_k})²" if abs(u - v) <= 1 else f"(|{a_k} - {t_k}| - ½)"
        for a_k, t_k, u, v in _pairs(a, t)
    )
    return "Σ ½·(a - t)² where |a - t| ≤ 1, |a - t| - ½ beyond", total(terms, shown)


def _huber_slope(a, t, j):
    if abs(a[j] - t[j]) <= 1:
        return "(a - t)", f"({_difference(a, t, j)})"
    return "sign(a - t)", f"sign({_difference(a, t, j)})"


def _huber(x):
    """Half the square up to 1 and -1, from there ``|x| - 1/2``; and its slope."""
    if abs(x) > 1.0:
        return abs(x) - 0.5, 1.0 if x > 0.0 else -1.0
    return 0.5 * x**2, x


def _absolute_text(a, t, shown):
    return "Σ |a - t|", total((f"|{a_k} - {t_k}|" for a_k, t_k, *_ in _pairs(a, t)), shown)


def _absolute(x):
    """The modulus and its slope, which is taken as 0 at 0."""
    return abs(x), 1.0 if x > 0.0 else -1.0 if x < 0.0 else 0.0


def _sum_of_errors(name, value_and_slope):
    """The node of a loss that is a sum over outputs of a function of a - t."""

    def node(ops, z, a, t):
        each = ops.elementwise(name, value_and_slope)
        return ops.total(each(a_k - t_k) for a_k, t_k in zip(a, t, strict=True))

    return node


def _poisson_text(a, t, shown):
    terms = (
        f"({t_k}·log({t_k} / {a_k}) - {t_k} + {a_k})" if v else a_k
        for a_k, t_k, _, v in _pairs(a, t)
    )
    return "Σ t·log(t / a) - t + a", total(terms, shown)


def _poisson_node(ops, z, a, t):
    """Half the deviance of counts t from the rates exp(z); t log t is 0 at t = 0."""

    def one(z_k, t_k):
        excess = ops.exp(z_k) - t_k
        return excess if t_k.value == 0.0 else t_k * (ops.log(t_k) - z_k) + excess

    return ops.total(map(one, z, t))


def _hinge_text(a, t, shown):
    label = int(np.argmax(t))
    terms = (f"max(0, {number(u)} - {factor(a[label])} + 1)" for k, u in enumerate(a) if k != label)
    return f"Σ max(0, a - a[{label}] + 1) over the others", total(terms, shown)


def _hinge_slope(a, t, j):
    label = int(np.argmax(t))
    above = (a - a[label] + 1 > 0) & (np.arange(len(a)) != label)
    if j != label:
        return f"1 if a - a[{label}] + 1 > 0 else 0", str(int(above[j]))
    numbers = f"({-int(above.sum())})" if above.any() else "0"
    return "minus the number of others within 1 of it", numbers


def _hinge_node(ops, z, a, t):
    label = next(k for k, t_k in enumerate(t) if t_k.value == 1.0)
    return ops.total(ops.relu(a_k - a[label] + 1.0) for k, a_k in enumerate(a) if k != label)


_ROWS = (
    Loss(
        "cross_entropy",
        text=lambda a, t, shown: ("-Σ t·log(a)", _logs(a, t, shown)),
        slope_text=lambda a, t, j: ("a - t", f"{factor(a[j])}{_times_sum(t)} - {factor(t[j])}"),
        node=lambda ops, z, a, t: _cross_entropy_node(ops, z, t),
        output="softmax",
        is_canonical=True,
        has_smoothing=True,
        sklearn={"softmax": "softmax"},
        sklearn_code=abi.CLIPPED_CROSS_ENTROPY,
    ),
    Loss(
        "binary_cross_entropy",
        text=_binary_text,
        slope_text=lambda a, t, j: ("a - t", _difference(a, t, j)),
        node=lambda ops, z, a, t: ops.total(
            ops.softplus(z_k) - t_k * z_k for z_k, t_k in zip(z, t, strict=True)
        ),
        output="sigmoid",
        is_canonical=True,
        has_smoothing=True,
        smoothing_classes=2,
        sklearn={"sigmoid": "logistic"},
        sklearn_code=abi.CLIPPED_BINARY_CROSS_ENTROPY,
    ),
    Loss(
        "squared_error",
        text=_squared_text,
        slope_text=lambda a, t, j: ("(a - t)", f"({_difference(a, t, j)})"),
        node=lambda ops, z, a, t: (
            0.5 * ops.total((a_k - t_k) ** 2 for a_k, t_k in zip(a, t, strict=True))
        ),
        is_regression=True,
        sklearn={"identity": "identity"},
        sklearn_code=abi.MEAN_SQUARED_ERROR,
    ),
    Loss(
        "softmax_cross_entropy",
        text=lambda a, t, shown: (
            "-Σ t·log(p), p = softmax(a)",
            _logs(_softmax(a), t, shown),
        ),
        slope_text=lambda a, t, j: (
            "(p - t)",
            f"({factor(_softmax(a)[j])}{_times_sum(t)} - {factor(t[j])})",
        ),
        node=lambda ops, z, a, t: _cross_entropy_node(ops, a, t),
        refused_outputs=("exp",),  # exp(z) may be infinite, and inf - inf is NaN
        has_smoothing=True,
        sklearn={"identity": "softmax"},
    ),
    Loss(
        "huber",
        text=_huber_text,
        slope_text=_huber_slope,
        node=_sum_of_errors("huber", _huber),
        is_regression=True,
    ),
    Loss(
        "absolute_error",
        text=_absolute_text,
        slope_text=lambda a, t, j: ("sign(a - t)", f"sign({_difference(a, t, j)})"),
        node=_sum_of_errors("abs", _absolute),
        is_regression=True,
    ),
    Loss(
        "poisson",
        text=_poisson_text,
        slope_text=lambda a, t, j: ("a - t", _difference(a, t, j)),
        node=_poisson_node,
        output="exp",
        is_canonical=True,
        is_regression=True,
        sklearn={"exp": "exp"},
        sklearn_code=abi.LOSSES["poisson"],
    ),
    Loss(
        "hinge",
        text=_hinge_text,
        slope_text=_hinge_slope,
        node=_hinge_node,
        output="identity",  # margins are differences of the outputs
        needs_labels=True,
    ),
)
LOSSES = {row.name: row for row in _ROWS}
CUSTOM = "custom"  # `loss_name` of a network with a callable as loss
# The loss of each output by default; squared error for outputs that are not here.
CANONICAL = {row.output: row.name for row in _ROWS if row.is_canonical}
