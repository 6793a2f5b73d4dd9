"""The estimators through skl2onnx, in pipelines: what ONNX Runtime makes of the model, and what
scikit-learn's methods say."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastbp.sklearn
from fastbp.sklearn import MLPClassifier, MLPRegressor
from fastbp.sklearn.perceptron import NAMES

onnxruntime = pytest.importorskip("onnxruntime", reason="it computes the outputs of the models")
skl2onnx = pytest.importorskip("skl2onnx", reason="it converts the estimators")
exceptions = pytest.importorskip("skl2onnx.common.exceptions")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6)) * 3 + 1
SCORES = X @ RNG.normal(size=(6, 4))
THREE = np.array(["spring", "autumn", "été"])[SCORES[:, :3].argmax(axis=1)]
TARGETS = {
    "two classes": (SCORES[:, 0] > 0).astype(int),
    "two texts": np.where(SCORES[:, 0] > 0, "yes", "no"),
    "booleans": SCORES[:, 0] > 0,
    "three classes": SCORES[:, :3].argmax(axis=1) * 10 - 5,
    "large labels": SCORES[:, :3].argmax(axis=1) + 2**40,
    "three whole floats": SCORES[:, :3].argmax(axis=1) / 1,
    "three texts": THREE,
    "texts as objects": THREE.astype(object),
    "two labels": (SCORES[:, :2] > 0).astype(int),
    "four labels": (SCORES > 0).astype(int),
}


@pytest.fixture(scope="module", autouse=True)
def registered():
    fastbp.sklearn.register_onnx()
    fastbp.sklearn.register_onnx()  # twice is no error


def session_of(model, x, options=None):
    proto = skl2onnx.to_onnx(model, x[:1], options=options)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1  # a pool of threads a session would be most of the time
    return onnxruntime.InferenceSession(
        proto.SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )


def pipeline(net):
    return make_pipeline(StandardScaler(), net)


def difference(got, wanted):
    """The largest error, of itself up to 1, beyond in proportion."""
    assert got.shape == wanted.shape
    return float(np.max(np.abs(got - wanted) / np.maximum(1, np.abs(wanted))))


def limit(dtype):
    return 1e-6 if dtype == "float32" else 1e-13


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", TARGETS)
def test_classifier(name, dtype):
    x = X.astype(dtype)
    y = TARGETS[name]
    model = pipeline(
        MLPClassifier((8, 5), "tanh", max_iter=60, learning_rate_init=0.02, random_state=0)
    ).fit(x, y)
    session = session_of(model, x, {"zipmap": False})
    for rows in (x, x[:1]):
        labels, probabilities = session.run(["label", "probabilities"], {"X": rows})
        assert probabilities.dtype == dtype
        assert difference(probabilities, model.predict_proba(rows)) <= limit(dtype)
        predicted = model.predict(rows)
        assert labels.shape == predicted.shape
        assert labels.tolist() == predicted.tolist()
    assert len(np.unique(labels if labels.ndim > 1 else session.run(["label"], {"X": x})[0])) > 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("n_outputs", [None, 1, 3])
def test_regressor(n_outputs, loss, dtype):
    x = X.astype(dtype)
    y = np.abs(SCORES[:, 0] if n_outputs is None else SCORES[:, :n_outputs]) / 10
    model = pipeline(MLPRegressor(loss, (8,), "logistic", max_iter=20, random_state=0))
    model.fit(x, y.ravel() if n_outputs == 1 else y)
    session = session_of(model, x)
    for rows in (x, x[:1]):
        (values,) = session.run(["variable"], {"X": rows})
        assert values.dtype == dtype
        assert difference(values, model.predict(rows).reshape(len(rows), -1)) <= limit(dtype)


@pytest.mark.parametrize("activation", [*sorted(NAMES), ("selu", "gelu")])
def test_every_activation(activation):
    model = pipeline(MLPClassifier((8, 5), activation, max_iter=10, random_state=0)).fit(
        X, TARGETS["three classes"]
    )
    (probabilities,) = session_of(model, X, {"zipmap": False}).run(["probabilities"], {"X": X})
    assert difference(probabilities, model.predict_proba(X)) <= limit("float64")


def test_no_hidden_layer():
    model = pipeline(MLPClassifier((), max_iter=10)).fit(X, TARGETS["two classes"])
    (probabilities,) = session_of(model, X, {"zipmap": False}).run(["probabilities"], {"X": X})
    assert difference(probabilities, model.predict_proba(X)) <= limit("float64")


def test_zipmap():
    """By default a dict of classes and probabilities a row, which ONNX has for float32 alone; by
    columns an output a class."""
    x = X.astype(np.float32)
    model = pipeline(MLPClassifier((5,), max_iter=10, random_state=0)).fit(x, THREE)
    labels, dicts = session_of(model, x).run(None, {"X": x})
    wanted = model.predict_proba(x)
    assert labels.tolist() == model.predict(x).tolist()
    assert [list(row) for row in dicts] == [list(model.classes_)] * len(x)
    assert difference(np.array([list(row.values()) for row in dicts]), wanted) <= 1e-6
    session = session_of(model, x, {"zipmap": "columns"})
    columns = session.run([output.name for output in session.get_outputs()][1:], {"X": x})
    assert difference(np.column_stack(columns), wanted) <= 1e-6
    multilabel = pipeline(MLPClassifier((5,), max_iter=10, random_state=0)).fit(
        x, TARGETS["four labels"]
    )
    labels, dicts = session_of(multilabel, x).run(None, {"X": x})
    np.testing.assert_array_equal(labels, multilabel.predict(x))
    assert (
        difference(np.array([list(row.values()) for row in dicts]), multilabel.predict_proba(x))
        <= 1e-6
    )


def test_options_of_labels():
    net = MLPClassifier((5,), max_iter=10, random_state=0).fit(X, THREE)
    session = session_of(net, X, {id(net): {"zipmap": False, "output_class_labels": True}})
    assert session.run(["class_labels"], {"X": X})[0].tolist() == net.classes_.tolist()
    labels = session_of(net, X, {MLPClassifier: {"zipmap": False, "nocl": True}}).run(
        ["label"], {"X": X}
    )[0]
    assert net.classes_[labels].tolist() == net.predict(X).tolist()


@pytest.mark.parametrize("dtype", ["int64", "bool"])
def test_inputs_of_other_types(dtype):
    """Computed in float32, as skl2onnx has it; so probabilities are within 1e-6 and labels those of
    float32."""
    x = (X > 0) if dtype == "bool" else X.round().astype(dtype)
    net = MLPClassifier((5,), max_iter=10, random_state=0).fit(x, TARGETS["three classes"])
    labels, probabilities = session_of(net, x, {"zipmap": False}).run(None, {"X": x})
    assert probabilities.dtype == "float32"
    assert difference(probabilities, net.predict_proba(x)) <= 1e-6
    assert labels.tolist() == net.classes_[probabilities.argmax(axis=1)].tolist()


def test_refused_by_name():
    with pytest.raises(NotFittedError, match="This MLPClassifier instance is not fitted yet"):
        session_of(MLPClassifier(), X, {"zipmap": False})
    with pytest.raises(NotFittedError, match="This MLPRegressor instance is not fitted yet"):
        session_of(MLPRegressor(), X)
    net = MLPClassifier((2,), max_iter=2).fit(X, TARGETS["two classes"].astype(np.uint64) << 63)
    with pytest.raises(
        ValueError, match=r"labels must be texts or within int64 for ONNX, got classes_ \[ *0 9223"
    ):
        session_of(net, X)
    with pytest.raises(ValueError, match="a classifier of one class, 7, has no probabilities"):
        session_of(MLPClassifier((2,), max_iter=2).fit(X, np.full(60, 7)), X)

    class Derived(MLPClassifier):
        pass

    with pytest.raises(exceptions.MissingShapeCalculator, match="Derived"):
        session_of(Derived((2,), max_iter=2).fit(X, TARGETS["two classes"]), X)


def test_scikit_learns_own_are_converted_as_before():
    from sklearn import neural_network

    net = neural_network.MLPClassifier((5,), max_iter=10, random_state=0).fit(
        X, TARGETS["three classes"]
    )
    proto = skl2onnx.to_onnx(net, X[:1], options={"zipmap": False})
    assert "ArrayFeatureExtractor" in {node.op_type for node in proto.graph.node}


def test_imported_when_asked_for():
    code = """
import sys, fastbp.sklearn
assert not {"onnx", "skl2onnx"} & set(sys.modules)
sys.modules["skl2onnx"] = None  # as if it were not installed
fastbp.sklearn.register_onnx()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.endswith("ImportError: register_onnx needs skl2onnx: pip install skl2onnx\n")
