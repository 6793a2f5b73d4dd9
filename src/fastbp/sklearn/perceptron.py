"""What both estimators replace of scikit-learn's: the arithmetic. Validation, messages and
attributes are inherited."""

import math

import numpy as np
from sklearn.base import _fit_context, is_classifier
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_array
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import (
    _check_feature_names,
    _num_features,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from ..base.names import HIDDEN, hidden_names
from ..engine import forward
from ..engine.steps import work_of
from ..runtime.autotune import team_size
from .fallback import unless_handed_over
from .flat_parameters import Packed
from .gradient import Gradient
from .inputs import rows_of
from .stochastic import StochasticMixin

SMALL = 1 << 12
ACTIVATIONS = {
    "identity",
    "logistic",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "softplus",
    "selu",
    "gelu",
    "silu",
    "mish",
}


def finite(X):
    """Whether a sum of all elements is finite: False also where it overflows, so then it takes a
    closer look."""
    if X.size <= SMALL:
        flat = X.ravel()
        return math.isfinite(np.vdot(flat, flat))  # unlike dot it never warns
    with np.errstate(all="ignore"):
        return math.isfinite(X.sum())


class PerceptronMixin(CallbackSupportMixin, StochasticMixin):
    """Goes before scikit-learn's own class among the bases."""

    _packed: Packed | None = None
    _gradient: Gradient | None = None

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None):
        """Fit the model to data matrix X and target(s) y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input data. float32 is computed in float32, all else in float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target values: class labels, or real numbers in regression.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.
        X_val, y_val : array-like, default=None
            A validation set, its loss (without penalty) after each epoch in
            ``validation_loss_curve_``. With `early_stopping` it is what the score is taken of, and
            no part of X is held out. Not for solver='lbfgs'.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            As scikit-learn's; also if only one of X_val and y_val is given, or they do not fit X
            and y.
        """
        if (X_val is None) != (y_val is None):
            raise ValueError(
                f"X_val and y_val go together, got only {'X_val' if y_val is None else 'y_val'}"
            )
        epochs = self.max_iter if self.solver != "lbfgs" else 0
        if X_val is not None and not epochs:
            raise ValueError("X_val and y_val need solver='sgd' or 'adam', got solver='lbfgs'")
        about = {
            "X": X,
            "y": y,
            "metadata": None if sample_weight is None else {"sample_weight": sample_weight},
        }
        context = self._init_callback_context(max_subtasks=epochs)
        context.call_on_fit_task_begin(estimator=self, **about)
        self._validation_set = None if X_val is None else (X_val, y_val)
        self._fit_task = context, about
        try:
            self._fit(X, y, sample_weight=sample_weight, incremental=False)
        finally:
            del self._validation_set, self._fit_task
        context.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **about)
        return self

    def _fit(self, X, y, sample_weight=None, incremental=False):
        if not isinstance(self.activation, str):
            sizes = self.hidden_layer_sizes
            hidden_names(self.activation, np.size(sizes), "activation")
        self._announce("partial_fit" if incremental else "fit")
        super()._fit(X, y, sample_weight=sample_weight, incremental=incremental)
        if self._handed_over is None:
            self._repacked()
        return self

    def _initialize(self, y, layer_units, dtype):
        super()._initialize(y, layer_units, dtype)
        self.validation_loss_curve_ = None

    def _init_coef(self, fan_in, fan_out, dtype):
        """Of one activation a layer each layer has its own bound, the output that of the last
        hidden layer."""
        if isinstance(self.activation, str):
            return super()._init_coef(fan_in, fan_out, dtype)
        layer = min(len(self.coefs_), len(self.activation) - 1)
        factor = (
            2 if self.activation and HIDDEN[self.activation[layer]] == HIDDEN["logistic"] else 6
        )
        bound = np.sqrt(factor / (fan_in + fan_out))
        draw = self._random_state.uniform
        coef_init, intercept_init = (
            draw(-bound, bound, (fan_in, fan_out)),
            draw(-bound, bound, fan_out),
        )
        return coef_init.astype(dtype, copy=False), intercept_init.astype(dtype, copy=False)

    def _repacked(self):
        """The parameters as one flat array, made anew where `coefs_` or `intercepts_` are no longer
        its views."""
        hidden = self.activation if isinstance(self.activation, str) else tuple(self.activation)
        packed = self._packed
        if (
            packed is None
            or packed.kind != (hidden, self.out_activation_)
            or not packed.shows(self.coefs_, self.intercepts_)
        ):
            packed = Packed(self.coefs_, self.intercepts_, hidden, self.out_activation_)
            coefs, intercepts = list(packed.coefs), list(packed.intercepts)
            # After early stopping these are one list, and stay one.
            if self.__dict__.get("_best_coefs") is self.coefs_:
                self._best_coefs, self._best_intercepts = coefs, intercepts
            self.coefs_, self.intercepts_, self._packed = coefs, intercepts, packed
        return packed

    def __getstate__(self):
        """Without what is made again from the rest."""
        state = super().__getstate__()
        return {k: v for k, v in state.items() if k not in ("_packed", "_state")}

    def _ready(self, X):
        """The packed parameters and X, in the dtype that NumPy would compute in."""
        packed = self._repacked()
        packed.check_features(X)
        dtype = np.float32 if np.result_type(X.dtype, packed.dtype) == np.float32 else np.float64
        return packed if packed.dtype == dtype else packed.astype(dtype), rows_of(X, dtype)

    def _quick(self, X):
        """The net's outputs where X is a plain array that needs neither conversion nor a message,
        else None."""
        if self._packed is None or self._handed_over is not None:
            return None
        packed = self._repacked()
        if (
            type(X) is not np.ndarray
            or X.dtype != packed.dtype
            or X.ndim != 2
            or not len(X)
            or not X.shape[1] == packed.widths[0] == self.n_features_in_
            or hasattr(self, "feature_names_in_")
            or not finite(X)
        ):
            return None
        return packed.outputs(X, self.n_threads)

    @unless_handed_over
    def _forward_pass_fast(self, X, check_input=True):
        if check_input:
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        packed, x = self._ready(X)
        return packed.outputs(x, self.n_threads)

    @unless_handed_over
    def _forward_pass(self, activations):
        packed, x = self._ready(activations[0])
        layers = range(len(packed.coefs))
        activations[1:] = forward.activations(
            packed.network, packed.flat, x, layers, self.n_threads
        )
        return activations

    @unless_handed_over
    def _backprop(self, X, y, sample_weight, activations, deltas, coef_grads, intercept_grads):
        gradient = self._gradient
        if gradient is not None:
            return gradient.at(self.coefs_, self.intercepts_)
        members = team_size(self.n_threads, work_of(self._repacked().network, X.shape[0]))
        return Gradient(self._repacked(), X, y, sample_weight, self.alpha, members).at(
            self.coefs_, self.intercepts_
        )

    @unless_handed_over
    def _fit_lbfgs(self, X, y, sample_weight, *buffers):
        sample_weight = self._class_weighted(y, sample_weight)
        # scipy's parameters are float64, and so is all arithmetic with them.
        packed = self._repacked().astype(np.float64)
        members = team_size(self.n_threads, work_of(packed.network, X.shape[0]))
        self._gradient = Gradient(packed, X, y, sample_weight, self.alpha, members)
        try:
            super()._fit_lbfgs(X, y, sample_weight, *buffers)
        finally:
            del self._gradient

    def _class_weighted(self, y, sample_weight, incremental=False):
        """The samples' weights with those of their classes."""
        return sample_weight

    def _checked_validation(self, X, y):
        """The caller's validation set, checked against the training set."""
        _check_feature_names(self, X, reset=False)
        X = check_array(
            X, accept_sparse=["csr", "csc"], dtype=(np.float64, np.float32), input_name="X_val"
        )
        y = check_array(
            y, ensure_2d=False, dtype=None if is_classifier(self) else "numeric", input_name="y_val"
        )
        check_consistent_length(X, y)
        if _num_features(X) != self.n_features_in_:
            raise ValueError(
                f"X_val has {_num_features(X)} features, but X has {self.n_features_in_}"
            )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y)
        several = not is_classifier(self) or self._label_binarizer.y_type_.startswith("multilabel")
        given, wanted = (y.shape[1] if y.ndim == 2 else 1), (self.n_outputs_ if several else 1)
        if given != wanted:
            raise ValueError(f"y_val has {given} columns, but y has {wanted}")
        if is_classifier(self):
            unknown = np.setdiff1d(unique_labels(y), self.classes_)
            if len(unknown):
                raise ValueError(f"y_val has the labels {unknown}, which y has not")
        return X, y

    def _as_outputs(self, y):
        """Validated y as the targets (n, n_out) of the net's outputs."""
        y = self._label_binarizer.transform(y).astype(bool) if is_classifier(self) else y
        return y.reshape(-1, 1) if y.ndim == 1 else y
