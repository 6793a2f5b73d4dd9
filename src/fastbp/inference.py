"""What a net says of samples: activations, predictions, probabilities."""

import numpy as np
from numpy.typing import ArrayLike

from .base.validation import check_inputs
from .engine.forward import activations, outputs
from .structure import Structure


class Inference(Structure):
    """Forward passes through a net; see `MLP`."""

    def forward(self, X: ArrayLike) -> list[np.ndarray]:
        """Every layer's activations.

        Parameters
        ----------
        X : array_like (n_samples, n_in)

        Returns
        -------
        list of ndarray (n_samples, n_out)
            ``forward(X)[l]`` is a of layer l, hidden layers first; the last is the net's output.

        Raises
        ------
        ValueError, TypeError
            For a wrong number of features, NaN, infinity, or an array that is not of real numbers.
        """
        X = check_inputs("X", X, self.widths[0], self.dtype)
        return activations(self._network, self._parameters, X, range(len(self.widths) - 1))

    def _outputs(self, X):
        X = check_inputs("X", X, self.widths[0], self.dtype)
        return outputs(self._network, self._parameters, X)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Labels of a classifier, or the values of a regression.

        Parameters
        ----------
        X : array_like (n_samples, n_in)

        Returns
        -------
        ndarray
            Softmax output, softmax cross-entropy or hinge: the label of the largest output, int64
            (n_samples,). Sigmoid outputs with their own loss: 0 or 1, int64 (n_samples,), or
            (n_samples, n_out) for several. Otherwise the outputs, (n_samples,) for one, else
            (n_samples, n_out).

        Raises
        ------
        ValueError, TypeError
            As for ``forward``.
        """
        a = self._outputs(X)
        if self.output == "softmax" or self.loss_name in ("softmax_cross_entropy", "hinge"):
            return a.argmax(axis=1)
        if self.loss_name == "binary_cross_entropy":
            a = (a > 0.5).astype(np.int64)
        return a[:, 0] if a.shape[1] == 1 else a

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Probabilities of a classifier's classes.

        Parameters
        ----------
        X : array_like (n_samples, n_in)

        Returns
        -------
        ndarray (n_samples, n_classes)
            For one sigmoid output the columns are P(0) and P(1), as in scikit-learn; for several
            each output's own.

        Raises
        ------
        ValueError, TypeError
            As for ``forward``; also if the net is a regression, or its loss is "hinge", whose
            outputs are no probabilities.
        """
        if self.output not in ("softmax", "sigmoid") and self.loss_name != "softmax_cross_entropy":
            what = f"output={self.output!r} with loss={self.loss_name!r}"
            raise ValueError(
                f"predict_proba needs a classifier whose outputs are probabilities, got {what}"
            )
        a = self._outputs(X)
        if self.loss_name == "softmax_cross_entropy":
            a = np.exp(a - a.max(axis=1, keepdims=True))
            return a / a.sum(axis=1, keepdims=True)
        return np.hstack([1 - a, a]) if self.output == "sigmoid" and a.shape[1] == 1 else a
