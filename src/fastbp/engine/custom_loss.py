"""A loss of the caller's own: a Python function of a batch's outputs and targets, beside which all
else is the kernels'.

Each step passes the batch through the net, calls the function, and makes the step with the
derivative that it returned as a given one: one forward pass more than with a loss of the kernels'.
"""

import numpy as np

from ..base.validation import check_finite, check_real_array
from ..kernels import update
from ..kernels.plan import INFER_ROWS, panel_of, round_up
from ..runtime.signals import DeferSignals
from . import forward
from .forward import Forward
from .samples import Samples
from .steps import StepRunner

CHECKED = 20  # outputs whose derivatives are compared with differences one by one
CHECKED_ROWS = 1024  # of the first batch, at most
# Where an activation's values lie: a difference must not step out of it.
RANGES = {"softmax": (0, 1), "sigmoid": (0, 1), "tanh": (-1, 1)} | dict.fromkeys(
    ("relu", "softplus", "exp"), (0, np.inf)
)


class CustomSamples(Samples):
    """Inputs with the targets of a function: any real numbers, one row a sample, handed over as
    they are.

    Parameters
    ----------
    x : ndarray (n, n_in)
    name, y : str, array_like (n,) or (n, k)
    n_out : int
    dtype : the net's dtype
    """

    def __init__(self, x, name, y, n_out, dtype):
        y = check_real_array(name, y, (1, 2))
        if len(y) != len(x):
            raise ValueError(
                f"{name} must have one row for each of the {len(x)} rows of X, got {len(y)}"
            )
        check_finite(name, y, np.float64)
        super().__init__(x, np.zeros((len(x), n_out), dtype), None, None, dtype)
        self.y = y


class CustomStepRunner(StepRunner):
    """Training steps whose loss is a function's; see `Steps`."""

    def __init__(self, function, network, params, state, samples, batch, numbers, sizes):
        super().__init__(network, params, state, samples, batch, numbers, sizes)
        self.function = function
        rows = min(INFER_ROWS, round_up(-(-batch // max(sizes)), panel_of(network.dtype)))
        self.forward = Forward(network, rows, min(max(sizes), -(-batch // rows)))

    def run(self, order, done, pause=None):
        """See `Steps.run`; never paused. Where the function raises, `failure` holds its error, the
        steps before are made."""
        losses, steps, stopped = [np.zeros(0)], 0, False
        self.failure, rates = None, self.rates
        for first in range(0, len(order), self.batch):
            index = order[first : first + self.batch]
            (a,) = self.forward.run(self.params, self.samples, index, [len(self.plan.layers) - 1])
            if DeferSignals.pending():
                return np.concatenate(losses), steps, True
            try:
                loss, derivative = called(self.function, a, self.samples.y[index])
            except Exception as error:
                error.add_note(f"raised by the loss at batch {first // self.batch} of an epoch")
                self.failure = error
                break
            self.samples.targets.array[index] = derivative
            self.rules[:, update.BEFORE] = loss
            self.rates = rates[steps : steps + 1]
            here, made, stopped = super().run(index, done + steps)
            losses.append(here)
            steps += made
            if stopped or not made:
                break
        self.rates = rates
        return np.concatenate(losses), steps, stopped

    def _part_of_step(self, order, at, unfinished):
        super()._part_of_step(order, at, unfinished)
        self.rules[:, update.TOTAL] = 1  # the derivative is that of the whole loss already


def steps_of(function):
    """What makes the steps of a net with this loss function, or None."""
    if function is None:
        return StepRunner
    return lambda *args: CustomStepRunner(function, *args)


def mean_loss(function, network, params, samples, n_threads=None):
    """The loss of all samples, without penalty."""
    if function is None:
        return forward.mean_loss(network, params, samples, n_threads)
    a = forward.outputs(network, params, samples.x, n_threads)
    return called(function, a, samples.y)[0]


def called(function, a, y):
    """The loss (a float) and its derivative (as `a`) that the function returns, checked.

    A loss that is not finite is the caller's to see to; its derivative counts for nothing and comes
    as zeros.
    """
    returned = function(a.copy(), y.copy())
    try:
        loss, derivative = returned
    except (TypeError, ValueError):
        raise TypeError(
            f"loss(a, y) must return a pair (loss, dloss_da), got {type(returned).__name__}"
        ) from None
    value = np.asarray(loss)
    if value.shape != () or value.dtype.kind not in "fiu":
        raise TypeError(f"loss(a, y) must return the loss as one real number, got {loss!r}")
    derivative = np.asarray(derivative)
    if derivative.dtype.kind not in "fiu":
        raise TypeError(
            f"loss(a, y) must return dloss_da as an array of real numbers, got dtype {derivative.dtype}"
        )
    if derivative.shape != a.shape:
        raise ValueError(
            f"loss(a, y) must return dloss_da of the outputs' shape {a.shape}, got {derivative.shape}"
        )
    if not np.isfinite(value):
        return float(value), np.zeros_like(a)
    check_finite("dloss_da of loss(a, y)", derivative, a.dtype)
    return float(value), derivative.astype(a.dtype, copy=False)


def check_function(function, a, y, output):
    """Compare the derivative that the function returns with central differences of its loss, at the
    outputs of a first batch.

    In float64, unless the function itself returns float32. The derivative is compared along the
    direction of its own signs, where all of it counts, and for a few single outputs. At a kink
    anything between the slopes of both sides will do.

    Raises
    ------
    ValueError, TypeError
        If they disagree, or for a loss that is not finite or anything else that `called` refuses.
    """
    a = a.astype(np.float64)
    loss, derivative = called(function, a, y)
    if not np.isfinite(loss):
        raise ValueError(f"loss(a, y) must return a finite loss, got {loss} on the first batch")
    single = any(np.asarray(part).dtype.itemsize < 8 for part in function(a.copy(), y.copy()))
    precision = float(np.finfo(np.float32 if single else np.float64).eps)
    low, high = RANGES.get(output, (-np.inf, np.inf))
    step = precision ** (1 / 3) * np.minimum(np.maximum(1, abs(a)), np.minimum(a - low, high - a))
    step[step <= precision * abs(a)] = 0  # too near the end of the range for a difference
    step[derivative < 0] *= -1
    _compare(function, a, y, loss, derivative, step, precision)
    for place in np.random.default_rng(0).permutation(np.flatnonzero(step))[:CHECKED]:
        one = np.zeros_like(step)
        one.flat[place] = step.flat[place]
        _compare(function, a, y, loss, derivative, one, precision)


def _compare(function, a, y, loss, derivative, change, precision):
    above, below = (called(function, a + sign * change, y)[0] for sign in (1, -1))
    difference, wanted = above - below, 2 * float(np.sum(derivative * change))
    sides = abs(above - loss - (loss - below))
    rounding = 64 * precision * max(abs(loss), abs(above), abs(below))
    if not abs(difference - wanted) <= 1e-3 * max(abs(difference), abs(wanted)) + sides + rounding:
        moved, scale = np.argwhere(change), 2 * float(np.linalg.norm(change))
        where = (
            f"by output {moved[0][1]} of row {moved[0][0]}"
            if len(moved) == 1
            else "along its own signs"
        )
        raise ValueError(
            f"loss(a, y) must return the derivative of the loss that it returns: {where} it is {wanted / scale:.6g}, "
            f"by central differences {difference / scale:.6g}"
        )
