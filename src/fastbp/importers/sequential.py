"""A net from another library's layers, met one after the other; what they compute is carried over
exactly or refused."""

import warnings
from dataclasses import dataclass

import numpy as np

from ..base.names import HIDDEN, OUTPUTS
from ..mlp import MLP

DTYPES = ("float32", "float64")  # in which the other library must compute


def net_of(weights, biases, hidden, output, loss=None, dropout=0.0):
    """An MLP with copies of these arrays (n_in, n_out) and (n_out,), one pair a layer."""
    widths = [len(weights[0]), *map(len, biases)]
    net = MLP(widths, hidden, output, loss, dtype=np.result_type(*weights), dropout=dropout)
    net.weights, net.biases = weights, biases
    return net


def refusal(where, why):
    return ValueError(f"{where} cannot be converted: {why}")


def check_settings(where, part, ours, settings):
    """The settings that make an activation the one that fastbp has under the name `ours`: for each
    those that will do."""
    for key, will_do in settings.items():
        value = getattr(part, key)
        if value not in will_do:
            raise refusal(
                where, f"fastbp's {ours} has {key}={will_do[0]!r}, this one {key}={value!r}"
            )


@dataclass
class Layer:
    where: str  # what errors call it
    weights: np.ndarray
    bias: np.ndarray
    activation: str = "identity"
    activated_by: str = ""
    dropout: float = 0.0
    dropped_by: str = ""


class Chain:
    """Layers as they are met, of which `net` makes an MLP.

    What acts in training alone and has no place in an MLP, as a dropout of inputs, is left out and
    named in a warning.
    """

    def __init__(self):
        self._layers: list[Layer] = []
        self._notes: list[str] = []

    @property
    def started(self):
        """Whether there is a dense layer already."""
        return bool(self._layers)

    def note(self, where, what):
        """Remember what `fit` will do otherwise than the other library's training."""
        self._notes.append(f"{where} {what}")

    def dense(self, where, weights, bias):
        """x @ weights + bias; `bias` may be None."""
        if bias is None:
            bias = np.zeros(weights.shape[1], weights.dtype)
            self.note(where, "has no bias, and gets one of zeros, which is trained")
        first = self._layers[0] if self._layers else None
        if first and weights.dtype != first.weights.dtype:
            raise refusal(
                where, f"it is of {weights.dtype} and {first.where} of {first.weights.dtype}"
            )
        self._layers.append(Layer(where, weights, bias))

    def activation(self, where, name):
        """The last layer's; "identity" changes nothing wherever it stands."""
        if name == "identity":
            return
        if not self._layers:
            raise refusal(where, "it must stand behind a dense layer")
        layer = self._layers[-1]
        if layer.activation != "identity":
            raise refusal(
                where,
                f"its layer has the activation {layer.activation!r} already, and fastbp's layers have one",
            )
        layer.activation, layer.activated_by = name, where
        self._leave_out_dropout(layer)

    def dropout(self, where, rate):
        """Of the last layer's units, behind its activation."""
        if rate == 0:
            return
        if not self._layers or self._layers[-1].dropout:
            self.note(where, "is left out")
        else:
            self._layers[-1].dropout, self._layers[-1].dropped_by = rate, where

    def net(self, argument, output, loss):
        """The MLP; `output` is taken of what the chain ends with, unless that is an activation
        itself."""
        if not self._layers:
            raise ValueError(f"{argument} must have at least one dense layer, got none")
        last = self._layers[-1]
        self._leave_out_dropout(last)
        for layer in self._layers[:-1]:
            if layer.activation not in HIDDEN:
                raise refusal(
                    layer.activated_by, f"fastbp has {layer.activation!r} for the last layer only"
                )
        if last.activation == "identity":
            output = "identity" if output is None else output
        elif last.activation not in OUTPUTS:
            raise refusal(
                last.activated_by, f"fastbp has {last.activation!r} for hidden layers only"
            )
        elif output not in (None, last.activation):
            raise ValueError(
                f"output must be {last.activation!r} or None as {argument} ends with that, got {output!r}"
            )
        else:
            output = last.activation
        weights, biases = (
            [layer.weights for layer in self._layers],
            [layer.bias for layer in self._layers],
        )
        hidden, rates = (
            [layer.activation for layer in self._layers[:-1]],
            [layer.dropout for layer in self._layers[:-1]],
        )
        net = net_of(weights, biases, hidden, output, loss, rates)
        if self._notes:
            message = f"the net computes what {argument} does, but fit will not train it alike: {'; '.join(self._notes)}"
            warnings.warn(message, stacklevel=3)  # at the line that calls from_torch or from_keras
        return net

    def _leave_out_dropout(self, layer):
        """It stands where an MLP has none: before an activation, or behind the last layer."""
        if layer.dropout:
            layer.dropout = 0.0
            self.note(layer.dropped_by, "is left out")
