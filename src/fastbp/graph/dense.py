"""The loss of a dense network on one sample as a scalar graph: the reference that array code is
checked against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from operator import mul
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .activations import ACTIVATIONS
from .losses import DEFAULT_LOSS, LOSSES, OUTPUT_OF_LOSS, sample_loss
from .scalar import Value, exp, softmax, total

Array = NDArray[np.float64]

OUTPUTS = ("softmax", "sigmoid", "identity", "tanh", "relu", "softplus", "exp")
_FUNCTIONS = {**ACTIVATIONS, "exp": exp}
SMOOTHED = ("cross_entropy", "binary_cross_entropy", "softmax_cross_entropy")


@dataclass(frozen=True)
class NetworkGraph:
    """The graph of one sample's loss, with its nodes by layer. Layer ``l`` has ``weights[l]``,
    ``z[l]`` and ``a[l]``.

    Attributes
    ----------
    loss : Value
        The loss, L2 penalty included.
    weights : list of list of list of Value
        ``weights[l][i][j]`` leads from unit i below to unit j of layer l.
    biases : list of list of Value
    z : list of list of Value
        Weighted inputs ``z_j = sum_i W_ij a_i + b_j``.
    a : list of list of Value
        Activations; ``a[-1]`` are the outputs. A loss computed from ``z[-1]`` leaves their gradient
        at 0.
    x : list of Value
        The inputs.
    """

    loss: Value
    weights: list[list[list[Value]]]
    biases: list[list[Value]]
    z: list[list[Value]]
    a: list[list[Value]]
    x: list[Value]

    def gradients(self) -> tuple[float, list[Array], list[Array]]:
        """Run the reverse sweep and collect its results.

        Returns
        -------
        loss : float
        dWs : list of ndarray, (n_in, n_out)
            Derivative of the loss by the weights of each layer.
        dbs : list of ndarray, (n_out,)
            Derivative of the loss by the biases of each layer.
        """
        self.loss.backward()
        dWs = [np.array([_grads(row) for row in W]) for W in self.weights]
        return self.loss.value, dWs, [np.array(_grads(b)) for b in self.biases]

    @property
    def deltas(self) -> list[Array]:
        """Derivative of the loss by z, one array (n_out,) for each layer; zeros before
        :meth:`gradients`."""
        return [np.array(_grads(z)) for z in self.z]


def network(
    weights: Sequence[ArrayLike],
    biases: Sequence[ArrayLike],
    x: ArrayLike,
    y: int | ArrayLike,
    *,
    hidden: str | Sequence[str] = "sigmoid",
    output: str = "softmax",
    loss: str | None = None,
    l2: float = 0.0,
    label_smoothing: float = 0.0,
) -> NetworkGraph:
    """Build the graph of a dense network's loss on one sample.

    The losses, with targets t, outputs a and weighted inputs z of the last layer:

    - ``cross_entropy`` (softmax output only): ``-sum_k t_k log a_k``, as ``sum_k t_k
      (log_sum_exp(z) - z_k)``;
    - ``binary_cross_entropy`` (sigmoid output only): ``-sum_k (t_k log a_k + (1 - t_k) log(1 -
      a_k))``, as ``sum_k (softplus(z_k) - t_k z_k)``;
    - ``squared_error``: ``1/2 sum_k (a_k - t_k)**2``;
    - ``softmax_cross_entropy``: ``sum_k t_k (log_sum_exp(a) - a_k)``, a softmax taken of the
      outputs themselves;
    - ``huber``: ``sum_k 1/2 (a_k - t_k)**2`` where the error is within 1, else ``abs(a_k - t_k) -
      1/2``;
    - ``absolute_error``: ``sum_k abs(a_k - t_k)``;
    - ``poisson`` (exp output only): ``sum_k t_k log(t_k / a_k) - t_k + a_k``, with ``log a_k =
      z_k``;
    - ``hinge`` (identity output and one-hot targets only): ``sum_(k != y) max(0, a_k - a_y + 1)``
      for the label y.

    See Bishop, *Pattern Recognition and Machine Learning*, 2006, section 5.2.

    Parameters
    ----------
    weights : sequence of array_like, (n_in, n_out)
        One matrix for each layer.
    biases : sequence of array_like, (n_out,)
    x : array_like, (n_in,)
        The sample.
    y : int or array_like, (n_out,)
        Its class, in 0..n_out-1, or its targets.
    hidden : str or sequence of str
        Activation of the hidden layers, one for all or one for each: a key of ``ACTIVATIONS`` or
        "logistic".
    output : str
        Activation of the last layer: one of ``OUTPUTS`` or "logistic".
    loss : str, optional
        By default cross_entropy for softmax, binary_cross_entropy for sigmoid, poisson for exp,
        else squared_error.
    l2 : float
        Adds ``1/2 l2 sum W**2`` over all weights, not biases.
    label_smoothing : float
        In [0, 1], for the cross-entropies: targets become ``(1 - s) t + s / k`` with k classes, two
        for each output of binary_cross_entropy.

    Returns
    -------
    NetworkGraph

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If shapes do not fit, a name is unknown, loss and output do not go together, the label is
        out of range or ``l2`` is negative or not finite.
    """
    Ws, bs = _parameters(weights, biases)
    inputs = _nodes(_array("x", x, len(Ws[0])), "x")
    numbers = _targets(y, len(bs[-1]))
    activations = _activations(hidden, output, len(Ws))
    loss = _loss_name(loss, activations[-1])
    if loss == "hinge" and not (np.isin(numbers, (0, 1)).all() and numbers.sum() == 1):
        raise ValueError(
            f"y must be a class label or one-hot for the loss 'hinge', got {numbers.tolist()}"
        )
    targets = _nodes(_smoothed(numbers, loss, label_smoothing), "t")
    if not isinstance(l2, Real):
        raise TypeError(f"l2 must be a real number, got {type(l2).__name__}: {l2!r}")
    if not 0.0 <= l2 < float("inf"):
        raise ValueError(f"l2 must be finite and not negative, got {l2}")

    zs: list[list[Value]] = []
    as_: list[list[Value]] = []
    below = inputs
    for layer, (W, b, activation) in enumerate(zip(Ws, bs, activations, strict=True)):
        columns = zip(*W, strict=True)
        z = [total([*map(mul, column, below), b_j]) for column, b_j in zip(columns, b, strict=True)]
        below = (
            softmax(z) if activation == "softmax" else [_FUNCTIONS[activation](z_j) for z_j in z]
        )
        zs.append(_named(z, f"z{layer}"))
        as_.append(_named(below, f"a{layer}"))

    result = sample_loss(loss, zs[-1], as_[-1], targets)
    if l2:
        result = result + 0.5 * l2 * total(w**2 for W in Ws for row in W for w in row)
    result.name = "loss"
    return NetworkGraph(result, Ws, bs, zs, as_, inputs)


def from_net(net: Any, x: ArrayLike, y: int | ArrayLike, l2: float = 0.0) -> NetworkGraph:
    """Build the graph of a :class:`fastbp.MLP`'s loss on one sample.

    Parameters
    ----------
    net : fastbp.MLP
        Or anything with its ``weights``, ``biases``, ``hidden``, ``output``, ``loss_name`` and, if
        it has one, ``label_smoothing``. Its loss must have a name: of a callable there is no graph.
    x, y, l2
        As for :func:`network`, which also describes the result and the errors.

    Returns
    -------
    NetworkGraph
    """
    if getattr(net, "loss_function", None) is not None:
        raise ValueError(
            f"net must have a loss with a name, one of {', '.join(LOSSES)}; got {net.loss_function!r}"
        )
    options = {"hidden": net.hidden, "output": net.output, "loss": net.loss_name}
    return network(
        net.weights,
        net.biases,
        x,
        y,
        l2=l2,
        label_smoothing=getattr(net, "label_smoothing", 0.0),
        **options,
    )


def _smoothed(targets: Array, loss: str, label_smoothing: float) -> Array:
    if not isinstance(label_smoothing, Real):
        raise TypeError(
            f"label_smoothing must be a real number, got {type(label_smoothing).__name__}: {label_smoothing!r}"
        )
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"label_smoothing must be in 0..1, got {label_smoothing}")
    if label_smoothing and loss not in SMOOTHED:
        raise ValueError(
            f"label_smoothing needs one of the losses {', '.join(SMOOTHED)}; got loss {loss!r}"
        )
    classes = 2 if loss == "binary_cross_entropy" else len(targets)
    return (1.0 - label_smoothing) * targets + label_smoothing / classes


def _grads(nodes: list[Value]) -> list[float]:
    return [node.grad for node in nodes]


def _named(nodes: list[Value], name: str) -> list[Value]:
    for k, node in enumerate(nodes):
        node.name = f"{name}[{k}]"
    return nodes


def _nodes(numbers: Array, name: str) -> list[Value]:
    return _named([Value(number) for number in numbers], name)


def _array(name: str, given: ArrayLike, *shape: int | str) -> Array:
    """Check numbers and shape of an argument; a word in ``shape`` stands for any length above 0."""
    try:
        array = np.asarray(given)
    except ValueError as error:  # rows of unequal length
        raise ValueError(f"{name} must be an array of real numbers: {error}") from error
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{name} must hold real numbers, got {type(given).__name__} of dtype {array.dtype}"
        )
    fits = array.ndim == len(shape) and all(
        n > 0 if isinstance(want, str) else n == want
        for n, want in zip(array.shape, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
        raise ValueError(f"{name} must have shape ({wanted}), got {array.shape}")
    return array.astype(np.float64)


def _parameters(
    weights: Sequence[ArrayLike], biases: Sequence[ArrayLike]
) -> tuple[list[list[list[Value]]], list[list[Value]]]:
    if len(weights) == 0 or len(weights) != len(biases):
        raise ValueError(
            f"weights and biases must hold one array for each layer, got {len(weights)} weight and {len(biases)} bias arrays"
        )
    Ws: list[list[list[Value]]] = []
    bs: list[list[Value]] = []
    n_in: int | str = "n_in"
    for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
        rows = _array(f"weights[{layer}]", W, n_in, "n_out")
        n_in = rows.shape[1]
        Ws.append(
            [
                [Value(w, f"W{layer}[{i},{j}]") for j, w in enumerate(row)]
                for i, row in enumerate(rows)
            ]
        )
        bs.append(_nodes(_array(f"biases[{layer}]", b, n_in), f"b{layer}"))
    return Ws, bs


def _targets(y: int | ArrayLike, n_out: int) -> Array:
    if not isinstance(y, Integral) or isinstance(y, bool):
        return _array("y", y, n_out)
    if n_out == 1:  # as a class label 0 would mean target 1: hardly what anyone means
        raise ValueError(f"y must have shape (1,) for a network of one output, got the label {y}")
    if not 0 <= y < n_out:
        raise ValueError(f"y must be a class label in 0..{n_out - 1}, got {y}")
    return np.eye(n_out)[int(y)]


def _activations(hidden: str | Sequence[str], output: str, n_layers: int) -> list[str]:
    names = [hidden] * (n_layers - 1) if isinstance(hidden, str) else list(hidden)
    if len(names) != n_layers - 1:
        raise ValueError(
            f"hidden must be one name or one for each of {n_layers - 1} hidden layers, got {len(names)}"
        )
    return [
        *(_known("hidden", name, tuple(ACTIVATIONS)) for name in names),
        _known("output", output, OUTPUTS),
    ]


def _loss_name(loss: str | None, output: str) -> str:
    if loss is None:
        return DEFAULT_LOSS.get(output, "squared_error")
    _known("loss", loss, LOSSES)
    if OUTPUT_OF_LOSS.get(loss, output) != output:
        raise ValueError(f"loss {loss!r} needs output {OUTPUT_OF_LOSS[loss]!r}, got {output!r}")
    return loss


def _known(argument: str, name: str, known: tuple[str, ...]) -> str:
    name = "sigmoid" if isinstance(name, str) and name == "logistic" else name
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"{argument} must be one of {', '.join(known)}; got {name!r}")
    return name
