"""What a fit leaves behind."""

from dataclasses import dataclass, field

from .base.html import history_html


@dataclass
class History:
    """The course of one ``fit``.

    Attributes
    ----------
    loss : list of float
        Mean over each epoch's samples of the loss of their batch, taken before that batch's update;
        penalty included.
    val_loss : list of float
        Loss on the validation set after each epoch, without penalty; empty without a validation
        set.
    batch_loss : list of float
        Loss of every step, before its update, penalty included.
    learning_rate : list of float
        Of every step.
    n_epochs : int
        Whole epochs done.
    n_samples : int
        Samples trained on, counted each time.
    has_validation : bool
        Whether there is a validation set.
    best_epoch : int or None
        Epoch (from 0) of the lowest monitored loss, where `patience` was given.
    stopped_by : str or None
        "epochs" (all done), "patience", "callback", "interrupt" (Ctrl-C, or a SystemExit),
        "divergence", "loss" (a callable that raised) or "error" (of a callback, a schedule, the
        source of the batches, another signal's handler, or too little memory); None while running.
    """

    loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    batch_loss: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    n_samples: int = 0
    has_validation: bool = False
    best_epoch: int | None = None
    stopped_by: str | None = None

    @property
    def n_epochs(self) -> int:
        return len(self.loss)

    @property
    def monitored(self) -> float:
        """The last epoch's validation loss, or its training loss where there is no validation set."""
        return self.val_loss[-1] if self.has_validation else self.loss[-1]

    _repr_html_ = history_html


class DivergenceError(ValueError):
    """The loss of a step, or a weight after it, was NaN or infinite. The net holds its last finite
    weights.

    Attributes
    ----------
    epoch, batch : int
        Where, both from 0.
    history : History
        The course up to there.
    """

    def __init__(self, epoch, batch, history):
        super().__init__(
            f"the loss or a weight is not finite at epoch {epoch}, batch {batch}; the net keeps its last finite weights. "
            "A smaller learning rate, or inputs scaled to about 1, usually helps"
        )
        self.epoch, self.batch, self.history = epoch, batch, history

    def __reduce__(self):
        return type(self), (self.epoch, self.batch, self.history)
