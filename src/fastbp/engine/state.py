"""The state that training changes: parameters, optimizer state, counters and random generators."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..base.schedule_state import ScheduleState
from ..base.validation import cast
from ..optimizers import Optimizer
from .packing import Packing
from .parameters import ensure_aligned


@dataclass
class TrainState:
    """All that a fit changes in a network; the training loop, checkpoints and saved files take it.

    Attributes
    ----------
    parameters : ndarray (n,)
        All weights and biases, flat: for each layer W (n_in, n_out) in row-major order, then b.
    optimizer_state : ndarray
        Packed slots of the update rule, see `Packing`; empty before the first fit.
    step : int
        Updates made with this optimizer state.
    rng : numpy.random.Generator
        Draws the initial weights and the order of the samples.
    schedule_state : ScheduleState
    dropout_key : tuple of two 32-bit int
        Key of the counter-based generator that drops units.
    widths : tuple of int
        Of the network.
    """

    parameters: np.ndarray
    optimizer_state: np.ndarray
    step: int
    rng: np.random.Generator
    schedule_state: ScheduleState
    dropout_key: tuple[int, ...]
    widths: tuple[int, ...]

    # The packed layout depends on the processor: pickles hold the values of each parameter.
    def __getstate__(self):
        return self.__dict__ | {"optimizer_state": self.slots()}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.parameters = ensure_aligned(self.parameters)
        self.set_slots(state["optimizer_state"])

    def slots(self) -> np.ndarray:
        """The optimizer's values a parameter, a copy of shape (slots, n)."""
        return Packing(self.widths, self.parameters.dtype).slots(self.optimizer_state)

    def set_slots(self, values: np.ndarray) -> None:
        """Set the optimizer's values a parameter, an array (slots, n)."""
        packing = Packing(self.widths, self.parameters.dtype)
        self.optimizer_state = packing.packed_slots(values)

    def prepared(self, optimizer: Optimizer, last: Optimizer | None) -> Self:
        """The state in which a fit with `optimizer` begins, after one with the optimizer `last`.

        The optimizer state is kept for an optimizer of the same class and rule, and the progress in
        the schedule for an equal learning rate; otherwise they are new. Parameters and generator
        are shared with this state.
        """
        if last is None or (type(last), last.rule) != (type(optimizer), optimizer.rule):
            slots = Packing(self.widths, self.parameters.dtype).new(optimizer.n_slots)
            return replace(
                self, optimizer_state=slots, step=0, schedule_state=ScheduleState(optimizer.lr)
            )
        if self.schedule_state.lr != optimizer.lr:
            return replace(self, schedule_state=ScheduleState(optimizer.lr))
        return self

    def astype(self, dtype) -> Self:
        """This state with parameters and optimizer state in another dtype; the rest is shared.

        Raises
        ------
        ValueError
            If a finite value is too large for `dtype`.
        """
        parameters = ensure_aligned(_narrowed("parameters", self.parameters, dtype))
        state = replace(self, parameters=parameters)
        state.set_slots(_narrowed("the optimizer's state", self.slots(), dtype))
        return state


def _narrowed(name, values, dtype):
    with np.errstate(over="ignore"):
        narrowed = cast(values, dtype)
    too_large = values[np.isfinite(values) & ~np.isfinite(narrowed)]
    if too_large.size:
        raise ValueError(f"{name} must be finite in {np.dtype(dtype)}, got {too_large[0]}")
    return narrowed
