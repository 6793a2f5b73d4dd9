"""Nets from Keras's Sequential of Dense layers: that of Keras 3 with any backend, and that of
tf.keras 2.

Nothing of Keras is imported: whoever has a model has one of the two.
"""

from typing import Any

from ..base.validation import check_choice
from ..mlp import MLP, LossFunction
from .sequential import DTYPES, Chain, check_settings, refusal

PACKAGES = ("keras", "tf_keras", "tensorflow")
# Names of functions in keras.activations -> fastbp's; their own defaults are what the name stands
# for in a layer.
FUNCTIONS = {
    "linear": "identity",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "relu": "relu",
    "elu": "elu",
    "selu": "selu",
    "softplus": "softplus",
    "gelu": "gelu",
    "silu": "silu",
    "swish": "silu",
    "mish": "mish",
    "softmax": "softmax",
    "exponential": "exp",
}
# Layers that are activations -> fastbp's name, and the settings with which they are the same.
LAYERS: dict[str, tuple[str, dict[str, tuple]]] = {
    "Identity": ("identity", {}),
    "ReLU": ("relu", {"max_value": (None,), "negative_slope": (0,), "threshold": (0,)}),
    "LeakyReLU": ("leaky_relu", {"negative_slope": (0.01,)}),
    "ELU": ("elu", {"alpha": (1.0,)}),
    "Softmax": ("softmax", {"axis": (-1, 1)}),
}
# where a setting has another name there
KERAS_2 = {"LeakyReLU": ("leaky_relu", {"alpha": (0.01,)})}
# the last only before all others
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
        Built, of ``Dense`` (all float32 or all float64), ``Activation, ReLU, LeakyReLU(0.01), ELU,
        Softmax, Identity`` and ``Dropout``; nested as you like, and behind an ``Input`` and a
        ``Flatten`` if need be. Activations are sigmoid, tanh, relu, elu, selu, softplus, gelu,
        silu, mish and linear, and as the end softmax, sigmoid, linear, tanh, relu, softplus or
        exponential. Keras's leaky_relu has the slope 0.2 by name and 0.3 as a layer: fastbp has
        0.01 alone. Of a functional model that is a plain chain, give
        ``keras.Sequential(model.layers)``. Models of tf.keras 2 are taken as well.
    output : str, optional
        What the net makes of the model's outputs where those are of no activation: "softmax" or
        "sigmoid" for a model that was trained with ``from_logits=True``. By default "identity": the
        net's outputs are the model's.
    loss : str or callable, optional
        As `MLP` takes it; the one that the model was compiled with is not looked at.

    Returns
    -------
    MLP
        Of the dtype of the model's weights, which are copied. Its outputs are those of
        ``model.predict``, to rounding: Keras 3 computes a float64 model in float32 except with
        TensorFlow. ``Dropout`` behind a hidden layer's activation becomes the net's.

    Raises
    ------
    TypeError
        If `model` is not of Keras's classes.
    ValueError
        If it is not built, computes in mixed precision, or holds anything else, named in the
        message; or if `output` or `loss` does not go with it.

    Warns
    -----
    UserWarning
        If `fit` would train the net otherwise than Keras trains the model, though both compute the
        same: a layer without a bias gets one of zeros; regularizers and constraints, and a dropout
        elsewhere than behind a hidden layer's activation, are left out; layers with
        ``trainable=False`` are trained.
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
    chain, parts = Chain(), list(_parts("model", model))
    if len(model.input_shape) != 2 and not any(_is(layer, "Flatten") for _, layer in parts):
        raise ValueError(
            f"model must take inputs (n_samples, n_in), got {tuple(model.input_shape)} and no Flatten"
        )
    for where, layer in parts:
        _add(chain, where, layer, parts[0])
    return chain.net("model", output, loss)


def _add(chain, where, layer, first):
    """Put a layer that is no container into the chain, if it computes in the dtype of the first."""
    # a class of that name from elsewhere is something else
    kind = type(layer).__name__ if _of_keras(type(layer)) else ""
    if kind not in TAKEN or (kind == "Flatten" and chain.started):
        raise refusal(where, f"from_keras takes {', '.join(TAKEN)} (first of all)")
    dtype = check_choice(f"the dtype of {where}", layer.compute_dtype, DTYPES)
    if dtype != first[1].compute_dtype:
        raise refusal(where, f"it computes in {dtype}, and {first[0]} in {first[1].compute_dtype}")
    if kind == "Dense":
        arrays = layer.get_weights()
        if [a.ndim for a in arrays] != [2, 1][: 1 + layer.use_bias]:
            raise refusal(where, "it has weights beside its kernel and bias")
        left_out = [name for name in TRAINING if getattr(layer, name, None) is not None]
        if left_out:
            chain.note(where, f"loses its {', '.join(left_out)}")
        if not layer.trainable:
            chain.note(where, "is frozen, and is trained")
        chain.dense(where, arrays[0], arrays[1] if layer.use_bias else None)
        _activate(chain, where, layer.activation, first)
    elif kind == "Activation":
        _activate(chain, where, layer.activation, first)
    elif kind == "Dropout":
        if layer.noise_shape is None:
            chain.dropout(where, layer.rate)
        else:
            chain.note(where, "is left out")
    elif kind == "Flatten":
        check_settings(where, layer, "input", {"data_format": ("channels_last",)})
    else:
        name, settings = LAYERS[kind]
        if not all(hasattr(layer, key) for key in settings):
            name, settings = KERAS_2[kind]
        check_settings(where, layer, name, settings)
        chain.activation(where, name)


def _activate(chain, where, activation, first):
    """The activation of a layer: a function of Keras's, or a layer."""
    if any(_of_keras(kind) for kind in type(activation).__mro__):
        _add(
            chain, f"{where} whose activation is a {type(activation).__name__},", activation, first
        )
        return
    name, module = (
        getattr(activation, "__name__", None),
        getattr(activation, "__module__", None) or "",
    )
    # keras.ops has the same names with other defaults; tf.keras 2 has some of TensorFlow's own
    # functions.
    of_keras = module.partition(".")[0] in PACKAGES and (
        "activations" in module.split(".") or module.startswith("tensorflow.")
    )
    if not of_keras or name not in FUNCTIONS:
        shown = f"{module}.{name}" if name else repr(activation)
        slope = (
            "; its leaky_relu has the slope 0.2, and fastbp's 0.01" if name == "leaky_relu" else ""
        )
        raise refusal(
            where,
            f"its activation must be one of keras.activations' {', '.join(FUNCTIONS)}, got {shown}{slope}",
        )
    chain.activation(where, FUNCTIONS[name])


def _parts(name, model):
    """Pairs (what errors call it, layer): those that a Sequential consists of, in order."""
    for i, layer in enumerate(model.layers):
        inner = f"{name}.layers[{i}]"
        if _is(layer, "Sequential"):
            yield from _parts(inner, layer)
        elif not _is(layer, "InputLayer"):
            yield f"{inner}, {type(layer).__name__} {layer.name!r},", layer


def _is(thing, kind):
    return type(thing).__name__ == kind and _of_keras(type(thing))


def _of_keras(kind):
    return kind.__module__.partition(".")[0] in PACKAGES
