"""What a checkpoint holds beside the net: how the fit was called, of which samples, and where it
stands. As JSON and back."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.fit_config import FitConfig, decode_fit_config, encode_fit_config
from ..base.strict_json import require_ints, require_keys
from ..base.validation import check_choice, check_count
from . import encoding
from .fingerprints import NAMES

FORMAT = 1  # of the course in a checkpoint; every one from 1 on is read
KEYS = ("format", "settings", "data", "generator", "order", "callbacks")
DTYPES = ("float32", "float64")


@dataclass
class FitState:
    """Where a fit stands, between two steps, beside what net and history say.

    Attributes
    ----------
    settings : Settings
    data : dict
        See `fingerprints`.
    generator : dict
        State of the net's generator before it drew the order of the epoch that is running.
    order : str or None
        Digest of that order: None where no step of the epoch is made, so that it is drawn anew.
    callbacks : list of (str, dict)
        Type and state of each callback that keeps one.
    """

    settings: FitConfig
    data: dict[str, dict[str, Any] | None]
    generator: dict[str, Any]
    order: str | None
    callbacks: list[tuple[str, dict[str, Any]]]


def encode_fit_state(moment):
    """Its values of JSON, and its arrays."""
    described, arrays = [], dict[str, np.ndarray]()
    for i, (name, state) in enumerate(moment.callbacks):
        inside = {key: value for key, value in state.items() if isinstance(value, np.ndarray)}
        plain = {key: value for key, value in state.items() if key not in inside}
        for key, value in state.items():
            allowed = (
                value.dtype.name in DTYPES
                if key in inside
                else isinstance(value, bool | int | float | str | None)
            )
            if not (isinstance(key, str) and allowed):
                raise TypeError(
                    f"{key}={value!r:.200} of {name}'s checkpoint_state() must be None, a number, text or a float array"
                )
        shapes = {key: [value.dtype.name, *value.shape] for key, value in inside.items()}
        described.append({"type": name, "values": plain, "arrays": shapes})
        arrays |= {f"callbacks.{i}.{key}": value for key, value in inside.items()}
    return {
        "format": FORMAT,
        "settings": encode_fit_config(moment.settings),
        "data": moment.data,
        "generator": moment.generator,
        "order": moment.order,
        "callbacks": described,
    }, arrays


def decode_fit_state(value):
    """The moment so described, its callbacks' arrays still missing, and what the file's entries for
    those must be."""
    form = check_count(
        "the course's format", value.get("format") if isinstance(value, dict) else None
    )
    if form > FORMAT:
        raise ValueError(
            f"its course is in format {form} of a newer fastbp: this one reads up to {FORMAT}"
        )
    require_keys("the course", value, KEYS)
    data = require_keys("data", value["data"], NAMES)
    for name, one in data.items():
        if one is not None:
            require_ints(
                f"the shape of {name}",
                require_keys(name, one, ["shape", "dtype", "sha256"])["shape"],
            )
    if data["X"] is None or data["y"] is None or not data["X"]["shape"]:
        raise ValueError("its course is without X or y")
    if not isinstance(value["order"], str | None):
        raise ValueError(f"order must be text or null, got {value['order']!r:.200}")
    if not isinstance(value["callbacks"], list):
        raise ValueError(f"callbacks must be a list, got {value['callbacks']!r:.200}")
    callbacks, entries = [], {}
    for i, one in enumerate(value["callbacks"]):
        require_keys(f"callbacks[{i}]", one, ["type", "values", "arrays"])
        if not (
            isinstance(one["type"], str)
            and isinstance(one["values"], dict)
            and isinstance(one["arrays"], dict)
        ):
            raise ValueError(
                f"callbacks[{i}] must have a name, values and arrays, got {one!r:.200}"
            )
        for key, about in one["arrays"].items():
            if not isinstance(about, list) or not about:
                raise ValueError(
                    f"{key} of callbacks[{i}] must have a dtype and a shape, got {about!r:.200}"
                )
            dtype = np.dtype(check_choice(f"the dtype of {key}", about[0], DTYPES))
            entries[f"callbacks.{i}.{key}"] = dtype, require_ints(f"the shape of {key}", about[1:])
        callbacks.append((one["type"], dict(one["values"])))
    settings, generator = (
        decode_fit_config(value["settings"]),
        encoding.generator_of(value["generator"]),
    )
    return FitState(settings, data, generator, value["order"], callbacks), entries


def restore_arrays(moment, arrays):
    """Put the arrays of the file's entries into the states of the callbacks."""
    for name, values in arrays.items():
        if name.startswith("callbacks."):
            _, i, key = name.split(".", 2)
            moment.callbacks[int(i)][1][key] = values


def check_consistency(net, moment):
    """Refuse a moment of a running fit that does not agree with the net's history and counters.

    Raises
    ------
    ValueError
    """
    n, history = moment.data["X"]["shape"][0], net.history_
    if n == 0:
        raise ValueError("its course is one of no samples")
    per_epoch, made = -(-n // moment.settings.batch(n)), len(history.batch_loss)
    done = made - history.n_epochs * per_epoch
    fits = (
        0 <= done < per_epoch
        and history.n_epochs < moment.settings.epochs
        and len(history.learning_rate) == made
    )
    fits = fits and len(history.val_loss) == history.n_epochs * history.has_validation
    fits = fits and history.has_validation == (moment.data["X_val"] is not None)
    if not (
        fits
        and (done > 0) == (moment.order is not None)
        and min(net._position.steps, net._steps_done) >= made
    ):
        raise ValueError("its history does not agree with its settings")
