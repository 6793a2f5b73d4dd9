"""The training loop: epochs, validation, callbacks and checkpoints around the compiled steps."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np

from ..callbacks import Callback
from ..engine.custom_loss import mean_loss, steps_of
from ..engine.metrics import accuracy
from ..engine.samples import Samples
from ..engine.steps import StepRunner
from ..history import DivergenceError
from ..optimizers import Optimizer
from ..runtime.signals import DeferSignals
from ..serialization.checkpoint_format import FitState
from .callback_list import CallbackList
from .checkpointer import Checkpointer


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
        # Copies of parameters and optimizer state before the steps that are being made.
        self._snapshot: tuple = ()
        # Length of the history's `batch_loss` at the beginning of the present epoch.
        self._epoch_start = 0
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
        single = self.source.single
        done = 0  # steps that the epoch made before the fit was resumed
        try:
            self._callbacks.begin(self.resumed and self.resumed.callbacks)
            if self.resumed is not None:
                done = self.source.steps_into_epoch(history)
                rng.bit_generator.state = self.resumed.generator
            self._note_progress()
            # Before the generator draws an order: a lack of memory leaves it unchanged.
            self._runner = self._runner_for(self.source.first)
            while history.stopped_by is None:
                self._epoch_start = len(history.batch_loss) - done
                if self.checkpointer is not None:
                    self._epoch_rng = rng.bit_generator.state
                weights = []
                # What belongs together is done without interruption: a whole epoch, or the steps
                # on one batch if callbacks and the source of batches may take long between them.
                with _deferring_signals(not single):
                    for samples, order in self.source.epoch(rng):
                        weights.append(samples.weights_of_batches(order, self.source.batch_size))
                        skipped = min(done, len(weights[-1]))
                        done -= skipped
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
                        with _deferring_signals(single):
                            self._end_epoch(np.concatenate(weights))
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

    def end(self, error=None):
        """Notify the callbacks of the end of the fit, which the exception `error` ended if given,
        and save the last checkpoint."""
        history = self._history
        if error is not None:
            history.stopped_by = history.stopped_by or "error"
        errors = self._callbacks.end()
        if error is not None:
            for late in errors:
                error.add_note(f"and then {late!r}, {'; '.join(late.__notes__)}")
        elif errors:
            raise errors[0]
        elif self.checkpointer is not None and history.stopped_by != "interrupt":
            self._save([])

    def _end_epoch(self, weights):
        """Record the epoch's validation loss and its mean loss, its batches weighted by `weights`,
        and advance the schedule."""
        net = self.net
        history = self._history
        if self.validation is not None:
            history.val_loss.append(
                mean_loss(
                    net.loss_function,
                    net.network,
                    self._state.parameters,
                    self.validation,
                    self.n_threads,
                )
            )
        for name, samples, rows in self.measured:
            getattr(history, name).append(accuracy(net, samples, rows, self.n_threads))
        losses = np.array(history.batch_loss[self._epoch_start :])
        history.loss.append(float(np.dot(losses, weights) / weights.sum()))
        self._state.schedule_state.end_epoch(history.monitored)
        self._epoch_rng = None

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
            self._snapshot[0][:] = self._state.parameters
            self._snapshot[1][:] = self._state.optimizer_state
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
        runner = steps_of(net.loss_function)(
            net.network,
            state.parameters,
            state.optimizer_state,
            samples,
            self.source.batch_size,
            self.step_params,
            self._sizes,
        )
        runner.drop(net.dropout, state.dropout_key)
        self._snapshot = np.empty_like(state.parameters), np.empty_like(state.optimizer_state)
        return runner

    def _record(self, runner, order, losses, made):
        """Add `made` steps over the samples `order` to history and state.

        Raises
        ------
        DivergenceError
            If a loss or a parameter is not finite.
        Exception
            The failure of the runner.
        """
        history = self._history
        state = self._state
        history.batch_loss += losses.tolist()
        history.learning_rate += runner.rates[: len(losses)].tolist() or [
            state.schedule_state.lr
        ] * len(losses)
        # The last update may have overflowed, which none of the losses shows.
        diverged = not (_is_finite(losses[-1:]) and _is_finite(state.parameters))
        if diverged:
            made = self._rewind_to_finite(runner, order[: made * runner.batch], made)
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
        """After an overflow, repeat the steps since the snapshot up to the last one with finite
        parameters and optimizer state. Returns how many these are.

        Equal steps give equal bits, so one copy for many steps is enough. A value that is not
        finite stays so: the last finite step is found by bisection. While the exception of a
        signal's handler is pending, each repetition makes one step, and so does the last.
        """
        state = self._state

        def repeat(n_steps):
            if DeferSignals.pending():
                n_steps = min(n_steps, 1)
            state.parameters[:], state.optimizer_state[:] = self._snapshot
            return runner.run(order[: n_steps * runner.batch], state.step)[1] if n_steps else 0

        def overflows(n_steps):
            repeat(n_steps)
            return not (_is_finite(state.parameters) and _is_finite(state.optimizer_state))

        if _is_finite(state.parameters) and _is_finite(state.optimizer_state):
            return made
        return repeat(bisect_left(range(1, made), True, key=overflows))

    def _save_if_due(self):
        """Save a checkpoint if it is time and the fit goes on."""
        if (
            self.checkpointer is not None
            and self._history.stopped_by is None
            and self.checkpointer.is_due()
            and self._is_resumable()
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
        """Whether the callbacks have been notified of all steps and epochs, and steps are left."""
        history = self._history
        if not self._notified or history.n_epochs == self.n_epochs:
            return False
        steps, epochs = self._notified
        notified = history.n_epochs == epochs and (
            not self.source.single or len(history.batch_loss) == steps
        )
        done = self.source.steps_into_epoch(history)
        return (notified or not self._callbacks.has_hooks) and (
            done == 0 or (done < self.source.n_steps and self.source.order is not None)
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


def _deferring_signals(defer):
    """A context that defers the exceptions of signal handlers to its end, if `defer`."""
    return DeferSignals() if defer else nullcontext()


def _is_finite(array):
    """Whether all values are finite, without a temporary array of the same size."""
    return array.size == 0 or (math.isfinite(array.min()) and math.isfinite(array.max()))
