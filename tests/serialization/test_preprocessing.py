"""Columns to inputs and back, and their place in a saved model."""

import copy
import json
import pickle

import numpy as np
import pytest
from helpers.mutation import sealed

import fastbp
from fastbp.preprocessing import ColumnError, OneHot, Preprocessing, Scaled
from fastbp.serialization import container

COLUMNS = {"city": ["Oslo", "Rome", "Oslo"], "age": [1.0, 2.0, 4.0], "unused": [None] * 3}
CITY = OneHot("city", ("Oslo", "Rome"))
AGE = Scaled("age", 2.0, 0.5)
KIND = OneHot("kind", (3, 7, 11))


def test_inputs():
    X = Preprocessing((CITY, AGE), KIND).transform(COLUMNS)
    np.testing.assert_array_equal(X, [[1, 0, -2], [0, 1, 0], [1, 0, 4]])
    X = Preprocessing((AGE, CITY), KIND).transform(COLUMNS, "float32")
    np.testing.assert_array_equal(X, np.float32([[-2, 1, 0], [0, 0, 1], [4, 1, 0]]))
    assert X.dtype == np.float32


def test_scaling_is_scikit_learns():
    StandardScaler = pytest.importorskip("sklearn.preprocessing").StandardScaler
    values = np.random.default_rng(0).normal(5, 3, 50)
    column = Scaled.of("x", values)
    out = np.empty((50, 1))
    column.encode(values, out)
    np.testing.assert_allclose(
        out, StandardScaler().fit_transform(values[:, None]), rtol=1e-12, atol=1e-14
    )
    np.testing.assert_allclose(column.decode(out[:, 0]), values, rtol=1e-14)


@pytest.mark.parametrize(
    "values", [[0.1] * 7, [0.0], [5e-324, 0], [1e300, -1e300], [1e300] * 3, [1e15, 1e15 + 1]]
)
def test_scaling_of_extremes(values):
    column = Scaled.of("x", np.array(values))
    out = np.empty((len(values), 1))
    assert np.isfinite([column.mean, column.scale]).all()
    assert column.scale > 0
    column.encode(np.array(values), out)
    assert np.abs(out).max() <= 1.5


def test_back():
    np.testing.assert_array_equal(KIND.decode(np.array([2, 0])), [11, 3])
    assert CITY.decode(np.array([1])).tolist() == ["Rome"]
    np.testing.assert_array_equal(AGE.decode(np.float32([-2, 4])), [1, 4])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"city": ["Oslo", "Oslo", "Bonn"]},
            "column 'city', row 2: 'Bonn' is not one of the model's categories 'Oslo', 'Rome'",
        ),
        (
            {"age": [1, np.nan, 2]},
            "column 'age', row 1: nan is not finite, or far too large for the model",
        ),
        ({"age": [1, 2, 1e300]}, "column 'age', row 2: 1e\\+300 is not finite, or far"),
        ({"age": [1, 2]}, "columns must be of one length, got 3 and 2 in 'age'"),
    ],
)
def test_values_that_cannot_be_encoded(change, message):
    with pytest.raises(ValueError, match=message) as caught:
        Preprocessing((CITY, AGE), KIND).transform(COLUMNS | change, "float32")
    if isinstance(caught.value, ColumnError):
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_column_that_is_missing():
    with pytest.raises(ValueError, match="columns must have 'age', got 'city'"):
        Preprocessing((CITY, AGE), KIND).transform({"city": ["Oslo"]})


def test_too_much_for_a_file():
    with pytest.raises(ValueError, match=r"too many for a model file: 6.* bytes, at most 524288"):
        Preprocessing((OneHot("x", tuple(f"{i:0100}" for i in range(6000))),), KIND)


def net_with(preprocessing):
    output = "sigmoid" if preprocessing.target.width == 1 else "softmax"
    net = fastbp.MLP([preprocessing.width, 4, preprocessing.target.width], output=output)
    net.preprocessing_ = preprocessing
    return net


@pytest.mark.parametrize("target", [KIND, OneHot("k", ("é", "<b>", "")), Scaled("y", 1e-300, 3.0)])
def test_saved_with_the_net(target, tmp_path):
    net = net_with(Preprocessing((CITY, AGE, Scaled("0.1", 0.1, 1e300)), target))
    net.save(tmp_path / "net")
    assert fastbp.load(tmp_path / "net").preprocessing_ == net.preprocessing_
    assert (
        copy.deepcopy(net).preprocessing_
        == net.astype("float64").preprocessing_
        == net.preprocessing_
    )


def changed(**changes):
    return lambda document: document["preprocessing"] | changes


INPUT = {"name": "city", "categories": ["Oslo", "Rome"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: 0, "preprocessing must have the keys"),
        (lambda _: [], "preprocessing must have the keys"),
        (lambda _: {"inputs": []}, "preprocessing must have the keys"),
        (changed(inputs=[]), "the inputs must be a list of columns"),
        (changed(inputs={"a": 1}), "the inputs must be a list of columns"),
        (changed(inputs=[INPUT]), "preprocessing must be of 3 inputs and 3 outputs, got 2 and 3"),
        (changed(inputs=[INPUT, INPUT]), "a column comes twice among the inputs"),
        (changed(inputs=[INPUT | {"name": 3}]), "the name of an input must be text, got 3"),
        (changed(inputs=[INPUT | {"more": 3}]), "an input must have the keys"),
        (
            changed(inputs=[INPUT | {"categories": ["a", 1]}]),
            "the categories of an input must be a list of texts",
        ),
        (
            changed(inputs=[INPUT | {"categories": [1, 2]}]),
            "the categories of an input must be a list of texts",
        ),
        (
            changed(inputs=[INPUT | {"categories": [{}, []]}]),
            "the categories of an input must be a list of texts",
        ),
        (
            changed(inputs=[INPUT | {"categories": ["a", "a"]}]),
            "the categories of an input must not be empty or repeated",
        ),
        (
            changed(inputs=[INPUT | {"categories": []}]),
            "the categories of an input must not be empty or repeated",
        ),
        (
            changed(target={"name": "y", "categories": [True, False]}),
            "the categories of the target must be a list of texts",
        ),
        (
            changed(target={"name": "y", "mean": 0.0, "scale": 0.0}),
            "the scale of the target must be positive",
        ),
        (
            changed(target={"name": "y", "mean": 0.0, "scale": -1.0}),
            "the scale of the target must be positive",
        ),
        (
            changed(target={"name": "y", "mean": 1, "scale": 1.0}),
            "mean and scale of the target must be finite",
        ),
        (
            changed(target={"name": "y", "mean": "1", "scale": 1.0}),
            "mean and scale of the target must be finite",
        ),
        (changed(target={"name": "y", "mean": 1.0}), "the target must have the keys"),
        (changed(target=None), "the target must have the keys"),
    ],
)
def test_a_file_with_something_else(change, message, tmp_path):
    net_with(Preprocessing((CITY, AGE), KIND)).save(tmp_path / "net")
    content = (tmp_path / "net").read_bytes()
    document, _ = container.read_header(content)
    document["preprocessing"] = change(document)
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"]["fastbp"] = json.dumps({"sha256": "0" * 64} | document)
    text = json.dumps(header).encode()
    (tmp_path / "net").write_bytes(
        sealed(len(text).to_bytes(8, "little") + text + content[8 + size :])
    )
    with pytest.raises(ValueError, match=message):
        fastbp.load(tmp_path / "net")
