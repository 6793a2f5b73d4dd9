"""What code can see beside the numbers is scikit-learn's: errors, warnings and where they come
from, types of attributes."""

import datetime
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import scipy.sparse
from helpers.needs import needs
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning, InconsistentVersionWarning

import fastbp.sklearn
from fastbp import patch_sklearn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
LABELS = np.arange(60) % 2
VALUES = X @ [1.0, 2.0, 3.0]
CLASSIFIER = "MLPClassifier"
REGRESSOR = "MLPRegressor"
SMALL = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
# Of the estimators' attributes, those that only one of the two has.
OWN = {"validation_loss_curve_", "class_weight", "n_threads"}


def kind_of(value):
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape
    if isinstance(value, list):
        return list, len(value), {kind_of(item) for item in value}
    return type(value)


def outcome(action, module):
    """What `action` leaves with the estimators of a module: error, warnings, attribute types."""
    net = error = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            net = action(module)
        except Exception as raised:
            error = type(raised), str(raised)
    # NumPy's warnings of overflow are of the arithmetic.
    seen = [(w.category, str(w.message), w.filename) for w in caught]
    seen = [w for w in seen if not issubclass(w[0], RuntimeWarning)]
    attributes = {
        name: kind_of(value)
        for name, value in (vars(net) if net is not None else {}).items()
        if not name.startswith("_") and name not in OWN
    }
    return error, seen, attributes


def check_alike(action):
    theirs = outcome(action, neural_network)
    assert outcome(action, fastbp.sklearn) == theirs
    return theirs


# ---- warnings


def fit(name, y, **settings):
    return lambda module: getattr(module, name)(**SMALL | settings).fit(X, y)


WARN = {
    "adam": fit(CLASSIFIER, LABELS),
    "sgd": fit(REGRESSOR, VALUES, solver="sgd"),
    "lbfgs": fit(CLASSIFIER, LABELS, solver="lbfgs"),
    "batch_size": fit(REGRESSOR, VALUES, batch_size=1000),
    "early stopping": fit(CLASSIFIER, LABELS, early_stopping=True),
    "a column as y": fit(REGRESSOR, VALUES[:, None]),
    "max_fun": fit(REGRESSOR, VALUES, solver="lbfgs", max_fun=2),
}


@pytest.mark.parametrize("case", WARN)
def test_warnings(case):
    """Category, text, and the file that a filter's ``module`` is compared with."""
    _, seen, _ = check_alike(WARN[case])
    assert seen
    assert all(name.endswith("_multilayer_perceptron.py") for *_, name in seen)


@pytest.mark.parametrize("case", ["adam", "sgd", "lbfgs", "batch_size"])
@pytest.mark.parametrize("module", ["sklearn", r"sklearn\.neural_network\._multilayer_perceptron"])
def test_filters_by_module(case, module):
    """As in scikit-learn's examples."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for category in (ConvergenceWarning, UserWarning):
            warnings.filterwarnings("ignore", category=category, module=module)
        WARN[case](fastbp.sklearn)
        with patch_sklearn():
            WARN[case](neural_network)


def test_a_repeated_warning_is_shown_as_often_as_scikit_learns():
    for action in ("default", "module", "once"):
        shown = []
        for module in (neural_network, fastbp.sklearn):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter(action)
                for epochs in (1, 1, 2):
                    fit(CLASSIFIER, LABELS, max_iter=epochs)(module)
            shown.append([str(w.message) for w in caught])
        assert shown[0] == shown[1] != []


@needs("signal.pthread_kill")
def test_the_warning_of_an_interrupt():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupted(module):
        net = getattr(module, REGRESSOR)(**SMALL | {"max_iter": 10**6, "tol": 0.0})
        net.set_params(n_iter_no_change=10**6)
        main = threading.main_thread().ident

        def interrupt():
            while not getattr(net, "loss_curve_", None):
                time.sleep(0.001)
            signal.pthread_kill(main, signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        try:
            net.fit(X, VALUES)
        finally:
            thread.join()

    try:
        _, seen, _ = check_alike(interrupted)
    finally:
        signal.signal(signal.SIGINT, before)
    assert [w[1] for w in seen] == ["Training interrupted by user."]


# ---- y of a regression

DAYS = np.arange(60).astype("M8[D]")
REFUSED = {
    "dates": DAYS,
    "times": DAYS.astype("M8[ns]"),
    "durations": DAYS - DAYS[0],
    "numbers as text": np.arange(60).astype(str),
    "a list of such": [str(i) for i in range(60)],
    "numbers as bytes": np.arange(60).astype("S"),
    "text": np.full(60, "a"),
    "StringDType": np.arange(60).astype(np.dtypes.StringDType()),
    "records": np.zeros(60, [("a", "f8")]),
    "raw bytes": np.zeros(60, "V4"),
    "date objects": np.full(60, datetime.date(2020, 1, 1)),
    "complex": VALUES + 1j,
    "two columns of dates": np.column_stack([DAYS, DAYS]),
    "a sparse matrix": scipy.sparse.csr_matrix(np.eye(60)[:, :2]),
}
TAKEN = {
    "numbers as objects": VALUES.astype(object),
    "numbers as texts in objects": np.arange(60).astype(str).astype(object),
    "bool": VALUES > 0,
    "whole numbers": np.arange(60),
    "bytes": np.arange(60, dtype="u1"),
    "float16": VALUES.astype("f2"),
    "float32": VALUES.astype("f4"),
    "longdouble": VALUES.astype(np.longdouble),
    "a sparse array": scipy.sparse.csr_array(np.eye(60)[:, :2]),
}
WAYS = {
    "adam": {},
    "lbfgs": {"solver": "lbfgs"},
    "early stopping": {"early_stopping": True},
    "poisson": {"loss": "poisson"},
}


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", [*REFUSED, *TAKEN])
def test_y_of_a_regression(case, way, dtype):
    """The same errors, warnings and types, that of the loss included."""
    y = (REFUSED | TAKEN)[case]
    settings = SMALL | WAYS[way]
    error, _, attributes = check_alike(
        lambda module: module.MLPRegressor(**settings).fit(X.astype(dtype), y)
    )
    assert bool(error) != bool(attributes)
    if case in REFUSED:
        assert error
    if way != "poisson" and way != "early stopping":
        check_alike(lambda module: module.MLPRegressor(**SMALL).partial_fit(X.astype(dtype), y))


def test_pandas_y():
    pandas = pytest.importorskip("pandas")
    for y in (
        pandas.Series(pandas.date_range("2020", periods=60)),
        pandas.Series(pandas.date_range("2020", periods=60, tz="UTC")),
        pandas.Series(pandas.to_timedelta(np.arange(60), "s")),
        pandas.Series(pandas.period_range("2020", periods=60)),
        pandas.DataFrame({"a": pandas.date_range("2020", periods=60), "b": VALUES}),
        pandas.Series(np.arange(60), dtype="Int64"),
        pandas.Series(VALUES > 0, dtype="boolean"),
        pandas.Series(np.arange(60).astype(str)),
        pandas.Series(LABELS).astype("category"),
    ):
        for name in (REGRESSOR, CLASSIFIER):
            check_alike(fit(name, y))


def test_y_val_of_dates_is_refused():
    with pytest.raises(TypeError, match="subtract"):
        fastbp.sklearn.MLPRegressor(**SMALL).fit(X, VALUES, X_val=X, y_val=DAYS)


# ---- y beyond float32


@pytest.mark.parametrize("size", [1e16, 1e39, 1e100])
@pytest.mark.parametrize("settings", [{}, {"solver": "sgd"}, {"early_stopping": True}])
def test_y_beyond_float32_is_scikit_learns(size, settings, caplog):
    """Its arithmetic then is float64 for the most part."""
    X32 = X.astype("f4")
    y = size * VALUES

    def train(module):
        return module.MLPRegressor(**SMALL | settings).fit(X32, y)

    with np.errstate(all="ignore"), caplog.at_level("INFO", "fastbp"):
        error, _, attributes = check_alike(train)
        if not error:
            nets = [train(module) for module in (neural_network, fastbp.sklearn)]
            for a, b in zip(nets[0].coefs_, nets[1].coefs_, strict=True):
                np.testing.assert_array_equal(a, b)
            np.testing.assert_allclose(nets[1].predict(X32), nets[0].predict(X32), rtol=1e-4)
    assert error or attributes["coefs_"][2] == {(np.dtype("f4"), (3, 4)), (np.dtype("f4"), (4, 1))}
    assert set(caplog.messages) == {
        "MLPRegressor.fit: handed to scikit-learn: y exceeds what float32, the dtype of X, can "
        "square"
    }


def test_a_net_goes_on_with_other_y(caplog):
    """From one arithmetic to the other, with the optimizer's state."""
    X32 = X.astype("f4")
    nets = [m.MLPRegressor(**SMALL) for m in (neural_network, fastbp.sklearn)]
    with caplog.at_level("INFO", "fastbp"), np.errstate(all="ignore"):
        for net in nets:
            for size in (1, 1e17, 1, 1e17):
                net.partial_fit(X32, size * VALUES)
    for a, b in zip(nets[0].coefs_, nets[1].coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    assert [text.split(": ")[1] for text in caplog.messages] == [
        "accelerated",
        "handed to scikit-learn",
        "accelerated",
        "handed to scikit-learn",
    ]


def test_extras_are_refused_where_scikit_learn_computes():
    net = fastbp.sklearn.MLPRegressor(**SMALL | {"activation": "elu"})
    with pytest.raises(ValueError, match=r"^activation='elu' is not for .* and y exceeds what"):
        net.fit(X.astype("f4"), 1e39 * VALUES)
    assert not hasattr(net, "coefs_")


# ---- errors


@pytest.mark.parametrize(
    "action",
    [
        lambda m: m.MLPClassifier().predict(X),
        lambda m: m.MLPClassifier().predict_proba(X),
        lambda m: m.MLPRegressor().predict(X),
        lambda m: m.MLPRegressor(**SMALL).fit(X, VALUES).predict(X[:, :2]),
        lambda m: m.MLPRegressor(**SMALL).fit(X, VALUES).predict(X[0]),
        lambda m: m.MLPRegressor(**SMALL).fit(X, VALUES).predict(X[:0]),
        lambda m: m.MLPClassifier(**SMALL).fit(X, LABELS).predict(X * np.nan),
        lambda m: m.MLPClassifier(**SMALL).fit(X, VALUES),
        lambda m: m.MLPClassifier(**SMALL | {"solver": "lbfgs"}).partial_fit(X, LABELS),
        lambda m: m.MLPClassifier(**SMALL).partial_fit(X, LABELS),
        lambda m: m.MLPClassifier(**SMALL).partial_fit(X, LABELS, classes=[0, 2]),
        lambda m: m.MLPClassifier(early_stopping=True).partial_fit(X, LABELS, classes=[0, 1]),
        lambda m: m.MLPRegressor(**SMALL).fit(X, VALUES, sample_weight=np.zeros(60)),
        lambda m: m.MLPRegressor(**SMALL).fit(X, VALUES, sample_weight=np.ones(3)),
        lambda m: m.MLPClassifier(early_stopping=True).fit(X[:8], LABELS[:8]),
        lambda m: m.MLPRegressor(n_iter_no_change=1.5).fit(X, VALUES),
        lambda m: m.MLPRegressor(verbose="x").fit(X, VALUES),
        lambda m: m.MLPRegressor(hidden_layer_sizes=(0,)).fit(X, VALUES),
        lambda m: m.MLPRegressor(hidden_layer_sizes=(2.5,)).fit(X, VALUES),
    ],
)
def test_errors(action):
    assert check_alike(action)[0]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_types_of_attributes_and_results(dtype):
    """Numbers that json takes, for instance."""
    x = X.astype(dtype)
    for settings in ({}, {"solver": "sgd"}, {"solver": "lbfgs"}, {"early_stopping": True}):
        for y in (VALUES, VALUES.astype("f4")):
            check_alike(lambda m, s=settings, y=y: m.MLPRegressor(**SMALL | s).fit(x, y))
        for k in (2, 3):
            check_alike(
                lambda m, s=settings, k=k: m.MLPClassifier(**SMALL | s).fit(x, np.arange(60) % k)
            )


def test_other_layers_are_refused_in_a_further_fit():
    """scikit-learn's error, a TypeError of None, names neither parameter nor reason."""
    for layers in ((4, 4), ()):
        for settings in ({"warm_start": True}, {"warm_start": True, "solver": "lbfgs"}):
            net = fastbp.sklearn.MLPRegressor(**SMALL | settings).fit(X, VALUES)
            before = [w.tobytes() for w in net.coefs_]
            net.set_params(hidden_layer_sizes=layers)
            with pytest.raises(ValueError, match="hidden_layer_sizes must have the 1 hidden"):
                net.fit(X, VALUES)
            assert [w.tobytes() for w in net.coefs_] == before


@pytest.mark.parametrize("k", [2, 3])
def test_replaced_classes_change_no_prediction(k):
    y = np.arange(60) % k
    results = []
    for module in (neural_network, fastbp.sklearn):
        net = module.MLPClassifier(**SMALL).fit(X, y)
        net.classes_ = np.array(["a", "b", "c"][:k])
        results.append(net.predict(X))
    np.testing.assert_array_equal(*results)
    assert results[0].dtype == results[1].dtype


def test_pickles_of_another_version_warn(monkeypatch):
    """As scikit-learn's own, which name their version."""

    def read_later(module):
        net = fit(CLASSIFIER, LABELS, solver="lbfgs", max_iter=1000)(module)
        with monkeypatch.context() as older:
            older.setattr("sklearn.base.__version__", "1.8.7")
            older.setattr("sklearn.__version__", "1.8.7")
            saved = pickle.dumps(net)
        pickle.loads(pickle.dumps(net))
        return pickle.loads(saved)

    seen = [[w[:2] for w in outcome(read_later, m)[1]] for m in (neural_network, fastbp.sklearn)]
    assert seen[0] == seen[1]
    assert {w[0] for w in seen[0]} == {InconsistentVersionWarning}


def test_importing_warns_of_nothing():
    code = "import fastbp, fastbp.sklearn; fastbp.patch_sklearn()"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=120)
