"""The same numbers as scikit-learn's, given the same random_state."""

import numpy as np
import pytest
from helpers.parity import CASES, data, differences
from sklearn import neural_network

import fastbp.sklearn

SMOOTH = [
    name
    for name, (_, settings, _) in CASES.items()
    if settings.get("activation") in ("tanh", "logistic", "identity")
]


@pytest.mark.parametrize("name", CASES)
def test_float64(name):
    curve, parameters, theirs, ours = differences(name)
    assert curve < 1e-10
    assert parameters < 1e-10
    for attribute in ("best_loss_", "best_validation_score_", "validation_scores_", "loss_"):
        expected, got = (getattr(net, attribute, None) for net in (theirs, ours))
        assert (expected is None) == (got is None)
        if expected is not None:
            np.testing.assert_allclose(got, expected, rtol=1e-10)
    X = data(CASES[name][0])[0]
    if hasattr(ours, "classes_"):
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    values = "predict_proba" if hasattr(ours, "classes_") else "predict"
    np.testing.assert_allclose(
        getattr(ours, values)(X), getattr(theirs, values)(X), rtol=1e-10, atol=1e-12
    )
    if hasattr(ours, "_optimizer"):
        assert ours._optimizer.learning_rate == pytest.approx(
            theirs._optimizer.learning_rate, rel=1e-14
        )
        for moment in ("ms", "vs"):
            for a, b in zip(
                getattr(theirs._optimizer, moment, []),
                getattr(ours._optimizer, moment, []),
                strict=True,
            ):
                np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-12 * abs(a).max())


@pytest.mark.parametrize("name", SMOOTH)
def test_float32(name):
    curve, parameters, _, _ = differences(name, "float32")
    assert curve < 1e-4
    assert parameters < 1e-4


@pytest.mark.parametrize(
    "case", ["zero weights", "weights of a batch that cancel", "poisson below 0"]
)
def test_what_cannot_be_averaged(case):
    """The same error, or the same NaN."""
    X, y = data("diabetes")
    weight = np.ones(len(X))
    if case == "zero weights":
        weight[:] = 0
    elif case == "weights of a batch that cancel":
        weight[:50] = -1
    outcomes = []
    for module in (neural_network, fastbp.sklearn):
        loss = "poisson" if case == "poisson below 0" else "squared_error"
        net = module.MLPRegressor(loss, max_iter=2, random_state=0, batch_size=100, shuffle=False)
        try:
            with np.errstate(all="ignore"):
                net.fit(X, y, sample_weight=weight)
            outcomes.append(net.loss_curve_)
        except (ZeroDivisionError, ValueError) as error:
            outcomes.append(repr(error))
    if isinstance(outcomes[0], str):
        assert outcomes[0] == outcomes[1]
    else:
        np.testing.assert_array_equal(*outcomes)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_divergence_is_followed(early_stopping):
    """Past overflow, through the very same number of epochs, to the same end."""
    X, y = data("diabetes")
    outcomes = []
    for module in (neural_network, fastbp.sklearn):
        net = module.MLPRegressor(
            activation="identity",
            solver="sgd",
            learning_rate_init=1,
            max_iter=30,
            random_state=0,
            early_stopping=early_stopping,
        )
        error = None
        with np.errstate(all="ignore"):
            try:
                net.fit(X, 1000 * y)
            except ValueError as caught:
                error = str(caught)
        scores = (
            np.isnan(net.validation_scores_).tolist() if early_stopping else net.validation_scores_
        )
        outcomes.append((error, net.n_iter_, np.isfinite(net.loss_curve_).tolist(), scores))
    assert outcomes[0] == outcomes[1]
    assert not all(outcomes[0][2])


@pytest.mark.parametrize(("epochs", "tolerance"), [(15, 1e-11), (50, 1e-6)])
def test_lbfgs_parts_slowly(epochs, tolerance):
    """docs/sklearn/parity.md has the whole course: after 200 iterations they differ visibly."""
    X, y = data("diabetes")
    nets = [
        module.MLPRegressor(solver="lbfgs", max_iter=epochs, random_state=1).fit(X, y)
        for module in (neural_network, fastbp.sklearn)
    ]
    for a, b in zip(nets[0].coefs_, nets[1].coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * abs(a).max())
