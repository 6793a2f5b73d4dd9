"""JSON that is refused unless it is exactly what is expected: no repeated keys, no infinities, no
unknown keys."""

import json


def parse(text):
    """A JSON object in which no key comes twice and no number is infinite or NaN.

    Raises
    ------
    ValueError, RecursionError
    """
    value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refused)
    if not isinstance(value, dict):
        raise ValueError(f"its header must be an object of JSON, got {type(value).__name__}")
    return value


def require_keys(what, value, keys):
    """`value` if it is an object with these keys, no more and no less."""
    if not isinstance(value, dict) or set(value) != set(keys):
        got = sorted(value) if isinstance(value, dict) else value
        raise ValueError(f"{what} must have the keys {sorted(keys)}, got {got!r:.200}")
    return value


def require_ints(what, value):
    """A list of whole numbers, none negative, as a tuple."""
    if not isinstance(value, list) or not all(type(n) is int and n >= 0 for n in value):
        raise ValueError(f"{what} must be a list of whole numbers, got {value!r:.200}")
    return tuple(value)


def _unique(pairs):
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key comes twice in its header")
    return value


def _refused(name):
    raise ValueError(f"its header must hold finite numbers, got {name}")
