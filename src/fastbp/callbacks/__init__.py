"""What may be called in the course of a fit: the protocol, `Callback`, and ready ones."""

from .base import Callback
from .logging import CSVLogger, TensorBoard
from .stopping import EarlyStopping
from .timer import Timer

__all__ = ["CSVLogger", "Callback", "EarlyStopping", "TensorBoard", "Timer"]
