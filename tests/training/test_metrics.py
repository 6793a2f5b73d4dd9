"""Accuracy and R²: `score`, and what a fit records of them."""

import copy

import numpy as np
import pytest
from helpers.small_fit import VALIDATION, X_VAL, Y_VAL, X, Y, bits, make

import fastbp
from fastbp.base.html import history_html
from fastbp.engine import metrics

RNG = np.random.default_rng(1)
WEIGHT = RNG.uniform(0, 2, len(X))
ONE_HOT = np.eye(3)[Y]
LABELS = (X[:, :3] > 0).astype(int)


def net_of(output="softmax", loss=None, n_out=3):
    net = fastbp.MLP([4, 6, n_out], "tanh", output, loss, seed=8)
    net.parameters[:] = RNG.normal(size=net.parameters.size)
    return net


CLASSIFIERS = {  # arguments of the net, y, and y as `predict` gives it
    "labels": (("softmax", None, 3), Y, Y),
    "one-hot": (("softmax", None, 3), ONE_HOT, Y),
    "probabilities": (("softmax", None, 3), 0.4 * ONE_HOT + 0.2, Y),
    "squared error": (("softmax", "squared_error", 3), ONE_HOT, Y),
    "hinge": (("identity", "hinge", 3), Y, Y),
    "softmax in the loss": (("tanh", "softmax_cross_entropy", 3), Y, Y),
    "one sigmoid": (("sigmoid", None, 1), LABELS[:, 0], LABELS[:, 0]),
    "several sigmoids": (("sigmoid", None, 3), LABELS, LABELS),
    "a function": (("softmax", lambda a, y: (0.0, 0 * a), 3), Y, Y),
    "text": (("softmax", None, 3), np.array(["a", "b", "c"])[Y], np.array(["a", "b", "c"])[Y]),
}


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_accuracy_as_scikit_learn(kind, monkeypatch):
    sk = pytest.importorskip("sklearn.metrics")
    about, y, labels = CLASSIFIERS[kind]
    net = net_of(*about)
    predicted = net.predict(X)
    if kind == "text":
        predicted = np.array(["a", "b", "c"])[predicted]
    wanted = sk.accuracy_score(labels, predicted)
    assert 0 < wanted < 1
    assert net.score(X, y) == wanted
    monkeypatch.setattr(metrics, "BLOCK", 7)
    assert net.score(X, y) == wanted
    if kind != "a function":
        weighted = sk.accuracy_score(labels, predicted, sample_weight=WEIGHT)
        assert net.score(X, y, sample_weight=WEIGHT) == pytest.approx(weighted, rel=1e-6)


REGRESSIONS = {
    "one": (("identity", None, 1), X[:, 0]),
    "a column": (("tanh", None, 1), X[:, :1]),
    "several": (("identity", "huber", 3), X[:, :3]),
    "one of them constant": (("identity", None, 3), X[:, :3] * [1, 0, 1] + 2),
    "sigmoid": (("sigmoid", "squared_error", 1), LABELS[:, 0]),
    "counts": (("exp", None, 1), Y),
    "a function": (("identity", lambda a, y: (0.0, 0 * a), 2), X[:, :2]),
}


@pytest.mark.parametrize("kind", REGRESSIONS)
def test_r2_as_scikit_learn(kind):
    sk = pytest.importorskip("sklearn.metrics")
    about, y = REGRESSIONS[kind]
    net = net_of(*about)
    assert net.score(X, y) == pytest.approx(sk.r2_score(y, net.predict(X)), rel=1e-6)
    # scikit-learn's weighted mean of a constant is rounded, and its R² then -1e31.
    if kind not in ("a function", "one of them constant"):
        wanted = sk.r2_score(y, net.predict(X), sample_weight=WEIGHT)
        assert net.score(X, y, sample_weight=WEIGHT) == pytest.approx(wanted, rel=1e-5)


def test_r2_of_constants():
    net = fastbp.MLP([1, 1], output="identity", init=lambda rng, shape: np.zeros(shape))
    assert net.score([[1.0], [2.0]], [0.0, 0.0]) == 1
    assert net.score([[1.0], [2.0]], [3.0, 3.0]) == 0
    assert np.isnan(net.score([[1.0]], [0.0]))


def test_no_nan_is_right():
    net = make()
    net.weights[1][...] = np.nan
    assert net.score(X, Y) == 0


def test_score_refuses_as_fit():
    net = make()
    for arguments, message in (
        ((X[:, :2], Y), "^X must have 4 features"),
        ((X, Y[1:]), "^y must have one row"),
        ((X, Y, np.ones(3)), "^sample_weight must"),
    ):
        with pytest.raises(ValueError, match=message):
            net.score(*arguments)
    with pytest.raises(TypeError, match=r"^y is missing"):
        net.score(X, None)
    other = net_of("identity", lambda a, y: (0.0, 0 * a), 2)
    with pytest.raises(
        ValueError, match=r"^y must be of the outputs' shape \(50, 2\), got \(50, 1"
    ):
        other.score(X, X[:, 0])


@pytest.mark.parametrize("given", ["accuracy", ["accuracy"], ("accuracy",)])
def test_recorded_after_each_epoch(given):
    """By `score` with the weights of that moment; the training has the bits of one without."""
    seen = []

    def note(net, history):
        seen.append((net.score(X, Y), net.score(X_VAL, Y_VAL)))

    net = make(dropout=0.3)
    plain = make(dropout=0.3)
    history = net.fit(
        X, Y, epochs=4, metrics=given, callbacks=note, sample_weight=WEIGHT, **VALIDATION
    )
    assert list(zip(history.accuracy, history.val_accuracy, strict=True)) == seen
    other = plain.fit(X, Y, epochs=4, sample_weight=WEIGHT, **VALIDATION)
    assert (other.accuracy, other.val_accuracy) == ([], [])
    assert bits(net) == bits(plain)
    assert (history.loss, history.val_loss) == (other.loss, other.val_loss)
    assert make().fit(X, Y, epochs=2, metrics="accuracy").val_accuracy == []


def test_of_batches_that_of_the_validation_set():
    net = make()
    history = net.fit([(X, Y)], epochs=2, metrics="accuracy", **VALIDATION)
    assert history.accuracy == []
    assert history.val_accuracy[-1] == net.score(X_VAL, Y_VAL)
    with pytest.raises(ValueError, match=r"^metrics=.* of an iterable of batches need X_val"):
        net.fit([(X, Y)], epochs=2, metrics="accuracy")


@pytest.mark.parametrize(("output", "loss"), [("identity", None), ("sigmoid", "squared_error")])
def test_refused_for_a_regression(output, loss):
    net = net_of(output, loss, 1)
    with pytest.raises(ValueError, match=rf"^metrics=.* needs a classifier, got output='{output}'"):
        net.fit(X, LABELS[:, 0], metrics="accuracy")
    assert net.history_ is None


@pytest.mark.parametrize("split", [0.0, 0.3])
def test_files_and_checkpoints_keep_them(tmp_path, split):
    options = {"epochs": 5, "batch_size": 7, "metrics": "accuracy", "patience": 3}
    options |= {"validation_split": split} if split else VALIDATION
    plain = make()
    history = plain.fit(X, Y, **options)
    plain.save(tmp_path / "net")
    assert fastbp.load(tmp_path / "net").history_ == history

    class Leave(fastbp.callbacks.Callback):
        def __init__(self, steps):
            self.steps = steps

        def on_step_end(self, net, history):
            if len(history.batch_loss) == self.steps:
                raise KeyError

    for steps in (3, len(history.batch_loss) // 5 + 1, 2 * len(history.batch_loss) // 5 + 2):
        path = tmp_path / f"run {steps}"
        with pytest.raises(KeyError):
            make().fit(X, Y, checkpoint=path, checkpoint_every=0, callbacks=Leave(steps), **options)
        resumed = fastbp.resume(path, X, Y, **({} if split else VALIDATION))
        assert bits(resumed) == bits(plain)
        assert resumed.history_ == history
        again = fastbp.resume(path, X, Y, **({} if split else VALIDATION))
        assert again.history_ == history
        if split:
            with pytest.raises(ValueError, match=r"X_val"):
                fastbp.resume(path, X, Y, **VALIDATION)


def test_shown(capsys):
    net = make()
    history = net.fit(X, Y, epochs=3, progress=True, metrics="accuracy", **VALIDATION)
    err = capsys.readouterr().err
    assert (
        f", accuracy={history.accuracy[-1]:.4f}, val_accuracy={history.val_accuracy[-1]:.4f}" in err
    )
    html = history_html(history)
    assert html.count("<svg") == 2
    assert f"accuracy {history.accuracy[0]:.4g} → {history.accuracy[-1]:.4g}" in html
    assert "validation accuracy" in html
    assert history_html(make().fit(X, Y, epochs=3)).count("<svg") == 1


def test_drawn():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    history = make().fit(X, Y, epochs=3, metrics="accuracy", **VALIDATION)
    display = fastbp.plot.LossCurveDisplay.from_history(history)
    (right,) = (ax for ax in display.figure_.axes if ax is not display.ax_)
    assert right.get_ylabel() == "accuracy"
    assert [line.get_ydata().tolist() for line in right.lines] == [
        history.accuracy,
        history.val_accuracy,
    ]
    pyplot.close(display.figure_)


def splits(y, fraction=0.2, make=make, n=50, **options):
    """The validation rows of a fit, seen by their loss: those of the net itself."""
    from fastbp.training.checked_samples import make_samples
    from fastbp.training.validation_split import split

    net = make(**options)
    samples = make_samples(net, X[:n], y)
    rows, held_out = split(samples, int(np.ceil(fraction * n)), net.train_state.dropout_key)
    return rows, held_out


def test_a_split_trains_on_the_other_rows():
    """The bits of a fit on these rows alone, with the held-out ones as X_val."""
    rows, held_out = splits(Y)
    rest = np.setdiff1d(np.arange(50), rows)
    assert len(rest) == 10
    assert np.array_equal(held_out.x.array, X[rest])
    assert np.array_equal(held_out.labels, Y[rest])
    options = {"epochs": 4, "batch_size": 7, "metrics": "accuracy"}
    for more in ({}, {"shuffle": False}, {"callbacks": lambda net, history: None}):
        net = make()
        history = net.fit(X, Y, validation_split=0.2, sample_weight=WEIGHT, **options, **more)
        plain = make()
        wanted = plain.fit(
            X[rows],
            Y[rows],
            X_val=X[rest],
            y_val=Y[rest],
            sample_weight=WEIGHT[rows],
            **options,
            **more,
        )
        assert bits(net) == bits(plain)
        assert history == wanted


@pytest.mark.parametrize("n", [8, 13, 49, 50])
@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("kind", ["labels", "one-hot"])
def test_stratified(kind, fraction, n):
    y = RNG.choice(3, n, p=[0.7, 0.2, 0.1])
    rows, held_out = splits(y if kind == "labels" else np.eye(3)[y], fraction, n=n)
    n_out = int(np.ceil(fraction * n))
    assert (len(rows), held_out.n) == (n - n_out, n_out)
    kept = np.bincount(y, minlength=3) - np.bincount(y[rows], minlength=3)
    assert (abs(kept - np.bincount(y, minlength=3) * n_out / n) < 1 + 1e-9).all()


def test_drawn_by_the_seed_alone():
    first, _ = splits(Y)
    assert np.array_equal(first, splits(Y)[0])
    assert not np.array_equal(first, splits(Y, make=lambda: fastbp.MLP([4, 3], seed=9))[0])
    net = make()
    history = net.fit(X, Y, epochs=2, validation_split=0.2)
    further = net.fit(X, Y, epochs=1, validation_split=0.2)  # the same rows: nothing leaks
    assert len(further.val_loss) == 1
    loaded = copy.deepcopy(net)
    assert loaded.fit(X, Y, epochs=1, validation_split=0.2) == net.fit(
        X, Y, epochs=1, validation_split=0.2
    )
    assert history.has_validation


@pytest.mark.parametrize("kind", ["a function", "several", "several sigmoids", "text"])
def test_splits_of_other_targets(kind):
    about, y, *_ = (CLASSIFIERS | REGRESSIONS)[kind]
    net = net_of(*about)
    if kind == "a function":
        net = fastbp.MLP([4, 3], loss=lambda a, y: (0.0, 0 * a))
    history = net.fit(X, y, epochs=2, validation_split=0.3, optimizer="adam")
    assert len(history.val_loss) == 2


def test_splits_that_are_refused():
    net = make()
    for arguments, options, message in (
        ((X, Y), VALIDATION, "^validation_split and X_val, y_val exclude each other"),
        ((X[:1], Y[:1]), {}, "^validation_split=0.5 must leave a sample to train on, got 1 in all"),
        (([(X, Y)],), {}, "^validation_split=0.5 goes with arrays X and y only"),
    ):
        with pytest.raises(ValueError, match=message):
            net.fit(*arguments, validation_split=0.5, **options)
    rows, _ = splits(Y, 0.5)
    weight = np.ones(50)
    weight[rows] = 0
    with pytest.raises(
        ValueError, match=r"^sample_weight must not be all zeros in the samples that"
    ):
        net.fit(X, Y, validation_split=0.5, sample_weight=weight)
    assert net.history_ is None


@pytest.mark.parametrize("name", ["sgd", "adam", "AdamW", "nadam", "RMSprop", "adagrad", "lion"])
def test_optimizers_by_name(name):
    kind = {each.lower(): each for each in fastbp.optimizers.OPTIMIZERS}[name.lower()]
    net = make()
    plain = make()
    net.fit(X, Y, epochs=2, optimizer=name)
    net.partial_fit(X, Y, optimizer=name)
    plain.fit(X, Y, epochs=2, optimizer=getattr(fastbp, kind)())
    plain.partial_fit(X, Y, optimizer=getattr(fastbp, kind)())
    assert bits(net) == bits(plain)
    assert net.optimizer_ == getattr(fastbp, kind)()
    found = fastbp.lr_find(net, X, Y, name, steps=20)
    assert np.array_equal(
        found.learning_rates,
        fastbp.lr_find(net, X, Y, getattr(fastbp, kind)(), steps=20).learning_rates,
    )


CLOSE = {
    "fit": (lambda: make().fit(X, Y, epoch=3), "MLP.fit.. got .* 'epoch': did you mean 'epochs'"),
    "partial_fit": (
        lambda: make().partial_fit(X, Y, sample_weights=1),
        "'sample_weights': did you mean 'sample_weight'",
    ),
    "of Keras": (
        lambda: make().fit(X, Y, validation_data=(X, Y)),
        "'validation_data': use X_val=..., y_val=...",
    ),
    "a rate": (lambda: make().fit(X, Y, lr=0.1), "'lr': use optimizer=fastbp.SGD"),
    "of scikit-learn": (lambda: fastbp.MLP([4, 3], activation="relu"), "'activation': use hidden="),
    "MLP": (lambda: fastbp.MLP([4, 3], hiden="relu"), "'hiden': did you mean 'hidden'"),
    "resume": (
        lambda: fastbp.resume("x", X, Y, callback=()),
        "'callback': did you mean 'callbacks'",
    ),
    "lr_find": (lambda: fastbp.lr_find(make(), X, Y, step=3), "'step': did you mean 'steps'"),
    "far": (lambda: make().fit(X, Y, zzz=3), "unexpected keyword argument 'zzz'$"),
    "twice": (lambda: make().fit(X, Y, X=X), "multiple values for argument 'X'"),
}


@pytest.mark.parametrize("kind", CLOSE)
def test_unknown_keywords_name_the_close_match(kind):
    call, message = CLOSE[kind]
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": "rleu"}, "got 'rleu': did you mean 'relu'"),
        ({"output": "Softmax"}, "got 'Softmax': did you mean 'softmax'"),
        ({"loss": "crossentropy"}, "got 'crossentropy': did you mean 'cross_entropy'"),
        ({"init": "glorot"}, "got 'glorot'"),
        ({"dtype": "float16"}, "got 'float16'"),
    ],
)
def test_unknown_names_too(options, message):
    with pytest.raises(ValueError, match=message):
        fastbp.MLP([4, 5, 3], **options)
    with pytest.raises(ValueError, match=r"^optimizer .* got 'adm': did you mean 'adam'"):
        make().fit(X, Y, optimizer="adm")
    with pytest.raises(ValueError, match=r"^metrics .* got 'acc'"):
        make().fit(X, Y, metrics="acc")
