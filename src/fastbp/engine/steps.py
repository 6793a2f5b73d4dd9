"""Training steps: plans, buffers and the calls of the compiled training kernel."""

import time

import numpy as np

from ..kernels import train as train_kernel
from ..kernels import update
from ..kernels.plan import BLOCK_ROWS
from ..runtime.autotune import team_size
from ..runtime.signals import DeferSignals
from ..runtime.spin_pool import WAKE_MACS, shared_pool


class StepRunner:
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
    sizes : sequence of int
        Numbers of threads to try.

    Attributes
    ----------
    failure : Exception or None
        Raised by a loss of the caller's own in the last run, which then stopped; or MemoryError,
        where there was none for the next samples or for the threads.
    rates : ndarray of float64
        The learning rate of each step of the next run; empty where it is that of `numbers`.
    """

    failure: Exception | None = None

    def __init__(self, network, params, state, samples, batch, numbers, sizes):
        self.params = params
        self.state = state
        self.samples = samples
        self.batch = batch
        self.room, self.rates = batch, np.zeros(0)
        self.plan = network.plan(min(batch, BLOCK_ROWS), max(sizes))
        self.plan.job[0]["batch"] = batch
        self.macs = work_of(network, batch)
        self.tuner = network.tuner(sizes, self.macs)
        self.rules = np.tile(numbers, (max(sizes), 1))
        self.work = self.plan.work(network.dtype)[0]
        self.sums = np.zeros(self.plan.sums_size)
        stores = (
            batch > BLOCK_ROWS
            or numbers[update.RULE] == update.GRADIENT
            or numbers[update.MAX_NORM] != 0
        )
        self.gradient = np.zeros(network.size if stores else 0, network.dtype)
        # the last one's samples, their order, itself, and what it reads rates from and writes
        # losses to
        self._call: tuple = ()
        self.progress = np.zeros(3, np.int64)
        # if there is too little memory, then before anything is changed
        shared_pool().start(self.tuner.next(1)[0] - 1)

    def drop(self, rates, key):
        """From now on drop hidden units at these rates, one a layer; what is dropped follows from
        the key, two 32-bit words."""
        self.plan.layers["dropout"][:-1] = rates
        self.plan.job[0]["key0"], self.plan.job[0]["key1"] = key

    def take(self, samples):
        """Turn to other samples, all of them as one batch. Returns False where the buffers are too
        small for that."""
        if samples.n > self.room:
            return False
        self.samples, self.batch = samples, samples.n
        self.plan.job[0]["batch"] = samples.n
        return True

    def run(self, order, done, pause=None):
        """Steps over the samples `order`, after `done` earlier ones.

        `pause` is asked between two calls of the kernels whether to end the run there, between two
        steps; once true it is so until the run has ended.

        Returns
        -------
        losses : ndarray of float64
            Of the steps done, and of the one whose loss was not finite, if any.
        steps : int
            Updates made.
        stopped : bool
            Whether a signal ended the run.
        """
        losses, steps, at, stopped, self.failure = [np.zeros(0)], 0, 0, False, None
        try:
            for samples, part, unfinished in self.samples.pieces(order, self.batch):
                self._part_of_step(order, at, unfinished)
                here, made, failed, stopped = self._piece(
                    samples, part, done, steps, None if unfinished else pause
                )
                steps, at = steps + made, at + len(part)
                self.rules[:, update.BEFORE] = here[0] if unfinished and len(here) else 0
                if failed or not unfinished:
                    losses.append(here)
                if (
                    failed
                    or stopped
                    or self.failure
                    or (pause is not None and not unfinished and pause())
                ):
                    break
        except MemoryError as error:  # of samples that were to be converted
            self.failure = error
        return np.concatenate(losses), steps, stopped

    def _piece(self, samples, order, done, before, pause):
        """Steps over samples that lie where a kernel can read them, in as many calls as the pace
        asks for.

        `done` steps were made before this run, `before` in this run.
        """
        args, rates, losses = self._call_on(samples, order)
        job = self.plan.job[0]
        n_steps = -(-len(order) // self.batch)
        pool = shared_pool()
        job["done"], job["has_rates"] = done + before, self.rates.size > 0
        if self.rates.size > 0:
            rates[:] = self.rates[before : before + n_steps]
        seen, made, stopped, failed = 0, 0, False, False
        while seen < n_steps and not (stopped or failed):
            members, steps = self.tuner.next(n_steps - seen)
            job["begin"], job["end"] = seen, seen + steps
            try:
                pool.start(members - 1)
            except MemoryError as error:
                self.failure = error
                break
            start = time.perf_counter()
            pool.run(
                train_kernel.train,
                args,
                pool.max_threads(members),
                max(WAKE_MACS, steps * self.macs),
            )
            self.tuner.record(members, steps, time.perf_counter() - start)
            made = seen + int(self.progress[train_kernel.UPDATED])
            seen += int(self.progress[train_kernel.SEEN])
            failed = self.progress[train_kernel.NOT_FINITE] != 0
            stopped = DeferSignals.pending()
            if pause is not None and pause():
                break
        return losses[:seen].copy(), made, failed, stopped

    def _call_on(self, samples, order):
        """The kernel's arguments for these samples in this order, and its arrays of rates and
        losses: the last ones where the order lies in the same memory, whatever it is now."""
        if self._call and samples is self._call[0] and _same_memory(order, self._call[1]):
            return self._call[2:]
        n_steps = -(-len(order) // self.batch)
        rates, losses, job = np.zeros(n_steps), np.zeros(n_steps), self.plan.job
        job[0]["n_samples"] = len(order)
        args = (
            self.params,
            self.state,
            self.gradient,
            self.work,
            self.sums,
            losses,
            self.plan.layers,
            job,
            *samples.describe(job[0]),
            order,
            self.rules,
            rates,
            self.progress,
        )
        self._call = samples, order, args, rates, losses
        return self._call[2:]

    def _part_of_step(self, order, at, unfinished):
        """Tell the kernels whether the piece of `order` from `at` on is a part of a step that
        several calls make."""
        rules, first = self.rules, at // self.batch * self.batch
        self.plan.job[0]["row"] = at - first
        rules[:, update.RESUMED], rules[:, update.UNFINISHED] = at > first, unfinished
        partial = at > first or unfinished
        rules[:, update.TOTAL] = (
            self.samples.weight_of(order[first : first + self.batch]) if partial else 0
        )


def _same_memory(a, b):
    return len(a) == len(b) and a.__array_interface__["data"] == b.__array_interface__["data"]


def work_of(network, rows):
    """Multiply-adds of a training step on `rows` samples: three products a layer."""
    return 3 * rows * network.size


def loss_and_gradient(network, params, samples, l2, n_threads=None, l1=0.0, make_steps=StepRunner):
    """The loss, penalties included, and its gradient, flat like the parameters."""
    numbers = np.zeros(update.STEP_SIZE)
    numbers[update.RULE], numbers[update.L2], numbers[update.L1] = update.GRADIENT, l2, l1
    members = team_size(n_threads, work_of(network, samples.n))
    nothing = np.zeros(0, network.dtype)
    steps = make_steps(network, params, nothing, samples, samples.n, numbers, [members])
    losses, _, _ = steps.run(np.arange(samples.n), 0)
    if steps.failure is not None:
        raise steps.failure
    return float(losses[0]), steps.gradient
