"""Update rules: each is one formula on vectors, and the constants of a step that formulas read.

A formula is a function ``(w, g, *state, *, constants) -> (w, *state)`` on `Lanes`: parameters w,
their gradient g and the rule's state before and after the step. The names of the state are the
slots in `abi.RULES`; the constants are fields of `abi.STEP`. update.py generates the loop over a
tile from it; elementwise.py uses the same formula.

Sources. Momentum in the velocity form v = mu v - lr g, W += v, and Nesterov's W += mu v - lr g:
Sutskever et al., *On the importance of initialization and momentum in deep learning*, 2013; as in
scikit-learn and Keras. Adam: Kingma and Ba, 2015, the efficient form of section 2, with epsilon
outside the bias correction; as in scikit-learn and Keras. AdamW (Loshchilov and Hutter, 2019),
Nadam (Dozat, 2016), RMSprop (Tieleman and Hinton, 2012; centred: Graves, 2013) and Adagrad (Duchi
et al., 2011) follow PyTorch, with epsilon inside the correction. Lion: Chen et al., *Symbolic
Discovery of Optimization Algorithms*, 2023, algorithm 2.
"""

import inspect
from collections.abc import Callable
from typing import NamedTuple

from . import abi
from .jit import kernel
from .simd import square_root, where

SGD, ADAM, ADAMW, NADAM = (abi.RULES[name].code for name in ("sgd", "adam", "adamw", "nadam"))


class Formula(NamedTuple):
    """A registered formula; the names of its state and constants; whether its loop is inlined."""

    function: Callable
    slots: tuple[str, ...]
    constants: tuple[str, ...]
    inline: bool


FORMULAS: dict[str, Formula] = {}


def rule(*names, inline=False):
    """Register the formula of the rules `names`, keys of `abi.RULES`.

    Rules that share a formula share its compiled loop. ``inline`` compiles the loop into the
    weights' product, for the most common rules; the others stay functions, which compile sooner.
    """

    def register(function):
        parameters = inspect.signature(function).parameters.values()
        slots = tuple(p.name for p in parameters if p.kind == p.POSITIONAL_OR_KEYWORD)[2:]
        constants = tuple(p.name for p in parameters if p.kind == p.KEYWORD_ONLY)
        for name in names:
            if slots != abi.RULES[name].slots:
                raise TypeError(f"{name} must have the slots {abi.RULES[name].slots}, got {slots}")
            FORMULAS[name] = Formula(function, slots, constants, inline)
        return function

    return register


@rule("sgd", inline=True)
def sgd(w, g, *, rate):
    return (w - g * rate,)


@rule("momentum", "nesterov")
def momentum(w, g, velocity, *, rate, momentum, nesterov):
    velocity = velocity * momentum - g * rate
    return w + where(nesterov, velocity * momentum - g * rate, velocity), velocity


@rule("adam", "adamw", "nadam", inline=True)
def adam(w, g, m, v, *, rate, lookahead, shrink, beta_1, beta_2, floor):
    """One formula for three rules. The terms that one of them does not need cost no time: they
    overlap with the latency of the square root and of the division."""
    m = m * beta_1 + g * (1 - beta_1)
    v = v * beta_2 + g * g * (1 - beta_2)
    return w * shrink - (m * rate + g * lookahead) / (square_root(v) + floor), m, v


@rule("rmsprop")
def rmsprop(w, g, v, *, rate, rho, epsilon):
    v = v * rho + g * g * (1 - rho)
    return w - g * rate / (square_root(v) + epsilon), v


@rule("rmsprop_momentum")
def rmsprop_momentum(w, g, v, m, b, *, rate, rho, momentum, centered, epsilon):
    v = v * rho + g * g * (1 - rho)
    m = m * rho + g * (1 - rho)
    variance = where(centered, v - m * m, v)
    variance = where(variance < 0.0, 0.0, variance)  # rounding, for a constant gradient
    b = b * momentum + g / (square_root(variance) + epsilon)
    return w - b * rate, v, m, b


@rule("adagrad")
def adagrad(w, g, v, *, rate, epsilon):
    v = v + g * g
    return w - g * rate / (square_root(v) + epsilon), v


@rule("lion")
def lion(w, g, m, *, rate, shrink, beta_1, beta_2):
    c = m * beta_1 + g * (1 - beta_1)
    sign = where(c > 0.0, 1.0, where(c < 0.0, -1.0, c))  # 0 and NaN are their own signs
    return w * shrink - sign * rate, m * beta_2 + g * (1 - beta_2)


@kernel
def begin_step(step, count, total_weight):
    """Derive the constants of step number `count` (from 1), the mean over `total_weight`."""
    if step.alpha != 0:
        step.l2 = step.alpha / total_weight
    has_penalty = step.l2 != 0 or step.l1 != 0
    is_clipped = step.clip_value != 0 or step.clip_norm != 0
    step.plain = step.rule == SGD and not has_penalty and not is_clipped
    step.apply_stored = False

    # The defaults fit every rule without bias correction.
    step.rate = step.lr
    step.lookahead = 0.0
    step.shrink = 1 - step.lr * step.weight_decay
    step.floor = step.epsilon

    # With epsilon inside the bias correction, its factor sqrt(1 - beta_2**count) is moved from the
    # denominator sqrt(v / (1 - beta_2**count)) + epsilon to the rate and to epsilon.
    if step.rule == ADAM or step.rule == ADAMW:
        step.rate = adam_rate(step.lr, step.beta_1, step.beta_2, count)
    if step.rule == ADAMW or step.rule == NADAM:
        step.floor = step.epsilon * (1 - step.beta_2**count) ** 0.5
    if step.rule == NADAM:
        _begin_nadam(step, count)


@kernel
def adam_rate(lr, beta_1, beta_2, count):
    """The learning rate of step `count`, times sqrt(1 - beta_2**count) / (1 - beta_1**count)."""
    return lr * ((1 - beta_2**count) ** 0.5 / (1 - beta_1**count))


@kernel
def _nadam_momentum(step, count):
    """Dozat's schedule of the momentum: from half of beta_1 to all of it."""
    return step.beta_1 * (1 - 0.5 * 0.96 ** (count * step.momentum_decay))


@kernel
def _begin_nadam(step, count):
    """The factors of the momentum and of the gradient, from the product of the momenta so far."""
    # A resumed fit, or a thread that did not take part in the last steps, computes the product
    # anew, with the same bits.
    if step.momentum_steps > count or step.momentum_steps == 0:
        step.momentum_steps = 0
        step.momentum_product = 1.0
    while step.momentum_steps < count:
        step.momentum_steps += 1
        step.momentum_product *= _nadam_momentum(step, step.momentum_steps)
    now = _nadam_momentum(step, count)
    following = _nadam_momentum(step, count + 1)
    product = step.momentum_product
    correction = (1 - step.beta_2**count) ** 0.5
    step.lookahead = step.lr * correction * (1 - now) / (1 - product)
    step.rate = step.lr * correction * following / (1 - product * following)
