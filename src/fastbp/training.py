"""The course of a fit: epochs, shuffles, validation, stopping. Everything inside an epoch is the kernels'."""

import math
import warnings
from contextlib import closing

import numpy as np

from .custom import mean_loss, steps_of
from .history import DivergenceError
from .interrupts import Deferred
from .progress import Progress


class Course:
    """One fit of one net.

    Parameters
    ----------
    net : MLP
    samples, validation : Samples, and Samples or None
    history : History, filled in
    patience : int or None
        Epochs without a lower monitored loss after which to stop.
    restore_best : bool
        With patience, end with the weights of the best epoch.
    callbacks : sequence of callables (net, history)
    """

    def __init__(self, net, samples, validation, history, patience, restore_best, callbacks, n_threads):
        self.net, self.samples, self.validation, self.history = net, samples, validation, history
        self.patience, self.restore_best = patience, restore_best and patience is not None
        self.callbacks, self.n_threads = callbacks, n_threads
        self.best_loss, self.best_parameters = math.inf, None

    def run(self, team, sizes, numbers, batch, epochs, shuffle, progress):
        """Train for at most `epochs` epochs; fills in the history."""
        net, history = self.net, self.history
        make_steps = steps_of(net.loss_function)
        steps = make_steps(net._network, net._parameters, net._state, self.samples, batch, numbers, team, sizes)
        steps.drop(net.dropout, net._dropout_key)
        try:
            with closing(Progress(epochs, progress)) as bar:
                while history.stopped_by is None:
                    with Deferred(team.stop):
                        order = net._rng.permutation(self.samples.n) if shuffle else np.arange(self.samples.n)
                        self._epoch(steps, order, batch)
                    bar.update(history, self.samples.n)
                    self._call_back()
                    if history.stopped_by is None and history.n_epochs == epochs:
                        history.stopped_by = "epochs"
        except KeyboardInterrupt:
            history.stopped_by = "interrupt"
            where = f"after {history.n_epochs} epochs and {len(history.batch_loss)} steps"
            warnings.warn(f"fit was interrupted {where}; the net holds the weights of its last whole step", stacklevel=3)
        if self.best_parameters is not None and history.stopped_by != "interrupt":
            net._parameters[:] = self.best_parameters

    def _call_back(self):
        for callback in self.callbacks:
            if callback(self.net, self.history) is True and self.history.stopped_by is None:
                self.history.stopped_by = "callback"

    def _epoch(self, steps, order, batch):
        net, history = self.net, self.history
        before = net._parameters.copy(), net._state.copy()
        losses, made, stopped = steps.run(order, net._steps_done)
        history.batch_loss += losses.tolist()
        # The last update may have overflowed: no loss of this epoch would show it.
        if not (np.isfinite(losses[-1:]).all() and np.isfinite(net._parameters).all()):
            made = self._last_finite(steps, order[: made * batch], made, before)
            net._steps_done += made
            history.stopped_by = "divergence"
            raise DivergenceError(history.n_epochs, len(losses) - 1, history)
        net._steps_done += made
        if steps.failure is not None:
            history.stopped_by = "loss"
            raise steps.failure
        if stopped and made * batch < len(order):
            return
        history.loss.append(self._mean(losses, order, batch))
        self._watch()

    def _mean(self, losses, order, batch):
        """The epoch's loss: batches count by their samples, or their samples' weight."""
        if self.samples.weight is None:
            shares = np.full(len(losses), float(batch))
            shares[-1] = len(order) - batch * (len(losses) - 1)
        else:
            shares = np.add.reduceat(self.samples.weight[order], np.arange(0, len(order), batch), dtype=np.float64)
        return float(np.dot(losses, shares) / shares.sum())

    def _last_finite(self, steps, order, made, before):
        """Where an update overflowed, do the epoch's steps over again up to the last one with finite weights.

        The same steps give the same bits, so this is exactly where the net was, at the cost of one copy an epoch.
        """
        net = self.net

        def finite():
            return np.isfinite(net._parameters).all() and np.isfinite(net._state).all()

        def again(wanted):
            net._parameters[:], net._state[:] = before
            return steps.run(order[: wanted * steps.batch], net._steps_done)[1] if wanted else 0

        if finite():
            return made
        good, bad = 0, made  # what is infinite once stays so, hence bisection
        while bad - good > 1:
            middle = (good + bad) // 2
            made = again(middle)
            good, bad = (max(good, made), bad) if finite() else (good, middle)
            if made < middle:
                break  # asked to stop
        return again(good)

    def _watch(self):
        """Monitor the validation loss, or without a validation set the training loss."""
        net, history = self.net, self.history
        if self.validation is not None:
            loss = mean_loss(net.loss_function, net._network, net._parameters, self.validation, self.n_threads)
            history.val_loss.append(loss)
        if self.patience is None:
            return
        loss = history.loss[-1] if self.validation is None else history.val_loss[-1]
        if loss < self.best_loss:
            self.best_loss, history.best_epoch = loss, history.n_epochs - 1
            if self.restore_best:
                self.best_parameters = net._parameters.copy()
        elif history.best_epoch is None or history.n_epochs - 1 - history.best_epoch >= self.patience:
            history.stopped_by = "patience"
