"""Bad input of every kind, to every public call: an error that names the argument and what was
given, and nothing changed."""

import copy
import pickle
import re

import numpy as np
import pytest
from helpers.bad_numbers import NUMBERS

import fastbp

RNG = np.random.default_rng(0)
N = 7
N_IN = 3
N_OUT = 4
X = RNG.normal(size=(N, N_IN))
Y = np.arange(N) % N_OUT
ONE_HOT = np.eye(N_OUT)[Y]


def with_value(array, row, value, dtype=None):
    array = np.array(array, dtype or np.result_type(array, np.float64))
    array[row, ...] = value
    return array


@pytest.fixture(scope="module")
def trained():
    """A net with optimizer state, a history and a generator that has been drawn from."""
    net = fastbp.MLP([N_IN, 5, N_OUT], seed=3)
    net.fit(X, Y, epochs=3, batch_size=2, optimizer=fastbp.Adam())
    return net


def bits(net):
    """All that a net is: its pickle, and what training it further gives, which needs the next
    shuffle and the state."""
    twin = copy.deepcopy(net)
    twin.fit(X, Y, epochs=2, batch_size=2, optimizer=fastbp.Adam())
    return pickle.dumps(net), twin.parameters.tobytes(), twin.history_.batch_loss


def refused(net, call, error, message):
    before = bits(net)
    with pytest.raises(error) as caught:
        call(net)
    assert type(caught.value) is error
    assert re.search(message, str(caught.value)), str(caught.value)
    assert bits(net) == before


# Name in the message, the bad array, the error, what the message tells of what was given.
INPUTS = {
    "too few features": (X[:, :2], ValueError, r"3 features.*\(7, 2\)"),
    "one dimension": (X[0], ValueError, r"2-dimensional.*\(3,\)"),
    "three dimensions": (X[None], ValueError, r"2-dimensional.*\(1, 7, 3\)"),
    "scalar": (1.5, ValueError, r"2-dimensional.*\(\)"),
    "NaN": (with_value(X, 4, np.nan), ValueError, "nan in row 4"),
    "infinity": (with_value(X, 0, np.inf), ValueError, "inf in row 0"),
    "minus infinity": (with_value(X, 6, -np.inf), ValueError, "-inf in row 6"),
    "NaN, float16": (with_value(X, 2, np.nan, np.float16), ValueError, "nan in row 2"),
    "infinity, float16": (with_value(X, 2, np.inf, np.float16), ValueError, "inf in row 2"),
    "infinity, float32": (with_value(X, 2, np.inf, np.float32), ValueError, "inf in row 2"),
    "NaN, big-endian": (with_value(X, 5, np.nan, ">f8"), ValueError, "nan in row 5"),
    "too large for float32": (with_value(X, 3, 1e39), ValueError, r"float32.*1e\+39 in row 3"),
    "objects": (X.astype(object), TypeError, "real numbers.*object"),
    "strings": (X.astype(str), TypeError, "real numbers.*U"),
    "complex": (X * 1j, TypeError, "real numbers.*complex128"),
    "masked": (np.ma.masked_array(X), TypeError, "masked"),
    "ragged": ([[1.0, 2.0, 3.0], [4.0]], ValueError, "row|shape|length|inhomogeneous"),
}
INPUT_CALLS = {
    **{
        name: lambda net, bad, name=name: getattr(net, name)(bad)
        for name in ("forward", "predict", "predict_proba")
    },
    **{
        name: lambda net, bad, name=name: getattr(net, name)(bad, Y)
        for name in ("fit", "loss", "loss_and_gradients")
    },
    "X_val": lambda net, bad: net.fit(X, Y, X_val=bad, y_val=Y),
}


@pytest.mark.parametrize("call", INPUT_CALLS)
@pytest.mark.parametrize("kind", INPUTS)
def test_x(trained, kind, call):
    bad, error, message = INPUTS[kind]
    name = "X_val" if call == "X_val" else "X"
    refused(trained, lambda net: INPUT_CALLS[call](net, bad), error, rf"^{name}\b.*({message})")


TARGETS = {
    "too short": (Y[:-1], ValueError, "7 rows.*6"),
    "label too large": (with_value(Y, 5, 4, int), ValueError, r"0\.\.3.*4 in row 5"),
    "label below 0": (with_value(Y, 1, -1, np.int8), ValueError, r"0\.\.3.*-1 in row 1"),
    "label beyond int64": (
        with_value(Y, 1, 2**64 - 1, np.uint64),
        ValueError,
        r"0\.\.3.*18446744073709551615 in row 1",
    ),
    "fractional label": (with_value(Y, 3, 0.5), ValueError, r"whole.*0\.5 in row 3"),
    "NaN label": (with_value(Y, 3, np.nan), ValueError, "nan in row 3"),
    "infinite label": (with_value(Y, 3, np.inf), ValueError, "inf in row 3"),
    "infinite float16 label": (with_value(Y, 3, np.inf, np.float16), ValueError, "inf in row 3"),
    "too few columns": (ONE_HOT[:, :3], ValueError, r"\(7, 4\).*\(7, 3\)"),
    "one column": (Y[:, None], ValueError, r"\(7, 4\).*\(7, 1\)"),
    "probability above 1": (with_value(ONE_HOT, 2, 1.5), ValueError, r"1\.5 in row 2"),
    "probability below 0": (with_value(ONE_HOT, 2, -0.5), ValueError, r"-0\.5 in row 2"),
    "NaN probability": (with_value(ONE_HOT, 6, np.nan), ValueError, "nan in row 6"),
    "NaN float16 probability": (
        with_value(ONE_HOT, 6, np.nan, np.float16),
        ValueError,
        "nan in row 6",
    ),
    "sum is not 1": (with_value(ONE_HOT, 4, 0.3), ValueError, r"1\.2 in row 4"),
    "scalar": (1, ValueError, r"\(\)"),
    "strings": (np.array(list("abcdefg")), ValueError, "labels 0, 1, 2, 3, got 'a' in row 0"),
    "bytes": (np.array(list("abcdefg"), "S1"), TypeError, "S1"),
    "objects": (Y.astype(object), TypeError, "object"),
    "text and numbers": (
        np.array(["a", *Y[1:]], object),
        TypeError,
        "all text, got .*1.* of type int64 in row 1",
    ),
    "dates": (np.full(N, "2020", "M8[D]"), TypeError, "datetime64"),
    "masked": (np.ma.masked_array(Y), TypeError, "masked"),
    "ragged": ([[1, 0, 0, 0], [0]] + [[1]] * 5, ValueError, "row|shape|length|inhomogeneous"),
}
WEIGHTS = {
    "too short": (np.ones(6), ValueError, "7.*6"),
    "negative": (with_value(np.ones(N), 2, -1), ValueError, "-1.* in row 2"),
    "NaN": (with_value(np.ones(N), 2, np.nan), ValueError, "nan in row 2"),
    "infinity": (with_value(np.ones(N), 2, np.inf), ValueError, "inf in row 2"),
    "float16 infinity": (with_value(np.ones(N), 2, np.inf, np.float16), ValueError, "inf in row 2"),
    "all zero": (np.zeros(N), ValueError, "zero"),
    "two dimensions": (np.ones((N, 1)), ValueError, r"1-dimensional.*\(7, 1\)"),
    "strings": (np.array(["1"] * N), TypeError, "U1"),
    "objects": (np.ones(N, object), TypeError, "object"),
}
LOSS_CALLS = ("fit", "loss", "loss_and_gradients")


@pytest.mark.parametrize("call", LOSS_CALLS)
@pytest.mark.parametrize("kind", TARGETS)
def test_y(trained, kind, call):
    bad, error, message = TARGETS[kind]
    refused(trained, lambda net: getattr(net, call)(X, bad), error, rf"^y\b.*({message})")


@pytest.mark.parametrize("kind", TARGETS)
def test_y_val(trained, kind):
    bad, error, message = TARGETS[kind]
    refused(
        trained, lambda net: net.fit(X, Y, X_val=X, y_val=bad), error, rf"^y_val\b.*({message})"
    )


@pytest.mark.parametrize("call", LOSS_CALLS)
@pytest.mark.parametrize("kind", WEIGHTS)
def test_sample_weight(trained, kind, call):
    bad, error, message = WEIGHTS[kind]
    refused(
        trained,
        lambda net: getattr(net, call)(X, Y, sample_weight=bad),
        error,
        rf"^sample_weight\b.*({message})",
    )


@pytest.mark.parametrize("call", LOSS_CALLS)
def test_no_rows_and_none(trained, call):
    refused(
        trained, lambda net: getattr(net, call)(X[:0], Y[:0]), ValueError, r"^X\b.*row.*\(0, 3\)"
    )
    refused(trained, lambda net: getattr(net, call)(None, Y), TypeError, "^X .*object")
    refused(trained, lambda net: getattr(net, call)(X, None), TypeError, "^y is missing: ")


@pytest.mark.parametrize(
    "data",
    [X.tolist(), list(X), tuple(map(tuple, X)), "train.csv", b"x", {"a": X}, 3, None],
    ids=lambda data: type(data).__name__,
)
def test_no_targets(trained, data):
    refused(trained, lambda net: net.fit(data), TypeError, "^y is missing: .* got a ")


@pytest.mark.parametrize(("given", "named"), [({"X_val": X}, "X_val"), ({"y_val": Y}, "y_val")])
def test_half_a_validation_set(trained, given, named):
    refused(
        trained,
        lambda net: net.fit(X, Y, **given),
        ValueError,
        f"X_val and y_val go together, got only {named}",
    )


OTHER_TARGETS = {  # width and output of the net, y, message
    "one sigmoid output, 2": (
        1,
        "sigmoid",
        with_value(Y % 2, 3, 2),
        "between 0 and 1, got 2.* in row 3",
    ),
    "two sigmoid outputs, 2": (
        2,
        "sigmoid",
        with_value(np.zeros((N, 2)), 3, 2),
        "between 0 and 1, got 2.* in row 3",
    ),
    "regression, NaN": (2, "identity", with_value(X[:, :2], 3, np.nan), "nan in row 3"),
    "regression, float32 infinity": (
        2,
        "identity",
        with_value(X[:, :2], 3, np.inf, np.float32),
        "inf in row 3",
    ),
    "regression, too large": (
        2,
        "identity",
        with_value(X[:, :2], 3, 1e39),
        r"float32.*1e\+39 in row 3",
    ),
    "regression, one number for two outputs": (2, "identity", X[:, 0], r"\(7, 2\).*\(7,\)"),
    "regression, three columns": (2, "identity", X, r"\(7, 2\).*\(7, 3\)"),
}


@pytest.mark.parametrize("kind", OTHER_TARGETS)
def test_y_of_other_nets(kind):
    width, output, y, message = OTHER_TARGETS[kind]
    net = fastbp.MLP([N_IN, width], output=output)
    before = pickle.dumps(net)
    for call in (net.fit, net.loss, net.loss_and_gradients):
        with pytest.raises(ValueError, match=rf"^y\b.*({message})"):
            call(X, y)
    assert pickle.dumps(net) == before


COUNTS = [
    (0, ValueError),
    (-1, ValueError),
    (2.5, TypeError),
    (2.0, TypeError),
    ("3", TypeError),
    (True, TypeError),
]
SETTINGS = [(n, v, e) for n in ("epochs", "batch_size", "patience", "n_threads") for v, e in COUNTS]
SETTINGS += [("l2", v, e) for v, e in [*NUMBERS, (None, TypeError)]] + [("epochs", None, TypeError)]
SETTINGS += [(n, v, e) for n in ("l1", "clip_value", "clip_norm") for v, e in NUMBERS]
SETTINGS += [("l1", None, TypeError), ("clip_value", 0, ValueError), ("clip_norm", 0.0, ValueError)]
SETTINGS += [("optimizer", v, TypeError) for v in (fastbp.SGD, None, 0.1)]
SETTINGS += [("optimizer", "sdg", ValueError), ("optimizer", "", ValueError)]
SETTINGS += [
    ("validation_split", v, e) for v, e in [*NUMBERS, (1.0, ValueError), (True, TypeError)]
]
SETTINGS += [("metrics", "acuracy", ValueError), ("metrics", ["loss"], ValueError)]
SETTINGS += [("metrics", 3, TypeError), ("metrics", [3], TypeError)]
SETTINGS += [(n, "no", TypeError) for n in ("shuffle", "restore_best", "progress")] + [
    ("n_threads", 10**6, ValueError)
]
SETTINGS += [("callbacks", 5, TypeError), ("callbacks", [print, "a"], TypeError)]


@pytest.mark.parametrize(("name", "value", "error"), SETTINGS)
def test_settings_of_fit(trained, name, value, error):
    given = re.escape(str(value[-1] if isinstance(value, list) else value))
    refused(trained, lambda net: net.fit(X, Y, **{name: value}), error, rf"^{name}\b.*{given}")


@pytest.mark.parametrize("call", LOSS_CALLS[1:])
@pytest.mark.parametrize(("value", "error"), NUMBERS)
@pytest.mark.parametrize("name", ["l2", "l1"])
def test_penalties_of_losses(trained, call, name, value, error):
    refused(
        trained,
        lambda net: getattr(net, call)(X, Y, **{name: value}),
        error,
        rf"^{name}\b.*{re.escape(str(value))}",
    )


WRONG_WEIGHTS = {
    "shape": (np.zeros((3, 4)), ValueError, r"\(3, 5\).*\(3, 4\)"),
    "transposed": (np.zeros((5, 3)), ValueError, r"\(3, 5\).*\(5, 3\)"),
    "scalar": (0.0, ValueError, r"2-dimensional.*\(\)"),
    "NaN": (with_value(np.zeros((3, 5)), 1, np.nan), ValueError, "nan in row 1"),
    "too large": (with_value(np.zeros((3, 5)), 1, 1e39), ValueError, r"float32.*1e\+39 in row 1"),
    "objects": (np.zeros((3, 5), object), TypeError, "object"),
    "strings": (np.zeros((3, 5), str), TypeError, "U1"),
    "None": (None, TypeError, "object"),
}


@pytest.mark.parametrize("kind", WRONG_WEIGHTS)
def test_assigned_weights(trained, kind):
    bad, error, message = WRONG_WEIGHTS[kind]
    refused(
        trained, lambda net: net.weights.__setitem__(0, bad), error, rf"^weights\[0\] .*{message}"
    )
    refused(
        trained,
        lambda net: setattr(net, "weights", [bad, net.weights[1]]),
        error,
        rf"^weights\[0\] .*{message}",
    )
    refused(
        trained,
        lambda net: setattr(net, "weights", [net.weights[0] + 1, bad]),
        error,
        r"^weights\[1\] ",
    )


def test_assigned_lists(trained):
    refused(
        trained,
        lambda net: net.biases.__setitem__(1, np.zeros(3)),
        ValueError,
        r"^biases\[1\] .*\(4,\).*\(3,\)",
    )
    refused(
        trained,
        lambda net: setattr(net, "biases", [np.ones(5), np.ones(3)]),
        ValueError,
        r"^biases\[1\] .*\(4,\)",
    )
    refused(
        trained,
        lambda net: setattr(net, "weights", [np.ones((3, 5))]),
        ValueError,
        "^weights must be 2 arrays.*got 1",
    )
    refused(trained, lambda net: setattr(net, "weights", 3), TypeError, "^weights .*3")
    refused(
        trained,
        lambda net: net.weights.__setitem__(slice(0, 1), [np.ones((3, 5))]),
        TypeError,
        "^weights .*one layer",
    )


def test_dtypes_and_probabilities(trained):
    names = "^dtype .*'float32', 'float64'.*'int32'"
    refused(trained, lambda net: net.astype("int32"), ValueError, names)
    refused(
        trained, lambda net: net.loss_and_gradients(X, Y, n_threads=0), ValueError, "^n_threads .*0"
    )
    refused(trained, lambda net: fastbp.warmup(["int32"]), ValueError, names)
    line = fastbp.MLP([3, 1], output="identity")
    doubled = fastbp.MLP([N_IN, N_OUT], dtype="float64")
    refused(
        trained,
        lambda net: line.predict_proba(X),
        ValueError,
        "classifier.*output='identity'.*loss='squared_error'",
    )
    with pytest.raises(ValueError, match=r"^X .*inf in row 2"):
        doubled.predict(with_value(X, 2, np.inf, np.float32))


GRADIENT_CHECKS = [
    ({"epsilon": 0}, ValueError, "^epsilon .*0"),
    ({"per_array": 0}, ValueError, "^per_array .*0"),
]
GRADIENT_CHECKS += [
    ({"l2": -1}, ValueError, "^l2 .*-1"),
    ({"per_array": 1.5}, TypeError, r"^per_array .*1\.5"),
]
GRADIENT_CHECKS += [
    ({"X": X[:, :2]}, ValueError, r"^X .*\(7, 2\)"),
    ({"y": Y[:3]}, ValueError, "^y .*3"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), GRADIENT_CHECKS)
def test_gradient_check(trained, arguments, error, message):
    refused(
        trained,
        lambda net: fastbp.check_gradients(net, **{"X": X, "y": Y} | arguments),
        error,
        message,
    )
