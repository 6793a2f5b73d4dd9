"""The fast path of predict refuses what scikit-learn refuses, with its messages."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse
from helpers.parity import data
from sklearn import config_context, neural_network

import fastbp.sklearn

MODULES = (neural_network, fastbp.sklearn)
X, Y = data("digits")
with warnings.catch_warnings():
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    MATRIX = np.asmatrix(X[:3])


@pytest.fixture(scope="module")
def nets():
    return [module.MLPClassifier(random_state=0, max_iter=5).fit(X, Y) for module in MODULES]


def changed(value, dtype=np.float64, rows=40):
    array = X[:rows].astype(dtype)
    array[rows // 2, 3] = value
    return array


ODD = {
    "NaN": changed(np.nan),
    "NaN in one row": changed(np.nan, rows=1),
    "NaN among many": changed(np.nan, rows=1500),
    "infinity": changed(np.inf),
    "two infinities": np.where(
        np.eye(40, 64) > 0, np.inf, np.where(np.eye(40, 64, 1) > 0, -np.inf, X[:40])
    ),
    "NaN in float32": changed(np.nan, np.float32),
    "one dimension": X[0],
    "three dimensions": X[None],
    "too few features": X[:5, :-1],
    "too many features": np.hstack([X, X])[:5],
    "no rows": X[:0],
    "no array": 3.0,
    "text": np.array([["a"] * 64]),
    "text that is numbers": X[:3].astype(str),
    "objects": X[:3].astype(object),
    "complex": X[:3].astype(complex),
    "integers": np.round(16 * X[:300]).astype(int),
    "bools": X[:3] > 0.5,
    "float16": X[:3].astype(np.float16),
    "float32": X[:100].astype(np.float32),
    "long double": X[:100].astype(np.longdouble),
    "large but finite": changed(1e300, rows=2),
    "other byte order": X[:3].astype(X.dtype.newbyteorder()),
    "Fortran order": np.asfortranarray(X[:100]),
    "every other row and feature, backwards": np.repeat(np.repeat(X[:100], 2, axis=0), 2, axis=1)[
        ::-2, ::2
    ],
    "not aligned": np.frombuffer(b"\0" + X[:50].tobytes(), np.uint8)[1:]
    .view(np.float64)
    .reshape(50, 64),
    "read-only": np.frombuffer(X[:50].tobytes()).reshape(50, 64),
    "a list": X[:3].tolist(),
    "masked": np.ma.masked_array(X[:3], mask=X[:3] > 0.9),
    "matrix": MATRIX,
    "csr": scipy.sparse.csr_array(X[:300]),
    "csc": scipy.sparse.csc_matrix(X[:30]),
    "coo": scipy.sparse.coo_array(X[:30]),
}


def outcome(function):
    try:
        with np.errstate(all="ignore"):  # NumPy warns of overflow, kernels do not
            return function()
    except Exception as error:  # whichever it is, it has to be the same
        return type(error), str(error).replace("feature(s)", "features")


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore:Casting complex")
@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
@pytest.mark.parametrize("name", ODD)
def test_same_outcome(nets, name, method):
    theirs, ours = (outcome(lambda net=net: getattr(net, method)(ODD[name])) for net in nets)
    assert type(theirs) is type(ours)
    if isinstance(theirs, tuple):
        assert ours == theirs
    elif method == "predict":
        np.testing.assert_array_equal(ours, theirs)
    else:
        assert ours.shape == theirs.shape
        # The logarithm of a probability near 1 is as exact as that is: to some units of its last
        # place.
        rtol, atol = {"float16": (2e-2, 0), "float32": (1e-5, 1e-6)}.get(name, (1e-9, 1e-15))
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_not_fitted(kind):
    theirs, ours = (outcome(lambda m=m: getattr(m, kind)().predict(X)) for m in MODULES)
    assert ours == theirs
    assert "not fitted" in ours[1]


def test_nan_is_let_through_where_the_caller_says_it_is_finite(nets):
    with config_context(assume_finite=True):
        theirs, ours = (net.predict_proba(ODD["NaN"]) for net in nets)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))


@pytest.mark.parametrize("rows", [1, 100])
def test_arrays_that_do_not_fit_are_refused(nets, rows):
    """Where NumPy could not multiply, a kernel would read what is not there."""
    for spoil, words in (
        (
            lambda n: n.coefs_.__setitem__(0, n.coefs_[0][1:]),
            "X has 64 features, but coefs_\\[0\\] has 63 rows",
        ),
        (
            lambda n: n.coefs_.__setitem__(1, n.coefs_[1][1:]),
            "coefs_ and intercepts_ must fit each other",
        ),
        (
            lambda n: n.intercepts_.__setitem__(1, np.zeros(1)),
            "coefs_ and intercepts_ must fit each other",
        ),
        (
            lambda n: n.set_params(activation=("relu", "tanh")),
            "activation must be one name, or one for each of the 1",
        ),
    ):
        net = copy.deepcopy(nets[1])
        net.predict(X[:rows])
        spoil(net)
        with pytest.raises(ValueError, match=words):
            net.predict(X[:rows])
        with pytest.raises(ValueError, match=words):
            net.partial_fit(X, Y)


@pytest.mark.parametrize("rows", [1, 2, 15, 16, 17, 33, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "target",
    [
        "one class",
        "binary",
        "binary text",
        "multiclass text",
        "multilabel",
        "regression",
        "outputs",
    ],
)
def test_kinds_of_targets(target, dtype, rows):
    features = X.astype(dtype)
    text = np.array(["zero", "one", "two"])
    y = {
        "one class": np.zeros(len(X), int),
        "binary": Y % 2,
        "binary text": text[Y % 2],
        "multiclass text": text[Y % 3],
        "multilabel": np.column_stack([Y % 2, Y > 4]),
        "regression": Y / 3,
        "outputs": np.column_stack([Y, -Y]),
    }[target]
    kind = "MLPRegressor" if target in ("regression", "outputs") else "MLPClassifier"
    settings = {
        "hidden_layer_sizes": (8,),
        "activation": "tanh",
        "solver": "sgd",
        "max_iter": 4,
        "random_state": 0,
    }
    nets = [getattr(m, kind)(**settings).fit(features, y) for m in MODULES]
    theirs, ours = (net.predict(features[:rows]) for net in nets)
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    if kind == "MLPRegressor":
        np.testing.assert_allclose(ours, theirs, rtol=1e-4 if dtype == "float32" else 1e-9)
    else:
        np.testing.assert_array_equal(ours, theirs)
        assert (
            nets[1].predict_proba(features[:rows]).shape
            == nets[0].predict_proba(features[:rows]).shape
        )


def test_using_a_net_leaves_it_as_it_is(nets):
    """No attribute comes or goes, and a pickle, which holds nothing twice, makes the same net."""
    net = nets[1]
    before = dict(net.__dict__)
    net.predict(X), net.predict_proba(X[:1]), net.score(X, Y)
    assert net.__dict__.keys() == before.keys()
    assert all(net.__dict__[k] is before[k] for k in before)
    stored = pickle.dumps(net)
    assert len(stored) < 1.2 * len(pickle.dumps(nets[0]))
    for other in (pickle.loads(stored), copy.deepcopy(net), copy.copy(net)):
        np.testing.assert_array_equal(other.predict_proba(X), net.predict_proba(X))
        assert other._optimizer.t == net._optimizer.t


def test_hidden_activations(nets):
    theirs, ours = (net._forward_pass([X, None, None]) for net in nets)
    for a, b in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-12)
