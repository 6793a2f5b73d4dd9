"""A net as an ONNX model. Its layers go into any graph that takes operators and constants: a model
of its own, or skl2onnx's.

Opset 13 has all operators needed, so runtimes from 2021 on load the model. ONNX Runtime computes
some of them in float32 alone (1.31: Elu, Erf, LeakyRelu, Selu, Softplus); float64 nets get those
put together from others.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..base.files import replace_file
from ..base.validation import check_finite
from ..kernels.abi import (
    LEAK,
    NORMAL_CENTRE,
    NORMAL_END,
    NORMAL_TAIL,
    SELU_ALPHA,
    SELU_SCALE,
)

if TYPE_CHECKING:
    import onnx

    from ..mlp import MLP

OPSET, IR_VERSION = 13, 7
# Protobuf's messages end at 2**31 bytes; the rest is for names and operators.
MAX_PARAMETER_BYTES = 2**31 - 2**24
# Activations that are one operator and its attributes, in both dtypes; and those that are one in
# float32.
OPERATORS: dict[str, tuple[str, dict]] = {
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "relu": ("Relu", {}),
    "softmax": ("Softmax", {"axis": 1}),
    "exp": ("Exp", {}),
}
SINGLE_OPERATORS: dict[str, tuple[str, dict]] = {
    "leaky_relu": ("LeakyRelu", {"alpha": LEAK}),
    "elu": ("Elu", {"alpha": 1.0}),
    "softplus": ("Softplus", {}),
    "selu": ("Selu", {"alpha": SELU_ALPHA, "gamma": SELU_SCALE}),
}


class Graph(Protocol):
    """What layers are put into: operators by inputs, constants by values, both in this dtype; each
    gives its result's name."""

    dtype: np.dtype

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str: ...

    def constant(self, values: ArrayLike, name: str = ...) -> str: ...


class Model:
    """A graph that becomes a model of its own."""

    def __init__(self, dtype):
        from onnx import helper, numpy_helper

        self.dtype, self._make_node, self._make_tensor = (
            dtype,
            helper.make_node,
            numpy_helper.from_array,
        )
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(self._make_node(kind, inputs, [name], name, **attributes))
        return name

    def constant(self, values: ArrayLike, name: str = "") -> str:
        name = name or f"constant_{len(self.tensors)}"
        self.tensors.append(self._make_tensor(np.asarray(values, self.dtype), name))
        return name


def _leaky_relu(graph, z):
    return graph.op("Max", z, graph.op("Mul", z, graph.constant(LEAK)))


def _expm1_below_0(graph, z):
    """expm1(z) below 0, else 0."""
    below = graph.op("Exp", graph.op("Min", z, graph.constant(0)))
    return graph.op("Sub", below, graph.constant(1))


def _elu(graph, z):
    return graph.op("Add", graph.op("Relu", z), _expm1_below_0(graph, z))


def _selu(graph, z):
    above = graph.op("Mul", graph.op("Relu", z), graph.constant(SELU_SCALE))
    below = graph.op("Mul", _expm1_below_0(graph, z), graph.constant(SELU_SCALE * SELU_ALPHA))
    return graph.op("Add", above, below)


def _softplus(graph, z):
    """max(z, 0) + log(1 + exp(-|z|)), which cannot overflow."""
    e = graph.op("Exp", graph.op("Neg", graph.op("Abs", z)))
    return graph.op(
        "Add", graph.op("Relu", z), graph.op("Log", graph.op("Add", e, graph.constant(1)))
    )


def _gelu_by_erf(graph, z):
    """z/2 (1 + erf(z / sqrt 2)), in the form that runtimes know and make one operator of."""
    erf = graph.op("Erf", graph.op("Div", z, graph.constant(math.sqrt(2))))
    twice = graph.op("Mul", z, graph.op("Add", erf, graph.constant(1)))
    return graph.op("Mul", twice, graph.constant(0.5))


def _gelu(graph, z):
    """max(z, 0) - |z| P(a normal number is beyond |z|), that tail by the kernels' series, see
    `kernels/gates.py`."""
    x = graph.op("Min", graph.op("Abs", z), graph.constant(NORMAL_END[False]))
    over = graph.op("Add", x, graph.constant(NORMAL_CENTRE))
    t = graph.op("Div", graph.op("Sub", x, graph.constant(NORMAL_CENTRE)), over)
    series = graph.constant(NORMAL_TAIL[False][-1])
    for c in reversed(NORMAL_TAIL[False][:-1]):
        series = graph.op("Add", graph.op("Mul", series, t), graph.constant(c))
    e = graph.op("Exp", graph.op("Mul", graph.op("Mul", x, x), graph.constant(-0.5)))
    tail = graph.op("Mul", graph.op("Div", series, over), e)
    return graph.op("Sub", graph.op("Relu", z), graph.op("Mul", x, tail))


def _silu(graph, z):
    """z / (1 + exp(-z)): z times ONNX Runtime's sigmoid in float32 is 1.5e-6 off near -15."""
    e = graph.op("Exp", graph.op("Neg", z))
    return graph.op("Div", z, graph.op("Add", e, graph.constant(1)))


def _mish(graph, z):
    """z / (1 + 2 / w) with w = u (u + 2), u = exp(z), see `kernels/gates.py`: z where w is
    infinite, 0 where it is 0."""
    u, two = graph.op("Exp", z), graph.constant(2)
    inverse = graph.op("Div", two, graph.op("Mul", u, graph.op("Add", u, two)))
    return graph.op("Div", z, graph.op("Add", inverse, graph.constant(1)))


FORMULAS: dict[str, Callable[[Graph, str], str]] = {
    "identity": lambda graph, z: z,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "softplus": _softplus,
    "selu": _selu,
    "gelu": _gelu,
    "silu": _silu,
    "mish": _mish,
}


def activation(graph: Graph, z: str, name: str) -> str:
    """f(z) for the activation or output of that name."""
    single = graph.dtype == np.float32
    operators = OPERATORS | SINGLE_OPERATORS if single else OPERATORS
    if name in operators:
        kind, attributes = operators[name]
        return graph.op(kind, z, **attributes)
    if name == "gelu" and single:
        return _gelu_by_erf(graph, z)
    return FORMULAS[name](graph, z)


def outputs(graph: Graph, x: str, weights: Sequence, biases: Sequence, names: Sequence[str]) -> str:
    """The outputs (N, n_out) of a net whose layers have these weights, biases and activations, for
    rows x (N, n_in)."""
    for i, (w, b, name) in enumerate(zip(weights, biases, names, strict=True)):
        # with Add: ONNX Runtime to 1.17 makes of Gemm and
        product = graph.op("MatMul", x, graph.constant(w, f"weights.{i}"))
        # an activation one operator that float64 has not
        z = graph.op("Add", product, graph.constant(b, f"biases.{i}"))
        x = activation(graph, z, name)
    return x


def to_onnx(net: MLP, path: str | os.PathLike) -> None:
    """Put the net into an ONNX model file, which ONNX Runtime and others compute its outputs from,
    in any language.

    The model has one input "X" (N, n_in), with any number N of rows, and one output (N, n_out),
    called "probabilities" where the net's output is "softmax" or "sigmoid", else "outputs": what
    ``net.forward(X)[-1]`` gives, to rounding. Both are in the net's dtype. It is of opset 13, with
    the parameters inside, and is passed through ONNX's checker before it is written; the file is
    written as a whole or not at all, as by `save`.

    Not part of it: the labels that `predict` makes of the outputs; the softmax that `predict_proba`
    takes of them with loss="softmax_cross_entropy"; `preprocessing_`, whose ``transform`` has to
    make X here as for the net itself; and whatever training needs, the loss included.

    Parameters
    ----------
    path : str or path-like
        An existing file is replaced, and keeps its permissions.

    Raises
    ------
    ImportError
        If onnx is not installed.
    OSError
        If the folder is not there or may not be written to, or the disk is full.
    ValueError
        If a weight is NaN or infinite, or the parameters are more than the 2 GiB that such a file
        can have.

    Examples
    --------
    >>> import fastbp, numpy as np
    >>> fastbp.MLP([64, 100, 10], hidden="relu").to_onnx("digits.onnx")  # doctest: +SKIP
    >>> import onnxruntime  # doctest: +SKIP
    >>> session = onnxruntime.InferenceSession("digits.onnx")  # doctest: +SKIP
    >>> session.run(["probabilities"], {"X": np.zeros((1, 64), np.float32)})[0].shape  # doctest: +SKIP
    (1, 10)
    """
    try:
        from onnx import checker, helper
    except ImportError as error:
        raise ImportError("net.to_onnx needs onnx: pip install 'fastbp[onnx]'") from error
    from .. import __version__  # which the package sets after importing this module

    for what in ("weights", "biases"):
        for i, values in enumerate(getattr(net, what)):
            check_finite(f"{what}[{i}]", values, net.dtype)
    size = sum(values.nbytes for values in [*net.weights, *net.biases])
    if size > MAX_PARAMETER_BYTES:
        raise ValueError(
            f"an ONNX file can have at most {MAX_PARAMETER_BYTES:,} bytes of parameters, got a net with {size:,}"
        )
    model = Model(net.dtype)
    result = outputs(model, "X", net.weights, net.biases, [*net.hidden, net.output])
    name = "probabilities" if net.output in ("softmax", "sigmoid") else "outputs"
    (last,) = (node for node in model.nodes if node.output[0] == result)
    last.output[0] = name
    kind = helper.np_dtype_to_tensor_dtype(net.dtype)
    x = helper.make_tensor_value_info("X", kind, ["N", net.widths[0]])
    a = helper.make_tensor_value_info(name, kind, ["N", net.widths[-1]])
    proto = helper.make_model(
        helper.make_graph(model.nodes, "MLP", [x], [a], model.tensors),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="fastbp",
        producer_version=__version__,
    )
    checker.check_model(proto, full_check=True)
    replace_file(path, [proto.SerializeToString()])
