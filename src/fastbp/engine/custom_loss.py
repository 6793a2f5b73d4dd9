"""A loss given as a Python function of a batch's outputs and targets.

Each step makes a forward pass, calls the function, and runs the training kernel with the derivative
that it returned: one forward pass more than with a loss of the kernels.
"""

import numpy as np

from ..base.validation import check_finite, check_real_array
from ..kernels.abi import INFER_ROWS
from ..kernels.plan import panel_of, round_up
from ..runtime.signals import DeferSignals
from . import forward
from .forward import Forward
from .samples import Samples
from .steps import StepRunner

CHECKED_OUTPUTS = 20  # single outputs compared with differences, at most
CHECKED_ROWS = 1024  # rows of the first batch that are checked, at most
# Ranges of the activations: differences must stay inside.
RANGES = {"softmax": (0, 1), "sigmoid": (0, 1), "tanh": (-1, 1)} | dict.fromkeys(
    ("relu", "softplus", "exp"), (0, np.inf)
)


class CustomSamples(Samples):
    """Inputs with the targets of a function: real numbers, one row per sample, passed to it
    unchanged.

    Parameters
    ----------
    x : ndarray (n, n_in)
    name : str, of y in errors
    y : array_like (n,) or (n, k)
    n_out : int
    dtype : of the network
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

    def given_targets(self):
        return self.y

    def subset(self, index):
        n_out = super().given_targets().shape[1]
        return CustomSamples(self.x.array[index], "y", self.y[index], n_out, self.dtype)


class CustomStepRunner(StepRunner):
    """Training steps with a function as loss; parameters as for `StepRunner`."""

    def __init__(self, function, network, params, state, samples, batch, step, sizes):
        super().__init__(network, params, state, samples, batch, step, sizes)
        self.function = function
        rows = min(INFER_ROWS, round_up(-(-batch // max(sizes)), panel_of(network.dtype)))
        self.forward = Forward(network, rows, min(max(sizes), -(-batch // rows)))

    def run(self, order, done, pause=None, epochs=1):
        """See `StepRunner.run`; `pause` is not called, and `epochs` is 1. If the function raises,
        `failure` is its exception, and the steps before have been made."""
        losses = [np.zeros(0)]
        steps = 0
        stopped = False
        rates = self.rates
        self.failure = None
        for first in range(0, len(order), self.batch):
            index = order[first : first + self.batch]
            outputs = [len(self.plan.layers) - 1]
            (a,) = self.forward.run(self.params, self.samples, index, outputs, packed=self.packed)
            if DeferSignals.pending():
                return np.concatenate(losses), steps, True
            try:
                loss, derivative = call_loss(self.function, a, self.samples.y[index])
            except BaseException as error:  # raised when what was done is recorded
                error.add_note(f"raised by the loss at batch {first // self.batch} of an epoch")
                self.failure = error
                break
            self.samples.targets.array[index] = derivative
            self.steps["earlier_loss"] = loss
            self.rates = rates[steps : steps + 1]
            here, made, stopped = super().run(index, done + steps)
            losses.append(here)
            steps += made
            if stopped or not made:
                break
        self.rates = rates
        return np.concatenate(losses), steps, stopped

    def _begin_part(self, order, at, unfinished):
        super()._begin_part(order, at, unfinished)
        self.steps["total_weight"] = 1  # the derivative includes the mean's divisor


def steps_of(function):
    """The StepRunner for a network with this loss function; None for a loss of the kernels."""
    if function is None:
        return StepRunner
    return lambda *args: CustomStepRunner(function, *args)


def mean_loss(function, network, params, samples, n_threads=None):
    """The loss of all samples, without penalty."""
    if function is None:
        return forward.mean_loss(network, params, samples, n_threads)
    a = forward.outputs(network, params, samples.x, n_threads)
    return call_loss(function, a, samples.y)[0]


def call_loss(function, a, y):
    """Call the function and check what it returns.

    Parameters
    ----------
    function : callable (a, y) -> (loss, dloss_da)
    a : ndarray (n, n_out)
        Outputs.
    y : ndarray (n,) or (n, k)
        Targets.

    Returns
    -------
    loss : float
        May be infinite or NaN; the derivative is then zeros.
    derivative : ndarray of the shape and dtype of a

    Raises
    ------
    TypeError, ValueError
        If the function does not return a pair of a real number and a finite real array of a's
        shape.
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
            "loss(a, y) must return dloss_da as an array of real numbers, "
            f"got dtype {derivative.dtype}"
        )
    if derivative.shape != a.shape:
        raise ValueError(
            f"loss(a, y) must return dloss_da of the outputs' shape {a.shape}, "
            f"got {derivative.shape}"
        )
    if not np.isfinite(value):
        return float(value), np.zeros_like(a)
    check_finite("dloss_da of loss(a, y)", derivative, a.dtype)
    return float(value), derivative.astype(a.dtype, copy=False)


def check_derivative(function, a, y, output):
    """Compare the derivative that the function returns with central differences of its loss.

    In float64, unless the function returns float32. The derivative is compared along the direction
    of its own signs, to which every element contributes, and for up to CHECKED_OUTPUTS single
    outputs. At a kink any value between the slopes of both sides is accepted.

    Parameters
    ----------
    function : callable (a, y) -> (loss, dloss_da)
    a : ndarray (n, n_out)
        Outputs of a first batch.
    y : ndarray (n,) or (n, k)
        Targets.
    output : str
        Name of the output's activation.

    Raises
    ------
    ValueError, TypeError
        If they disagree, the loss is not finite, or `call_loss` raises.
    """
    a = a.astype(np.float64)
    loss, derivative = call_loss(function, a, y)
    if not np.isfinite(loss):
        raise ValueError(f"loss(a, y) must return a finite loss, got {loss} on the first batch")
    single = any(np.asarray(part).dtype.itemsize < 8 for part in function(a.copy(), y.copy()))
    precision = float(np.finfo(np.float32 if single else np.float64).eps)
    low, high = RANGES.get(output, (-np.inf, np.inf))
    step = precision ** (1 / 3) * np.minimum(np.maximum(1, abs(a)), np.minimum(a - low, high - a))
    step[step <= precision * abs(a)] = 0  # too close to the end of the range for a difference
    step[derivative < 0] *= -1
    _compare(function, a, y, loss, derivative, step, precision)
    for place in np.random.default_rng(0).permutation(np.flatnonzero(step))[:CHECKED_OUTPUTS]:
        one = np.zeros_like(step)
        one.flat[place] = step.flat[place]
        _compare(function, a, y, loss, derivative, one, precision)


def _compare(function, a, y, loss, derivative, change, precision):
    """Compare the derivative along `change` with the central difference of the loss."""
    above, below = (call_loss(function, a + sign * change, y)[0] for sign in (1, -1))
    difference = above - below
    expected = 2 * float(np.sum(derivative * change))
    sides = abs(above - loss - (loss - below))  # how much the slopes of both sides differ
    rounding = 64 * precision * max(abs(loss), abs(above), abs(below))
    tolerance = 1e-3 * max(abs(difference), abs(expected)) + sides + rounding
    if not abs(difference - expected) <= tolerance:
        moved = np.argwhere(change)
        scale = 2 * float(np.linalg.norm(change))
        where = (
            f"by output {moved[0][1]} of row {moved[0][0]}"
            if len(moved) == 1
            else "along its own signs"
        )
        raise ValueError(
            f"loss(a, y) must return the derivative of the loss that it returns: {where} it is "
            f"{expected / scale:.6g}, by central differences {difference / scale:.6g}"
        )
