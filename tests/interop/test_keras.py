"""Nets from Keras's models: equal outputs, the same bits as weights, refusals by name."""

import os

import numpy as np
import pytest

import fastbp
from fastbp.base import activations
from fastbp.base.activations import ACTIVATIONS

# The backend that takes least time to load; set before keras is imported.
os.environ.setdefault("KERAS_BACKEND", "numpy")
keras = pytest.importorskip("keras", reason="it converts Keras's models")
layers = keras.layers

# Keras's arrays raise it under NumPy 2 in get_weights.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

RNG = np.random.default_rng(11)
X = RNG.normal(size=(60, 5)) * 2
LABELS = RNG.integers(0, 3, 60)
DTYPES = ["float32", "float64"]
# For both dtypes: Keras 3 computes in float64 with TensorFlow alone, and there its gelu and
# leaky_relu have float32 constants.
TOLERANCE = 1e-6
# Functions of keras.activations -> fastbp's names.
OURS = {function: row.name for row in ACTIVATIONS.values() for function in row.keras}
HIDDEN = [function for function, name in OURS.items() if name in activations.HIDDEN]
ENDS = {function: name for function, name in OURS.items() if name in activations.OUTPUTS}


def chain(*parts, dtype="float32", shape=(5,)):
    """A model of these layers, with weights of its own and biases that are not zero."""
    default = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)  # a model casts its inputs to the one it was made under
    model = keras.Sequential([keras.Input(shape, dtype=dtype), *parts])
    keras.config.set_dtype_policy(default)
    for layer in model.layers:
        layer.set_weights([RNG.normal(size=w.shape) / len(w) ** 0.5 for w in layer.get_weights()])
    return model


def dense(n, dtype="float32", **settings):
    return layers.Dense(n, dtype=dtype, **settings)


def outputs(model, x):
    return keras.ops.convert_to_numpy(model(x.astype(model.inputs[0].dtype)))


def assert_equal_outputs(net, model):
    for x in (X, X[:1]):
        mine = net.forward(x)[-1]
        theirs = outputs(model, x)
        assert mine.dtype == net.dtype
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=TOLERANCE * abs(theirs).max())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_activations(name, dtype):
    """By name in the layer, and as a layer of their own."""
    inside = chain(dense(7, dtype, activation=name), dense(3, dtype), dtype=dtype)
    beside = chain(
        dense(7, dtype), layers.Activation(name, dtype=dtype), dense(3, dtype), dtype=dtype
    )
    for model in (inside, beside):
        net = fastbp.from_keras(model)
        assert (net.widths, net.hidden, net.output, net.loss_name) == (
            (5, 7, 3),
            (OURS[name],),
            "identity",
            "squared_error",
        )
        assert_equal_outputs(net, model)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ENDS)
def test_outputs(name, dtype):
    model = chain(dense(7, dtype, activation="tanh"), dense(3, dtype, activation=name), dtype=dtype)
    net = fastbp.from_keras(model)
    assert net.output == fastbp.from_keras(model, output=ENDS[name]).output == ENDS[name]
    assert_equal_outputs(net, model)


AS_LAYERS = {
    "ReLU": (lambda **k: layers.ReLU(**k), "relu"),
    "LeakyReLU": (lambda **k: layers.LeakyReLU(0.01, **k), "leaky_relu"),
    "ELU": (lambda **k: layers.ELU(**k), "elu"),
    "Identity": (lambda **k: layers.Identity(**k), "identity"),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("make", "name"), AS_LAYERS.values(), ids=AS_LAYERS)
def test_activations_that_are_layers(make, name, dtype):
    """Behind a layer, and as its activation; a softmax at the end."""
    beside = chain(
        dense(7, dtype),
        make(dtype=dtype),
        dense(3, dtype),
        layers.Softmax(dtype=dtype),
        dtype=dtype,
    )
    inside = chain(
        dense(7, dtype, activation=make(dtype=dtype)),
        dense(3, dtype, activation=layers.Softmax(dtype=dtype)),
        dtype=dtype,
    )
    for model in (beside, inside):
        net = fastbp.from_keras(model)
        assert (net.hidden, net.output) == ((name,), "softmax")
        assert_equal_outputs(net, model)


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_are_copies_of_the_same_bits(dtype):
    model = chain(dense(7, dtype, activation="relu"), dense(3, dtype), dtype=dtype)
    net = fastbp.from_keras(model)
    before = outputs(model, X)
    theirs = [layer.get_weights() for layer in model.layers]
    assert net.dtype == dtype
    for i, (W, b) in enumerate(theirs):
        assert W.dtype == b.dtype == dtype
        np.testing.assert_array_equal(net.weights[i], W)
        np.testing.assert_array_equal(net.biases[i], b)
    for p in net.weights + net.biases:
        p[...] = 0
    np.testing.assert_array_equal(outputs(model, X), before)


@pytest.mark.parametrize("dtype", DTYPES)
def test_models_that_end_in_logits(dtype):
    model = chain(dense(7, dtype, activation="gelu"), dense(3, dtype), dtype=dtype)
    z = outputs(model, X)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    for given in ({"output": "softmax"}, {"loss": "softmax_cross_entropy"}):
        net = fastbp.from_keras(model, **given)
        np.testing.assert_array_equal(net.predict(X), z.argmax(axis=1))
        np.testing.assert_allclose(net.predict_proba(X), p, rtol=0, atol=TOLERANCE)
        before = net.loss(X, LABELS)
        assert before == pytest.approx(-np.mean(np.log(p[np.arange(60), LABELS])), rel=TOLERANCE)
        net.fit(X, LABELS, epochs=20)
        assert net.loss(X, LABELS) < before


def test_nested_with_dropout():
    inner = keras.Sequential([dense(7, activation="tanh"), layers.Dropout(0.25)])
    model = keras.Sequential(
        [
            keras.Input((5,)),
            inner,
            dense(6),
            layers.Activation("linear"),
            layers.Dropout(0.5),
            dense(3),
        ]
    )
    net = fastbp.from_keras(model)
    assert (net.widths, net.hidden, net.dropout) == (
        (5, 7, 6, 3),
        ("tanh", "identity"),
        (0.25, 0.5),
    )
    assert_equal_outputs(net, model)


def test_images_behind_a_flatten():
    model = chain(
        layers.Flatten(), layers.Dropout(0), dense(4, activation="relu"), dense(3), shape=(2, 3, 2)
    )
    images = RNG.normal(size=(30, 2, 3, 2))
    net = fastbp.from_keras(model)
    np.testing.assert_allclose(
        net.predict(images.reshape(30, -1)), outputs(model, images), rtol=0, atol=TOLERANCE
    )


def test_built_when_it_was_first_called():
    model = keras.Sequential([dense(4, activation="relu"), dense(3)])
    with pytest.raises(
        ValueError, match="model must be built, got one without weights: begin it with an Input"
    ):
        fastbp.from_keras(model)
    model(X.astype("float32"))
    assert_equal_outputs(fastbp.from_keras(model), model)


def functional():
    inputs = keras.Input((5,))
    return keras.Model(inputs, dense(3)(dense(4, activation="tanh")(inputs)))


def test_a_plain_functional_model():
    """What the refusal advises."""
    model = functional()
    with pytest.raises(
        ValueError,
        match=r"got Functional: for a plain chain of layers give keras.Sequential\(model.layers\)",
    ):
        fastbp.from_keras(model)
    assert_equal_outputs(fastbp.from_keras(keras.Sequential(model.layers)), model)


class Doubled(layers.Dense):
    def call(self, x):
        return super().call(x) * 2


class Own(keras.Sequential):
    pass


Dense = type("Dense", (layers.Dense,), {"call": Doubled.call})  # not Keras's, whatever its name


def relu(x):
    """Not Keras's, whatever its name."""
    return keras.ops.relu(x) * 2


def adapted():
    model = chain(dense(3))
    model.layers[0].enable_lora(2)
    return model


LIST = (
    r"from_keras takes Sequential, Dense, Activation, Dropout, Identity, .*, Softmax, "
    r"Flatten \(first of all\)"
)
KNOWN = r"its activation must be one of keras.activations' linear, .*, exponential, got"
SLOPE = "fastbp's leaky_relu has negative_slope=0.01, this one negative_slope"
REFUSED = {
    "own class": (
        lambda: Own([keras.Input((5,)), dense(3)]),
        "model must be a keras.Sequential, got Own",
    ),
    "one layer": (lambda: chain(dense(3)).layers[0], "model must be a keras.Sequential, got Dense"),
    "subclass": (
        lambda: chain(Doubled(3)),
        rf"model.layers\[0\], Doubled 'doubled.*', cannot be converted: {LIST}",
    ),
    "namesake": (
        lambda: chain(Dense(3)),
        rf"model.layers\[0\], Dense 'dense.*', cannot be converted: {LIST}",
    ),
    "norm": (
        lambda: chain(dense(4), layers.BatchNormalization()),
        rf"model.layers\[1\], BatchNormalization 'batch_.*', cannot be converted: {LIST}",
    ),
    "nested": (
        lambda: keras.Sequential(
            [keras.Input((5,)), keras.Sequential([dense(4), layers.LayerNormalization()])]
        ),
        rf"model.layers\[0\].layers\[1\], LayerNormalization '.*', cannot be converted: {LIST}",
    ),
    "PReLU": (lambda: chain(dense(4), layers.PReLU()), rf"PReLU '.*', cannot be converted: {LIST}"),
    "scaled": (
        lambda: chain(layers.Rescaling(0.5), dense(4)),
        rf"model.layers\[0\], Rescaling '.*', .* {LIST}",
    ),
    "leaky_relu": (
        lambda: chain(dense(4, activation="leaky_relu"), dense(3)),
        rf"{KNOWN} .*leaky_relu; its leaky_relu has the slope 0.2, and fastbp's 0.01",
    ),
    "slope": (
        lambda: chain(dense(4), layers.LeakyReLU(), dense(3)),
        rf"LeakyReLU '.*', cannot be converted: {SLOPE}=0.3",
    ),
    "slope inside": (
        lambda: chain(dense(4, activation=layers.LeakyReLU(0.2)), dense(3)),
        rf"model.layers\[0\], Dense 'dense.*', whose activation is a LeakyReLU, cannot be "
        rf"converted: {SLOPE}=0.2",
    ),
    "capped": (
        lambda: chain(dense(4), layers.ReLU(6)),
        "fastbp's relu has max_value=None, this one max_value=6",
    ),
    "threshold": (
        lambda: chain(dense(4), layers.ReLU(threshold=1)),
        "fastbp's relu has threshold=0, this one threshold=1",
    ),
    "elu": (
        lambda: chain(dense(4), layers.ELU(0.5)),
        "fastbp's elu has alpha=1.0, this one alpha=0.5",
    ),
    "softmax of columns": (
        lambda: chain(dense(4), layers.Softmax(axis=0)),
        "fastbp's softmax has axis=-1, this one axis=0",
    ),
    "hard_sigmoid": (
        lambda: chain(dense(4, activation="hard_sigmoid")),
        rf"{KNOWN} .*hard_sigmoid$",
    ),
    "own function": (lambda: chain(dense(4, activation=relu)), rf"{KNOWN} .*relu$"),
    "lambda": (
        lambda: chain(layers.Activation(lambda x: x)),
        rf"Activation 'activation.*', .* {KNOWN} .*<lambda>$",
    ),
    "other defaults": (
        lambda: chain(dense(4, activation=keras.ops.gelu)),
        rf"{KNOWN} keras.*ops.*gelu$",
    ),
    "softmax inside": (
        lambda: chain(dense(4, activation="softmax"), dense(3)),
        r"model.layers\[0\], Dense 'dense.*', cannot be converted: fastbp has 'softmax' for the "
        "last layer only",
    ),
    "gelu as output": (
        lambda: chain(dense(4, activation="gelu")),
        "fastbp has 'gelu' for hidden layers only",
    ),
    "activation first": (
        lambda: chain(layers.ReLU(), dense(3)),
        r"model.layers\[0\], ReLU '.*must stand behind a dense layer",
    ),
    "two activations": (
        lambda: chain(dense(4, activation="relu"), layers.Activation("tanh"), dense(3)),
        r"model.layers\[1\], Activation '.*', cannot be converted: its layer has the activation "
        "'relu' already",
    ),
    "flatten inside": (
        lambda: chain(dense(4), layers.Flatten()),
        rf"Flatten 'flatten.*', cannot be converted: {LIST}",
    ),
    "channels first": (
        lambda: chain(layers.Flatten("channels_first"), dense(3), shape=(2, 2, 2)),
        "fastbp's input has data_format='channels_last', this one data_format='channels_first'",
    ),
    "images": (
        lambda: chain(dense(3), shape=(4, 4)),
        r"model must take inputs \(n_samples, n_in\), got \(None, 4, 4\) and no Flatten",
    ),
    "nothing": (
        lambda: chain(layers.Dropout(0.5)),
        "model must have at least one dense layer, got none",
    ),
    "mixed": (
        lambda: chain(dense(3, "mixed_float16")),
        r"the dtype of model.layers\[0\], Dense .* must be one of 'float32', 'float64', "
        "got 'float16'",
    ),
    "two dtypes": (
        lambda: chain(dense(4), dense(3, "float64")),
        r"model.layers\[1\], Dense .*: it computes in float64, and model.layers\[0\], Dense '.*', "
        "in float32",
    ),
    "two dtypes in one layer": (
        lambda: chain(
            dense(4, "float64", activation=layers.ReLU(dtype="float32")), dense(3, "float64")
        ),
        r"Dense .*, whose activation is a ReLU, cannot be converted: it computes in float32, and "
        ".* in float64",
    ),
    "adapter": (
        adapted,
        r"model.layers\[0\], Dense 'dense.*', cannot be converted: it has weights beside its "
        "kernel and bias",
    ),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_what_fastbp_lacks_is_refused(make, message):
    model = make()
    with pytest.raises(ValueError, match=message):
        fastbp.from_keras(model)


def test_weights_that_are_not_finite_are_refused():
    model = chain(dense(3))
    model.layers[0].set_weights([np.full((5, 3), np.inf), np.zeros(3)])
    with pytest.raises(
        ValueError, match=r"weights\[0\] must be finite in float32, got inf in row 0"
    ):
        fastbp.from_keras(model)


def test_another_type_is_refused():
    for given in (keras.Sequential, keras, X):
        with pytest.raises(
            TypeError,
            match=f"model must be a keras.Sequential, got an object of type {type(given).__name__}",
        ):
            fastbp.from_keras(given)


def test_outputs_and_losses_that_do_not_fit_are_refused():
    with pytest.raises(
        ValueError, match="output must be 'sigmoid' or None as model ends with that, got 'softmax'"
    ):
        fastbp.from_keras(chain(dense(3, activation="sigmoid")), output="softmax")
    with pytest.raises(ValueError, match=r"output must be one of 'softmax', .*, got 'gelu'"):
        fastbp.from_keras(chain(dense(3)), output="gelu")
    with pytest.raises(
        ValueError, match="loss='cross_entropy' needs output='softmax', got output='identity'"
    ):
        fastbp.from_keras(chain(dense(3)), loss="cross_entropy")


NOT_ALIKE = {
    "no bias": (
        lambda: [dense(3, use_bias=False)],
        r"Dense '.*', has no bias, and gets one of zeros, which is trained$",
    ),
    "inputs dropped": (
        lambda: [layers.Dropout(0.2), dense(3)],
        r"model.layers\[0\], Dropout '.*', is left out",
    ),
    "outputs dropped": (
        lambda: [dense(3), layers.Dropout(0.2)],
        r"model.layers\[1\], Dropout '.*', is left out",
    ),
    "dropped before": (
        lambda: [dense(4), layers.Dropout(0.2), layers.Activation("tanh"), dense(3)],
        r"model.layers\[1\], Dropout '.*', is left out",
    ),
    "dropped together": (
        lambda: [dense(4, activation="tanh"), layers.Dropout(0.2, noise_shape=(None, 1)), dense(3)],
        r"model.layers\[1\], Dropout '.*', is left out",
    ),
    "frozen": (lambda: [dense(3, trainable=False)], "Dense '.*', is frozen, and is trained"),
    "regularizers": (
        lambda: [dense(3, kernel_regularizer="l2", bias_constraint="non_neg")],
        "Dense '.*', loses its kernel_regularizer, bias_constraint",
    ),
}


@pytest.mark.parametrize(("make", "message"), NOT_ALIKE.values(), ids=NOT_ALIKE)
def test_what_trains_otherwise_is_warned_of(make, message):
    """The outputs are equal all the same, and the warning names the caller's line."""
    model = chain(*make())
    message = f"the net computes what model does, but fit will not train it alike: .*{message}"
    with pytest.warns(UserWarning, match=message) as caught:
        net = fastbp.from_keras(model)
    assert [warning.filename for warning in caught if warning.category is UserWarning] == [__file__]
    assert not any(net.dropout)
    assert_equal_outputs(net, model)
