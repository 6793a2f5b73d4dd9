"""Pictures: what is drawn is what was computed, in scikit-learn's display convention; bad input;
nothing imported unasked."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.problems import problem

import fastbp

matplotlib = pytest.importorskip("matplotlib", reason="fastbp.plot draws with Matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from fastbp import plot  # noqa: E402
from fastbp.plot.layers import deltas  # noqa: E402


@pytest.fixture(autouse=True)
def no_figure_left():
    yield
    plt.close("all")


def fitted(widths=(4, 5, 3), n=60, epochs=4, **options):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, widths[0]))
    y = rng.integers(0, max(2, widths[-1]), n)
    net = fastbp.MLP(widths, seed=1, **options)
    net.fit(X, y, epochs=epochs, batch_size=10, X_val=X, y_val=y, patience=epochs)
    return net, X, y


def every_display(ax=None):
    """One of each display, drawn into `ax` or a figure of its own."""
    net, X, y = fitted()
    plane, points, classes = fitted((2, 5, 3))
    result = SimpleNamespace(learning_rates=[0.1, 1.0], losses=[2.0, 1.0], suggestion=0.3)
    return [
        lambda: plot.LossCurveDisplay.from_estimator(net, ax=ax),
        lambda: plot.WeightsDisplay.from_estimator(net, ax=ax),
        lambda: plot.ActivationsDisplay.from_estimator(net, X, ax=ax),
        lambda: plot.DeltasDisplay.from_estimator(net, X, y, ax=ax),
        lambda: plot.GradientCheckDisplay.from_estimator(net, X, y, ax=ax),
        lambda: plot.RangeTestDisplay.from_result(result, ax=ax),
        lambda: plot.DecisionBoundaryDisplay.from_estimator(plane, points, classes, ax=ax),
        lambda: plot.ConfusionMatrixDisplay.from_estimator(net, X, y, ax=ax),
    ]


@pytest.mark.parametrize("k", range(8))
def test_convention(k):
    made = every_display()[k]()
    assert made.ax_.figure is made.figure_
    made.figure_.canvas.draw()
    figure, ax = plt.subplots()
    given = every_display(ax)[k]()
    assert given.ax_ is ax
    assert given.figure_ is figure
    again = given.plot(ax=plt.subplots()[1])
    assert again is given
    assert given.ax_ is not ax


@pytest.mark.parametrize("k", range(8))
def test_ax_that_is_none(k):
    with pytest.raises(TypeError, match="ax must be Matplotlib axes, got 'here'"):
        every_display("here")[k]()


def test_loss_curves():
    net, *_ = fitted()
    history = net.history_
    lines = {
        line.get_label(): line for line in plot.LossCurveDisplay.from_history(history).ax_.lines
    }
    assert set(lines) == {
        "minibatch",
        "training (mean of the epoch)",
        "validation",
        f"best epoch ({history.best_epoch + 1})",
    }
    np.testing.assert_array_equal(
        lines["validation"].get_xydata(), np.transpose([[1, 2, 3, 4], history.val_loss])
    )
    np.testing.assert_array_equal(lines["training (mean of the epoch)"].get_ydata(), history.loss)
    x, y = lines["minibatch"].get_data()
    assert (x[5::6] == [1, 2, 3, 4]).all()
    assert y.tolist() == history.batch_loss


def test_loss_that_is_not_finite():
    history = fastbp.History(batch_loss=[100.0, 1.0, np.inf, np.nan], stopped_by="divergence")
    ax = plot.LossCurveDisplay.from_history(history).ax_
    assert np.isnan(ax.lines[0].get_ydata()).tolist() == [False, False, True, True]
    assert ax.get_yscale() == "log"
    assert (
        plot.LossCurveDisplay.from_history(fastbp.History(loss=[1.0, -1.0])).ax_.get_yscale()
        == "linear"
    )


def test_loss_curve_of_scikit_learn():
    sklearn = pytest.importorskip("sklearn.neural_network")
    X = np.random.default_rng(0).normal(size=(50, 4))
    y = np.repeat(["a", "b"], 25)
    model = sklearn.MLPClassifier((9,), solver="sgd", max_iter=5, tol=0, n_iter_no_change=9)
    with pytest.raises(ValueError, match="estimator must have been fitted"):
        plot.LossCurveDisplay.from_estimator(model)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        model.fit(X, y)
    assert (
        plot.LossCurveDisplay.from_estimator(model).ax_.lines[0].get_ydata().tolist()
        == model.loss_curve_
    )
    np.testing.assert_array_equal(
        plot.WeightsDisplay.from_estimator(model).images.reshape(9, 4), model.coefs_[0].T
    )
    shown = plot.DeltasDisplay.from_estimator(model, X, y)
    p = model.predict_proba(X)[:, 1:]
    np.testing.assert_allclose(shown.deltas[1], p - (y == "b")[:, None], atol=1e-12)
    with pytest.raises(ValueError, match=r"y must hold the net's labels .* got 'c' in row 25"):
        plot.DeltasDisplay.from_estimator(model, X, np.repeat(["a", "c"], 25))


def test_weights():
    net = fastbp.MLP([12, 5, 2])
    shown = plot.WeightsDisplay.from_estimator(net, image_shape=(3, 4))
    for k, image in enumerate(shown.images):
        np.testing.assert_array_equal(image.ravel(), net.weights[0][:, k])
    (drawn,) = shown.ax_.images
    mosaic = drawn.get_array()
    largest = abs(net.weights[0]).max()
    # one row of images: unit 1 is right of unit 0
    np.testing.assert_array_equal(mosaic[:3, 5:9], shown.images[1])
    assert np.ma.count(mosaic) == 60
    assert drawn.get_clim() == (-largest, largest)
    assert drawn.to_rgba(0.0) == (1, 1, 1, 1)  # zeros are blank
    assert min(drawn.to_rgba(0.1 * largest)[:3]) < 0.95
    assert min(drawn.to_rgba(-0.1 * largest)[:3]) < 0.95
    assert len(plot.WeightsDisplay.from_estimator(net, image_shape=(3, 4), max_units=2).images) == 2


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({}, ValueError, "image_shape must be given for 12 inputs"),
        ({"image_shape": (3, 5)}, ValueError, "image_shape must hold the 12 inputs, got 3 x 5"),
        ({"image_shape": 12}, TypeError, r"image_shape must be \(height, width\), got 12"),
        ({"image_shape": (3, 4), "max_units": 0}, ValueError, "max_units must be at least 1"),
    ],
)
def test_bad_image_shape(given, error, message):
    with pytest.raises(error, match=message):
        plot.WeightsDisplay.from_estimator(fastbp.MLP([12, 5, 2]), **given)


def test_activations():
    net, X, _ = fitted((4, 6, 5, 3), hidden=["relu", "tanh"])
    shown = plot.ActivationsDisplay.from_estimator(net, X)
    for got, wanted in zip(shown.activations, net.forward(X), strict=True):
        np.testing.assert_array_equal(got, wanted)
    texts = [text.get_text() for text in shown.ax_.texts]
    assert f"{(shown.activations[0] == 0).mean():.1%} zero" in texts[0]
    assert f"{(abs(shown.activations[1]) > 0.99).mean():.1%} saturated" in texts[1]
    assert [t.get_text() for t in shown.ax_.get_yticklabels()] == [
        "layer 0\n6 relu",
        "layer 1\n5 tanh",
        "layer 2\n3 softmax",
    ]
    assert shown.ax_.get_title() == "Activations of 60 samples"
    one = plot.ActivationsDisplay.from_estimator(net, X[:1])
    assert one.ax_.get_title() == "Activations of 1 sample"


def test_activations_that_are_all_zero():
    net = fastbp.MLP([4, 6, 3], hidden="relu")
    net.weights[0][:] = 0
    net.weights[1][:] = 0
    shown = plot.ActivationsDisplay.from_estimator(net, np.ones((5, 4)))
    assert "100.0% zero" in shown.ax_.texts[0].get_text()
    with pytest.raises(ValueError, match="X must have at least one row"):
        plot.ActivationsDisplay.from_estimator(net, np.ones((0, 4)))


PAIRS = [("softmax", "cross_entropy"), ("sigmoid", "squared_error"), ("identity", "huber")]


@pytest.mark.parametrize("hidden", ["sigmoid", "relu"])
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_deltas_against_the_scalar_graph(output, loss, hidden):
    net, X, targets = problem([4, 5, 6, 3], 7, "float64", output, loss=loss, hidden=hidden)
    found = deltas(net, X, targets, 100)
    assert [d.shape for d in found] == [(7, 5), (7, 6), (7, 3)]
    for i in range(7):
        graph = fastbp.graph.from_net(net, X[i], targets[i])
        graph.gradients()
        for layer, wanted in zip(found, graph.deltas, strict=True):
            np.testing.assert_allclose(layer[i], wanted, rtol=1e-11, atol=1e-13)


def test_deltas_of_a_loss_of_ones_own_and_of_a_part_of_the_samples():
    def loss(a, y):
        return float(np.sum((a - y) ** 2)), 2 * (a - y)

    net = fastbp.MLP([4, 3, 1], output="identity", loss=loss, dtype="float64")
    X = np.random.default_rng(0).normal(size=(50, 4))
    y = np.ones((50, 1))
    found = deltas(net, X, y, 10)
    rows = np.linspace(0, 49, 10).astype(int)
    np.testing.assert_allclose(found[1], 2 * (net.forward(X[rows])[-1] - 1), rtol=1e-12)


def test_vanishing_gradients_are_seen():
    net = fastbp.MLP([4, *[10] * 6, 3], seed=0)
    X = np.random.default_rng(0).normal(size=(20, 4))
    y = np.arange(20) % 3
    shown = plot.DeltasDisplay.from_estimator(net, X, y)
    medians = [float(text.get_text().split()[1]) for text in shown.ax_.texts]
    assert medians == sorted(medians)
    assert medians[0] < 1e-3 * medians[-1]
    assert shown.ax_.get_title() == "Deltas of 20 samples"
    labels = [label.get_text() for label in shown.ax_.get_yticklabels()]
    assert labels[0] == "layer 0\n10 sigmoid"
    assert labels[-1] == "layer 6\n3 softmax"
    many = np.tile(X, (60, 1)), np.tile(y, 60)
    some = plot.DeltasDisplay.from_estimator(net, *many, max_samples=7)
    assert some.ax_.get_title() == "Deltas of 7 samples"  # of those drawn
    lines = [line.get_xdata()[0] for line in shown.ax_.lines if line.get_color() == "black"]
    np.testing.assert_allclose(lines, [np.median(abs(d)) for d in shown.deltas], rtol=1e-6)


def test_deltas_that_are_all_zero():
    net = fastbp.MLP([2, 3, 1], output="identity", init=lambda rng, shape: np.zeros(shape))
    shown = plot.DeltasDisplay.from_estimator(net, np.ones((4, 2)), np.zeros(4))
    assert [text.get_text() for text in shown.ax_.texts] == ["100.0% zero"] * 2


def test_gradient_check():
    net, X, y = fitted()
    check = fastbp.check_gradients(net, X, y)
    shown = plot.GradientCheckDisplay.from_check(check)
    assert shown.check is check
    weights, biases = shown.ax_.lines[:2]
    assert list(zip(weights.get_ydata(), biases.get_ydata(), strict=True)) == list(check.layers)
    texts = " ".join(text.get_text() for text in shown.ax_.texts)
    assert "between: kinks" in texts
    exact = fastbp.GradientCheck(0.0, ((0.0, 0.0),), 2)
    assert plot.GradientCheckDisplay.from_check(exact).ax_.lines[0].get_ydata() > 0
    with pytest.raises(
        TypeError, match=r"check must be what fastbp\.check_gradients returns, got float"
    ):
        plot.GradientCheckDisplay.from_check(0.1)


def test_range_test():
    rates = np.geomspace(1e-3, 1, 4)
    losses = [2.0, 1.5, 1.0, 900.0]
    smoothed = [2.0, 1.8, 1.5, 3.0]
    result = SimpleNamespace(
        learning_rates=rates, losses=losses, smoothed=smoothed, suggestion=0.03
    )
    shown = plot.RangeTestDisplay.from_result(result)
    batch, smooth, line = shown.ax_.lines
    assert batch.get_ydata().tolist() == losses
    assert smooth.get_xydata().tolist() == np.transpose([rates, smoothed]).tolist()
    assert line.get_xdata() == [0.03, 0.03]
    assert shown.ax_.get_xscale() == "log"
    assert shown.ax_.get_ylim()[1] < 4  # the last batch leaves the curve its room


def limits(losses, suggestion, smoothed=None):
    """The limits of both axes of a test from 1e-6 to 10, a rate each tenth of a decade."""
    rates = np.geomspace(1e-6, 10, len(losses))
    result = SimpleNamespace(
        learning_rates=rates, losses=losses, smoothed=smoothed, suggestion=suggestion
    )
    ax = plot.RangeTestDisplay.from_result(result).ax_
    return ax.get_xlim(), ax.get_ylim()


def test_range_test_shows_the_useful_part():
    """Neither the flat part at small rates nor the divergence takes room."""
    decades = np.linspace(-6, 1, 71)
    falling = 2.0 - np.clip(decades + 3, 0, 2) / 2
    losses = np.where(decades > -1, 1.0 + 50 * (decades + 1), falling)
    (left, right), (low, high) = limits(losses, 0.01)
    assert left == pytest.approx(1e-4)
    assert 0.1 < right < 1
    assert 0.5 < low < 1.0
    assert 2.0 < high <= 2.5
    losses[0] = 100.0  # outside of the part that is drawn
    assert limits(losses, 0.01) == ((left, right), (low, high))
    losses[-5:] = [np.nan, np.inf, -np.inf, 1e300, np.nan]
    assert limits(losses, 0.01) == ((left, right), (low, high))
    smoothed = np.where(decades < -3, 2.0, falling)
    assert limits(losses, 0.01, smoothed)[0][1] == pytest.approx(10)  # it does not rise


@pytest.mark.parametrize("losses", [[1.0] * 5, [np.nan] * 5, [3.0], [1.0, 2.0, 3.0], [3.0, 1.0]])
@pytest.mark.parametrize("suggestion", [1e-9, 1e-3, 1e3])
def test_range_test_of_odd_curves(losses, suggestion):
    """The suggestion and, where there are losses, a range of them are always drawn."""
    (left, right), (low, high) = limits(np.array(losses), suggestion)
    assert left <= suggestion <= right
    assert low < high


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"losses": [1.0]}, ValueError, "losses must be one a rate, 2, got 1"),
        ({"smoothed": [1.0]}, ValueError, "smoothed must be one a rate, 2, got 1"),
        ({"learning_rates": "ab"}, TypeError, "learning_rates must be an array"),
        ({"suggestion": None}, TypeError, "suggestion must be a number"),
    ],
)
def test_bad_range_test(change, error, message):
    result = SimpleNamespace(
        **{"learning_rates": [1.0, 2.0], "losses": [1.0, 2.0], "suggestion": 1.0} | change
    )
    with pytest.raises(error, match=message):
        plot.RangeTestDisplay.from_result(result)
    with pytest.raises(
        TypeError, match="result must have learning_rates, losses, suggestion, got int"
    ):
        plot.RangeTestDisplay.from_result(1)


def test_what_is_not_an_estimator():
    for make in (
        plot.WeightsDisplay.from_estimator,
        lambda e: plot.ActivationsDisplay.from_estimator(e, [[1]]),
    ):
        with pytest.raises(
            TypeError,
            match=r"estimator must be a fastbp\.MLP, or a fitted .* MLPRegressor, got int",
        ):
            make(3)
    with pytest.raises(TypeError, match=r"history must be a fastbp\.History, got list"):
        plot.LossCurveDisplay.from_history([1.0])
    with pytest.raises(ValueError, match="history must have at least one step"):
        plot.LossCurveDisplay.from_history(fastbp.History())


BLOCKED = """
import sys
import numpy as np
sys.modules[{blocked!r}] = None
import fastbp
net = fastbp.MLP([2, 3, 2])
try:
    {call}
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("blocked", "call", "message"),
    [
        (
            "matplotlib",
            "fastbp.plot.WeightsDisplay.from_estimator(net, image_shape=(1, 2))",
            "'fastbp[plot]'",
        ),
        (
            "sklearn",
            "fastbp.plot.DecisionBoundaryDisplay.from_estimator(net, np.eye(2))",
            "'fastbp[sklearn]'",
        ),
        ("IPython", "fastbp.plot.LiveLossCurve()", "pip install ipython"),
    ],
)
def test_without_what_it_draws_with(blocked, call, message):
    code = BLOCKED.format(blocked=blocked, call=call)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert message in done.stdout


def test_nothing_is_imported_before_it_is_drawn():
    code = "import sys, fastbp; fastbp.plot; "
    code += "print({'matplotlib', 'sklearn', 'IPython'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
