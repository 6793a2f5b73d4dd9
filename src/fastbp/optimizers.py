"""Optimizers as small value objects. Their state lives in the net, so calling ``fit`` again goes on where it left off."""

from dataclasses import dataclass

import numpy as np

from .kernels import update
from .validation import check_flag, check_number


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent, with momentum in the velocity form.

    v = momentum * v - lr * dW;  W += v, or with Nesterov's look-ahead W += momentum * v - lr * dW (Sutskever et al., *On the
    importance of initialization and momentum in deep learning*, 2013; the form of scikit-learn and Keras).

    Parameters
    ----------
    lr : float
        Learning rate, positive.
    momentum : float, default 0
        In [0, 1). With 0 no velocity is kept.
    nesterov : bool, default False
        Needs a momentum.

    Raises
    ------
    ValueError
        If a number is outside its range, or `nesterov` comes without momentum.
    TypeError
        If a number is not one.
    """

    lr: float = 0.1
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self):
        check_number("lr", self.lr, above=0)
        check_number("momentum", self.momentum, least=0, below=1)
        if check_flag("nesterov", self.nesterov) and self.momentum == 0:
            raise ValueError("nesterov=True needs a momentum above 0, got momentum=0")

    @property
    def rule(self):
        if self.momentum == 0:
            return update.SGD
        return update.NESTEROV if self.nesterov else update.MOMENTUM

    def numbers(self):
        """What the update kernel reads: see kernels/update.py."""
        step = np.zeros(update.STEP_SIZE)
        step[update.RULE], step[update.LR], step[update.BETA_1] = self.rule, self.lr, self.momentum
        return step


@dataclass(frozen=True)
class Adam:
    """Adam: steps scaled by running means of the gradient and of its square.

    m = beta_1 m + (1 - beta_1) dW;  v = beta_2 v + (1 - beta_2) dW**2;
    W -= lr * sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + epsilon) at step t (Kingma and Ba, *Adam*, 2015, the
    efficient form of section 2). Epsilon is outside the bias correction, as in scikit-learn and Keras; PyTorch puts it inside.

    Parameters
    ----------
    lr : float, default 1e-3
        Learning rate, positive.
    beta_1, beta_2 : float, default 0.9 and 0.999
        Decay of the two means, in [0, 1).
    epsilon : float, default 1e-8
        Positive.

    Raises
    ------
    ValueError
        If a number is outside its range.
    TypeError
        If a number is not one.
    """

    lr: float = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    rule = update.ADAM

    def __post_init__(self):
        check_number("lr", self.lr, above=0)
        check_number("beta_1", self.beta_1, least=0, below=1)
        check_number("beta_2", self.beta_2, least=0, below=1)
        check_number("epsilon", self.epsilon, above=0)

    def numbers(self):
        """What the update kernel reads: see kernels/update.py."""
        step = np.zeros(update.STEP_SIZE)
        step[update.RULE], step[update.LR], step[update.EPSILON] = self.rule, self.lr, self.epsilon
        step[update.BETA_1], step[update.BETA_2] = self.beta_1, self.beta_2
        return step
