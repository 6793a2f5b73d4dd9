"""The model: a dense multi-layer network, its training and its use."""

import copy
import os
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .base.schedule_state import ScheduleState
from .base.validation import check_count, check_dropout, check_number
from .engine import custom_loss
from .engine.initializers import initial_weights
from .engine.steps import loss_and_gradient
from .export.onnx import to_onnx
from .fitting import Fitting
from .graph.explain import explain
from .history import History
from .optimizers import Optimizer
from .preprocessing import Preprocessing

LossFunction = Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray]]


class MLP(Fitting):
    """A dense network trained by back-propagation: a = f(x @ W + b), layer after layer.

    Parameters
    ----------
    widths : sequence of int
        Units of the input, of each hidden layer and of the output. ``[n_in, n_out]`` alone is
        linear or logistic regression.
    hidden : str or sequence of str, default "sigmoid"
        Activation of the hidden layers, one name or one a layer: "identity", "sigmoid" (or
        "logistic"), "tanh", "relu", "leaky_relu" (slope 0.01), "elu" (alpha 1), "softplus", "selu";
        and "gelu" (z times the normal distribution at z, by the error function and not by tanh; as
        PyTorch's default), "silu" (z sigmoid(z)), "mish" (z tanh(softplus(z))), for which training
        keeps one number more a unit and sample; "softsign" (z / (1 + abs(z))).
    output : str, default "softmax"
        "softmax", "sigmoid", "identity", "tanh", "relu", "softplus" or "exp".
    loss : str or callable, optional
        A mean over rows; its gradient is the gradient of exactly that. With targets t, outputs a =
        f(z), sums over outputs:

        - "cross_entropy" (softmax output only, its default), "binary_cross_entropy" (sigmoid output
          only, its default);
        - "softmax_cross_entropy": the softmax taken of whatever the outputs are, those of "exp"
          excepted;
        - "squared_error": 1/2 sum (a - t)**2, the default of all other outputs;
        - "huber": sum of 1/2 (a - t)**2 where that error is within 1, else abs(a - t) - 1/2;
          "absolute_error": sum abs(a - t);
        - "poisson" (exp output only, its default): half the Poisson deviance sum t log(t / a) - t +
          a of counts t. The outputs a = exp(z) are rates; z, which the last layer's weights make,
          are their logarithms;
        - "hinge" (identity output only): the multi-class SVM's sum over j != y of max(0, a_j - a_y
          + 1) for label y;
        - a callable ``(a, y) -> (loss, dloss_da)``: of a batch's outputs a (n, n_out), in the net's
          dtype, and its targets y, real numbers (n,) or (n, k) in the caller's, the loss as one
          number, a mean or not, and its derivative, shaped as a. It must depend on a and y only.
          `fit` compares the derivative with central differences on its first batch (of that at most
          1024 rows). A step costs one forward pass more, and the call. Where it raises, training
          stops with the weights of the last whole step. There is no `sample_weight` or
          `class_weight` with it.
    init : str or callable, default "glorot_uniform"
        Also "glorot_normal", "he_uniform", "he_normal", or a callable (rng, shape) -> array, called
        once a layer. Biases start at 0.
    dtype : "float32" or "float64", default "float32"
        Of the parameters and of all arithmetic.
    seed : int or None, default 0
        Of the initial weights, the shuffles and dropout. The same seed gives the same net, shuffles
        and bits; None draws a fresh one.
    dropout : float or sequence of float, default 0
        Rate, in [0, 1), at which `fit` drops units of the hidden layers, one rate or one a layer.
        What is kept is divided by 1 - rate, so that `predict` and all else use the net as it is.
        The losses of a fit are those of the thinned net.
    label_smoothing : float, default 0
        In [0, 1], for the cross-entropies: targets t are taken as (1 - s) t + s / k, with k
        classes, two for each output of "binary_cross_entropy" (Szegedy et al., *Rethinking the
        Inception Architecture for Computer Vision*, 2016; as in PyTorch, whose class weights
        however weigh the smoothed targets of every class, ours the sample). Part of the loss
        wherever one is reported.

    Attributes
    ----------
    weights, biases : sequences of ndarray (n_in, n_out) and (n_out,), one a layer
        The net's own memory: writing into an array changes the net.
    widths, hidden, output, loss_name, dtype, label_smoothing, dropout
        As given, names filled in; ``loss_name`` is "custom" for a callable.
    loss_function : callable or None
        The loss, if it is a callable.
    history_ : History or None
        Of the last fit.
    optimizer_ : optimizer or None
        That of the last fit: ``net.fit(X, y, optimizer=net.optimizer_)`` goes on with it.
    preprocessing_ : Preprocessing or None
        Of a net that the command ``fastbp train`` has made from a table:
        ``net.preprocessing_.transform(columns)`` makes its inputs,
        ``net.preprocessing_.target.decode(net.predict(X))`` the target's own values. Saved with the
        net; the net's own methods do not look at it.

    Raises
    ------
    ValueError, TypeError
        For a width below 1, a name that is not known, a loss that does not go with the output, or a
        rate outside [0, 1).

    Examples
    --------
    >>> import numpy as np, fastbp
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> net = fastbp.MLP([2, 4, 1], hidden="tanh", output="sigmoid", seed=1)
    >>> history = net.fit(X, [0, 1, 1, 0], epochs=2000, batch_size=4, optimizer=fastbp.SGD(1.0))
    >>> net.predict(X)
    array([0, 1, 1, 0])
    """

    def __init__(
        self,
        widths: Sequence[int],
        hidden: str | Sequence[str] = "sigmoid",
        output: str = "softmax",
        loss: str | LossFunction | None = None,
        init: str | Callable[[np.random.Generator, tuple[int, int]], ArrayLike] = "glorot_uniform",
        dtype: DTypeLike = "float32",
        seed: int | None = 0,
        label_smoothing: float = 0.0,
        dropout: float | Sequence[float] = 0.0,
    ) -> None:
        super().__init__(widths, hidden, output, loss, dtype, label_smoothing)
        self.dropout = check_dropout(dropout, len(self.hidden))
        if any(self.dropout) and self.loss_function is not None:
            raise ValueError(
                "dropout cannot be used with a callable as loss, which is called on the outputs of the whole net"
            )
        seeds = np.random.SeedSequence(seed if seed is None else check_count("seed", seed, least=0))
        self._rng = np.random.default_rng(seeds)
        self._dropout_key = tuple(seeds.spawn(1)[0].generate_state(2).tolist())
        for view in self.weights:
            view[...] = initial_weights(init, self._rng, view.shape, self.dtype)
        self._steps_done = 0
        self.optimizer_: Optimizer | None = None
        self._position = ScheduleState(0)
        self.history_: History | None = None
        self.preprocessing_: Preprocessing | None = None

    def loss(
        self,
        X: ArrayLike,
        y: ArrayLike,
        l2: float = 0.0,
        sample_weight: ArrayLike | None = None,
        l1: float = 0.0,
    ) -> float:
        """The mean loss over the samples, penalty included.

        Parameters
        ----------
        X, y, l2, sample_weight, l1
            As for ``fit``.

        Returns
        -------
        float

        Raises
        ------
        ValueError, TypeError
            As for ``fit``.
        """
        samples, l2, l1 = (
            self._samples(X, y, sample_weight),
            check_number("l2", l2, least=0),
            check_number("l1", l1, least=0),
        )
        penalty = l2 and l2 / 2 * sum(
            float(np.sum(np.square(w, dtype=np.float64))) for w in self.weights
        )
        penalty += l1 and l1 * sum(float(np.sum(np.abs(w), dtype=np.float64)) for w in self.weights)
        return (
            custom_loss.mean_loss(self.loss_function, self._network, self._parameters, samples)
            + penalty
        )

    def loss_and_gradients(
        self,
        X: ArrayLike,
        y: ArrayLike,
        l2: float = 0.0,
        sample_weight: ArrayLike | None = None,
        n_threads: int | None = None,
        l1: float = 0.0,
    ) -> tuple[float, list[np.ndarray], list[np.ndarray]]:
        """The loss and its gradient, with all samples as one batch; the net is left as it is.

        Parameters
        ----------
        X, y, l2, sample_weight, n_threads, l1
            As for ``fit``.

        Returns
        -------
        loss : float
        dWs : list of ndarray (n_in, n_out)
        dbs : list of ndarray (n_out,)

        Raises
        ------
        ValueError, TypeError
            As for ``fit``.
        """
        samples, l2, l1 = (
            self._samples(X, y, sample_weight),
            check_number("l2", l2, least=0),
            check_number("l1", l1, least=0),
        )
        make_steps = custom_loss.steps_of(self.loss_function)
        loss, flat = loss_and_gradient(
            self._network, self._parameters, samples, l2, n_threads, l1, make_steps
        )
        like = copy.copy(self)
        like._restore(flat)
        return loss, list(like.weights), list(like.biases)

    explain = explain
    to_onnx = to_onnx

    def save(self, path: str | os.PathLike) -> None:
        """Put all that the net is into a file, from which `fastbp.load` makes it again: safetensors
        with a header of our own.

        The file is written as a whole or not at all: killed at any moment, or with the disk full,
        it holds what it held before.

        Parameters
        ----------
        path : str or path-like
            An existing file is replaced, and keeps its permissions.

        Raises
        ------
        OSError
            If the folder is not there or may not be written to, or the disk is full.
        ValueError
            If a weight is NaN or infinite, which fastbp could not load.
        """
        from .serialization.save import save  # which needs this module

        save(self, path)

    def to_sklearn(self, classes: ArrayLike | None = None):
        """scikit-learn's estimator with these weights and equal predictions; `fastbp.from_sklearn`
        is the way back.

        Parameters
        ----------
        classes : array_like (n_classes,), optional
            What the labels 0..n_classes - 1 of a classifier stand for, sorted; by default
            themselves. None for a net with several sigmoid outputs (multilabel) and for a
            regression.

        Returns
        -------
        MLPClassifier or MLPRegressor
            scikit-learn's own class, with copies of the weights and default settings otherwise. As
            it has not trained itself, ``n_iter_`` and ``t_`` are 0 and ``loss_curve_`` is empty;
            ``partial_fit`` goes on from the weights. A softmax over two classes becomes the
            logistic function of the difference, as scikit-learn has it: 1 / (1 + exp(z0 - z1)).

        Raises
        ------
        ImportError
            If scikit-learn is not installed.
        ValueError
            If scikit-learn lacks a hidden activation of the net, different ones in its layers, or
            its output with its loss; or if `classes` do not fit the outputs.

        Warns
        -----
        UserWarning
            If the net has dropout or label smoothing, which change no prediction: the estimator is
            trained further without.
        """
        from .export.sklearn import to_sklearn

        return to_sklearn(self, classes)

    def to_torch(self):
        """A PyTorch module with these weights and equal outputs; `fastbp.from_torch` is the way
        back, to the same bits.

        Returns
        -------
        torch.nn.Sequential
            Of ``Linear``, activations and, where the net drops units, ``Dropout``; of the net's
            dtype, with copies of the weights, on the CPU, in evaluation mode. Its outputs are those
            of ``forward(X)[-1]`` to rounding: probabilities if the net's output is softmax or
            sigmoid. ``module[:-1]`` gives the logits then, which PyTorch's losses want. The loss,
            label smoothing in it, and the optimizer's state are not part of a module.

        Raises
        ------
        ImportError
            If PyTorch is not installed.
        ValueError
            If the net's output is "exp", for which PyTorch has no module.
        """
        from .export.torch import to_torch

        return to_torch(self)
