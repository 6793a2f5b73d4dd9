"""Subclasses with arithmetic of their own: while patched they compute what they compute without,
and the logger says so."""

import logging
import pickle
import warnings

import numpy as np
import pytest

base = pytest.importorskip(
    "sklearn.neural_network._multilayer_perceptron", reason="it is scikit-learn's arithmetic"
)
import fastbp.sklearn as ours  # noqa: E402

RNG = np.random.default_rng(3)
X = RNG.normal(size=(60, 5))
Y = {
    "MLPClassifier": np.arange(60) % 3,
    "MLPRegressor": X[:, :2] @ np.array([[1.0, 0.5], [-1.0, 2.0]]),
}
SETTINGS = {"hidden_layer_sizes": (6, 4), "batch_size": 16, "max_iter": 8, "random_state": 0}
WAYS = {
    "adam": {},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.05},
    "early stopping": {"early_stopping": True},
    "lbfgs": {"solver": "lbfgs"},
}


def noisy_hidden(kind):
    """Other activations than the kernels would make: the first hidden layer's are halved."""

    class NoisyHidden(kind):
        def _forward_pass(self, activations):
            activations = super()._forward_pass(activations)
            for i in range(1, len(activations) - 1):
                activations[i] *= 0.5
                activations[i + 1] = activations[i] @ self.coefs_[i] + self.intercepts_[i]
                if i + 1 < len(activations) - 1:
                    base.ACTIVATIONS[self.activation](activations[i + 1])
            base.ACTIVATIONS[self.out_activation_](activations[-1])
            return activations

    return NoisyHidden


def clipped_gradient(kind):
    """Other gradients."""

    class ClippedGradient(kind):
        def _backprop(self, *arguments):
            loss, coef_grads, intercept_grads = super()._backprop(*arguments)
            for i, gradient in enumerate(coef_grads):
                coef_grads[i] = np.clip(gradient, -0.01, 0.01)
            return loss, coef_grads, intercept_grads

    return ClippedGradient


def no_bias(kind):
    """Other gradients, from a method that only scikit-learn's own calls."""

    class NoBias(kind):
        def _compute_loss_grad(
            self, layer, n_samples, activations, deltas, coef_grads, intercept_grads
        ):
            super()._compute_loss_grad(
                layer, n_samples, activations, deltas, coef_grads, intercept_grads
            )
            intercept_grads[layer] = np.zeros_like(intercept_grads[layer])

    return NoBias


def doubled_output(kind):
    """Other predictions."""

    class DoubledOutput(kind):
        def _forward_pass_fast(self, X, check_input=True):
            return 2 * super()._forward_pass_fast(X, check_input=check_input) % 1

    return DoubledOutput


CHANGES = {
    "_forward_pass": noisy_hidden,
    "_backprop": clipped_gradient,
    "_compute_loss_grad": no_bias,
    "_forward_pass_fast": doubled_output,
}


def fit(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", base.ConvergenceWarning)
        kind = next(name for name in Y if isinstance(estimator, getattr(base, name)))
        return estimator.fit(X, Y[kind])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", Y)
@pytest.mark.parametrize("changed", CHANGES)
def test_it_computes_what_it_says(changed, name, way, caplog):
    settings = SETTINGS | WAYS[way]
    theirs = fit(CHANGES[changed](getattr(base, name))(**settings))
    with caplog.at_level(logging.INFO, "fastbp"):
        mine = fit(CHANGES[changed](getattr(ours, name))(**settings))
    kind = type(mine).__name__
    assert caplog.messages == [f"{kind}.fit: handed to scikit-learn: {kind} has its own {changed}"]
    for a, b in zip(
        mine.coefs_ + mine.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True
    ):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(mine.predict(X), theirs.predict(X))
    plain = fit(getattr(base, name)(**settings))
    same = all(map(np.array_equal, plain.coefs_, theirs.coefs_)) and np.array_equal(
        plain.predict(X), theirs.predict(X)
    )
    assert not same  # the change is one


def test_a_subclass_of_one_is_handed_over_too(caplog):
    class Derived(clipped_gradient(ours.MLPClassifier)):
        pass

    with caplog.at_level(logging.INFO, "fastbp"):
        fit(Derived(**SETTINGS))
    assert caplog.messages == [
        "Derived.fit: handed to scikit-learn: ClippedGradient has its own _backprop"
    ]


def test_partial_fit(caplog):
    models = [clipped_gradient(module.MLPClassifier)(**SETTINGS) for module in (base, ours)]
    with caplog.at_level(logging.INFO, "fastbp"):
        for model in models:
            for _ in range(3):
                model.partial_fit(X, Y["MLPClassifier"], classes=[0, 1, 2])
    reason = (
        "ClippedGradient.partial_fit: handed to scikit-learn: ClippedGradient has its own _backprop"
    )
    assert caplog.messages == [reason] * 3
    np.testing.assert_array_equal(models[0].coefs_[0], models[1].coefs_[0])


def test_a_subclass_that_changes_no_arithmetic_is_accelerated(caplog):
    class Plain(ours.MLPClassifier):
        def _init_coef(self, fan_in, fan_out, dtype):
            coef, intercept = super()._init_coef(fan_in, fan_out, dtype)
            return coef, intercept + 1

        def score(self, X, y):
            return -1.0

    with caplog.at_level(logging.INFO, "fastbp"):
        model = fit(Plain(**SETTINGS))
    assert caplog.messages == ["Plain.fit: accelerated"]
    assert (model.intercepts_[0] > 0.1).all()  # it started from 1
    assert "_fallback_reason" not in pickle.dumps(ours.MLPClassifier()).decode("latin1")


EXTRAS = [
    ({"class_weight": "balanced"}, {}, "class_weight"),
    ({"activation": "elu"}, {}, "activation='elu'"),
    ({"activation": ["relu", "tanh"]}, {}, r"activation=\['relu', 'tanh'\]"),
    ({}, {"X_val": X, "y_val": Y["MLPClassifier"]}, "X_val"),
]


@pytest.mark.parametrize(("settings", "arguments", "name"), EXTRAS)
def test_extras_that_scikit_learn_has_not_are_refused(settings, arguments, name):
    model = clipped_gradient(ours.MLPClassifier)(**SETTINGS | settings)
    with pytest.raises(
        ValueError,
        match=f"^{name} is not for scikit-learn's own arithmetic, and ClippedGradient has its own",
    ):
        model.fit(X, Y["MLPClassifier"], **arguments)
    assert not hasattr(model, "coefs_")
