"""A fit that goes on from its checkpoint, with the same bits as if nothing had happened."""

import os
from collections.abc import Sequence
from typing import Literal

from numpy.typing import ArrayLike

from .fitting import AnyCallback
from .mlp import MLP
from .serialization.checkpoint_format import check_consistency
from .serialization.fingerprints import check_same, fingerprints
from .serialization.save import read
from .training.checkpointer import Checkpointer


def resume(
    path: str | os.PathLike[str],
    X: ArrayLike,
    y: ArrayLike,
    X_val: ArrayLike | None = None,
    y_val: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    callbacks: AnyCallback | Sequence[AnyCallback] = (),
    progress: bool = False,
    n_threads: int | None = None,
    checkpoint_every: float | None = None,
    checkpoint_errors: Literal["warn", "raise"] = "warn",
) -> MLP:
    """Go on with a fit from the checkpoint that ``fit(checkpoint=path)`` has left, and to the same
    path.

    The net ends with the same bits as if the fit had never been interrupted, for any number of
    threads; so do the history and the state of the optimizer. Settings (epochs, batches, penalties,
    patience, class weights) are those of the checkpoint. A fit that had ended is not trained
    further: its net is returned as it was at the end.

    Parameters
    ----------
    path : str or path-like
    X, y, X_val, y_val, sample_weight : array_like
        The same as for the fit, for a checkpoint holds no data. Shapes, dtypes and a sample of the
        values are compared.
    callbacks : Callback, callable, or sequence of them, default ()
        As for the fit: those that have a `checkpoint_state`, such as `EarlyStopping` (that of
        `patience` is there already), take up their state, and must be of the same types in the same
        order; the others begin anew.
    progress, n_threads, checkpoint_every, checkpoint_errors
        See `MLP.fit`; not kept, as they do not change the bits.

    Returns
    -------
    MLP
        Trained to the end; ``history_`` is the course of the whole fit.

    Raises
    ------
    OSError
        If the file cannot be read, or not be written to further on, see `MLP.fit`.
    ValueError
        If it is not a checkpoint or is damaged; if the samples or callbacks are not those of the
        fit; or if another NumPy than the checkpoint's draws other shuffles.
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
    net, moment = read(path, "a checkpoint of a fit")
    keeper = Checkpointer(path, checkpoint_every, checkpoint_errors)
    try:
        if moment is None:
            raise ValueError("it is a saved model, which fastbp.load reads")
        settings, ended = moment.settings, net.history_.stopped_by is not None
        net._numbers(net.optimizer_, *settings.of_update)
        if not ended:
            check_consistency(net, moment)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"path must be a checkpoint of a fit, got {os.fspath(path)!r}: {error}"
        ) from error
    if ended:
        samples = net._samples(X, y, sample_weight, class_weight=settings.class_weight)
        validation = None if X_val is None else net._samples(X_val, y_val, None, "X_val", "y_val")
        check_same(fingerprints(samples, validation), moment.data)
        return net
    net._fit(
        X,
        y,
        X_val,
        y_val,
        sample_weight,
        net.optimizer_,
        settings,
        callbacks,
        progress,
        n_threads,
        keeper,
        moment,
    )
    return net
