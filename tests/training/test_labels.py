"""Labels of classes other than 0..n_classes - 1, and names of features: what a fit makes of them,
and what keeps them."""

import copy
import json
import pickle
import re

import numpy as np
import pytest
from helpers.small_fit import bits
from helpers.small_fit import make as make_small

import fastbp

RNG = np.random.default_rng(6)
N = 60
X = RNG.normal(size=(N, 4))
Y = (X @ RNG.normal(size=(4, 3))).argmax(1)
Y2 = (X[:, 0] > 0).astype(int)


def make(kind="softmax", n_out=3, **more):
    return fastbp.MLP([4, 5, n_out], "tanh", kind, seed=2, **more)


NAMES = np.array(["ash", "beech", "cedar"])
LABELS = {  # three sorted classes, and y of them
    "text": (NAMES, lambda c: c[Y]),
    "list of text": (NAMES, lambda c: c[Y].tolist()),
    "object": (NAMES, lambda c: c[Y].astype(object)),
    "text in another script": (np.array(["", "a" * 99, "\u0436"]), lambda c: c[Y]),
    "from 1 on": (np.array([1, 2, 3]), lambda c: c[Y]),
    "with gaps": (np.array([-7, 0, 2**40]), lambda c: c[Y]),
    "beyond 2**53": (np.array([2**60, 2**60 + 1, 2**60 + 2]), lambda c: c[Y]),
    "beyond int64": (np.array([0, 2**63, 2**64 - 1], np.uint64), lambda c: c[Y]),
    "int8": (np.array([-1, 1, 2]), lambda c: c[Y].astype(np.int8)),
    "whole floats": (np.array([1.0, 2.0, 4.0]), lambda c: c[Y]),
}
if hasattr(np.dtypes, "StringDType"):
    LABELS["variable-width text"] = NAMES, lambda c: c[Y].astype(np.dtypes.StringDType())


@pytest.mark.parametrize("kind", LABELS)
def test_any_labels_are_those_of_the_net(kind, tmp_path):
    """With the bits of a fit on 0..n_classes - 1; kept by copies and files, which continue."""
    classes, of = LABELS[kind]
    y = of(classes)
    net = make()
    plain = make()
    net.fit(X, y, epochs=3, X_val=X[:9], y_val=y[:9], class_weight={classes[1].item(): 3.0})
    plain.fit(X, Y, epochs=3, X_val=X[:9], y_val=Y[:9], class_weight={1: 3.0})
    assert bits(net) == bits(plain)
    assert net.history_ == plain.history_
    assert net.classes_.dtype == classes.dtype
    assert np.array_equal(net.classes_, classes)
    predicted = net.predict(X)
    assert predicted.dtype == classes.dtype
    assert np.array_equal(predicted, classes[plain.predict(X)])
    assert net.loss(X, y) == plain.loss(X, Y)
    assert net.loss(X, np.eye(3)[Y]) == plain.loss(X, Y)
    net.save(tmp_path / "net")
    for other in (
        fastbp.load(tmp_path / "net"),
        copy.deepcopy(net),
        pickle.loads(pickle.dumps(net)),
    ):
        assert other.classes_.dtype == classes.dtype
        assert np.array_equal(other.predict(X), predicted)
        other.fit(X, y, epochs=1)
    plain.fit(X, Y, epochs=1)
    assert bits(other) == bits(plain)


@pytest.mark.parametrize(
    "classes", [np.array(["no", "yes"]), np.array([-1, 1]), np.array([False, True]), [5.0, 6.0]]
)
@pytest.mark.parametrize(("kind", "n_out"), [("sigmoid", 1), ("softmax", 2)])
def test_two_classes(classes, kind, n_out):
    classes = np.array(classes)
    net = make(kind, n_out)
    plain = make(kind, n_out)
    for y in (classes[Y2], classes[Y2][:, None]) if n_out == 1 else (classes[Y2],):
        net.fit(X, y, epochs=2)
        plain.fit(X, Y2, epochs=2)
    assert bits(net) == bits(plain)
    assert net.predict(X).dtype == classes.dtype
    assert np.array_equal(net.predict(X), classes[plain.predict(X)])
    assert np.array_equal(net.classes_, classes)


@pytest.mark.parametrize("y", [Y, Y.astype(np.uint8), Y.astype(float), np.eye(3)[Y], Y.tolist()])
def test_labels_from_0_on_are_what_they_were(y, tmp_path):
    net = make()
    net.fit(X, y, epochs=1)
    assert net.class_labels is None
    assert net.predict(X).dtype == np.int64
    assert np.array_equal(net.classes_, [0, 1, 2])
    net.save(tmp_path / "net")
    assert b'\\"format\\": 1,' in (tmp_path / "net").read_bytes()  # which older versions read


def test_the_nets_without_classes():
    for net in (make("identity", 1), make("sigmoid", 3)):
        assert net.classes_ is None
        with pytest.raises(ValueError, match=r"^classes_ cannot be set for a regression"):
            net.classes_ = NAMES
        with pytest.raises(TypeError, match=r"^y must be an array of real numbers, got dtype <U5"):
            net.fit(X, NAMES[Y])


def refused(net, message, *arguments, call="fit", error=ValueError, **options):
    before = pickle.dumps(net)
    with pytest.raises(error, match=message):
        getattr(net, call)(*arguments, **options)
    assert pickle.dumps(net) == before


def test_labels_that_do_not_fit_are_refused_before_anything_is_changed():
    y = NAMES[Y]
    refused(
        make(), r"^y must hold 3 different labels, .* got 2: 'ash', 'beech'; net.cl", X, NAMES[Y2]
    )
    refused(make(), "^y must hold 3 different labels, .* got 4: 'ash'", X, ["x", *y[1:]])
    refused(make(), r"^y must hold labels 0\.\.2, got 3 in row", X, 3 * Y2)
    refused(
        make(),
        r"^y must hold labels that are all text, got None of type NoneType in row 0",
        X,
        [None, *y[1:]],
        error=TypeError,
    )
    refused(
        make(),
        r"^y must hold .* all text, got nan of type float in row 0",
        X,
        np.array([np.nan, *y[1:]], object),
        error=TypeError,
    )
    refused(
        make(),
        "^y_val must hold the net's labels 'ash', .* got 'x' in row 1",
        X,
        y,
        X_val=X[:2],
        y_val=["ash", "x"],
    )
    refused(
        make(),
        r"^y_val must hold the net's labels 'ash', .* got 0 in row 0",
        X,
        y,
        X_val=X,
        y_val=Y,
    )
    refused(
        make(), r"^class_weight must have the labels 'ash', .* got 0", X, y, class_weight={0: 1}
    )
    refused(make(), "^y must .* one row for each", X, y[1:])
    refused(make(), r"^y must", X, np.array([y, y, y]).T, error=(TypeError, ValueError))
    net = make()
    net.fit(X, y, epochs=1)
    refused(net, "^y must hold the net's labels 'ash', .* got 'x' in row 59", X, [*y[:-1], "x"])
    refused(net, "^y must hold the net's labels 'ash', .* got 0 in row 0", X, Y * 0)
    refused(net, "^y must hold the net's labels .* got 'x'", X[:1], ["x"], call="loss")
    net = make()
    net.fit(X, Y, epochs=1)
    refused(
        net,
        r"^y must hold the net's labels 0, 1, 2, got 'ash' in row 0; net\.classes_ = .* names",
        X,
        np.sort(y),
    )
    net.classes_ = NAMES  # the way out
    net.fit(X, y, epochs=1)
    assert set(net.predict(X)) <= set(NAMES.tolist())


def test_classes_can_be_assigned():
    net = make()
    plain = make()
    net.classes_ = ("cedar", "ash", "beech")  # in the order of the outputs
    order = np.array([1, 2, 0])
    net.fit(X, NAMES[Y], epochs=2)
    plain.fit(X, order[Y], epochs=2)
    assert bits(net) == bits(plain)
    assert np.array_equal(net.predict(X), net.classes_[plain.predict(X)])
    net.classes_ = range(3)
    assert net.class_labels is None
    for wrong, message in (
        (["a", "b"], "must be 3 different labels, one a class, got 'a', 'b'"),
        (["a", "b", "a"], "must be 3 different labels"),
        ([0.5, np.nan, 1], "must be 3 different labels"),
        ([0.5, np.inf, 1], "must be 3 different labels"),
        (np.eye(3), "must be 3 different labels"),
        (["a" * 200_000, "b", "c"], "must take at most 131072 bytes in a model file, got 2000"),
    ):
        with pytest.raises(ValueError, match=f"^classes_ {message}"):
            net.classes_ = wrong
    with pytest.raises(TypeError, match=r"^classes_ must hold labels that are all text, got 1"):
        net.classes_ = ["a", 1, None]
    net.classes_[0] = 9  # of a copy
    assert np.array_equal(net.classes_, [0, 1, 2])


@pytest.mark.parametrize("call", ["partial_fit", "stream"])
def test_batches_want_the_classes_first(call):
    y = NAMES[Y]
    net = make()
    if call == "stream":
        refused(net, "^y holds text before the net has its classes: net.classes_", [(X, y)])
        net.classes_ = NAMES
        net.fit([(X[:2], y[:2]), (X, y)], epochs=1)
    else:
        refused(net, "^y holds text before the net has its classes", X, y, call=call)
        refused(net, "^classes must be 3 different labels", X, y, call=call, classes=["a"])
        refused(net, "^y must hold the net's labels 'a'", X, y, call=call, classes=["a", "b", "c"])
        net.partial_fit(X[:2], y[:2], classes=NAMES)
        net.partial_fit(X, y)
        net.partial_fit(X, y, classes=NAMES.tolist())
        refused(
            net, "^classes must be those of the net, 'ash'", X, y, call=call, classes=NAMES[::-1]
        )
    plain = make()
    if call == "stream":
        plain.fit([(X[:2], Y[:2]), (X, Y)], epochs=1)
    else:
        plain.partial_fit(X[:2], Y[:2], classes=[0, 1, 2])
        plain.partial_fit(X, Y)
        plain.partial_fit(X, Y)
    assert bits(net) == bits(plain)
    assert np.array_equal(net.predict(X), NAMES[plain.predict(X)])


def test_a_function_as_loss_takes_its_own_targets():
    """Numbers are not labels for it; text becomes 0..n_classes - 1."""
    seen = []

    def loss(a, y):
        seen.append(y)
        return float(a.sum()), np.ones_like(a)

    make(loss=loss).fit(X, Y + 5, epochs=1)
    assert all(set(y) <= {5, 6, 7} for y in seen)
    seen.clear()
    make(loss=loss).fit(X, NAMES[Y], epochs=1)
    assert set(np.concatenate(seen)) == {0, 1, 2}


def test_a_checkpoint_keeps_them(tmp_path):
    path = tmp_path / "run"
    options = {"epochs": 4, "class_weight": {"ash": 2.0, np.str_("beech"): 1.5}}

    class Leave(fastbp.callbacks.Callback):
        def on_epoch_end(self, net, history):
            if history.n_epochs == 3:
                raise KeyError

    net = make()
    with pytest.raises(KeyError):
        net.fit(X, NAMES[Y], checkpoint=path, checkpoint_every=0, callbacks=Leave(), **options)
    resumed = fastbp.resume(path, X, NAMES[Y])
    net = make()
    net.fit(X, NAMES[Y], **options)
    assert bits(resumed) == bits(net)
    assert np.array_equal(resumed.predict(X), net.predict(X))


@pytest.mark.parametrize("what", ["weights", "biases"])
@pytest.mark.parametrize(
    ("kind", "loss", "n_out"),
    [
        ("softmax", None, 3),
        ("identity", "hinge", 3),
        ("sigmoid", None, 1),
        ("sigmoid", None, 3),
        ("tanh", "softmax_cross_entropy", 3),
    ],
)
def test_no_class_is_made_of_nan(kind, loss, n_out, what):
    net = make(kind, n_out, loss=loss)
    getattr(net, what)[1][...] = np.nan
    for rows in (1, N, 3000):
        with pytest.raises(
            ValueError, match=r"^the outputs for X must be numbers, got nan in row 0"
        ):
            net.predict(np.tile(X, (50, 1))[:rows])
    assert np.isnan(net.forward(X)[-1]).all()


def test_a_regression_of_nan_is_nan():
    net = make("identity", 2)
    net.weights[1][0, 0] = np.nan
    predicted = net.predict(X)
    assert np.isnan(predicted[:, 0]).all()
    assert np.isfinite(predicted[:, 1]).all()
    net = make()
    net.weights[1][...] = np.nan
    assert np.isnan(net.predict_proba(X)).all()


def test_large_outputs_are_no_nan():
    net = fastbp.MLP([2, 2], output="identity", loss="hinge")
    net.weights = [np.array([[3e38, -3e38], [0, 0]])]
    with np.errstate(all="raise"):
        assert net.predict([[1.0, 0], [-1.0, 0]]).tolist() == [0, 1]


def frame(pd, names="abcd", **more):
    return pd.DataFrame(dict(zip(names, X.T, strict=True)) | more)


CALLS = {
    "fit": lambda net, x: net.fit(x, Y, epochs=1),
    "stream": lambda net, x: net.fit([(x, Y)], epochs=1),
    "X_val": lambda net, x: net.fit(X, Y, epochs=1, X_val=x, y_val=Y),
    "partial_fit": lambda net, x: net.partial_fit(x, Y),
    "loss": lambda net, x: net.loss(x, Y),
    "forward": lambda net, x: net.forward(x),
    "predict": lambda net, x: net.predict(x),
    "predict_proba": lambda net, x: net.predict_proba(x),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("how", ["fit", "stream", "partial_fit", "loaded", "copied"])
def test_other_columns_are_refused_by_name(how, call, tmp_path):
    pd = pytest.importorskip("pandas")
    net = make()
    assert net.feature_names_in_ is None
    CALLS[how if how in CALLS else "fit"](net, frame(pd))
    if how == "loaded":
        net.save(tmp_path / "net")
        net = fastbp.load(tmp_path / "net")
    net = copy.copy(net) if how == "copied" else net
    assert net.feature_names_in_.tolist() == list("abcd")
    before = pickle.dumps(net)
    name = "X_val" if call == "X_val" else "X"
    for other, message in (
        (
            frame(pd, "bacd"),
            f"must have its columns in the order of the fit, got b, a, c, d: {name}[net",
        ),
        (
            frame(pd, "abce"),
            "must have the columns that the net was fitted on, got a data frame "
            "without 'd' and with 'e'",
        ),
        (
            frame(pd)[["a", "b", "c"]],
            "must have the columns that the net was fitted on, got a data frame without 'd'",
        ),
        (
            frame(pd, e=1.0),
            "must have the columns that the net was fitted on, got a data frame with 'e'",
        ),
    ):
        with pytest.raises(ValueError, match=rf"^{name} {re.escape(message)}"):
            CALLS[call](net, other)
    assert pickle.dumps(net) == before
    for same in (
        frame(pd),
        X,
        frame(pd, [1, 2, 3, 4]),
        frame(pd, "bacd", z=1)[net.feature_names_in_],
    ):
        CALLS[call](net, same)


def test_names_are_those_of_the_first_data_frame():
    pd = pytest.importorskip("pandas")
    net = make()
    net.fit(X, Y, epochs=1)
    net.fit(frame(pd, [0, 1, 2, 3]), Y, epochs=1)  # not text
    assert net.feature_names_in_ is None
    with pytest.raises(ValueError, match=r"^y must"):
        net.fit(frame(pd), Y - 9, epochs=1)
    assert net.feature_names_in_ is None
    net.fit(frame(pd), Y, epochs=1)
    assert net.feature_names_in_.tolist() == list("abcd")
    assert net.feature_names_in_.dtype == object  # as scikit-learn's


def test_names_too_long_for_a_file_are_not_kept(tmp_path):
    pd = pytest.importorskip("pandas")
    net = make()
    net.fit(frame(pd, [f"{i:040000}" for i in range(4)]), Y, epochs=1)
    assert net.feature_names_in_ is None
    net.save(tmp_path / "net")


def test_pandas_labels():
    pd = pytest.importorskip("pandas")
    wanted = make_labels(NAMES[Y])
    for y in (
        pd.Series(NAMES[Y]),
        pd.Series(NAMES[Y], dtype=object),
        pd.Series(NAMES[Y], dtype="category"),
        pd.Series(NAMES[Y], dtype="string[pyarrow]"),
        pd.Index(NAMES[Y]),
        pd.DataFrame({"label": NAMES[Y]}),
        NAMES[Y][:, None],
    ):
        assert make_labels(y) == wanted
    with pytest.raises(TypeError, match=r"^y must hold labels that are all text, got .* in row 0"):
        make_labels(pd.Series([None, *NAMES[Y[1:]]]))


def make_labels(y):
    net = make_small()
    net.fit(X, y, epochs=1)
    return bits(net), net.predict(X).tolist(), net.classes_.tolist()


@pytest.fixture
def named():
    pd = pytest.importorskip("pandas")
    net = make()
    net.fit(frame(pd), NAMES[Y], epochs=2)
    return net


def test_onnx_names_them(named, tmp_path):
    pytest.importorskip("onnx")
    ort = pytest.importorskip("onnxruntime")
    named.to_onnx(tmp_path / "named")
    session = ort.InferenceSession(tmp_path / "named")
    properties = session.get_modelmeta().custom_metadata_map
    assert json.loads(properties["classes"]) == NAMES.tolist()
    assert json.loads(properties["feature_names"]) == list("abcd")
    (a,) = session.run(None, {"X": X.astype("f4")})
    assert np.array_equal(NAMES[a.argmax(1)], named.predict(X))
    make().to_onnx(tmp_path / "plain")
    plain = ort.InferenceSession(tmp_path / "plain").get_modelmeta().custom_metadata_map
    assert plain == {}


def test_pytorch_names_them(named):
    pytest.importorskip("torch", reason="where PyTorch is installed")
    module = named.to_torch()
    assert module.classes_.tolist() == NAMES.tolist()
    assert np.array_equal(fastbp.from_torch(module).predict(X), named.predict(X))
    assert not hasattr(make().to_torch(), "classes_")


def test_tools_take_them(named):
    wanted = copy.deepcopy(named)
    wanted.classes_ = range(3)
    assert str(named.explain(X[0], NAMES[Y[0]])) == str(wanted.explain(X[0], Y[0]))
    with pytest.raises(ValueError, match=r"^y must hold the net's labels .* got 'x' in row 0"):
        named.explain(X[0], "x")
    assert fastbp.check_gradients(named.astype("float64"), X, NAMES[Y]).max_error < 1e-4
    found = fastbp.lr_find(named, X, NAMES[Y], steps=20)
    assert np.array_equal(found.losses, fastbp.lr_find(wanted, X, Y, steps=20).losses)
    pytest.importorskip("matplotlib")
    pytest.importorskip("sklearn")
    display = fastbp.plot.ConfusionMatrixDisplay.from_estimator(named, X, NAMES[Y])
    assert display.display_labels.tolist() == NAMES.tolist()
    assert display.confusion_matrix.trace() == round(named.score(X, NAMES[Y]) * N)
