"""A net as a file, and the net that a file holds: all that it is, so that it goes on as if it had
never been put away.

A checkpoint is such a file with one thing more: the course of the fit that is running, from which
`resume` goes on.
"""

import os
import platform
import stat
from itertools import pairwise

import numpy as np

from ..base.files import replace_file
from ..base.strict_json import require_ints, require_keys
from ..base.validation import check_choice, check_count, check_finite
from ..kernels.plan import slots_of
from ..mlp import MLP
from ..preprocessing import Preprocessing
from . import container, encoding
from .checkpoint_format import decode_fit_state, encode_fit_state, restore_arrays
from .encoding import LISTS

FORMAT = 1  # of what is written; every one from 1 on is read
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
COURSE = "course"  # the key that a checkpoint has beside those
ABOUT = ("widths", "hidden", "output", "loss", "dtype", "label_smoothing", "dropout")
DTYPES = ("float32", "float64")


def save(net: MLP, path: str | os.PathLike) -> None:
    """See `MLP.save`."""
    replace_file(path, file_of(net))


def file_of(net, moment=None):
    """The parts of a model's file, or of the checkpoint of a fit that is at this moment."""
    for what in ("weights", "biases"):
        for i, values in enumerate(getattr(net, what)):
            check_finite(f"{what}[{i}]", values, net.dtype)
    check_finite("the optimizer's state", net._state, net.dtype)
    if net.loss_function is not None:
        raise ValueError(
            f"loss={net.loss_function!r} is a callable, which cannot be saved: a model file holds no code"
        )
    document = {
        "format": FORMAT,
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
        "optimizer": encoding.optimizer_document(net.optimizer_),
        "steps": net._steps_done,
        "position": encoding.position_document(net._position),
        "generator": encoding.generator_document(net._rng),
        "dropout_key": net._dropout_key,
        "history": encoding.history_document(net.history_),
        "preprocessing": net.preprocessing_ and net.preprocessing_.document(),
    }
    arrays = {
        f"{what}.{i}": values
        for what in ("weights", "biases")
        for i, values in enumerate(getattr(net, what))
    }
    arrays |= {
        f"optimizer.{i}": part for i, part in enumerate(slots_of(net._state, net._parameters.size))
    }
    if net.history_ is not None:
        arrays |= {
            f"history.{name}": np.array(getattr(net.history_, name), np.float64) for name in LISTS
        }
    if moment is not None:
        document[COURSE], more = encode_fit_state(moment)
        arrays |= more
    return container.pack(document, arrays)


def load(path: str | os.PathLike) -> MLP:
    """The net that `MLP.save` has put into a file: weights, optimizer and its state, shuffles to
    come, history.

    Training it further gives the same bits as if it had never been saved. Everything is checked
    before the net is made, and nothing in the file is run: neither pickles nor paths are part of
    the format. Of a checkpoint this is the net as it was at that moment, its history's `stopped_by`
    None where the fit had not ended; `fastbp.resume` goes on with the fit itself.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    MLP

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not such a file, or is damaged, or was written by a newer version of fastbp in a
        format of its own.
    """
    return read(path, "a model saved by fastbp")[0]


def read(path, wanted):
    """The net in a file, and the moment of a fit if it is a checkpoint; `wanted` is what the path
    must be, for the errors."""
    with open(path, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError(f"path must be a file, got {os.fspath(path)!r}")
        content = file.read()
    try:
        return _net_of(content)
    except (ValueError, TypeError) as error:
        raise ValueError(f"path must be {wanted}, got {os.fspath(path)!r}: {error}") from error
    except RecursionError:  # of the parser, or of what shows a value that it has just taken
        raise ValueError(
            f"path must be {wanted}, got {os.fspath(path)!r}: its header is nested too deeply"
        ) from None


def _net_of(content):
    """The net in a file's bytes, and the moment of a fit or None."""
    document, entries = container.read_header(content)
    form = check_count("format", document.get("format"))
    if form > FORMAT:
        raise ValueError(f"its format {form} is of a newer fastbp: this one reads up to {FORMAT}")
    require_keys("the document", document, [*KEYS, COURSE] if COURSE in document else KEYS)
    moment, of_course = decode_fit_state(document[COURSE]) if COURSE in document else (None, {})
    versions = require_keys("versions", document["versions"], _versions())
    if not all(isinstance(version, str) for version in versions.values()):
        raise ValueError(f"versions must be text, got {versions!r}")
    about = require_keys("net", document["net"], ABOUT)
    widths, dtype = (
        require_ints("widths", about["widths"]),
        np.dtype(check_choice("dtype", about["dtype"], DTYPES)),
    )
    optimizer, history = (
        encoding.optimizer_of(document["optimizer"]),
        encoding.history_of(document["history"]),
    )
    position = encoding.position_of(document["position"], optimizer.lr if optimizer else 0)
    steps, generator = (
        check_count("steps", document["steps"], 0, 2**63 - 1),
        encoding.generator_of(document["generator"]),
    )
    key = require_ints("dropout_key", document["dropout_key"])
    if len(key) != 2 or max(key) >= 2**32:
        raise ValueError(f"dropout_key must be two 32-bit numbers, got {key}")
    preprocessing = document["preprocessing"]
    if preprocessing is not None:
        preprocessing = Preprocessing.of_document(preprocessing)

    if len(widths) > len(entries):  # before names are made for them
        raise ValueError(f"its {len(entries)} arrays are too few for {len(widths)} widths")
    if preprocessing is not None and (
        preprocessing.width != widths[0] or preprocessing.target.width != widths[-1]
    ):
        inner = preprocessing.width, preprocessing.target.width
        raise ValueError(
            f"preprocessing must be of {widths[0]} inputs and {widths[-1]} outputs, got {inner[0]} and {inner[1]}"
        )
    size = sum((n_in + 1) * n_out for n_in, n_out in pairwise(widths))
    expected: dict[str, tuple] = {
        f"weights.{i}": (dtype, pair) for i, pair in enumerate(pairwise(widths))
    }
    expected |= {f"biases.{i}": (dtype, (n,)) for i, n in enumerate(widths[1:])}
    expected |= {
        f"optimizer.{i}": (dtype, (size,)) for i in range(optimizer.n_slots if optimizer else 0)
    }
    if history is not None:
        expected |= {
            f"history.{name}": (np.dtype("f8"), (document["history"][name],)) for name in LISTS
        }
    expected |= of_course
    if entries != expected:
        wrong = sorted(
            name for name in entries | expected if entries.get(name) != expected.get(name)
        )
        raise ValueError(f"its arrays are not those of such a net: {', '.join(wrong[:3])}")
    arrays = container.read_arrays(content)
    for name, values in arrays.items():
        # the loss at which training diverged is no finite number
        if not name.startswith("history."):
            check_finite(name, values, values.dtype)

    weights = (arrays[f"weights.{i}"] for i in range(len(widths) - 1))
    given = {
        name: about[name] for name in ("hidden", "output", "loss", "label_smoothing", "dropout")
    }
    net = MLP(widths, init=lambda *_: next(weights), dtype=dtype, **given)
    net.biases = [arrays[f"biases.{i}"] for i in range(len(widths) - 1)]
    if optimizer is not None:
        net._prepare(optimizer)
        for i, part in enumerate(slots_of(net._state, size)):
            part[...] = arrays[f"optimizer.{i}"]
    net._steps_done, net._position, net._dropout_key = steps, position, key
    net._rng.bit_generator.state = generator
    for name in LISTS if history is not None else ():
        getattr(history, name)[:] = arrays[f"history.{name}"].tolist()
    net.history_, net.preprocessing_ = history, preprocessing
    if moment is not None:
        if history is None or optimizer is None:
            raise ValueError("its course has no history or no optimizer")
        restore_arrays(moment, arrays)
    return net, moment


def _versions():
    from .. import __version__  # which the package sets after importing this module

    return {"fastbp": __version__, "python": platform.python_version(), "numpy": np.__version__}
