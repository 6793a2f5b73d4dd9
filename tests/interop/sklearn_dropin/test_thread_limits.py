"""Limits of threadpoolctl, which are usual around scikit-learn's estimators."""

import functools
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
from sklearn import neural_network
from threadpoolctl import threadpool_limits

import fastbp
from fastbp.sklearn import MLPClassifier, threads

X = np.random.default_rng(0).normal(size=(3000, 64))
Y = np.arange(3000) % 10
SMALL = {"hidden_layer_sizes": (300,), "max_iter": 1, "random_state": 0}


def fit(kind=MLPClassifier, X_val=None, **settings):
    validation = {} if X_val is None else {"X_val": X_val, "y_val": Y}
    return kind(**SMALL | settings).fit(X, Y, **validation)


@functools.cache
def fitted():
    return fit()


CALLS = {
    "adam": lambda **n: fit(batch_size=1500, **n),
    "lbfgs": lambda **n: fit(solver="lbfgs", **n),
    "early stopping": lambda **n: fit(batch_size=1500, early_stopping=True, **n),
    "validation": lambda **n: fit(batch_size=1500, X_val=X, **n),
    "predict": lambda **n: fitted().set_params(**{"n_threads": None} | n).predict(X),
    "predict_proba": lambda **n: (
        fitted().set_params(**{"n_threads": None} | n).predict_proba(scipy.sparse.csr_array(X))
    ),
}


@pytest.mark.parametrize("api", [None, "blas", "openmp"])
@pytest.mark.parametrize("name", CALLS)
def test_limits_are_kept(name, api, threads_of):
    with threadpool_limits(3, user_api=api):
        assert max(threads_of(CALLS[name])) in (2, 3)
    with threadpool_limits(1, user_api=api):
        assert threads_of(CALLS[name]) == {1}
        assert max(threads_of(lambda: CALLS[name](n_threads=4))) > 1, "an explicit number wins"


def test_under_patching_and_not_in_the_own_classes(threads_of):
    with threadpool_limits(1):
        with fastbp.patch_sklearn():
            assert threads_of(lambda: fit(neural_network.MLPClassifier, batch_size=1500)) == {1}
        net = fastbp.MLP([64, 300, 10])
        assert max(threads_of(lambda: net.fit(X, Y, epochs=1, batch_size=1500))) > 1


def test_the_environment_limits_as_well(threads_of, monkeypatch):
    monkeypatch.setenv("FASTBP_NUM_THREADS", "2")
    with threadpool_limits(3):
        assert max(threads_of(CALLS["adam"])) == 2


def test_small_nets_do_not_look(monkeypatch):
    """Where one thread is fastest anyway, the libraries' limits, 10 us, are not read."""
    monkeypatch.setattr("fastbp.sklearn.threads._libraries", None)
    net = MLPClassifier((10,), max_iter=2).fit(X[:60], Y[:60])
    net.partial_fit(X[:60], Y[:60])
    net.predict(X[:60])


def test_libraries_are_looked_for_by_one_thread_at_a_time(monkeypatch):
    """Of several that fit for the first time: threadpoolctl may deadlock otherwise."""
    inside = []
    most = []

    def controller():
        inside.append(None)
        most.append(len(inside))
        time.sleep(0.02)
        inside.pop()
        return SimpleNamespace(lib_controllers=[])

    threads._libraries.cache_clear()
    try:
        monkeypatch.setattr(threads, "_get_threadpool_controller", controller)
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda _: threads.library_limit(), range(6)))
    finally:
        threads._libraries.cache_clear()
    assert set(most) == {1}
