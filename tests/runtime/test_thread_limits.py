"""Limits that the environment sets for the number of threads: every call that names no number
keeps them."""

import os
import subprocess
import sys

import numpy as np
import pytest

import fastbp
from fastbp import functional
from fastbp.runtime import autotune, cpus, spin_pool

LARGE = 10**12  # multiply-adds that pay for any number of threads
RNG = np.random.default_rng(0)
X = RNG.normal(size=(3000, 64))
Y = np.arange(3000) % 10


def net():
    return fastbp.MLP([64, 300, 10], seed=0)


CALLS = {
    "fit": lambda **n: net().fit(X, Y, epochs=1, batch_size=1500, **n),
    "fit with validation": lambda **n: net().fit(
        X, Y, epochs=1, batch_size=1500, X_val=X, y_val=Y, **n
    ),
    "partial_fit": lambda **n: net().partial_fit(X, Y, **n),
    "loss_and_gradients": lambda **n: net().loss_and_gradients(X, Y, **n),
    "dense_forward": lambda **n: functional.dense_forward(
        X, np.ones((64, 900)), np.ones(900), "tanh", **n
    ),
    "dense_backward": lambda **n: functional.dense_backward(
        np.ones((3000, 900)), X, np.ones((64, 900)), **n
    ),
}
WITHOUT_ARGUMENT = {
    "predict": lambda: net().predict(X),
    "forward": lambda: net().forward(X),
    "loss": lambda: net().loss(X, Y),
    "sigmoid": lambda: functional.sigmoid(X),
    "softmax": lambda: functional.softmax(X),
}


@pytest.mark.parametrize("variable", ["FASTBP_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"])
@pytest.mark.parametrize("name", [*CALLS, *WITHOUT_ARGUMENT])
def test_every_default_is_limited(name, variable, threads_of, monkeypatch):
    call = (CALLS | WITHOUT_ARGUMENT)[name]
    assert max(threads_of(call)) > 2
    monkeypatch.setenv(variable, "2")
    monkeypatch.setattr(spin_pool, "_pool", None)  # which counts anew every 50 ms only
    assert max(threads_of(call)) == 2
    monkeypatch.setenv(variable, "1")
    monkeypatch.setattr(spin_pool, "_pool", None)
    assert threads_of(call) <= {1}


@pytest.mark.parametrize("name", CALLS)
def test_an_explicit_number_wins(name, threads_of, monkeypatch):
    monkeypatch.setenv("FASTBP_NUM_THREADS", "1")
    assert max(threads_of(lambda: CALLS[name](n_threads=3))) == 3


@pytest.mark.parametrize(
    ("environment", "limit"),
    [
        ({}, np.inf),
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "3", "NUMBA_NUM_THREADS": "2"}, 2),
        ({"OMP_NUM_THREADS": "2", "FASTBP_NUM_THREADS": "5"}, 2),
        ({"FASTBP_NUM_THREADS": " 7 "}, 7),
        ({"FASTBP_NUM_THREADS": ""}, np.inf),
        # for nested loops, as OpenMP has it
        ({"OMP_NUM_THREADS": "4,2"}, 4),
        ({"OMP_NUM_THREADS": " 4 , 2"}, 4),
        ({"OMP_NUM_THREADS": "+3"}, 3),
        # what OpenMP and Numba report themselves, and do not use
        ({"OMP_NUM_THREADS": "abc"}, np.inf),
        ({"OMP_NUM_THREADS": "0"}, np.inf),
        ({"OMP_NUM_THREADS": "-1"}, np.inf),
        ({"OMP_NUM_THREADS": ""}, np.inf),
        ({"OMP_NUM_THREADS": "2.5", "NUMBA_NUM_THREADS": "x"}, np.inf),
    ],
)
def test_values(environment, limit, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cpus.environment_limit() == limit
    monkeypatch.setattr(autotune, "available_cpus", lambda: 8)
    assert autotune.thread_count(None, LARGE) == min(limit, 8)
    assert autotune.thread_counts(None, LARGE)[0] == min(limit, 8)
    assert autotune.thread_counts(3, LARGE) == [3]


@pytest.mark.parametrize("value", ["abc", "0", "-1", "2.5", "4,2", " "])
def test_bad_values_are_named(value, monkeypatch, many_cpus):
    """Before anything is changed, and not when fastbp is imported."""
    monkeypatch.setenv("FASTBP_NUM_THREADS", value)
    made = net()
    before = [w.tobytes() for w in made.weights]
    for call in (
        lambda: made.fit(X, Y, epochs=1, batch_size=1500),
        lambda: made.predict(X),
        lambda: functional.sigmoid(X),
    ):
        with pytest.raises(ValueError, match="FASTBP_NUM_THREADS must be a whole number from 1"):
            call()
    assert [w.tobytes() for w in made.weights] == before
    assert not hasattr(made, "history_") or made.history_ is None
    code = "import fastbp, fastbp.functional"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize(
    ("jobs", "inner", "limit"), [(2, None, max(1, (os.cpu_count() or 1) // 2)), (2, 3, 3)]
)
def test_workers_of_joblib_have_their_share(jobs, inner, limit):
    """joblib sets it in the environment of its processes."""
    pytest.importorskip("joblib")
    code = f"""
import joblib, sys
from fastbp.runtime.cpus import environment_limit
if __name__ == "__main__":
    with joblib.parallel_config("loky", n_jobs={jobs}, inner_max_num_threads={inner}):
        print(*joblib.Parallel()(joblib.delayed(environment_limit)() for _ in range(4)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == [str(limit)] * 4
