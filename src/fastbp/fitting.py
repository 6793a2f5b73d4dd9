"""Training a model: what `fit` and its kin take, checked, and handed to the course of the fit."""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Literal

from numpy.typing import ArrayLike

from .base.fit_config import FitConfig
from .base.schedule_state import ScheduleState
from .base.validation import check_flag, check_inputs, check_number, check_targets, check_weight
from .callbacks import Callback, EarlyStopping
from .callbacks.progress import Progress
from .engine import custom_loss
from .engine.samples import Samples
from .engine.steps import work_of
from .history import History
from .inference import Inference
from .kernels import update
from .kernels.plan import new_state
from .optimizers import SGD, Optimizer
from .runtime.autotune import team_sizes
from .training.batches import Arrays, Stream, is_stream
from .training.callback_list import as_callbacks, check_same_callbacks, overrides
from .training.checkpointer import Checkpointer
from .training.class_weight import weigh_classes
from .training.loop import TrainingLoop

AnyCallback = Callback | Callable[[Any, History], object]


class Fitting(Inference):
    """The training methods of `MLP`."""

    _steps_done: int
    _position: ScheduleState
    optimizer_: Optimizer | None
    history_: History | None

    def fit(
        self,
        X: ArrayLike | Iterable[Sequence[ArrayLike]],
        y: ArrayLike | None = None,
        epochs: int = 300,
        batch_size: int | None = 25,
        optimizer: Optimizer = SGD(0.1),  # noqa: B008 - a frozen value
        l2: float = 0.0,
        l1: float = 0.0,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        shuffle: bool = True,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        patience: int | None = None,
        restore_best: bool = True,
        sample_weight: ArrayLike | None = None,
        callbacks: AnyCallback | Sequence[AnyCallback] = (),
        progress: bool = False,
        n_threads: int | None = None,
        class_weight: Mapping[int, float] | Literal["balanced"] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: float | None = None,
        checkpoint_errors: Literal["warn", "raise"] = "warn",
    ) -> History:
        """Train by minibatch descent, going on from the present weights and optimizer state.

        Parameters
        ----------
        X : array_like (n_samples, n_in)
            Any real dtype and memory layout; converted a batch at a time, never copied whole. Or,
            without y, an iterable of batches (X, y) or (X, y, sample_weight), read once an epoch by
            a thread of its own, one batch ahead of the training; `batch_size`, `shuffle` and
            `sample_weight` are then the iterable's business.
        y : array_like
            Integer labels (n_samples,), one-hot or probabilities (n_samples, n_out), 0 or 1
            (n_samples,) for one sigmoid output, real (n_samples,) or (n_samples, n_out) for
            regression, none below 0 for "poisson".
        epochs : int, default 300
            Passes over the samples, at most.
        batch_size : int or None, default 25
            Samples a step; the last batch of an epoch may be smaller. None takes all samples at
            once.
        optimizer : SGD, Adam, AdamW, Nadam, RMSprop or Adagrad, default SGD(0.1)
            Its state is kept in the net from one fit to the next, until an optimizer of another
            kind is given.
        l2 : float, default 0
            Penalty 1/2 l2 sum(W**2), weights only, part of the loss and of its gradient.
        l1 : float, default 0
            Penalty l1 sum(abs(W)), likewise; its derivative at a weight of 0 is taken as 0.
        clip_value : float, optional
            Positive. Derivatives are cut to [-clip_value, clip_value], penalties included.
        clip_norm : float, optional
            Positive. After that, a gradient whose norm over all weights and biases is larger is
            scaled down to it: times clip_norm / (norm + 1e-6), as PyTorch's ``clip_grad_norm_``.
            Costs a pass over the gradient.
        shuffle : bool, default True
            A new random order each epoch.
        X_val, y_val : array_like, optional
            Validation set, its loss taken after each epoch.
        patience : int, optional
            Stop after this many epochs in a row without a lower validation loss (training loss if
            there is no such set): a `callbacks.EarlyStopping`, which has more settings.
        restore_best : bool, default True
            With patience, end with the weights of the best epoch.
        sample_weight : array_like (n_samples,), optional
            Not negative. Means become weighted means: a batch's loss is sum(w * loss) / sum(w) over
            its own samples, its gradient exactly that one's; an epoch's loss weighs its batches by
            their sum(w).
        callbacks : Callback, callable, or sequence of them, default ()
            See `fastbp.callbacks`; a callable is called as ``callback(net, history)`` after every
            epoch, and True stops.
        progress : bool, default False
            Show a progress bar (on standard error; in a log file, lines) with loss, validation loss
            and samples a second.
        n_threads : int, optional
            Threads, at most one a CPU; by default as many as pay. The result has the same bits for
            any number.
        class_weight : "balanced" or mapping {label: weight}, optional
            For one class a sample: each sample's weight is multiplied by its class's. "balanced"
            gives every class that is there the same total weight, n / (k n_c) a sample; labels that
            a mapping leaves out weigh 1. Of the training samples only: the validation loss is
            unweighted.
        checkpoint : str or path-like, optional
            File to put the fit into while it runs, and at its end; `fastbp.resume` goes on from
            there, to the same bits. With arrays X and y only. A file that is there already must be
            the checkpoint of a fit that has ended, which is replaced.
        checkpoint_every : float, optional
            Seconds between two checkpoints, 0 for one after every step. By default 60, or more
            where it takes so long to write one that it would cost more than a hundredth of the
            time.
        checkpoint_errors : "warn" or "raise", default "warn"
            Where one cannot be written (the disk full, the folder gone), go on with a warning, or
            stop with the error. The last good one stands either way.

        Returns
        -------
        History
            Also kept as ``history_``.

        Raises
        ------
        ValueError, TypeError
            For bad input, before anything is changed.
        DivergenceError
            A ValueError: a loss was NaN or infinite. The net keeps its last finite weights.
        Exception
            What a callable as loss raises, with a note of where. The net keeps the weights of the
            last whole step.
        OSError
            If `checkpoint` cannot be written: at the beginning, or also later with
            ``checkpoint_errors="raise"``.
        RuntimeError
            If the net is being trained already, by another thread or by the fit whose callback
            makes the call.
        MemoryError
            If there is too little for the buffers, before a weight is changed; or for samples that
            are converted on the way, after a whole step.

        Warns
        -----
        UserWarning
            On Ctrl-C, which stops within one step and leaves a usable net and history. If a
            checkpoint cannot be written.

        Notes
        -----
        What the handler of another signal raises (SIGTERM, SIGHUP, SIGALRM, SIGUSR1, SIGUSR2) stops
        a fit like Ctrl-C and then comes out of it: ``signal.signal(signal.SIGTERM, lambda *_:
        sys.exit())`` for a last checkpoint where a job is ended.
        """
        settings = FitConfig(
            epochs,
            batch_size,
            l2,
            l1,
            clip_value,
            clip_norm,
            shuffle,
            patience,
            restore_best,
            class_weight,
        )
        keeper = (
            None
            if checkpoint is None
            else Checkpointer(checkpoint, checkpoint_every, checkpoint_errors)
        )
        if keeper is None and checkpoint_every is not None:
            raise ValueError(
                f"checkpoint_every={checkpoint_every!r} needs checkpoint, the path of a file"
            )
        return self._fit(
            X,
            y,
            X_val,
            y_val,
            sample_weight,
            optimizer,
            settings,
            callbacks,
            progress,
            n_threads,
            keeper,
        )

    def _fit(
        self,
        X,
        y,
        X_val,
        y_val,
        sample_weight,
        optimizer,
        settings,
        callbacks,
        progress,
        n_threads,
        keeper,
        resumed=None,
    ):
        """`fit`, or from the moment `resumed` on what is left of it."""
        if (X_val is None) != (y_val is None):
            raise ValueError(
                f"X_val and y_val go together, got only {'X_val' if y_val is None else 'y_val'}"
            )
        validation = None if X_val is None else self._samples(X_val, y_val, None, "X_val", "y_val")
        epochs, class_weight = settings.epochs, settings.class_weight
        check_flag("progress", progress)
        each = as_callbacks(callbacks)
        if settings.patience is not None:
            each.insert(0, EarlyStopping(settings.patience, restore=settings.restore_best))
        if progress:
            each.insert(0, Progress(epochs))
        numbers = self._numbers(optimizer, *settings.of_update)
        if is_stream(X, y):
            if isinstance(X, Iterator) and epochs > 1:
                raise ValueError(
                    f"X must be an iterable that can be read {epochs} times, got an iterator: epochs=1 reads it once"
                )
            if sample_weight is not None:
                raise ValueError(
                    "sample_weight must come with the batches, as (X, y, sample_weight)"
                )
            path = keeper and keeper.path
            for name, given in (
                ("class_weight", class_weight),
                ("loss", self.loss_function),
                ("checkpoint", path),
            ):
                if given is not None:
                    raise ValueError(
                        f"{name}={given!r} goes with arrays X and y only, not with an iterable of batches"
                    )
            feed: Arrays | Stream = Stream(X, self._samples)
        else:
            samples = self._samples(X, y, sample_weight, class_weight=class_weight)
            batch = settings.batch(samples.n)
            if self.loss_function is not None:
                rows = min(batch, custom_loss.CHECKED_ROWS)
                custom_loss.check_function(
                    self.loss_function,
                    self._outputs(samples.x.array[:rows]),
                    samples.y[:rows],
                    self.output,
                )
            if resumed is not None:
                check_same_callbacks(each, resumed.callbacks)
            if keeper is not None:
                keeper.begin(self, settings, optimizer, samples, validation, resumed)
            single = any(overrides(callback, "on_step_end") for callback in each)
            feed = Arrays(samples, batch, settings.shuffle, single)
        history = self._train(
            feed, validation, each, optimizer, numbers, epochs, n_threads, keeper, resumed
        )
        if history.stopped_by == "interrupt":
            where = f"after {history.n_epochs} epochs and {len(history.batch_loss)} steps"
            warnings.warn(
                f"fit was interrupted {where}; the net holds the weights of its last whole step",
                stacklevel=3,
            )
        return history

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        optimizer: Optimizer = SGD(0.1),  # noqa: B008 - a frozen value
        l2: float = 0.0,
        l1: float = 0.0,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        sample_weight: ArrayLike | None = None,
        n_threads: int | None = None,
    ) -> float:
        """Make one step with these samples as its batch: for streams, and for training loops of
        your own.

        The step is the one that ``fit`` would make: each call is an epoch of one step, for
        schedules and for `history_` too.

        Parameters
        ----------
        X, y, optimizer, l2, l1, clip_value, clip_norm, sample_weight, n_threads
            As for ``fit``.

        Returns
        -------
        float
            The batch's loss before the step, penalty included.

        Raises
        ------
        ValueError, TypeError, DivergenceError, RuntimeError, MemoryError
            As for ``fit``.
        KeyboardInterrupt
            On Ctrl-C, after the step.
        """
        samples, numbers = (
            self._samples(X, y, sample_weight),
            self._numbers(optimizer, l2, l1, clip_value, clip_norm),
        )
        feed = Arrays(samples, samples.n, shuffle=False, single=False)
        history = self._train(feed, None, [], optimizer, numbers, 1, n_threads)
        if history.stopped_by == "interrupt":
            raise KeyboardInterrupt
        return history.batch_loss[0]

    def _numbers(self, optimizer, l2, l1, clip_value, clip_norm):
        """What the update kernel reads."""
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"optimizer must be a fastbp.SGD, Adam, AdamW, Nadam, RMSprop or Adagrad, got {optimizer!r}"
            )
        numbers = optimizer.numbers()
        numbers[update.L2] = check_number("l2", l2, least=0)
        numbers[update.L1] = check_number("l1", l1, least=0)
        if clip_value is not None:
            numbers[update.CLIP] = check_number("clip_value", clip_value, above=0)
        if clip_norm is not None:
            numbers[update.MAX_NORM] = check_number("clip_norm", clip_norm, above=0)
        return numbers

    def _train(
        self,
        feed,
        validation,
        callbacks,
        optimizer,
        numbers,
        epochs,
        n_threads,
        keeper=None,
        resumed=None,
    ):
        # Two threads that come here between the same two lines take turns. The lock is taken by a
        # ``with``, which no signal can part from its release.
        with closing(feed):
            if self._network.training.locked():
                raise RuntimeError(
                    "the net is being trained already, by another thread or by the fit whose callback this is"
                )
            with self._network.training:
                sizes = team_sizes(n_threads, work_of(self._network, feed.batch))
                self._prepare(optimizer)
                if resumed is None:
                    self.history_ = History(has_validation=validation is not None)
                history = self.history_
                course = TrainingLoop(
                    self, feed, validation, history, callbacks, n_threads, keeper, resumed
                )
                course.run(sizes, numbers, epochs)
        return history

    def _prepare(self, optimizer):
        """Make the optimizer's state, and the place in its schedule, unless the last fit left them:
        both or, where there is no memory for it, neither."""
        last, state, steps, position = (
            self.optimizer_,
            self._state,
            self._steps_done,
            self._position,
        )
        if last is None or (type(last), last.rule) != (type(optimizer), optimizer.rule):
            slots = update.SLOTS[optimizer.rule]
            state, steps, position = (
                new_state(slots, self._parameters.size, self.dtype),
                0,
                ScheduleState(optimizer.lr),
            )
        elif position.lr != optimizer.lr:
            position = ScheduleState(optimizer.lr)
        # In one go, as a state that is not the optimizer's would be read beyond its end: no signal
        # is heard within the line.
        self.optimizer_, self._state, self._steps_done, self._position = (
            optimizer,
            state,
            steps,
            position,
        )

    def _samples(self, X, y, sample_weight, x_name="X", y_name="y", class_weight=None):
        X = check_inputs(x_name, X, self.widths[0], self.dtype)
        if len(X) == 0:
            raise ValueError(f"{x_name} must have at least one row, got shape {X.shape}")
        n_out = self.widths[-1]
        if self.loss_function is not None:
            for name, weight in (("sample_weight", sample_weight), ("class_weight", class_weight)):
                if weight is not None:
                    raise ValueError(
                        f"{name} cannot be used with a callable as loss, which makes one number of all samples"
                    )
            return custom_loss.CustomSamples(X, y_name, y, n_out, self.dtype)
        targets, labels = check_targets(y_name, y, len(X), n_out, self.loss_name, self.dtype)
        weight = check_weight(sample_weight, len(X), self.dtype)
        if class_weight is not None:
            weight = weigh_classes(class_weight, labels, targets, weight, max(2, n_out), self.dtype)
        return Samples(X, targets, labels, weight, self.dtype)
