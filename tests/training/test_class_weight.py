"""Weights of classes: those of samples, by scikit-learn's definition, in the mean that is reported
and in its gradient."""

import numpy as np
import pytest

import fastbp

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = RNG.choice(4, 60, p=[0.6, 0.25, 0.1, 0.05])
OWN = RNG.uniform(0, 2, 60)
MAPPING = {0: 0.5, np.int64(2): 3, 3: 0.0}


def fitted(y=Y, output="softmax", loss=None, widths=(4, 5, 4), **options):
    net = fastbp.MLP(list(widths), output=output, loss=loss, dtype="float64", seed=1)
    history = net.fit(X, y, epochs=3, batch_size=17, **options)
    return net.parameters.tobytes(), history.loss, history.batch_loss


@pytest.mark.parametrize("own", [None, OWN])
@pytest.mark.parametrize("class_weight", ["balanced", {0: 0.5, 1: 2.0, 2: 3, 3: 0.0}])
def test_as_scikit_learns_sample_weights(class_weight, own):
    sk = pytest.importorskip("sklearn.utils.class_weight")
    weights = sk.compute_class_weight(class_weight, classes=np.arange(4), y=Y, sample_weight=own)
    got = fitted(class_weight=class_weight, sample_weight=own)
    wanted = fitted(sample_weight=weights[Y] * (1 if own is None else own))
    np.testing.assert_allclose(np.frombuffer(got[0]), np.frombuffer(wanted[0]), rtol=1e-12)
    np.testing.assert_allclose(got[1] + got[2], wanted[1] + wanted[2], rtol=1e-12)


def test_the_weight_of_a_class_is_that_of_its_samples():
    weight = np.array([0.5, 1.0, 3.0, 0.0])[Y]
    wanted = fitted(sample_weight=weight)
    assert fitted(class_weight=MAPPING) == wanted != fitted()
    assert fitted(np.eye(4)[Y], class_weight=MAPPING) == wanted
    as_floats = {0.0: 0.5, np.float32(2): 3, 3.0: np.float64(0)}
    assert fitted(class_weight=as_floats) == wanted
    assert fitted(class_weight={}) == fitted(sample_weight=np.ones(60)) == fitted()
    assert fitted(output="identity", loss="hinge", class_weight=MAPPING) == fitted(
        output="identity", loss="hinge", sample_weight=weight
    )


def test_balanced_classes_weigh_the_same_in_total():
    counts = np.bincount(Y)
    assert fitted(class_weight="balanced") == fitted(sample_weight=(60 / (4 * counts))[Y])
    some = np.where(Y == 3, 0, Y)  # a class that is not there takes no share
    counts = np.bincount(some)
    assert fitted(some, class_weight="balanced") == fitted(
        some, sample_weight=(60 / (3 * counts))[some]
    )


@pytest.mark.parametrize("y", [Y > 0, (Y > 0).astype(float), (Y > 0)[:, None]])
def test_one_sigmoid_output(y):
    weight = np.array([2.0, 5.0])[(Y > 0).astype(int)]
    net = {"output": "sigmoid", "widths": (4, 5, 1)}
    assert fitted(y, class_weight={0: 2.0, 1: 5.0}, **net) == fitted(y, sample_weight=weight, **net)


def test_the_mean_that_is_reported():
    """A batch's loss is its weighted mean, of which PyTorch's class weights make the same; an
    epoch's that of all samples."""
    torch = pytest.importorskip("torch", reason="a second opinion where PyTorch is installed")
    net = fastbp.MLP([4, 4], dtype="float64")
    weights = np.array([0.5, 1.0, 3.0, 2.0])
    W, b = (torch.tensor(p[0].copy(), requires_grad=True) for p in (net.weights, net.biases))
    before = net.weights[0].copy()
    history = net.fit(
        X,
        Y,
        epochs=1,
        batch_size=None,
        optimizer=fastbp.SGD(1.0),
        class_weight=dict(enumerate(weights)),
    )
    value = torch.nn.CrossEntropyLoss(torch.tensor(weights))(
        torch.tensor(X) @ W + b, torch.tensor(Y)
    )
    value.backward()
    assert history.batch_loss == history.loss == [pytest.approx(value.item(), rel=1e-12)]
    np.testing.assert_allclose(before - net.weights[0], W.grad.numpy(), rtol=1e-10, atol=1e-13)

    net, small = (fastbp.MLP([4, 4], dtype="float64") for _ in range(2))
    options = {
        "epochs": 1,
        "shuffle": False,
        "class_weight": dict(enumerate(weights)),
        "optimizer": fastbp.SGD(1e-300),
    }
    whole, batches = (
        n.fit(X, Y, batch_size=size, **options) for n, size in ((net, None), (small, 7))
    )
    assert batches.loss == pytest.approx(whole.loss, rel=1e-12)
    for first, loss in zip(range(0, 60, 7), batches.batch_loss, strict=True):
        part = slice(first, first + 7)
        assert loss == pytest.approx(
            net.loss(X[part], Y[part], sample_weight=weights[Y[part]]), rel=1e-12
        )


def test_validation_is_not_weighted():
    net = fastbp.MLP([4, 4])
    history = net.fit(X, Y, epochs=2, class_weight="balanced", X_val=X, y_val=Y)
    assert history.val_loss[-1] == net.loss(X, Y)


SOFT = np.full((60, 4), 0.25)
WRONG = [  # class_weight, other options, error, message
    ("even", {}, ValueError, "^class_weight .*balanced.*mapping.*'even'"),
    ([1.0, 2.0, 3.0, 4.0], {}, TypeError, r"^class_weight .*mapping.*\[1.0"),
    (2.0, {}, TypeError, "^class_weight .*mapping.*2.0"),
    ({2.5: 1.0}, {}, ValueError, r"^class_weight .*0\.\.3 as keys, got 2\.5"),
    ({4: 1.0}, {}, ValueError, "^class_weight .*0..3 as keys, got 4"),
    ({-1: 1.0}, {}, ValueError, "^class_weight .*0..3 as keys, got -1"),
    ({"a": 1.0}, {}, ValueError, "^class_weight .*0..3 as keys, got 'a'"),
    ({0: -1.0}, {}, ValueError, r"^class_weight\[0\] .*at least 0.*-1.0"),
    ({0: np.nan}, {}, ValueError, r"^class_weight\[0\] .*finite.*nan"),
    ({0: "1"}, {}, TypeError, r"^class_weight\[0\] .*number.*'1'"),
    (
        {0: 1e300},
        {"sample_weight": np.full(60, 1e20)},
        ValueError,
        "^class_weight times sample_weight .*finite.*inf",
    ),
    (dict.fromkeys(range(4), 0), {}, ValueError, "^class_weight must leave some sample"),
    (
        "balanced",
        {"y": SOFT},
        ValueError,
        "^class_weight needs one class a sample: y .*one-hot.*in row 0",
    ),
    (
        "balanced",
        {"y": np.eye(4)[Y] + np.eye(4)[Y - 1], "output": "sigmoid"},
        ValueError,
        "^class_weight needs one class",
    ),
    ("balanced", {"y": X, "output": "identity"}, ValueError, "^class_weight needs one class"),
    (
        "balanced",
        {"y": X[:, 0], "output": "identity", "widths": (4, 1)},
        ValueError,
        "^class_weight needs one class",
    ),
]


@pytest.mark.parametrize(
    ("class_weight", "options", "error", "message"), WRONG, ids=range(len(WRONG))
)
def test_errors_name_the_argument(class_weight, options, error, message):
    with pytest.raises(error, match=message):
        fitted(class_weight=class_weight, **options)
