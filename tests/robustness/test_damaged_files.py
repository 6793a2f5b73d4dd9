"""Files that no net was saved to as they are: truncated, flipped, mutated, made up. Each is refused
in words."""

import json
import pickle
import random

import numpy as np
import pytest
import safetensors.numpy
from helpers.mutation import N_MUTATIONS, changed, mutated, put, sealed
from helpers.saved_nets import X, everything, trained

import fastbp


def loading(content, path):
    path.write_bytes(content)
    return fastbp.load(path)


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "net"
    trained()[0].save(path)
    return path.read_bytes()


def test_truncated_at_every_byte(content, tmp_path):
    for size in range(len(content)):
        with pytest.raises(ValueError, match="path must be a model saved by fastbp, got '"):
            loading(content[:size], tmp_path / "net")
    with pytest.raises(ValueError, match="damaged"):
        loading(content + b"\0", tmp_path / "net")
    with pytest.raises(ValueError, match="must take"):
        loading(sealed(content + b"\0"), tmp_path / "net")


def test_every_bit_flipped(content, tmp_path):
    for i in range(len(content)):
        flipped = bytearray(content)
        flipped[i] ^= 1 << random.Random(i).randrange(8)
        with pytest.raises(ValueError, match="path must be a model saved by fastbp, got '"):
            loading(flipped, tmp_path / "net")


def test_mutated_under_a_right_checksum(content, tmp_path):
    """Either refused in words, or a net that is whole and finite. FASTBP_MUTATIONS says how many
    are tried."""
    refusals = []
    for seed in range(N_MUTATIONS):
        try:
            net = loading(mutated(content, random.Random(seed)), tmp_path / "net")
        except ValueError as error:
            refusals.append(str(error))
        else:
            assert net.forward(X)[-1].shape == (40, net.widths[-1]), seed
            assert np.isfinite(net.parameters).all(), seed
            assert np.isfinite(net.train_state.optimizer_state).all(), seed
    assert [
        words
        for words in refusals
        if not words.startswith("path must be a model saved by fastbp, got '")
    ] == []
    assert N_MUTATIONS > len(refusals) > 0.8 * N_MUTATIONS


def drop(*keys):
    def change(header, document):
        place = {"header": header, "document": document}
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]

    return change


NAN = np.float32(np.nan).tobytes()
WRONG = {
    "newer format": (
        put("document", "format", value=3),
        "its format 3 is of a newer fastbp: this one reads up to 2",
    ),
    "format 0": (put("document", "format", value=0), "format must be at least 1"),
    "no format": (drop("document", "format"), "format must be a whole number, got None"),
    "format a flag": (
        put("document", "format", value=True),
        "format must be a whole number, got True",
    ),
    "one key more": (put("document", "more", value=1), "document must have the keys .*'more'"),
    "one key less": (drop("document", "steps"), "document must have the keys .*'steps'"),
    "preprocessing": (
        put("document", "preprocessing", value={}),
        "preprocessing must have the keys",
    ),
    "versions": (put("document", "versions", value=[]), "versions must have the keys"),
    "a version": (put("document", "versions", "numpy", value=1), "versions must be text"),
    "widths": (
        put("document", "net", "widths", value=[4, 7, 3]),
        "its arrays are not those .*biases.0",
    ),
    "widths 0": (put("document", "net", "widths", value=[4, 0, 3]), "its arrays are not those"),
    "widths huge": (
        put("document", "net", "widths", value=[10**30, 10**30, 3]),
        "its arrays are not those",
    ),
    "widths flags": (
        put("document", "net", "widths", value=[4, True, 3]),
        "widths must be a list of whole numbers",
    ),
    "widths many": (put("document", "net", "widths", value=[1] * 1000), "too few for 1000 widths"),
    "hidden": (put("document", "net", "hidden", value=["swish"]), "hidden must be one of"),
    "hidden number": (put("document", "net", "hidden", value=3), "hidden must be a name"),
    "hidden too many": (
        put("document", "net", "hidden", value=["relu", "relu"]),
        "hidden must be one name, or one for each",
    ),
    "output": (
        put("document", "net", "output", value="identity"),
        "loss='cross_entropy' needs output='softmax'",
    ),
    "loss": (put("document", "net", "loss", value=["x"]), "loss must be one of"),
    "dtype": (put("document", "net", "dtype", value="float64"), "its arrays are not those"),
    "dtype object": (put("document", "net", "dtype", value="O"), "dtype must be one of"),
    "optimizer": (
        put("document", "optimizer", "type", value="os.system"),
        "the optimizer's type must be one of",
    ),
    "no optimizer": (
        put("document", "optimizer", value=None),
        "its arrays are not those .*optimizer.0",
    ),
    "other optimizer": (
        put("document", "optimizer", value={"type": "SGD", "settings": {}}),
        "the optimizer's settings must",
    ),
    "lr": (
        put("document", "optimizer", "settings", "lr", value=-1),
        "lr must be a finite number above 0",
    ),
    "lr text": (put("document", "optimizer", "settings", "lr", value="1"), "lr must be a number"),
    "steps": (put("document", "steps", value=2**63), "steps must be at most"),
    "steps half": (put("document", "steps", value=0.5), "steps must be a whole number"),
    "generator": (
        put("document", "generator", "bit_generator", value="MT19937"),
        "bit_generator must be one of 'PCG64'",
    ),
    "generator state": (
        put("document", "generator", "state", value=2**128),
        "state must be at most",
    ),
    "generator flag": (
        put("document", "generator", "has_uint32", value=2),
        "has_uint32 must be at most 1",
    ),
    "history": (put("document", "history", value=3), "history must have the keys"),
    "history length": (
        put("document", "history", "loss", value=2),
        "its arrays are not those .*history.loss",
    ),
    "history length negative": (
        put("document", "history", "loss", value=-1),
        "history's lengths must be",
    ),
    "best epoch": (
        put("document", "history", "best_epoch", value=3),
        "best_epoch must be at most 2",
    ),
    "stopped by": (put("document", "history", "stopped_by", value=[]), "stopped_by must be text"),
    "metadata": (put("header", "__metadata__", value=None), "not a file that fastbp has saved"),
    "more metadata": (
        put("header", "__metadata__", "more", value=""),
        "metadata must have the keys",
    ),
    "one array more": (
        put("header", "x", value={"dtype": "F64", "shape": [0], "data_offsets": [0, 0]}),
        "offsets of x must",
    ),
    "array renamed": (lambda h, d: h.update(w=h.pop("biases.1")), "offsets of"),
    "no array": (drop("header", "biases.1"), "offsets of|must take"),
    "an entry": (put("header", "weights.0", value=[]), "the entry of weights.0 must have the keys"),
    "shape": (
        put("header", "weights.0", "shape", value=[6, 4]),
        "its arrays are not those .*weights.0",
    ),
    "shape negative": (
        put("header", "weights.0", "shape", value=[-4, -6]),
        "shape of weights.0 must be a list of whole numbers",
    ),
    "shape huge": (
        put("header", "weights.0", "shape", value=[2**40, 2**40]),
        "offsets of weights.0 must be",
    ),
    "shape half": (
        put("header", "weights.0", "shape", value=[4.0, 6]),
        "shape of weights.0 must be a list of whole numbers",
    ),
    "dtype of an array": (
        put("header", "weights.0", "dtype", value="BF16"),
        "dtype of weights.0 must be one of F32, F64",
    ),
    "offsets": (
        put("header", "weights.0", "data_offsets", value=[0, 96]),
        "offsets of weights.0 must be",
    ),
    "no data": (lambda h, d: b"", "must take"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_together_is_refused(change, message, content, tmp_path):
    assert everything(loading(changed(content, lambda h, d: None), tmp_path / "net"))["step"] == 9
    with pytest.raises(ValueError, match=message):
        loading(changed(content, change), tmp_path / "net")


@pytest.mark.parametrize("name", ["weights.0", "biases.1", "optimizer.1"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(name, value, content, tmp_path):
    size = int.from_bytes(content[:8], "little")
    end = json.loads(content[8 : 8 + size])[name]["data_offsets"][1]
    wrong = bytearray(content)
    wrong[8 + size + end - 4 : 8 + size + end] = np.float32(value).tobytes()
    with pytest.raises(ValueError, match=f"{name} must be finite in float32, got {value}"):
        loading(sealed(bytes(wrong)), tmp_path / "net")


@pytest.mark.parametrize("bits", ["0100807f", "0100a0ff"])
def test_a_signalling_nan_is_refused_without_a_warning(bits, content, tmp_path):
    wrong = content[:-4] + bytes.fromhex(bits)
    with pytest.raises(ValueError, match="must be finite in float32, got nan"):
        loading(sealed(wrong), tmp_path / "net")


EMPTY = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
HEADERS = {
    "a key twice": (b'"widths', b'"hidden', "comes twice"),
    "an array twice": (b'"weights.1"', b'"weights.0"', "comes twice"),
    "no number": (b'\\"lr\\": 0.01', b'\\"lr\\":  NaN', "must hold finite numbers, got NaN"),
    "infinite": (b'\\"lr\\": 0.01', b'\\"lr\\":1e999', "lr must be a finite number"),
    "no text": (b"weights.0", b"weights.\xff", "utf-8"),
}


@pytest.mark.parametrize(("old", "new", "message"), HEADERS.values(), ids=HEADERS)
def test_headers_that_the_library_would_take(old, new, message, content, tmp_path):
    old, new = old.replace(b'"widths', b'\\"widths\\"'), new.replace(b'"hidden', b'\\"hidden\\"')
    assert content.count(old) == 1
    assert len(old) == len(new)
    with pytest.raises(ValueError, match=message):
        loading(sealed(content.replace(old, new)), tmp_path / "net")


def test_other_files(tmp_path):
    net, _ = trained()
    header = b'{"fastbp":"{\\"sha256\\": \\"' + b"0" * 64 + b'\\"}"' + b"[" * 100_000
    elsewhere = json.dumps(
        {'{"sha256": "' + "0" * 64: EMPTY, "__metadata__": {"fastbp": "{}"}}
    ).encode()
    elsewhere = sealed(len(elsewhere).to_bytes(8, "little") + elsewhere)
    assert b"0" * 64 not in elsewhere
    others = [
        pickle.dumps(net),
        b"",
        b"\0" * 8,
        b"\xff" * 100,
        safetensors.numpy.save({"weights.0": np.zeros((2, 2))}),
    ]
    with pytest.raises(ValueError, match="its checksum is not where fastbp puts it"):
        loading(elsewhere, tmp_path / "net")
    for other in [*others, sealed(len(header).to_bytes(8, "little") + header)]:
        with pytest.raises(ValueError, match="path must be a model saved by fastbp"):
            loading(other, tmp_path / "net")
    with pytest.raises(FileNotFoundError, match="missing"):
        fastbp.load(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        fastbp.load(tmp_path)
    with pytest.raises(ValueError, match="path must be a file, got '/dev/zero'"):
        fastbp.load("/dev/zero")
    with pytest.raises(TypeError):
        fastbp.load(None)


def test_pickles_are_not_run(tmp_path, monkeypatch):
    """Neither in the file nor as a way to read it."""

    def refuse(*arguments, **settings):
        raise AssertionError("unpickled")

    net, _ = trained()
    net.save(tmp_path / "net")
    expected = everything(net)
    for module, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (np, "load")):
        monkeypatch.setattr(module, name, refuse)
    assert everything(fastbp.load(tmp_path / "net")) == expected


def further(path):
    """A file with classes, names of features and accuracies."""
    net, _ = trained(metrics="accuracy")
    net.classes_ = ["a", "b", "c"]
    vars(net)["feature_names"] = ("p", "q", "r", "s")
    net.save(path)
    return path.read_bytes()


FURTHER = {
    "two classes": ("classes", ["a", "b"], "classes must be 3 different labels"),
    "a class twice": ("classes", ["a", "b", "a"], "classes must be 3 different labels"),
    "classes of two types": ("classes", ["a", "b", 1], "classes must be a list of .* one type"),
    "no list": ("classes", "abc", "classes must be a list"),
    "no labels": ("classes", [[1], [2], [3]], "classes must be a list"),
    "empty": ("classes", [], "classes must be a list"),
    "infinite": ("classes", [1e308 * 10, 1.0, 2.0], "finite|different labels"),
    "beyond 64 bits": ("classes", [2**64, 1, 2], "classes must be 64-bit numbers"),
    "below 64 bits": ("classes", [-(2**63) - 1, 1, 2], "classes must"),
    "far beyond": ("classes", [10**400, 1, 2], "classes must be 64-bit numbers"),
    "long": ("classes", ["a" * 100_000, "b", "c"], "classes must have at most 87381 characters"),
    "too long": ("classes", ["a" * 200_000, "b", "c"], "classes must take at most"),
    "three names": ("feature_names", ["p", "q", "r"], "feature_names must be a list of 4 texts"),
    "numbers as names": ("feature_names", [1, 2, 3, 4], "feature_names must be a list of 4 texts"),
    "other names": ("feature_names", {}, "feature_names must be a list of 4 texts"),
    "accuracies": ("history", {}, "history must have the keys"),
    "format 1": ("format", 1, "the document must have the keys"),
}


@pytest.mark.parametrize(("key", "value", "message"), FURTHER.values(), ids=FURTHER)
def test_further_keys_are_checked(key, value, message, tmp_path):
    content = further(tmp_path / "net")
    assert fastbp.load(tmp_path / "net").classes_.tolist() == ["a", "b", "c"]
    with pytest.raises(
        ValueError, match=f"path must be a model saved by fastbp, .*: .*({message})"
    ):
        loading(changed(content, put("document", key, value=value)), tmp_path / "net")


def test_further_keys_mutated(tmp_path):
    content = further(tmp_path / "net")
    refusals = []
    for seed in range(N_MUTATIONS // 3):
        try:
            net = loading(mutated(content, random.Random(seed)), tmp_path / "net")
        except ValueError as error:
            refusals.append(str(error))
        else:
            assert net.classes_ is None or len(net.classes_) == max(2, net.widths[-1])
            assert net.feature_names is None or len(net.feature_names) == net.widths[0]
    assert refusals
    assert all(text.startswith("path must be a model saved by fastbp, got '") for text in refusals)
