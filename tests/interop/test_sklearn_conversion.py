"""Nets from scikit-learn's estimators and back: the same weights, equal predictions, refusals by
name."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

import fastbp
from fastbp.base.activations import OUTPUTS

made_here = pytest.importorskip(
    "sklearn.neural_network._multilayer_perceptron", reason="it converts scikit-learn's estimators"
)
from sklearn.base import clone  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

import fastbp.sklearn  # noqa: E402

RNG = np.random.default_rng(7)
X = RNG.normal(size=(80, 6))
TARGETS = {
    "binary": np.where(X[:, 0] > 0, "yes", "no"),
    "multiclass": np.array([30, -10, 20])[RNG.integers(0, 3, 80)],
    "multilabel": (X[:, :3] + RNG.normal(size=(80, 3)) > 0).astype(int),
    "one output": X @ RNG.normal(size=6),
    "several outputs": X @ RNG.normal(size=(6, 2)),
    "counts as output": RNG.poisson(np.exp(X[:, 0])),
}
CLASSES = [name for name in TARGETS if "output" not in name]
MODULES = {"scikit-learn's": made_here, "fastbp's": fastbp.sklearn}
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}


def fitted(task, dtype="float64", module=made_here, **settings):
    kind = module.MLPClassifier if task in CLASSES else module.MLPRegressor
    settings = {
        "hidden_layer_sizes": (7, 5),
        "activation": "tanh",
        "max_iter": 15,
        "random_state": 0,
    } | settings
    settings |= {"loss": "poisson"} if "counts" in task else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", made_here.ConvergenceWarning)
        return kind(**settings).fit(X.astype(dtype), TARGETS[task])


def outputs(estimator, x):
    return (
        estimator.predict_proba(x) if hasattr(estimator, "predict_proba") else estimator.predict(x)
    )


def assert_equal_outputs(model, other, x, classifies, dtype):
    """Probabilities relative to themselves, but that of the first of two classes relative to 1:
    scikit-learn takes it as 1 less the second's, whatever cancels. A regression's values, where
    sums cancel too, relative to the largest."""
    a, b = ((m.predict_proba if classifies else m.predict)(x) for m in (model, other))
    assert a.shape == b.shape
    scale = 0 if classifies else abs(b).max()
    if classifies and a.shape[1] == 2 and np.allclose(a.sum(axis=1), 1):
        np.testing.assert_allclose(a[:, 0], b[:, 0], rtol=0, atol=TOLERANCE[dtype])
        a, b = a[:, 1], b[:, 1]
    np.testing.assert_allclose(a, b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale)


@pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("task", TARGETS)
def test_from_sklearn(task, dtype, module):
    model = fitted(task, dtype, module)
    net = fastbp.from_sklearn(model)
    assert net.dtype == dtype
    for mine, theirs in zip(
        [*net.weights, *net.biases], [*model.coefs_, *model.intercepts_], strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
        assert not np.shares_memory(mine, theirs)
    x = np.vstack([X, RNG.normal(size=(40, 6)) * 3]).astype(dtype)
    for part in (x, x[:1]):
        assert_equal_outputs(net, model, part, task in CLASSES, dtype)
    if task in CLASSES:
        np.testing.assert_array_equal(net.predict(x), model.predict(x))


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_each_activation_and_solver(activation, solver):
    model = fitted("multiclass", activation=activation, solver=solver)
    net = fastbp.from_sklearn(model)
    assert_equal_outputs(net, model, X, True, "float64")
    assert_equal_outputs(net.to_sklearn(model.classes_), model, X, True, "float64")


def test_an_activation_a_layer():
    """As fastbp's estimators may have."""
    net = fastbp.from_sklearn(fitted("binary").set_params(activation=["logistic", "elu"]))
    assert net.hidden == ("sigmoid", "elu")


def test_the_net_can_be_trained_further():
    model = fitted("multiclass")
    net = fastbp.from_sklearn(model)
    labels = TARGETS["multiclass"]
    before = net.loss(X, labels)
    net.fit(X, labels, epochs=20)
    assert net.loss(X, labels) < before


def test_without_hidden_layers():
    net = fastbp.from_sklearn(fitted("multiclass", hidden_layer_sizes=()))
    assert net.widths == (6, 3)
    assert_equal_outputs(net.to_sklearn(), net, X, True, "float64")


def test_patched_or_not():
    model = fitted("binary")
    net = fastbp.MLP([6, 3, 4], dtype="float64")
    with fastbp.patch_sklearn():
        assert_equal_outputs(fastbp.from_sklearn(model), model, X, True, "float64")
        converted = pickle.loads(pickle.dumps(net.to_sklearn()))
    assert type(converted) is made_here.MLPClassifier


@pytest.mark.parametrize(
    "given", [LogisticRegression(), None, made_here.MLPClassifier, fastbp.MLP([2, 2])], ids=repr
)
def test_another_type_is_refused(given):
    with pytest.raises(
        TypeError,
        match="fitted must be a fitted MLPClassifier or MLPRegressor, got .* "
        f"{type(given).__name__}",
    ):
        fastbp.from_sklearn(given)


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_not_fitted_is_refused(kind):
    with pytest.raises(ValueError, match=f"fitted must be fitted, got {kind}"):
        fastbp.from_sklearn(getattr(made_here, kind)())


def test_activations_that_fastbp_lacks_are_refused():
    model = fitted("one output").set_params(activation="swish")
    with pytest.raises(
        ValueError, match=r"the activation of fitted must be one of .*'relu'.*, got 'swish'"
    ):
        fastbp.from_sklearn(model)
    model = fitted("one output")
    model.out_activation_ = "swish"
    with pytest.raises(
        ValueError,
        match=r"the output activation of fitted must be one of .*'softmax'.*, got 'swish'",
    ):
        fastbp.from_sklearn(model)


NETS = {
    "softmax": ({}, 4),
    "softmax of two": ({}, 2),
    "softmax in the loss": ({"output": "identity", "loss": "softmax_cross_entropy"}, 4),
    "softmax of two in the loss": ({"output": "identity", "loss": "softmax_cross_entropy"}, 2),
    "sigmoid": ({"output": "sigmoid"}, 1),
    "two sigmoids": ({"output": "sigmoid"}, 2),
    "several sigmoids": ({"output": "sigmoid"}, 5),
    "identity": ({"output": "identity"}, 1),
    "identities": ({"output": "identity"}, 3),
    "exp": ({"output": "exp"}, 1),
    "several exp": ({"output": "exp"}, 3),
}


def trained(name, dtype):
    settings, n_out = NETS[name]
    net = fastbp.MLP([6, 9, 7, n_out], hidden="relu", dtype=dtype, **settings)
    if net.loss_name == "squared_error":
        y = X[:, :n_out] * 2 + 1
    elif net.loss_name == "poisson":
        y = np.exp(X[:, :n_out])
    elif net.output == "sigmoid":
        y = (X[:, :n_out] > 0).astype(int)
    else:
        y = (X[:, 0] > 0) + (n_out > 2) * (2 * (X[:, 1] > 0))
    net.fit(X, y, epochs=20)
    return net, y[:, 0] if n_out == 1 else y


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", NETS)
def test_to_sklearn(name, dtype):
    net, y = trained(name, dtype)
    model = net.to_sklearn()
    classifies = "identit" not in name and "exp" not in name
    x = X.astype(dtype)
    assert type(model) is (made_here.MLPClassifier if classifies else made_here.MLPRegressor)
    for each in (model, pickle.loads(pickle.dumps(model))):
        assert_equal_outputs(each, net, x, classifies, dtype)
        assert each.predict(x).dtype == net.predict(x).dtype
        if classifies:
            np.testing.assert_array_equal(each.predict(x), net.predict(x))
            assert each.score(x, y) == np.mean((net.predict(x) == y).reshape(80, -1).all(axis=1))
        else:
            assert each.score(x, y) > 0.5
            assert each.loss == net.loss_name
    assert (model.n_iter_, model.t_, model.loss_curve_) == (0, 0, [])
    assert not any(np.shares_memory(w, net.parameters) for w in model.coefs_ + model.intercepts_)


@pytest.mark.parametrize("name", NETS)
def test_its_attributes_are_those_of_a_fit(name):
    """The same set, of the same types and shapes, as scikit-learn's own fit leaves; then
    partial_fit learns."""
    net, y = trained(name, "float64")
    model = net.to_sklearn()
    twin = clone(model).set_params(max_iter=1)
    with pytest.warns(made_here.ConvergenceWarning):
        twin.fit(X, y)
    # what only training makes
    assert vars(twin).keys() - vars(model).keys() == {"loss_", "_optimizer"}
    assert vars(model).keys() <= vars(twin).keys()
    for key in (
        "n_layers_",
        "n_outputs_",
        "n_features_in_",
        "out_activation_",
        "hidden_layer_sizes",
        "activation",
    ):
        assert getattr(model, key) == getattr(twin, key)
    assert [w.shape for w in model.coefs_ + model.intercepts_] == [
        w.shape for w in twin.coefs_ + twin.intercepts_
    ]
    if hasattr(twin, "classes_"):
        np.testing.assert_array_equal(model.classes_, twin.classes_)
        mine, theirs = vars(model._label_binarizer), vars(twin._label_binarizer)
        assert mine.keys() == theirs.keys()
        assert mine["y_type_"] == theirs["y_type_"]
    before = net.loss(X, y)
    weights = [w.copy() for w in model.coefs_]
    for _ in range(30):
        model.partial_fit(X, y)
    assert not any(np.array_equal(*pair) for pair in zip(weights, model.coefs_, strict=True))
    assert fastbp.from_sklearn(model).loss(X, y) < before


@pytest.mark.parametrize("task", TARGETS)
def test_there_and_back(task):
    model = fitted(task)
    labels = model.classes_ if task in ("binary", "multiclass") else None
    back = fastbp.from_sklearn(model).to_sklearn(labels)
    np.testing.assert_array_equal(outputs(back, X), outputs(model, X))
    np.testing.assert_array_equal(back.predict(X), model.predict(X))
    assert back.score(X, TARGETS[task]) == model.score(X, TARGETS[task])
    assert back.partial_fit(X, TARGETS[task]).n_iter_ == 1


LACKING = {
    "elu": ({"hidden": "elu"}, "no 'elu'"),
    "leaky_relu": ({"hidden": ("relu", "leaky_relu")}, "no 'leaky_relu'"),
    "mixed": (
        {"hidden": ("relu", "tanh")},
        r"one activation for all hidden layers, but no hidden=\('relu', 'tanh'\)",
    ),
}
PAIRS = [(output, "squared_error") for output in OUTPUTS if output != "identity"]
PAIRS += [
    (output, "softmax_cross_entropy") for output in OUTPUTS if output not in ("identity", "exp")
]
PAIRS += [("identity", loss) for loss in ("huber", "absolute_error", "hinge")]
LACKING |= {
    f"{o} {loss}": ({"output": o, "loss": loss}, f"no output='{o}' with loss='{loss}'")
    for o, loss in PAIRS
}


@pytest.mark.parametrize(("settings", "message"), LACKING.values(), ids=LACKING)
def test_what_scikit_learn_lacks_is_refused(settings, message):
    net = fastbp.MLP(**({"widths": [6, 4, 4, 3]} | settings))
    with pytest.raises(ValueError, match=message):
        net.to_sklearn()


@pytest.mark.parametrize(
    ("settings", "lacks"),
    [
        ({"dropout": 0.5}, "no dropout:"),
        ({"label_smoothing": 0.1}, "no label_smoothing:"),
        ({"dropout": (0.0, 0.2), "label_smoothing": 0.1}, "no dropout and no label_smoothing:"),
    ],
    ids=str,
)
def test_what_only_training_feels_is_warned_of(settings, lacks):
    """The predictions are equal all the same, and the warning names the caller's line."""
    net = fastbp.MLP([6, 5, 4, 3], hidden="tanh", dtype="float64", **settings)
    with pytest.warns(
        UserWarning, match=f"scikit-learn has {lacks} the estimator predicts as the net does"
    ) as caught:
        model = net.to_sklearn()
    assert [warning.filename for warning in caught] == [__file__]
    assert_equal_outputs(model, net, X, True, "float64")


@pytest.mark.parametrize("classes", [[0, 1], [0, 1, 1], [0, 2, 1], [[0, 1, 2]], "abc", 3])
def test_classes_that_do_not_fit_are_refused(classes):
    with pytest.raises(ValueError, match="classes must be 3 different labels, sorted, got"):
        fastbp.MLP([6, 3]).to_sklearn(classes)


@pytest.mark.parametrize(
    ("output", "what"),
    [("sigmoid", r"3 sigmoid outputs \(multilabel\)"), ("identity", "a regression")],
)
def test_classes_of_what_has_none_are_refused(output, what):
    with pytest.raises(ValueError, match=f"classes must be None for {what}, got"):
        fastbp.MLP([6, 3], output=output).to_sklearn(["a", "b", "c"])


def test_classes_are_the_labels():
    net, _ = trained("softmax of two", "float32")
    model = net.to_sklearn(["no", "yes"])
    np.testing.assert_array_equal(model.predict(X), np.array(["no", "yes"])[net.predict(X)])


@pytest.mark.parametrize("classes", [["no", "yes"], ["yes", "no"], [7, -7], [True, False]])
@pytest.mark.parametrize("what", ["softmax of two", "binary"])
def test_the_net_s_labels_in_both_directions(what, classes):
    """Sorted or not: scikit-learn's are."""
    net, _ = trained("softmax of two", "float64")
    if what == "binary":
        net = fastbp.MLP([6, 4, 1], "tanh", "sigmoid", seed=3, dtype="float64")
        net.parameters[:] = RNG.normal(size=net.parameters.size)
    net.classes_ = classes
    model = net.to_sklearn()
    assert model.classes_.tolist() == sorted(classes)
    np.testing.assert_array_equal(model.predict(X), net.predict(X))
    assert len(set(model.predict(X).tolist())) == 2
    order = np.argsort(classes)
    np.testing.assert_allclose(model.predict_proba(X), net.predict_proba(X)[:, order], atol=1e-12)
    again = fastbp.from_sklearn(model)
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    assert again.classes_.tolist() == sorted(classes)


def test_names_of_features_in_both_directions():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcdef"))
    net = fastbp.MLP([6, 3])
    net.fit(frame, TARGETS["multiclass"], epochs=1)
    model = net.to_sklearn()
    assert model.feature_names_in_.tolist() == list("abcdef")
    np.testing.assert_array_equal(model.predict(frame), net.predict(frame))
    assert fastbp.from_sklearn(model).feature_names_in_.tolist() == list("abcdef")
    with pytest.raises(ValueError, match=r"^X must have its columns in the order of the fit"):
        fastbp.from_sklearn(model).predict(frame[list("fedcba")])


WITHOUT = """
import sys
class Missing:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "sklearn":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing)
import fastbp
for convert, given in ((fastbp.from_sklearn, None), (fastbp.MLP.to_sklearn, fastbp.MLP([2, 2]))):
    try:
        convert(given)
    except ImportError as error:
        print(error)
"""


def test_without_scikit_learn():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=120
    )
    needed = "needs scikit-learn: pip install 'fastbp[sklearn]'"
    assert (done.stdout, done.stderr) == (f"from_sklearn {needed}\nto_sklearn {needed}\n", "")
