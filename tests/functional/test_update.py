"""Update rules in place on NumPy arrays: the numbers of the NumPy lines, in any layout, nothing
changed by a refused call."""

import numpy as np
import pytest

import fastbp
from fastbp import functional as fn

DTYPES = ["float32", "float64"]
SHAPES = [(), (1,), (0,), (7,), (33,), (4, 5), (3, 0), (65, 21), (2, 3, 17)]


def arrays(shape, dtype, count=4, seed=0):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape), dtype) for _ in range(count)]


def sgd_lines(param, grad, velocity, lr, momentum=None, nesterov=False):
    """The lines replaced, in place."""
    lr = param.dtype.type(lr)
    if momentum is None:
        param -= lr * grad
        return
    momentum = param.dtype.type(momentum)
    velocity *= momentum
    velocity -= lr * grad
    param += momentum * velocity - lr * grad if nesterov else velocity


def adam_lines(param, grad, m, v, t, lr, beta_1, beta_2, epsilon):
    number = param.dtype.type
    m *= number(beta_1)
    m += number(1 - beta_1) * grad
    v *= number(beta_2)
    v += number(1 - beta_2) * grad**2
    param -= (
        number(lr * (1 - beta_2**t) ** 0.5 / (1 - beta_1**t)) * m / (np.sqrt(v) + number(epsilon))
    )


def assert_rounded(got, wanted):
    eps = np.finfo(wanted.dtype).eps
    np.testing.assert_allclose(got, wanted, rtol=8 * eps, atol=8 * eps, strict=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    "rule", [{}, {"momentum": 0.0}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}], ids=str
)
def test_sgd(rule, shape, dtype):
    param, velocity, *gradients = arrays(shape, dtype, 6)
    expected, expected_velocity = param.copy(), velocity.copy()
    for grad in gradients:
        before = grad.copy()
        fn.sgd_step(param, grad, 0.3, velocity=velocity if rule else None, **rule)
        sgd_lines(expected, grad, expected_velocity, 0.3, **rule)
        np.testing.assert_array_equal(grad, before)
    assert_rounded(param, expected)
    assert_rounded(velocity, expected_velocity)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_adam(shape, dtype):
    param, *gradients = arrays(shape, dtype, 5)
    m, v = np.zeros(shape, dtype), np.zeros(shape, dtype)
    expected = [array.copy() for array in (param, m, v)]
    for t, grad in enumerate(gradients, 1):
        fn.adam_step(param, grad, m, v, t, 0.02, beta_1=0.8, beta_2=0.95, epsilon=1e-6)
        adam_lines(expected[0], grad, *expected[1:], t, 0.02, 0.8, 0.95, 1e-6)
    for got, wanted in zip((param, m, v), expected, strict=True):
        assert_rounded(got, wanted)


def test_the_rules_are_those_of_fit():
    """Three whole-batch epochs of a net, and the same by hand."""
    X = np.random.default_rng(0).normal(size=(30, 5))
    y = np.arange(30) % 3
    for optimizer in (
        fastbp.SGD(0.5),
        fastbp.SGD(0.2, 0.9),
        fastbp.SGD(0.2, 0.9, True),
        fastbp.Adam(0.05),
    ):
        net = fastbp.MLP([5, 3], dtype="float64")
        W = net.weights[0].copy()
        b = net.biases[0].copy()
        net.fit(X, y, epochs=3, batch_size=None, optimizer=optimizer, shuffle=False)
        state = [[np.zeros_like(p) for p in (W, b)] for _ in range(2)]
        for t in (1, 2, 3):
            delta = fn.output_delta(fn.dense_forward(X, W, b), y)[1]
            gradients = fn.dense_backward(delta, X, W)[:2]
            if isinstance(optimizer, fastbp.Adam):
                fn.adam_step([W, b], gradients, *state, t, 0.05)
            elif optimizer.momentum:
                fn.sgd_step(
                    [W, b],
                    gradients,
                    0.2,
                    velocity=state[0],
                    momentum=0.9,
                    nesterov=optimizer.nesterov,
                )
            else:
                fn.sgd_step([W, b], gradients, 0.5)
        np.testing.assert_allclose(W, net.weights[0], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(b, net.biases[0], rtol=1e-12, atol=1e-14)


def strided(array):
    wide = np.full([2 * n for n in array.shape], np.nan, array.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def part(array):
    """A contiguous view, as of a flat vector of all parameters."""
    return np.concatenate([array.ravel(), array.ravel()])[: array.size].reshape(array.shape)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "other", [strided, np.asfortranarray, part, lambda array: array[::-1].copy()[::-1]]
)
def test_layouts(other, dtype):
    param, grad, m, _ = arrays((9, 35), dtype)
    v = m**2
    by_sgd, by_momentum, velocity = param.copy(), param.copy(), m.copy()
    by_adam, new_m, new_v = param.copy(), m.copy(), v.copy()
    fn.sgd_step(by_sgd, grad, 0.3)
    fn.sgd_step(by_momentum, grad, 0.3, velocity=velocity, momentum=0.9)
    fn.adam_step(by_adam, grad, new_m, new_v, 5)
    p = other(param)
    fn.sgd_step(p, other(grad), 0.3)
    np.testing.assert_array_equal(p, by_sgd)
    p, u = other(param), other(m)
    fn.sgd_step(p, other(grad), 0.3, velocity=u, momentum=0.9)
    np.testing.assert_array_equal(p, by_momentum)
    np.testing.assert_array_equal(u, velocity)
    p, first, second = other(param), other(m), other(v)
    fn.adam_step(p, other(grad), first, second, 5)
    for got, wanted in ((p, by_adam), (first, new_m), (second, new_v)):
        np.testing.assert_array_equal(got, wanted)
    read_only = grad.copy()
    read_only.flags.writeable = False
    p = param.copy()
    fn.sgd_step(p, read_only, 0.3)
    np.testing.assert_array_equal(p, by_sgd)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("other", [np.array, np.asfortranarray, strided])
def test_l2(other, dtype):
    """The penalty's gradient is added to the gradient, whatever the rule and the layout."""
    param, grad, m, _ = arrays((9, 5), dtype)
    v = m**2
    number = param.dtype.type
    full = grad + number(0.25) * param
    for call in (
        lambda p, g, u, w, **l2: fn.sgd_step(p, g, 0.3, **l2),
        lambda p, g, u, w, **l2: fn.sgd_step(p, g, 0.3, velocity=u, momentum=0.9, **l2),
        lambda p, g, u, w, **l2: fn.sgd_step(p, g, 0.3, velocity=u, nesterov=True, **l2),
        lambda p, g, u, w, **l2: fn.adam_step(p, g, u, w, 3, **l2),
    ):
        wanted = [param.copy(), full, m.copy(), v.copy()]
        got = [other(array) for array in (param, grad, m, v)]
        call(*wanted)
        call(*got, l2=0.25)
        np.testing.assert_array_equal(got[1], grad)
        for array, expected in zip(got, wanted, strict=True):
            if expected is not full:
                assert_rounded(np.ascontiguousarray(array), expected)


def test_l2_of_several_arrays():
    """One number is for the weights; a row may be a bias and needs a number of its own."""

    def step(params, l2):
        params = [np.ones(shape) for shape in params]
        fn.sgd_step(params, [np.zeros_like(p) for p in params], 0.5, l2=l2)
        return [float(p.ravel()[0]) for p in params]

    assert step([(3, 2), (2,), (2, 1)], 0.5) == [0.75, 1.0, 0.75]
    assert step([(3, 2), (1, 2)], [0.5, 0.0]) == [0.75, 1.0]
    assert step([(1, 2), (2,)], (0.5, 1)) == [0.75, 0.5]
    for zero in (0.0, 0, np.float32(0)):
        assert step([(1, 2), (2,)], zero) == [1.0, 1.0]
    single = np.ones((1, 2))
    fn.sgd_step(single, single * 0, 0.5, l2=0.5)
    assert (single == 0.75).all()


@pytest.mark.parametrize(
    ("params", "l2", "message"),
    [
        ([(3, 2), (1, 2)], 0.1, r"l2 must be one number for each array .*\(1, 2\).*, got 0.1"),
        ([(3, 2), (2,)], [0.1], "l2 must be one number, or one for each of the 2 arrays .* got 1"),
        ([(3, 2), (2,)], [0.1, -1.0], r"l2\[1\] must be a finite number at least 0"),
        ([(3, 2)], "0.1", "l2 must be"),
        ([(3, 2)], None, "l2 must be a number"),
        ([(3, 2)], np.nan, "l2 must be a finite number"),
        (None, -0.1, "l2 must be a finite number at least 0"),
        (None, [0.1], "l2 must be a number"),
    ],
)
def test_bad_l2(params, l2, message):
    param = np.ones((2, 3)) if params is None else [np.ones(shape) for shape in params]
    grad = np.ones((2, 3)) if params is None else [np.ones(shape) for shape in params]
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        fn.sgd_step(param, grad, 0.1, l2=l2)
    m = np.zeros((2, 3)) if params is None else [np.zeros(shape) for shape in params]
    v = np.zeros((2, 3)) if params is None else [np.zeros(shape) for shape in params]
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        fn.adam_step(param, grad, m, v, 1, l2=l2)
    for array in [param] if params is None else param:
        assert (array == 1).all()


def test_the_penalty_is_that_of_fit():
    X = np.random.default_rng(0).normal(size=(30, 5))
    y = np.arange(30) % 3
    net = fastbp.MLP([5, 3], dtype="float64")
    W = net.weights[0].copy()
    b = net.biases[0].copy()
    net.fit(X, y, epochs=3, batch_size=None, optimizer=fastbp.SGD(0.5), shuffle=False, l2=0.1)
    for _ in range(3):
        delta = fn.output_delta(fn.dense_forward(X, W, b), y)[1]
        fn.sgd_step([W, b], fn.dense_backward(delta, X, W)[:2], 0.5, l2=0.1)
    np.testing.assert_allclose(W, net.weights[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(b, net.biases[0], rtol=1e-12, atol=1e-14)


def test_a_bias_of_one_row():
    """The gradient db (n,) of `dense_backward` goes with a bias (1, n), as NumPy broadcasts it."""
    (db,) = arrays((4,), "float64", 1)
    for convert in (np.array, strided, np.ndarray.tolist):
        b = np.ones((1, 4))
        m, v = np.zeros((1, 4)), np.zeros((1, 4))
        fn.sgd_step(b, convert(db), 0.5)
        np.testing.assert_array_equal(b, 1 - 0.5 * db[None])
        fn.sgd_step([b], [convert(db)], 0.5, velocity=[m], momentum=0.5)
        fn.adam_step(b, convert(db), m, v, 1)
        assert m.any()
    b = strided(np.ones((1, 4)))
    fn.sgd_step(b, db, 0.5)
    np.testing.assert_array_equal(b, 1 - 0.5 * db[None])
    with pytest.raises(ValueError, match="grad must be of shape"):
        fn.sgd_step(np.ones((1, 4)), np.ones(3), 0.5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gradient_in_another_layout(dtype):
    """Nets with samples as columns hand over transposes."""
    param, grad, *_ = arrays((7, 11), dtype)
    wanted = param.copy()
    fn.sgd_step(wanted, grad, 0.3)
    for given in (param.copy(), np.asfortranarray(param), part(param), part(param.T.copy()).T):
        for gradient in (grad, np.asfortranarray(grad), grad.astype("f8"), grad.astype("f4")):
            p = given.copy(order="K")
            fn.sgd_step(p, gradient, 0.3)
            np.testing.assert_allclose(p, wanted, rtol=1e-6)
    whole = np.ones((6, 6))
    fn.sgd_step(whole.T, whole, 0.5)
    assert (whole == 0.5).all()
    fn.sgd_step(whole[:3], whole[3:], 1.0)
    assert (whole[:3] == 0).all()
    assert (whole[3:] == 0.5).all()


def test_state_between_one_anothers_elements():
    param, grad, _, _ = arrays((6, 8), "float64")
    state = np.zeros((6, 8, 2))
    m = np.zeros((6, 8))
    v = np.zeros((6, 8))
    expected = param.copy()
    fn.adam_step(param, grad, state[..., 0], state[..., 1], 1)
    fn.adam_step(expected, grad, m, v, 1)
    np.testing.assert_array_equal(param, expected)
    np.testing.assert_array_equal(state, np.stack([m, v], axis=-1))


def test_gradient_in_the_parameters_memory():
    """As the NumPy lines do it: the right-hand side first."""
    memory = arrays((6, 8), "float64", 1)[0]
    expected = memory.copy()
    expected[:5] -= 0.5 * expected[1:]
    fn.sgd_step(memory[:5], memory[1:], 0.5)
    np.testing.assert_array_equal(memory, expected)
    fn.sgd_step(memory, memory, 1.0)
    assert not memory.any()


def test_sequences_and_other_dtypes_of_gradient():
    params = (
        arrays((4, 5), "float32", 2)
        + arrays((5,), "float32", 1)
        + [strided(arrays((3, 3), "float64", 1)[0])]
    )
    gradients = [
        np.ones((4, 5)),
        np.ones((4, 5), int),
        [1.0, 2.0, 3.0, 4.0, 5.0],
        np.ones((3, 3), "f2"),
    ]
    expected = [
        p - p.dtype.type(0.5) * np.asarray(g, p.dtype)
        for p, g in zip(params, gradients, strict=True)
    ]
    assert fn.sgd_step(params, gradients, 0.5) is None
    for got, wanted in zip(params, expected, strict=True):
        np.testing.assert_array_equal(got, wanted)
    twice = np.ones(3)
    fn.sgd_step((twice, twice), ([1.0] * 3, [2.0] * 3), 0.25)  # one after the other
    np.testing.assert_array_equal(twice, [0.25] * 3)


def frozen(array):
    array = array.copy()
    array.flags.writeable = False
    return array


ONE = np.ones((2, 3))
BAD = [
    ("sgd", {"param": [1.0, 2.0]}, "param must be an array of float32 or float64|grad must be"),
    (
        "sgd",
        {"param": np.ones((2, 3), int)},
        "param must be an array of float32 or float64, .*got dtype int64",
    ),
    ("sgd", {"param": np.ma.masked_array(ONE)}, "param must be an array of float32 or float64"),
    ("sgd", {"param": frozen(ONE)}, "param must be writeable"),
    ("sgd", {"param": None}, "param must be an array, or with param a sequence"),
    ("sgd", {"grad": np.ones((3, 2))}, "grad must be of shape"),
    ("sgd", {"grad": np.ones(6)}, "grad must be 2-dimensional"),
    ("sgd", {"grad": ONE + 1j}, "grad must be an array of real numbers"),
    ("sgd", {"grad": None}, "grad must be an array of real numbers"),
    ("sgd", {"lr": np.nan}, "lr must be a finite number"),
    ("sgd", {"lr": "0.1"}, "lr must be a number"),
    ("sgd", {"lr": True}, "lr must be a number"),
    ("sgd", {"momentum": 0.9}, "momentum and nesterov need a velocity"),
    ("sgd", {"nesterov": True}, "momentum and nesterov need a velocity"),
    (
        "sgd",
        {"velocity": ONE.copy(), "momentum": 1},
        "momentum must be a finite number at least 0 and below 1",
    ),
    ("sgd", {"velocity": ONE.copy(), "nesterov": 1}, "nesterov must be True or False"),
    ("sgd", {"velocity": np.ones((2, 3), "f4")}, "velocity must be of shape"),
    ("sgd", {"velocity": frozen(ONE)}, "velocity must be writeable"),
    ("adam", {"m": np.ones((3, 2))}, "m must be of shape"),
    ("adam", {"v": np.ones((2, 3), "f4")}, "v must be of shape"),
    ("adam", {"t": 0}, "t must be at least 1"),
    ("adam", {"t": 1.0}, "t must be a whole number"),
    ("adam", {"beta_1": 1.0}, "beta_1 must be"),
    ("adam", {"beta_2": -0.1}, "beta_2 must be"),
    ("adam", {"epsilon": 0}, "epsilon must be a finite number above 0"),
]


@pytest.mark.parametrize(
    ("kind", "change", "message"), BAD, ids=lambda v: v if isinstance(v, str) else ""
)
def test_bad_input(kind, change, message):
    state = {} if kind == "sgd" else {"m": ONE.copy(), "v": ONE.copy(), "t": 1}
    given = {"param": ONE.copy(), "grad": ONE.copy(), "lr": 0.1} | state | change
    with pytest.raises((TypeError, ValueError), match=f"^({message})"):
        (fn.sgd_step if kind == "sgd" else fn.adam_step)(**given)
    for value in given.values():
        if isinstance(value, np.ndarray):
            assert (value.real == 1).all()


def test_all_are_checked_before_the_first_is_changed():
    good = np.ones(3)
    bad = np.ones(4, int)
    for params, gradients in (
        ([good, bad], [np.ones(3), np.ones(4)]),
        ([good, good], [np.ones(3), np.ones(2)]),
    ):
        with pytest.raises((TypeError, ValueError)):
            fn.sgd_step(params, gradients, 0.1)
    for gradients in ([np.ones(3)] * 2, np.ones(3), None):
        with pytest.raises((TypeError, ValueError), match=r"^grad must be "):
            fn.sgd_step([good], gradients, 0.1)
    np.testing.assert_array_equal(good, np.ones(3))


def test_state_that_shares_memory():
    param = np.ones((3, 4))
    grad = np.ones((3, 4))
    m = np.zeros((4, 4))
    for first, second in ((m[:3], m[:3]), (m[:3], m[1:]), (param, m[:3]), (m[:3], param)):
        with pytest.raises(ValueError, match="must share no memory with"):
            fn.adam_step(param, grad, first, second, 1)
    own = np.zeros((3, 4))
    with pytest.raises(ValueError, match="v must share no memory with m"):
        fn.adam_step(param, grad, own, own, 1)
    with pytest.raises(ValueError, match="velocity must share no memory with param"):
        fn.sgd_step(param, grad, 0.1, velocity=param)
    assert (param == 1).all()
    assert not m.any()
