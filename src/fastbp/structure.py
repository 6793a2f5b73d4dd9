"""What a net consists of: its layers, their names, and the flat parameters behind the arrays that
users see."""

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import DTypeLike

from .base.html import net_html
from .base.names import CUSTOM, HIDDEN, LOSSES, OUTPUTS, hidden_names, loss_name, smoothing
from .base.validation import check_choice, check_count
from .engine.network import CompiledNetwork
from .engine.parameters import Parameters
from .kernels.abi import CACHE_LINE, GIVEN
from .kernels.plan import aligned_zeros, new_state, slots_of

# more could not be allocated; and below it no size in the kernels can overflow
MAX_PARAMETERS = 2**40


def float_dtype(dtype):
    """float32 or float64 from whatever NumPy takes for one."""
    try:
        if dtype is None:
            raise TypeError
        return np.dtype(check_choice("dtype", np.dtype(dtype).name, ("float32", "float64")))
    except TypeError:
        raise TypeError(f"dtype must be one of 'float32', 'float64', got {dtype!r}") from None


def own(array):
    """`array`, or a copy if it is a view of a file or may not be written to, as joblib passes large
    arrays to its workers, or begins within a cache line, as what comes out of a pickle: two threads
    then take a tenth longer for 64-128-64-10 in batches of 32, and with Adam a quarter."""
    if type(array) is np.ndarray and array.flags.writeable and array.ctypes.data % CACHE_LINE == 0:
        return array
    mine = aligned_zeros(array.size, array.dtype)
    mine[:] = array
    return mine


class Structure:
    """Widths, activations, loss, dtype and parameters of a dense network; see `MLP`, which trains
    and uses one."""

    def __init__(self, widths, hidden, output, loss, dtype, label_smoothing):
        if isinstance(widths, str | bytes) or not isinstance(widths, Sequence | np.ndarray):
            raise TypeError(f"widths must be a sequence of whole numbers, got {widths!r}")
        self.widths = tuple(check_count(f"widths[{i}]", w) for i, w in enumerate(widths))
        if len(self.widths) < 2:
            raise ValueError(f"widths must be at least [n_in, n_out], got {list(self.widths)}")
        self.hidden = hidden_names(hidden, len(self.widths) - 2)
        self.output = check_choice("output", output, OUTPUTS)
        self.loss_name = loss_name(loss, output, self.widths[-1])
        self.loss_function = loss if self.loss_name == CUSTOM else None
        self.label_smoothing = label_smoothing
        self.dtype = float_dtype(dtype)
        size = sum((n_in + 1) * n_out for n_in, n_out in pairwise(self.widths))
        if size > MAX_PARAMETERS:
            raise ValueError(
                f"widths must give at most {MAX_PARAMETERS} parameters, got {list(self.widths)} with {size}"
            )
        self._restore(aligned_zeros(size, self.dtype))
        self._state = np.zeros(0, self.dtype)

    def _restore(self, parameters):
        """Take flat parameters as this net's own and make the views of them."""
        self._parameters, weights, biases, at = parameters, [], [], 0
        for n_in, n_out in pairwise(self.widths):
            weights.append(parameters[at : at + n_in * n_out].reshape(n_in, n_out))
            at += n_in * n_out
            biases.append(parameters[at : at + n_out])
            at += n_out
        self._weights, self._biases = Parameters("weights", weights), Parameters("biases", biases)
        codes = [HIDDEN[name] for name in self.hidden] + [0]
        loss = GIVEN if self.loss_function else LOSSES[self.loss_name]
        smoothed = smoothing(self.label_smoothing, self.loss_name, self.widths[-1])
        self._network = CompiledNetwork(
            self.widths, codes, OUTPUTS[self.output], loss, self.dtype, smoothed
        )

    def __getstate__(self):
        return {
            k: v for k, v in self.__dict__.items() if k not in ("_weights", "_biases", "_network")
        }

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._state = own(self._state)
        self._restore(own(self._parameters))

    @property
    def weights(self) -> Parameters:
        return self._weights

    @weights.setter
    def weights(self, values):
        self._weights.assign(values)

    @property
    def biases(self) -> Parameters:
        return self._biases

    @biases.setter
    def biases(self, values):
        self._biases.assign(values)

    def astype(self, dtype: DTypeLike) -> Self:
        """A copy of the net in another dtype, optimizer state included.

        Parameters
        ----------
        dtype : "float32" or "float64"

        Returns
        -------
        MLP
        """
        net = copy.deepcopy(self)
        net.dtype = float_dtype(dtype)
        parts = slots_of(self._state, self._parameters.size)
        net._state = new_state(len(parts), self._parameters.size, net.dtype)
        slots_of(net._state, self._parameters.size)[:] = parts
        net._restore(own(net._parameters.astype(net.dtype)))
        return net

    def summary(self) -> str:
        """The layers, their activations and parameters, as text.

        Returns
        -------
        str
        """
        names = [*self.hidden, self.output]
        lines = [f"{'layer':>5} {'W':>13} {'activation':>12} {'parameters':>12}"]
        for i, (w, name) in enumerate(zip(self.weights, names, strict=True)):
            lines.append(
                f"{i:>5} {f'{w.shape[0]} x {w.shape[1]}':>13} {name:>12} {w.size + w.shape[1]:>12,}"
            )
        lines.append(f"{self._parameters.size:,} parameters in {self.dtype}, loss {self.loss_name}")
        return "\n".join(lines)

    def __repr__(self):
        hidden = f"hidden={self.hidden!r}, " * bool(self.hidden)
        loss = f"loss={self.loss_function or self.loss_name!r}, "
        smoothed = f", label_smoothing={self.label_smoothing!r}" * bool(self.label_smoothing)
        return f"MLP({list(self.widths)}, {hidden}output={self.output!r}, {loss}dtype={self.dtype.name!r}{smoothed})"

    _repr_html_ = net_html
