"""Whatever net, data, layout and settings: the numbers of the naive twin, and the same bits where
nothing may change them.

FASTBP_EXAMPLES says how many of each are tried; what is tried is the same in every run with that
number.
"""

import copy
import math
import os
import zlib

import numpy as np
import pytest
from helpers.layouts import LAYOUTS
from helpers.problems import twin
from hypothesis import HealthCheck, assume, given, seed, settings
from hypothesis import strategies as st
from oracles import naive

import fastbp
from fastbp.base.names import HIDDEN, LOSSES, OUTPUTS, loss_name

N_EXAMPLES = int(os.environ.get("FASTBP_EXAMPLES", "100"))


def examples(n, *of):
    """Run a check with so many draws, of a stream of its own: the same for the same `of`."""

    def run(check):
        slow = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
        chosen = settings(
            max_examples=max(1, n),
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=slow,
        )
        seed(zlib.crc32(repr(of).encode()))(chosen(given(st.data())(check)))()

    return run


# Roundings of one gradient, and of some steps along it, relative to the largest of an array.
TOLERANCE = {"float32": 1e-4, "float64": 1e-12}
DRIFT = {"float32": 2e-3, "float64": 1e-9}
# So near a kink, where the slope jumps, one rounding may take the other side.
NEAR = {"float32": 1e-4, "float64": 1e-12}
KINKED = ("relu", "leaky_relu", "selu")
DTYPES = ["f4", "f8", "f2", ">f4", ">f8", "i1", ">i4", "u2", "?"]
NAMES = sorted(set(HIDDEN) - {"logistic"})


def goes(output, loss, n_out):
    """Whether that is a net."""
    try:
        return bool(loss_name(loss, output, n_out))
    except ValueError:
        return False


RATE, DECAY = st.sampled_from([0.01, 0.05]), st.sampled_from([0.3, 0.9])
# Without large epsilons, Adam and its kin make whole steps of rounding errors.
EPSILON = {"epsilon": st.sampled_from([1e-2, 1.0])}
MOMENTS = {"beta_1": DECAY, "beta_2": st.sampled_from([0.5, 0.99])} | EPSILON
RULES = {  # the optimizer, its settings, and the twin's name for it
    "sgd": (fastbp.SGD, {}, "sgd"),
    "momentum": (fastbp.SGD, {"momentum": DECAY}, "sgd"),
    "nesterov": (fastbp.SGD, {"momentum": DECAY, "nesterov": st.just(True)}, "nesterov"),
    "adam": (fastbp.Adam, MOMENTS, "adam"),
    "adamw": (fastbp.AdamW, {"weight_decay": st.sampled_from([0.3, 0.0])} | MOMENTS, "adamw"),
    "nadam": (fastbp.Nadam, {"momentum_decay": st.sampled_from([0.1, 0.0])} | MOMENTS, "nadam"),
    "rmsprop": (
        fastbp.RMSprop,
        {"rho": DECAY, "momentum": DECAY, "centered": st.booleans()} | EPSILON,
        "rmsprop",
    ),
    "adagrad": (fastbp.Adagrad, EPSILON, "adagrad"),
}


@st.composite
def problems(draw, dtype, first=None):
    """A net, its samples in the caller's form and as the twin takes them, and how losses are asked
    for.

    `first` is the activation of the first hidden layer; without it, there may be none.
    """
    width = st.one_of(st.integers(1, 9), st.sampled_from([13, 16, 17, 31, 33]))
    widths = draw(st.lists(width, min_size=2 if first is None else 3, max_size=4))
    output, loss = draw(
        st.sampled_from([(o, x) for o in OUTPUTS for x in LOSSES if goes(o, x, widths[-1])])
    )
    n_drawn = len(widths) - 2 - (first is not None)
    hidden = [first] * (first is not None) + draw(
        st.lists(st.sampled_from(NAMES), min_size=n_drawn, max_size=n_drawn)
    )
    n = draw(st.one_of(st.integers(1, 20), st.sampled_from([31, 32, 33, 40])))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    net = fastbp.MLP(
        widths,
        hidden,
        output,
        loss,
        init=lambda rng, shape: rng.normal(0, 1 / math.sqrt(shape[0]), shape),
        dtype=dtype,
        seed=int(rng.integers(2**32)),
    )
    for b in net.biases:
        b[:] = rng.normal(0, 0.5, b.shape)

    given_dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    X = rng.normal(0, 1.5, (n, widths[0]))
    X = (X if given_dtype.kind in "fi" else abs(X)).astype(given_dtype)
    y, targets = targets_for(draw, rng, net, n)
    weight = draw(st.sampled_from([None, "whole", "any"]))
    if weight is not None:
        weight = rng.integers(0, 4, n).astype("i4") if weight == "whole" else rng.uniform(0, 2, n)
        weight[rng.integers(n)] = 1
    options = {"l2": draw(st.sampled_from([0.0, 0.03])), "l1": draw(st.sampled_from([0.0, 0.01]))}
    plain = X.astype(dtype), targets.astype(dtype), None if weight is None else weight.astype(dtype)
    return net, (X, y, weight), plain, options


def targets_for(draw, rng, net, n):
    """Targets in one of the forms that the loss takes, and as rows of numbers."""
    k, loss, classes = (
        net.widths[-1],
        net.loss_name,
        net.loss_name in ("cross_entropy", "softmax_cross_entropy", "hinge"),
    )
    labels = rng.integers(0, k, n)
    one_hot = np.eye(k)[labels]
    forms = {"labels": (labels, one_hot), "one-hot": (one_hot, one_hot)}
    if k == 1 and not classes:
        del forms["labels"]  # of one output these are its targets themselves
    if classes and loss != "hinge":
        rows = rng.dirichlet(np.ones(k), n)
        forms["probabilities"] = rows, rows
    elif loss == "binary_cross_entropy":
        rows = rng.uniform(size=(n, k))
        forms["probabilities"] = rows, rows
    elif loss != "hinge":
        rows = (
            rng.poisson(1.5, (n, k)) if loss == "poisson" else rng.normal(0, 2, (n, k)).astype("f4")
        )
        forms["numbers"] = rows, rows
        forms["whole numbers"] = abs(rows).astype("u1"), abs(rows).astype("u1")
    y, rows = forms[draw(st.sampled_from(sorted(forms)))]
    if y is labels:
        y = y.astype(draw(st.sampled_from(["i1", ">i8", "u2", *["f4"] * classes])))
    elif k == 1 and not classes and draw(st.booleans()):
        y = y[:, 0]
    return y, rows


def laid(draw, arrays):
    """The same arrays in layouts of their own."""
    layouts = st.sampled_from(sorted(LAYOUTS))
    return [a if a is None else LAYOUTS[draw(layouts)](a) for a in arrays]


def near_a_kink(net, X, targets, l1, near):
    """Whether a rounding could decide on which side of a kink an activation, an error or a weight
    lies."""
    weights, biases = [w.tolist() for w in net.weights], [b.tolist() for b in net.biases]
    kinked = [name in KINKED for name in (*net.hidden, net.output)]
    for x, t in zip(X.tolist(), targets.tolist(), strict=True):
        zs, activations = naive.forward(x, weights, biases, net.hidden, net.output)
        a = activations[-1]
        gaps = [z for one, layer in zip(kinked, zs, strict=True) if one for z in layer]
        if net.loss_name == "absolute_error":
            gaps += [p - q for p, q in zip(a, t, strict=True) if (p, q) != (0.0, 0.0)]
        elif net.loss_name == "hinge":
            gaps += [a[k] - a[t.index(1.0)] + 1 for k in range(len(a)) if k != t.index(1.0)]
        if any(abs(gap) < near for gap in gaps):
            return True
    return bool(l1) and any((abs(w) < near).any() for w in net.weights)


def assert_close(got, wanted, tolerance):
    got, wanted = np.asarray(got, float), np.asarray(wanted, float)
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max(initial=0) <= tolerance * max(
        1.0, np.abs(wanted).max(initial=0)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", NAMES)
def test_outputs_and_gradients(hidden, dtype):

    @examples(N_EXAMPLES // 10, hidden, dtype)
    def check(data):
        net, given_, (X, targets, weight), options = data.draw(problems(dtype, hidden))
        assume(not near_a_kink(net, X, targets, options["l1"], NEAR[dtype]))
        tolerance, n_threads = TOLERANCE[dtype], data.draw(st.sampled_from([1, 2, 3]))
        x, y, w = laid(data.draw, given_)
        weights, biases = [p.tolist() for p in net.weights], [p.tolist() for p in net.biases]
        rows = [
            naive.forward(one, weights, biases, net.hidden, net.output)[1] for one in X.tolist()
        ]
        for layer, got in enumerate(net.forward(x)):
            assert got.dtype == net.dtype
            assert_close(got, [row[layer] for row in rows], tolerance)
        wanted = twin(
            net, X, targets, sample_weight=None if weight is None else weight.tolist(), **options
        )
        loss, dWs, dbs = net.loss_and_gradients(
            x, y, sample_weight=w, n_threads=n_threads, **options
        )
        assert_close(loss, wanted[0], tolerance)
        assert_close(net.loss(x, y, sample_weight=w, **options), wanted[0], tolerance)
        for got, exact in zip(dWs + dbs, wanted[1] + wanted[2], strict=True):
            assert_close(got, exact, tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", RULES)
def test_training(rule, dtype):
    """Step by step, in the order that the net's generator draws."""

    @examples(N_EXAMPLES // 10, rule, dtype)
    def check(data):
        net, given_, (X, targets, weight), options = data.draw(problems(dtype))
        kind, drawn, name = RULES[rule]
        values = data.draw(st.fixed_dictionaries({"lr": RATE} | drawn))
        optimizer, scalar = (
            kind(**values),
            {"kind": name} | {"beta_2" if k == "rho" else k: v for k, v in values.items()},
        )
        clips = {
            "clip_value": data.draw(st.sampled_from([None, 0.1])),
            "clip_norm": data.draw(st.sampled_from([None, 0.3])),
        }
        shuffle, n = data.draw(st.booleans()), len(X)
        batch, epochs = (
            data.draw(st.one_of(st.none(), st.integers(max(1, n // 4), n + 3))),
            data.draw(st.integers(1, 2)),
        )
        x, y, w = laid(data.draw, given_)
        fit = {
            "epochs": epochs,
            "batch_size": batch,
            "optimizer": optimizer,
            "shuffle": shuffle,
            **options,
            **clips,
        }

        slow, plain, rng = (
            net.astype("float64"),
            copy.deepcopy(net),
            copy.deepcopy(net.train_state.rng),
        )
        parts = [rng.permutation(n) if shuffle else np.arange(n) for _ in range(epochs)]
        step = min(batch or n, n)
        parts = [order[first : first + step] for order in parts for first in range(0, n, step)]
        assume(weight is None or all(weight[part].any() for part in parts))
        arrays = (*slow.weights, *slow.biases)
        twins = [naive.Rule(**scalar) for p in slow.weights for _ in range(p.size)]
        twins += [
            naive.Rule(**scalar | {"weight_decay": 0.0}) for p in slow.biases for _ in range(p.size)
        ]
        losses = []
        for part in parts:
            assume(not near_a_kink(slow, X[part], targets[part], options["l1"], NEAR[dtype]))
            share = None if weight is None else weight[part].tolist()
            loss, dWs, dbs = twin(
                slow,
                X[part].astype(float),
                targets[part].astype(float),
                sample_weight=share,
                **options,
            )
            gradient = naive.clipped(
                np.concatenate([g.ravel() for g in dWs + dbs]).tolist(), **clips
            )
            moved = np.concatenate([p.ravel() for p in arrays]).tolist()
            moved = np.array(
                [one.step(value, d) for one, value, d in zip(twins, moved, gradient, strict=True)]
            )
            for p in arrays:
                p.ravel()[:], moved = moved[: p.size], moved[p.size :]
            # a fit that runs away, as outputs of exp may
            assume(all((abs(p) < 30).all() for p in arrays))
            losses.append(loss)

        history = net.fit(
            x, y, sample_weight=w, n_threads=data.draw(st.sampled_from([1, 2, 3])), **fit
        )

        kept = None if given_[2] is None else np.ascontiguousarray(weight)
        same = plain.fit(np.ascontiguousarray(X), given_[1], sample_weight=kept, n_threads=1, **fit)
        assert same.batch_loss == history.batch_loss
        assert plain.parameters.tobytes() == net.parameters.tobytes()
        assert (
            plain.train_state.optimizer_state.tobytes() == net.train_state.optimizer_state.tobytes()
        )
        assert_close(history.batch_loss, losses, DRIFT[dtype])
        for got, wanted in zip((*net.weights, *net.biases), arrays, strict=True):
            assert_close(got, wanted, DRIFT[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_units_in_another_order(dtype):
    """A hidden layer's units, with what leads to them and from them, change places: so do their
    numbers, to the bit."""

    @examples(N_EXAMPLES // 4, dtype)
    def check(data):
        net, _, (X, _, _), _ = data.draw(problems(dtype))
        assume(len(net.widths) > 2)
        layer = data.draw(st.integers(0, len(net.widths) - 3))
        order = np.random.default_rng(data.draw(st.integers(0, 9))).permutation(
            net.widths[layer + 1]
        )
        other = copy.deepcopy(net)
        other.weights[layer] = net.weights[layer][:, order]
        other.biases[layer] = net.biases[layer][order]
        other.weights[layer + 1] = net.weights[layer + 1][order]
        before, after = net.forward(X), other.forward(X)
        assert before[layer][:, order].tobytes() == after[layer].tobytes()
        for b, a in zip(before, after, strict=True):
            if b is not before[layer]:
                assert_close(a, b, TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_in_another_order_and_company(dtype):
    """Each row's outputs have the same bits wherever it stands, and however many others there are."""

    @examples(N_EXAMPLES // 4, dtype)
    def check(data):
        net, (x, _, _), _, _ = data.draw(problems(dtype))
        rows = np.random.default_rng(data.draw(st.integers(0, 9))).integers(
            0, len(x), data.draw(st.integers(1, 50))
        )
        for b, a in zip(net.forward(x), net.forward(x[rows]), strict=True):
            assert b[rows].tobytes() == a.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_weight_of_three_is_a_row_three_times(dtype):

    @examples(N_EXAMPLES // 4, dtype)
    def check(data):
        net, (x, y, _), _, options = data.draw(problems(dtype))
        times = np.random.default_rng(data.draw(st.integers(0, 9))).integers(0, 4, len(x))
        times[0] = 2
        weighted = net.loss_and_gradients(x, y, sample_weight=times, **options)
        repeated = net.loss_and_gradients(
            np.repeat(x, times, axis=0), np.repeat(y, times, axis=0), **options
        )
        assert_close(weighted[0], repeated[0], TOLERANCE[dtype])
        for a, b in zip(weighted[1] + weighted[2], repeated[1] + repeated[2], strict=True):
            assert_close(a, b, TOLERANCE[dtype])
