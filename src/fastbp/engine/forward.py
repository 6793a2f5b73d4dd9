"""Forward passes: plans, buffers and the calls of the compiled inference kernel."""

import math

import numpy as np

from ..kernels import infer as infer_kernel
from ..kernels.abi import INFER_ROWS
from ..runtime.team import borrow_team, team_size
from .samples import Samples

# Multiply-adds of a call whose end Ctrl-C can wait for: some 20 ms of one thread in float64.
HEARD = 500_000_000


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
        _infer(
            network,
            params,
            samples,
            out,
            dict(zip(layers, ends[:-1], strict=True)),
            np.zeros(0),
            n_threads,
        )
    return [
        out[at : at + samples.n * n_out].reshape(samples.n, n_out)
        for at, n_out in zip(ends[:-1], widths, strict=True)
    ]


def outputs(network, params, X):
    """The outputs (n, n_out) of the rows of X."""
    if 0 < len(X) <= network.few:
        return network.few_outputs(params, np.ascontiguousarray(X, network.dtype))
    return activations(network, params, X, [len(network.widths) - 2])[0]


class Forward:
    """Forward passes of one net: plan and buffers, kept from pass to pass.

    Parameters
    ----------
    network : Network
    rows : int
        A block's, each of which one member works on.
    members : int
        At most.
    """

    def __init__(self, network, rows, members):
        self.widths, self.size, self.rows, self.plan = (
            network.widths,
            network.size,
            rows,
            network.plan(rows),
        )
        self.buffers = [
            (self.plan.work(network.dtype), np.zeros(self.plan.sums_size)) for _ in range(members)
        ]

    def run(self, params, samples, order, total, out, places, losses, team):
        """The samples `order`: layer i's activations go to out[places[i]:], or each block's share
        of the loss to `losses`."""
        plan, done = self.plan, 0
        for piece, part, _ in samples.chunks(order, self.rows):
            arrays = piece.fill_job(plan.job[0])
            for i, place in places.items():
                plan.layers[i]["out"] = place + done * self.widths[i + 1]
            here = losses[done // self.rows :]

            def call(member, size, arrays=arrays, part=part, here=here):
                work, sums = self.buffers[member]
                infer_kernel.infer(
                    params,
                    work,
                    sums,
                    out,
                    here,
                    plan.layers,
                    plan.job,
                    *arrays,
                    part,
                    total,
                    team.sync,
                    member,
                    size,
                )

            short = len(part) * self.size < HEARD
            team.run(call, min(len(self.buffers), -(-len(part) // self.rows)), short)
            done += len(part)


def _infer(network, params, samples, out, places, losses, n_threads):
    """Pass all samples through the net, see `Forward`."""
    blocks = -(-samples.n // INFER_ROWS)
    size = min(blocks, team_size(n_threads, samples.n * network.size))
    forward = Forward(network, min(samples.n, INFER_ROWS), size)
    with borrow_team(size) as team:
        forward.run(params, samples, np.arange(samples.n), samples.total, out, places, losses, team)
