"""What is said on the way, and when it ends, is scikit-learn's too."""

import signal
import warnings

import numpy as np
import pytest
from helpers.parity import data
from sklearn import neural_network

import fastbp.sklearn

MODULES = (neural_network, fastbp.sklearn)


def course(module, capsys, **settings):
    """What a fit prints and warns of."""
    X, y = data("cancer")
    net = module.MLPClassifier(random_state=0, **settings)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net.fit(X, y)
    return capsys.readouterr().out, [(w.category, str(w.message)) for w in caught], net


@pytest.mark.parametrize(
    "settings",
    [
        {"max_iter": 3},
        {"max_iter": 300, "tol": 1e-2},
        {"max_iter": 300, "early_stopping": True, "n_iter_no_change": 2},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 1e-2, "max_iter": 400},
        {"max_iter": 2, "batch_size": 5000},
        {"solver": "lbfgs", "max_iter": 4},
    ],
    ids=str,
)
def test_words(settings, capsys):
    (out, warned, _), (ours_out, ours_warned, net) = (
        course(m, capsys, verbose=True, **settings) for m in MODULES
    )
    assert ours_warned == warned
    if settings.get("solver") != "lbfgs":  # where scipy itself prints
        assert ours_out == out
        assert f"Iteration {net.n_iter_}, loss = " in out


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_ctrl_c(module, monkeypatch):
    """A warning, and a net that predicts; the epochs so far are counted."""
    X, y = data("cancer")
    net = module.MLPClassifier(random_state=0, max_iter=50)
    seen = []

    def press(self, t):
        seen.append(t)
        if len(seen) == 4:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer.iteration_ends", press
    )
    with pytest.warns(UserWarning, match=r"^Training interrupted by user\.$"):
        net.fit(X, y)
    assert net.n_iter_ == len(net.loss_curve_) == 4
    assert net.score(X, y) > 0.5


def test_ctrl_c_within_an_epoch(monkeypatch):
    """The count of steps, the parameters and the loss curve agree on what has been done."""
    from fastbp.kernels.entries import train as kernel

    X, y = data("digits")
    net = fastbp.sklearn.MLPClassifier(random_state=0, max_iter=50, batch_size=20)
    kernel.load_dtype("float64")
    real = kernel.call
    calls = []

    def train(*args):
        calls.append(args)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return real(*args)

    monkeypatch.setattr(kernel, "call", train)
    monkeypatch.setattr("fastbp.runtime.autotune.SLICE_SECONDS", 0)  # a step a call
    with pytest.warns(UserWarning, match="interrupted"):
        net.fit(X, y)
    assert len(net.loss_curve_) == net.n_iter_ < 3
    assert 0 < net._optimizer.t < 90 * (net.n_iter_ + 1)
    assert np.isfinite(net.predict_proba(X)).all()


def test_parameters_replaced_by_the_caller():
    """Arrays that the caller puts into coefs_ are used and trained, as in scikit-learn."""
    X, y = data("digits")
    nets = [m.MLPClassifier(random_state=0, max_iter=3).fit(X, y) for m in MODULES]
    rng = np.random.default_rng(0)
    W = rng.normal(size=nets[0].coefs_[1].shape)
    b = rng.normal(size=10)
    for net in nets:
        net.coefs_[1], net.intercepts_[1] = W.copy(), b.copy()
        net.coefs_[0][3] = 0
    np.testing.assert_allclose(nets[1].predict_proba(X), nets[0].predict_proba(X), rtol=1e-9)
    for net in nets:
        net.coefs_[1][:] = 2 * W
        net.intercepts_[1][:] = 0
    np.testing.assert_allclose(
        nets[1].predict_proba(X[:3]), nets[0].predict_proba(X[:3]), rtol=1e-9
    )
    for net in nets:
        net.partial_fit(X, y)
    np.testing.assert_allclose(nets[1].coefs_[1], nets[0].coefs_[1], rtol=1e-9)


def test_settings_changed_between_partial_fits():
    """alpha is looked up each time, the optimizer's settings are the first call's."""
    X, y = data("cancer")
    nets = [m.MLPClassifier(random_state=0, solver="sgd", hidden_layer_sizes=(7,)) for m in MODULES]
    for net in nets:
        net.partial_fit(X, y, classes=[0, 1])
        net.set_params(alpha=10.0, learning_rate_init=0.5, momentum=0.1)
        net.partial_fit(X, y)
        assert net._optimizer.momentum == 0.9
    for a, b in zip(nets[0].coefs_, nets[1].coefs_, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-10)
