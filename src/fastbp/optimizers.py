"""Optimizers as immutable value objects. Their state belongs to the net: calling ``fit`` again
continues with it."""

from dataclasses import dataclass

from .base.schedule_state import Schedule, check_rate, constant_rate
from .base.validation import check_choice, check_flag, check_number
from .kernels import abi


@dataclass(frozen=True)
class Optimizer:
    """Base class of the optimizers.

    A subclass is a frozen dataclass. Its fields are the settings of its update rule, by their names
    in `kernels.abi.STEP`; its formula is in ``kernels/rules.py``.

    Attributes
    ----------
    lr : float or Schedule
    """

    lr: float | Schedule = 0.0

    @property
    def rule(self) -> str:
        """The update rule, a key of `kernels.abi.RULES`."""
        raise NotImplementedError

    @property
    def n_slots(self) -> int:
        """Values of state per parameter."""
        return len(abi.RULES[self.rule].slots)

    def step_settings(self):
        """The settings by their names in `kernels.abi.STEP`; 0 for a learning rate that a schedule
        sets later."""
        return vars(self) | {"lr": constant_rate(self.lr)}


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum in the velocity form.

    v = momentum * v - lr * dW;  W += v, or with Nesterov's look-ahead
    W += momentum * v - lr * dW (Sutskever et al., *On the importance of initialization and momentum
    in deep learning*, 2013; the form of scikit-learn and Keras).

    Parameters
    ----------
    lr : float or Schedule
        Learning rate, positive, or a schedule of `fastbp.schedules`.
    momentum : float, default 0
        In [0, 1). With 0 no velocity is stored.
    nesterov : bool, default False
        Requires a momentum.

    Raises
    ------
    ValueError
        If a number is outside its range, or `nesterov` is set without a momentum.
    TypeError
        If a number is not one.
    """

    lr: float | Schedule = 0.1
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self):
        check_rate("lr", self.lr)
        check_number("momentum", self.momentum, least=0, below=1)
        if check_flag("nesterov", self.nesterov) and self.momentum == 0:
            raise ValueError("nesterov=True needs a momentum above 0, got momentum=0")

    @property
    def rule(self):
        if self.momentum == 0:
            return "sgd"
        return "nesterov" if self.nesterov else "momentum"


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam: steps scaled by running means of the gradient and of its square.

    m = beta_1 m + (1 - beta_1) dW;  v = beta_2 v + (1 - beta_2) dW**2;
    W -= lr * sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + epsilon) at step t (Kingma and
    Ba, *Adam*, 2015, the efficient form of section 2). Epsilon is outside the bias correction, as
    in scikit-learn and Keras; PyTorch puts it inside.

    Parameters
    ----------
    lr : float or Schedule, default 1e-3
        Learning rate, positive, or a schedule of `fastbp.schedules`.
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

    lr: float | Schedule = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    rule = "adam"

    def __post_init__(self):
        check_rate("lr", self.lr)
        check_number("beta_1", self.beta_1, least=0, below=1)
        check_number("beta_2", self.beta_2, least=0, below=1)
        check_number("epsilon", self.epsilon, above=0)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: in addition to Adam's step the weights shrink,
    ``W *= 1 - lr * weight_decay``.

    Biases do not decay. Loshchilov and Hutter, *Decoupled weight decay regularization*, 2019. As in
    PyTorch epsilon is inside the bias correction:
    W -= lr m / (1 - beta_1**t) / (sqrt(v / (1 - beta_2**t)) + epsilon).

    Parameters
    ----------
    lr : float or Schedule, default 1e-3
        Learning rate, positive, or a schedule of `fastbp.schedules`.
    beta_1, beta_2 : float, default 0.9 and 0.999
        Decay of the two means, in [0, 1).
    epsilon : float, default 1e-8
        Positive.
    weight_decay : float, default 1e-2
        At least 0.

    Raises
    ------
    ValueError
        If a number is outside its range.
    TypeError
        If a number is not one.
    """

    weight_decay: float = 1e-2

    rule = "adamw"

    def __post_init__(self):
        super().__post_init__()
        check_number("weight_decay", self.weight_decay, least=0)


@dataclass(frozen=True)
class Nadam(Adam):
    """Adam with Nesterov's look-ahead: Dozat, *Incorporating Nesterov momentum into Adam*, 2016.

    mu_t = beta_1 (1 - 0.96**(t * momentum_decay) / 2) is the momentum of step t and P_t the product
    of the momenta up to step t;
    W -= lr ((1 - mu_t) / (1 - P_t) dW + mu_{t+1} / (1 - P_{t+1}) m)
    / (sqrt(v / (1 - beta_2**t)) + epsilon), as in PyTorch.

    Parameters
    ----------
    lr : float or Schedule, default 2e-3
        Learning rate, positive, or a schedule of `fastbp.schedules`.
    beta_1, beta_2 : float, default 0.9 and 0.999
        Decay of the two means, in [0, 1).
    epsilon : float, default 1e-8
        Positive.
    momentum_decay : float, default 4e-3
        At least 0: how fast the momentum approaches beta_1.

    Raises
    ------
    ValueError
        If a number is outside its range.
    TypeError
        If a number is not one.
    """

    lr: float | Schedule = 2e-3
    momentum_decay: float = 4e-3

    rule = "nadam"

    def __post_init__(self):
        super().__post_init__()
        check_number("momentum_decay", self.momentum_decay, least=0)


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop: steps divided by the root of a running mean of the gradient's square.

    v = rho v + (1 - rho) dW**2;  u = dW / (sqrt(v) + epsilon);  W -= lr u, or with momentum
    b = momentum b + u, W -= lr b (Tieleman and Hinton, *Lecture 6.5*, 2012; the form of PyTorch).
    Centred, the square of the gradient's running mean is subtracted from v (Graves, *Generating
    sequences with recurrent neural networks*, 2013).

    Parameters
    ----------
    lr : float or Schedule, default 1e-2
        Learning rate, positive, or a schedule of `fastbp.schedules`.
    rho : float, default 0.99
        Decay of the mean, in [0, 1): PyTorch's alpha.
    epsilon : float, default 1e-8
        Positive.
    momentum : float, default 0
        In [0, 1).
    centered : bool, default False
        Whether the variance replaces the mean square.

    Raises
    ------
    ValueError
        If a number is outside its range.
    TypeError
        If a number is not one.
    """

    lr: float | Schedule = 1e-2
    rho: float = 0.99
    epsilon: float = 1e-8
    momentum: float = 0.0
    centered: bool = False

    def __post_init__(self):
        check_rate("lr", self.lr)
        check_number("rho", self.rho, least=0, below=1)
        check_number("epsilon", self.epsilon, above=0)
        check_number("momentum", self.momentum, least=0, below=1)
        check_flag("centered", self.centered)

    @property
    def rule(self):
        return "rmsprop_momentum" if self.momentum or self.centered else "rmsprop"


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Adagrad: steps divided by the root of the sum of the gradient's squares so far.

    v += dW**2;  W -= lr dW / (sqrt(v) + epsilon) (Duchi, Hazan and Singer, *Adaptive subgradient
    methods*, 2011; the form of PyTorch).

    Parameters
    ----------
    lr : float or Schedule, default 1e-2
        Learning rate, positive, or a schedule of `fastbp.schedules`.
    epsilon : float, default 1e-10
        Positive.

    Raises
    ------
    ValueError
        If a number is outside its range.
    TypeError
        If a number is not one.
    """

    lr: float | Schedule = 1e-2
    epsilon: float = 1e-10

    rule = "adagrad"

    def __post_init__(self):
        check_rate("lr", self.lr)
        check_number("epsilon", self.epsilon, above=0)


@dataclass(frozen=True)
class Lion(Optimizer):
    """Lion: steps of equal size for every parameter, in the direction of a mean gradient's sign.

    c = beta_1 m + (1 - beta_1) dW;  W -= lr (sign(c) + weight_decay W);
    m = beta_2 m + (1 - beta_2) dW (Chen et al., *Symbolic Discovery of Optimization Algorithms*,
    2023, algorithm 2). Biases do not decay.

    Parameters
    ----------
    lr : float or Schedule, default 1e-4
        Learning rate, positive, or a schedule of `fastbp.schedules`. The paper recommends a third
        to a tenth of AdamW's.
    beta_1, beta_2 : float, default 0.9 and 0.99
        Decay of the mean in the step and of the stored mean, in [0, 1).
    weight_decay : float, default 0
        At least 0.

    Raises
    ------
    ValueError
        If a number is outside its range.
    TypeError
        If a number is not one.
    """

    lr: float | Schedule = 1e-4
    beta_1: float = 0.9
    beta_2: float = 0.99
    weight_decay: float = 0.0

    rule = "lion"

    def __post_init__(self):
        check_rate("lr", self.lr)
        check_number("beta_1", self.beta_1, least=0, below=1)
        check_number("beta_2", self.beta_2, least=0, below=1)
        check_number("weight_decay", self.weight_decay, least=0)


# Every optimizer of this module by its name.
OPTIMIZERS = {
    name: kind
    for name, kind in list(globals().items())
    if isinstance(kind, type) and issubclass(kind, Optimizer) and kind is not Optimizer
}
NAMES = {name.lower(): kind for name, kind in OPTIMIZERS.items()}


def as_optimizer(optimizer: object) -> Optimizer:
    """An optimizer, or that of a name with its default settings.

    Raises
    ------
    TypeError, ValueError
        For anything else.
    """
    if isinstance(optimizer, str):
        return NAMES[check_choice("optimizer", optimizer.lower(), NAMES)]()
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"optimizer must be one of fastbp.{', '.join(OPTIMIZERS)}, or its name, "
            f"got {optimizer!r}"
        )
    return optimizer
