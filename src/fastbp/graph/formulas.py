"""The formulas of a net's activations, slopes and losses, with the numbers of one sample put into
them, as text."""

import numpy as np

from ..kernels.abi import LEAK, SELU_ALPHA, SELU_SCALE

ELLIPSIS = "…"
SELU_BELOW = f"{SELU_SCALE * SELU_ALPHA:.8g}"


def number(value):
    """A number as it stands alone: eight digits."""
    return f"{value + 0.0:.8g}"  # + 0.0: no "-0"


def count(n, what):
    """How many of what, in words."""
    return f"{n:,} {what}{'s' * (n != 1)}"


def factor(value):
    """A number as it stands in a formula."""
    text = number(value)
    return f"({text})" if text.startswith("-") else text


def total(terms, shown):
    """Terms joined to a sum, those behind the first `shown` only counted."""
    terms = list(terms)
    left_out = len(terms) - shown
    if left_out > 0:
        terms[shown:] = [f"{ELLIPSIS} ({left_out} more)"]
    return " + ".join(terms) or "0"


def value_of(activation, z, j, shown):
    """(formula, with numbers) of a = f(z) for unit j of a layer."""
    z_j = factor(z[j])
    if activation == "softmax":
        return (
            "exp(z) / Σ exp(z)",
            f"exp({number(z[j])}) / ({total((f'exp({number(v)})' for v in z), shown)})",
        )
    formulas = {
        "identity": ("z", ""),
        "sigmoid": ("1 / (1 + exp(-z))", f"1 / (1 + exp(-{z_j}))"),
        "relu": ("max(0, z)", f"max(0, {number(z[j])})"),
        "leaky_relu": (f"max({LEAK}·z, z)", f"max({LEAK}·{z_j}, {number(z[j])})"),
        "elu": ("z if z > 0 else exp(z) - 1", "" if z[j] > 0 else f"exp({number(z[j])}) - 1"),
        "softplus": ("log(1 + exp(z))", f"log(1 + exp({number(z[j])}))"),
        "selu": (
            f"{SELU_SCALE:.8g}·z if z > 0 else {SELU_BELOW}·(exp(z) - 1)",
            f"{SELU_SCALE:.8g}·{z_j}" if z[j] > 0 else f"{SELU_BELOW}·(exp({number(z[j])}) - 1)",
        ),
        "gelu": ("z·½·(1 + erf(z / √2))", f"{z_j}·½·(1 + erf({number(z[j])} / √2))"),
        "silu": ("z / (1 + exp(-z))", f"{z_j} / (1 + exp(-{z_j}))"),
        "mish": ("z·tanh(log(1 + exp(z)))", f"{z_j}·tanh(log(1 + exp({number(z[j])})))"),
    }
    return formulas.get(activation, (f"{activation}(z)", f"{activation}({number(z[j])})"))


def slope_of(activation, a, slope):
    """(formula, with numbers) of f'(z) for one unit with this output and slope."""
    formulas = {
        "identity": ("1", "1"),
        "sigmoid": ("a·(1 - a)", f"{factor(a)}·(1 - {factor(a)})"),
        "tanh": ("(1 - a²)", f"(1 - {factor(a)}²)"),
        "softplus": ("(1 - exp(-a))", f"(1 - exp(-{factor(a)}))"),
        "exp": ("a", factor(a)),
    }
    return formulas.get(activation, (f"{activation}'(z)", factor(slope)))


def loss_of(loss, a, t, shown):
    """(formula, with numbers) of the loss without penalty, outputs a and targets t."""
    pairs = [(factor(a_k), factor(t_k), a_k, t_k) for a_k, t_k in zip(a, t, strict=True)]
    if loss == "squared_error":
        return (
            "½·Σ (a - t)²",
            f"½·({total((f'({a_k} - {t_k})²' for a_k, t_k, *_ in pairs), shown)})",
        )
    if loss == "absolute_error":
        return "Σ |a - t|", total((f"|{a_k} - {t_k}|" for a_k, t_k, *_ in pairs), shown)
    if loss == "huber":
        terms = (
            f"½·({a_k} - {t_k})²" if abs(u - v) <= 1 else f"(|{a_k} - {t_k}| - ½)"
            for a_k, t_k, u, v in pairs
        )
        return "Σ ½·(a - t)² where |a - t| ≤ 1, |a - t| - ½ beyond", total(terms, shown)
    if loss == "poisson":
        terms = (
            f"({t_k}·log({t_k} / {a_k}) - {t_k} + {a_k})" if v else a_k for a_k, t_k, _, v in pairs
        )
        return "Σ t·log(t / a) - t + a", total(terms, shown)
    if loss == "hinge":
        right = int(np.argmax(t))
        terms = (
            f"max(0, {number(u)} - {factor(a[right])} + 1)"
            for k, (*_, u, _) in enumerate(pairs)
            if k != right
        )
        return f"Σ max(0, a - a[{right}] + 1) over the others", total(terms, shown)
    if loss == "binary_cross_entropy":
        ones = [f"{t_k}·log({number(u)})" for _, t_k, u, v in pairs if v]
        zeros = [f"(1 - {t_k})·log(1 - {a_k})" for a_k, t_k, _, v in pairs if v != 1]
        return "-Σ t·log(a) + (1 - t)·log(1 - a)", f"-({total(ones + zeros, shown)})"
    if loss == "softmax_cross_entropy":
        a = softmax(a)
        return "-Σ t·log(p), p = softmax(a)", f"-({total(_logs(a, t), shown)})"
    if loss == "cross_entropy":
        return "-Σ t·log(a)", f"-({total(_logs(a, t), shown)})"
    return loss, ""


def _logs(p, t):
    return [f"{factor(t_k)}·log({number(p_k)})" for p_k, t_k in zip(p, t, strict=True) if t_k]


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def slope_of_loss(loss, a, t, j):
    """(formula, with numbers) of dL/da for output j."""
    difference = f"{factor(a[j])} - {factor(t[j])}"
    if loss == "squared_error":
        return "(a - t)", f"({difference})"
    if loss == "huber" and abs(a[j] - t[j]) <= 1:
        return "(a - t)", f"({difference})"
    if loss in ("huber", "absolute_error"):
        return "sign(a - t)", f"sign({difference})"
    if loss == "softmax_cross_entropy":
        p = f"{factor(softmax(a)[j])}{_times_sum(t)}"
        return "(p - t)", f"({p} - {factor(t[j])})"
    if loss == "hinge":
        right = int(np.argmax(t))
        above = (a - a[right] + 1 > 0) & (np.arange(len(a)) != right)
        if j == right:
            return (
                "minus the number of others within 1 of it",
                f"({-int(above.sum())})" if above.any() else "0",
            )
        return f"1 if a - a[{right}] + 1 > 0 else 0", str(int(above[j]))
    return "dL/da", ""


def canonical_delta(a, t, j, loss):
    """(formula, with numbers) of delta = a - t, where output and loss belong together."""
    scale = _times_sum(t) if loss == "cross_entropy" else ""
    return "a - t", f"{factor(a[j])}{scale} - {factor(t[j])}"


def _times_sum(t):
    """What a softmax is multiplied with where the targets do not add up to 1 exactly."""
    return "" if abs(t.sum() - 1) < 1e-12 else f"·{factor(t.sum())}"
