"""The scalar graph: every operation, its derivative against central differences, and the reverse
sweep."""

import math
import operator

import numpy as np
import pytest
from oracles import naive

import fastbp
from fastbp.graph import (
    ACTIVATIONS,
    Value,
    exp,
    log,
    log_sum_exp,
    softmax,
    to_dot,
    topological_order,
    total,
)


def sum_times():
    x, y, w = Value(2.0, "x"), Value(3.0, "y"), Value(4.0, "w")
    return x, y, w, (x + y) * w


def test_gradient_of_sum_times_is_exact():
    x, y, w, result = sum_times()
    assert result.grad == x.grad == 0.0
    result.backward()
    assert (result.value, result.grad, x.grad, y.grad, w.grad) == (20.0, 1.0, 4.0, 4.0, 5.0)
    assert (result.op, result.parents[1], x.op, x.parents) == ("*", w, "", ())


OPERATIONS = {
    "add": (operator.add, (1.3, -0.7)),
    "sub": (operator.sub, (1.3, -0.7)),
    "mul": (operator.mul, (1.3, -0.7)),
    "div": (operator.truediv, (1.3, -0.7)),
    "neg": (operator.neg, (1.3,)),
    "number add": (lambda a: 2 + a, (1.3,)),
    "number sub": (lambda a: 2 - a, (1.3,)),
    "number mul": (lambda a: 2 * a, (1.3,)),
    "number div": (lambda a: 2 / a, (1.3,)),
    "add number": (lambda a: a + 2, (1.3,)),
    "sub number": (lambda a: a - 2, (1.3,)),
    "mul number": (lambda a: a * 2, (1.3,)),
    "div number": (lambda a: a / 2, (1.3,)),
    "pow 3": (lambda a: a**3, (-1.3,)),
    "pow -2": (lambda a: a**-2, (-1.3,)),
    "pow 0.5": (lambda a: a**0.5, (1.3,)),
    "exp": (exp, (-0.4,)),
    "log": (log, (0.4,)),
    "log_sum_exp": (lambda *a: log_sum_exp(a), (0.3, -1.1, 2.0)),
    "softmax": (lambda *a: softmax(a)[1], (0.3, -1.1, 2.0)),
    "total": (lambda *a: total(a), (0.3, -1.1, 2.0)),
}
for _name, _function in ACTIVATIONS.items():
    OPERATIONS[_name + " above 0"] = (_function, (0.8,))
    OPERATIONS[_name + " below 0"] = (_function, (-0.8,))


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_against_central_differences(name):
    function, point = OPERATIONS[name]
    operands = [Value(number) for number in point]
    function(*operands).backward()
    h = 1e-5
    steps = h * np.eye(len(point))
    values = [
        [function(*map(Value, point + sign * step)).value for step in steps] for sign in (1, -1)
    ]
    wanted = np.subtract(*values) / (2 * h)
    assert [operand.grad for operand in operands] == pytest.approx(wanted, rel=1e-8, abs=1e-10)
    assert np.abs(wanted).max() > 1e-3 or name == "relu below 0"


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_values(name):
    for z in (-30.0, -0.8, 0.0, 0.8, 30.0):
        assert ACTIVATIONS[name](z).value == pytest.approx(
            naive.VALUE[name](z), rel=1e-12, abs=1e-15
        )


def test_activations_are_functions_of_the_package():
    for name, function in ACTIVATIONS.items():
        assert getattr(fastbp.graph, name) is function
        assert function.__name__ == name
        assert function.__doc__
    assert {*ACTIVATIONS, "Value"} <= set(dir(fastbp.graph))
    with pytest.raises(AttributeError, match=r"'fastbp\.graph' has no attribute 'swish'"):
        fastbp.graph.swish  # noqa: B018


def test_function_values():
    assert exp(1).value == pytest.approx(math.e)
    assert log(math.e).value == pytest.approx(1)
    assert log_sum_exp([math.log(2), math.log(3)]).value == pytest.approx(math.log(5))
    assert [p.value for p in softmax([math.log(2), math.log(3)])] == pytest.approx([0.4, 0.6])
    assert (total([1, Value(2), 3.5]).value, total([]).value) == (6.5, 0.0)
    assert (Value(8) / 2 - 1).value == 3
    assert (2 - Value(3) ** 2).value == -7


@pytest.mark.parametrize(
    ("name", "slope"),
    [
        ("relu", 0.0),
        ("leaky_relu", 0.01),
        ("elu", 1.0),
        ("selu", 1.0507009873554805 * 1.6732632423543772),
    ],
)
def test_slope_at_a_kink(name, slope):
    for zero in (Value(0.0), Value(-0.0)):
        ACTIVATIONS[name](zero).backward()
        assert zero.grad == slope


def test_shared_subexpressions_add_their_gradients():
    a = Value(3.0)
    square = a * a
    (square * square + square + a).backward()  # a**4 + a**2 + a
    assert a.grad == 4 * 27 + 6 + 1


def test_backward_starts_afresh():
    x, y, w, result = sum_times()
    result.backward()
    result.backward()
    assert (x.grad, y.grad, w.grad) == (4.0, 4.0, 5.0)
    result.parents[0].backward()  # of x + y
    assert (x.grad, y.grad) == (1.0, 1.0)


def test_deep_chain():
    x = Value(1.0)
    node = x
    for _ in range(100_000):
        node = node + x
    node.backward()
    assert (node.value, x.grad) == (100_001.0, 100_001.0)
    assert len(topological_order(node)) == 100_001
    assert f"n{100_000} " in to_dot(node)


def test_topological_order_puts_operands_first():
    a = Value(3.0)
    order = topological_order(total([a, *softmax([a * a, a, 1 / a])]) - a)
    place = {node: k for k, node in enumerate(order)}
    assert len(place) == len(order)
    assert all(place[parent] < place[node] for node in order for parent in node.parents)


def test_extreme_arguments_do_not_overflow():
    big = [Value(1000.0), Value(-1000.0), Value(999.0)]
    node = log_sum_exp(big)
    node.backward()
    assert node.value == pytest.approx(1000 + math.log1p(math.exp(-1)))
    assert [z.grad for z in big] == pytest.approx([1 / (1 + math.exp(-1)), 0.0, 1 / (1 + math.e)])
    values = {name: [ACTIVATIONS[name](z).value for z in (-1000.0, 1000.0)] for name in ACTIVATIONS}
    assert values["sigmoid"] == [0.0, 1.0]
    assert values["softplus"] == [0.0, 1000.0]
    assert values["elu"] == [-1.0, 1000.0]
    assert values["selu"] == pytest.approx([-1.7580993408473766, 1050.7009873554805], rel=1e-15)
    for name in ("gelu", "silu", "mish"):
        assert values[name] == [0.0, 1000.0]
        for infinite, value, slope in ((-math.inf, 0.0, 0.0), (math.inf, math.inf, 1.0)):
            z = Value(infinite)
            a = ACTIVATIONS[name](z)
            a.backward()
            assert (a.value, z.grad) == (value, slope)
    tiny = Value(-300.0)  # far below 1: the slope must not be lost in a rounded 1 - a
    ACTIVATIONS["sigmoid"](-tiny).backward()
    assert tiny.grad == pytest.approx(-math.exp(-300))


def test_arithmetic_is_ieee():
    zero = Value(0.0)
    assert exp(1000).value == math.inf
    assert log(0).value == -math.inf
    assert (1 / zero).value == math.inf
    assert all(
        math.isnan(node.value)
        for node in (log(-1), zero / zero, Value(-1.0) ** 0.5, Value(math.inf) - math.inf)
    )
    (zero**0).backward()
    assert zero.grad == 0.0


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_passes_through_activations(name):
    z = Value(math.nan)
    (ACTIVATIONS[name](z) ** 2).backward()
    assert math.isnan(ACTIVATIONS[name](z).value)
    assert math.isnan(z.grad)


def test_nan_passes_through_log_sum_exp():
    for values in ([math.nan, 1.0], [1.0, math.nan]):
        assert math.isnan(log_sum_exp(values).value)


def test_numpy_scalars_are_numbers():
    node = np.float64(2.0) * Value(np.float32(1.5)) + np.int64(1)
    assert isinstance(node, Value)
    assert type(node.value) is float
    assert node.value == 4.0


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (TypeError, "value must be a real number, got str: 'a'", lambda: Value("a")),
        (TypeError, "value must be a real number, got complex", lambda: Value(1j)),
        (TypeError, "value must be a real number, got list", lambda: Value(1) + [1]),  # noqa: RUF005
        (TypeError, "value must be a real number, got ndarray", lambda: np.ones(2) * Value(1)),
        (TypeError, "name must be a str or None, got int: 3", lambda: Value(1, 3)),
        (TypeError, "exponent must be a real number, got Value", lambda: Value(1) ** Value(2)),
        (TypeError, "node must be a Value, got float: 1.0", lambda: topological_order(1.0)),
        (ValueError, "values must hold at least one term", lambda: log_sum_exp([])),
        (ValueError, "values must hold at least one term", lambda: softmax([])),
    ],
)
def test_errors_name_the_argument(error, message, call):
    with pytest.raises(error, match=message):
        call()
