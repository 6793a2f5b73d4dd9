"""Fingerprints of the samples of a fit, computed from a part of each array: a checkpoint holds no
data."""

import hashlib

import numpy as np

# Of an array, in rows spread evenly over it; of longer rows than that, two are read.
SAMPLED_BYTES = 1 << 20
NAMES = ("X", "y", "sample_weight", "X_val", "y_val")


def fingerprints(samples, validation):
    """The fingerprint of each array of a fit, None for an absent one.

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
    """Check that the fingerprints `given` are those of the checkpoint, `kept`.

    Raises
    ------
    ValueError
        With the name of the array that differs, and what differs.
    """
    for name in NAMES:
        new = given[name]
        old = kept[name]
        if new == old:
            continue
        if new is None:
            raise ValueError(f"{name} must be given, as in the run that is resumed")
        if old is None:
            shape = tuple(new["shape"])
            raise ValueError(
                f"{name} must not be given, as in the run that is resumed, got shape {shape}"
            )
        for what in ("shape", "dtype"):
            if new[what] != old[what]:
                wanted = _shown(old[what])
                raise ValueError(
                    f"{name} must have the {what} {wanted} of the run that is resumed, "
                    f"got {_shown(new[what])}"
                )
        raise ValueError(
            f"{name} must hold the values of the run that is resumed, got an array with others"
        )


def digest(array):
    """The SHA-256 of an array's values, in row-major order."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def _shown(value):
    return tuple(value) if isinstance(value, list) else value


def _targets(samples):
    return samples.labels if samples.targets is None else samples.targets.array


def _fingerprint(array):
    rows = max(2, SAMPLED_BYTES // max(1, array[:1].nbytes))
    index = np.linspace(0, len(array) - 1, min(rows, len(array))).astype(np.int64)
    return {"shape": list(array.shape), "dtype": array.dtype.str, "sha256": digest(array[index])}
