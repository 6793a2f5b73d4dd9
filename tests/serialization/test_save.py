"""Saved nets: everything comes back, in this version and in later ones."""

import copy
import dataclasses
import inspect
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from helpers.saved_nets import OPTIMIZERS, SHAPES, X, Y, everything, trained

import fastbp
from fastbp.serialization import container, save

FORMATS = Path(__file__).parent / "formats"


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_all_of_it_comes_back(shape, optimizer, tmp_path):
    net, targets = trained(shape, optimizer, patience=5)
    net.save(tmp_path / "net")
    loaded = fastbp.load(tmp_path / "net")
    assert everything(loaded) == everything(net)
    assert loaded.history_ is not net.history_
    for each in (net, loaded):
        each.fit(X, targets, epochs=2, batch_size=7, optimizer=each.optimizer_)
    assert everything(loaded) == everything(net)


def test_a_new_net(tmp_path):
    net = fastbp.MLP([4, 2])
    net.save(str(tmp_path / "net"))
    loaded = fastbp.load(str(tmp_path / "net"))
    assert everything(loaded) == everything(net)
    assert (loaded.optimizer_, loaded.history_) == (None, None)


def test_every_argument_and_field_is_in_the_file(tmp_path):
    net, _ = trained(metrics="accuracy")
    net.save(tmp_path / "net")
    document, _ = container.read_header((tmp_path / "net").read_bytes())
    assert set(document["net"]) == set(inspect.signature(fastbp.MLP).parameters) - {"init", "seed"}
    assert set(document["history"]) == {f.name for f in dataclasses.fields(fastbp.History)}
    assert set(document["optimizer"]["settings"]) == {
        f.name for f in dataclasses.fields(fastbp.Adam)
    }
    assert set(vars(net)) == {
        "widths",
        "hidden",
        "output",
        "loss_name",
        "loss_function",
        "dtype",
        "label_smoothing",
        "dropout",
        "train_state",
        "class_labels",
        "feature_names",
        "optimizer_",
        "history_",
        "preprocessing_",
        "network",
        "_weights",
        "_biases",
    }
    assert set(vars(net.train_state)) == {
        "parameters",
        "optimizer_state",
        "step",
        "rng",
        "schedule_state",
        "dropout_key",
        "widths",
    }
    assert set(document["position"]) == set(vars(net.train_state.schedule_state)) - {"lr"}


def test_a_diverged_history(tmp_path):
    """Its last loss is no finite number; the net's weights are."""
    net = fastbp.MLP([4, 3], output="identity", loss="squared_error")
    with pytest.raises(fastbp.DivergenceError):
        net.fit(X, X[:, :3], epochs=50, optimizer=fastbp.SGD(1e6))
    assert not np.isfinite(net.history_.batch_loss[-1])
    net.save(tmp_path / "net")
    loaded = fastbp.load(tmp_path / "net")
    np.testing.assert_array_equal(loaded.history_.batch_loss, net.history_.batch_loss)
    assert loaded.history_.stopped_by == "divergence"


def test_the_same_net_gives_the_same_bytes(tmp_path):
    net, _ = trained()
    command = "import fastbp, sys; net = fastbp.load(sys.argv[1]); net.save(sys.argv[2])"
    net.save(tmp_path / "a")
    subprocess.run(
        [sys.executable, "-c", command, tmp_path / "a", tmp_path / "b"], check=True, timeout=120
    )
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_others_can_read_the_weights(tmp_path):
    net, _ = trained()
    net.save(tmp_path / "net.safetensors")
    arrays = safetensors.numpy.load_file(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(arrays["weights.1"], net.weights[1])
    np.testing.assert_array_equal(arrays["biases.0"], net.biases[0])
    np.testing.assert_array_equal(arrays["history.loss"], net.history_.loss)


@pytest.mark.parametrize("what", ["weights", "biases"])
def test_what_could_not_be_loaded_is_not_saved(what, tmp_path):
    net, _ = trained()
    net.save(tmp_path / "net")
    before = (tmp_path / "net").read_bytes()
    getattr(net, what)[1].flat[2] = np.nan
    with pytest.raises(
        ValueError, match=rf"^{what}\[1\] must be finite in float32, got nan in row"
    ):
        net.save(tmp_path / "net")
    assert (tmp_path / "net").read_bytes() == before


@pytest.mark.parametrize(
    ("about", "optimizer"),
    [
        ({"loss": lambda a, y: (0.0, np.zeros_like(a)), "output": "identity"}, None),
        ({}, "schedule"),
        ({}, "rule"),
    ],
)
def test_what_is_not_fastbp_s_own_is_not_saved(about, optimizer, tmp_path):
    class Mine(fastbp.schedules.Schedule):
        def at(self, t):
            return np.full(len(t), 0.1)

    class Rule(fastbp.SGD):
        pass

    net = fastbp.MLP([4, 3], **about)
    if optimizer:
        net.fit(X, Y, epochs=1, optimizer=fastbp.SGD(Mine()) if optimizer == "schedule" else Rule())
    with pytest.raises(ValueError, match="cannot be saved"):
        net.save(tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


def test_too_many_layers_are_refused_by_save(tmp_path):
    net = fastbp.MLP([1] * 8000, output="sigmoid")
    with pytest.raises(ValueError, match="too many layers"):
        net.save(tmp_path / "net")
    assert list(tmp_path.iterdir()) == []
    net = fastbp.MLP([1] * 3000, output="sigmoid", seed=3)
    net.save(tmp_path / "net")
    assert everything(fastbp.load(tmp_path / "net")) == everything(net)


def test_a_copy_is_saved_as_the_original(tmp_path):
    net, _ = trained()
    net.save(tmp_path / "a")
    copy.deepcopy(net).save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def further(net):
    """What its outputs and losses are, now and after more training."""
    first = net.forward(X[:5])[-1].tolist()
    history = net.fit(X, net.classes_[Y], epochs=2, batch_size=16, optimizer=net.optimizer_)
    return {
        "outputs": first,
        "loss": history.loss,
        "outputs after": net.forward(X[:5])[-1].tolist(),
        "labels": [*net.predict(X[:5]).tolist(), *(net.feature_names or ())],
    }


@pytest.mark.parametrize("number", range(1, save.FORMAT + 1))
def test_files_of_every_format(number):
    """Each as it was written when the format was current; a new one is made by this file run as a
    script, an old one never."""
    expected = json.loads((FORMATS / f"{number}.json").read_text())
    got = further(fastbp.load(FORMATS / f"{number}.safetensors"))
    assert got.keys() == expected.keys() | {"labels"}  # which format 1 did not have
    for name in expected:
        if name == "labels":
            assert got[name] == expected[name]
            continue
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-5, atol=1e-7)


if __name__ == "__main__":
    made, _ = trained("deep", metrics="accuracy")
    made.classes_ = ["one", "zw\xf6lf", ""]
    vars(made)["feature_names"] = ("a", "b", "\u03b2", "d e")
    made.save(FORMATS / f"{save.FORMAT}.safetensors")
    (FORMATS / f"{save.FORMAT}.json").write_text(json.dumps(further(made)) + "\n")
