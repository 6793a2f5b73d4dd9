"""HTML of nets and histories: well formed, complete, escaped, with curves in the right places."""

import math
from xml.etree import ElementTree

import numpy as np
import pytest

import fastbp
from fastbp.base.html import (
    BOTTOM,
    HEIGHT,
    LEFT,
    MAX_POINTS,
    RIGHT,
    TOP,
    WIDTH,
    curves,
    linear_ticks,
    log_ticks,
    loss_svg,
)

SVG = "{http://www.w3.org/2000/svg}"


def history(n=4, steps=10, **options):
    batch = [2.0 * 0.9**i for i in range(n * steps)]
    return fastbp.History(
        loss=batch[::steps][:n], batch_loss=batch, **{"stopped_by": "epochs"} | options
    )


def drawn(h):
    """The curves of a drawing by colour, and its texts."""
    root = ElementTree.fromstring(loss_svg(h))
    turned = [text.text for text in root.iter(SVG + "text") if text.get("transform")]
    assert turned == ["loss"]
    lines = {}
    for line in root.iter(SVG + "polyline"):
        lines[line.get("stroke")] = [
            tuple(map(float, pair.split(","))) for pair in line.get("points").split()
        ]
    for points in lines.values():
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    return lines, [text.text for text in root.iter(SVG + "text")]


def test_net():
    html = fastbp.MLP([64, 20, 10], hidden="tanh")._repr_html_()
    cells = [cell.text for cell in ElementTree.fromstring(html).iter("td")]
    assert cells == ["0", "64 × 20", "tanh", "1,300", "1", "20 × 10", "softmax", "210"]
    assert "MLP 64-20-10: 1,510 parameters in float32, loss cross_entropy" in html


def test_a_callable_loss_is_escaped():
    class Loss:
        def __call__(self, a, y):
            return 0.0, a * 0

        def __repr__(self):
            return "<script>alert(1)</script>"

    html = fastbp.MLP([2, 1], output="identity", loss=Loss())._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    stopped = history(stopped_by="<b>")._repr_html_()
    assert "stopped by &lt;b&gt;" in stopped


def test_history_of_a_fit():
    X = np.random.default_rng(0).normal(size=(40, 3))
    y = (X[:, 0] > 0).astype(int)
    net = fastbp.MLP([3, 4, 2], seed=1)
    h = net.fit(X, y, epochs=6, batch_size=10, X_val=X, y_val=y, patience=3)
    html = h._repr_html_()
    root = ElementTree.fromstring(html)
    assert len(list(root.iter(SVG + "svg"))) == 1
    text = "".join(root.itertext())
    losses = f"loss {h.loss[0]:.4g} → {h.loss[-1]:.4g}"
    assert f"6 epochs, 24 steps; stopped by {h.stopped_by}; {losses}; validation" in text
    assert "best epoch 6" in text
    assert all(name in text for name in ("minibatch", "training", "validation"))


def test_gradient_check():
    """It shows itself: as a table in a notebook, as one line in a console."""
    net = fastbp.MLP([3, 40, 2], dtype="float64", seed=1)
    x = np.random.default_rng(0).normal(size=(9, 3))
    check = fastbp.check_gradients(net, x, np.arange(9) % 2)
    root = ElementTree.fromstring(check._repr_html_())
    cells = ["".join(cell.itertext()) for row in root.iter("tr") for cell in row]
    errors = [(str(i), f"{w:.1e}", f"{b:.1e}") for i, (w, b) in enumerate(check.layers)]
    assert cells == ["layer", "weights", "biases", *(text for row in errors for text in row)]
    text = f"largest relative error {check.max_error:.1e} over {check.checked} parameters"
    assert text in "".join(root.itertext())
    assert repr(check) == f"<GradientCheck: {text}; print it>"
    assert str(check).endswith(text)


def test_curves_stand_where_they_belong():
    h = history(val_loss=[3.0, 2.0, 1.0, 0.5])
    found = curves(h)
    assert list(found) == ["minibatch", "training", "validation"]
    assert found["minibatch"][0][9::10] == [1, 2, 3, 4]  # the last step of each epoch
    lines, texts = drawn(h)
    assert len(lines["#1f77b4"]) == len(lines["#ff7f0e"]) == 4
    ends = {points[-1][0] for points in lines.values()}
    assert ends == {RIGHT}
    # Twice the loss is everywhere the same way up on a logarithmic scale.
    (_, y3), (_, y2), (_, y1), (_, y05) = lines["#ff7f0e"]
    assert y2 - y1 == pytest.approx(y1 - y05, abs=0.2)
    assert y3 - y2 == pytest.approx((y2 - y1) * math.log2(3 / 2), abs=0.2)
    assert {"epoch", "0", "1", "2", "3", "4"} <= set(texts)


def test_the_best_epoch_is_marked():
    h = history(val_loss=[3.0, 1.0, 2.0, 2.5], best_epoch=1)
    (mark,) = ElementTree.fromstring(loss_svg(h)).iter(SVG + "circle")
    _, (x, y), *_ = drawn(h)[0]["#ff7f0e"]
    assert (float(mark.get("cx")), float(mark.get("cy"))) == (x, y)


@pytest.mark.parametrize("loss", [math.nan, math.inf, -5.0, 1e9])
def test_a_best_epoch_between_the_points_of_a_thinned_curve(loss):
    losses = [1.0 + i for i in range(1003)]
    losses[1] = loss
    h = fastbp.History(loss=losses, best_epoch=1, stopped_by="epochs")
    marks = list(ElementTree.fromstring(loss_svg(h)).iter(SVG + "circle"))
    assert len(marks) == math.isfinite(loss)
    assert all(TOP <= float(mark.get("cy")) <= HEIGHT for mark in marks)


def test_a_linear_scale_for_losses_that_are_not_positive():
    lines, texts = drawn(fastbp.History(loss=[1.0, 0.0, -1.0]))
    (_, a), (_, b), (_, c) = lines["#1f77b4"]
    assert a - b == pytest.approx(b - c, abs=0.1)
    assert "-1" in texts


def test_losses_that_are_not_finite_are_left_out():
    lines, _ = drawn(
        fastbp.History(batch_loss=[1.0, 2.0, math.inf, math.nan], stopped_by="divergence")
    )
    assert len(lines["#bbbbbb"]) == 2
    assert loss_svg(fastbp.History(batch_loss=[math.nan])) == ""


@pytest.mark.parametrize("value", [0.0, 1e-300, 5.0, -3.0, 1e300])
def test_a_single_loss(value):
    lines, _ = drawn(fastbp.History(loss=[value], stopped_by="epochs"))
    assert len(lines["#1f77b4"]) == 2  # a dot


def test_long_curves_are_thinned():
    lines, _ = drawn(history(n=3, steps=5003))
    assert MAX_POINTS / 2 < len(lines["#bbbbbb"]) <= MAX_POINTS
    assert lines["#bbbbbb"][-1][0] == RIGHT


@pytest.mark.parametrize("losses", [
    [5e-324], [1e-320, 2e-320], [0.0, 5e-324], [1e-310, 1.0], [1.7e308, 1.0], [1.7e308, -1.7e308],
    [1.7e308], [-1.7e308], [1.0, 1.7e308, 5e-324],
])  # fmt: skip
def test_losses_at_the_ends_of_the_range(losses):
    h = fastbp.History(loss=losses, batch_loss=losses, val_loss=losses, best_epoch=0)
    lines, texts = drawn(h)
    points = [point for line in lines.values() for point in line]
    assert all(LEFT <= x <= RIGHT and TOP - 1 <= y <= BOTTOM + 1 for x, y in points)
    assert "epoch" in texts


def test_the_text_of_a_history_is_one_line():
    h = history(50, 60, val_loss=[1.0] * 50, best_epoch=3)
    for text in (repr(h), str(h), f"{h}", str([h])):
        assert "50 epochs, 3,000 steps; stopped by epochs; loss 2 → " in text
        assert "best epoch 4" in text
        assert len(text) < 200
        assert "\n" not in text
    assert repr(fastbp.History()) == "<History: 0 epochs, 0 steps; running>"
    assert repr(history(1, 1)).startswith("<History: 1 epoch, 1 step; ")


def test_empty_history():
    html = fastbp.History()._repr_html_()
    assert "0 epochs, 0 steps; running" in html
    assert "svg" not in html


@pytest.mark.parametrize(
    ("epochs", "steps", "stopped", "end"),
    [
        (4, 40, "epochs", 4),
        (4, 45, "interrupt", 4.5),
        (4, 40, "interrupt", 4),
        (0, 7, None, 0.5),
        (1, 15, "divergence", 1.5),
    ],
)
def test_where_the_minibatches_end(epochs, steps, stopped, end):
    h = fastbp.History(loss=[1.0] * epochs, batch_loss=[1.0] * steps, stopped_by=stopped)
    assert curves(h)["minibatch"][0][-1] == pytest.approx(end)


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0.3, 0.31), (-5, 1e6), (7, 7), (0, 0), (1e-12, 3e-12), (2.5, 99)]
)
def test_ticks(low, high):
    ticks = linear_ticks(low, high)
    assert 2 <= len(ticks) <= 8
    assert ticks[0] <= low + 1e-12
    assert ticks[-1] >= high - 1e-12
    assert all(float(f"{t:.6g}") == pytest.approx(t, abs=1e-9) for t in ticks)


@pytest.mark.parametrize(
    ("low", "high"), [(0.1, 1.01), (3, 40), (1e-9, 1), (1e-300, 1e300), (0.04, 0.5)]
)
def test_log_ticks(low, high):
    ticks = log_ticks(low, high)
    assert 3 <= len(ticks) <= 9
    assert ticks[0] <= low
    assert ticks[-1] >= high
