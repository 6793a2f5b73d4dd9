"""A net as a file, and the net that a file holds: all that it is, so that it goes on as if it had never been put away."""

import numbers
import os
import platform
import stat
from dataclasses import MISSING, fields, is_dataclass
from itertools import pairwise

import numpy as np

from . import container, optimizers
from .atomic import replace_file
from .history import History
from .kernels.update import SLOTS
from .mlp import MLP
from .validation import check_count, check_finite, known

FORMAT = 1  # of what is written; every one from 1 on is read
OPTIMIZERS = {kind.__name__: kind for kind in vars(optimizers).values() if isinstance(kind, type) and is_dataclass(kind)}
DTYPES = ("float32", "float64")
GENERATOR = "PCG64"  # NumPy's default_rng
LISTS = [f.name for f in fields(History) if f.default_factory is not MISSING]


def save(net: MLP, path: str | os.PathLike) -> None:
    """See `MLP.save`."""
    for what in ("weights", "biases"):
        for i, values in enumerate(getattr(net, what)):
            check_finite(f"{what}[{i}]", values, net.dtype)
    check_finite("the optimizer's state", net._state, net.dtype)
    generator = net._rng.bit_generator.state
    document = {
        "format": FORMAT,
        "versions": _versions(),
        "net": {
            "widths": net.widths,
            "hidden": net.hidden,
            "output": net.output,
            "loss": net.loss_name,
            "dtype": net.dtype.name,
        },
        "optimizer": net.optimizer_ and {"type": type(net.optimizer_).__name__, "settings": _settings(net.optimizer_)},
        "steps": net._steps_done,
        "generator": {k: generator[k] for k in ("bit_generator", "has_uint32", "uinteger")} | generator["state"],
        "history": net.history_ and {k: len(v) if k in LISTS else v for k, v in vars(net.history_).items()},
        "preprocessing": None,
    }
    arrays = {f"{what}.{i}": values for what in ("weights", "biases") for i, values in enumerate(getattr(net, what))}
    arrays |= {f"optimizer.{i}": part for i, part in enumerate(net._state.reshape(-1, net._parameters.size))}
    if net.history_ is not None:
        arrays |= {f"history.{name}": np.array(getattr(net.history_, name), np.float64) for name in LISTS}
    replace_file(path, container.packed(document, arrays))


def load(path: str | os.PathLike) -> MLP:
    """The net that `MLP.save` has put into a file: weights, optimizer and its state, shuffles to come, history.

    Training it further gives the same bits as if it had never been saved. Everything is checked before the net is made, and
    nothing in the file is run: neither pickles nor paths are part of the format.

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
        If it is not such a file, or is damaged, or was written by a newer version of fastbp in a format of its own.
    """
    with open(path, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError(f"path must be a file, got {os.fspath(path)!r}")
        content = file.read()
    try:
        return _net_of(content)
    except (ValueError, TypeError) as error:
        raise ValueError(f"path must be a model saved by fastbp, got {os.fspath(path)!r}: {error}") from error


def _net_of(content):
    """The net in a file's bytes."""
    document, entries = container.document_of(content)
    form = check_count("format", document.get("format"))
    if form > FORMAT:
        raise ValueError(f"its format {form} is of a newer fastbp: this one reads up to {FORMAT}")
    keys = ["format", "versions", "net", "optimizer", "steps", "generator", "history", "preprocessing"]
    container.exactly("the document", document, keys)
    if document["preprocessing"] is not None:
        raise ValueError(f"preprocessing must be null, got {document['preprocessing']!r}")
    versions = container.exactly("versions", document["versions"], _versions())
    if not all(isinstance(version, str) for version in versions.values()):
        raise ValueError(f"versions must be text, got {versions!r}")
    about = container.exactly("net", document["net"], ["widths", "hidden", "output", "loss", "dtype"])
    widths, dtype = container.whole_numbers("widths", about["widths"]), np.dtype(known("dtype", about["dtype"], DTYPES))
    optimizer, history = _optimizer_of(document["optimizer"]), _history_of(document["history"])
    steps, generator = check_count("steps", document["steps"], 0, 2**63 - 1), _generator_of(document["generator"])

    if len(widths) > len(entries):  # before names are made for them
        raise ValueError(f"its {len(entries)} arrays are too few for {len(widths)} widths")
    size = sum((n_in + 1) * n_out for n_in, n_out in pairwise(widths))
    expected: dict[str, tuple] = {f"weights.{i}": (dtype, pair) for i, pair in enumerate(pairwise(widths))}
    expected |= {f"biases.{i}": (dtype, (n,)) for i, n in enumerate(widths[1:])}
    expected |= {f"optimizer.{i}": (dtype, (size,)) for i in range(SLOTS[optimizer.rule] if optimizer else 0)}
    if history is not None:
        expected |= {f"history.{name}": (np.dtype("f8"), (document["history"][name],)) for name in LISTS}
    if entries != expected:
        wrong = sorted(name for name in entries | expected if entries.get(name) != expected.get(name))
        raise ValueError(f"its arrays are not those of such a net: {', '.join(wrong[:3])}")
    arrays = container.arrays_of(content)
    for name, values in arrays.items():
        if not name.startswith("history."):  # the loss at which training diverged is no finite number
            check_finite(name, values, values.dtype)

    weights = (arrays[f"weights.{i}"] for i in range(len(widths) - 1))
    net = MLP(widths, about["hidden"], about["output"], about["loss"], lambda *_: next(weights), dtype)
    net.biases = [arrays[f"biases.{i}"] for i in range(len(widths) - 1)]
    if optimizer is not None:
        net._prepare(optimizer)
        for i, part in enumerate(net._state.reshape(-1, size)):
            part[...] = arrays[f"optimizer.{i}"]
    net._steps_done, net._rng.bit_generator.state = steps, generator
    for name in LISTS if history is not None else ():
        getattr(history, name)[:] = arrays[f"history.{name}"].tolist()
    net.history_ = history
    return net


def _optimizer_of(value):
    if value is None:
        return None
    name = container.exactly("optimizer", value, ["type", "settings"])["type"]
    kind = OPTIMIZERS[known("the optimizer's type", name, OPTIMIZERS)]
    return kind(**container.exactly("the optimizer's settings", value["settings"], [f.name for f in fields(kind)]))


def _settings(optimizer):
    """Its settings as plain numbers and flags: they may be of any number type."""
    settings: dict[str, float | bool] = {}
    for name, value in vars(optimizer).items():
        if isinstance(value, bool | np.bool_):
            settings[name] = bool(value)
        elif isinstance(value, numbers.Real):
            settings[name] = float(value)
        else:
            raise ValueError(f"{name}={value!r} of {type(optimizer).__name__} cannot be saved, only numbers and flags")
    return settings


def _history_of(value):
    """A history whose lists are still empty; their lengths are in `value`."""
    if value is None:
        return None
    container.exactly("history", value, [f.name for f in fields(History)])
    container.whole_numbers("the history's lengths", [value[name] for name in LISTS])
    best, stopped_by = value["best_epoch"], value["stopped_by"]
    if best is not None:
        check_count("best_epoch", best, 0, value["loss"] - 1)
    if not isinstance(stopped_by, str | None):
        raise ValueError(f"stopped_by must be text or null, got {stopped_by!r}")
    return History(best_epoch=best, stopped_by=stopped_by)


def _generator_of(value):
    """The state of the generator of shuffles, as NumPy takes it."""
    container.exactly("generator", value, ["bit_generator", "has_uint32", "uinteger", "state", "inc"])
    known("bit_generator", value["bit_generator"], [GENERATOR])
    limits = {"has_uint32": 1, "uinteger": 2**32 - 1, "state": 2**128 - 1, "inc": 2**128 - 1}
    for name, most in limits.items():
        check_count(name, value[name], 0, most)
    rest = {name: value[name] for name in ("bit_generator", "has_uint32", "uinteger")}
    return rest | {"state": {name: value[name] for name in ("state", "inc")}}


def _versions():
    from . import __version__  # which the package sets after importing this module

    return {"fastbp": __version__, "python": platform.python_version(), "numpy": np.__version__}
