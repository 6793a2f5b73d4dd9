"""A network as a PyTorch module with equal outputs."""

# fastbp's name of an activation -> the class in torch.nn, and the settings with which it is the
# same; the first of each is the one given to a new module. Beyond its threshold PyTorch's Softplus
# is z, less than 2.1e-9 below the exact value.
ACTIVATIONS: dict[str, tuple[str, dict[str, tuple]]] = {
    "identity": ("Identity", {}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "relu": ("ReLU", {}),
    "leaky_relu": ("LeakyReLU", {"negative_slope": (0.01,)}),
    "elu": ("ELU", {"alpha": (1.0,)}),
    "selu": ("SELU", {}),
    "softplus": ("Softplus", {"beta": (1.0,), "threshold": (20.0,)}),
    "gelu": ("GELU", {"approximate": ("none",)}),
    "silu": ("SiLU", {}),
    "mish": ("Mish", {}),
    "softmax": ("Softmax", {"dim": (1, -1)}),
}


def to_torch(net):
    """See `MLP.to_torch`."""
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError("to_torch needs PyTorch: pip install torch") from None
    if net.output not in ACTIVATIONS:
        raise ValueError(f"PyTorch has no module for output={net.output!r}")
    parts: list[torch.nn.Module] = []
    dtype = getattr(torch, net.dtype.name)
    for W, b, name, rate in zip(
        net.weights, net.biases, [*net.hidden, net.output], [*net.dropout, 0.0], strict=True
    ):
        # draws no random numbers
        linear = torch.nn.utils.skip_init(torch.nn.Linear, *W.shape, dtype=dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W.T))
            linear.bias.copy_(torch.from_numpy(b))
        parts.append(linear)
        if name != "identity":
            kind, settings = ACTIVATIONS[name]
            parts.append(
                getattr(torch.nn, kind)(**{key: values[0] for key, values in settings.items()})
            )
        if rate:
            parts.append(torch.nn.Dropout(rate))
    return torch.nn.Sequential(*parts).eval()
