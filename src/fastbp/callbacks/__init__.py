"""Callbacks: the base class `Callback`, and those that fastbp provides.

A callback observes or stops a fit by the public attributes of the network and its history. Calling
them belongs in `fastbp.training`, drawings in `fastbp.plot`.
"""

from .base import Callback
from .logging import CSVLogger, TensorBoard
from .stopping import EarlyStopping
from .timer import Timer

__all__ = ["CSVLogger", "Callback", "EarlyStopping", "TensorBoard", "Timer"]
