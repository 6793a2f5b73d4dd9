"""What a fit is asked to do, beside its samples and its optimizer: what a checkpoint has to hold of
it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal

from .strict_json import require_keys
from .validation import check_count, check_flag


@dataclass
class FitConfig:
    """See `MLP.fit`. What is a matter of the update rule is checked with the optimizer,
    `class_weight` with the targets."""

    epochs: int
    batch_size: int | None
    l2: float
    l1: float
    clip_value: float | None
    clip_norm: float | None
    shuffle: bool
    patience: int | None
    restore_best: bool
    class_weight: Mapping[int, float] | Literal["balanced"] | None

    def __post_init__(self):
        self.epochs = check_count("epochs", self.epochs)
        for name in ("batch_size", "patience"):
            if getattr(self, name) is not None:
                setattr(self, name, check_count(name, getattr(self, name)))
        for name in ("shuffle", "restore_best"):
            setattr(self, name, check_flag(name, getattr(self, name)))

    @property
    def of_update(self):
        """What the update rule reads."""
        return self.l2, self.l1, self.clip_value, self.clip_norm

    def batch(self, n):
        """Samples a step, of `n`."""
        return n if self.batch_size is None else min(self.batch_size, n)


def encode_fit_config(settings):
    """As values of JSON; the numbers have been checked."""
    values = asdict(settings)
    for name in ("l2", "l1", "clip_value", "clip_norm"):
        values[name] = None if values[name] is None else float(values[name])
    if isinstance(values["class_weight"], Mapping):
        values["class_weight"] = [
            [int(label), float(weight)] for label, weight in values["class_weight"].items()
        ]
    return values


def decode_fit_config(value):
    """The settings that were so described."""
    values = dict(require_keys("settings", value, [f.name for f in fields(FitConfig)]))
    weights = values["class_weight"]
    if isinstance(weights, list):
        if not all(
            isinstance(pair, list) and len(pair) == 2 and type(pair[0]) is int for pair in weights
        ):
            raise ValueError(
                f"class_weight must be pairs of a label and a weight, got {weights!r:.200}"
            )
        values["class_weight"] = dict(weights)
    elif weights not in (None, "balanced"):
        raise ValueError(f"class_weight must be null, 'balanced' or pairs, got {weights!r:.200}")
    return FitConfig(**values)
