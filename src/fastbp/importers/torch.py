"""Networks from PyTorch's Sequential of Linear layers and activations."""

import sys

from ..base.activations import ACTIVATIONS
from ..base.validation import check_choice
from ..mlp import MLP, LossFunction
from .sequential import DTYPES, SequentialBuilder, check_settings, unsupported

# The classes of torch.nn that are activations -> fastbp's name, and the settings to be checked.
MODULES = {
    row.torch.kind: (name, row.torch.settings) for name, row in ACTIVATIONS.items() if row.torch
}
# All classes that are converted; Flatten only before all others.
TAKEN = ("Sequential", "Linear", "Dropout", *MODULES, "Flatten")
HINTS = {
    "LogSoftmax": "; leave it out and give output='softmax'",
    "LazyLinear": "; call the module once, which makes a Linear of it",
}


def from_torch(
    module: object, output: str | None = None, loss: str | LossFunction | None = None
) -> MLP:
    """A net with the layers and weights of a PyTorch module, and equal outputs.

    Parameters
    ----------
    module : torch.nn.Sequential
        Of ``Linear`` (all float32 or all float64, on any device), ``Dropout`` and PyTorch's modules
        for the activations of `MLP`, with their default settings; nested to any depth, optionally
        after a ``Flatten``. Of a module class of your own, give the layers:
        ``from_torch(torch.nn.Sequential(net.fc1, torch.nn.ReLU(), net.fc2), output="softmax")``.
    output : str, optional
        The net's output activation where the module ends without one: "softmax" for a module
        trained with ``CrossEntropyLoss``, "sigmoid" with ``BCEWithLogitsLoss``, "exp" with
        ``PoissonNLLLoss``. By default "identity": the net's outputs are the module's.
    loss : str or callable, optional
        As `MLP` takes it. ``loss="softmax_cross_entropy"`` without `output` keeps logits as
        outputs, and gives their labels and probabilities from ``predict`` and ``predict_proba``.

    Returns
    -------
    MLP
        Of the module's dtype, with copies of the weights, transposed to (n_in, n_out). Its
        outputs are the module's in evaluation mode, to rounding. ``Dropout`` behind a hidden
        layer's activation becomes the net's. It has the `classes_` of a module of
        ``net.to_torch()``; ``net.classes_ = [...]`` names those of another.

    Raises
    ------
    TypeError
        If `module` is not a PyTorch module.
    ValueError
        If it has any other part, named in the message, or forward hooks; or if `output` or `loss`
        does not go with it.

    Warns
    -----
    UserWarning
        If `fit` trains the net differently from PyTorch, though both compute the same: a ``Linear``
        without a bias gets one of zeros; a dropout elsewhere than behind a hidden layer's
        activation is left out; frozen parameters are trained; a module that occurs twice becomes
        two layers.

    Examples
    --------
    >>> import torch, fastbp
    >>> module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    >>> fastbp.from_torch(module, output="softmax")
    MLP([4, 8, 3], hidden=('relu',), output='softmax', loss='cross_entropy', dtype='float32')
    """
    torch = sys.modules.get("torch")  # imported already where there is a module
    if torch is None or not isinstance(module, torch.nn.Module):
        raise TypeError(
            f"module must be a torch.nn.Sequential, got an object of type {type(module).__name__}"
        )
    builder = SequentialBuilder()
    seen: dict[int, str] = {}
    for name, part in _parts(torch.nn, "module", module):
        kind = type(part).__name__
        if type(part) is not getattr(torch.nn, kind, None):
            kind = ""  # a class of that name from elsewhere
        has_parts = next(part.children(), None) is not None
        where = f"{name}, {type(part).__name__}(...)," if has_parts else f"{name}, {part!r},"
        if kind not in TAKEN or (kind == "Flatten" and builder.started):
            raise unsupported(
                where, f"from_torch takes {', '.join(TAKEN)} (first of all){HINTS.get(kind, '')}"
            )
        _check_hooks(where, part)
        if kind == "Linear":
            if id(part.weight) in seen:
                builder.warn_later(
                    where, f"shares its weights with {seen[id(part.weight)]}, and gets its own"
                )
            seen[id(part.weight)] = name
            if not all(p.requires_grad for p in part.parameters()):
                builder.warn_later(where, "is frozen, and is trained")
            bias = None if part.bias is None else _array(where, part.bias)
            builder.dense(where, _array(where, part.weight).T, bias)
        elif kind == "Dropout":
            builder.dropout(where, part.p)
        elif kind == "Flatten":
            check_settings(where, part, "input", {"start_dim": (1,), "end_dim": (-1,)})
        else:
            activation, settings = MODULES[kind]
            check_settings(where, part, activation, settings)
            builder.activation(where, activation)
    net = builder.net("module", output, loss)
    classes = getattr(module, "classes_", None)  # of net.to_torch()
    if classes is not None and net.classes_ is not None:
        net.classes_ = classes
    return net


def _parts(nn, name, module):
    """Pairs (name, module): the modules of a Sequential, in order, or the module itself."""
    if type(module) is nn.Sequential:
        _check_hooks(f"{name}, Sequential,", module)
        for i, part in enumerate(module):
            yield from _parts(nn, f"{name}[{i}]", part)
    else:
        yield name, module


def _check_hooks(where, module):
    if module._forward_hooks or module._forward_pre_hooks:
        raise unsupported(where, "it has forward hooks, which may change what it computes")


def _array(where, parameter):
    check_choice(f"the dtype of {where}", str(parameter.dtype).removeprefix("torch."), DTYPES)
    if parameter.is_meta:
        raise unsupported(where, "its parameters are on the meta device, which holds no values")
    return parameter.detach().cpu().numpy()
