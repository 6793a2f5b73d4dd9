"""The parameters of a fitted estimator as one flat array, of which `coefs_` and `intercepts_` are
views."""

from operator import is_

import numpy as np

from ..base.activations import HIDDEN, OUTPUTS
from ..base.losses import LOSSES
from ..base.network_arguments import (
    check_hidden,
)
from ..engine import forward
from ..engine.network import CompiledNetwork
from ..engine.parameters import layer_views
from ..engine.samples import StridedArray
from ..kernels.plan import aligned_zeros
from .threads import thread_count

# out_activation_ -> the net's output, and the kernels' code of the loss as scikit-learn reports it.
OUT_ACTIVATIONS = {
    theirs: (output, row.sklearn_code)
    for row in LOSSES.values()
    if row.sklearn_code is not None
    for output, theirs in row.sklearn.items()
}


def views(flat, widths):
    """The weights (n_in, n_out) and the biases (n_out,) of each layer in a flat array, as two
    tuples."""
    coefs, intercepts = layer_views(flat, widths)
    return tuple(coefs), tuple(intercepts)


class FlatParameters:
    """A copy of the parameters in one flat array, with the compiled network that they are for.

    Parameters
    ----------
    coefs, intercepts : sequences of ndarray, one a layer
    hidden : str or sequence of str
        Activation of all hidden layers, or of each.
    out_activation : str, a key of OUT_ACTIVATIONS
    dtype : optional
        By default float32 if all arrays are, else float64.

    Raises
    ------
    ValueError
        If the arrays, which the caller may have replaced, do not fit each other or the number of
        activations.
    """

    def __init__(self, coefs, intercepts, hidden, out_activation, dtype=None):
        if dtype is None:
            single = all(a.dtype == np.float32 for a in (*coefs, *intercepts))
            dtype = np.float32 if single else np.float64
        self.dtype = np.dtype(dtype)
        self.kind = (hidden if isinstance(hidden, str) else tuple(hidden), out_activation)
        self.widths = (coefs[0].shape[0], *(w.shape[1] for w in coefs))
        codes = [*(HIDDEN[name] for name in check_hidden(hidden, len(coefs) - 1, "activation")), 0]
        output, loss = OUT_ACTIVATIONS[out_activation]
        self.network = CompiledNetwork(self.widths, codes, OUTPUTS[output], loss, self.dtype)
        self.flat = aligned_zeros(self.network.size, self.dtype)
        self.coefs, self.intercepts = views(self.flat, self.widths)
        self.assign(coefs, intercepts)

    def assign(self, coefs, intercepts):
        """Copy parameters into the flat array."""
        for view, values in zip(
            (*self.coefs, *self.intercepts), (*coefs, *intercepts), strict=True
        ):
            if view.shape != values.shape:
                raise ValueError(
                    "coefs_ and intercepts_ must fit each other: one is of shape "
                    f"{values.shape}, not {view.shape}"
                )
            view[...] = values

    def owns(self, coefs, intercepts):
        """Whether these are this object's views."""
        return (
            len(coefs) == len(self.coefs)
            and len(intercepts) == len(self.intercepts)
            and all(map(is_, coefs, self.coefs))
            and all(map(is_, intercepts, self.intercepts))
        )

    def astype(self, dtype):
        """A copy in another dtype."""
        return FlatParameters(self.coefs, self.intercepts, *self.kind, dtype)

    def check_features(self, X):
        """Refuse rows of another width, which follow from a failed fit or replaced `coefs_`."""
        if X.shape[1] != self.widths[0]:
            raise ValueError(
                f"X has {X.shape[1]} features, but coefs_[0] has {self.widths[0]} rows"
            )

    def outputs(self, x, n_threads):
        """The net's outputs (n, n_out) for rows x, an ndarray of its dtype or a StridedArray."""
        n = (x.array if isinstance(x, StridedArray) else x).shape[0]
        if n > self.network.small_batch:  # fewer are not shared among threads
            n_threads = thread_count(n_threads, n * self.network.size)
        return forward.outputs(self.network, self.flat, x, n_threads)
