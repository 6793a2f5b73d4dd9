"""`net.to_onnx`: what ONNX Runtime makes of the file, and what the net itself says, over every
activation and output."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

import fastbp
from fastbp.base.activations import HIDDEN, OUTPUTS
from fastbp.export import onnx as onnx_export

onnx = pytest.importorskip("onnx", reason="it writes the models")
onnxruntime = pytest.importorskip("onnxruntime", reason="it computes the outputs of the models")

WIDTHS = [7, 19, 11, 5]
X = np.random.default_rng(0).normal(size=(33, 7))
# Of an output, or in proportion where it is beyond 1.
LIMITS = {"float32": 1e-6, "float64": 1e-13}


def net_of(hidden, output, dtype, widths=WIDTHS):
    net = fastbp.MLP(widths, hidden=hidden, output=output, dtype=dtype, seed=3)
    rng = np.random.default_rng(4)
    net.biases = [rng.normal(size=b.shape) for b in net.biases]
    return net


def session_of(net, path):
    net.to_onnx(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a pool of threads a session would be most of the time
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def difference(got, wanted):
    assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
    return float(np.max(np.abs(got - wanted) / np.maximum(1, np.abs(wanted))))


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize(("hidden", "output"), list(itertools.product(HIDDEN, OUTPUTS)))
def test_every_pair(hidden, output, dtype, tmp_path):
    net = net_of(hidden, output, dtype)
    session = session_of(net, tmp_path / "net.onnx")
    for rows in (X, X[:1], X[:2]):
        (a,) = session.run(None, {"X": rows.astype(dtype)})
        assert difference(a, net.forward(rows)[-1]) <= LIMITS[dtype]
    assert session.run(None, {"X": np.empty((0, 7), dtype)})[0].shape == (0, 5)


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("name", HIDDEN)
def test_activation_itself(name, dtype, tmp_path):
    """From where it is flat to where it is steep, and as far out as where exp(z) overflows."""
    net = fastbp.MLP([1, 1, 1], name, "identity", dtype=dtype, init=lambda _, shape: np.ones(shape))
    z = np.concatenate(
        [np.linspace(-120, 120, 24001), np.linspace(-2, 2, 4001), [-1e30, -1e4, 1e4, 1e30]]
    )
    z = z[:, None].astype(dtype)
    (a,) = session_of(net, tmp_path / "net.onnx").run(None, {"X": z})
    assert difference(a, net.forward(z)[-1]) <= LIMITS[dtype]


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("output", OUTPUTS)
def test_no_hidden_layer(output, dtype, tmp_path):
    net = net_of([], output, dtype, [7, 3])
    (a,) = session_of(net, tmp_path / "net.onnx").run(None, {"X": X.astype(dtype)})
    assert difference(a, net.forward(X)[-1]) <= LIMITS[dtype]


def test_every_layer_its_own_activation(tmp_path):
    net = net_of(["relu", "gelu", "selu", "mish"], "sigmoid", "float64", [7, 9, 8, 7, 6, 1])
    (a,) = session_of(net, tmp_path / "net.onnx").run(None, {"X": X})
    assert difference(a, net.forward(X)[-1]) <= 1e-13
    np.testing.assert_array_equal((a[:, 0] > 0.5).astype(int), net.predict(X))


def test_a_trained_net(tmp_path):
    """Its optimizer's state, dropout and a loss that is a function are not the model's business."""
    y = (X[:, 0] > 0).astype(int)

    def loss(a, y):
        t = np.eye(2, dtype=a.dtype)[y]
        return float(np.square(a - t).sum()), 2 * (a - t)

    for settings in ({"dropout": 0.5}, {"loss": loss}):
        net = fastbp.MLP([7, 16, 2], "relu", **settings)
        net.fit(X, y, epochs=3, batch_size=8, optimizer=fastbp.Adam())
        (a,) = session_of(net, tmp_path / "net.onnx").run(
            ["probabilities"], {"X": X.astype(np.float32)}
        )
        assert difference(a, net.predict_proba(X)) <= 1e-6


def test_what_the_file_says_of_itself(tmp_path):
    path = tmp_path / "net.onnx"
    for output, name in {
        "softmax": "probabilities",
        "sigmoid": "probabilities",
        "identity": "outputs",
        "exp": "outputs",
    }.items():
        session = session_of(net_of("tanh", output, "float32"), path)
        (x,) = session.get_inputs()
        (a,) = session.get_outputs()
        assert (x.name, x.shape, x.type) == ("X", ["N", 7], "tensor(float)")
        assert (a.name, a.shape, a.type) == (name, ["N", 5], "tensor(float)")
    model = onnx.load(path)
    assert (model.producer_name, model.producer_version) == ("fastbp", fastbp.__version__)
    assert (model.ir_version, [(o.domain, o.version) for o in model.opset_import]) == (
        7,
        [("", 13)],
    )
    assert [t.name for t in model.graph.initializer] == [
        f"{what}.{i}" for i in range(3) for what in ("weights", "biases")
    ]


def test_the_same_net_gives_the_same_bytes(tmp_path):
    net = net_of("gelu", "softmax", "float64")
    for name in "ab":
        net.to_onnx(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_refused_before_anything_is_written(tmp_path, monkeypatch):
    net = net_of("relu", "softmax", "float32")
    path = tmp_path / "net.onnx"
    path.write_bytes(b"as it was")
    net.weights[1][2, 3] = np.nan
    with pytest.raises(
        ValueError, match=r"weights\[1\] must be finite in float32, got nan in row 2"
    ):
        net.to_onnx(path)
    net.weights[1][2, 3] = 0
    size = net.parameters.nbytes
    monkeypatch.setattr(onnx_export, "MAX_PARAMETER_BYTES", size - 1)
    with pytest.raises(
        ValueError, match=f"at most {size - 1:,} bytes of parameters, got a net with {size:,}"
    ):
        net.to_onnx(path)
    monkeypatch.setattr(onnx_export, "MAX_PARAMETER_BYTES", size)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"net.to_onnx needs onnx: pip install 'fastbp\[onnx\]'"):
        net.to_onnx(path)
    assert path.read_bytes() == b"as it was"
    assert os.listdir(tmp_path) == ["net.onnx"]
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError, match="nowhere"):
        net.to_onnx(tmp_path / "nowhere" / "net.onnx")
    session_of(net, path)
    assert os.listdir(tmp_path) == ["net.onnx"]


def test_imported_when_asked_for():
    code = "import sys, fastbp; assert 'onnx' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
