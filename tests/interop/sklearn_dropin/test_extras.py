"""Features beyond scikit-learn's: activations, class weights, a validation set, callbacks."""

import numpy as np
import pytest
from helpers.parity import data
from helpers.problems import HIDDEN
from sklearn import neural_network
from sklearn.callback import ScoringMonitor
from sklearn.model_selection import GridSearchCV
from sklearn.utils.class_weight import compute_sample_weight

from fastbp.base.activations import ACTIVATIONS
from fastbp.sklearn import MLPClassifier, MLPRegressor

X, Y = data("cancer")


# ---- activations


def test_one_name_a_layer_is_the_same_as_one_for_all():
    for name in ("logistic", "tanh", "relu"):
        settings = {"hidden_layer_sizes": (9, 7), "max_iter": 3, "random_state": 0}
        one, each = (
            MLPClassifier(activation=a, **settings).fit(X, Y) for a in (name, [name, name])
        )
        for a, b in zip(one.coefs_ + one.intercepts_, each.coefs_ + each.intercepts_, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "activation",
    [
        *(name for name in HIDDEN if ACTIVATIONS[name].sklearn is None),
        ("elu", "tanh"),
        ("logistic", "leaky_relu"),
        ("gelu", "mish"),
    ],
)
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_gradient(kind, activation):
    """Of each activation that scikit-learn lacks, against central differences of the loss."""
    net = kind(
        hidden_layer_sizes=(5, 4), activation=activation, max_iter=1, random_state=0, alpha=0.3
    ).fit(X[:60], Y[:60])
    y = Y[:60, None] == 1 if kind is MLPClassifier else Y[:60, None].astype(float)
    weight = np.random.default_rng(0).uniform(0.5, 2, 60)
    flat = np.hstack([a.ravel() for a in net.coefs_ + net.intercepts_])
    net._coef_indptr = []
    net._intercept_indptr = []
    at = 0
    for w in net.coefs_:
        net._coef_indptr.append((at, at + w.size, w.shape))
        at += w.size
    for b in net.intercepts_:
        net._intercept_indptr.append((at, at + b.size))
        at += b.size

    def loss_and_gradient(at):
        return net._loss_grad_lbfgs(at.copy(), X[:60], y, weight, None, None, None, None)

    _, gradient = loss_and_gradient(flat)
    for i in np.random.default_rng(1).choice(flat.size, 40, replace=False):
        step = np.zeros(flat.size)
        step[i] = 1e-5
        slope = (loss_and_gradient(flat + step)[0] - loss_and_gradient(flat - step)[0]) / 2e-5
        assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_each_layers_own_activation_is_used():
    net = MLPRegressor(
        hidden_layer_sizes=(6, 5), activation=("elu", "softplus"), max_iter=2, random_state=0
    ).fit(X, Y)
    a = X @ net.coefs_[0] + net.intercepts_[0]
    a = np.where(a < 0, np.expm1(a), a) @ net.coefs_[1] + net.intercepts_[1]
    a = np.logaddexp(0, a) @ net.coefs_[2] + net.intercepts_[2]
    np.testing.assert_allclose(net.predict(X), a[:, 0], rtol=1e-10)
    bounds = [np.sqrt(6 / (X.shape[1] + 6)), np.sqrt(6 / 11)]
    fresh = MLPRegressor(
        hidden_layer_sizes=(6, 5),
        activation=("elu", "softplus"),
        max_iter=1,
        learning_rate_init=1e-12,
    ).fit(X, Y)
    for w, bound in zip(fresh.coefs_, bounds, strict=False):
        assert 0.8 * bound < abs(w).max() <= bound


@pytest.mark.parametrize(
    ("activation", "words"),
    [
        ("swish", "The 'activation' parameter of MLPClassifier must be a str among"),
        (["relu"], "activation must be one name, or one for each of the 2 hidden layers, got 1"),
        (["relu", "swish"], "activation must be one of .*, got 'swish'"),
        (["relu", "swish", "tanh"], "activation must be one name, or one for each"),
        ([], "activation must be one name, or one for each"),
    ],
)
def test_bad_activations(activation, words):
    with pytest.raises(ValueError, match=words):
        MLPClassifier((5, 4), activation).fit(X, Y)


# ---- class weights


@pytest.mark.parametrize("class_weight", ["balanced", {0: 5.0}, {0: 0.5, 1: 2.0}])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_class_weights_are_sample_weights(class_weight, solver):
    settings = {"solver": solver, "max_iter": 5, "random_state": 0}
    extra = np.linspace(0.5, 2, len(X))
    net = MLPClassifier(class_weight=class_weight, **settings).fit(X, Y, sample_weight=extra)
    theirs = neural_network.MLPClassifier(**settings)
    theirs.fit(X, Y, sample_weight=extra * compute_sample_weight(class_weight, Y))
    np.testing.assert_allclose(net.coefs_[0], theirs.coefs_[0], rtol=1e-9, atol=1e-12)


def test_class_weights_of_text_and_in_partial_fit():
    text = np.array(["no", "yes"])[Y]
    nets = [MLPClassifier(class_weight=w, random_state=0) for w in ({"yes": 3.0}, None)]
    nets[0].partial_fit(X, text, classes=["no", "yes"])
    nets[1].partial_fit(X, text, sample_weight=np.where(Y == 1, 3.0, 1.0), classes=["no", "yes"])
    np.testing.assert_array_equal(nets[0].coefs_[0], nets[1].coefs_[0])
    with pytest.raises(ValueError, match="class_weight='balanced' is not for partial_fit"):
        MLPClassifier(class_weight="balanced").partial_fit(X, Y, classes=[0, 1])


def test_a_part_of_y_may_lack_a_class_with_a_weight():
    nets = [
        MLPClassifier(class_weight=w, random_state=0).partial_fit(X, Y, classes=[0, 1])
        for w in ({1: 3.0}, None)
    ]
    none_of_1 = Y == 0
    for net in nets:
        net.partial_fit(X[none_of_1], Y[none_of_1])
    assert np.isfinite(nets[0].coefs_[0]).all()
    with pytest.raises(ValueError, match="not in class_weight"):
        MLPClassifier(class_weight={7: 3.0}).partial_fit(X, Y, classes=[0, 1])


def test_class_weights_of_labels():
    labels = np.column_stack([Y, X[:, 0] > 0]).astype(int)
    weights = [{0: 1.0, 1: 3.0}, {0: 2.0, 1: 1.0}]
    net = MLPClassifier(class_weight=weights, max_iter=3, random_state=0)
    theirs = neural_network.MLPClassifier(max_iter=3, random_state=0)
    net.fit(X, labels)
    theirs.fit(X, labels, sample_weight=compute_sample_weight(weights, labels))
    np.testing.assert_allclose(net.coefs_[0], theirs.coefs_[0], rtol=1e-9, atol=1e-12)


# ---- a validation set of the caller's own


def losses_after_each_epoch(kind, settings, rows, y_val, loss):
    """By fitting anew for one epoch more each time."""
    found = []
    for epochs in (1, 2, 3):
        net = kind(**settings | {"max_iter": epochs}).fit(X[rows:], Y[rows:])
        found.append(loss(net, X[:rows], y_val))
    return found


def test_validation_loss_curve():
    settings = {"random_state": 0, "max_iter": 3}
    net = MLPClassifier(**settings).fit(X[100:], Y[100:], X_val=X[:100], y_val=Y[:100])

    def log_loss(net, X, y):
        return -np.log(net.predict_proba(X)[np.arange(len(y)), y]).mean()

    expected = losses_after_each_epoch(MLPClassifier, settings, 100, Y[:100], log_loss)
    np.testing.assert_allclose(net.validation_loss_curve_, expected, rtol=1e-10)
    plain = MLPClassifier(**settings).fit(X[100:], Y[100:])
    assert plain.validation_loss_curve_ is None
    np.testing.assert_array_equal(plain.coefs_[0], net.coefs_[0])


def test_validation_loss_curve_of_a_regression():
    settings = {"random_state": 0, "max_iter": 3}
    net = MLPRegressor(**settings).fit(X[100:], Y[100:], X_val=X[:100], y_val=Y[:100])
    expected = losses_after_each_epoch(
        MLPRegressor, settings, 100, Y[:100], lambda n, X, y: ((n.predict(X) - y) ** 2).mean() / 2
    )
    np.testing.assert_allclose(net.validation_loss_curve_, expected, rtol=1e-10)


def test_validation_set_for_early_stopping():
    """It is what is scored, nothing of X is held out, and the best weights come back."""
    net = MLPClassifier(early_stopping=True, random_state=0, max_iter=200, n_iter_no_change=3)
    net.fit(X[100:], Y[100:], X_val=X[:100], y_val=Y[:100])
    assert len(net.validation_scores_) == len(net.validation_loss_curve_) == net.n_iter_ < 200
    assert net.t_ == net.n_iter_ * (len(X) - 100)
    assert net.score(X[:100], Y[:100]) == net.best_validation_score_ == max(net.validation_scores_)
    warm = MLPClassifier(warm_start=True, max_iter=2).fit(X, Y, X_val=X, y_val=Y)
    assert len(warm.fit(X, Y, X_val=X, y_val=Y).validation_loss_curve_) == 4
    assert (
        MLPClassifier(max_iter=2).fit(X, Y, X_val=X, y_val=Y).fit(X, Y).validation_loss_curve_
        is None
    )


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        ({"X_val": X}, {}, "X_val and y_val go together, got only X_val"),
        ({"y_val": Y}, {}, "X_val and y_val go together, got only y_val"),
        (
            {"X_val": X, "y_val": Y},
            {"solver": "lbfgs"},
            "X_val and y_val need solver='sgd' or 'adam', got solver='lbfgs'",
        ),
        ({"X_val": X[:, 1:], "y_val": Y}, {}, "X_val has 29 features, but X has 30"),
        ({"X_val": X[1:], "y_val": Y}, {}, "inconsistent numbers of samples"),
        ({"X_val": X * np.nan, "y_val": Y}, {}, "X_val contains NaN"),
        ({"X_val": X, "y_val": Y + 1}, {}, r"y_val has the labels \[2\], which y has not"),
        ({"X_val": X, "y_val": np.column_stack([Y, Y])}, {}, "y_val has 2 columns, but y has 1"),
    ],
)
def test_bad_validation_sets(arguments, settings, words):
    with pytest.raises(ValueError, match=words):
        MLPClassifier(max_iter=2, **settings).fit(X, Y, **arguments)


# ---- callbacks: scikit-learn's own protocol


class Recorder:
    """A callback that records its calls, and requests to stop after some epochs."""

    def __init__(self, stop_after=None):
        self.calls = []
        self.losses = []
        self.stop_after = stop_after

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        assert X is not None
        assert y is not None
        self.calls.append(f"begin {context.task_name} {context.task_id}")

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self.calls.append(f"end {context.task_name} {context.task_id}")
        self.losses.append(fitted_estimator.score(X, y))
        return self.stop_after is not None and context.task_id + 1 == self.stop_after


def test_callbacks():
    recorder = Recorder(stop_after=3)
    net = MLPClassifier(random_state=0, max_iter=10).set_callbacks(recorder).fit(X, Y)
    epochs = [call for i in range(3) for call in (f"begin epoch {i}", f"end epoch {i}")]
    assert recorder.calls == ["setup", "begin fit 0", *epochs, "end fit 0", "teardown"]
    assert net.n_iter_ == 3
    # Each epoch's own net was scored, not the last one's.
    expected = [MLPClassifier(random_state=0, max_iter=n).fit(X, Y).score(X, Y) for n in (1, 2, 3)]
    assert recorder.losses == [*expected, expected[-1]]
    plain = MLPClassifier(random_state=0, max_iter=3).fit(X, Y)
    np.testing.assert_array_equal(plain.coefs_[0], net.coefs_[0])


def test_callbacks_of_scikit_learn():
    monitor = ScoringMonitor(scoring="neg_log_loss")
    MLPClassifier(max_iter=4, random_state=0).set_callbacks(monitor).fit(X, Y)
    assert monitor.get_logs()
    searches = [
        GridSearchCV(net(max_iter=2, random_state=0), {"alpha": [0.1, 1.0]}, cv=2)
        for net in (MLPClassifier, neural_network.MLPClassifier)
    ]
    searches[0].set_callbacks(ScoringMonitor(scoring="accuracy"))
    scores = [search.fit(X, Y).cv_results_["mean_test_score"].tolist() for search in searches]
    assert scores[0] == scores[1]


def test_callbacks_with_lbfgs_see_the_fit_only():
    recorder = Recorder()
    MLPClassifier(solver="lbfgs", max_iter=3).set_callbacks(recorder).fit(X, Y)
    assert recorder.calls == ["setup", "begin fit 0", "end fit 0", "teardown"]


# ---- threads


@pytest.mark.parametrize("n_threads", [0, -1, 1.5, "2"])
def test_bad_n_threads(n_threads):
    with pytest.raises(ValueError, match="The 'n_threads' parameter of MLPRegressor must be"):
        MLPRegressor(n_threads=n_threads).fit(X, Y)
