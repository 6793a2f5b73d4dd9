"""Nets from Keras's Sequential of Dense layers: that of Keras 3 with any backend, and that of
tf.keras 2.

Keras is not imported here: the caller has imported one of the two to have a model.
"""

from typing import Any

from ..base.activations import ACTIVATIONS
from ..base.validation import check_choice
from ..kernels.abi import LEAK
from ..mlp import MLP, LossFunction
from .sequential import DTYPES, SequentialBuilder, check_settings, unsupported

PACKAGES = ("keras", "tf_keras", "tensorflow")
# The functions of keras.activations and the classes of keras.layers that are activations.
FUNCTIONS = {function: row for row in ACTIVATIONS.values() for function in row.keras}
LAYERS = {layer.kind: row for row in ACTIVATIONS.values() for layer in row.keras_layers}
# All classes that are converted; Flatten only before all others.
TAKEN = ("Sequential", "Dense", "Activation", "Dropout", *LAYERS, "Flatten")
# What a Dense layer may have that acts in training alone.
TRAINING = (
    "kernel_regularizer",
    "bias_regularizer",
    "activity_regularizer",
    "kernel_constraint",
    "bias_constraint",
)


def from_keras(
    model: Any, output: str | None = None, loss: str | LossFunction | None = None
) -> MLP:
    """A net with the layers and weights of a Keras model, and equal outputs.

    Parameters
    ----------
    model : keras.Sequential
        Built, of ``Dense`` (all float32 or all float64), ``Dropout`` and the activations of `MLP`,
        as layers or by name; nested to any depth, optionally after an ``Input`` and a ``Flatten``.
        Keras's leaky_relu has the slope 0.2 by name and 0.3 as a layer: only ``LeakyReLU(0.01)`` is
        fastbp's. Of a functional model that is a plain chain, give
        ``keras.Sequential(model.layers)``. Models of tf.keras 2 are converted as well.
    output : str, optional
        The net's output activation where the model ends without one: "softmax" or "sigmoid" for a
        model that was trained with ``from_logits=True``. By default "identity": the net's outputs
        are the model's.
    loss : str or callable, optional
        As for `MLP`. The loss that the model was compiled with is ignored.

    Returns
    -------
    MLP
        Of the dtype of the model's weights, with copies of them. Its outputs are those of
        ``model.predict``, to rounding: Keras 3 computes a float64 model in float32 except with
        TensorFlow. ``Dropout`` behind a hidden layer's activation becomes the net's.

    Raises
    ------
    TypeError
        If `model` is not a Keras object.
    ValueError
        If it is not built, computes in mixed precision, or has any other part, named in the
        message; or if `output` or `loss` does not go with it.

    Warns
    -----
    UserWarning
        If `fit` trains the net differently from Keras, though both compute the same: a layer
        without a bias gets one of zeros; regularizers and constraints, and a dropout elsewhere than
        behind a hidden layer's activation, are left out; layers with ``trainable=False`` are
        trained.
    """
    if not any(_of_keras(kind) for kind in type(model).__mro__):
        raise TypeError(
            f"model must be a keras.Sequential, got an object of type {type(model).__name__}"
        )
    if not _is(model, "Sequential"):
        hint = "for a plain chain of layers give keras.Sequential(model.layers)"
        raise ValueError(f"model must be a keras.Sequential, got {type(model).__name__}: {hint}")
    if not model.built:
        raise ValueError(
            "model must be built, got one without weights: begin it with an Input, or call it once"
        )
    builder = SequentialBuilder()
    parts = list(_parts("model", model))
    if len(model.input_shape) != 2 and not any(_is(layer, "Flatten") for _, layer in parts):
        raise ValueError(
            f"model must take inputs (n_samples, n_in), got {tuple(model.input_shape)} and no "
            "Flatten"
        )
    for where, layer in parts:
        _add(builder, where, layer, parts[0])
    return builder.net("model", output, loss)


def _add(builder, where, layer, first):
    """Add a layer that is no container and computes in the dtype of the first."""
    # Classes of the same name from other packages are not converted.
    kind = type(layer).__name__ if _of_keras(type(layer)) else ""
    if kind not in TAKEN or (kind == "Flatten" and builder.started):
        raise unsupported(where, f"from_keras takes {', '.join(TAKEN)} (first of all)")
    dtype = check_choice(f"the dtype of {where}", layer.compute_dtype, DTYPES)
    if dtype != first[1].compute_dtype:
        raise unsupported(
            where, f"it computes in {dtype}, and {first[0]} in {first[1].compute_dtype}"
        )
    if kind == "Dense":
        arrays = layer.get_weights()
        if [a.ndim for a in arrays] != [2, 1][: 1 + layer.use_bias]:
            raise unsupported(where, "it has weights beside its kernel and bias")
        left_out = [name for name in TRAINING if getattr(layer, name, None) is not None]
        if left_out:
            builder.warn_later(where, f"loses its {', '.join(left_out)}")
        if not layer.trainable:
            builder.warn_later(where, "is frozen, and is trained")
        builder.dense(where, arrays[0], arrays[1] if layer.use_bias else None)
        _activate(builder, where, layer.activation, first)
    elif kind == "Activation":
        _activate(builder, where, layer.activation, first)
    elif kind == "Dropout":
        if layer.noise_shape is None:
            builder.dropout(where, layer.rate)
        else:
            builder.warn_later(where, "is left out")
    elif kind == "Flatten":
        check_settings(where, layer, "input", {"data_format": ("channels_last",)})
    else:
        row = LAYERS[kind]
        alternatives = [theirs.settings for theirs in row.keras_layers]
        fitting = (each for each in alternatives if all(hasattr(layer, key) for key in each))
        check_settings(where, layer, row.name, next(fitting, alternatives[0]))
        builder.activation(where, row.name)


def _activate(builder, where, activation, first):
    """Add the activation of a layer: a function of Keras or a layer."""
    if any(_of_keras(kind) for kind in type(activation).__mro__):
        _add(
            builder,
            f"{where} whose activation is a {type(activation).__name__},",
            activation,
            first,
        )
        return
    name = getattr(activation, "__name__", None)
    module = getattr(activation, "__module__", None) or ""
    # keras.ops has the same names with other defaults; tf.keras 2 uses some TensorFlow functions.
    of_keras = module.partition(".")[0] in PACKAGES and (
        "activations" in module.split(".") or module.startswith("tensorflow.")
    )
    if not of_keras or name not in FUNCTIONS:
        shown = f"{module}.{name}" if name else repr(activation)
        hint = f"; its leaky_relu has the slope 0.2, and fastbp's {LEAK}"
        raise unsupported(
            where,
            f"its activation must be one of keras.activations' {', '.join(FUNCTIONS)}, "
            f"got {shown}{hint if name == 'leaky_relu' else ''}",
        )
    builder.activation(where, FUNCTIONS[name].name)


def _parts(name, model):
    """Pairs (name for errors, layer): the layers of a Sequential, in order."""
    for i, layer in enumerate(model.layers):
        inner = f"{name}.layers[{i}]"
        if _is(layer, "Sequential"):
            yield from _parts(inner, layer)
        elif not _is(layer, "InputLayer"):
            yield f"{inner}, {type(layer).__name__} {layer.name!r},", layer


def _is(instance, kind):
    return type(instance).__name__ == kind and _of_keras(type(instance))


def _of_keras(kind):
    return kind.__module__.partition(".")[0] in PACKAGES
