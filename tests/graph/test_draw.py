"""Drawings of the graph: well-formed, complete, escaped, and laid out without overlaps."""

import math
from itertools import combinations, pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

from fastbp.graph import Value, exp, network, to_dot, to_svg, topological_order, total
from fastbp.graph.draw import MAX_NODES

SVG = "{http://www.w3.org/2000/svg}"


def sum_times():
    return (Value(2.0, "x") + Value(3.0, "y")) * Value(4.0, "w")


def shared_leaf():
    a = Value(1.5, "a")
    return exp(-(a * a - a / 3 + a)) + a


def net():
    weights = [np.array([[0.15, 0.25], [0.2, 0.3]]), np.array([[0.4, 0.5], [0.45, 0.55]])]
    biases = [np.full(2, 0.35), np.full(2, 0.6)]
    return network(
        weights, biases, [0.05, 0.10], [0.01, 0.99], output="sigmoid", loss="squared_error"
    ).loss


def parse(svg):
    """Return the root of a drawing, (left, top, right, bottom) of each box, and the texts."""
    root = ElementTree.fromstring(svg)
    boxes = []
    for rect in root.iter(SVG + "rect"):
        if "x" in rect.attrib:  # the background has none
            x, y, width, height = (float(rect.get(key)) for key in ("x", "y", "width", "height"))
            boxes.append((x, y, x + width, y + height))
    return root, boxes, [text.text for text in root.iter(SVG + "text")]


def test_svg_shows_names_values_and_gradients():
    result = sum_times()
    result.backward()
    root, boxes, texts = parse(to_svg(result))
    wanted = "x/value 2/grad 4/y/value 3/grad 4/+/value 5/grad 4/w/value 4/grad 5/*/value 20/grad 1"
    assert len(boxes) == 5
    assert texts == wanted.split("/")
    tooltips = [title.text for title in root.iter(SVG + "title")]  # one for each arrow
    assert tooltips == [f"local derivative {partial}" for partial in (1, 1, 4, 5)]
    assert result._repr_svg_() == to_svg(result)


def test_numbers_have_four_digits():
    assert "value 3.142" in parse(to_svg(Value(math.pi, "p")))[2]


def test_title_joins_name_and_operation():
    node = Value(1.0) + 2
    node.name = "sum"
    assert parse(to_svg(node))[2][::3] == ["constant", "constant", "sum = +"]


def test_columns_put_operands_left_and_leaves_next_to_their_result():
    _, boxes, texts = parse(to_svg(sum_times()))
    left = dict(zip(texts[::3], (box[0] for box in boxes), strict=True))
    assert left["x"] == left["y"] < left["+"] == left["w"] < left["*"]


@pytest.mark.parametrize("build", [sum_times, shared_leaf, net])
def test_boxes_do_not_overlap(build):
    node = build()
    root, boxes, texts = parse(to_svg(node))
    width, height = float(root.get("width")), float(root.get("height"))
    assert len(boxes) == len(topological_order(node))
    for left, top, right, bottom in boxes:
        assert min(left, top, width - right, height - bottom) > 0
    for one, two in combinations(boxes, 2):
        assert one[2] < two[0] or two[2] < one[0] or one[3] < two[1] or two[3] < one[1]
    for k, (left, _, right, _) in enumerate(boxes):  # 0.61: the widest monospaced fonts
        assert max(map(len, texts[3 * k : 3 * k + 3])) * 12 * 0.61 < right - left


def test_arrows_pass_between_boxes():
    root, boxes, _ = parse(to_svg(shared_leaf()))
    passing = 0
    for path in root.iter(SVG + "path"):
        pieces = path.get("d").split(" ")
        for before, piece in pairwise(pieces):
            if piece.startswith("H"):  # the straight way through a column
                start, y = map(float, before.split(","))
                end = float(piece[1:])
                passing += 1
                assert not any(
                    left < end and start < right and top < y < bottom
                    for left, top, right, bottom in boxes
                )
    assert passing >= 4


def test_operands_keep_their_order():
    _, boxes, texts = parse(to_svg(net()))
    top = dict(zip(texts[::3], (box[1] for box in boxes), strict=True))
    # as in a - t
    assert top["a1[0] = sigmoid"] < top["t[0]"] < top["a1[1] = sigmoid"] < top["t[1]"]


def test_box_fits_wide_characters():
    ((left, _, right, _),) = parse(to_svg(Value(1.0, "語" * 20)))[1]
    assert right - left > 20 * 12  # each as wide as the font is high


def test_names_are_escaped():
    node = Value(1.0, 'a<b>&"\\\x00\n') + Value(2.0, "日本")
    texts = parse(to_svg(node))[2]
    assert texts[0] == 'a<b>&"\\  '
    assert "日本" in texts
    assert r'label="a<b>&amp;\"\\  \nvalue 1\ngrad 0"' in to_dot(node)


def test_dot_is_balanced():
    node = net()
    node.backward()
    text = to_dot(node)
    order = topological_order(node)
    assert text.startswith("digraph {")
    assert text.endswith("\n}\n")
    assert all(text.count(a) == text.count(b) for a, b in ("[]", "{}"))
    assert text.count('"') % 2 == 0
    assert text.count(" -> ") == sum(len(current.parents) for current in order)
    assert text.count("label=") == len(order)
    assert r'"W1[0,0]\nvalue 0.4\ngrad 0.08217"' in text


def test_too_large_to_draw():
    node = total(range(MAX_NODES))
    with pytest.raises(ValueError, match=f"node .* at most {MAX_NODES} .* got {MAX_NODES + 1}"):
        to_svg(node)
    assert node._repr_svg_() is None
    assert len(parse(to_svg(total(range(MAX_NODES - 1))))[1]) == MAX_NODES


@pytest.mark.parametrize("draw", [to_svg, to_dot])
def test_only_values_are_drawn(draw):
    with pytest.raises(TypeError, match="node must be a Value, got float: 1"):
        draw(1.0)
