"""The model: a dense multi-layer network, its training and its use."""

import copy
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Self, SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .base.activations import HIDDEN, OUTPUTS
from .base.close_match import suggest_keywords
from .base.fit_config import FitConfig
from .base.html import net_html
from .base.labels import check_classes, class_count, same_classes, shown
from .base.losses import CUSTOM, LOSSES
from .base.network_arguments import (
    check_dropout,
    check_dtype,
    check_hidden,
    check_loss,
    check_smoothing,
    check_widths,
    parameter_count,
)
from .base.schedule_state import ScheduleState
from .base.validation import (
    check_choice,
    check_count,
    check_inputs,
    check_not_nan,
    check_number,
)
from .engine import custom_loss
from .engine.forward import activations, outputs
from .engine.initializers import initial_weights
from .engine.metrics import is_classifier, labels_of, score
from .engine.network import CompiledNetwork
from .engine.parameters import Parameters, layer_views
from .engine.state import TrainState
from .engine.steps import loss_and_gradient
from .export.onnx import to_onnx
from .export.sklearn import to_sklearn
from .export.torch import to_torch
from .graph.explain import explain
from .history import History
from .kernels.abi import GIVEN
from .kernels.plan import aligned_zeros
from .optimizers import SGD, Optimizer, as_optimizer
from .preprocessing import Preprocessing
from .serialization.save import save
from .training.batches import ArrayBatches
from .training.checked_samples import make_samples
from .training.checkpointer import Checkpointer
from .training.fit import (
    AnyCallback,
    make_step,
    new_loop,
    train,
    warn_after_fit,
)
from .training.loop import TrainingLoop

LossFunction = Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray]]

# Attributes that a net is made with or that its fits set, and what changes them.
FIXED = dict.fromkeys(
    ("widths", "hidden", "output", "loss_name", "loss_function", "label_smoothing", "network"),
    "make another net with fastbp.MLP",
) | {
    "dtype": "net.astype returns a copy in another dtype",
    "class_labels": "net.classes_ = [...] sets them",
    "feature_names": "a fit on a data frame sets them",
    "train_state": "net.parameters[:] = ... changes its parameters",
    "optimizer_": "net.fit(X, y, optimizer=...) changes it together with its state",
}


class MLP:
    """A dense network trained by back-propagation: each layer computes a = f(x @ W + b).

    Parameters
    ----------
    widths : sequence of int
        Units of the input, of each hidden layer and of the output. ``[n_in, n_out]`` alone is
        linear or logistic regression.
    hidden : str or sequence of str, default "sigmoid"
        Activation of the hidden layers, one name or one a layer: "identity", "sigmoid" (or
        "logistic"), "tanh", "relu", "leaky_relu" (slope 0.01), "elu" (alpha 1), "softplus", "selu",
        "gelu" (z times the normal distribution function of z, computed by erf like PyTorch's
        default), "silu" (z sigmoid(z)) and "mish" (z tanh(softplus(z))), for which training stores
        one more number a unit and sample; "softsign" (z / (1 + abs(z))).
    output : str, default "softmax"
        "softmax" (of at least two outputs), "sigmoid", "identity", "tanh", "relu", "softplus" or
        "exp".
    loss : str or callable, optional
        A mean over rows; the gradient is exactly that of the loss reported. With targets t, outputs
        a = f(z), and sums over outputs:

        - "cross_entropy" (softmax output only, its default), "binary_cross_entropy" (sigmoid output
          only, its default);
        - "softmax_cross_entropy": the cross-entropy of softmax(a), of at least two outputs, for all
          outputs but "exp";
        - "squared_error": 1/2 sum (a - t)**2, the default of all other outputs;
        - "huber": sum of 1/2 (a - t)**2 where abs(a - t) <= 1, of abs(a - t) - 1/2 elsewhere;
        - "absolute_error": sum abs(a - t);
        - "poisson" (exp output only, its default): half the Poisson deviance, sum t log(t / a) - t
          + a, for counts t. The outputs a = exp(z) are rates;
        - "hinge" (identity output only): the multi-class SVM's sum over j != y of max(0, a_j - a_y
          + 1) for label y;
        - a callable ``(a, y) -> (loss, dloss_da)``. Its arguments are the outputs a (n, n_out) of a
          batch, in the net's dtype, and the targets y, real numbers (n,) or (n, k) in the caller's
          dtype. It returns the loss as one number, which need not be a mean, and its derivative of
          the shape of a, and must depend on a and y only. `fit` compares the derivative with
          central differences on the first batch, at most 1024 rows. A step costs one more forward
          pass and the call. An exception ends the fit; the net keeps the weights of the last whole
          step. `sample_weight` and `class_weight` cannot be used with it.
    init : str or callable, default "glorot_uniform"
        Also "glorot_normal", "he_uniform", "he_normal", or a callable (rng, shape) -> array, called
        once a layer. Biases start at 0.
    dtype : "float32" or "float64", default "float32"
        Of the parameters and of all arithmetic.
    seed : int or None, default 0
        Of the initial weights, the shuffles and dropout. Equal seeds give equal bits; None draws a
        random seed.
    label_smoothing : float, default 0
        s in [0, 1], for the cross-entropies: targets t become (1 - s) t + s / k with k classes, 2
        for each output of "binary_cross_entropy" (Szegedy et al., *Rethinking the Inception
        Architecture for Computer Vision*, 2016). As in PyTorch, except that PyTorch's class weights
        apply to the smoothed targets of every class, and those of `fit` to the sample. Every
        reported loss includes it.
    dropout : float or sequence of float, default 0
        Rate, in [0, 1), at which `fit` drops units of the hidden layers, one rate or one a layer.
        Remaining units are divided by 1 - rate during training, so that all other methods use the
        net without scaling. The training losses of a fit are those with dropped units.

    Attributes
    ----------
    weights, biases : sequences of ndarray (n_in, n_out) and (n_out,), one a layer
        Views of the net's memory: writing into an array changes the net.
    parameters : ndarray (n_parameters,)
        The same memory, flat: for each layer W in row-major order, then b. ``saved =
        net.parameters.copy()`` and ``net.parameters[:] = saved`` save and restore them.
    widths, hidden, output, loss_name, dtype, label_smoothing, dropout
        The arguments, with defaults filled in; ``loss_name`` is "custom" for a callable. Of these
        only `dropout` can be assigned.
    loss_function : callable or None
        The loss, if it is a callable.
    classes_ : ndarray (n_classes,) or None
        The labels that `predict` returns: 0..n_classes - 1, or those of the first fit. A sequence
        of labels can be assigned, as for a net from another library.
    feature_names_in_ : ndarray of str (n_in,) or None
        The columns of the data frame that the net was fitted on: another data frame must have the
        same ones.
    history_ : History or None
        Of the last fit.
    optimizer_ : optimizer or None
        Of the last fit; ``net.fit(X, y, optimizer=net.optimizer_)`` continues with it.
    preprocessing_ : Preprocessing or None
        Of a net that the command ``fastbp train`` has made from a table:
        ``net.preprocessing_.transform(columns)`` gives its inputs,
        ``net.preprocessing_.target.decode(net.predict(X))`` the values of the target column. It is
        saved with the net; the net's methods do not use it.
    train_state : TrainState
        Parameters, optimizer state, number of steps, generators and progress in the schedule: what
        a fit changes and a file holds.
    network : CompiledNetwork
        Plans and buffers for the kernels.

    Raises
    ------
    ValueError, TypeError
        For a width below 1, an unknown name, a loss that does not go with the output, or a rate
        outside [0, 1).

    Examples
    --------
    >>> import numpy as np, fastbp
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> net = fastbp.MLP([2, 4, 1], hidden="tanh", output="sigmoid", seed=1)
    >>> history = net.fit(X, [0, 1, 1, 0], epochs=2000, batch_size=4, optimizer=fastbp.SGD(1.0))
    >>> net.predict(X)
    array([0, 1, 1, 0])
    """

    network: CompiledNetwork

    @suggest_keywords
    def __init__(
        self,
        widths: Sequence[SupportsIndex] | np.ndarray,
        hidden: str | Sequence[str] = "sigmoid",
        output: str = "softmax",
        loss: str | LossFunction | None = None,
        init: str | Callable[[np.random.Generator, tuple[int, int]], ArrayLike] = "glorot_uniform",
        dtype: DTypeLike = "float32",
        seed: SupportsIndex | None = 0,
        label_smoothing: SupportsFloat = 0.0,
        dropout: SupportsFloat | Sequence[SupportsFloat] = 0.0,
    ) -> None:
        self.widths = check_widths(widths)
        self.hidden = check_hidden(hidden, len(self.widths) - 2)
        self.output = check_choice("output", output, OUTPUTS)
        self.loss_name = check_loss(loss, output, self.widths[-1])
        self.loss_function = loss if self.loss_name == CUSTOM else None
        self.label_smoothing = label_smoothing
        self.dtype = check_dtype(dtype)
        self.dropout = dropout
        seeds = np.random.SeedSequence(seed if seed is None else check_count("seed", seed, least=0))
        self.train_state = TrainState(
            parameters=aligned_zeros(parameter_count(self.widths), self.dtype),
            optimizer_state=np.zeros(0, self.dtype),
            step=0,
            rng=np.random.default_rng(seeds),
            schedule_state=ScheduleState(0),
            dropout_key=tuple(seeds.spawn(1)[0].generate_state(2).tolist()),
            widths=self.widths,
        )
        self._bind()
        for view in self.weights:
            view[...] = initial_weights(init, self.train_state.rng, view.shape, self.dtype)
        # The classes, None for 0..n_classes - 1; the columns of a data frame.
        self.class_labels: np.ndarray | None = None
        self.feature_names: tuple[str, ...] | None = None
        self.optimizer_: Optimizer | None = None
        self.history_: History | None = None
        self.preprocessing_: Preprocessing | None = None

    def _bind(self):
        """Make the views of the parameters and the kernels' tables of the network."""
        weights, biases = layer_views(self.parameters, self.widths)
        self._weights = Parameters("weights", weights)
        self._biases = Parameters("biases", biases)
        vars(self)["network"] = CompiledNetwork(
            self.widths,
            [HIDDEN[name] for name in self.hidden] + [0],
            OUTPUTS[self.output],
            GIVEN if self.loss_function else LOSSES[self.loss_name].code,
            self.dtype,
            check_smoothing(self.label_smoothing, self.loss_name, self.widths[-1]),
        )

    def __setattr__(self, name, value):
        """Refuse to change what the kernels' tables were made of and what belongs together."""
        if name in FIXED and name in vars(self):
            raise AttributeError(f"{name} of a net cannot be assigned: {FIXED[name]}")
        if name == "dropout":
            value = check_dropout(value, len(self.hidden))
            if any(value) and self.loss_function is not None:
                raise ValueError(
                    "dropout cannot be used with a callable as loss, which is called on the "
                    "outputs of the whole net"
                )
        super().__setattr__(name, value)

    def __delattr__(self, name):
        if name in FIXED:
            raise AttributeError(f"{name} of a net cannot be deleted")
        super().__delattr__(name)

    def __copy__(self):
        """A copy with arrays and a lock of its own, as `copy.deepcopy` makes it."""
        return copy.deepcopy(self)

    def __getstate__(self):
        derived = ("_weights", "_biases", "network")
        return {name: value for name, value in self.__dict__.items() if name not in derived}

    def __setstate__(self, state):
        vars(self).update({"class_labels": None, "feature_names": None} | state)
        self._bind()

    @property
    def parameters(self) -> np.ndarray:
        """All weights and biases as one flat array, layer by layer: the memory of the net.

        Returns
        -------
        ndarray (n_parameters,)
        """
        return self.train_state.parameters

    @property
    def classes_(self) -> np.ndarray | None:
        """The labels that `predict` returns, in the order of the outputs.

        Returns
        -------
        ndarray (n_classes,) or None
            0..n_classes - 1, or those of the first fit; None for a regression and for several
            sigmoid outputs. A sequence of different labels can be assigned, which names the
            outputs.
        """
        n_classes = class_count(self.output, self.loss_name, self.widths[-1])
        if self.class_labels is None:
            return None if n_classes is None else np.arange(n_classes)
        return self.class_labels.copy()

    @classes_.setter
    def classes_(self, values):
        n_classes = class_count(self.output, self.loss_name, self.widths[-1])
        vars(self)["class_labels"] = check_classes("classes_", values, n_classes)

    @property
    def feature_names_in_(self) -> np.ndarray | None:
        """The columns of the data frame that the net was fitted on, in the order of its inputs.

        Returns
        -------
        ndarray of str (n_in,) or None
            None for arrays, for names that are not all text, and for names of more than 128 KiB.
        """
        return None if self.feature_names is None else np.array(self.feature_names, object)

    @property
    def weights(self) -> Parameters:
        """The weights W of each layer.

        Returns
        -------
        sequence of ndarray (n_in, n_out)
            Views: writing into them changes the net. Items and the whole sequence can be assigned.
        """
        return self._weights

    @weights.setter
    def weights(self, values):
        self._weights.assign(values)

    @property
    def biases(self) -> Parameters:
        """The biases b of each layer.

        Returns
        -------
        sequence of ndarray (n_out,)
            Views, as for `weights`.
        """
        return self._biases

    @biases.setter
    def biases(self, values):
        self._biases.assign(values)

    @suggest_keywords
    def fit(
        self,
        X: ArrayLike | Iterable[Sequence[ArrayLike]],
        y: ArrayLike | None = None,
        epochs: SupportsIndex = 300,
        batch_size: SupportsIndex | None = 25,
        optimizer: Optimizer | str = SGD(0.1),  # noqa: B008 - a frozen value
        l2: SupportsFloat = 0.0,
        l1: SupportsFloat = 0.0,
        clip_value: SupportsFloat | None = None,
        clip_norm: SupportsFloat | None = None,
        shuffle: bool | np.bool_ = True,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        patience: SupportsIndex | None = None,
        restore_best: bool | np.bool_ = True,
        sample_weight: ArrayLike | None = None,
        callbacks: AnyCallback | Sequence[AnyCallback] = (),
        progress: bool | np.bool_ = False,
        n_threads: SupportsIndex | None = None,
        class_weight: Mapping[Any, SupportsFloat] | Literal["balanced"] | None = None,
        checkpoint: str | bytes | os.PathLike | None = None,
        checkpoint_every: SupportsFloat | None = None,
        checkpoint_errors: Literal["warn", "raise"] = "warn",
        validation_split: SupportsFloat = 0.0,
        metrics: str | Sequence[str] = (),
    ) -> History:
        """Train by minibatch descent, from the present weights and optimizer state on.

        Parameters
        ----------
        X : array_like (n_samples, n_in)
            Any real dtype and memory layout; converted a batch at a time, never copied whole. A
            data frame with columns of several types, nullable or of pyarrow, is copied
            once, in the net's dtype; a SciPy sparse matrix becomes dense a batch at a time. Or,
            without y, an iterable of batches (X, y) or (X, y, sample_weight), or an object with
            ``__len__`` and ``__getitem__`` only (Keras's Sequence, of which ``on_epoch_end`` is
            called; a PyTorch Dataset of batches). Each batch is one step. The source is read once
            an epoch, in another thread, one batch ahead of the training: a fit that is stopped may
            have read a batch more than its steps. Variables of ``contextvars`` are the caller's in
            that thread, thread-local state (as of a database connection) is not. An endless
            generator needs epochs of a length: an object of which ``__iter__`` returns
            ``itertools.islice(generator, steps)``.
            `batch_size` and `shuffle` have no effect then.
        y : array_like
            Labels (n_samples,), one-hot or probabilities (n_samples, n_out), 0 or 1 (n_samples,)
            for one sigmoid output, real (n_samples,) or (n_samples, n_out) for regression, none
            below 0 for "poisson". Labels are 0..n_out - 1; or, from the first fit on, text,
            booleans or other whole numbers, as many as there are classes. They become `classes_`,
            sorted.
        epochs : int, default 300
            Passes over the samples, at most.
        batch_size : int or None, default 25
            Samples a step; the last batch of an epoch may be smaller. None takes all samples at
            once.
        optimizer : SGD, Adam, AdamW, Nadam, RMSprop, Adagrad or Lion, or str, default SGD(0.1)
            A name such as "adam" stands for the optimizer with its default settings. The state is
            kept in the net from fit to fit, until an optimizer of another type is given.
        l2 : float, default 0
            Penalty 1/2 l2 sum(W**2), weights only, part of the loss and of its gradient.
        l1 : float, default 0
            Penalty l1 sum(abs(W)), likewise; its derivative at a weight of 0 is taken as 0.
        clip_value : float, optional
            Positive. Derivatives are cut to [-clip_value, clip_value], penalties included.
        clip_norm : float, optional
            Positive. After that, a gradient with a larger norm, over all weights and biases, is
            multiplied by clip_norm / (norm + 1e-6), as PyTorch's ``clip_grad_norm_``. Costs a pass
            over the gradient.
        shuffle : bool, default True
            A new random order each epoch.
        X_val, y_val : array_like, optional
            Validation set; its loss is computed after each epoch.
        patience : int, optional
            Stop after this many consecutive epochs without a lower validation loss (training loss
            without a validation set). `callbacks.EarlyStopping` has more settings.
        restore_best : bool, default True
            With patience, end with the weights of the best epoch.
        sample_weight : array_like (n_samples,), optional
            Not negative. Means become weighted means: a batch's loss is sum(w * loss) / sum(w) over
            its samples, with its exact gradient; in an epoch's loss, batches are weighted by their
            sum(w). Their unit does not matter, also where they are too small for the net's dtype.
        callbacks : Callback, callable, or sequence of them, default ()
            See `fastbp.callbacks`; a callable is called as ``callback(net, history)`` after every
            epoch, and True stops.
        progress : bool, default False
            Show a progress bar (on standard error; in a log file, lines) with loss, validation loss
            and samples a second.
        n_threads : int, optional
            Threads, at most one a CPU; by default a number found by timing, at most that of
            FASTBP_NUM_THREADS, OMP_NUM_THREADS and NUMBA_NUM_THREADS in the environment. The result
            has the same bits for any number.
        class_weight : "balanced" or mapping {label: weight}, optional
            For targets with one class a sample: each sample's weight is multiplied by that of its
            class. "balanced" gives all classes in y the same total weight, n / (k n_c) a sample.
            Labels that are missing in a mapping have weight 1. The validation loss is unweighted.
        checkpoint : str, bytes or path-like, optional
            File for checkpoints during the fit and at its end, with arrays X and y only.
            `fastbp.resume` continues from it, to the same bits. An existing file is overwritten
            only if it is the checkpoint of a completed fit.
        checkpoint_every : float, optional
            Seconds between two checkpoints, 0 for one after every step. By default 60, or more if
            writing them would take more than 1 % of the time.
        checkpoint_errors : "warn" or "raise", default "warn"
            If a checkpoint cannot be written (the disk is full, the folder is missing), warn and
            continue, or raise the error. The last checkpoint is kept in either case.
        validation_split : float, default 0
            In [0, 1): this share of the samples, rounded up, is the validation set instead of
            `X_val, y_val`, unweighted. It is drawn at random by the seed of the net, the same for
            the same y in every fit, and stratified where each sample has one class. A copy of its
            rows is held. Arrays only.
        metrics : "accuracy" or sequence of it, default ()
            After each epoch record the accuracy of a classifier in the history: `accuracy` of the
            training samples, by one more forward pass over them with the weights at the end of the
            epoch and without dropout, and `val_accuracy` of a validation set. Unweighted, as
            `score` without weights. Of batches only the latter.

        Returns
        -------
        History
            Also kept as ``history_``.

        Raises
        ------
        ValueError, TypeError
            For bad input, before anything is changed.
        DivergenceError
            A ValueError: a loss, a weight or the optimizer's state was NaN or infinite. The net
            keeps its last finite weights and state, and can be saved.
        Exception
            Of a callable as loss, with a note of the batch. The net keeps the weights of the last
            whole step.
        OSError
            If `checkpoint` cannot be written: at the beginning, and with
            ``checkpoint_errors="raise"`` also later.
        RuntimeError
            If the net is being trained already, by another thread or by the fit that called the
            callback.
        MemoryError
            If there is too little memory for the buffers, before a weight is changed; or for
            samples that are converted during the fit, after a whole step.

        Warns
        -----
        UserWarning
            On Ctrl-C, which ends the fit within one step and leaves a usable net and history. If a
            checkpoint cannot be written. If the last steps had the learning rate 0 of a schedule
            that had ended.

        Notes
        -----
        An exception of the handler of another signal (SIGTERM, SIGHUP, SIGALRM, SIGUSR1, SIGUSR2;
        on Windows SIGBREAK) ends a fit like Ctrl-C and is then raised by it.
        ``signal.signal(signal.SIGTERM, lambda *_: sys.exit())`` writes a last checkpoint when a job
        is terminated.
        """
        settings: Any = (
            epochs,
            batch_size,
            l2,
            l1,
            clip_value,
            clip_norm,
            shuffle,
            patience,
            restore_best,
            class_weight,
            validation_split,
            metrics,
        )
        config = FitConfig(*settings)
        checkpointer = None
        if checkpoint is not None:
            checkpointer = Checkpointer(checkpoint, checkpoint_every, checkpoint_errors)
        elif checkpoint_every is not None:
            raise ValueError(
                f"checkpoint_every={checkpoint_every!r} needs checkpoint, the path of a file"
            )
        loop = new_loop(
            self,
            X,
            y,
            X_val,
            y_val,
            sample_weight,
            optimizer,
            config,
            callbacks,
            progress,
            n_threads,
            checkpointer,
        )
        history = train(loop)
        warn_after_fit(self)
        return history

    @suggest_keywords
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        optimizer: Optimizer | str = SGD(0.1),  # noqa: B008 - a frozen value
        l2: SupportsFloat = 0.0,
        l1: SupportsFloat = 0.0,
        clip_value: SupportsFloat | None = None,
        clip_norm: SupportsFloat | None = None,
        sample_weight: ArrayLike | None = None,
        n_threads: SupportsIndex | None = None,
        classes: ArrayLike | None = None,
    ) -> float:
        """Make one step with these samples as its batch: for streams and custom training loops.

        The step is that of ``fit``. Each call is an epoch of one step, also for schedules and
        `history_`.

        Parameters
        ----------
        X, y, optimizer, l2, l1, clip_value, clip_norm, sample_weight, n_threads
            As for ``fit``.
        classes : array_like (n_classes,), optional
            All labels, in the order of the outputs; needed in the first call if they are others
            than 0..n_classes - 1, as a batch need not have all of them.

        Returns
        -------
        float
            The batch's loss before the step, penalty included.

        Raises
        ------
        ValueError, TypeError, DivergenceError, RuntimeError, MemoryError
            As for ``fit``.
        KeyboardInterrupt
            On Ctrl-C, after the step.

        Warns
        -----
        UserWarning
            If the step had the learning rate 0 of a schedule that had ended.
        """
        if classes is not None:
            given = classes
            n_classes = class_count(self.output, self.loss_name, self.widths[-1])
            classes = check_classes("classes", given, n_classes)
            fitted = self.history_ is not None or self.class_labels is not None
            if fitted and not same_classes(classes, self.class_labels):
                raise ValueError(
                    f"classes must be those of the net, {shown(self.classes_)}, got {given!r:.200}"
                )
        samples = make_samples(self, X, y, sample_weight, classes=classes, whole=False)
        rule = as_optimizer(optimizer)
        step = make_step(rule, l2, l1, clip_value, clip_norm)
        source = ArrayBatches(samples, samples.n, shuffle=False, single=False)
        history = train(TrainingLoop(self, source, None, [], rule, step, 1, n_threads))
        if history.stopped_by == "interrupt":
            raise KeyboardInterrupt
        warn_after_fit(self)
        return history.batch_loss[0]

    def forward(self, X: ArrayLike) -> list[np.ndarray]:
        """The activations of all layers.

        Parameters
        ----------
        X : array_like (n_samples, n_in)

        Returns
        -------
        list of ndarray (n_samples, n_out)
            ``forward(X)[l]`` is a of layer l; the last array is the net's output.

        Raises
        ------
        ValueError, TypeError
            For a wrong number of features, NaN, infinity, or an array of anything but real numbers;
            for a data frame with other columns than `feature_names_in_`.
        """
        X = check_inputs("X", X, self.widths[0], self.dtype, self.feature_names)
        return activations(self.network, self.parameters, X, range(len(self.widths) - 1))

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Labels of a classifier, or the values of a regression.

        Parameters
        ----------
        X : array_like (n_samples, n_in)

        Returns
        -------
        ndarray
            Softmax output, softmax cross-entropy or hinge: the label of the largest output
            (n_samples,). One sigmoid output with its own loss: the label of 0 or 1 (n_samples,);
            several: 0 or 1, int64 (n_samples, n_out). Labels are those of `classes_`, int64 unless
            the net was fitted to others. Otherwise the outputs, (n_samples,) for one, else
            (n_samples, n_out).

        Raises
        ------
        ValueError, TypeError
            As for ``forward``. A ValueError if an output of a classifier is NaN, as with weights
            that are: it stands for no class.
        """
        X = check_inputs("X", X, self.widths[0], self.dtype, self.feature_names)
        a = outputs(self.network, self.parameters, X)
        if not is_classifier(self):
            return a[:, 0] if a.shape[1] == 1 else a
        check_not_nan("the outputs for X", a)
        labels = labels_of(self, a)
        return labels if self.class_labels is None else self.class_labels[labels]

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Probabilities of a classifier's classes.

        Parameters
        ----------
        X : array_like (n_samples, n_in)

        Returns
        -------
        ndarray (n_samples, n_classes)
            For one sigmoid output the columns are P(0) and P(1), as in scikit-learn; for several
            each output's own.

        Raises
        ------
        ValueError, TypeError
            As for ``forward``; also for a regression or the loss "hinge": their outputs are not
            probabilities.
        """
        if self.output not in ("softmax", "sigmoid") and self.loss_name != "softmax_cross_entropy":
            what = f"output={self.output!r} with loss={self.loss_name!r}"
            raise ValueError(
                f"predict_proba needs a classifier whose outputs are probabilities, got {what}"
            )
        X = check_inputs("X", X, self.widths[0], self.dtype, self.feature_names)
        of_outputs = self.loss_name == "softmax_cross_entropy"
        a = outputs(self.network, self.parameters, X, probabilities=of_outputs)
        if of_outputs:
            return a
        return np.hstack([1 - a, a]) if self.output == "sigmoid" and a.shape[1] == 1 else a

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The accuracy of a classifier, or R² of a regression, as in scikit-learn.

        Parameters
        ----------
        X, y, sample_weight
            As for ``fit``.

        Returns
        -------
        float
            The share of samples with the predicted label; for several sigmoid outputs, of those
            with all labels right. Or 1 - sum((y - a)**2) / sum((y - mean(y))**2), the mean over
            outputs; NaN of one sample.

        Raises
        ------
        ValueError, TypeError
            As for ``fit``.
        """
        return score(self, make_samples(self, X, y, sample_weight))

    def loss(
        self,
        X: ArrayLike,
        y: ArrayLike,
        l2: SupportsFloat = 0.0,
        sample_weight: ArrayLike | None = None,
        l1: SupportsFloat = 0.0,
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
        samples = make_samples(self, X, y, sample_weight)
        l2 = check_number("l2", l2, least=0)
        l1 = check_number("l1", l1, least=0)
        penalty = l2 and l2 / 2 * sum(
            float(np.sum(np.square(w, dtype=np.float64))) for w in self.weights
        )
        penalty += l1 and l1 * sum(float(np.sum(np.abs(w), dtype=np.float64)) for w in self.weights)
        loss = custom_loss.mean_loss(self.loss_function, self.network, self.parameters, samples)
        return loss + penalty

    def loss_and_gradients(
        self,
        X: ArrayLike,
        y: ArrayLike,
        l2: SupportsFloat = 0.0,
        sample_weight: ArrayLike | None = None,
        n_threads: SupportsIndex | None = None,
        l1: SupportsFloat = 0.0,
    ) -> tuple[float, list[np.ndarray], list[np.ndarray]]:
        """The loss and its gradient, with all samples as one batch. The net is not changed.

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
        samples = make_samples(self, X, y, sample_weight)
        loss, flat = loss_and_gradient(
            self.network,
            self.parameters,
            samples,
            check_number("l2", l2, least=0),
            n_threads,
            check_number("l1", l1, least=0),
            custom_loss.steps_of(self.loss_function),
        )
        dWs, dbs = layer_views(flat, self.widths)
        return loss, dWs, dbs

    explain = explain
    to_onnx = to_onnx

    def save(self, path: str | bytes | os.PathLike) -> None:
        """Write the net to a file, from which `fastbp.load` reads it: weights, optimizer state,
        generators and history, in the safetensors format.

        The file is written completely or not at all: if the process is killed or the disk is full,
        its previous content is kept.

        Parameters
        ----------
        path : str, bytes or path-like
            An existing file is replaced, and keeps its permissions.

        Raises
        ------
        OSError
            If the folder is missing or not writable, or the disk is full.
        ValueError
            If a weight is NaN or infinite, which `fastbp.load` refuses, or the loss is a callable.
        """
        save(self, path)

    def to_sklearn(self, classes: ArrayLike | None = None):
        """A scikit-learn estimator with these weights and equal predictions. `fastbp.from_sklearn`
        is the inverse.

        Parameters
        ----------
        classes : array_like (n_classes,), optional
            The classes of a classifier, in the order of its outputs and sorted; by default
            `classes_`. None for a net with several sigmoid outputs (multilabel) and for a
            regression.

        Returns
        -------
        MLPClassifier or MLPRegressor
            scikit-learn's class, with copies of the weights and otherwise default settings.
            ``n_iter_`` and ``t_`` are 0 and ``loss_curve_`` is empty; ``partial_fit`` continues
            from the weights. A softmax over two classes becomes the logistic function of the
            difference, 1 / (1 + exp(z0 - z1)), as in scikit-learn.

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
            If the net has dropout or label smoothing: the predictions are equal, but the estimator
            trains without them.
        """
        return to_sklearn(self, classes)

    def to_torch(self):
        """A PyTorch module with these weights and equal outputs. `fastbp.from_torch` is the
        inverse, with the same bits.

        Returns
        -------
        torch.nn.Sequential
            Of ``Linear``, activations and, if the net has dropout, ``Dropout``; of the net's dtype,
            with copies of the weights, on the CPU, in evaluation mode. Its outputs are those of
            ``forward(X)[-1]`` up to rounding. If the net's output is softmax or sigmoid,
            ``module[:-1]`` gives the logits, which PyTorch's losses take. A module has no loss and
            no optimizer state. Labels other than 0..n_classes - 1 are its attribute `classes_`,
            which PyTorch does not save with its ``state_dict()``.

        Raises
        ------
        ImportError
            If PyTorch is not installed.
        ValueError
            If the net's output is "exp": PyTorch has no module for it.
        """
        return to_torch(self)

    def astype(self, dtype: DTypeLike) -> Self:
        """A copy of the net in another dtype, optimizer state included.

        Parameters
        ----------
        dtype : "float32" or "float64"

        Returns
        -------
        MLP

        Raises
        ------
        ValueError
            If a weight or a value of the optimizer's state is too large for `dtype`.
        """
        net = copy.deepcopy(self)
        dtype = check_dtype(dtype)
        vars(net).update(dtype=dtype, train_state=net.train_state.astype(dtype))
        net._bind()
        return net

    def summary(self) -> str:
        """A table of the layers, their activations and numbers of parameters.

        Returns
        -------
        str
        """
        names = [*self.hidden, self.output]
        lines = [f"{'layer':>5} {'W':>13} {'activation':>12} {'parameters':>12}"]
        for i, (w, name) in enumerate(zip(self.weights, names, strict=True)):
            lines.append(
                f"{i:>5} {f'{w.shape[0]} x {w.shape[1]}':>13} {name:>12} {w.size + w.shape[1]:>12,}"
            )
        lines.append(f"{self.parameters.size:,} parameters in {self.dtype}, loss {self.loss_name}")
        return "\n".join(lines)

    def __repr__(self):
        hidden = f"hidden={self.hidden!r}, " * bool(self.hidden)
        loss = f"loss={self.loss_function or self.loss_name!r}, "
        smoothed = f", label_smoothing={self.label_smoothing!r}" * bool(self.label_smoothing)
        return (
            f"MLP({list(self.widths)}, {hidden}output={self.output!r}, {loss}"
            f"dtype={self.dtype.name!r}{smoothed})"
        )

    _repr_html_ = net_html
