"""Where estimators live: pipelines, searches, pickles, routing, frames; and sparse data, threads,
processes."""

import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
import scipy.sparse
from helpers.parity import data
from sklearn import config_context, neural_network
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastbp.kernels.abi import INFER_ROWS
from fastbp.sklearn import MLPClassifier, MLPRegressor

X, Y = data("cancer")


def test_clone_and_parameters():
    net = MLPClassifier((5, 6), "tanh", class_weight={0: 2.0}, n_threads=2, random_state=3)
    other = clone(net)
    assert other.get_params() == net.get_params()
    theirs = neural_network.MLPClassifier().get_params()
    assert {k: v for k, v in MLPClassifier().get_params().items() if k in theirs} == theirs
    assert set(MLPClassifier().get_params()) - set(theirs) == {"class_weight", "n_threads"}
    assert set(MLPRegressor().get_params()) - set(neural_network.MLPRegressor().get_params()) == {
        "n_threads"
    }
    assert repr(net).startswith("MLPClassifier(activation='tanh'")


def test_search_in_two_processes():
    pipe = make_pipeline(StandardScaler(), MLPClassifier((10,), max_iter=30, random_state=0))
    grid = {"mlpclassifier__alpha": [1e-4, 100.0], "mlpclassifier__activation": ["relu", ("tanh",)]}
    clone(pipe).fit(X, Y)  # so that not both processes compile
    search = GridSearchCV(pipe, grid, n_jobs=2, cv=2).fit(X, Y)
    theirs = make_pipeline(
        StandardScaler(), neural_network.MLPClassifier((10,), max_iter=30, random_state=0)
    )
    theirs = GridSearchCV(theirs, {"mlpclassifier__alpha": [1e-4, 100.0]}, cv=2).fit(X, Y)
    relu = [
        i
        for i, p in enumerate(search.cv_results_["params"])
        if p["mlpclassifier__activation"] == "relu"
    ]
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"][relu], theirs.cv_results_["mean_test_score"]
    )


def test_meta_estimators():
    scores = [
        cross_val_score(m.MLPRegressor(max_iter=20, random_state=0), X, Y, cv=3)
        for m in (neural_network,)
    ]
    np.testing.assert_allclose(
        cross_val_score(MLPRegressor(max_iter=20, random_state=0), X, Y, cv=3), scores[0]
    )
    bag = BaggingClassifier(
        MLPClassifier((5,), max_iter=5), n_estimators=3, random_state=0, n_jobs=2
    ).fit(X, Y)
    assert bag.score(X, Y) > 0.5
    both = MultiOutputClassifier(MLPClassifier((5,), max_iter=5)).fit(
        X, np.column_stack([Y, 1 - Y])
    )
    assert both.predict(X).shape == (len(X), 2)
    assert TransformedTargetRegressor(
        MLPRegressor(hidden_layer_sizes=(5,), max_iter=5), func=np.log1p, inverse_func=np.expm1
    ).fit(X, Y)


def test_joblib_and_pickle_go_on(tmp_path):
    """A net read back trains on with the optimizer's state, as if it had not been away."""
    net = MLPClassifier(random_state=0).partial_fit(X, Y, classes=[0, 1])
    joblib.dump(net, tmp_path / "net")
    others = [joblib.load(tmp_path / "net"), pickle.loads(pickle.dumps(net))]
    for each in (net, *others):
        each.partial_fit(X, Y)
    for other in others:
        for a, b in zip(
            net.coefs_ + net._optimizer.ms, other.coefs_ + other._optimizer.ms, strict=True
        ):
            np.testing.assert_array_equal(a, b)


def test_frames_and_set_output():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"f{i}" for i in range(X.shape[1])])
    net = MLPClassifier(max_iter=5, random_state=0).fit(frame, Y)
    assert list(net.feature_names_in_) == list(frame.columns)
    with pytest.warns(
        UserWarning, match="X does not have valid feature names, but MLPClassifier was fitted with"
    ):
        plain = net.predict_proba(X)
    np.testing.assert_array_equal(net.predict_proba(frame), plain)
    with pytest.raises(ValueError, match="feature names should match"):
        net.predict(frame.rename(columns={"f0": "g0"}))
    pipe = make_pipeline(StandardScaler(), MLPClassifier(max_iter=5, random_state=0)).set_output(
        transform="pandas"
    )
    assert pipe.fit(frame, Y).predict(frame).shape == Y.shape


def test_metadata_routing():
    weight = np.where(Y == 1, 5.0, 0.1)
    direct = MLPClassifier(max_iter=10, random_state=0).fit(
        StandardScaler().fit_transform(X), Y, sample_weight=weight
    )
    with config_context(enable_metadata_routing=True):
        net = MLPClassifier(max_iter=10, random_state=0).set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipe = make_pipeline(scaler, net).fit(X, Y, sample_weight=weight)
    np.testing.assert_array_equal(pipe[-1].coefs_[0], direct.coefs_[0])


@pytest.mark.parametrize(
    "kind", [scipy.sparse.csr_array, scipy.sparse.csc_array, scipy.sparse.csr_matrix]
)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_sparse_is_dense_to_the_bit(kind, solver):
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(1300, 400)) * (rng.random((1300, 400)) < 0.03)
    y = (dense @ rng.normal(size=400) > 0).astype(int)
    nets = [
        MLPClassifier((8,), solver=solver, max_iter=3, random_state=0, batch_size=1200).fit(x, y)
        for x in (dense, kind(dense))
    ]
    np.testing.assert_array_equal(nets[0].coefs_[0], nets[1].coefs_[0])
    np.testing.assert_array_equal(nets[0].predict_proba(dense), nets[1].predict_proba(kind(dense)))


def test_sparse_is_never_dense_as_a_whole(monkeypatch):
    """Not more than a batch, or in use a block of rows, of it at a time, whatever its size, in
    training and in use."""
    wide = scipy.sparse.random_array(
        (3000, 5000), density=1e-3, format="csr", random_state=np.random.default_rng(0)
    )
    y = np.arange(3000) % 2
    real = scipy.sparse.csr_array.toarray
    sizes = []

    def toarray(self, *args, **kwargs):
        sizes.append(self.shape[0] * self.shape[1] * 8)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(scipy.sparse.csr_array, "toarray", toarray)
    net = MLPClassifier((4,), max_iter=1, batch_size=20).fit(wide, y)
    net.predict(wide)
    assert sum(sizes) >= 2 * 3000 * 5000 * 8
    assert max(sizes) <= INFER_ROWS * 5000 * 8 < 3000 * 5000 * 8 / 10


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.usefixtures("many_cpus")
def test_any_number_of_threads_the_same_bits(solver, dtype):
    features = X.astype(dtype)
    settings = {"solver": solver, "max_iter": 4, "random_state": 0, "hidden_layer_sizes": (64, 33)}
    nets = [MLPClassifier(n_threads=n, **settings).fit(features, Y) for n in (1, 2, 3)]
    for net in nets[1:]:
        for a, b in zip(nets[0].coefs_, net.coefs_, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(net.predict_proba(features), nets[0].predict_proba(features))


def test_fastbp_alone_does_not_import_scikit_learn():
    code = "import sys, fastbp; assert 'sklearn' not in sys.modules; "
    code += "import fastbp.sklearn; assert 'sklearn' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_without_scikit_learn():
    code = "import sys; sys.modules['sklearn'] = None; import fastbp, fastbp.sklearn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert (
        "ImportError: fastbp.sklearn needs scikit-learn 1.9 or later: pip install 'fastbp[sklearn]'"
        in done.stderr
    )
