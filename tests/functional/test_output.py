"""The loss and its delta: every loss of `fastbp.MLP`, sums, the outputs beside them, one sample,
integer arrays."""

import numpy as np
import pytest
from helpers.problems import OUTPUTS, PAIRS, assert_close
from oracles import naive

import fastbp
from fastbp import functional as fn
from fastbp.base.losses import LOSSES
from fastbp.base.network_arguments import check_loss

DTYPES = ["float32", "float64"]
OTHERS = [(output, loss) for output in OUTPUTS for loss in ("huber", "absolute_error")]
OTHERS += [("exp", "poisson"), ("identity", "hinge"), ("exp", "squared_error")]
ALL = [*PAIRS, *OTHERS]


def logits_and_targets(n, k, loss, dtype, seed=0):
    """Logits, some far apart, and targets that the loss takes, none at a kink."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 1.5, size=(n, k)).astype(dtype)
    if loss == "hinge":
        return z, np.eye(k, dtype=dtype)[rng.integers(0, k, n)]
    if loss == "poisson":
        return z, rng.poisson(1.0, (n, k)).astype(dtype)
    t = rng.uniform(size=(n, k)) + 0.01
    return z, (t / t.sum(axis=1, keepdims=True)).astype(dtype)


def naive_output(z, t, output, loss):
    """The sum of the losses, the deltas and the outputs, in lists."""
    z, t = z.tolist(), t.tolist()
    a = [naive.outputs(row, output) for row in z]
    total = sum(map(naive.sample_loss, z, a, t, [loss] * len(z)))
    deltas = [naive.output_delta(*row, output, loss) for row in zip(z, a, t, strict=True)]
    return total, np.array(deltas), np.array(a)


def test_every_loss_of_a_net_is_tried():
    assert {loss for _, loss in ALL} == set(LOSSES)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("output", "loss"), ALL)
def test_losses(output, loss, dtype):
    """Mean and sum, and the outputs, which are the same whatever the loss."""
    z, t = logits_and_targets(37, 5, loss, dtype)
    total, delta, a = naive_output(z, t, output, loss)
    for reduction, n in (("mean", 37), ("sum", 1)):
        got = fn.output_delta(z, t, output, loss, reduction=reduction)
        assert len(got) == 2
        assert_close(got[0], total / n, dtype)
        assert_close(got[1], delta / n, dtype)
        again = fn.output_delta(z, t, output, loss, reduction=reduction, return_output=True)
        assert again[0] == got[0]
        np.testing.assert_array_equal(again[1], got[1], strict=True)
        assert_close(again[2], a, dtype)
        assert again[2].dtype == dtype
    in_place = z.copy()
    _, same, beside = fn.output_delta(in_place, t, output, loss, return_output=True, out=in_place)
    assert same is in_place
    assert_close(same, delta / 37, dtype)
    np.testing.assert_array_equal(beside, again[2])


@pytest.mark.parametrize("loss", ["huber", "absolute_error", "poisson", "hinge"])
def test_the_losses_of_a_net(loss):
    """Loss and gradient of a layer are those of `fastbp.MLP`."""
    output = "exp" if loss == "poisson" else "identity"
    net = fastbp.MLP([4, 3], output=output, loss=loss, dtype="float64", seed=1)
    X = np.random.default_rng(0).normal(size=(20, 4))
    _, t = logits_and_targets(20, 3, loss, "float64")
    z = fn.dense_forward(X, net.weights[0], net.biases[0])
    value, delta = fn.output_delta(z, t, output, loss)
    true_loss, dWs, _ = net.loss_and_gradients(X, t)
    assert value == pytest.approx(true_loss, rel=1e-12)
    np.testing.assert_allclose(fn.dense_backward(delta, X, net.weights[0])[0], dWs[0], atol=1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("output", "loss"), ALL)
def test_one_sample(output, loss, dtype):
    z, t = logits_and_targets(1, 4, loss, dtype)
    value, delta, a = fn.output_delta(z, t, output, loss, return_output=True)
    got = fn.output_delta(z[0], t[0], output, loss, return_output=True)
    assert got[0] == value
    np.testing.assert_array_equal(got[1], delta[0], strict=True)
    np.testing.assert_array_equal(got[2], a[0], strict=True)
    out = np.empty(4, dtype)
    assert fn.output_delta(z[0], t[0].tolist(), output, loss, out=out)[1] is out
    np.testing.assert_array_equal(out, delta[0])
    labelled = fn.output_delta(z, [2], output, loss)
    for label in (2, np.int8(2), np.array(2)):
        got = fn.output_delta(z[0], label, output, loss)
        assert got[0] == labelled[0]
        np.testing.assert_array_equal(got[1], labelled[1][0])


def test_one_output():
    """Numbers as targets, of one sample and of several."""
    for output, loss in (("sigmoid", None), ("identity", "huber"), ("exp", "poisson")):
        column = fn.output_delta([[0.3], [-2.0]], [[1.0], [0.0]], output, loss)
        flat = fn.output_delta([[0.3], [-2.0]], [1, 0], output, loss)
        assert flat[0] == column[0]
        np.testing.assert_array_equal(flat[1], column[1])
        one = fn.output_delta([0.3], 1, output, loss)
        assert one[1].shape == (1,)
        np.testing.assert_allclose(one[1], 2 * column[1][0])


@pytest.mark.parametrize("kind", ["i1", "u1", "i4", "i8", "u8", ">i4", "f4", "f8"])
def test_dtypes_of_labels(kind):
    z = np.random.default_rng(0).normal(size=(6, 4))
    y = np.array([0, 3, 1, 2, 2, 0])
    wanted = fn.output_delta(z, y)
    got = fn.output_delta(z, y.astype(kind))
    assert got[0] == wanted[0]
    np.testing.assert_array_equal(got[1], wanted[1])
    high = y.astype(kind)
    high[2] = 4
    with pytest.raises(ValueError, match=r"y must hold labels 0..3, got 4(.0)? in row 2"):
        fn.output_delta(z, high)


def test_labels_beyond_int64():
    with pytest.raises(ValueError, match=r"y must hold labels 0..2, got 18446744073709551615"):
        fn.output_delta(np.zeros((1, 3)), np.array([2**64 - 1], np.uint64))


def test_refused_pairs():
    for output in OUTPUTS:
        for loss in LOSSES:
            try:
                check_loss(loss, output, 3)
            except ValueError as error:
                with pytest.raises(ValueError, match=str(error)[:30]):
                    fn.output_delta(np.zeros((2, 3)), [0, 1], output, loss)
