"""Stopping when the loss no longer falls."""

import math

import numpy as np

from ..base.strict_json import require_keys
from ..base.validation import check_choice, check_count, check_flag, check_number
from .base import Callback


class EarlyStopping(Callback):
    """Stop when the monitored loss has not fallen for some epochs; ``fit(patience=...)`` is this.

    Sets ``history.best_epoch``, and ``history.stopped_by`` to "patience".

    Parameters
    ----------
    patience : int, default 10
        Stop after this many consecutive epochs without a lower loss.
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
        self._best = None

    def on_epoch_end(self, net, history):
        loss = history.monitored if self.monitor is None else getattr(history, self.monitor)[-1]
        if loss < self._lowest - (self.min_delta if self._lowest < math.inf else 0):
            self._lowest = loss
            if self.restore:
                self._best = net.parameters.copy()
            history.best_epoch = history.n_epochs - 1
        elif (
            history.best_epoch is None or history.n_epochs - 1 - history.best_epoch >= self.patience
        ):
            history.stopped_by = "patience"

    def checkpoint_state(self):
        return {"lowest": self._lowest if self._lowest < math.inf else None, "best": self._best}

    def on_fit_resume(self, net, history, state):
        require_keys("EarlyStopping's state in the checkpoint", state, ["lowest", "best"])
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
        self._best = best

    def on_fit_end(self, net, history):
        if self._best is not None and history.stopped_by not in (
            "interrupt",
            "divergence",
            "error",
        ):
            net.parameters[:] = self._best
        self._best = None

    def __repr__(self):
        return (
            f"EarlyStopping(patience={self.patience}, monitor={self.monitor!r}, "
            f"min_delta={self.min_delta}, restore={self.restore})"
        )
