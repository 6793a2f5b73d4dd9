"""A network as a PyTorch module with equal outputs."""

from typing import Any

from ..base.activations import ACTIVATIONS
from ..base.optional import require

MODULES = {name: row.torch for name, row in ACTIVATIONS.items() if row.torch}


def to_torch(net):
    """See `MLP.to_torch`."""
    torch: Any = require("torch", "to_torch", "torch", "PyTorch")
    if net.output not in MODULES:
        raise ValueError(f"PyTorch has no module for output={net.output!r}")
    parts = []
    dtype = getattr(torch, net.dtype.name)
    for W, b, name, rate in zip(
        net.weights, net.biases, [*net.hidden, net.output], [*net.dropout, 0.0], strict=True
    ):
        # skip_init draws no random numbers, which would move the caller's generator.
        linear = torch.nn.utils.skip_init(torch.nn.Linear, *W.shape, dtype=dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W.T))
            linear.bias.copy_(torch.from_numpy(b))
        parts.append(linear)
        if name != "identity":
            settings = {key: values[0] for key, values in MODULES[name].settings.items()}
            parts.append(getattr(torch.nn, MODULES[name].kind)(**settings))
        if rate:
            parts.append(torch.nn.Dropout(rate))
    module = torch.nn.Sequential(*parts).eval()
    if net.class_labels is not None:
        module.classes_ = net.classes_
    return module
