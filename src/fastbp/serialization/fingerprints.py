"""What tells the samples of one run from others, at the cost of a look at some of them: a
checkpoint holds no data itself."""

import hashlib

import numpy as np

# bytes of an array, from rows spread evenly over it; with rows longer than that, two
LOOKED_AT = 1 << 20
NAMES = ("X", "y", "sample_weight", "X_val", "y_val")


def fingerprints(samples, validation):
    """Of each array of a run, None for one that is not there.

    Parameters
    ----------
    samples : Samples
    validation : Samples or None

    Returns
    -------
    dict of str to None or {"shape": list of int, "dtype": str, "sha256": str}
    """
    arrays = dict.fromkeys(NAMES) | {
        "X": samples.x.array,
        "y": _targets(samples),
        "sample_weight": samples.weight,
    }
    if validation is not None:
        arrays |= {"X_val": validation.x.array, "y_val": _targets(validation)}
    return {name: None if array is None else _fingerprint(array) for name, array in arrays.items()}


def check_same(given, kept):
    """Refuse samples that are not those of the run that is to go on.

    Raises
    ------
    ValueError
        Naming the array, and what about it is different.
    """
    for name in NAMES:
        here, there = given[name], kept[name]
        if here == there:
            continue
        if here is None:
            raise ValueError(f"{name} must be given, as in the run that is resumed")
        if there is None:
            shape = tuple(here["shape"])
            raise ValueError(
                f"{name} must not be given, as in the run that is resumed, got shape {shape}"
            )
        for what in ("shape", "dtype"):
            if here[what] != there[what]:
                wanted, got = _shown(there[what]), _shown(here[what])
                raise ValueError(
                    f"{name} must have the {what} {wanted} of the run that is resumed, got {got}"
                )
        raise ValueError(
            f"{name} must hold the values of the run that is resumed, got an array with others"
        )


def digest(array):
    """The SHA-256 of an array's values, in order."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def _shown(what):
    return tuple(what) if isinstance(what, list) else what


def _targets(samples):
    return samples.labels if samples.targets is None else samples.targets.array


def _fingerprint(array):
    rows = max(2, LOOKED_AT // max(1, array[:1].nbytes))
    some = np.linspace(0, len(array) - 1, min(rows, len(array))).astype(np.int64)
    return {"shape": list(array.shape), "dtype": array.dtype.str, "sha256": digest(array[some])}
