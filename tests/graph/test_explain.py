"""`net.explain`: the numbers against the literature and the kernels, and every printed line against
its own arithmetic."""

import io
import math
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from helpers.problems import HIDDEN, OUTPUTS, PAIRS, problem

import fastbp
from fastbp.base.formula_text import printable
from fastbp.graph.formulas import sections

PAIRS = [
    *PAIRS,
    ("exp", "poisson"),
    ("exp", "squared_error"),
    ("identity", "hinge"),
    ("tanh", "huber"),
    ("relu", "huber"),
    ("identity", "absolute_error"),
    ("softmax", "absolute_error"),
]


def worked():
    """The 2-2-2 net that textbooks compute by hand, see docs/lessons/05_worked_example.py."""
    net = fastbp.MLP([2, 2, 2], output="sigmoid", loss="squared_error", dtype="float64")
    net.weights = [[0.15, 0.25], [0.20, 0.30]], [[0.40, 0.50], [0.45, 0.55]]
    net.biases = [0.35, 0.35], [0.60, 0.60]
    return net.explain([0.05, 0.10], [0.01, 0.99], lr=0.5)


def test_published_digits():
    e = worked()
    first, last = e.layers
    assert f"{e.loss:.9f}" == "0.298371109"
    assert [f"{v:.8f}" for v in (first.z[0], *first.a)] == [
        "0.37750000",
        "0.59326999",
        "0.59688438",
    ]
    assert [f"{v:.8f}" for v in last.a] == ["0.75136507", "0.77292847"]
    assert f"{last.delta[0]:.8f}" == "0.13849856"
    assert f"{last.dW[0, 0]:.9f}" == "0.082167041"
    assert f"{first.dW[0, 0]:.9f}" == "0.000438568"
    assert [f"{v:.8f}" for v in last.new_W.T.flat] == [
        "0.35891648",
        "0.40866619",
        "0.51130127",
        "0.56137012",
    ]
    assert [f"{v:.8f}" for v in first.new_W.T.flat] == [
        "0.14978072",
        "0.19956143",
        "0.24975114",
        "0.29950229",
    ]
    text = str(e)
    assert "new W0[0,0] = W0[0,0] - lr·dW0[0,0] = 0.15 - 0.5·0.00043856773 = 0.14978072" in text
    assert (
        "delta1[0] = (a - t)·a·(1 - a) = "
        "(0.75136507 - 0.01)·0.75136507·(1 - 0.75136507) = 0.13849856" in text
    )


FUNCTIONS = {name: getattr(math, name) for name in ("exp", "log", "tanh")} | {
    "erf": math.erf,
    "max": max,
    "sign": np.sign,
    "abs": abs,
}


def evaluated(numbers):
    """The formula with numbers, computed."""
    text = re.sub(r"\|([^|]*)\|", r"abs(\1)", numbers)
    for mark, code in (("·", "*"), ("²", "**2"), ("½", "0.5"), ("√2", str(math.sqrt(2)))):
        text = text.replace(mark, code)
    return eval(text, {"__builtins__": {}}, FUNCTIONS)


def assert_lines_add_up(e):
    """Every line with numbers evaluates to its result, to the eight digits of its numbers."""
    checked = 0
    for _, rows in sections(e, 99):
        for name, _, numbers, result in rows:
            if numbers:
                checked += 1
                value = evaluated(numbers)
                assert value == pytest.approx(float(result), rel=2e-6, abs=1e-7), (
                    name,
                    numbers,
                    value,
                    result,
                )
    return checked


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_against_the_kernels(output, loss, hidden):
    net, X, targets = problem([4, 5, 6, 3], 1, "float64", output, loss=loss, hidden=hidden, seed=4)
    y = np.array([1]) if loss == "hinge" else targets
    for l2 in (0.0, 0.1):
        e = net.explain(X[0], y[0], lr=0.3, l2=l2, shown=None)
        wanted, dWs, dbs = net.loss_and_gradients(X, y, l2=l2)
        assert e.loss == pytest.approx(wanted, rel=1e-12)
        for k, (layer, a) in enumerate(zip(e.layers, net.forward(X), strict=True)):
            np.testing.assert_allclose(layer.a, a[0], rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(layer.dW, dWs[k], rtol=1e-11, atol=1e-13)
            np.testing.assert_allclose(layer.db, dbs[k], rtol=1e-11, atol=1e-13)
            np.testing.assert_allclose(layer.delta, dbs[k], rtol=1e-11, atol=1e-13)
            np.testing.assert_array_equal(layer.new_W, net.weights[k] - 0.3 * layer.dW)
            np.testing.assert_array_equal(layer.new_b, net.biases[k] - 0.3 * layer.db)
        # z, a, delta and the new b of 14 units, dW and the new W of 68 weights, and the loss.
        assert assert_lines_add_up(e) == 4 * 14 + 2 * 68 + 1 - lines_without_numbers(e)


def lines_without_numbers(e):
    """The number of lines without arithmetic: a = z of identities and of elus above 0."""
    return sum(len(layer.z) for layer in e.layers if layer.activation == "identity") + sum(
        int((layer.z > 0).sum()) for layer in e.layers if layer.activation == "elu"
    )


@pytest.mark.parametrize("output", [*OUTPUTS, "exp"])
def test_slopes(output):
    net, X, targets = problem([4, 5, 3], 1, "float64", output, loss="squared_error", hidden="elu")
    layer = net.explain(X[0], targets[0]).layers[-1]
    for j in range(3):
        net.biases[-1][j] += 1e-6
        changed = net.explain(X[0], targets[0]).layers[-1]
        net.biases[-1][j] -= 1e-6
        assert (changed.a[j] - layer.a[j]) / 1e-6 == pytest.approx(
            layer.slope[j], rel=1e-4, abs=1e-6
        )


def test_label_smoothing_and_labels():
    net, X, _ = problem([4, 5, 3], 1, "float64", "softmax", label_smoothing=0.2)
    e = net.explain(X[0], 2)
    np.testing.assert_allclose(e.t, [1 / 15, 1 / 15, 13 / 15])
    np.testing.assert_allclose(e.layers[-1].delta, e.layers[-1].a - e.t, atol=1e-15)
    assert e.loss == pytest.approx(net.loss(X, [2]), rel=1e-13)
    assert_lines_add_up(e)


def test_targets_that_hardly_add_up_to_1():
    net, X, _ = problem([4, 3], 1, "float64", "softmax")
    assert_lines_add_up(net.explain(X[0], [0.3, 0.3, 0.4005]))


@pytest.mark.parametrize(("output", "y"), [("sigmoid", 1), ("identity", 0.3), ("identity", [0.3])])
def test_one_output(output, y):
    net, X, _ = problem([4, 5, 1], 1, "float64", output)
    e = net.explain(X[0], y)
    assert e.loss == pytest.approx(net.loss(X, [y]), rel=1e-13)


def test_a_float32_net_is_left_as_it_is():
    net, X, targets = problem([4, 5, 3], 1, "float32", "softmax")
    before = [w.copy() for w in net.weights]
    e = net.explain(X[0], targets[0])
    double = net.astype("float64")
    for got, wanted in zip(
        [layer.dW for layer in e.layers], double.loss_and_gradients(X, targets)[1], strict=True
    ):
        # the targets are float32 and add up to 1 no better
        np.testing.assert_allclose(got, wanted, rtol=1e-6)
    assert all((w == b).all() for w, b in zip(net.weights, before, strict=True))
    assert e.graph.loss.value == e.loss


def test_wide_layers_are_cut_short():
    net, X, _ = problem([64, 20, 10], 1, "float32", "softmax")
    text = str(net.explain(X[0], 3, shown=2))
    assert "… (62 more)" in text
    assert "… 18 more units" in text
    assert f"… {64 * 20 - 4:,} more weights" in text
    assert "a0[2]" not in text
    assert len(text.splitlines()) == 2 * 6 + 2 + 2 * 11 + 2 * 8
    assert "more" not in str(net.explain(X[0], 3, shown=None))


@pytest.mark.parametrize("widths", [[64, 100, 10], [9, 4, 3], [784, 300, 300, 10]])
def test_the_text_of_a_wide_net_stays_readable(widths):
    net = fastbp.MLP(widths, "relu")
    e = net.explain(np.linspace(0.1, 1, widths[0]), 1)
    lines = str(e).splitlines()
    assert max(map(len, lines)) < 200
    assert len(lines) <= 45 * (len(widths) - 1)
    assert str(e) == str(net.explain(np.linspace(0.1, 1, widths[0]), 1, shown=3))
    assert [layer.W.shape for layer in e.layers] == [w.shape for w in net.weights]


def test_the_text_of_a_narrow_net_is_complete():
    net = fastbp.MLP([8, 8, 8], "relu")
    e = net.explain(np.linspace(0.1, 1, 8), 1)
    assert str(e) == str(net.explain(np.linspace(0.1, 1, 8), 1, shown=None))
    assert "more" not in str(e)


class Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_html_says_the_same():
    e = worked()
    parser = Cells()
    parser.feed(e._repr_html_())
    assert parser.open == []
    wanted = [
        cell
        for title, rows in sections(e, 8)
        for cell in (title, *(c for row in rows for c in row))
        if cell
    ]
    assert parser.texts == wanted


def test_html_is_escaped():
    net, X, _ = problem([4, 3], 1, "float64", "identity", loss="hinge")
    html = net.explain(X[0], 1)._repr_html_()
    assert "+ 1 &gt; 0" in html
    assert "1 > 0" not in html


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": [[1, 2, 3, 4]]}, ValueError, "x must be 1-dimensional"),
        ({"x": [1, 2, 3]}, ValueError, r"x must have 4 features, got shape \(3,\)"),
        ({"x": [1, 2, 3, np.nan]}, ValueError, "x must be finite .* got nan in row 0"),
        ({"x": "abcd"}, TypeError, "x must be an array of real numbers"),
        ({"y": 3}, ValueError, "y must hold labels 0..2, got 3"),
        ({"y": [0.5, 0.5]}, ValueError, "y must be of shape"),
        ({"y": [0.5, [0.5]]}, ValueError, "y must be a label or targets"),
        ({"y": None}, TypeError, "y must be an array of real numbers"),
        ({"lr": 0}, ValueError, "lr must be .* above 0"),
        ({"l2": -1}, ValueError, "l2 must be .* at least 0"),
        ({"shown": 0}, ValueError, "shown must be at least 1"),
        ({"shown": 1.5}, TypeError, "shown must be a whole number"),
        ({"shown": "all"}, TypeError, "shown must be a whole number, got 'all'"),
    ],
)
def test_bad_input(change, error, message):
    net = fastbp.MLP([4, 3])
    with pytest.raises(error, match=message):
        net.explain(**{"x": [1, 2, 3, 4], "y": 1} | change)


def test_no_formula_of_a_callable():
    net = fastbp.MLP([2, 1], output="identity", loss=lambda a, y: (0.0, a * 0))
    with pytest.raises(
        ValueError, match=r"^net must have a loss with a name, one of cross_entropy"
    ):
        net.explain([1, 2], [1])


@pytest.mark.parametrize("hidden", HIDDEN)
def test_printed_where_its_symbols_are_missing(hidden, monkeypatch):
    """Every formula has an ASCII form, for Windows' code pages."""
    for output, loss in PAIRS:
        net, X, targets = problem([2, 3, 3], 1, "float64", output, loss=loss, hidden=hidden)
        y = [1] if loss == "hinge" else targets
        e = net.explain(X[0], y[0], l2=0.1, shown=2)
        text = str(e)
        assert "Σ" in text
        for encoding in ("ascii", "cp1252"):
            with monkeypatch.context() as patch:
                patch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
                assert str(e).isascii()
        assert str(e) == text


def test_symbols_that_a_code_page_has_stay(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="cp1252"))
    assert printable("½·(a - t)²") == "½·(a - t)²"
    assert printable("½·Σ (a - t)²") == "1/2*sum (a - t)^2"
    monkeypatch.setattr(sys, "stdout", None)  # as under pythonw
    assert printable("Σ") == "Σ"
