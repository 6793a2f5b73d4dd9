"""A net as the kernels see it."""

import threading
from itertools import pairwise

import numpy as np

from ..kernels import infer as infer_kernel
from ..kernels.plan import Plan, panel_of
from ..kernels.team import new_sync
from ..runtime.autotune import ThreadCountTuner
from .samples import Samples


class CompiledNetwork:
    """What the kernels need to know of a net: widths, codes, dtype.

    Parameters
    ----------
    widths : tuple of int
    activations : list of int, one code a layer
    output, loss : int, codes of kernels/abi.py
    dtype : ndarray dtype
    smoothing : (float, float)
        The job's ``target_scale`` and ``target_shift``: by default targets are left alone.
    """

    def __init__(self, widths, activations, output, loss, dtype, smoothing=(1.0, 0.0)):
        self.widths, self.activations, self.output, self.loss, self.dtype = (
            widths,
            activations,
            output,
            loss,
            dtype,
        )
        self.smoothing, self.few = smoothing, panel_of(dtype)
        self._spare: list[_Few] = []
        # the last plan, which the next fit is likely to want too, and what it is for
        self._planned: tuple = (None, None)
        self._paces: dict[tuple, ThreadCountTuner] = {}
        self.training = threading.Lock()  # held by the fit that is running
        self.size = sum((n_in + 1) * n_out for n_in, n_out in pairwise(widths))

    def plan(self, rows, members=1):
        key, plan = self._planned
        if key != (rows, members):
            plan = Plan(self.widths, self.activations, self.dtype, rows, members)
            self._planned = (rows, members), plan
        plan = plan.copy()
        job = plan.job[0]
        job["output"], job["loss"] = self.output, self.loss
        job["target_scale"], job["target_shift"] = self.smoothing
        return plan

    def pace(self, sizes, work):
        """What was found out about these numbers of threads, kept from fit to fit."""
        return self._paces.setdefault((tuple(sizes), work), ThreadCountTuner(sizes, work))

    def few_outputs(self, params, x):
        """The outputs (n, n_out) of at most `few` samples, x C-contiguous and of the net's dtype:
        just the kernel's call.

        A set of buffers is taken from the spare ones and put back, so that calls from several
        threads do not meet.
        """
        try:
            buffers = self._spare.pop()
        except IndexError:
            buffers = _Few(self)
        out = buffers.call(params, x)
        self._spare.append(buffers)
        return out


class _Few:
    """Plan and buffers of the outputs of a few samples, made once."""

    def __init__(self, network):
        dtype, self.n_out = network.dtype, network.widths[-1]
        self.plan = network.plan(network.few)
        self.plan.layers[-1]["out"] = 0
        self.work, self.sums = self.plan.work(dtype), np.zeros(self.plan.sums_size)
        x = np.zeros((1, network.widths[0]), dtype)
        self.others = Samples(x, None, None, None, dtype).fill_job(self.plan.job[0])[1:]
        self.no_losses, self.order, self.sync = np.zeros(0), np.arange(network.few), new_sync(1)

    def call(self, params, x):
        out, flat = np.empty((len(x), self.n_out), params.dtype), x.reshape(-1)
        flat.flags.writeable = False
        infer_kernel.infer(
            params,
            self.work,
            self.sums,
            out.reshape(-1),
            self.no_losses,
            self.plan.layers,
            self.plan.job,
            flat,
            *self.others,
            self.order[: len(x)],
            1.0,
            self.sync,
            0,
            1,
        )
        return out
