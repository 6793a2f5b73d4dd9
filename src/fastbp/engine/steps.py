"""Training steps: plans, buffers and the calls of the compiled training kernel."""

import time

import numpy as np

from ..kernels import abi
from ..kernels.entries import train
from ..runtime.autotune import thread_count
from ..runtime.signals import DeferSignals
from ..runtime.spin_pool import WAKE_MACS, shared_pool
from .packing import copy


def step_params(rule, **settings):
    """The record of a training step.

    Parameters
    ----------
    rule : str
        A key of `abi.RULES`.
    **settings : float or bool
        The record's fields by their names; the others are 0.

    Returns
    -------
    ndarray of abi.STEP (1,)
    """
    step = np.zeros(1, abi.STEP)
    step["rule"] = abi.RULES[rule].code
    for name, value in settings.items():
        step[name] = value
    return step


class StepRunner:
    """Training steps of one network on one set of samples; the buffers persist from epoch to epoch.

    Steps change a packed copy of the parameters. `load` reads the caller's array, as the
    constructor does, and `store` writes it.

    Parameters
    ----------
    network : CompiledNetwork
    params : ndarray
        Flat parameters.
    state : ndarray
        Packed optimizer state, see `Packing`; changed in place.
    samples : Samples
    batch : int
        Rows per step.
    step : ndarray of abi.STEP (1,)
        See `step_params`.
    sizes : sequence of int
        Numbers of threads to try.

    Attributes
    ----------
    steps : ndarray of abi.STEP (max(sizes),)
        The record of each thread.
    failure : Exception or None
        What stopped the last run: an exception of the caller's own loss, or MemoryError for the
        next samples or for the threads.
    packed : ndarray
        The copy of the parameters.
    snapshot : ndarray
        Room for a copy of `state`, which `go_back` restores.
    rates : ndarray of float64
        The learning rate of each step of the next run; empty where the records' rate holds.
    """

    failure: BaseException | None = None

    def __init__(self, network, params, state, samples, batch, step, sizes):
        self.network = network
        self.params = params
        self.state = state
        self.samples = samples
        self.batch = batch
        self.capacity = batch
        self.rates = np.zeros(0)
        self.plan = network.plan(min(batch, abi.BLOCK_ROWS), max(sizes))
        self.plan.job[0]["batch"] = batch
        self.macs = work_of(network, batch)
        self.tuner = network.tuner(sizes, self.macs)
        self.steps = records(step, max(sizes), network.dtype)
        self.work = self.plan.work(network.dtype)[0]
        self.sums = np.zeros(self.plan.sums_size)
        stores = stores_gradient(batch, step)
        self.gradient = np.zeros(network.size if stores else 0, network.dtype)
        self.packed = network.packing.new()
        self.snapshot = np.empty_like(state)
        # The last call: its samples, their order, its arguments, its arrays of rates and losses.
        self._call: tuple = ()
        self._progress = np.zeros(3, np.int64)
        # Threads are started here so that a lack of memory shows before anything is changed.
        shared_pool().start(self.tuner.next(1)[0] - 1)
        self.load()

    def restart(self, network, params, state, samples, batch, step, sizes):
        """Begin with other samples and settings, see the class. Returns False if they do not
        fit the buffers."""
        fits = (
            params is self.params
            and state is self.state
            and batch <= self.capacity
            and max(sizes) <= len(self.steps)
            and stores_gradient(batch, step) == (self.gradient.size > 0)
        )
        if fits:
            self.steps = records(step, len(self.steps), network.dtype)
            self._call = ()
            self.rates = np.zeros(0)
            self.samples = samples
            self.batch = batch
            self.plan.job[0]["batch"] = batch
            self.macs = work_of(network, batch)
            self.tuner = network.tuner(sizes, self.macs)
            self.load()
        return fits

    def release(self):
        """Drop the samples, which belong to the caller."""
        self.samples = None
        self._call = ()

    def go_back(self):
        """Restore the caller's parameters and the snapshot of the optimizer's state."""
        self.load()
        copy(self.state, self.snapshot)

    def load(self):
        """Read the parameters from the caller's array."""
        self.network.packing.pack(self.params, self.packed)

    def store(self):
        """Write the parameters to the caller's array."""
        self.network.packing.unpack(self.packed, self.params)

    def drop(self, rates, key):
        """Drop hidden units from now on.

        Parameters
        ----------
        rates : sequence of float, one per hidden layer
        key : (int, int)
            Two 32-bit words, which determine the units.
        """
        self.plan.layers["dropout"][:-1] = rates
        self.plan.job[0]["key0"], self.plan.job[0]["key1"] = key

    def set_samples(self, samples):
        """Use other samples, all of them as one batch. Returns False if the buffers are too
        small."""
        if samples.n > self.capacity:
            return False
        self.samples = samples
        self.batch = samples.n
        self.plan.job[0]["batch"] = samples.n
        return True

    def run(self, order, done, pause=None, epochs=1):
        """Make the steps over the samples `order`.

        Parameters
        ----------
        order : ndarray of int64
            One epoch after the other.
        done : int
            Steps made before.
        pause : callable, optional
            Called between two calls of the kernel; a true value ends the run there, between two
            steps. Once true it must stay true until the run has ended.
        epochs : int, default 1
            In `order`; more than one only for samples that the kernels read in place.

        Returns
        -------
        losses : ndarray of float64
            Of the steps made, and of one with a loss that was not finite, if any.
        steps : int
            Updates made.
        stopped : bool
            Whether an exception of a signal's handler is pending.
        """
        losses = [np.zeros(0)]
        steps = 0
        at = 0
        stopped = False
        self.failure = None
        try:
            for samples, part, unfinished in self.samples.chunks(order, self.batch):
                self._begin_part(order, at, unfinished)
                here, made, failed, stopped = self._run_part(
                    samples, part, epochs, done, steps, None if unfinished else pause
                )
                steps += made
                at += len(part)
                self.steps["earlier_loss"] = here[0] if unfinished and len(here) else 0
                if failed or not unfinished:
                    losses.append(here)
                if failed or stopped or self.failure:
                    break
                if pause is not None and not unfinished and pause():
                    break
        except MemoryError as error:  # for samples to be converted
            self.failure = error
        return np.concatenate(losses), steps, stopped

    def _run_part(self, samples, order, epochs, done, before, pause):
        """Make steps over samples that the kernel can read, in as many calls as the tuner chooses.

        done, before : steps made before this run, and in this run
        """
        args, rates, losses = self._call_on(samples, order, epochs)
        job = self.plan.job[0]
        n_steps = len(losses)
        pool = shared_pool()
        job["done"] = done + before
        job["has_rates"] = self.rates.size > 0
        if self.rates.size > 0:
            rates[:] = self.rates[before : before + n_steps]
        seen = 0
        made = 0
        stopped = failed = False
        while seen < n_steps and not (stopped or failed):
            n_threads, steps = self.tuner.next(n_steps - seen)
            job["begin"] = seen
            job["end"] = seen + steps
            try:
                pool.start(n_threads - 1)
            except MemoryError as error:
                self.failure = error
                break
            start = time.perf_counter()
            pool.run(
                train,
                args,
                pool.max_threads(n_threads),
                max(WAKE_MACS, steps * self.macs),
            )
            self.tuner.record(n_threads, steps, time.perf_counter() - start)
            made = seen + int(self._progress[abi.UPDATED])
            seen += int(self._progress[abi.SEEN])
            failed = self._progress[abi.NOT_FINITE] != 0
            stopped = DeferSignals.pending()
            if pause is not None and pause():
                break
        return losses[:seen].copy(), made, failed, stopped

    def _call_on(self, samples, order, epochs):
        """The kernel's arguments for these samples in this order, and its arrays of rates and
        losses. Those of the last call are reused if `order` is in the same memory, with any
        content."""
        if (
            self._call
            and samples is self._call[0]
            and epochs == self._call[2]
            and _same_memory(order, self._call[1])
        ):
            return self._call[3:]
        job = self.plan.job
        job[0]["n_samples"] = n = len(order) // epochs
        n_steps = -(-n // self.batch) * epochs
        rates, losses = np.zeros(n_steps), np.zeros(n_steps)
        args = (
            self.packed,
            self.state,
            self.gradient,
            self.work,
            self.sums,
            losses,
            self.plan.layers,
            job,
            *samples.fill_job(job[0]),
            order,
            self.steps,
            rates,
            self._progress,
        )
        self._call = samples, order, epochs, args, rates, losses
        return self._call[3:]

    def _begin_part(self, order, at, unfinished):
        """Set in the records whether the part of `order` from `at` on is only a part of a step."""
        first = at // self.batch * self.batch
        resumed = at > first
        self.plan.job[0]["row"] = at - first
        self.steps["resumed"] = resumed
        self.steps["unfinished"] = unfinished
        whole = order[first : first + self.batch]
        is_part = resumed or unfinished
        self.steps["total_weight"] = self.samples.weight_of(whole) if is_part else 0


def _same_memory(a, b):
    return len(a) == len(b) and a.__array_interface__["data"] == b.__array_interface__["data"]


def records(step, n, dtype):
    """`n` copies of a step's record, one for each thread.

    An epsilon that kernels would flush to 0, with or without a bias correction, is replaced by the
    smallest other one: 0 / 0 follows for parameters without a gradient, and in the lanes beside.
    """
    steps = np.repeat(step, n)
    smallest = np.finfo(dtype).tiny * 2.0**28  # of 1 - beta_2**count the root is above 2**-27
    steps["epsilon"] = np.where(step["epsilon"] > 0, np.maximum(step["epsilon"], smallest), 0)
    return steps


def stores_gradient(batch, step):
    """Whether steps of `batch` rows store their gradient."""
    return (
        batch > abi.BLOCK_ROWS
        or step[0]["rule"] == abi.RULES["gradient"].code
        or step[0]["clip_norm"] != 0
    )


def work_of(network, rows):
    """Multiply-adds of a training step on `rows` samples: three products per layer."""
    return 3 * rows * network.size


def loss_and_gradient(network, params, samples, l2, n_threads=None, l1=0.0, make_steps=StepRunner):
    """The loss, penalties included, and its gradient, flat like the parameters."""
    step = step_params("gradient", l2=l2, l1=l1)
    size = thread_count(n_threads, work_of(network, samples.n))
    no_state = np.zeros(0, network.dtype)
    runner = make_steps(network, params, no_state, samples, samples.n, step, [size])
    losses, _, _ = runner.run(np.arange(samples.n), 0)
    if runner.failure is not None:
        raise runner.failure
    return float(losses[0]), runner.gradient
