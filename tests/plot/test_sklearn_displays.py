"""Nets in scikit-learn's displays."""

import numpy as np
import pytest

import fastbp

matplotlib = pytest.importorskip("matplotlib", reason="fastbp.plot draws with Matplotlib")
sklearn = pytest.importorskip("sklearn", reason="these are scikit-learn's displays")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from fastbp.plot import ConfusionMatrixDisplay, DecisionBoundaryDisplay  # noqa: E402

X = np.random.default_rng(0).normal(size=(30, 2))


@pytest.fixture(autouse=True)
def no_figure_left():
    yield
    plt.close("all")


def plane(shown):
    return np.c_[shown.xx0.ravel(), shown.xx1.ravel()]


@pytest.mark.parametrize(("n_out", "output"), [(1, "sigmoid"), (2, "softmax")])
def test_boundary_of_two_classes(n_out, output):
    net = fastbp.MLP([2, 4, n_out], output=output)
    shown = DecisionBoundaryDisplay.from_estimator(
        net, X, (X[:, 0] > 0).astype(int), grid_resolution=20
    )
    assert type(shown).__module__.startswith("sklearn.")
    np.testing.assert_array_equal(shown.response.ravel(), net.predict_proba(plane(shown))[:, 1])
    assert shown.xx0.min() < X[:, 0].min()
    assert shown.xx0.max() > X[:, 0].max()
    points = [
        c.get_offsets()
        for c in shown.ax_.collections
        if isinstance(c, matplotlib.collections.PathCollection)
    ]
    assert [len(p) for p in points] == [(X[:, 0] <= 0).sum(), (X[:, 0] > 0).sum()]


@pytest.mark.parametrize("plot_method", ["contourf", "contour", "pcolormesh"])
@pytest.mark.parametrize("loss", ["cross_entropy", "hinge", "softmax_cross_entropy"])
def test_boundary_of_three_classes(loss, plot_method):
    net = fastbp.MLP(
        [2, 4, 3], output="softmax" if loss == "cross_entropy" else "identity", loss=loss
    )
    y = np.arange(30) % 3
    shown = DecisionBoundaryDisplay.from_estimator(
        net, X, y, grid_resolution=20, plot_method=plot_method
    )
    np.testing.assert_array_equal(shown.response.ravel(), net.predict(plane(shown)))
    assert [text.get_text() for text in shown.ax_.get_legend().get_texts()] == [
        "class 0",
        "class 1",
        "class 2",
    ]


def test_boundary_of_two_classes_without_probabilities():
    net = fastbp.MLP([2, 4, 2], output="identity", loss="hinge")
    shown = DecisionBoundaryDisplay.from_estimator(net, X, grid_resolution=20)
    np.testing.assert_array_equal(shown.response.ravel(), net.predict(plane(shown)))


@pytest.mark.parametrize("plot_method", ["contourf", "pcolormesh"])
def test_values_of_a_regression(plot_method):
    net = fastbp.MLP([2, 4, 1], output="identity")
    shown = DecisionBoundaryDisplay.from_estimator(
        net, X, X[:, 0], grid_resolution=20, plot_method=plot_method
    )
    np.testing.assert_array_equal(shown.response.ravel(), net.predict(plane(shown)))


def test_boundary_of_an_estimator():
    linear = pytest.importorskip("sklearn.linear_model")
    y = np.where(X[:, 0] > 0, "right", "left")
    model = linear.LogisticRegression().fit(X, y)
    shown = DecisionBoundaryDisplay.from_estimator(model, X, y, grid_resolution=20)
    np.testing.assert_allclose(shown.response.ravel(), model.predict_proba(plane(shown))[:, 1])
    assert [text.get_text() for text in shown.ax_.get_legend().get_texts()] == [
        "class left",
        "class right",
    ]


def test_confusion_matrix():
    net = fastbp.MLP([2, 4, 3])
    y = np.arange(30) % 3
    shown = ConfusionMatrixDisplay.from_estimator(net, X, y)
    counts = np.zeros((3, 3), int)
    np.add.at(counts, (y, net.predict(X)), 1)
    np.testing.assert_array_equal(shown.confusion_matrix, counts)


@pytest.mark.parametrize("normalize", [None, "true", "all"])
def test_cells_without_samples_are_blank(normalize):
    net = fastbp.MLP([2, 4, 3])
    y = np.arange(30) % 3
    shown = ConfusionMatrixDisplay.from_estimator(net, X, y, normalize=normalize)
    written = [[text.get_visible() for text in row] for row in shown.text_]
    assert not np.all(written)
    np.testing.assert_array_equal(written, shown.confusion_matrix != 0)
    if normalize:
        assert {len(text.get_text()) for text in shown.text_.flat} == {4}
    plain = ConfusionMatrixDisplay.from_estimator(net, X, y, include_values=False)
    assert plain.text_ is None
    exact = ConfusionMatrixDisplay.from_estimator(net, X, y, normalize="all", values_format=".3f")
    assert len(exact.text_[0, 0].get_text()) == 5


def test_classes_that_are_not_there_have_a_row_all_the_same():
    net = fastbp.MLP([2, 4, 5])
    assert ConfusionMatrixDisplay.from_estimator(net, X[:2], [0, 0]).confusion_matrix.shape == (
        5,
        5,
    )


def test_bad_input():
    with pytest.raises(
        ValueError, match=r"X must have two features \(columns\), got shape \(5, 3\)"
    ):
        DecisionBoundaryDisplay.from_estimator(fastbp.MLP([3, 2]), np.ones((5, 3)))
    with pytest.raises(
        ValueError, match="estimator must have one output, or one class a sample, got MLP"
    ):
        DecisionBoundaryDisplay.from_estimator(fastbp.MLP([2, 3], output="sigmoid"), X)
    with pytest.raises(
        ValueError, match=r"y must be one number a row of X, \(30,\), got shape \(2,\)"
    ):
        DecisionBoundaryDisplay.from_estimator(fastbp.MLP([2, 3]), X, [0, 1])
    with pytest.raises(
        ValueError, match=r"y must be one label a row of X, \(30,\), got shape \(30, 2\)"
    ):
        ConfusionMatrixDisplay.from_estimator(fastbp.MLP([2, 2]), X, np.ones((30, 2)))
    with pytest.raises(ValueError, match="estimator must be a classifier, got MLP"):
        ConfusionMatrixDisplay.from_estimator(fastbp.MLP([2, 1], output="identity"), X, np.ones(30))
