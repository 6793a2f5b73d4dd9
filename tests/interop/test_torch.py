"""Nets from PyTorch's modules and back: weights of the same bits, equal outputs, named refusals."""

from collections import OrderedDict

import numpy as np
import pytest
from helpers.problems import HIDDEN

import fastbp
from fastbp.base.activations import ACTIVATIONS, OUTPUTS

torch = pytest.importorskip("torch", reason="it converts PyTorch's modules")
nn = torch.nn

RNG = np.random.default_rng(11)
X = RNG.normal(size=(60, 5)) * 2
LABELS = RNG.integers(0, 3, 60)
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}
# PyTorch's modules by fastbp's names: all of hidden layers, and of outputs but for exp.
MODULES = {
    name: [getattr(nn, row.torch.kind)(**{k: v for k, (v, *_) in row.torch.settings.items()})]
    for name, row in ACTIVATIONS.items()
    if name != "exp"
}
MODULES["identity"] = []
ENDS = [name for name in OUTPUTS if name in MODULES]


def module_of(*hidden, output=(), dtype="float32"):
    torch.manual_seed(4)
    return (
        nn.Sequential(nn.Linear(5, 7), *hidden, nn.Linear(7, 3), *output)
        .to(getattr(torch, dtype))
        .eval()
    )


def outputs(module, x):
    with torch.no_grad():
        return module(
            torch.tensor(x.astype(str(next(module.parameters()).dtype).removeprefix("torch.")))
        ).numpy()


def assert_equal_outputs(net, module):
    for x in (X, X[:1]):
        mine = net.forward(x)[-1]
        theirs = outputs(module, x)
        assert mine.dtype == theirs.dtype == net.dtype
        np.testing.assert_allclose(
            mine, theirs, rtol=0, atol=TOLERANCE[net.dtype.name] * abs(theirs).max()
        )


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_activations(name, dtype):
    module = module_of(*MODULES[name], dtype=dtype)
    net = fastbp.from_torch(module)
    assert (net.widths, net.hidden, net.output, net.loss_name) == (
        (5, 7, 3),
        (name,),
        "identity",
        "squared_error",
    )
    assert_equal_outputs(net, module)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", ENDS)
def test_outputs(name, dtype):
    module = module_of(nn.Tanh(), output=MODULES[name], dtype=dtype)
    net = fastbp.from_torch(module, output=name)
    assert net.output == fastbp.from_torch(module).output == name
    assert_equal_outputs(net, module)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("output", ENDS)
def test_to_torch_and_back(output, dtype):
    """Equal outputs, and the same bits after the way there and back."""
    for i, name in enumerate(HIDDEN):
        hidden = (name, "tanh")
        rates = (0.25 * (i % 2), 0.5 * (i % 3 == 0))
        net = fastbp.MLP([5, 8, 7, 3], hidden, output, dtype=dtype, dropout=rates)
        rng = np.random.default_rng(i)
        for b in net.biases:
            b[...] = rng.normal(size=b.shape)
        before = torch.random.get_rng_state()
        module = net.to_torch()
        assert torch.equal(before, torch.random.get_rng_state())
        assert type(module) is nn.Sequential
        assert not module.training
        assert_equal_outputs(net, module)
        back = fastbp.from_torch(module)
        assert (back.widths, back.hidden, back.output, back.dropout) == (
            (5, 8, 7, 3),
            hidden,
            output,
            rates,
        )
        for mine, theirs in zip(back.weights + back.biases, net.weights + net.biases, strict=True):
            assert mine.dtype == theirs.dtype == dtype
            np.testing.assert_array_equal(mine, theirs)


def test_the_exponential_output_is_refused():
    with pytest.raises(ValueError, match="PyTorch has no module for output='exp'"):
        fastbp.MLP([5, 3], output="exp").to_torch()


def test_nothing_is_shared():
    module = module_of(nn.ReLU())
    net = fastbp.from_torch(module)
    again = net.to_torch()
    before = outputs(module, X)
    for p in net.weights + net.biases:
        p[...] = 0
    np.testing.assert_array_equal(outputs(module, X), before)
    np.testing.assert_array_equal(outputs(again, X), before)
    with torch.no_grad():
        again[0].weight.zero_()
    assert not net.weights[0].any()
    assert outputs(module, X).any()


def test_what_to_torch_makes_can_be_trained():
    net = fastbp.MLP([5, 8, 3], hidden="tanh", dropout=0.5)
    module = net.to_torch().train()
    assert [type(part).__name__ for part in module] == [
        "Linear",
        "Tanh",
        "Dropout",
        "Linear",
        "Softmax",
    ]
    x = torch.tensor(X, dtype=torch.float32)
    y = torch.tensor(LABELS)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    logits = module[:-1]
    for _ in range(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(logits(x), y).backward()
        optimizer.step()
    assert fastbp.from_torch(module).loss(X, LABELS) < net.loss(X, LABELS)


LOSSES = {
    "softmax": (nn.CrossEntropyLoss(), LABELS, LABELS),
    "sigmoid": (nn.BCEWithLogitsLoss(), (X[:, :3] > 0) * 1.0, (X[:, :3] > 0) * 1.0),
    "exp": (nn.PoissonNLLLoss(), RNG.integers(0, 5, (60, 3)) * 1.0, None),
}


@pytest.mark.parametrize("output", LOSSES)
def test_modules_that_end_in_logits(output):
    """The output that belongs to PyTorch's loss: the same loss, though a binary one is a mean over
    outputs too in PyTorch."""
    module = module_of(nn.GELU(), dtype="float64")
    (criterion, y, _) = LOSSES[output]
    net = fastbp.from_torch(module, output=output)
    z = outputs(module, X)
    theirs = float(criterion(torch.tensor(z), torch.tensor(y)))
    if output == "softmax":
        np.testing.assert_allclose(
            net.predict_proba(X), torch.softmax(torch.tensor(z), 1).numpy(), rtol=1e-12
        )
        np.testing.assert_array_equal(net.predict(X), z.argmax(axis=1))
    elif output == "sigmoid":
        theirs *= 3
        np.testing.assert_allclose(
            net.predict_proba(X), torch.sigmoid(torch.tensor(z)).numpy(), rtol=1e-12
        )
    else:  # the deviance has terms more that the outputs do not enter
        np.testing.assert_allclose(net.predict(X), np.exp(z), rtol=1e-12)
        theirs = 3 * theirs + np.sum(np.where(y > 0, y * np.log(np.maximum(y, 1)) - y, 0)) / len(y)
    assert net.loss(X, y) == pytest.approx(theirs, rel=1e-12)
    before = net.loss(X, y)
    net.fit(X, y, epochs=30, optimizer=fastbp.SGD(0.01))
    assert net.loss(X, y) < before


def test_logits_may_stay_the_outputs():
    module = module_of(nn.ReLU())
    net = fastbp.from_torch(module, loss="softmax_cross_entropy")
    assert_equal_outputs(net, module)
    np.testing.assert_array_equal(net.predict(X), outputs(module, X).argmax(axis=1))
    np.testing.assert_allclose(net.predict_proba(X).sum(axis=1), 1, rtol=1e-6)


def test_a_function_as_loss():
    net = fastbp.from_torch(
        module_of(nn.ReLU()), loss=lambda a, y: (np.mean((a - y) ** 2), 2 * (a - y) / a.size)
    )
    assert net.loss_name == "custom"


NESTED = {
    "nested": nn.Sequential(
        nn.Sequential(nn.Linear(5, 7), nn.Sequential()),
        nn.Sequential(nn.Sequential(nn.SiLU())),
        nn.Linear(7, 3),
    ),
    "named": nn.Sequential(OrderedDict(first=nn.Linear(5, 7), act=nn.SiLU(), last=nn.Linear(7, 3))),
    "what does nothing": nn.Sequential(
        nn.Identity(),
        nn.Flatten(),
        nn.Dropout(0),
        nn.Linear(5, 7),
        nn.Identity(),
        nn.SiLU(),
        nn.Linear(7, 3),
        nn.Identity(),
    ),
}


@pytest.mark.parametrize("module", NESTED.values(), ids=NESTED)
def test_nested_and_named(module):
    net = fastbp.from_torch(module)
    assert (net.widths, net.hidden, net.dropout) == ((5, 7, 3), ("silu",), (0.0,))
    assert_equal_outputs(net, module)


def test_an_activation_a_layer_and_dropout():
    module = nn.Sequential(
        nn.Linear(5, 7),
        nn.Tanh(),
        nn.Dropout(0.25),
        nn.Linear(7, 6),
        nn.Linear(6, 4),
        nn.Dropout(0.5),
        nn.Linear(4, 3),
        nn.Softmax(-1),
    ).eval()
    net = fastbp.from_torch(module)
    assert (net.hidden, net.dropout, net.output) == (
        ("tanh", "identity", "identity"),
        (0.25, 0.0, 0.5),
        "softmax",
    )
    assert_equal_outputs(net, module)


def test_one_layer():
    module = nn.Linear(5, 3)
    net = fastbp.from_torch(module, output="softmax")
    assert net.widths == (5, 3)
    np.testing.assert_array_equal(net.weights[0], module.weight.detach().numpy().T)
    assert [type(part).__name__ for part in net.to_torch()] == ["Linear", "Softmax"]


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(5, 3)

    def forward(self, x):
        return self.first(x) * 2


class Doubled(nn.Linear):
    def forward(self, x):
        return super().forward(x) * 2


# not PyTorch's, whatever its name
Linear = type("Linear", (nn.Linear,), {"forward": Doubled.forward})
LIST = (
    r"from_torch takes Sequential, Linear, Dropout, Identity, Sigmoid, .*, Softmax, "
    r"Flatten \(first of all\)"
)


def hooked(module, register):
    getattr(module, register)(lambda *_: None)
    return module


REFUSED = {
    "own class": (lambda: Own(), rf"module, Own\(\.\.\.\), cannot be converted: {LIST}"),
    "own class inside": (
        lambda: nn.Sequential(nn.Linear(5, 5), Own()),
        rf"module\[1\], Own\(\.\.\.\), cannot .* {LIST}",
    ),
    "subclass": (
        lambda: nn.Sequential(Doubled(5, 3)),
        rf"module\[0\], Doubled\(.*\), cannot be converted: {LIST}",
    ),
    "namesake": (
        lambda: nn.Sequential(Linear(5, 3)),
        rf"module\[0\], Linear\(.*\), cannot be converted: {LIST}",
    ),
    "norm": (
        lambda: module_of(nn.BatchNorm1d(7)),
        rf"module\[1\], BatchNorm1d\(7, .*\), cannot be converted: {LIST}",
    ),
    "lazy": (
        lambda: nn.Sequential(nn.LazyLinear(3)),
        r"module\[0\], LazyLinear.*; call the module once, which makes a Linear of it",
    ),
    "parametrised": (
        lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(5, 3))),
        rf"module\[0\], ParametrizedLinear\(\.\.\.\), cannot be converted: {LIST}",
    ),
    "log softmax": (
        lambda: module_of(output=[nn.LogSoftmax(1)]),
        r"module\[2\], LogSoftmax\(dim=1\), .* give output='softmax'",
    ),
    "ReLU6": (
        lambda: module_of(nn.ReLU6()),
        rf"module\[1\], ReLU6\(\), cannot be converted: {LIST}",
    ),
    "slope": (
        lambda: module_of(nn.LeakyReLU(0.2)),
        r"module\[1\], LeakyReLU\(negative_slope=0.2\), .* fastbp's leaky_relu has "
        "negative_slope=0.01, this one .*=0.2",
    ),
    "elu": (lambda: module_of(nn.ELU(0.5)), "fastbp's elu has alpha=1.0, this one alpha=0.5"),
    "gelu": (
        lambda: module_of(nn.GELU("tanh")),
        "fastbp's gelu has approximate='none', this one approximate='tanh'",
    ),
    "softplus": (
        lambda: module_of(nn.Softplus(2)),
        "fastbp's softplus has beta=1.0, this one beta=2",
    ),
    "threshold": (
        lambda: module_of(nn.Softplus(1, 2)),
        "fastbp's softplus has threshold=20.0, this one threshold=2",
    ),
    "softmax of columns": (
        lambda: module_of(output=[nn.Softmax(0)]),
        "fastbp's softmax has dim=1, this one dim=0",
    ),
    "softmax inside": (
        lambda: module_of(nn.Softmax(1)),
        r"module\[1\], Softmax\(dim=1\), .* fastbp has 'softmax' for the last layer only",
    ),
    "gelu as output": (
        lambda: module_of(output=[nn.GELU()]),
        r"module\[2\], GELU\(.*\), .* fastbp has 'gelu' for hidden layers only",
    ),
    "activation first": (
        lambda: nn.Sequential(nn.ReLU(), nn.Linear(5, 3)),
        r"module\[0\], ReLU\(\), .* must stand behind a dense layer",
    ),
    "two activations": (
        lambda: module_of(nn.ReLU(), nn.Tanh()),
        r"module\[2\], Tanh\(\), .* its layer has the activation 'relu' already",
    ),
    "flatten": (
        lambda: nn.Sequential(nn.Flatten(0), nn.Linear(5, 3)),
        "fastbp's input has start_dim=1, this one start_dim=0",
    ),
    "flatten inside": (
        lambda: module_of(nn.Flatten()),
        rf"module\[1\], Flatten\(.*\), cannot be converted: {LIST}",
    ),
    "nothing": (lambda: nn.Sequential(), "module must have at least one dense layer, got none"),
    "half": (
        lambda: nn.Linear(5, 3).half(),
        r"the dtype of module, Linear\(.*\), must be one of 'float32', 'float64', got 'float16'",
    ),
    "bfloat16": (
        lambda: nn.Linear(5, 3).bfloat16(),
        r"the dtype of .* must be one of 'float32', 'float64', got 'bfloat16'",
    ),
    "meta": (
        lambda: nn.Linear(5, 3, device="meta"),
        r"module, Linear\(.*\), .* on the meta device, which holds no values",
    ),
    "two dtypes": (
        lambda: nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3).double()),
        r"module\[1\], Linear\(.*\), .* it is of float64 and module\[0\], Linear\(.*\), of float32",
    ),
    "widths": (
        lambda: nn.Sequential(nn.Linear(5, 4), nn.Linear(6, 3)),
        r"weights\[1\] must be of shape \(4, 3\), got \(6, 3\)",
    ),
    "hook": (
        lambda: nn.Sequential(hooked(nn.Linear(5, 4), "register_forward_hook")),
        r"module\[0\], Linear\(.*\), .* forward hooks",
    ),
    "pre-hook": (
        lambda: hooked(module_of(), "register_forward_pre_hook"),
        "module, Sequential, .* it has forward hooks",
    ),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_what_fastbp_lacks_is_refused(make, message):
    module = make()
    with pytest.raises(ValueError, match=message):
        fastbp.from_torch(module)


def test_weights_that_are_not_finite_are_refused():
    module = module_of()
    with torch.no_grad():
        module[1].weight[0, 2] = float("nan")
    with pytest.raises(
        ValueError, match=r"weights\[1\] must be finite in float32, got nan in row 2"
    ):
        fastbp.from_torch(module)


@pytest.mark.parametrize(
    "given", [None, 3, torch.zeros(3), nn.Linear, fastbp.MLP([2, 2])], ids=repr
)
def test_another_type_is_refused(given):
    with pytest.raises(
        TypeError,
        match=f"module must be a torch.nn.Sequential, got an object of type {type(given).__name__}",
    ):
        fastbp.from_torch(given)


def test_outputs_and_losses_that_do_not_fit_are_refused():
    with pytest.raises(
        ValueError, match="output must be 'sigmoid' or None as module ends with that, got 'softmax'"
    ):
        fastbp.from_torch(module_of(output=[nn.Sigmoid()]), output="softmax")
    with pytest.raises(ValueError, match=r"output must be one of 'softmax', .*, got 'gelu'"):
        fastbp.from_torch(module_of(), output="gelu")
    with pytest.raises(
        ValueError, match="loss='cross_entropy' needs output='softmax', got output='identity'"
    ):
        fastbp.from_torch(module_of(), loss="cross_entropy")


def frozen():
    return module_of().requires_grad_(False)


def twice():
    layer = nn.Linear(5, 5)
    return nn.Sequential(layer, nn.ReLU(), layer)


NOT_ALIKE = {
    "no bias": (
        lambda: nn.Sequential(nn.Linear(5, 3, bias=False)),
        r"module\[0\], Linear\(.*bias=False\), has no bias, and gets one of zeros",
    ),
    "inputs dropped": (
        lambda: nn.Sequential(nn.Dropout(0.2), nn.Linear(5, 3)),
        r"module\[0\], Dropout\(p=0.2.*\), is left out",
    ),
    "outputs dropped": (
        lambda: module_of(output=[nn.Dropout(0.2)]),
        r"module\[2\], Dropout\(.*\), is left out",
    ),
    "dropped before": (
        lambda: module_of(nn.Dropout(0.2), nn.Tanh()),
        r"module\[1\], Dropout\(.*\), is left out",
    ),
    "dropped twice": (
        lambda: module_of(nn.Tanh(), nn.Dropout(0.2), nn.Dropout(0.3)),
        r"module\[3\], Dropout\(.*\), is left out",
    ),
    "frozen": (
        frozen,
        r"module\[0\], Linear\(.*\), is frozen, and is trained; module\[1\], .* is frozen",
    ),
    "twice": (
        twice,
        r"module\[2\], Linear\(.*\), shares its weights with module\[0\], and gets its own",
    ),
}


@pytest.mark.parametrize(("make", "message"), NOT_ALIKE.values(), ids=NOT_ALIKE)
def test_what_trains_otherwise_is_warned_of(make, message):
    """The outputs are equal all the same, and the warning names the caller's line."""
    module = make().eval()
    message = f"the net computes what module does, but fit will not train it alike: .*{message}"
    with pytest.warns(UserWarning, match=message) as caught:
        net = fastbp.from_torch(module)
    assert [warning.filename for warning in caught] == [__file__]
    assert_equal_outputs(net, module)
    assert net.dropout == (0.0,) * len(net.hidden) or "twice" in message or net.dropout == (0.2,)
