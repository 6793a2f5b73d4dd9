"""A network as the bytes of a file, and back: all that it is, so that training continues with the
same bits.

A checkpoint is such a file with one more entry: the state of the running fit, from which
`fastbp.resume` continues.
"""

import os
import platform
import stat
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from .._version import __version__
from ..base.files import check_path, replace_file
from ..base.labels import class_count
from ..base.network_arguments import (
    parameter_count,
)
from ..base.strict_json import require_ints, require_keys
from ..base.validation import (
    check_choice,
    check_count,
    check_finite,
)
from ..engine.parameters import layer_views
from ..engine.state import TrainState
from ..history import History
from ..kernels.plan import aligned_zeros
from ..optimizers import Optimizer
from ..preprocessing import Preprocessing
from . import container, encoding
from .checkpoint_format import DTYPES, FitState, decode_fit_state, encode_fit_state, restore_arrays

# Of the files; all from 1 on are read. Format 1 has no FURTHER_KEYS and no FURTHER_LISTS of the
# history, and is written where they would be empty.
FORMAT = 2
FURTHER_KEYS = ("classes", "feature_names")
KEYS = (
    "format",
    "versions",
    "net",
    "optimizer",
    "steps",
    "position",
    "generator",
    "dropout_key",
    "history",
    "preprocessing",
)
FIT_STATE = "course"  # a further key in checkpoints
NET_KEYS = ("widths", "hidden", "output", "loss", "dtype", "label_smoothing", "dropout")


# Beginnings of files that are often taken for a model.
OTHER_FILES = (
    (b"version https://git-lfs", "a pointer of Git LFS, for which `git lfs pull` gets the file"),
    *(
        (bytes([0x80, i]), "a pickle, of which only pickle.load makes an object")
        for i in range(2, 6)
    ),
    (b"PK\3\4", "a zip archive, such as a model of PyTorch or Keras: see fastbp.from_torch"),
    (b"\x89HDF\r\n", "an HDF5 file, such as a model of Keras: see fastbp.from_keras"),
    (b"\x93NUMPY", "an array of NumPy"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"<!DOCTYPE", "an HTML page"),
    (b"<html", "an HTML page"),
)


@dataclass
class SavedModel:
    """The content of a file.

    Attributes
    ----------
    arguments : dict
        Of `MLP`, without `init` and `seed`.
    state : TrainState
    optimizer, history, preprocessing : or None
    fit_state : FitState or None
        Of a checkpoint.
    classes : ndarray (n_classes,) or None
    feature_names : tuple of str or None
    """

    arguments: dict[str, Any]
    state: TrainState
    optimizer: Optimizer | None
    history: History | None
    preprocessing: Preprocessing | None
    fit_state: FitState | None
    classes: np.ndarray | None
    feature_names: tuple[str, ...] | None


def save(net, path: str | bytes | os.PathLike) -> None:
    """See `MLP.save`."""
    replace_file(check_path("path", path), to_bytes(net))


def to_bytes(net, fit_state=None):
    """A network as a file; with a `FitState`, a checkpoint of a fit in that state.

    Returns
    -------
    list of bytes
        Consecutive parts of the file.

    Raises
    ------
    ValueError
        If a number is not finite, or the loss or the optimizer is not a part of fastbp.
    """
    state = net.train_state
    arrays = {}
    for name, layers in (("weights", net.weights), ("biases", net.biases)):
        for i, values in enumerate(layers):
            check_finite(f"{name}[{i}]", values, net.dtype)
            arrays[f"{name}.{i}"] = values
    check_finite("the optimizer's state", state.optimizer_state, net.dtype)
    arrays |= {f"optimizer.{i}": slot for i, slot in enumerate(state.slots())}
    if net.loss_function is not None:
        raise ValueError(
            f"loss={net.loss_function!r} is a callable, which cannot be saved: a model file holds "
            "no code"
        )
    further = {
        "classes": None if net.class_labels is None else net.class_labels.tolist(),
        "feature_names": net.feature_names,
    }
    lists = [getattr(net.history_, name, []) for name in encoding.FURTHER_LISTS]
    number = FORMAT if any(lists) or any(v is not None for v in further.values()) else 1
    document = {
        "format": number,
        "versions": _versions(),
        "net": {
            "widths": net.widths,
            "hidden": net.hidden,
            "output": net.output,
            "loss": net.loss_name,
            "dtype": net.dtype.name,
            "label_smoothing": net.label_smoothing,
            "dropout": net.dropout,
        },
        "optimizer": encoding.encode_optimizer(net.optimizer_),
        "steps": state.step,
        "position": encoding.encode_schedule_state(state.schedule_state),
        "generator": encoding.encode_generator(state.rng.bit_generator.state),
        "dropout_key": state.dropout_key,
        "history": encoding.encode_history(net.history_, number),
        "preprocessing": net.preprocessing_ and net.preprocessing_.document(),
    }
    if number > 1:
        document |= further
    if net.history_ is not None:
        for name in encoding.saved_lists(number):
            arrays[f"history.{name}"] = np.array(getattr(net.history_, name), np.float64)
    if fit_state is not None:
        document[FIT_STATE], fit_arrays = encode_fit_state(fit_state)
        arrays |= fit_arrays
    return container.pack(document, arrays)


def read_file(path, wanted, decode):
    """Read a file and decode its bytes.

    Parameters
    ----------
    path : str or path-like
    wanted : str
        What `path` must be, for errors.
    decode : callable (bytes) -> object

    Returns
    -------
    object
        What `decode` returned.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        With the path, if it is not a file or `decode` raises a ValueError or TypeError.
    """
    path = check_path("path", path)
    mode = os.stat(path).st_mode  # before a FIFO without a writer is opened, which would wait
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        kind = "FIFO" if stat.S_ISFIFO(mode) else "socket" if stat.S_ISSOCK(mode) else "device"
        raise ValueError(f"path must be a file, got {path!r}, a {kind}")
    with open(path, "rb") as file:
        content = file.read()
    try:
        return decode(content)
    except (ValueError, TypeError) as error:
        kinds = (f"it is {kind}" for start, kind in OTHER_FILES if content.startswith(start))
        why = next(kinds, error) if content else "it is empty"
        raise ValueError(f"path must be {wanted}, got {path!r}: {why}") from error
    except RecursionError:  # of the JSON parser, or of a repr in an error
        raise ValueError(
            f"path must be {wanted}, got {path!r}: its header is nested too deeply"
        ) from None


def read_checkpoint_history(content):
    """The history in the bytes of a checkpoint, its lists empty, or None; no arrays are read.

    Raises
    ------
    ValueError, TypeError
        Also for a saved model.
    """
    document, _ = _read_document(content)
    if FIT_STATE not in document:
        raise ValueError("it is a saved model, which fastbp.load reads")
    return encoding.decode_history(document["history"], document["format"])


def from_bytes(content):
    """The network in the bytes of a file. Everything in it is checked.

    Returns
    -------
    SavedModel

    Raises
    ------
    ValueError, TypeError
    """
    document, entries = _read_document(content)
    arguments = require_keys("net", document["net"], NET_KEYS)
    widths = require_ints("widths", arguments["widths"])
    if len(widths) < 2:
        raise ValueError(f"widths must be at least [n_in, n_out], got {list(widths)}")
    dtype = np.dtype(check_choice("dtype", arguments["dtype"], DTYPES))
    optimizer = encoding.decode_optimizer(document["optimizer"])
    n_slots = 0 if optimizer is None else optimizer.n_slots
    lists = encoding.saved_lists(document["format"])
    history = encoding.decode_history(document["history"], document["format"])
    counters = _decode_counters(document, optimizer)
    preprocessing = None
    if document["preprocessing"] is not None:
        preprocessing = Preprocessing.of_document(document["preprocessing"])
        given = preprocessing.width, preprocessing.target.width
        if given != (widths[0], widths[-1]):
            raise ValueError(
                f"preprocessing must be of {widths[0]} inputs and {widths[-1]} outputs, "
                f"got {given[0]} and {given[1]}"
            )
    classes = encoding.decode_classes(
        document.get("classes"),
        class_count(arguments["output"], arguments["loss"], widths[-1]),
    )
    feature_names = encoding.decode_feature_names(document.get("feature_names"), widths[0])
    fit_state = None
    expected: dict[str, tuple] = {}
    if FIT_STATE in document:
        if history is None or optimizer is None:
            raise ValueError("its course has no history or no optimizer")
        fit_state, expected = decode_fit_state(document[FIT_STATE])
    if len(widths) > len(entries):  # before an entry is made for each of them
        raise ValueError(f"its {len(entries)} arrays are too few for {len(widths)} widths")
    size = parameter_count(widths)
    expected |= {f"weights.{i}": (dtype, shape) for i, shape in enumerate(pairwise(widths))}
    expected |= {f"biases.{i}": (dtype, (n,)) for i, n in enumerate(widths[1:])}
    expected |= {f"optimizer.{i}": (dtype, (size,)) for i in range(n_slots)}
    if history is not None:
        lengths = document["history"]
        expected |= {f"history.{name}": (np.dtype("f8"), (lengths[name],)) for name in lists}
    if entries != expected:
        wrong = sorted(
            name for name in entries | expected if entries.get(name) != expected.get(name)
        )
        raise ValueError(f"its arrays are not those of such a net: {', '.join(wrong[:3])}")

    arrays = container.read_arrays(content)
    for name, values in arrays.items():
        if not name.startswith("history."):  # which may hold the loss of a fit that diverged
            check_finite(name, values, values.dtype)
    state = TrainState(
        aligned_zeros(size, dtype), np.zeros(0, dtype), **counters, widths=tuple(widths)
    )
    weights, biases = layer_views(state.parameters, widths)
    for name, views in (("weights", weights), ("biases", biases)):
        for i, view in enumerate(views):
            view[...] = arrays[f"{name}.{i}"]
    if n_slots:
        state.set_slots(np.array([arrays[f"optimizer.{i}"] for i in range(n_slots)]))
    if history is not None:
        for name in lists:
            getattr(history, name)[:] = arrays[f"history.{name}"].tolist()
    if fit_state is not None:
        restore_arrays(fit_state, arrays)
    return SavedModel(
        arguments, state, optimizer, history, preprocessing, fit_state, classes, feature_names
    )


def _decode_counters(document, optimizer):
    """The fields of a `TrainState` that are not arrays."""
    rng = np.random.default_rng(0)
    rng.bit_generator.state = encoding.decode_generator(document["generator"])
    key = require_ints("dropout_key", document["dropout_key"])
    if len(key) != 2 or max(key) >= 2**32:
        raise ValueError(f"dropout_key must be two 32-bit numbers, got {key}")
    lr = 0 if optimizer is None else optimizer.lr
    return {
        "step": check_count("steps", document["steps"], 0, 2**63 - 1),
        "rng": rng,
        "schedule_state": encoding.decode_schedule_state(document["position"], lr),
        "dropout_key": key,
    }


def _read_document(content):
    """The document of a file in a known format, and the dtypes and shapes of its arrays."""
    document, entries = container.read_header(content)
    number = check_count("format", document.get("format"))
    if number > FORMAT:
        raise ValueError(f"its format {number} is of a newer fastbp: this one reads up to {FORMAT}")
    keys = [*KEYS, *(FURTHER_KEYS if number > 1 else ()), *([FIT_STATE] * (FIT_STATE in document))]
    require_keys("the document", document, keys)
    versions = require_keys("versions", document["versions"], _versions())
    if not all(isinstance(version, str) for version in versions.values()):
        raise ValueError(f"versions must be text, got {versions!r}")
    return document, entries


def _versions():
    return {"fastbp": __version__, "python": platform.python_version(), "numpy": np.__version__}
