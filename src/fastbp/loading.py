"""Networks from files: `load` reads a saved model, `resume` continues the fit of a checkpoint."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from .base.close_match import suggest_keywords
from .mlp import MLP
from .serialization.checkpoint_format import check_consistency
from .serialization.fingerprints import check_same, fingerprints
from .serialization.save import from_bytes, read_file
from .training.checked_samples import make_samples, make_validation
from .training.checkpointer import Checkpointer
from .training.fit import (
    AnyCallback,
    new_loop,
    train,
    warn_after_fit,
)


def load(path: str | bytes | os.PathLike) -> MLP:
    """The network that `MLP.save` has written to a file: weights, optimizer and its state, the
    state of the generator, history.

    Training it further gives the same bits as training the saved network. Everything is checked
    before the network is made, and no code in the file is run: the format has no pickles and no
    paths. Of a checkpoint this is the network at that moment, its history's `stopped_by` None if
    the fit had not ended; `fastbp.resume` continues the fit itself.

    Parameters
    ----------
    path : str, bytes or path-like

    Returns
    -------
    MLP

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not such a file, is damaged, or was written by a newer version of fastbp in a
        format of its own.
    """
    return read_file(path, "a model saved by fastbp", lambda content: _network(from_bytes(content)))


def _network(saved):
    """The network of a `SavedModel`."""
    net = MLP(**saved.arguments, init=lambda rng, shape: np.zeros(shape))
    net.parameters[:] = saved.state.parameters
    vars(net).update(
        train_state=replace(saved.state, parameters=net.parameters),
        optimizer_=saved.optimizer,
        history_=saved.history,
        preprocessing_=saved.preprocessing,
        class_labels=saved.classes,
        feature_names=saved.feature_names,
    )
    return net


def _checkpointed(content):
    """The network and the `FitState` of a checkpoint; its settings agree with its history."""
    saved = from_bytes(content)
    net = _network(saved)
    fit_state = saved.fit_state
    if fit_state is None:
        raise ValueError("it is a saved model, which fastbp.load reads")
    if saved.history.stopped_by is None:
        check_consistency(fit_state, saved.history, saved.state)
    return net, fit_state


@suggest_keywords
def resume(
    path: str | bytes | os.PathLike,
    X: ArrayLike,
    y: ArrayLike,
    X_val: ArrayLike | None = None,
    y_val: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    callbacks: AnyCallback | Sequence[AnyCallback] = (),
    progress: bool | np.bool_ = False,
    n_threads: SupportsIndex | None = None,
    checkpoint_every: SupportsFloat | None = None,
    checkpoint_errors: Literal["warn", "raise"] = "warn",
) -> MLP:
    """Continue a fit from the checkpoint that ``fit(checkpoint=path)`` has written, with further
    checkpoints in the same file.

    The network ends with the same bits as if the fit had never been interrupted, for any number of
    threads, and so do the history and the optimizer's state. Settings (epochs, batches, penalties,
    patience, class weights) are those of the checkpoint. A fit that had ended is not trained
    further: its network is returned as at the end.

    Parameters
    ----------
    path : str, bytes or path-like
    X, y, X_val, y_val, sample_weight : array_like
        The same as for the fit: a checkpoint holds no data. Shapes, dtypes and a part of the values
        are compared.
    callbacks : Callback, callable, or sequence of them, default ()
        As for the fit. Those with a `checkpoint_state`, such as `EarlyStopping` (that of `patience`
        is added), continue from their state, and must be of the same types in the same order;
        others restart.
    progress, n_threads, checkpoint_every, checkpoint_errors
        See `MLP.fit`. A checkpoint does not hold them: they do not change the bits.

    Returns
    -------
    MLP
        Trained to the end; ``history_`` is that of the whole fit.

    Raises
    ------
    OSError
        If the file cannot be read, or not be written further, see `MLP.fit`.
    ValueError
        If it is not a checkpoint or is damaged; if the samples or callbacks are not those of the
        fit; or if this version of NumPy draws other shuffles than that of the checkpoint.
    TypeError, DivergenceError
        As for `MLP.fit`.

    Warns
    -----
    UserWarning
        As `MLP.fit` does.

    Examples
    --------
    >>> import os, fastbp
    >>> def train(path, X, y):  # a job that may be killed and started again
    ...     if os.path.exists(path):
    ...         return fastbp.resume(path, X, y)
    ...     net = fastbp.MLP([64, 100, 10])
    ...     net.fit(X, y, epochs=1000, checkpoint=path)
    ...     return net
    """
    net, fit_state = read_file(path, "a checkpoint of a fit", _checkpointed)
    checkpointer = Checkpointer(path, checkpoint_every, checkpoint_errors)
    config = fit_state.config
    if net.history_.stopped_by is not None:
        samples = make_samples(net, X, y, sample_weight, class_weight=config.class_weight)
        validation = make_validation(net, X_val, y_val, samples)
        check_same(fingerprints(samples, validation), fit_state.data)
        return net
    loop = new_loop(
        net,
        X,
        y,
        X_val,
        y_val,
        sample_weight,
        net.optimizer_,
        config,
        callbacks,
        progress,
        n_threads,
        checkpointer,
        fit_state,
    )
    train(loop)
    warn_after_fit(net)
    return net
