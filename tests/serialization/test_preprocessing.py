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
        ({"age": [1, np.nan, 2]}, "column 'age', row 1: a missing value"),
        ({"age": [1, np.inf, 2]}, "column 'age', row 1: inf is not finite, or far too large for"),
        ({"age": [1, "x", 2]}, "column 'age', row 1: 'x' is not a number"),
        ({"age": [1, "1_0", 2]}, "column 'age', row 1: '1_0' is not a number"),
        ({"age": [1, [2], 2]}, r"column 'age', row 1: \[2\] is not a number"),
        (
            {"age": np.array([1, 2, 3], "M8[D]")},
            r"column 'age', row 0: must be a number, got the dtype datetime64\[D\]",
        ),
        (
            {"age": np.array([1, 2, 3], "m8[s]")},
            r"column 'age', row 0: must be a number, got the dtype timedelta64\[s\]",
        ),
        ({"age": np.array([1, 2, 3j])}, "column 'age', row 0: must be a number, got the dtype com"),
        ({"city": ["Oslo", None, "Oslo"]}, "column 'city', row 1: a missing value"),
        ({"city": ["Oslo", 7, "Oslo"]}, "'city', row 1: 7 of type int is not one of the model's"),
        ({"city": ["Oslo", ["Oslo"], 1]}, r"'city', row 1: \['Oslo'\] of type list is not one of"),
        ({"city": "Oslo"}, r"columns must be sequences \(n,\), got 'city' a single value"),
        ({"city": np.array([["Oslo"]])}, r"got 'city' of shape \(1, 1\)"),
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
    made = Preprocessing((CITY, AGE), KIND)
    with pytest.raises(ValueError, match="columns must have 'age', got 'city'"):
        made.transform({"city": ["Oslo"]})
    with pytest.raises(ValueError, match="columns must have 'city', 'age', got 'x'"):
        made.transform({"x": [1]})


FILLED = Preprocessing(
    (
        OneHot("flag", ("False", "True"), "True", True),
        OneHot("lower", ("false", "true"), "true"),
        OneHot("zip", ("7", "12"), "7", True),
        Scaled("size", 2.0, 0.5, 3.0, True),
        Scaled("age", 0.0, 1.0, 9.0),
    ),
    KIND,
)
ROWS = {
    "flag": [True, False, None],
    "lower": [False, np.True_, None],
    "zip": [7, 12.0, None],
    "size": [1, "2.5", None],
    "age": [True, " \N{MINUS SIGN}1", ""],
    "unused": [object()] * 3,
}
ENCODED = [
    [0, 1, 0, 1, 0, 1, 0, 0, -2, 0, 1],
    [1, 0, 0, 0, 1, 0, 1, 0, 1, 0, -1],
    [0, 1, 1, 0, 1, 1, 0, 1, 2, 1, 9],
]


def test_the_values_that_the_command_line_was_trained_on():
    """Flags and numbers for their texts, texts for numbers, missing values of every kind."""
    np.testing.assert_array_equal(FILLED.transform(ROWS), ENCODED)
    missing = {
        name: ["", " ", None, np.nan, float("nan"), np.datetime64("NaT", "D")] for name in ROWS
    }
    np.testing.assert_array_equal(FILLED.transform(missing), [ENCODED[2]] * 6)
    texts = {name: [str(v) for v in values] for name, values in ROWS.items()}
    for name in ("flag", "lower", "zip", "size"):
        texts[name][2] = ""
    texts |= {"lower": ["false", "true", ""], "zip": ["7", " 12 ", ""]}
    texts["age"] = ["1", "-1", ""]
    np.testing.assert_array_equal(FILLED.transform(texts), ENCODED)


def test_data_frames():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(ROWS)
    np.testing.assert_array_equal(FILLED.transform(frame), ENCODED)
    np.testing.assert_array_equal(FILLED.transform(frame.set_index(pd.Index([9, 9, 9]))), ENCODED)
    nullable = pd.DataFrame(
        {
            "flag": pd.array([True, False, None], "boolean"),
            "lower": pd.array([False, True, None], "boolean"),
            "zip": pd.array([7, 12, None], "Int64"),
            "size": pd.array([1, 2.5, None], "Float64"),
            "age": pd.array([1, -1, None], "Int8"),
        }
    )
    np.testing.assert_array_equal(FILLED.transform(nullable), ENCODED)
    categorical = nullable.assign(zip=pd.Categorical([7, 12, None]))
    np.testing.assert_array_equal(FILLED.transform(categorical), ENCODED)
    arrow = nullable.convert_dtypes(dtype_backend="pyarrow")
    np.testing.assert_array_equal(FILLED.transform(arrow), ENCODED)
    twice = pd.concat([nullable, nullable[["age"]]], axis=1)
    with pytest.raises(ValueError, match=r"sequences \(n,\), got 'age' of shape \(3, 2\)"):
        FILLED.transform(twice)


@pytest.mark.parametrize("row", range(3))
def test_one_row(row):
    """As a dict, a Series or named values."""
    pd = pytest.importorskip("pandas")
    given = {name: values[row] for name, values in ROWS.items()}
    frame = pd.DataFrame(ROWS)
    for one in (given, pd.Series(given), frame.iloc[row], frame.iloc[row].to_dict()):
        np.testing.assert_array_equal(FILLED.transform(one), [ENCODED[row]])


def test_whole_numbers_as_categories():
    """Of any size, and given as texts too."""
    assert KIND.labels([7, "11", 3.0, np.int8(7)]).tolist() == [1, 2, 0, 1]
    large = OneHot("y", (2**53, 2**53 + 1, 2**64))
    assert large.decode(np.array([1, 2])).tolist() == [2**53 + 1, 2**64]
    assert large.labels([2**53 + 1]).tolist() == [1]
    assert KIND.decode(np.array([0])).dtype == np.int64


def test_floating_point_errors_that_raise():
    """The caller's `np.errstate` ends no encoding."""
    with np.errstate(all="raise"):
        for values in ([5e-324, 0, 1e300], [1e-300, 2e-300], [1e300, -1e300], [0.1] * 7):
            column = Scaled.of("x", np.array(values))
            out = np.empty((len(values), 1), np.float32)
            column.encode(values, out)
            column.decode(out[:, 0] * np.float32(1e30))
        with pytest.raises(ColumnError, match="far too large"):
            AGE.encode([1e300], np.empty((1, 1), np.float32))


def test_too_much_for_a_file():
    with pytest.raises(ValueError, match=r"too many for a model file: 6.* bytes, at most 524288"):
        Preprocessing((OneHot("x", tuple(f"{i:0100}" for i in range(6000))),), KIND)


def net_with(preprocessing):
    output = "sigmoid" if preprocessing.target.width == 1 else "softmax"
    net = fastbp.MLP([preprocessing.width, 4, preprocessing.target.width], output=output)
    net.preprocessing_ = preprocessing
    return net


def test_imputation_is_saved_and_absent_otherwise(tmp_path):
    """Columns without a fill are written as before there was one."""
    net = net_with(FILLED)
    net.save(tmp_path / "net")
    assert fastbp.load(tmp_path / "net").preprocessing_ == FILLED
    assert FILLED.document()["inputs"][3] == {
        "name": "size", "mean": 2.0, "scale": 0.5, "fill": 3.0, "indicator": True,
    }  # fmt: skip
    assert Preprocessing((CITY, AGE), KIND).document() == {
        "inputs": [
            {"name": "city", "categories": ["Oslo", "Rome"]},
            {"name": "age", "mean": 2.0, "scale": 0.5},
        ],
        "target": {"name": "kind", "categories": [3, 7, 11]},
    }


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
        (changed(inputs=[INPUT | {"fill": "Oslo"}]), "an input must have the keys"),
        (changed(inputs=[INPUT | {"indicator": False}]), "an input must have the keys"),
        (
            changed(inputs=[INPUT | {"fill": "Bonn", "indicator": False}]),
            "the fill of an input must be one of its categories, got 'Bonn'",
        ),
        (
            changed(inputs=[INPUT | {"fill": None, "indicator": False}]),
            "the fill of an input must be one of its categories, got None",
        ),
        (
            changed(inputs=[INPUT | {"fill": ["Oslo"], "indicator": True}]),
            "the fill of an input must be one of its categories",
        ),
        (
            changed(inputs=[INPUT | {"fill": "Oslo", "indicator": 1}]),
            "the indicator of an input must be a flag, got 1",
        ),
        (
            changed(
                inputs=[{"name": "a", "mean": 1.0, "scale": 1.0, "fill": 1, "indicator": False}]
            ),
            "mean and scale and fill of an input must be finite numbers",
        ),
        (
            changed(target={"name": "y", "categories": ["a"], "fill": "a", "indicator": True}),
            "the target must have the keys",
        ),
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
