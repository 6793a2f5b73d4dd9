"""Forward passes: outputs, activations and mean losses of samples."""

import math
from contextlib import contextmanager

import numpy as np

from ..base.validation import cast
from ..kernels.abi import INFER_ROWS
from ..kernels.entries import infer
from ..kernels.plan import aligned_zeros
from ..runtime.autotune import thread_count
from ..runtime.spin_pool import shared_pool
from .samples import Samples

# Multiply-adds of a call, for each thread, after which signals are handled: some 20 ms in float64.
UNINTERRUPTIBLE_MACS = 1_000_000_000
NO_LOSSES = np.zeros(0)


class Forward:
    """Plan and buffers of forward passes through one net.

    Parameters
    ----------
    network : CompiledNetwork
    rows : int
        Rows of a block, which one thread works on.
    n_threads : int
        At most.
    """

    def __init__(self, network, rows, n_threads):
        self.network = network
        self.rows = rows
        self.n_threads = n_threads
        self.plan = network.plan(rows, trains=False)
        self.works = self.plan.work(network.dtype, n_threads)
        self.packed = None  # buffer of `run`
        self.to_probabilities = False  # of `outputs`, as its tables say
        # Tables and arguments of `outputs`, which are the same for all inputs.
        self.n_out = network.widths[-1]
        plan = self.plan.row_major()
        plan.layers[-1]["out"] = 0
        x = np.zeros((1, network.widths[0]), network.dtype)
        self.no_targets = Samples(x, None, None, None, network.dtype).fill_job(plan.job[0])[1:]
        self.tables = plan.layers, plan.job
        self.order = np.arange(rows)
        self.no_packed = np.zeros(0, network.dtype)

    def outputs(self, params, x, probabilities=False):
        """The outputs (n, n_out) of at most `rows` samples, x C-contiguous and of the net's dtype,
        by one thread: no more than the kernel's call."""
        if probabilities != self.to_probabilities:
            self.to_probabilities = self.tables[1]["to_probabilities"] = probabilities
        out = np.empty((len(x), self.n_out), params.dtype)
        source = x.reshape(-1)
        infer.call(
            params,
            self.no_packed,
            self.works,
            out.reshape(-1),
            NO_LOSSES,
            *self.tables,
            source,
            *self.no_targets,
            self.order[: len(x)],
            False,
            1.0,
            0,
            1,
        )
        return out

    def run(self, params, samples, order, layers, losses=NO_LOSSES, packed=None):
        """Pass the samples `order` through the net.

        Parameters
        ----------
        params : ndarray
        samples : Samples
        order : ndarray of int64 (n,)
        layers : sequence of int
        losses : ndarray of float64 (n / rows,), optional
            Written: the share of each block of `rows` samples in the mean loss of all samples.
        packed : ndarray, optional
            The packed parameters, if they exist. By default they are made of `params`.

        Returns
        -------
        list of ndarray (n, n_out)
            The activations of `layers`.
        """
        plan = self.plan
        network = self.network
        packs = packed is None
        if packs:
            if self.packed is None:
                self.packed = aligned_zeros(plan.packed_size, network.dtype)
            packed = self.packed
        widths = [network.widths[i + 1] for i in layers]
        ends = np.cumsum([0] + [len(order) * n_out for n_out in widths]).tolist()
        out = np.empty(ends[-1], network.dtype)
        blocks = max(1, UNINTERRUPTIBLE_MACS // (network.size * self.rows)) * self.n_threads
        total = samples.total if losses.size else 1.0
        plan.layers["out"] = -1
        done = 0
        chunks = samples.chunks(order, self.rows) if len(order) else ()
        for chunk, index, _ in chunks:
            arrays = chunk.fill_job(plan.job[0])
            for start in range(0, len(index), blocks * self.rows):
                piece = index[start : start + blocks * self.rows]
                for i, n_out, at in zip(layers, widths, ends[:-1], strict=True):
                    plan.layers[i]["out"] = at + done * n_out
                args = (
                    params,
                    packed,
                    self.works,
                    out,
                    losses[done // self.rows :],
                    plan.layers,
                    plan.job,
                    *arrays,
                    piece,
                    packs,
                    total,
                )
                n_threads = min(self.n_threads, -(-len(piece) // self.rows))
                macs = len(piece) * network.size
                shared_pool().run(infer, args, n_threads, macs)
                done += len(piece)
                packs = False
        return [
            out[at : at + len(order) * n_out].reshape(len(order), n_out)
            for at, n_out in zip(ends[:-1], widths, strict=True)
        ]


@contextmanager
def _borrowed(network, rows, n_threads):
    """A Forward of these sizes for one call, kept for the next."""
    kept = network.last_forwards
    try:
        forward = kept.pop()
    except IndexError:
        forward = None
    if forward is None or (forward.rows, forward.n_threads) != (rows, n_threads):
        forward = Forward(network, rows, n_threads)
    yield forward
    kept.append(forward)


def _forward_of(network, n, n_threads):
    """A Forward for `n` samples for one call."""
    size = min(-(-n // INFER_ROWS), thread_count(n_threads, n * network.size))
    return _borrowed(network, max(1, min(n, INFER_ROWS)), max(1, size))


def outputs(network, params, X, n_threads=None, probabilities=False):
    """The outputs (n, n_out) of the rows of X, an ndarray or a StridedArray; their softmax where
    `probabilities`."""
    if isinstance(X, np.ndarray) and 0 < len(X) <= network.small_batch:
        x = np.ascontiguousarray(X if X.dtype == network.dtype else cast(X, network.dtype))
        x = x if x.flags.aligned else x.copy()
        try:
            forward = network.spare_forwards.pop()
        except IndexError:
            forward = Forward(network, network.small_batch, 1)
        a = forward.outputs(params, x, probabilities)
        network.spare_forwards.append(forward)
        return a
    samples = Samples(X, None, None, None, network.dtype)
    with _forward_of(network, samples.n, n_threads) as forward:
        forward.plan.job["to_probabilities"] = probabilities
        return forward.run(params, samples, np.arange(samples.n), [len(network.widths) - 2])[0]


def activations(network, params, x, layers, n_threads=None):
    """The activations (n, n_out) of each of `layers`, as a list."""
    samples = Samples(x, None, None, None, network.dtype)
    with _forward_of(network, samples.n, n_threads) as forward:
        forward.plan.job["to_probabilities"] = False
        return forward.run(params, samples, np.arange(samples.n), layers)


def mean_loss(network, params, samples, n_threads=None):
    """The mean loss of the samples, without penalty."""
    losses = np.zeros(-(-samples.n // INFER_ROWS))
    with _forward_of(network, samples.n, n_threads) as forward:
        forward.run(params, samples, np.arange(samples.n), (), losses)
    return math.fsum(losses)
