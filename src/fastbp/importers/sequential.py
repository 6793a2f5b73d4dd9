"""A net from the layers of another library's model, added in order. What they compute is converted
exactly or refused."""

import warnings
from dataclasses import dataclass

import numpy as np

from ..base.activations import HIDDEN, OUTPUTS
from ..mlp import MLP

DTYPES = ("float32", "float64")  # in which the other library must compute


def net_from_arrays(weights, biases, hidden, output, loss=None, dropout=0.0):
    """An MLP with copies of these arrays (n_in, n_out) and (n_out,), one pair a layer."""
    widths = [len(weights[0]), *map(len, biases)]
    net = MLP(widths, hidden, output, loss, dtype=np.result_type(*weights), dropout=dropout)
    net.weights = weights
    net.biases = biases
    return net


def unsupported(where, why):
    """The error for a part of a model that an MLP cannot have."""
    return ValueError(f"{where} cannot be converted: {why}")


def check_settings(where, part, ours, settings):
    """Check that each setting of the layer has a value that makes it equal to fastbp's `ours`."""
    for key, accepted in settings.items():
        value = getattr(part, key)
        if value not in accepted:
            raise unsupported(
                where, f"fastbp's {ours} has {key}={accepted[0]!r}, this one {key}={value!r}"
            )


@dataclass
class DenseLayer:
    """A layer as found so far. `where`, `activated_by` and `dropped_by` name, for errors, the parts
    of the model that it comes from."""

    where: str
    weights: np.ndarray
    bias: np.ndarray
    activation: str = "identity"
    activated_by: str = ""
    dropout: float = 0.0
    dropped_by: str = ""


class SequentialBuilder:
    """Collects layers in order; `net` makes an MLP of them.

    Parts that act in training alone and have no place in an MLP, such as a dropout of inputs, are
    left out and named in a warning.
    """

    def __init__(self):
        self._layers: list[DenseLayer] = []
        self._warnings: list[str] = []

    @property
    def started(self):
        """Whether there is a dense layer already."""
        return bool(self._layers)

    def warn_later(self, where, what):
        """Record a difference between `fit` and the other library's training."""
        self._warnings.append(f"{where} {what}")

    def dense(self, where, weights, bias):
        """Add x @ weights + bias; `bias` may be None."""
        if bias is None:
            bias = np.zeros(weights.shape[1], weights.dtype)
            self.warn_later(where, "has no bias, and gets one of zeros, which is trained")
        first = self._layers[0] if self._layers else None
        if first and weights.dtype != first.weights.dtype:
            raise unsupported(
                where, f"it is of {weights.dtype} and {first.where} of {first.weights.dtype}"
            )
        self._layers.append(DenseLayer(where, weights, bias))

    def activation(self, where, name):
        """Set the last layer's activation; "identity" changes nothing wherever it stands."""
        if name == "identity":
            return
        if not self._layers:
            raise unsupported(where, "it must stand behind a dense layer")
        layer = self._layers[-1]
        if layer.activation != "identity":
            raise unsupported(
                where,
                f"its layer has the activation {layer.activation!r} already, and fastbp's layers "
                "have one",
            )
        layer.activation = name
        layer.activated_by = where
        self._leave_out_dropout(layer)

    def dropout(self, where, rate):
        """Set the dropout of the last layer's units, behind its activation."""
        if rate == 0:
            return
        if not self._layers or self._layers[-1].dropout:
            self.warn_later(where, "is left out")
        else:
            self._layers[-1].dropout = rate
            self._layers[-1].dropped_by = where

    def net(self, argument, output, loss):
        """The MLP. `output` is applied to the last layer's values unless the model ends with an
        activation."""
        if not self._layers:
            raise ValueError(f"{argument} must have at least one dense layer, got none")
        *below, last = self._layers
        self._leave_out_dropout(last)
        for layer in below:
            if layer.activation not in HIDDEN:
                raise unsupported(
                    layer.activated_by, f"fastbp has {layer.activation!r} for the last layer only"
                )
        if last.activation == "identity":
            output = "identity" if output is None else output
        elif last.activation not in OUTPUTS:
            raise unsupported(
                last.activated_by, f"fastbp has {last.activation!r} for hidden layers only"
            )
        elif output not in (None, last.activation):
            raise ValueError(
                f"output must be {last.activation!r} or None as {argument} ends with that, "
                f"got {output!r}"
            )
        else:
            output = last.activation
        net = net_from_arrays(
            [layer.weights for layer in self._layers],
            [layer.bias for layer in self._layers],
            [layer.activation for layer in below],
            output,
            loss,
            [layer.dropout for layer in below],
        )
        if self._warnings:
            message = (
                f"the net computes what {argument} does, but fit will not train it alike: "
                f"{'; '.join(self._warnings)}"
            )
            warnings.warn(message, stacklevel=3)  # at the line that calls from_torch or from_keras
        return net

    def _leave_out_dropout(self, layer):
        """Remove a dropout before an activation or behind the last layer, where an MLP has none."""
        if layer.dropout:
            layer.dropout = 0.0
            self.warn_later(layer.dropped_by, "is left out")
