"""The course of a fit: epochs, validation, stopping. Everything inside an epoch is the kernels'."""

import math
from contextlib import nullcontext

import numpy as np

from ..engine.custom_loss import mean_loss, steps_of
from ..history import DivergenceError
from ..runtime.signals import DeferSignals
from ..serialization.encoding import generator_document
from .callback_list import CallbackList


class TrainingLoop:
    """One fit of one net.

    Parameters
    ----------
    net : MLP
    feed : Arrays or Stream, see feeds.py
    validation : Samples or None
    history : History, filled in
    callbacks : list of Callback
    keeper : Keeper or None
        Of checkpoints; with arrays only.
    resumed : Moment or None
        To go on from there; net and history are those of that moment.
    """

    def __init__(
        self, net, feed, validation, history, callbacks, n_threads, keeper=None, resumed=None
    ):
        self.net, self.feed, self.validation, self.history = net, feed, validation, history
        self.hooks, self.n_threads = CallbackList(callbacks, net, history), n_threads
        self._keeper, self._resumed = keeper, resumed
        # the generator's state before the running epoch's order was drawn; None between epochs
        self._drawn_from = None
        self._told = None  # steps and epochs of which all callbacks know
        self._wanted = 0  # epochs
        # parameters and state as they were before the steps that are being made
        self._before: tuple = ()

    def run(self, sizes, numbers, epochs):
        """Train for at most `epochs` epochs; fills in the history. Ctrl-C ends it, see the
        history's `stopped_by`; so does a SystemExit, as of a handler of SIGTERM, but that goes on
        to the caller."""
        net, history = self.net, self.history
        new_steps = steps_of(net.loss_function)

        def make_steps(samples, batch):
            steps = new_steps(
                net._network, net._parameters, net._state, samples, batch, numbers, sizes
            )
            steps.drop(net.dropout, net._dropout_key)
            self._before = np.empty_like(net._parameters), np.empty_like(net._state)
            return steps

        try:
            try:
                self.hooks.begin(self._resumed and self._resumed.callbacks)
                self._epochs(make_steps, epochs)
            except (KeyboardInterrupt, SystemExit) as error:
                history.stopped_by = "interrupt"
                if self._keeper is not None:
                    self._keep_interrupted()
                if isinstance(error, SystemExit):
                    raise
        except BaseException as error:
            history.stopped_by = history.stopped_by or "error"
            for late in self.hooks.end():
                error.add_note(f"and then {late!r}, {'; '.join(late.__notes__)}")
            raise
        errors = self.hooks.end()
        if errors:
            raise errors[0]
        if self._keeper is not None and history.stopped_by != "interrupt":
            self._keep([])

    def _epochs(self, make_steps, epochs):
        net, history, done, self._wanted = self.net, self.history, 0, epochs
        if self._resumed is not None:
            done = self.feed.steps_into_epoch(history)
            net._rng.bit_generator.state = self._resumed.generator
        self._told = len(history.batch_loss), history.n_epochs
        while history.stopped_by is None:
            if self._keeper is not None:
                self._drawn_from = generator_document(net._rng)
            parts = self.feed.parts(net._rng, make_steps)
            # the next batch of a stream may be long in coming, and callbacks too
            if self.feed.single:
                self._epoch(parts, DeferSignals, done)
            else:
                with DeferSignals():
                    self._epoch(parts, nullcontext, done)
            done = 0
            if history.stopped_by is None:
                self.hooks.epoch_ended()
            if history.stopped_by is None and history.n_epochs == epochs:
                history.stopped_by = "epochs"
            self._told = len(history.batch_loss), history.n_epochs
            self._keep_if_due()

    def _epoch(self, parts, undisturbed, done):
        """Train on the parts, of which the first `done` steps are made; `undisturbed` makes a
        context in which what belongs together is done."""
        net, history = self.net, self.history
        before = len(history.batch_loss) - done
        losses, weights = [np.array(history.batch_loss[before:])], []
        for steps, order in parts:
            weights.append(steps.samples.weights_of_batches(order, steps.batch))
            if done >= len(weights[-1]):
                done -= len(weights[-1])
                continue
            with undisturbed():
                here, whole = self._part(steps, order, done, before)
            losses.append(here)
            done = 0
            if not whole:  # the signal's exception is raised at the end of the block
                return
            self.hooks.step_ended()
            self._told = len(history.batch_loss), history.n_epochs
            if history.stopped_by is not None:
                return
            self._keep_if_due()
        with undisturbed():
            shares = _joined(weights)
            if self.validation is not None:
                history.val_loss.append(self._validation_loss())
            history.loss.append(float(np.dot(_joined(losses), shares) / shares.sum()))
            net._position.epoch_ends(history.monitored)
            self._drawn_from = None

    def _validation_loss(self):
        net = self.net
        return mean_loss(
            net.loss_function, net._network, net._parameters, self.validation, self.n_threads
        )

    def _part(self, steps, order, done, epoch_began):
        """The steps over the samples `order` but for the first `done`, with checkpoints between
        them where these are due.

        Returns their losses, and whether all were made.
        """
        keeper, count = self._keeper, -(-len(order) // steps.batch)
        rates, losses = self.net._position.rates(count, done), []
        while True:
            end = done + 1 if keeper is not None and keeper.every == 0 else count
            steps.rates = rates[done:end]
            rest = order[done * steps.batch : end * steps.batch]
            here, made, stopped = self._run(steps, rest, epoch_began, keeper and keeper.due)
            losses.append(here)
            done += made
            if done >= count or stopped:
                return _joined(losses), done >= count
            self._keep_if_due()

    def _run(self, steps, order, epoch_began, pause):
        """Steps over the samples `order`, noted in the history. Returns their losses, how many, and
        whether asked to stop."""
        net, history = self.net, self.history
        for kept, now in zip(self._before, (net._parameters, net._state), strict=True):
            kept[:] = now
        losses, made, stopped = steps.run(order, net._steps_done, pause)
        history.batch_loss += losses.tolist()
        scheduled = steps.rates.size > 0
        history.learning_rate += (
            steps.rates[: len(losses)].tolist() if scheduled else [net._position.lr] * len(losses)
        )
        # The last update may have overflowed: no loss of this epoch would show it.
        diverged = not (finite(losses[-1:]) and finite(net._parameters))
        if diverged:
            made = self._last_finite(steps, order[: made * steps.batch], made)
        net._steps_done += made
        net._position.steps += made
        history.n_samples += min(made * steps.batch, len(order))
        if diverged:
            history.stopped_by = "divergence"
            raise DivergenceError(
                history.n_epochs, len(history.batch_loss) - epoch_began - 1, history
            )
        if steps.failure is not None:
            history.stopped_by = "error" if isinstance(steps.failure, MemoryError) else "loss"
            raise steps.failure
        return losses, made, stopped

    def _keep_if_due(self):
        """Write a checkpoint if it is time, and there is more to come in this epoch, or another
        one."""
        if (
            self._keeper is not None
            and self.history.stopped_by is None
            and self._keeper.due()
            and self._resumable()
        ):
            self._keep(self.hooks.states())

    def _keep_interrupted(self):
        """On Ctrl-C a last checkpoint, unless not all callbacks may know of a step or an epoch that
        has been made."""
        if self._resumable():
            self.history.stopped_by = None  # in the file the fit goes on
            try:
                self._keep(self.hooks.states())
            finally:
                self.history.stopped_by = "interrupt"

    def _resumable(self):
        """Whether a fit can go on from here: the callbacks know of all that was done, and there are
        steps to come."""
        history = self.history
        if self._told is None or history.n_epochs == self._wanted:
            return False
        steps, epochs = self._told
        known = history.n_epochs == epochs and (
            not self.feed.single or len(history.batch_loss) == steps
        )
        done = self.feed.steps_into_epoch(history)
        return (known or not self.hooks.listening) and (
            done == 0 or (done < self.feed.n_steps and self.feed.order is not None)
        )

    def _keep(self, states):
        order = self.feed.order if self.feed.steps_into_epoch(self.history) > 0 else None
        self._keeper.write(
            self.net,
            states,
            self._drawn_from or generator_document(self.net._rng),
            order,
        )

    def _last_finite(self, steps, order, made):
        """Where an update overflowed, do the part's steps over again up to the last one with finite
        weights.

        The same steps give the same bits, so this is exactly where the net was, at the cost of one
        copy a part.
        """
        net = self.net

        def sound():
            return finite(net._parameters) and finite(net._state)

        def again(wanted):
            net._parameters[:], net._state[:] = self._before
            return steps.run(order[: wanted * steps.batch], net._steps_done)[1] if wanted else 0

        if sound():
            return made
        good, bad = 0, made  # what is infinite once stays so, hence bisection
        while bad - good > 1:
            middle = (good + bad) // 2
            made = again(middle)
            good, bad = (max(good, made), bad) if sound() else (good, middle)
            if made < middle:
                break  # asked to stop
        return again(good)


def finite(array):
    """Whether all numbers of the array are finite, without one that is as long."""
    return array.size == 0 or (math.isfinite(array.min()) and math.isfinite(array.max()))


def _joined(arrays):
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
