"""The course of a fit: epochs, validation, stopping. Everything inside an epoch is the kernels'."""

from contextlib import nullcontext

import numpy as np

from .custom import mean_loss, steps_of
from .history import DivergenceError
from .hooks import Hooks
from .interrupts import Deferred


class Course:
    """One fit of one net.

    Parameters
    ----------
    net : MLP
    feed : Arrays or Stream, see feeds.py
    validation : Samples or None
    history : History, filled in
    callbacks : list of Callback
    """

    def __init__(self, net, feed, validation, history, callbacks, n_threads):
        self.net, self.feed, self.validation, self.history = net, feed, validation, history
        self.hooks, self.n_threads = Hooks(callbacks, net, history), n_threads

    def run(self, team, sizes, numbers, epochs):
        """Train for at most `epochs` epochs; fills in the history. Ctrl-C ends it, see the history's `stopped_by`."""
        net, history = self.net, self.history
        new_steps = steps_of(net.loss_function)

        def make_steps(samples, batch):
            steps = new_steps(net._network, net._parameters, net._state, samples, batch, numbers, team, sizes)
            steps.drop(net.dropout, net._dropout_key)
            return steps

        try:
            self.hooks.begin()
            while history.stopped_by is None:
                parts = self.feed.parts(net._rng, make_steps)
                if self.feed.single:  # the next batch of a stream may be long in coming, and callbacks too
                    self._epoch(parts, lambda: Deferred(team.stop))
                else:
                    with Deferred(team.stop):
                        self._epoch(parts, nullcontext)
                if history.stopped_by is None:
                    self.hooks.epoch_ended()
                if history.stopped_by is None and history.n_epochs == epochs:
                    history.stopped_by = "epochs"
        except KeyboardInterrupt:
            history.stopped_by = "interrupt"
        except BaseException as error:
            history.stopped_by = history.stopped_by or "error"
            for late in self.hooks.end():
                error.add_note(f"and then {late!r}, {'; '.join(late.__notes__)}")
            raise
        errors = self.hooks.end()
        if errors:
            raise errors[0]

    def _epoch(self, parts, undisturbed):
        """Train on the parts; `undisturbed` makes a context in which what belongs together is done."""
        net, history = self.net, self.history
        losses, weights, before = [], [], len(history.batch_loss)
        for steps, order in parts:
            with undisturbed():
                here, whole = self._part(steps, order, before)
            losses.append(here)
            weights.append(steps.samples.weights_of_batches(order, steps.batch))
            if not whole:  # the KeyboardInterrupt may have been somebody's else, who did not raise it
                history.stopped_by = "interrupt"
                return
            self.hooks.step_ended()
            if history.stopped_by is not None:
                return
        with undisturbed():
            shares = _joined(weights)
            history.loss.append(float(np.dot(_joined(losses), shares) / shares.sum()))
            if self.validation is not None:
                history.val_loss.append(self._validation_loss())
            net._position.epoch_ends(history.monitored)

    def _validation_loss(self):
        net = self.net
        return mean_loss(net.loss_function, net._network, net._parameters, self.validation, self.n_threads)

    def _part(self, steps, order, epoch_began):
        """The steps over the samples `order`. Returns their losses, and whether all were made."""
        net, history = self.net, self.history
        steps.rates = net._position.rates(-(-len(order) // steps.batch))
        before = net._parameters.copy(), net._state.copy()
        losses, made, _ = steps.run(order, net._steps_done)
        history.batch_loss += losses.tolist()
        scheduled = steps.rates.size > 0
        history.learning_rate += steps.rates[: len(losses)].tolist() if scheduled else [net._position.lr] * len(losses)
        # The last update may have overflowed: no loss of this epoch would show it.
        diverged = not (np.isfinite(losses[-1:]).all() and np.isfinite(net._parameters).all())
        if diverged:
            made = self._last_finite(steps, order[: made * steps.batch], made, before)
        net._steps_done += made
        net._position.steps += made
        history.n_samples += min(made * steps.batch, len(order))
        if diverged:
            history.stopped_by = "divergence"
            raise DivergenceError(history.n_epochs, len(history.batch_loss) - epoch_began - 1, history)
        if steps.failure is not None:
            history.stopped_by = "loss"
            raise steps.failure
        return losses, made * steps.batch >= len(order)

    def _last_finite(self, steps, order, made, before):
        """Where an update overflowed, do the part's steps over again up to the last one with finite weights.

        The same steps give the same bits, so this is exactly where the net was, at the cost of one copy a part.
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


def _joined(arrays):
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
