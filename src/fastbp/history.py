"""The history of a fit, and the error that ends one that diverges."""

from dataclasses import dataclass, field

from .base.formula_text import counted
from .base.html import history_html, history_text


@dataclass(repr=False)
class History:
    """Losses, learning rates and counters of one ``fit``.

    Attributes
    ----------
    loss : list of float
        Of each epoch: the mean over its samples of the loss of their batch before its update,
        penalty included.
    val_loss : list of float
        Loss of the validation set after each epoch, without penalty; empty without a validation
        set.
    batch_loss : list of float
        Of each step: the loss of its batch before the update, penalty included.
    learning_rate : list of float
        Of each step.
    accuracy : list of float
        With ``metrics="accuracy"``: the share of the training samples that are classified right,
        after each epoch, without dropout.
    val_accuracy : list of float
        Likewise of the validation set.
    n_epochs : int
        Number of complete epochs.
    n_samples : int
        Number of samples in all steps.
    has_validation : bool
        Whether there is a validation set.
    best_epoch : int or None
        Epoch (from 0) of the lowest monitored loss, with `patience` or `EarlyStopping`.
    stopped_by : str or None
        "epochs" (all were made), "patience", "callback", "interrupt" (Ctrl-C, or a SystemExit),
        "divergence", "loss" (a callable as loss raised) or "error" (of a callback, a schedule, the
        source of batches, the handler of another signal, or too little memory); None during a fit.
    """

    loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    batch_loss: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)
    n_samples: int = 0
    has_validation: bool = False
    best_epoch: int | None = None
    stopped_by: str | None = None

    @property
    def n_epochs(self) -> int:
        """Completed epochs."""
        return len(self.loss)

    @property
    def monitored(self) -> float:
        """The last epoch's validation loss, or its training loss without a validation set."""
        return self.val_loss[-1] if self.has_validation else self.loss[-1]

    def __repr__(self):
        return f"<History: {history_text(self)}>"

    _repr_html_ = history_html


def progress_text(history):
    """The epochs and steps that a fit has made, for messages."""
    epochs = counted(history.n_epochs, "epoch")
    return f"{epochs} and {counted(len(history.batch_loss), 'step')}"


class DivergenceError(ValueError):
    """The loss of a step, or a weight or a value of the optimizer's state after it, was NaN or
    infinite. The net has the weights and the state after the last finite step.

    Attributes
    ----------
    epoch, batch : int
        Of the step, from 0.
    history : History
        Up to this step.
    """

    def __init__(self, epoch, batch, history):
        super().__init__(
            f"the loss, a weight or the optimizer's state is not finite at epoch {epoch}, "
            f"batch {batch}; the net keeps its last finite weights. A smaller learning rate, or "
            "inputs and targets scaled to about 1, usually helps"
        )
        self.epoch = epoch
        self.batch = batch
        self.history = history

    def __reduce__(self):
        return type(self), (self.epoch, self.batch, self.history)
