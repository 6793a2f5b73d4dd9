"""A fitted net's parameters as the kernels want them: one flat array, of which the arrays that
users see are views."""

from itertools import pairwise

import numpy as np

from ..base.names import HIDDEN, hidden_names
from ..engine import forward
from ..engine.network import CompiledNetwork
from ..kernels import output
from ..kernels.plan import aligned_zeros

# scikit-learn's name of an output's activation: the kernels' codes of it and of the loss that
# belongs to it.
OUTPUTS = {
    "softmax": (output.SOFTMAX, output.CLIPPED_CROSS_ENTROPY),
    "logistic": (HIDDEN["logistic"], output.CLIPPED_BINARY_CROSS_ENTROPY),
    "identity": (HIDDEN["identity"], output.MEAN_SQUARED_ERROR),
    "exp": (output.EXP, output.POISSON),
}


def views(flat, widths):
    """The weights (n_in, n_out) and the biases (n_out,) of each layer in a flat array, as two
    tuples."""
    coefs, intercepts, at = [], [], 0
    for n_in, n_out in pairwise(widths):
        coefs.append(flat[at : at + n_in * n_out].reshape(n_in, n_out))
        at += n_in * n_out
        intercepts.append(flat[at : at + n_out])
        at += n_out
    return tuple(coefs), tuple(intercepts)


class Packed:
    """Parameters copied into one flat array, with what the kernels need to know of the net.

    Parameters
    ----------
    coefs, intercepts : sequences of ndarray, one a layer
    hidden : str or sequence of str
        Activation of all hidden layers, or of each.
    out_activation : str, a name in OUTPUTS
    dtype : optional
        By default float32 where all arrays are, else float64.

    Raises
    ------
    ValueError
        If the arrays, which the caller may have replaced, do not fit each other or the number of
        activations.
    """

    def __init__(self, coefs, intercepts, hidden, out_activation, dtype=None):
        if dtype is None:
            dtype = (
                np.float32
                if all(a.dtype == np.float32 for a in (*coefs, *intercepts))
                else np.float64
            )
        self.dtype = np.dtype(dtype)
        self.kind = hidden if isinstance(hidden, str) else tuple(hidden), out_activation
        self.widths = (coefs[0].shape[0], *(w.shape[1] for w in coefs))
        codes = [*(HIDDEN[name] for name in hidden_names(hidden, len(coefs) - 1, "activation")), 0]
        self.network = CompiledNetwork(self.widths, codes, *OUTPUTS[out_activation], self.dtype)
        self.flat = aligned_zeros(self.network.size, self.dtype)
        self.coefs, self.intercepts = views(self.flat, self.widths)
        self.take(coefs, intercepts)

    def take(self, coefs, intercepts):
        """Copy these parameters in."""
        for view, values in zip(
            (*self.coefs, *self.intercepts), (*coefs, *intercepts), strict=True
        ):
            if view.shape != values.shape:
                raise ValueError(
                    f"coefs_ and intercepts_ must fit each other: one is of shape {values.shape}, not {view.shape}"
                )
            view[...] = values

    def shows(self, coefs, intercepts):
        """Whether these are this object's own views."""
        return (
            len(coefs) == len(self.coefs)
            and len(intercepts) == len(self.intercepts)
            and all(map(_same, coefs, self.coefs))
            and all(map(_same, intercepts, self.intercepts))
        )

    def astype(self, dtype):
        """A copy in another dtype."""
        return Packed(self.coefs, self.intercepts, *self.kind, dtype)

    def check_features(self, X):
        """Refuse rows of another width: what a fit that failed, or other arrays in `coefs_`, may
        have left to be asked for."""
        if X.shape[1] != self.widths[0]:
            raise ValueError(
                f"X has {X.shape[1]} features, but coefs_[0] has {self.widths[0]} rows"
            )

    def outputs(self, x, n_threads):
        """The net's outputs (n, n_out) for rows of its dtype, or a Matrix."""
        return forward.outputs(self.network, self.flat, x, n_threads)


def _same(a, b):
    return a is b
