"""A net's structure in the terms of the kernels."""

import threading

from ..kernels.plan import Plan, panel_of
from ..runtime.autotune import ThreadCountTuner
from .packing import Packing


class CompiledNetwork:
    """Widths, codes and dtype of a net, and what calls of the kernels on it reuse.

    Parameters
    ----------
    widths : tuple of int
    activations : list of int, one code a layer
    output, loss : int, codes of kernels/abi.py
    dtype : ndarray dtype
    smoothing : (float, float)
        The job's ``target_scale`` and ``target_shift``; the default leaves targets alone.

    Attributes
    ----------
    packing : Packing
    size : int
        Number of parameters; also multiply-adds of a forward pass of one sample.
    small_batch : int
        Rows up to which outputs are computed with buffers of `spare_forwards`.
    spare_forwards : list of Forward
        For these. A call takes one and puts it back, so that calls from several threads do not
        share buffers.
    last_forwards : list of Forward
        Those of the last calls with more rows, taken and put back in the same way.
    spare_runners : list of StepRunner
        At most one, of the last fit if that made one step.
    training : Lock
        Held by the fit that is running.
    """

    def __init__(self, widths, activations, output, loss, dtype, smoothing=(1.0, 0.0)):
        self.widths = widths
        self.activations = activations
        self.output = output
        self.loss = loss
        self.dtype = dtype
        self.smoothing = smoothing
        self.packing = Packing(widths, dtype)
        self.size = self.packing.size
        self.small_batch = panel_of(dtype)
        self.spare_forwards: list = []
        self.last_forwards: list = []
        self.spare_runners: list = []
        self.training = threading.Lock()
        self._last_plan: tuple = (
            None,
            None,
        )  # (rows, threads), plan of the last fit
        self._tuners: dict[tuple, ThreadCountTuner] = {}

    def plan(self, rows, n_threads=1, trains=True):
        """A plan for blocks of `rows` rows; its tables are the caller's own."""
        key, plan = self._last_plan
        if key != (rows, n_threads, trains):
            plan = Plan(self.widths, self.activations, self.dtype, rows, n_threads, trains)
            self._last_plan = (rows, n_threads, trains), plan
        plan = plan.copy()
        job = plan.job[0]
        job["output"] = self.output
        job["loss"] = self.loss
        job["target_scale"], job["target_shift"] = self.smoothing
        return plan

    def tuner(self, sizes, macs):
        """The tuner of these numbers of threads, which is kept from fit to fit."""
        return self._tuners.setdefault((tuple(sizes), macs), ThreadCountTuner(sizes, macs))
