"""What a net has beside its arrays, as values of JSON and back: optimizer, place in its schedule,
history, generator."""

import numbers
from dataclasses import MISSING, fields, is_dataclass

import numpy as np

from .. import optimizers, schedules
from ..base.schedule_state import Schedule, ScheduleState
from ..base.strict_json import require_ints, require_keys
from ..base.validation import check_choice, check_count, check_flag, check_number
from ..history import History


def _kinds(module):
    return {
        kind.__name__: kind
        for kind in vars(module).values()
        if isinstance(kind, type) and is_dataclass(kind)
    }


OPTIMIZERS, SCHEDULES = _kinds(optimizers), _kinds(schedules)
GENERATOR = "PCG64"  # NumPy's default_rng
LISTS = [f.name for f in fields(History) if f.default_factory is not MISSING]


def optimizer_document(optimizer):
    return optimizer and _described(optimizer, OPTIMIZERS)


def optimizer_of(value):
    return None if value is None else _made("optimizer", value, OPTIMIZERS)


def _described(thing, kinds):
    """An optimizer or schedule as its type and its settings: plain numbers, flags, names of units
    and schedules."""
    name, settings = type(thing).__name__, dict[str, object]()
    if kinds.get(name) is not type(thing):
        raise ValueError(f"{thing!r} cannot be saved: {name} is not fastbp's own")
    for key, value in vars(thing).items():
        if isinstance(value, bool | np.bool_):
            settings[key] = bool(value)
        elif isinstance(value, numbers.Integral):
            settings[key] = int(value)
        elif isinstance(value, numbers.Real):
            settings[key] = float(value)
        elif isinstance(value, str):
            settings[key] = value
        elif isinstance(value, Schedule):
            settings[key] = _described(value, SCHEDULES)
        else:
            raise ValueError(f"{key}={value!r} of {name} cannot be saved")
    return {"type": name, "settings": settings}


def _made(what, value, kinds, inner=False):
    """The optimizer or schedule that was so described, which checks its settings itself."""
    name = require_keys(f"the {what}", value, ["type", "settings"])["type"]
    kind = kinds[check_choice(f"the {what}'s type", name, kinds)]
    settings = dict(
        require_keys(f"the {what}'s settings", value["settings"], [f.name for f in fields(kind)])
    )
    for key, setting in settings.items():
        if isinstance(setting, dict):
            if key != "lr" or inner:
                raise ValueError(f"{key} of the {what} must be no schedule, got {setting!r:.200}")
            settings[key] = _made("schedule", setting, SCHEDULES, inner=kinds is SCHEDULES)
    return kind(**settings)


def position_document(position):
    state = position.state
    return {
        "steps": position.steps,
        "epochs": position.epochs,
        "state": None if state is None else [float(x) for x in state],
    }


def position_of(value, lr):
    """The place in the schedule `lr`, or beside the number."""
    require_keys("position", value, ["steps", "epochs", "state"])
    position, state = ScheduleState(lr), value["state"]
    position.steps, position.epochs = (
        check_count(name, value[name], 0, 2**63 - 1) for name in ("steps", "epochs")
    )
    if state is not None:
        if not isinstance(state, list) or len(state) != 3:
            raise ValueError(
                f"the state of the schedule must be null or three numbers, got {state!r:.200}"
            )
        rate, best, bad = (check_number("the state of the schedule", x) for x in state)
        position.state = check_number("the schedule's rate", rate, least=0), best, int(bad)
    return position


def history_document(history):
    """With the lengths of the lists, which are arrays of the file."""
    return history and {k: len(v) if k in LISTS else v for k, v in vars(history).items()}


def history_of(value):
    """A history whose lists are still empty; their lengths are in `value`."""
    if value is None:
        return None
    require_keys("history", value, [f.name for f in fields(History)])
    require_ints("the history's lengths", [value[name] for name in LISTS])
    best, stopped_by = value["best_epoch"], value["stopped_by"]
    if best is not None:
        check_count("best_epoch", best, 0, value["loss"] - 1)
    if not isinstance(stopped_by, str | None):
        raise ValueError(f"stopped_by must be text or null, got {stopped_by!r}")
    seen, validated = (
        check_count("n_samples", value["n_samples"], 0),
        check_flag("has_validation", value["has_validation"]),
    )
    return History(n_samples=seen, has_validation=validated, best_epoch=best, stopped_by=stopped_by)


def generator_document(generator):
    state = generator.bit_generator.state
    return {k: state[k] for k in ("bit_generator", "has_uint32", "uinteger")} | state["state"]


def generator_of(value):
    """The state of the generator of shuffles, as NumPy takes it."""
    require_keys("generator", value, ["bit_generator", "has_uint32", "uinteger", "state", "inc"])
    check_choice("bit_generator", value["bit_generator"], [GENERATOR])
    limits = {"has_uint32": 1, "uinteger": 2**32 - 1, "state": 2**128 - 1, "inc": 2**128 - 1}
    for name, most in limits.items():
        check_count(name, value[name], 0, most)
    rest = {name: value[name] for name in ("bit_generator", "has_uint32", "uinteger")}
    return rest | {"state": {name: value[name] for name in ("state", "inc")}}
