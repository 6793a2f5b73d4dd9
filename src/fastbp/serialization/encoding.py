"""What a file holds of a network beside its arrays, as values of JSON and back: optimizer, progress
in its schedule, history, generator."""

from dataclasses import MISSING, fields, is_dataclass

import numpy as np

from .. import optimizers, schedules
from ..base.labels import check_classes, check_size
from ..base.schedule_state import ScheduleState
from ..base.strict_json import decode_tagged, encode_tagged, require_ints, require_keys
from ..base.validation import check_choice, check_count, check_flag, check_number
from ..history import History


def _dataclasses_of(module):
    return {
        cls.__name__: cls
        for cls in vars(module).values()
        if isinstance(cls, type) and is_dataclass(cls)
    }


OPTIMIZERS = _dataclasses_of(optimizers)
SCHEDULES = _dataclasses_of(schedules)
KINDS_OF_CLASSES = ({str}, {int}, {float}, {bool})
BIT_GENERATOR = "PCG64"  # that of numpy.random.default_rng
# The fields of a history that are lists; a file holds them as arrays.
LISTS = [field.name for field in fields(History) if field.default_factory is not MISSING]
FURTHER_LISTS = ("accuracy", "val_accuracy")  # not in format 1


def encode_optimizer(optimizer):
    return optimizer and encode_tagged(optimizer, OPTIMIZERS | SCHEDULES)


def decode_optimizer(value):
    if value is None:
        return None
    return decode_tagged("the optimizer", value, OPTIMIZERS, SCHEDULES)


def encode_schedule_state(state):
    return {
        "steps": state.steps,
        "epochs": state.epochs,
        "state": None if state.state is None else [float(x) for x in state.state],
    }


def decode_schedule_state(value, lr):
    """The progress in the schedule `lr`, or with the constant rate `lr`."""
    require_keys("position", value, ["steps", "epochs", "state"])
    decoded = ScheduleState(lr)
    decoded.steps = check_count("steps", value["steps"], 0, 2**63 - 1)
    decoded.epochs = check_count("epochs", value["epochs"], 0, 2**63 - 1)
    state = value["state"]
    if state is not None:
        if not isinstance(state, list) or len(state) != 3:
            raise ValueError(
                f"the state of the schedule must be null or three numbers, got {state!r:.200}"
            )
        rate, best, bad = (check_number("the state of the schedule", x) for x in state)
        decoded.state = check_number("the schedule's rate", rate, least=0), best, int(bad)
    return decoded


def saved_lists(number):
    """The names of the lists of a history in a file of this format."""
    return [name for name in LISTS if number > 1 or name not in FURTHER_LISTS]


def encode_history(history, number):
    """The fields of a history, with the lengths of its lists in their place, in this format."""
    return history and {
        k: len(v) if k in LISTS else v
        for k, v in vars(history).items()
        if number > 1 or k not in FURTHER_LISTS
    }


def decode_history(value, number):
    """A history with empty lists; `value` has their lengths, in this format."""
    if value is None:
        return None
    names = [field.name for field in fields(History)]
    require_keys("history", value, [n for n in names if number > 1 or n not in FURTHER_LISTS])
    require_ints("the history's lengths", [value[name] for name in saved_lists(number)])
    best_epoch = value["best_epoch"]
    stopped_by = value["stopped_by"]
    if best_epoch is not None:
        check_count("best_epoch", best_epoch, 0, value["loss"] - 1)
    if not isinstance(stopped_by, str | None):
        raise ValueError(f"stopped_by must be text or null, got {stopped_by!r}")
    return History(
        n_samples=check_count("n_samples", value["n_samples"], 0),
        has_validation=check_flag("has_validation", value["has_validation"]),
        best_epoch=best_epoch,
        stopped_by=stopped_by,
    )


def decode_classes(value, n_classes):
    """The classes of a net as an array, None for 0..n_classes - 1; `value` is their list."""
    if value is None:
        return None
    if not isinstance(value, list) or {type(label) for label in value} not in KINDS_OF_CLASSES:
        raise ValueError(
            f"classes must be a list of texts, numbers or flags of one type, got {value!r:.200}"
        )
    check_size("classes", value)
    if type(value[0]) is int and max(value) >= 2**63:  # which NumPy would make floats of
        try:
            value = np.array(value, np.uint64)
        except OverflowError:
            raise ValueError(f"classes must be 64-bit numbers, got {value!r:.200}") from None
    return check_classes("classes", value, n_classes)


def decode_feature_names(value, n_in):
    """The features' names as a tuple of `n_in` texts, or None."""
    if value is None:
        return None
    if not (
        isinstance(value, list)
        and len(value) == n_in
        and all(isinstance(name, str) for name in value)
    ):
        raise ValueError(f"feature_names must be a list of {n_in} texts, got {value!r:.200}")
    return tuple(value)


def encode_generator(state):
    """The state of a generator, NumPy's ``bit_generator.state``."""
    return {k: state[k] for k in ("bit_generator", "has_uint32", "uinteger")} | state["state"]


def decode_generator(value):
    require_keys("generator", value, ["bit_generator", "has_uint32", "uinteger", "state", "inc"])
    check_choice("bit_generator", value["bit_generator"], [BIT_GENERATOR])
    limits = {"has_uint32": 1, "uinteger": 2**32 - 1, "state": 2**128 - 1, "inc": 2**128 - 1}
    for name, most in limits.items():
        check_count(name, value[name], 0, most)
    rest = {name: value[name] for name in ("bit_generator", "has_uint32", "uinteger")}
    return rest | {"state": {name: value[name] for name in ("state", "inc")}}
