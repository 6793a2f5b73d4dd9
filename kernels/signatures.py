"""The entry points: the compiled functions that Python calls, and their parameters.

Each is a C function ``int64 fastbp_NAME(int64 *words)``. The words are, in this order:

1. the size of a Python object's header,
2. for each array the address of the NumPy array object, from which the function reads where the
   data begins and the shape, as C extensions do (``PyArrayObject``, a part of NumPy's C ABI),
3. the numbers: int64, the bits of a float64, or a flag.

python_call.py makes the words of a call's arguments. An array's address and shape therefore always
belong together, and an array costs no time.

Entry points are compiled and loaded in units: those that a program is likely to need together.
"""

from typing import NamedTuple

import numpy as np

from . import abi

# Kinds of arrays: of the network's dtype, or of this one.
NETWORK = "network's dtype"
DTYPES = {"f8": np.float64, "i8": np.int64, "LAYER": abi.LAYER, "JOB": abi.JOB, "STEP": abi.STEP}


class Parameter(NamedTuple):
    name: str
    kind: str
    ndim: int  # 1 for an array that is read as a flat one, 2; 0 for a number


class Signature:
    """What an entry point takes and returns: arrays, then numbers.

    Parameters
    ----------
    unit, name : str
    arrays : str
        A word for each: ``name`` for a flat array of the network's dtype, ``name[,]`` for one of
        two dimensions, ``name:kind`` for one of DTYPES.
    numbers : str
        ``name`` for an int64, ``name:f8`` for a float64, or ``name:flag``.
    returns_double : bool, default False
        Whether it returns a float64; an int64 otherwise.

    Attributes
    ----------
    dtypes : tuple of str
        Of networks, or "any" where there is no array of the network's dtype.
    """

    def __init__(self, unit, name, arrays, numbers="", returns_double=False):
        self.unit = unit
        self.name = name
        self.arrays = list(_parameters(arrays, 1))
        self.numbers = list(_parameters(numbers, 0))
        self.returns_double = returns_double
        is_typed = any(each.kind == NETWORK for each in self.arrays)
        self.dtypes = ("float32", "float64") if is_typed else ("any",)


def _parameters(text, ndim):
    for word in text.split():
        name, _, kind = word.partition(":")
        default = NETWORK if ndim else "i8"
        two = name.endswith("[,]")
        yield Parameter(name.removesuffix("[,]"), kind or default, 2 if two else ndim)


_ALL = (
    # Networks
    Signature(
        "network",
        "train",
        "params state gradient work sums:f8 losses:f8 layers:LAYER jobs:JOB source targets "
        "labels:i8 sample_weight order:i8 steps:STEP rates:f8 progress:i8",
        "address n_threads",
    ),
    Signature(
        "network",
        "infer",
        "params packed works[,] out losses:f8 layers:LAYER jobs:JOB source targets labels:i8 "
        "sample_weight order:i8",
        "packs:flag total:f8 address n_threads",
    ),
    Signature(
        "network",
        "repack",
        "packed flat layers:LAYER",
        "slots size packed_size unpacks:flag address n_threads",
    ),
    Signature("network", "all_finite", "array parts:f8", "address n_threads"),
    Signature("network", "copy", "to source", "address n_threads"),
    # Threads, and checks of labels
    Signature("threads", "worker_loop", "", "address worker"),
    Signature("threads", "wait_for_workers", "", "address workers max_yields"),
    Signature("threads", "spin", "", "turns"),
    Signature("threads", "first_outside", "labels:i8", "k"),
    # Single layers and losses, of fastbp.functional
    Signature(
        "layer",
        "dense_forward",
        "out x W b work",
        "n n_in n_out activation address n_threads",
    ),
    Signature(
        "layer",
        "dense_backward",
        "dW db below delta x W work",
        "n n_in n_out activation address n_threads",
    ),
    Signature(
        "layer",
        "output_delta",
        "delta a z targets labels:i8 work",
        "n k output loss has_labels:flag share:f8 has_a:flag",
        returns_double=True,
    ),
    # Element by element, of fastbp.functional
    Signature("elementwise", "apply", "out z", "activation address n_threads"),
    Signature("elementwise", "apply_slope", "out a", "activation address n_threads"),
    Signature("elementwise", "through_mask", "delta x mask", "activation"),
    Signature("elementwise", "softmax", "out z", "n logarithm:flag address n_threads"),
    Signature("elementwise", "sgd", "param grad", "rate:f8 l2:f8"),
    Signature(
        "elementwise",
        "momentum",
        "param velocity grad",
        "rate:f8 mu:f8 nesterov:flag l2:f8",
    ),
    Signature(
        "elementwise",
        "adam",
        "param first second grad",
        "lr:f8 beta_1:f8 beta_2:f8 epsilon:f8 count l2:f8",
    ),
)
SIGNATURES = {each.name: each for each in _ALL}
UNITS: dict[str, list[Signature]] = {}
for _each in _ALL:
    UNITS.setdefault(_each.unit, []).append(_each)
