"""A network as an ONNX model. Its layers go into any graph that takes operators and constants: a
model of its own, or skl2onnx's.

Opset 13 has all operators needed, so runtimes from 2021 on load the model.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..base.activations import ACTIVATIONS
from ..base.files import check_path, replace_file
from ..base.onnx_formulas import Graph
from ..base.optional import require
from ..base.validation import check_finite

OPSET = 13
IR_VERSION = 7
# A protobuf message has less than 2**31 bytes; 2**24 of them are for names and operators.
MAX_PARAMETER_BYTES = 2**31 - 2**24


class Model:
    """A graph that becomes a model of its own."""

    def __init__(self, onnx: Any, dtype: np.dtype) -> None:
        self.dtype = dtype
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self._onnx = onnx

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def constant(self, values: ArrayLike, name: str = "") -> str:
        name = name or f"constant_{len(self.tensors)}"
        array = np.asarray(values, self.dtype)
        self.tensors.append(self._onnx.numpy_helper.from_array(array, name))
        return name


def outputs(graph: Graph, x: str, weights: Sequence, biases: Sequence, names: Sequence[str]) -> str:
    """Put layers with these weights, biases and activations into a graph.

    Returns
    -------
    str
        Name of the outputs (N, n_out) for the rows x (N, n_in).
    """
    for i, (w, b, name) in enumerate(zip(weights, biases, names, strict=True)):
        # MatMul and Add, as ONNX Runtime up to 1.17 fuses Gemm with the activation into an operator
        # that it lacks in float64.
        product = graph.op("MatMul", x, graph.constant(w, f"weights.{i}"))
        z = graph.op("Add", product, graph.constant(b, f"biases.{i}"))
        row = ACTIVATIONS[name]
        formula = row.onnx_float64 if graph.dtype == np.float64 else None
        x = (formula or row.onnx)(graph, z)
    return x


def to_onnx(net: Any, path: str | bytes | os.PathLike) -> None:
    """Write the net to an ONNX model file, from which ONNX Runtime and others compute its outputs,
    in any language.

    The model has one input "X" (N, n_in), with any number N of rows, and one output (N, n_out),
    called "probabilities" where the net's output is "softmax" or "sigmoid", else "outputs": what
    ``net.forward(X)[-1]`` gives, to rounding. Both are in the net's dtype. The model is of opset
    13, contains the parameters, and passes ONNX's checker before it is written. The file is written
    as a whole or not at all, as by `save`.

    The metadata name `classes_`, in the order of the outputs, and `feature_names_in_`, as lists of
    JSON under "classes" and "feature_names", where the net has others than 0..n_classes - 1 and
    has names.

    Not part of it: the labels that `predict` makes of the outputs; the softmax that `predict_proba`
    takes of them with loss="softmax_cross_entropy"; `preprocessing_`, with which X has to be made
    as for the net itself; and everything that training needs, the loss included.

    Parameters
    ----------
    path : str, bytes or path-like
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
    >>> X = np.zeros((1, 64), np.float32)
    >>> session.run(["probabilities"], {"X": X})[0].shape  # doctest: +SKIP
    (1, 10)
    """
    onnx: Any = require("onnx", "net.to_onnx", "'fastbp[onnx]'")
    path = check_path("path", path)
    for what in ("weights", "biases"):
        for i, values in enumerate(getattr(net, what)):
            check_finite(f"{what}[{i}]", values, net.dtype)
    size = sum(values.nbytes for values in [*net.weights, *net.biases])
    if size > MAX_PARAMETER_BYTES:
        raise ValueError(
            f"an ONNX file can have at most {MAX_PARAMETER_BYTES:,} bytes of parameters, got a net "
            f"with {size:,}"
        )
    model = Model(onnx, net.dtype)
    result = outputs(model, "X", net.weights, net.biases, [*net.hidden, net.output])
    name = "probabilities" if net.output in ("softmax", "sigmoid") else "outputs"
    (last,) = (node for node in model.nodes if node.output[0] == result)
    last.output[0] = name
    kind = onnx.helper.np_dtype_to_tensor_dtype(net.dtype)
    x = onnx.helper.make_tensor_value_info("X", kind, ["N", net.widths[0]])
    a = onnx.helper.make_tensor_value_info(name, kind, ["N", net.widths[-1]])
    proto = onnx.helper.make_model(
        onnx.helper.make_graph(model.nodes, "MLP", [x], [a], model.tensors),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="fastbp",
        producer_version=metadata.version("fastbp"),
    )
    metadata_of = {
        "classes": None if net.class_labels is None else net.class_labels.tolist(),
        "feature_names": net.feature_names,
    }
    onnx.helper.set_model_props(
        proto, {name: json.dumps(value) for name, value in metadata_of.items() if value is not None}
    )
    onnx.checker.check_model(proto, full_check=True)
    replace_file(path, [proto.SerializeToString()])
