"""The entry points as Python functions, loaded on first use.

Nothing is checked: arrays must be C-contiguous and aligned, of the dtypes and in the order that
signatures.py says. A build with FASTBP_BOUNDSCHECK=1 checks that too.
"""

import ctypes

import numpy as np

from . import abi
from .loader import load
from .python_call import FLOAT32, FLOAT64, new_builtin, new_table
from .signatures import DTYPES, NETWORK, SIGNATURES, UNITS


def load_units(dtype):
    """Load all units for networks of a dtype."""
    for signatures in UNITS.values():
        first = signatures[0]
        _entries[first.name].load_dtype(dtype if dtype in first.dtypes else "any")


class Entry:
    """An entry point, to be called with its arrays, then its numbers.

    Attributes
    ----------
    signature : Signature
    call : callable
        The compiled function, for the dtype of the first array.
    """

    def __init__(self, signature):
        self.signature = signature
        self.call = self._load_and_call
        doubles = [each.kind == "f8" for each in signature.numbers]
        n_arrays = len(signature.arrays)
        self._table = new_table(n_arrays, doubles, signature.returns_double, self.call)
        self._failures: list[ctypes.c_int64] = []  # of each loaded unit, in a checked build

    def __call__(self, *args):
        return self.call(*args)

    def load(self, args):
        """Load the compiled function for these arguments, unless that was done before."""
        is_double = self.signature.arrays and args[0].itemsize == 8
        self.load_dtype(self.signature.dtypes[-1 if is_double else 0])

    def load_dtype(self, dtype):
        """Load the compiled function for one of the signature's `dtypes`, unless that was done
        before."""
        place = FLOAT64 if dtype == "float64" else FLOAT32
        if not self._table[place]:
            unit = self.signature.unit
            symbols = load(unit, dtype)
            for each in UNITS[unit]:
                _entries[each.name]._bind(symbols, place)

    def _load_and_call(self, *args):
        self.load(args)
        return self.call(*args)

    def _bind(self, symbols, place):
        name = self.signature.name
        call = new_builtin(name, self._table, symbols("fastbp_call"))
        self._table[place] = symbols(f"fastbp_{name}")
        if abi.CHECKED:
            self._failures.append(ctypes.c_int64.from_address(symbols("fastbp_failed")))
            call = self._checked(call)
        self.call = call

    def _checked(self, call):
        """The function with checks of its arrays, and of what its index checks have found."""
        name = self.signature.name

        def checked(*args):
            for array, wanted in zip(args, self.signature.arrays, strict=False):
                kind = np.dtype(args[0].dtype if wanted.kind == NETWORK else DTYPES[wanted.kind])
                ndim = array.ndim if wanted.ndim == 1 else wanted.ndim
                if (
                    not (array.flags.c_contiguous and array.flags.aligned)
                    or array.dtype != kind
                    or array.ndim != ndim
                ):
                    raise TypeError(f"{name} cannot take {array.dtype} for {wanted}")
            result = call(*args)
            failed = any(flag.value for flag in self._failures)
            for flag in self._failures:
                flag.value = 0
            if failed:
                raise IndexError(f"index out of bounds in {name}")
            return result

        return checked


_entries = {name: Entry(signature) for name, signature in SIGNATURES.items()}

train = _entries["train"]
infer = _entries["infer"]
repack = _entries["repack"]
all_finite = _entries["all_finite"]
copy = _entries["copy"]
worker_loop = _entries["worker_loop"]
wait_for_workers = _entries["wait_for_workers"]
spin = _entries["spin"]
first_outside = _entries["first_outside"]
dense_forward = _entries["dense_forward"]
dense_backward = _entries["dense_backward"]
output_delta = _entries["output_delta"]
apply = _entries["apply"]
apply_slope = _entries["apply_slope"]
through_mask = _entries["through_mask"]
softmax = _entries["softmax"]
sgd = _entries["sgd"]
momentum = _entries["momentum"]
adam = _entries["adam"]
