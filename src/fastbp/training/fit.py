"""The checks and the set-up of a fit: arguments become samples, batches, callbacks and a loop."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

import numpy as np

from ..base.formula_text import counted
from ..base.schedule_state import Schedule
from ..base.tables import is_sparse
from ..base.validation import check_flag, check_number, is_sequence
from ..callbacks import Callback, EarlyStopping
from ..callbacks.progress import Progress
from ..engine import custom_loss
from ..engine.forward import outputs
from ..engine.metrics import is_classifier
from ..engine.parameters import check_trainable
from ..engine.steps import step_params, work_of
from ..history import History, progress_text
from ..optimizers import as_optimizer
from ..runtime.autotune import thread_counts
from .batches import ArrayBatches, StreamBatches, is_stream
from .callback_list import as_callbacks, check_same_callbacks, overrides
from .checked_samples import make_samples, make_validation
from .loop import TrainingLoop
from .validation_split import split

AnyCallback = Callback | Callable[[Any, History], object]


def make_step(optimizer, l2=0.0, l1=0.0, clip_value=None, clip_norm=None):
    """The record of a training step: the update rule's settings, penalties and clipping."""
    settings = {name: check_number(name, x, least=0) for name, x in (("l2", l2), ("l1", l1))}
    for name, limit in (("clip_value", clip_value), ("clip_norm", clip_norm)):
        if limit is not None:
            settings[name] = check_number(name, limit, above=0)
    return step_params(optimizer.rule, **optimizer.step_settings(), **settings)


def new_loop(
    net,
    X,
    y,
    X_val,
    y_val,
    sample_weight,
    optimizer,
    config,
    callbacks,
    progress,
    n_threads,
    checkpointer,
    resumed=None,
):
    """The training loop of a fit, its arguments checked.

    Parameters
    ----------
    net : MLP
    config : FitConfig
    checkpointer : Checkpointer or None
    resumed : FitState, optional
        Where the fit continues.
    X, y, X_val, y_val, sample_weight, optimizer, callbacks, progress, n_threads
        As for `MLP.fit`.

    Returns
    -------
    TrainingLoop
        For `train`, which closes its source.

    Raises
    ------
    ValueError, TypeError, OSError
        Before anything is changed.
    """
    check_flag("progress", progress)
    each = as_callbacks(callbacks)
    if config.patience is not None:
        each.insert(0, EarlyStopping(config.patience, restore=config.restore_best))
    stopping = [callback for callback in each if isinstance(callback, EarlyStopping)]
    for callback in stopping:
        callback._together = stopping
    if progress:
        each.insert(0, Progress(config.epochs))
    optimizer = as_optimizer(optimizer)
    params = make_step(optimizer, config.l2, config.l1, config.clip_value, config.clip_norm)
    source: ArrayBatches | StreamBatches
    measured: list[tuple] = []
    if config.metrics and not is_classifier(net):
        raise ValueError(
            f"metrics={config.metrics} needs a classifier, got output={net.output!r} with "
            f"loss={net.loss_name!r}"
        )
    if y is None and _is_data(X):
        raise TypeError(
            f"y is missing: fit(X, y) takes arrays, and X alone must be an iterable of batches "
            f"(X, y), got a {type(X).__name__}"
        )
    if is_stream(X, y):
        _check_stream(net, X, sample_weight, config, checkpointer)
        if config.metrics and X_val is None:
            raise ValueError(
                f"metrics={config.metrics} of an iterable of batches need X_val, y_val: they are "
                "computed after an epoch, when its batches are gone"
            )
        source = StreamBatches(X, lambda x, y, weight: make_samples(net, x, y, weight, whole=False))
        try:
            validation = make_validation(net, X_val, y_val, source.first)
        except BaseException:
            source.close()
            raise
    else:
        samples = make_samples(net, X, y, sample_weight, class_weight=config.class_weight)
        validation = given = make_validation(net, X_val, y_val, samples)
        rows = None
        if config.validation_split:
            rows, validation = _split(net, samples, config, given)
        batch_size = config.batch_of(samples.n - config.validation_count(samples.n))
        measured.append(("accuracy", samples, rows))
        if net.loss_function is not None:
            check_trainable(net.weights, net.biases)
            first = slice(min(batch_size, custom_loss.CHECKED_ROWS))
            a = outputs(net.network, net.parameters, samples.x.array[first])
            custom_loss.check_derivative(net.loss_function, a, samples.y[first], net.output)
        if resumed is not None:
            check_same_callbacks(each, resumed.callbacks)
        if checkpointer is not None:
            checkpointer.open(net, config, optimizer, samples, given, resumed)
        single = any(overrides(callback, "on_step_end") for callback in each)
        if net.loss_function is None:
            samples = samples.resident()
        source = ArrayBatches(samples, batch_size, config.shuffle, single, rows)
    if validation is not None:
        measured.append(("val_accuracy", validation, None))
    return TrainingLoop(
        net,
        source,
        validation,
        each,
        optimizer,
        params,
        config.epochs,
        n_threads,
        checkpointer,
        resumed,
        measured if config.metrics else (),
    )


def _split(net, samples, config, validation):
    """The rows to train on and the validation set that `validation_split` holds out."""
    n_validation = config.validation_count(samples.n)
    if validation is not None:
        raise ValueError("validation_split and X_val, y_val exclude each other, got both")
    if n_validation == samples.n:
        raise ValueError(
            f"validation_split={config.validation_split} must leave a sample to train on, got "
            f"{samples.n} in all"
        )
    rows, held_out = split(samples, n_validation, net.train_state.dropout_key)
    if samples.weight is not None and not samples.weight[rows].any():
        raise ValueError("sample_weight must not be all zeros in the samples that are trained on")
    return rows, held_out


def _is_data(X):
    """Whether X is samples without targets, text or a mapping, and not an iterable of batches."""
    if isinstance(X, list | tuple):
        row = X[0] if len(X) else None
        return isinstance(row, np.ndarray) or (
            isinstance(row, list | tuple) and len(row) > 0 and np.isscalar(row[0])
        )
    return (
        not (hasattr(X, "__iter__") or is_sequence(X))
        or isinstance(X, str | bytes | Mapping)
        or hasattr(X, "__array__")
        or is_sparse(X)
    )


def _check_stream(net, batches, sample_weight, config, checkpointer):
    """Check that the arguments of a fit go with an iterable of batches."""
    if isinstance(batches, Iterator) and config.epochs > 1:
        raise ValueError(
            f"X must be an iterable that can be read {config.epochs} times, such as a list or an "
            "object with __iter__, got an iterator: epochs=1 reads it once"
        )
    if sample_weight is not None:
        raise ValueError("sample_weight must come with the batches, as (X, y, sample_weight)")
    for name, value in (
        ("class_weight", config.class_weight),
        ("loss", net.loss_function),
        ("checkpoint", checkpointer and checkpointer.path),
        ("validation_split", config.validation_split or None),
    ):
        if value is not None:
            raise ValueError(
                f"{name}={value!r} goes with arrays X and y only, not with an iterable of batches"
            )


def train(loop):
    """Run a training loop on its network, and set the network's state, optimizer and history.

    Returns
    -------
    History

    Raises
    ------
    RuntimeError
        If another fit of the network is running.
    Exception
        See `MLP.fit`.
    """
    net = loop.net
    with closing(loop.source):
        if net.network.training.locked():
            raise RuntimeError(
                "the net is being trained already, by another thread or by the fit whose callback "
                "this is"
            )
        # A second thread that passes the check at the same time waits here. No signal can separate
        # the acquisition of a lock by `with` from its release.
        with net.network.training:
            check_trainable(net.weights, net.biases)
            sizes = thread_counts(loop.n_threads, work_of(net.network, loop.source.batch_size))
            state = net.train_state.prepared(loop.optimizer, net.optimizer_)
            # The state must be that of the optimizer, or the kernels would read beyond its end: one
            # call in C, which no signal's handler can interrupt.
            first = loop.source.first
            vars(net).update(
                train_state=state,
                optimizer_=loop.optimizer,
                class_labels=first.classes,
                feature_names=first.feature_names,
            )
            if loop.resumed is None:
                net.history_ = History(has_validation=loop.validation is not None)
            loop.prepare(sizes)
            try:
                loop.run()
            except BaseException as error:
                loop.end(error)
                raise
            loop.end()
    return net.history_


def warn_after_fit(net):
    """Warn the caller of the calling function, which `suggest_keywords` wraps, if Ctrl-C ended the
    fit, or if its schedule had ended before."""
    history = net.history_
    if history.stopped_by == "interrupt":
        warnings.warn(
            f"fit was interrupted after {progress_text(history)}; the net holds the weights of its "
            "last whole step",
            stacklevel=4,
        )
    if isinstance(net.optimizer_.lr, Schedule):
        n = len(history.learning_rate)
        trained = np.flatnonzero(history.learning_rate)
        at_zero = n - 1 - int(trained[-1]) if len(trained) else n
        began = net.train_state.schedule_state.steps == n  # with 0, as a warm-up may
        # A schedule may reach 0 in its last step.
        if at_zero > 1 or (at_zero == n > 0 and not began):
            warnings.warn(
                f"the schedule {net.optimizer_.lr!r} had ended: the last "
                f"{counted(at_zero, 'step')} had the learning rate 0. Use a larger length, a "
                "minimum above 0 or another schedule; a further fit with an equal schedule "
                "continues it",
                stacklevel=4,
            )
