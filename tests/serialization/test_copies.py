"""Nets, histories and the drop-in's estimators through pickle, copy, joblib and cloudpickle: all
that they are."""

import copy
import io
import pickle
import subprocess
import sys

import cloudpickle
import joblib
import numpy as np
import pytest
from helpers.saved_nets import OPTIMIZERS, X, Y, everything, trained

import fastbp
from fastbp.kernels.abi import CACHE_LINE

sklearn = pytest.importorskip("fastbp.sklearn", reason="the drop-in's estimators are copied too")


def through_joblib(thing, **settings):
    file = io.BytesIO()
    joblib.dump(thing, file, **settings)
    file.seek(0)
    return joblib.load(file)


WAYS = {
    f"pickle {p}": lambda thing, p=p: pickle.loads(pickle.dumps(thing, p))
    for p in range(2, pickle.HIGHEST_PROTOCOL + 1)
}
WAYS |= {
    "deepcopy": copy.deepcopy,
    "joblib": through_joblib,
    "joblib compressed": lambda thing: through_joblib(thing, compress=3),
    "cloudpickle": lambda thing: pickle.loads(cloudpickle.dumps(thing)),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_net(way, optimizer):
    net, targets = trained(optimizer=optimizer)
    copied = way(net)
    assert everything(copied) == everything(net)
    before = everything(net)
    for each in (copied, net):
        if each is net:
            assert everything(net) == before  # its copy's training has left it alone
        each.fit(X, targets, epochs=2, batch_size=7, optimizer=optimizer)
    assert everything(copied) == everything(net)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_arrays_begin_with_a_cache_line(way):
    """The parameters and each value of the optimizer's state, of 19 parameters here: else vectors
    lie in two lines each."""
    net = fastbp.MLP([4, 3, 1], output="sigmoid")
    net.fit(np.ones((5, 4)), np.ones(5), epochs=1, optimizer=fastbp.Adam())
    for each in (net, way(net), way(net).astype("float64"), way(net.astype("float64"))):
        state = each.train_state.slots()
        assert len(state) == 2
        assert not any(array.ctypes.data % CACHE_LINE for array in (each.parameters, *state))
        np.testing.assert_array_equal(state, net.train_state.slots().astype(each.dtype))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_history_and_what_divergence_raises(way):
    history = trained(patience=1)[0].history_
    copied = way(history)
    assert copied == history
    copied.loss.append(0.0)
    assert copied != history
    error = way(fastbp.DivergenceError(3, 4, history))
    assert (error.epoch, error.batch, error.history) == (3, 4, history)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_an_estimator(solver, way):
    model = sklearn.MLPClassifier((5,), solver=solver, batch_size=16, random_state=0)
    for _ in range(3):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    copied = way(model)
    for _ in range(2):
        for each in (model, copied):
            each.partial_fit(X, Y)
        assert [w.tobytes() for w in copied.coefs_ + copied.intercepts_] == [
            w.tobytes() for w in model.coefs_ + model.intercepts_
        ]
        np.testing.assert_array_equal(copied.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("mode", ["r", "c", "r+"])
def test_loaded_from_a_file_that_is_mapped(mode, tmp_path):
    """As joblib hands large arrays to its workers: the copy works, learns, and the file stays as it
    is."""
    net, targets = trained()
    model = sklearn.MLPClassifier((5,), random_state=0).partial_fit(X, Y, classes=[0, 1, 2])
    joblib.dump((net, model), tmp_path / "both")
    before = (tmp_path / "both").read_bytes()
    mapped, mapped_model = joblib.load(tmp_path / "both", mmap_mode=mode)
    assert everything(mapped) == everything(net)
    for each in (net, mapped):
        each.fit(X, targets, epochs=1, optimizer=fastbp.Adam())
    for each in (model, mapped_model):
        each.partial_fit(X, Y)
    assert everything(mapped) == everything(net)
    mapped.weights[0][...] = 0
    np.testing.assert_array_equal(mapped_model.predict_proba(X), model.predict_proba(X))
    assert (tmp_path / "both").read_bytes() == before


def test_workers_of_joblib():
    """A net larger than joblib passes by value (1 MB)."""
    net = fastbp.MLP([4, 400, 700, 3], seed=3)
    parts = joblib.Parallel(n_jobs=2, max_nbytes="100K")(
        joblib.delayed(net.predict_proba)(part) for part in (X[:20], X[20:])
    )
    np.testing.assert_array_equal(np.vstack(parts), net.predict_proba(X))


def test_a_net_of_a_class_that_only_the_script_knows():
    """cloudpickle takes along classes and functions that no module has."""
    script = (
        "import cloudpickle, fastbp, sys\n"
        "class Named(fastbp.MLP):\n    name = 'mine'\n"
        "sys.stdout.buffer.write(cloudpickle.dumps((Named([4, 3], seed=2), lambda net: net.name)))"
    )
    dumped = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, timeout=120
    ).stdout
    net, name_of = pickle.loads(dumped)
    assert name_of(net) == "mine"
    np.testing.assert_array_equal(net.predict(X), fastbp.MLP([4, 3], seed=2).predict(X))
