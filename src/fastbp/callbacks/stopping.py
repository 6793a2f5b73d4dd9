"""Stopping when the loss no longer falls."""

import math
from collections.abc import Sequence

import numpy as np

from ..base.strict_json import require_keys
from ..base.validation import check_choice, check_count, check_flag, check_number
from .base import Callback


class EarlyStopping(Callback):
    """Stop when the monitored loss has not fallen for some epochs; ``fit(patience=...)`` is this.

    Sets ``history.best_epoch``, and ``history.stopped_by`` to "patience". A loss that is not finite
    is not lower than any other.

    Each of several in a fit monitors its own loss. ``history.best_epoch`` and the restored weights
    are those of one of them, whatever their order: of those that restore, the one that stopped the
    fit; if none or several did, one that monitors the validation loss, with the smallest
    `min_delta`.

    Parameters
    ----------
    patience : int, default 10
        Stop after this many consecutive epochs without a lower loss, those before the first finite
        one included.
    monitor : "val_loss" or "loss", optional
        By default the validation loss, or the training loss without a validation set.
    min_delta : float, default 0
        A loss counts as lower if it is lower than the lowest by more than this.
    restore : bool, default True
        End with the weights of the best epoch, whatever ended the fit, except Ctrl-C or an error.

    Raises
    ------
    ValueError, TypeError
        For an invalid argument; at the beginning of a fit, if "val_loss" is monitored without a
        validation set.
    """

    # All of the fit, set by it; empty for this one alone.
    _together: "Sequence[EarlyStopping]" = ()
    # State before the first fit.
    _best_epoch = None
    _best = None
    _has_stopped = False
    _is_of_validation = False

    def __init__(
        self,
        patience: int = 10,
        monitor: str | None = None,
        min_delta: float = 0.0,
        restore: bool = True,
    ) -> None:
        self.patience = check_count("patience", patience)
        self.monitor = (
            monitor if monitor is None else check_choice("monitor", monitor, ("val_loss", "loss"))
        )
        self.min_delta = check_number("min_delta", min_delta, least=0)
        self.restore = check_flag("restore", restore)

    def on_fit_begin(self, net, history):
        if self.monitor == "val_loss" and not history.has_validation:
            raise ValueError("monitor='val_loss' needs a validation set: X_val and y_val")
        self._lowest = math.inf
        self._best_epoch = None
        self._best = None
        self._has_stopped = False
        self._is_of_validation = history.has_validation and self.monitor != "loss"

    def on_epoch_end(self, net, history):
        loss = history.monitored if self.monitor is None else getattr(history, self.monitor)[-1]
        margin = self.min_delta if self._lowest < math.inf else 0
        if math.isfinite(loss) and loss < self._lowest - margin:
            self._lowest = loss
            if self.restore:
                self._best = net.parameters.copy()
            self._best_epoch = history.n_epochs - 1
        # without a best epoch as if it were the one before the first
        waited = history.n_epochs - 1 - (-1 if self._best_epoch is None else self._best_epoch)
        if waited >= self.patience:
            self._has_stopped = True
            history.stopped_by = "patience"
        history.best_epoch = self._leading()._best_epoch

    def _leading(self):
        """The one of `_together` that determines the best epoch and the restored weights."""
        return min(
            self._together or [self],
            key=lambda each: (
                each._best_epoch is None,
                not each.restore,
                not each._has_stopped,
                not each._is_of_validation,
                each.min_delta,
            ),
        )

    def checkpoint_state(self):
        return {
            "lowest": self._lowest if self._lowest < math.inf else None,
            "best_epoch": self._best_epoch,
            "best": self._best,
            "monitor": self.monitor,
        }

    def on_fit_resume(self, net, history, state):
        # Older checkpoints lack these two.
        state = {"best_epoch": history.best_epoch, "monitor": self.monitor} | state
        names = ["lowest", "best_epoch", "best", "monitor"]
        require_keys("EarlyStopping's state in the checkpoint", state, names)
        if state["monitor"] != self.monitor:
            raise ValueError(
                f"monitor must be {state['monitor']!r} as in the fit that is resumed, "
                f"got {self.monitor!r}"
            )
        self.on_fit_begin(net, history)
        best = state["best"]
        if best is not None and (
            not isinstance(best, np.ndarray) or best.shape != net.parameters.shape
        ):
            raise ValueError(
                f"the best weights in the checkpoint must be an array of {net.parameters.size} "
                "numbers"
            )
        if state["lowest"] is not None:
            self._lowest = check_number("the lowest loss in the checkpoint", state["lowest"])
        if state["best_epoch"] is not None:
            self._best_epoch = check_count(
                "the best epoch in the checkpoint", state["best_epoch"], 0, history.n_epochs - 1
            )
        self._best = best

    def on_fit_end(self, net, history):
        # The first of `_together` restores the weights of the leading one.
        leading = self._leading()
        if leading._best is not None and history.stopped_by not in (
            "interrupt",
            "divergence",
            "loss",
            "error",
        ):
            net.parameters[:] = leading._best
        for each in self._together or [self]:
            each._best = None

    def __repr__(self):
        return (
            f"EarlyStopping(patience={self.patience}, monitor={self.monitor!r}, "
            f"min_delta={self.min_delta}, restore={self.restore})"
        )
