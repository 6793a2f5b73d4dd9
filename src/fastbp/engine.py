"""From validated arrays to the compiled kernels: plans, buffers and the calls themselves."""

import math
from itertools import pairwise

import numpy as np

from .data import Samples
from .kernels import infer as infer_kernel
from .kernels import train as train_kernel
from .kernels import update
from .kernels.plan import BLOCK_ROWS, INFER_ROWS, Plan
from .kernels.team import NOT_FINITE, SEEN, UPDATED
from .team import Team, team_size


class Network:
    """What the kernels need to know of a net: widths, codes, dtype.

    Parameters
    ----------
    widths : tuple of int
    activations : list of int, one code a layer
    output, loss : int, codes of kernels/output.py
    dtype : ndarray dtype
    """

    def __init__(self, widths, activations, output, loss, dtype):
        self.widths, self.activations, self.output, self.loss, self.dtype = widths, activations, output, loss, dtype
        self.size = sum((n_in + 1) * n_out for n_in, n_out in pairwise(widths))

    def plan(self, rows, members=1):
        plan = Plan(self.widths, self.activations, self.dtype, rows, members)
        job = plan.job[0]
        job["output"], job["loss"] = self.output, self.loss
        return plan


class Steps:
    """Training steps of one net on one set of samples: the buffers, kept from epoch to epoch.

    Parameters
    ----------
    network : Network
    params, state : ndarray
        Flat parameters and optimizer state, changed in place.
    samples : Samples
    batch : int
        Rows a step.
    numbers : ndarray
        The update rule, see ``numbers()`` of an optimizer.
    team : Team
    """

    def __init__(self, network, params, state, samples, batch, numbers, team):
        self.params, self.state, self.samples, self.batch, self.team = params, state, samples, batch, team
        self.plan = network.plan(min(batch, BLOCK_ROWS), team.members)
        self.plan.job[0]["batch"] = batch
        self.rules = np.tile(numbers, (team.members, 1))
        self.work = self.plan.work(network.dtype)
        self.sums = np.zeros(self.plan.sums_size)
        stores = batch > BLOCK_ROWS or numbers[update.RULE] == update.GRADIENT
        self.gradient = np.zeros(network.size if stores else 0, network.dtype)

    def run(self, order, done):
        """Steps over the samples `order`, after `done` earlier ones.

        Returns
        -------
        losses : ndarray of float64
            Of the steps done, and of the one whose loss was not finite, if any.
        steps : int
            Updates made.
        interrupt : KeyboardInterrupt or None
        """
        losses, steps, interrupt = [], 0, None
        for samples, part in self.samples.pieces(order, self.batch):
            here = np.zeros(-(-len(part) // self.batch))
            job = self.plan.job[0]
            job["done"] = done + steps
            arrays = samples.describe(job)
            try:
                self.team.run(lambda member, arrays=arrays, part=part, here=here: self._call(arrays, part, here, member))
            except KeyboardInterrupt as error:
                interrupt = error
            steps += int(self.team.sync[UPDATED])
            losses.append(here[: int(self.team.sync[SEEN])])
            if self.team.sync[NOT_FINITE] or interrupt is not None:
                break
        return np.concatenate(losses), steps, interrupt

    def _call(self, arrays, order, losses, member):
        train_kernel.train(
            self.params, self.state, self.gradient, self.work, self.sums, losses, self.plan.layers, self.plan.job, *arrays,
            order, self.rules, self.team.sync, member, self.team.members,
        )  # fmt: skip


def work_of(network, rows):
    """Multiply-adds of a training step on `rows` samples: three products a layer."""
    return 3 * rows * network.size


def loss_and_gradient(network, params, samples, l2, n_threads=None):
    """The loss, penalty included, and its gradient, flat like the parameters."""
    numbers = np.zeros(update.STEP_SIZE)
    numbers[update.RULE], numbers[update.L2] = update.GRADIENT, l2
    with Team(team_size(n_threads, work_of(network, samples.n))) as team:
        nothing = np.zeros(0, network.dtype)
        steps = Steps(network, params, nothing, samples, samples.n, numbers, team)
        losses, _, interrupt = steps.run(np.arange(samples.n), 0)
    if interrupt is not None:
        raise interrupt
    return float(losses[0]), steps.gradient


def mean_loss(network, params, samples, n_threads=None):
    """The mean loss over the samples, without penalty."""
    losses = np.zeros(-(-samples.n // INFER_ROWS))
    _infer(network, params, samples, np.empty(0, network.dtype), {}, losses, n_threads)
    return math.fsum(losses)


def activations(network, params, x, layers, n_threads=None):
    """The activations (n, n_out) of the layers asked for, as a list."""
    samples = Samples(x, None, None, None, network.dtype)
    widths = [network.widths[i + 1] for i in layers]
    ends = [int(e) for e in np.cumsum([0] + [samples.n * n_out for n_out in widths])]
    out = np.empty(ends[-1], network.dtype)
    if samples.n:
        _infer(network, params, samples, out, dict(zip(layers, ends[:-1], strict=True)), np.zeros(0), n_threads)
    return [out[at : at + samples.n * n_out].reshape(samples.n, n_out) for at, n_out in zip(ends[:-1], widths, strict=True)]


def _infer(network, params, samples, out, places, losses, n_threads):
    """Pass all samples through the net: layer i's activations go to out[places[i]:], or each block's loss to `losses`."""
    blocks = -(-samples.n // INFER_ROWS)
    size = min(blocks, team_size(n_threads, samples.n * network.size))
    plan, total, done = network.plan(min(samples.n, INFER_ROWS)), samples.total, 0
    buffers = [(plan.work(network.dtype), np.zeros(plan.sums_size)) for _ in range(size)]
    with Team(size) as team:
        for piece, part in samples.pieces(np.arange(samples.n), INFER_ROWS):
            arrays = piece.describe(plan.job[0])
            for i, place in places.items():
                plan.layers[i]["out"] = place + done * network.widths[i + 1]
            here = losses[done // INFER_ROWS :]

            def call(member, arrays=arrays, part=part, here=here):
                work, sums = buffers[member]
                infer_kernel.infer(
                    params, work, sums, out, here, plan.layers, plan.job, *arrays, part, total, team.sync, member, size
                )  # fmt: skip

            team.run(call)
            done += len(part)
