"""What a checkpoint holds beside the network: the settings of the fit, fingerprints of its samples,
and its progress. As values of JSON and back."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.fit_config import FURTHER, FitConfig, decode_fit_config, encode_fit_config
from ..base.strict_json import require_ints, require_keys
from ..base.validation import check_choice, check_count
from .encoding import decode_generator, encode_generator
from .fingerprints import NAMES

# Of the fit state; all from 1 on are read. Format 1 has no FURTHER settings.
FORMAT = 2
KEYS = ("format", "settings", "data", "generator", "order", "callbacks")
DTYPES = ("float32", "float64")


@dataclass
class FitState:
    """The state of a fit between two steps, beside that of its network and history.

    Attributes
    ----------
    config : FitConfig
    data : dict
        See `fingerprints`.
    generator : dict
        NumPy's state of the network's generator before it drew the order of the present epoch.
    order : str or None
        Digest of that order; None if no step of the epoch has been made, so that it is drawn anew.
    callbacks : list of (str, dict)
        Type and state of each callback that keeps a state.
    """

    config: FitConfig
    data: dict[str, dict[str, Any] | None]
    generator: dict[str, Any]
    order: str | None
    callbacks: list[tuple[str, dict[str, Any]]]


def encode_fit_state(fit_state):
    """A `FitState` as a value of JSON, and the arrays in the states of its callbacks.

    Returns
    -------
    dict
    dict of str to ndarray
    """
    callbacks = []
    arrays: dict[str, np.ndarray] = {}
    for i, (name, state) in enumerate(fit_state.callbacks):
        values = {}
        shapes = {}
        for key, value in state.items():
            is_array = isinstance(value, np.ndarray) and value.dtype.name in DTYPES
            if not (
                isinstance(key, str)
                and (is_array or isinstance(value, bool | int | float | str | None))
            ):
                raise TypeError(
                    f"{key}={value!r:.200} of {name}'s checkpoint_state() must be None, a number, "
                    "text or a float array"
                )
            if is_array:
                shapes[key] = [value.dtype.name, *value.shape]
                arrays[f"callbacks.{i}.{key}"] = value
            else:
                values[key] = value
        callbacks.append({"type": name, "values": values, "arrays": shapes})
    settings = encode_fit_config(fit_state.config)
    return {
        "format": 1 if FURTHER.keys().isdisjoint(settings) else FORMAT,
        "settings": settings,
        "data": fit_state.data,
        "generator": encode_generator(fit_state.generator),
        "order": fit_state.order,
        "callbacks": callbacks,
    }, arrays


def decode_fit_state(value):
    """The `FitState` that was encoded as `value`, without the arrays of its callbacks.

    Returns
    -------
    FitState
    dict of str to (dtype, tuple of int)
        Dtype and shape of each of these arrays, by its name in the file.

    Raises
    ------
    ValueError, TypeError
    """
    number = check_count(
        "the course's format", value.get("format") if isinstance(value, dict) else None
    )
    if number > FORMAT:
        raise ValueError(
            f"its course is in format {number} of a newer fastbp: this one reads up to {FORMAT}"
        )
    require_keys("the course", value, KEYS)
    data = require_keys("data", value["data"], NAMES)
    for name, entry in data.items():
        if entry is not None:
            require_keys(name, entry, ["shape", "dtype", "sha256"])
            require_ints(f"the shape of {name}", entry["shape"])
    if data["X"] is None or data["y"] is None or not data["X"]["shape"]:
        raise ValueError("its course is without X or y")
    if not isinstance(value["order"], str | None):
        raise ValueError(f"order must be text or null, got {value['order']!r:.200}")
    if not isinstance(value["callbacks"], list):
        raise ValueError(f"callbacks must be a list, got {value['callbacks']!r:.200}")
    callbacks = []
    shapes: dict[str, tuple] = {}
    for i, entry in enumerate(value["callbacks"]):
        require_keys(f"callbacks[{i}]", entry, ["type", "values", "arrays"])
        if [type(entry[key]) for key in ("type", "values", "arrays")] != [str, dict, dict]:
            raise ValueError(
                f"callbacks[{i}] must have a name, values and arrays, got {entry!r:.200}"
            )
        for key, about in entry["arrays"].items():
            if not isinstance(about, list) or not about:
                raise ValueError(
                    f"{key} of callbacks[{i}] must have a dtype and a shape, got {about!r:.200}"
                )
            dtype = np.dtype(check_choice(f"the dtype of {key}", about[0], DTYPES))
            shapes[f"callbacks.{i}.{key}"] = dtype, require_ints(f"the shape of {key}", about[1:])
        callbacks.append((entry["type"], entry["values"]))
    config = decode_fit_config(value["settings"])
    generator = decode_generator(value["generator"])
    return FitState(config, data, generator, value["order"], callbacks), shapes


def restore_arrays(fit_state, arrays):
    """Put the arrays of a file into the states of the callbacks."""
    for name, values in arrays.items():
        if name.startswith("callbacks."):
            _, i, key = name.split(".", 2)
            fit_state.callbacks[int(i)][1][key] = values


def check_consistency(fit_state, history, train_state):
    """Check that the state of a running fit agrees with the network's history and counters.

    Raises
    ------
    ValueError
    """
    config = fit_state.config
    n = fit_state.data["X"]["shape"][0]
    n -= config.validation_count(n)
    if n == 0:
        raise ValueError("its course is one of no samples")
    steps = len(history.batch_loss)
    steps_an_epoch = -(-n // config.batch_of(n))
    done = steps - history.n_epochs * steps_an_epoch
    if not (
        0 <= done <= steps_an_epoch  # the validation of a complete epoch may be left
        and history.n_epochs < config.epochs
        and len(history.learning_rate) == steps
        and len(history.val_loss) == history.n_epochs * history.has_validation
        and history.has_validation
        == (fit_state.data["X_val"] is not None or config.validation_split > 0)
        and len(history.accuracy) == history.n_epochs * bool(config.metrics)
        and len(history.val_accuracy) == len(history.accuracy) * history.has_validation
        and (done > 0) == (fit_state.order is not None)
        and min(train_state.schedule_state.steps, train_state.step) >= steps
    ):
        raise ValueError("its history does not agree with its settings")
