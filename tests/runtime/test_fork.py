"""Processes started from one that has trained, in every usual way: parent and children get the same
bits."""

import copy
import hashlib
import multiprocessing
import os

import joblib
import numpy as np
import pytest

import fastbp

RNG = np.random.default_rng(8)
X = RNG.normal(size=(400, 30))
Y = RNG.integers(0, 4, 400)
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def trained(n_threads=None):
    net = fastbp.MLP([30, 50, 4], seed=3)
    net.fit(X, Y, epochs=3, optimizer=fastbp.Adam(), n_threads=n_threads)
    return net


def work(net, n_threads=2):
    """Predict with the net, train it further, and train another one. Returns a digest of all."""
    predicted = [net.predict_proba(X[:n]).tobytes() for n in (1, 400)]
    net.fit(X, Y, epochs=2, optimizer=fastbp.Adam(), n_threads=n_threads)
    parts = [
        *predicted,
        net._parameters.tobytes(),
        net._state.tobytes(),
        trained(n_threads)._parameters.tobytes(),
    ]
    return hashlib.sha256(b"".join(parts)).hexdigest()


@pytest.fixture(scope="module")
def wanted():
    """The digest of this process, before and after its children."""
    first = work(trained(), n_threads=1)
    yield first
    assert work(trained(), n_threads=2) == first


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_multiprocessing(method, wanted):
    net = trained(n_threads=2)
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(work, [net] * 4) == [wanted] * 4
    assert work(net) == wanted


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_joblib(backend, wanted):
    net = trained(n_threads=2)
    got = joblib.Parallel(n_jobs=2, backend=backend)(
        joblib.delayed(work)(copy.deepcopy(net)) for _ in range(4)
    )
    assert got == [wanted] * 4
    assert work(net) == wanted
    if backend == "loky":
        joblib.externals.loky.get_reusable_executor().shutdown()


def forked(task):
    """Fork a child that sends the task's result. Returns its id and the pipe to read from."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write_end, task().encode())
        finally:
            os._exit(0)
    os.close(write_end)
    return pid, read_end


def results(children):
    texts = []
    for pid, read_end in children:
        with open(read_end) as pipe:
            texts.append(pipe.read())
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return texts


@needs_fork
def test_workers_of_a_server(wanted):
    """Forked from a parent that has used the model, as gunicorn's with preload_app; all run at
    once."""
    net = trained(n_threads=2)
    net.predict(X)
    children = [forked(lambda: work(net)) for _ in range(4)]
    assert work(net) == wanted
    assert results(children) == [wanted] * 4


@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_forked_in_the_middle_of_a_fit(n_threads, wanted):
    """By a callback, while workers wait that the child does not have; the parent goes on training
    the net."""
    children = []
    copied = trained()

    def callback(net, history):
        if history.n_epochs == 2:
            children.append(forked(lambda: work(copied)))

    net, plain = trained(), trained()
    net.fit(X, Y, epochs=4, n_threads=n_threads, callbacks=callback)
    plain.fit(X, Y, epochs=4)
    assert results(children) == [wanted]
    assert net._parameters.tobytes() == plain._parameters.tobytes()
