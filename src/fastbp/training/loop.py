"""The training loop: epochs, validation, callbacks and checkpoints around the compiled steps."""

from bisect import bisect_left
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np

from ..base.schedule_state import Schedule
from ..callbacks import Callback
from ..engine.custom_loss import mean_loss, steps_of
from ..engine.metrics import accuracy
from ..engine.packing import all_finite, copy
from ..engine.samples import Samples, in_units
from ..engine.steps import StepRunner
from ..history import DivergenceError
from ..optimizers import Optimizer
from ..runtime.signals import DeferSignals
from ..serialization.checkpoint_format import FitState
from .callback_list import CallbackList
from .checkpointer import Checkpointer

# Samples of the epochs that are made in one call, at most, if an epoch has fewer.
SAMPLES_PER_CALL = 1 << 17


@dataclass
class TrainingLoop:
    """One fit of one network, its arguments checked.

    Parameters
    ----------
    net : MLP
        Its `train_state` is trained, its `history_` filled in.
    source : ArrayBatches or StreamBatches
    validation : Samples or None
    callbacks : list of Callback
    optimizer : optimizer
    step_params : ndarray
        The constants of its update rule, see `fit.make_step`.
    n_epochs : int
        At most, those before a resumption included.
    n_threads : int, optional
    checkpointer : Checkpointer, optional
        With `ArrayBatches` only.
    resumed : FitState, optional
        Where the fit continues; the state and history of `net` are those of the same moment.
    measured : sequence of (str, Samples, ndarray or None)
        The accuracies to record after each epoch: the list of the history, samples, and the rows of
        these that count.
    """

    net: Any
    source: Any
    validation: Samples | None
    callbacks: list[Callback]
    optimizer: Optimizer
    step_params: np.ndarray
    n_epochs: int
    n_threads: SupportsIndex | None = None
    checkpointer: Checkpointer | None = None
    resumed: FitState | None = None
    measured: Sequence[tuple[str, Samples, np.ndarray | None]] = ()

    def prepare(self, sizes):
        """Set the initial state of the loop.

        Parameters
        ----------
        sizes : list of int
            Numbers of threads to try.
        """
        self._sizes = sizes
        self._state = self.net.train_state
        self._history = self.net.history_
        self._callbacks = CallbackList(self.callbacks, self.net, self._history)
        self._runner: StepRunner | None = None
        # Whether nothing looks at the net between epochs, so that one call can make several.
        self._epochs_run_on = not (
            self.source.single
            or self._callbacks.has_hooks
            or self.validation is not None
            or len(self.measured) > 0
            or self.checkpointer is not None
            or self.resumed is not None
            or self.net.loss_function is not None
            or isinstance(self.optimizer.lr, Schedule)
            or not self.source.first.zero_copy
        )
        # Length of the history's `batch_loss` at the beginning of the present epoch.
        self._epoch_start = 0
        # Steps that the present epoch made before the fit was resumed.
        self._skipped = 0
        # The generator's state before it drew the order of the present epoch; None between epochs.
        self._epoch_rng = None
        # Lengths of the history's `batch_loss` and `loss` when all callbacks were last notified.
        self._notified: tuple = ()

    def run(self):
        """Train until the last epoch, a callback or Ctrl-C ends the fit, see the history's
        `stopped_by`. A SystemExit, as of a handler of SIGTERM, ends it like Ctrl-C and is raised.
        """
        history = self._history
        rng = self._state.rng
        try:
            self._callbacks.begin(self.resumed and self.resumed.callbacks)
            if self.resumed is not None:
                self._skipped = self.source.steps_into_epoch(history)
                rng.bit_generator.state = self.resumed.generator
            self._note_progress()
            # Before the generator draws an order: a lack of memory leaves it unchanged.
            self._runner = self._runner_for(self.source.first)
            # Python 3.12 and 3.13 leave the jump back of a loop with a condition out of its `try`.
            while True:
                if history.stopped_by is not None:
                    break
                count = self._epochs_together()
                if count > 1:
                    with DeferSignals():
                        self._run_epochs(count)
                else:
                    self._run_epoch()
                if history.stopped_by is None:
                    self._callbacks.epoch_ended()
                if history.stopped_by is None and history.n_epochs == self.n_epochs:
                    history.stopped_by = "epochs"
                self._note_progress()
                self._save_if_due()
        except (KeyboardInterrupt, SystemExit) as error:
            history.stopped_by = "interrupt"
            self._save_interrupted()
            if isinstance(error, SystemExit):
                raise

    def _run_epoch(self):
        """Make the steps of an epoch, or those that are left of it."""
        history = self._history
        single = self.source.single
        rng = self._state.rng
        self._epoch_start = len(history.batch_loss) - self._skipped
        if self.checkpointer is not None:
            self._epoch_rng = rng.bit_generator.state
        weights = []
        validating = False
        # What belongs together is done without interruption: a whole epoch, or the steps on one
        # batch if callbacks and the source of batches may take long between them.
        with _deferring_signals(not single):
            for samples, order in self.source.epoch(rng):
                weights.append(samples.weights_of_batches(order, self.source.batch_size))
                skipped = min(self._skipped, len(weights[-1]))
                self._skipped -= skipped
                if skipped == len(weights[-1]):
                    continue
                with _deferring_signals(single):
                    complete = self._run_batches(samples, order, skipped)
                if not complete:
                    break  # the exception of the signal is raised at the end of the block
                self._callbacks.step_ended()
                self._note_progress()
                if history.stopped_by is not None:
                    break
                self._save_if_due()
            else:
                validating = self.validation is not None or len(self.measured) > 0
                if not validating:
                    with _deferring_signals(single):
                        self._end_epoch(weights)
        if validating:
            values = self._measures()  # may take long, and changes nothing
            with DeferSignals():
                for name, value in values.items():
                    getattr(history, name).append(value)
                self._end_epoch(weights)

    def _epochs_together(self):
        """How many epochs the next call of the kernels makes."""
        if not self._epochs_run_on:
            return 1
        left = self.n_epochs - self._history.n_epochs
        return min(left, SAMPLES_PER_CALL // self.source.n)

    def _run_epochs(self, count):
        """Make `count` epochs in one call of the kernels, with the results of one by one."""
        history = self._history
        state = self._state
        source = self.source
        runner = self._runner_for(source.first)
        before = state.rng.bit_generator.state
        order = source.orders(state.rng, count)
        copy(runner.snapshot, runner.state)
        losses, made, _ = runner.run(order, state.step, epochs=count)
        if (
            not (len(losses) == made > 0 and _has_finite_state(runner))
            or runner.failure is not None
        ):
            # Repeat them one by one, which finds the step that failed.
            runner.go_back()
            state.rng.bit_generator.state = before
            self._epochs_run_on = False
            return
        runner.store()

        # A signal may have ended the run within an epoch: later ones have not drawn their orders.
        n_steps = source.n_steps
        begun = -(-made // n_steps)
        if begun < count:
            state.rng.bit_generator.state = before
            source.orders(state.rng, begun)
        complete = made // n_steps
        history.batch_loss += losses.tolist()
        history.learning_rate += [state.schedule_state.lr] * made
        history.n_samples += complete * source.n + made % n_steps * runner.batch
        state.step += made
        state.schedule_state.steps += made
        state.schedule_state.epochs += complete
        if complete:
            orders = order.reshape(count, -1)[: complete if source.first.is_weighted else 1]
            weights = [source.first.weights_of_batches(each, runner.batch) for each in orders]
            history.loss += _mean_losses(losses[: complete * n_steps], np.array(weights))

    def end(self, error=None):
        """Notify the callbacks of the end of the fit, which the exception `error` ended if given,
        and save the last checkpoint."""
        history = self._history
        runner = self._runner
        plain = error is None and self.net.loss_function is None
        if runner is not None and plain and len(history.batch_loss) == 1:
            runner.release()
            self.net.network.spare_runners.append(runner)
        if error is not None:
            history.stopped_by = history.stopped_by or "error"
        errors = self._callbacks.end()
        if error is not None:
            for late in errors:
                error.add_note(f"and then {late!r}, {'; '.join(late.__notes__)}")
        elif errors:
            raise errors[0]
        elif self.checkpointer is not None:
            if history.stopped_by != "interrupt":
                self._save([])
            if self.checkpointer.late_error is not None:
                raise self.checkpointer.late_error

    def _end_epoch(self, weights):
        """Record the epoch's mean loss, its batches weighted by the arrays `weights`, and advance
        the schedule."""
        history = self._history
        losses = np.array(history.batch_loss[self._epoch_start :])
        history.loss += _mean_losses(losses, np.concatenate(weights)[None])
        self._state.schedule_state.end_epoch(history.monitored)
        self._epoch_rng = None

    def _measures(self):
        """The validation loss and the metrics, by their names in the history."""
        net = self.net
        values = {
            name: accuracy(net, samples, rows, self.n_threads)
            for name, samples, rows in self.measured
        }
        if self.validation is not None:
            values["val_loss"] = mean_loss(
                net.loss_function,
                net.network,
                self._state.parameters,
                self.validation,
                self.n_threads,
            )
        return values

    def _note_progress(self):
        self._notified = len(self._history.batch_loss), self._history.n_epochs

    def _run_batches(self, samples, order, done):
        """Make the steps over the samples `order`, of which the first `done` have been made, and
        save the checkpoints that become due between them.

        Returns
        -------
        bool
            Whether all steps have been made. If not, the exception of a signal's handler is
            pending.
        """
        runner = self._runner = self._runner_for(samples)
        n_steps = -(-len(order) // runner.batch)
        rates = self._state.schedule_state.rates(n_steps, done)
        every_step = self.checkpointer is not None and self.checkpointer.every == 0
        while True:
            end = done + 1 if every_step else n_steps
            part = order[done * runner.batch : end * runner.batch]
            runner.rates = rates[done:end]
            if self._callbacks.has_hooks:
                runner.load()  # a callback may have written into the parameters
            copy(runner.snapshot, runner.state)
            losses, made, stopped = runner.run(
                part, self._state.step, self.checkpointer and self.checkpointer.is_due
            )
            self._record(runner, part, losses, made)
            done += made
            if done >= n_steps or stopped:
                return done >= n_steps
            self._save_if_due()

    def _runner_for(self, samples):
        """The step runner, with buffers large enough for `samples`."""
        runner = self._runner
        if runner is not None and (samples is runner.samples or runner.set_samples(samples)):
            return runner
        net = self.net
        state = self._state
        arguments = (
            net.network,
            state.parameters,
            state.optimizer_state,
            samples,
            self.source.batch_size,
            self.step_params,
            self._sizes,
        )
        # A call for one step, such as `partial_fit`, uses the buffers of the one before.
        spare = net.network.spare_runners
        runner = spare.pop() if spare else None
        if runner is None or net.loss_function is not None or not runner.restart(*arguments):
            runner = steps_of(net.loss_function)(*arguments)
        runner.drop(net.dropout, state.dropout_key)
        return runner

    def _record(self, runner, order, losses, made):
        """Add `made` steps over the samples `order` to history and state.

        Raises
        ------
        DivergenceError
            If a loss, a parameter or a value of the optimizer's state is not finite.
        Exception
            The failure of the runner.
        """
        history = self._history
        state = self._state
        finite_losses = bool(np.isfinite(losses[-1:]).all())
        diverged = not (finite_losses and _has_finite_state(runner))
        if diverged:
            made = self._rewind_to_finite(runner, order[: made * runner.batch], made)
            if finite_losses:  # the update of this step overflowed, and no loss shows it
                losses = losses[: made + 1]
        history.batch_loss += losses.tolist()
        history.learning_rate += runner.rates[: len(losses)].tolist() or [
            state.schedule_state.lr
        ] * len(losses)
        runner.store()
        state.step += made
        state.schedule_state.steps += made
        history.n_samples += min(made * runner.batch, len(order))
        if diverged:
            history.stopped_by = "divergence"
            batch = len(history.batch_loss) - self._epoch_start - 1
            raise DivergenceError(history.n_epochs, batch, history)
        if runner.failure is not None:
            history.stopped_by = "error" if isinstance(runner.failure, MemoryError) else "loss"
            raise runner.failure

    def _rewind_to_finite(self, runner, order, made):
        """After an overflow, repeat the steps since the last `store` up to the last one with finite
        parameters and optimizer state. Returns how many these are.

        Equal steps give equal bits, so one copy for many steps is enough. A value that is not
        finite stays so: the last finite step is found by bisection. While the exception of a
        signal's handler is pending, each repetition makes one step, and so does the last.
        """
        state = self._state

        def repeat(n_steps):
            if DeferSignals.pending():
                n_steps = min(n_steps, 1)
            runner.go_back()
            return runner.run(order[: n_steps * runner.batch], state.step)[1] if n_steps else 0

        def overflows(n_steps):
            repeat(n_steps)
            return not _has_finite_state(runner)

        if _has_finite_state(runner):
            return made
        return repeat(bisect_left(range(1, made), True, key=overflows))

    def _save_if_due(self):
        """Save a checkpoint if it is time and the fit continues."""
        if (
            self.checkpointer is not None
            and self._history.stopped_by is None
            and self.checkpointer.is_due()
            and self._is_resumable()
            and self.source.steps_into_epoch(self._history) < self.source.n_steps
        ):
            self._save(self._callbacks.states())

    def _save_interrupted(self):
        """Save a last checkpoint after an interrupt, with a history that has not ended, if the fit
        can be resumed from here."""
        if self.checkpointer is not None and self._is_resumable():
            self._history.stopped_by = None
            try:
                self._save(self._callbacks.states())
            finally:
                self._history.stopped_by = "interrupt"

    def _is_resumable(self):
        """Whether the callbacks have been notified of all steps and epochs, and the end of an epoch
        is left."""
        history = self._history
        if not self._notified or history.n_epochs == self.n_epochs:
            return False
        steps, epochs = self._notified
        notified = history.n_epochs == epochs and (
            not self.source.single or len(history.batch_loss) == steps
        )
        done = self.source.steps_into_epoch(history)
        return (notified or not self._callbacks.has_hooks) and (
            done == 0 or self.source.order is not None
        )

    def _save(self, callback_states):
        assert self.checkpointer is not None  # the callers have checked it
        in_epoch = self.source.steps_into_epoch(self._history) > 0
        self.checkpointer.save(
            self.net,
            callback_states,
            self._epoch_rng or self._state.rng.bit_generator.state,
            self.source.order if in_epoch else None,
        )


def _has_finite_state(runner):
    return all_finite(runner.packed) and all_finite(runner.state)


def _mean_losses(losses, weights):
    """The mean of the losses of each epoch, one epoch after the other.

    weights : ndarray (epochs, steps), or (1, steps) for all epochs
    """
    weights, _ = in_units(weights)
    with np.errstate(all="ignore"):  # whatever the caller has set
        # Sums in order: a BLAS dot product rounds differently on each processor.
        totals = np.cumsum(losses.reshape(-1, weights.shape[1]) * weights, axis=1)[:, -1]
        return (totals / np.cumsum(weights, axis=1)[:, -1]).tolist()


def _deferring_signals(defer):
    """A context that defers the exceptions of signal handlers to its end, if `defer`."""
    return DeferSignals() if defer else nullcontext()
