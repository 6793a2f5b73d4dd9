"""Converters of the two estimators for skl2onnx, see `fastbp.sklearn.register_onnx`.

skl2onnx's own converters are for exactly scikit-learn's classes. They have four of the activations,
and (1.20) put several outputs of a regression into one column, and the probabilities of two labels
into four. Layers therefore come from `fastbp.export.onnx`, labels and shapes from here.
"""

import numpy as np
from onnx import TensorProto
from onnx.helper import np_dtype_to_tensor_dtype
from onnx.numpy_helper import from_array
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)
from skl2onnx.common.utils_classifier import get_label_classes
from sklearn.utils.validation import check_is_fitted

from ..base.network_arguments import (
    check_hidden,
)
from ..export.onnx import outputs
from .estimators import MLPClassifier, MLPRegressor
from .flat_parameters import OUT_ACTIVATIONS

OPTIONS = {
    "zipmap": [True, False, "columns"],
    "output_class_labels": [False, True],
    "nocl": [True, False],
}


def register():
    """Register the converters of both classes. Another call changes nothing."""
    update_registered_converter(
        MLPClassifier, "FastbpMLPClassifier", _classifier_shapes, _classifier, options=OPTIONS
    )
    update_registered_converter(MLPRegressor, "FastbpMLPRegressor", _regressor_shapes, _regressor)


class _Graph:
    """skl2onnx's container as an `onnx_formulas.Graph`."""

    def __init__(self, scope, operator, container):
        double = isinstance(operator.inputs[0].type, DoubleTensorType)
        self.dtype = np.dtype(np.float64 if double else np.float32)
        self._scope = scope
        self._container = container

    def op(self, kind, *inputs, result=None, **attributes):
        """Add an operator; `result` is the name of its result, by default a new one."""
        result = result or self._scope.get_unique_variable_name(kind)
        self._container.add_node(
            kind,
            list(inputs),
            [result],
            name=self._scope.get_unique_operator_name(kind),
            **attributes,
        )
        return result

    def constant(self, values, name="constant"):
        return self.tensor(np.asarray(values, self.dtype), name)

    def tensor(self, values, name):
        """Add a constant of any dtype; objects are texts."""
        name = self._scope.get_unique_variable_name(name)
        if values.dtype.kind == "O":
            self._container.add_initializer(
                name, TensorProto.STRING, values.shape, [text.encode() for text in values]
            )
        else:
            self._container.add_initializer(name, None, values.shape, from_array(values))
        return name


def _outputs(graph, operator):
    """The net's outputs, in the dtype of the graph."""
    net = operator.raw_operator
    hidden = check_hidden(net.activation, len(net.coefs_) - 1, "activation")
    output, _ = OUT_ACTIVATIONS[net.out_activation_]
    x = graph.op("Cast", operator.inputs[0].full_name, to=np_dtype_to_tensor_dtype(graph.dtype))
    return outputs(graph, x, net.coefs_, net.intercepts_, [*hidden, output])


def _is_multilabel(net):
    return net._label_binarizer.y_type_.startswith("multilabel")


def _classes(scope, net):
    """The labels in a form that ONNX has: int64, or objects that are texts."""
    classes = get_label_classes(scope, net)
    if isinstance(classes[0], str):
        return classes.astype(object)
    numbers = classes.astype(np.int64)
    if not np.array_equal(classes, numbers):
        raise ValueError(f"labels must be texts or within int64 for ONNX, got classes_ {classes}")
    return numbers


def _classifier_shapes(operator):
    net = operator.raw_operator
    check_is_fitted(net)
    if len(net.classes_) < 2:
        raise ValueError(
            f"a classifier of one class, {net.classes_[0]}, has no probabilities that ONNX could "
            "give"
        )
    calculate_linear_classifier_output_shapes(operator)
    _classes(operator.scope_inst, net)
    if _is_multilabel(net):
        operator.outputs[0].type.shape = [*operator.outputs[0].type.shape, net.n_outputs_]


def _classifier(scope, operator, container):
    net = operator.raw_operator
    label, probabilities = (output.full_name for output in operator.outputs)
    graph = _Graph(scope, operator, container)
    a = _outputs(graph, operator)
    if net.n_outputs_ == 1:
        graph.op("Concat", graph.op("Sub", graph.constant(1), a), a, result=probabilities, axis=1)
    else:
        graph.op("Identity", a, result=probabilities)
    if _is_multilabel(net):
        above = graph.op("Greater", a, graph.constant(0.5))
        graph.op("Cast", above, result=label, to=TensorProto.INT64)
    else:
        column = graph.op("ArgMax", probabilities, axis=1, keepdims=0)
        graph.op("Gather", graph.tensor(_classes(scope, net), "classes"), column, result=label)


def _regressor_shapes(operator):
    net = operator.raw_operator
    check_is_fitted(net)
    calculate_linear_regressor_output_shapes(operator)
    operator.outputs[0].type.shape = [operator.outputs[0].type.shape[0], net.n_outputs_]


def _regressor(scope, operator, container):
    graph = _Graph(scope, operator, container)
    graph.op("Identity", _outputs(graph, operator), result=operator.outputs[0].full_name)
