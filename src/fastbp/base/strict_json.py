"""JSON that is read strictly: no repeated, missing or unknown keys, no infinite numbers; and one
codec for dataclasses."""

import json
import numbers
from dataclasses import fields

import numpy as np

from .validation import check_choice


def parse(text):
    """The JSON object in `text`, in which no key occurs twice and no number is infinite or NaN.

    Raises
    ------
    ValueError, RecursionError
    """
    value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    if not isinstance(value, dict):
        raise ValueError(f"its header must be a JSON object, got {type(value).__name__}")
    return value


def require_keys(what, value, keys):
    """`value`, checked to be an object with exactly these keys."""
    if not isinstance(value, dict) or set(value) != set(keys):
        got = sorted(value) if isinstance(value, dict) else value
        raise ValueError(f"{what} must have the keys {sorted(keys)}, got {got!r:.200}")
    return value


def require_ints(what, value):
    """`value`, checked to be a list of integers of at least 0, as a tuple."""
    if not isinstance(value, list) or not all(type(n) is int and n >= 0 for n in value):
        raise ValueError(f"{what} must be a list of whole numbers, got {value!r:.200}")
    return tuple(value)


def encode_fields(instance, classes=None):
    """The fields of a dataclass as values of JSON.

    Parameters
    ----------
    instance : dataclass instance
        Its fields hold None, flags, numbers, strings, lists or tuples of these, and dataclasses.
    classes : dict of str to type, optional
        If given, a dataclass in a field is encoded with the name of its class, see `encode_tagged`;
        otherwise as its fields.

    Returns
    -------
    dict
    """
    return {
        field.name: _encode(getattr(instance, field.name), classes) for field in fields(instance)
    }


def decode_fields(what, value, cls, classes=None):
    """The instance of `cls` that `encode_fields` encoded. The class checks its own values.

    Raises
    ------
    ValueError, TypeError
        If the keys are not exactly the fields of `cls`; whatever its constructor raises.
    """
    settings = require_keys(what, value, [field.name for field in fields(cls)])
    if classes is not None:
        settings = {
            name: decode_tagged(name, each, classes) if isinstance(each, dict) else each
            for name, each in settings.items()
        }
    return cls(**settings)


def encode_tagged(instance, classes):
    """A dataclass as ``{"type": name of its class, "settings": its fields}``.

    Parameters
    ----------
    instance : dataclass instance
    classes : dict of str to type
        The classes that a file may hold.

    Raises
    ------
    ValueError
        If the instance, or one in its fields, is of another class.
    """
    name = type(instance).__name__
    if classes.get(name) is not type(instance):
        raise ValueError(f"{instance!r} cannot be saved: {name} is not a class of fastbp")
    return {"type": name, "settings": encode_fields(instance, classes)}


def decode_tagged(what, value, classes, nested=None):
    """The dataclass that `encode_tagged` encoded.

    Parameters
    ----------
    what : str
        Names the value in errors.
    value : any value of JSON
    classes : dict of str to type
    nested : dict of str to type, optional
        Classes of the dataclasses in its fields; by default `classes`.

    Raises
    ------
    ValueError, TypeError
    """
    require_keys(what, value, ["type", "settings"])
    cls = classes[check_choice(f"{what}'s type", value["type"], classes)]
    return decode_fields(f"{what}'s settings", value["settings"], cls, nested or classes)


def _encode(value, classes):
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, list | tuple):
        return [_encode(each, classes) for each in value]
    return encode_fields(value) if classes is None else encode_tagged(value, classes)


def _unique(pairs):
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key comes twice in its header")
    return value


def _refuse_constant(name):
    raise ValueError(f"its header must hold finite numbers, got {name}")
