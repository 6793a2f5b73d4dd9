"""fastbp: dense multi-layer networks trained by back-propagation on CPUs, from NumPy arrays, by
compiled kernels."""

from importlib import import_module as _import_module

from . import callbacks, graph, schedules
from ._version import __version__ as __version__
from .gradcheck import GradientCheck, check_gradients
from .history import DivergenceError, History
from .importers.keras import from_keras
from .importers.sklearn import from_sklearn
from .importers.torch import from_torch
from .loading import load, resume
from .lr_finder import RangeTest, lr_find
from .mlp import MLP
from .optimizers import SGD, Adagrad, Adam, AdamW, Lion, Nadam, RMSprop
from .patching import load_ipython_extension as load_ipython_extension
from .patching import patch_sklearn, unpatch_sklearn
from .patching import unload_ipython_extension as unload_ipython_extension
from .warmup import warmup

__all__ = [
    "MLP",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "DivergenceError",
    "GradientCheck",
    "History",
    "Lion",
    "Nadam",
    "RMSprop",
    "RangeTest",
    "callbacks",
    "check_gradients",
    "from_keras",
    "from_sklearn",
    "from_torch",
    "functional",
    "graph",
    "load",
    "lr_find",
    "patch_sklearn",
    "plot",
    "resume",
    "schedules",
    "unpatch_sklearn",
    "warmup",
]


def __getattr__(name):
    """Import `fastbp.functional` and `fastbp.plot` on first use: importing fastbp stays short."""
    if name in ("functional", "plot"):
        return _import_module(f"fastbp.{name}")
    raise AttributeError(f"module 'fastbp' has no attribute {name!r}")
