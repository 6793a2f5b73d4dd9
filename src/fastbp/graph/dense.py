"""The loss of a dense network on one sample as a scalar graph: the reference that array code is
checked against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from operator import mul
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..base.activations import ALIASES, OUTPUTS
from ..base.losses import LOSSES
from ..base.network_arguments import (
    check_hidden,
    check_loss,
    check_smoothing,
)
from ..base.validation import (
    check_choice,
    check_count,
    check_number,
    check_real_array,
    one_hot_labels,
)
from .scalar import FUNCTIONS, Value, elementwise, log, log_sum_exp, softmax, total

Array = NDArray[np.float64]

# The functions of nodes that the rows of `base.losses` are made of.
OPS = SimpleNamespace(
    elementwise=elementwise, log=log, log_sum_exp=log_sum_exp, total=total, **FUNCTIONS
)


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
    t : list of Value
        The targets that the loss is taken of: one-hot of a label, smoothed where that is chosen.
    """

    loss: Value
    weights: list[list[list[Value]]]
    biases: list[list[Value]]
    z: list[list[Value]]
    a: list[list[Value]]
    x: list[Value]
    t: list[Value]

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
        Activation of the last layer, as for :class:`fastbp.MLP`, or "logistic".
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
        If an argument does not hold real numbers, or a name is not a string.
    ValueError
        If shapes do not fit, a name is unknown, loss and output do not go together, the label is
        out of range, or ``l2`` or ``label_smoothing`` is.
    """
    Ws, bs = _parameters(weights, biases)
    n_out = len(bs[-1])
    inputs = _nodes(_array("x", x, len(Ws[0])), "x")
    check_choice("output", output, [*OUTPUTS, *ALIASES])
    activations = [*check_hidden(hidden, len(Ws) - 1), ALIASES.get(output, output)]
    if loss is not None:
        check_choice("loss", loss, LOSSES)  # no callable
    loss = check_loss(loss, activations[-1], n_out)
    keep, spread = check_smoothing(label_smoothing, loss, n_out)
    targets = _nodes(keep * _targets(y, n_out, loss) + spread, "t")
    l2 = check_number("l2", l2, least=0)

    zs: list[list[Value]] = []
    as_: list[list[Value]] = []
    below = inputs
    for layer, (W, b, activation) in enumerate(zip(Ws, bs, activations, strict=True)):
        columns = zip(*W, strict=True)
        z = [total([*map(mul, column, below), b_j]) for column, b_j in zip(columns, b, strict=True)]
        below = softmax(z) if activation == "softmax" else [FUNCTIONS[activation](z_j) for z_j in z]
        zs.append(_named(z, f"z{layer}"))
        as_.append(_named(below, f"a{layer}"))

    result = LOSSES[loss].node(OPS, zs[-1], as_[-1], targets)
    if l2:
        result = result + 0.5 * l2 * total(w**2 for W in Ws for row in W for w in row)
    result.name = "loss"
    return NetworkGraph(result, Ws, bs, zs, as_, inputs, targets)


def from_net(net: Any, x: ArrayLike, y: int | ArrayLike, l2: float = 0.0) -> NetworkGraph:
    """Build the graph of a :class:`fastbp.MLP`'s loss on one sample.

    Parameters
    ----------
    net : fastbp.MLP
        Or any object with its ``weights``, ``biases``, ``hidden``, ``output``, ``loss_name`` and,
        optionally, ``label_smoothing``. A callable as loss has no graph.
    x, y, l2
        As for :func:`network`, which also describes the result and the errors.

    Returns
    -------
    NetworkGraph
    """
    if getattr(net, "loss_function", None) is not None:
        raise ValueError(
            f"net must have a loss with a name, one of {', '.join(LOSSES)}, "
            f"got {net.loss_function!r}"
        )
    return network(
        net.weights,
        net.biases,
        x,
        y,
        hidden=net.hidden,
        output=net.output,
        loss=net.loss_name,
        l2=l2,
        label_smoothing=getattr(net, "label_smoothing", 0.0),
    )


def _grads(nodes: list[Value]) -> list[float]:
    return [node.grad for node in nodes]


def _named(nodes: list[Value], name: str) -> list[Value]:
    for k, node in enumerate(nodes):
        node.name = f"{name}[{k}]"
    return nodes


def _nodes(numbers: Array, name: str) -> list[Value]:
    return _named([Value(number) for number in numbers], name)


def _array(name: str, given: ArrayLike, *shape: int | str) -> Array:
    """An argument as float64 of that shape; a word in `shape` stands for any length above 0."""
    array = check_real_array(name, given, (len(shape),))
    if not all(
        n > 0 if isinstance(want, str) else n == want
        for n, want in zip(array.shape, shape, strict=True)
    ):
        wanted = ", ".join(map(str, shape)) + "," * (len(shape) == 1)
        raise ValueError(f"{name} must be of shape ({wanted}), got {array.shape}")
    return array.astype(np.float64)


def _parameters(
    weights: Sequence[ArrayLike], biases: Sequence[ArrayLike]
) -> tuple[list[list[list[Value]]], list[list[Value]]]:
    if len(weights) == 0 or len(weights) != len(biases):
        raise ValueError(
            f"weights and biases must hold one array for each layer, got {len(weights)} weight and "
            f"{len(biases)} bias arrays"
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


def _targets(y: int | ArrayLike, n_out: int, loss: str) -> Array:
    if not isinstance(y, Integral) or isinstance(y, bool):
        targets = _array("y", y, n_out)
    elif n_out == 1:  # label 0 would mean the target 1: hardly ever intended
        raise ValueError(f"y must be of shape (1,) for a network of one output, got the label {y}")
    else:
        targets = np.eye(n_out)[check_count("y", y, least=0, most=n_out - 1)]
    if LOSSES[loss].needs_labels:
        one_hot_labels("y", targets[None])
    return targets
