"""The settings of a fit other than its samples, optimizer and callbacks: what a checkpoint holds of
the call."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from .strict_json import decode_fields, encode_fields
from .validation import check_choice, check_count, check_flag, check_number

METRICS = ("accuracy",)
# Settings that a file has only where they are not these, as older versions refuse them.
FURTHER: dict[str, Any] = {"validation_split": 0.0, "metrics": []}


@dataclass
class FitConfig:
    """Arguments of `MLP.fit`, checked. `class_weight` is checked together with the targets."""

    epochs: int
    batch_size: int | None
    l2: float
    l1: float
    clip_value: float | None
    clip_norm: float | None
    shuffle: bool
    patience: int | None
    restore_best: bool
    class_weight: Mapping[Any, float] | Literal["balanced"] | None
    validation_split: float = 0.0
    metrics: Sequence[str] = ()

    def __post_init__(self):
        self.epochs = check_count("epochs", self.epochs)
        for name in ("batch_size", "patience"):
            if getattr(self, name) is not None:
                setattr(self, name, check_count(name, getattr(self, name)))
        for name in ("shuffle", "restore_best"):
            setattr(self, name, check_flag(name, getattr(self, name)))
        for name in ("l2", "l1"):
            setattr(self, name, check_number(name, getattr(self, name), least=0))
        for name in ("clip_value", "clip_norm"):
            if getattr(self, name) is not None:
                setattr(self, name, check_number(name, getattr(self, name), above=0))
        self.validation_split = check_number(
            "validation_split", self.validation_split, least=0, below=1
        )
        names = [self.metrics] if isinstance(self.metrics, str) else self.metrics
        if not isinstance(names, list | tuple | set):
            raise TypeError(f"metrics must be a sequence of names, got {names!r}")
        self.metrics = sorted({check_choice("metrics", name, METRICS) for name in names})

    def validation_count(self, n):
        """Samples that are held out, out of `n`."""
        return math.ceil(self.validation_split * n)

    def batch_of(self, n):
        """Samples a step, out of `n`."""
        return n if self.batch_size is None else min(self.batch_size, n)


def encode_fit_config(config):
    """A `FitConfig` as values of JSON; a mapping of class weights becomes pairs [label, weight].
    Those of the `FURTHER` settings that have their default are left out."""
    weights = config.class_weight
    if isinstance(weights, Mapping):
        weights = [[_plain(label), float(weight)] for label, weight in weights.items()]
    encoded = encode_fields(replace(config, class_weight=weights))
    return {name: value for name, value in encoded.items() if value or name not in FURTHER}


def decode_fit_config(value):
    """The `FitConfig` that `encode_fit_config` encoded.

    Raises
    ------
    ValueError, TypeError
    """
    if isinstance(value, dict):
        value = FURTHER | value
    config = decode_fields("settings", value, FitConfig)
    weights = config.class_weight
    if isinstance(weights, list):
        if not all(
            isinstance(pair, list)
            and len(pair) == 2
            and isinstance(pair[0], str | int | float)
            and isinstance(pair[1], int | float)
            for pair in weights
        ):
            raise ValueError(
                f"class_weight must be pairs of a label and a weight, got {weights!r:.200}"
            )
        config.class_weight = dict(weights)
    elif weights not in (None, "balanced"):
        raise ValueError(f"class_weight must be null, 'balanced' or pairs, got {weights!r:.200}")
    return config


def _plain(label):
    """A label as a value of JSON."""
    return label.item() if isinstance(label, np.generic) else label
