"""The arithmetic of both estimators. Validation, messages and attributes are scikit-learn's."""

import math

import numpy as np
import sklearn
from sklearn.base import _fit_context, is_classifier
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils import check_array
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import (
    _check_feature_names,
    _num_features,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from ..base.activations import ACTIVATIONS, HIDDEN
from ..base.network_arguments import (
    check_hidden,
)
from ..engine.forward import activations as forward_activations
from ..engine.steps import work_of
from .fallback import with_fallback
from .flat_parameters import FlatParameters
from .gradient import LossGradient
from .inputs import exceeds, loss_type, rows_of
from .stochastic import StochasticMixin, warn_as_scikit_learn
from .threads import thread_count

DOT_VALUES = 1 << 12  # up to so many values a dot product is faster than a sum
# The names of `activation`: scikit-learn's, and for activations that it lacks fastbp's.
NAMES = {row.sklearn or row.name for row in ACTIVATIONS.values() if row.name in HIDDEN}


def has_finite_sum(X):
    """Whether a sum over all elements is finite. False may also mean that it overflows."""
    if X.size <= DOT_VALUES:
        flat = X.ravel()
        return math.isfinite(np.vdot(flat, flat))  # unlike dot it never warns
    with np.errstate(all="ignore"):
        return math.isfinite(X.sum())


class PerceptronMixin(CallbackSupportMixin, StochasticMixin):
    """Precedes scikit-learn's class among the bases of an estimator."""

    _flat: FlatParameters | None = None
    _gradient: LossGradient | None = None

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None):
        """Fit the model to data matrix X and target(s) y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input data. float32 is computed in float32, all other dtypes in float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target values: class labels, or real numbers in regression.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.
        X_val, y_val : array-like, default=None
            A validation set. ``validation_loss_curve_`` has its loss (without penalty) after each
            epoch. With `early_stopping` the score is computed on it, and no part of X is held out.
            Not for solver='lbfgs'.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            As scikit-learn; also if only one of X_val and y_val is given, or they do not fit X and
            y.
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
            check_hidden(self.activation, np.size(self.hidden_layer_sizes), "activation")
        try:
            super()._fit(X, y, sample_weight=sample_weight, incremental=incremental)
        finally:
            self.__dict__.pop("_fallback_reason", None)
        if self._fallback_reason is None:
            self._flat_parameters()
        return self

    def _validate_input(self, X, y, incremental, reset):
        X, y = super()._validate_input(X, y, incremental, reset)
        n_hidden = np.size(self.hidden_layer_sizes)
        if not reset and n_hidden != len(self.coefs_) - 1:
            raise ValueError(
                f"hidden_layer_sizes must have the {len(self.coefs_) - 1} hidden layers of the net "
                f"that is trained further, got {n_hidden}"
            )
        if self._fallback_reason is None and self.solver != "lbfgs" and exceeds(X.dtype, y):
            self._fallback_reason = "y exceeds what float32, the dtype of X, can square"
        self._announce("partial_fit" if incremental else "fit")
        return X, y

    def _initialize(self, y, layer_units, dtype):
        super()._initialize(y, layer_units, dtype)
        self.validation_loss_curve_ = None

    def _init_coef(self, fan_in, fan_out, dtype):
        """scikit-learn's initialization; with one activation for each layer each has its own bound,
        and the output layer that of the last hidden layer."""
        if isinstance(self.activation, str):
            return super()._init_coef(fan_in, fan_out, dtype)
        layer = min(len(self.coefs_), len(self.activation) - 1)
        logistic = self.activation and self.activation[layer] in ("logistic", "sigmoid")
        bound = np.sqrt((2 if logistic else 6) / (fan_in + fan_out))
        coef_init = self._random_state.uniform(-bound, bound, (fan_in, fan_out))
        intercept_init = self._random_state.uniform(-bound, bound, fan_out)
        return coef_init.astype(dtype, copy=False), intercept_init.astype(dtype, copy=False)

    def _flat_parameters(self):
        """The parameters as one flat array, copied again if `coefs_` or `intercepts_` are no longer
        its views."""
        hidden = self.activation if isinstance(self.activation, str) else tuple(self.activation)
        flat = self._flat
        if (
            flat is None
            or flat.kind != (hidden, self.out_activation_)
            or not flat.owns(self.coefs_, self.intercepts_)
        ):
            flat = FlatParameters(self.coefs_, self.intercepts_, hidden, self.out_activation_)
            best = self.__dict__.get("_best_coefs") is self.coefs_
            self.coefs_ = list(flat.coefs)
            self.intercepts_ = list(flat.intercepts)
            if best:  # after early stopping these are the same lists
                self._best_coefs = self.coefs_
                self._best_intercepts = self.intercepts_
            self._flat = flat
        return flat

    def __getstate__(self):
        """The state without objects that are made again from it, with scikit-learn's version as
        that of its own estimators."""
        state = super().__getstate__()
        state = {k: v for k, v in state.items() if k not in ("_flat", "_state")}
        return state | {"_sklearn_version": sklearn.__version__}

    def __setstate__(self, state):
        state = dict(state)
        version = state.pop("_sklearn_version", sklearn.__version__)
        if version != sklearn.__version__:
            warn_as_scikit_learn(
                InconsistentVersionWarning(
                    estimator_name=type(self).__name__,
                    current_sklearn_version=sklearn.__version__,
                    original_sklearn_version=version,
                )
            )
        super().__setstate__(state)

    def _forward_arguments(self, X):
        """The flat parameters and the rows X, in the dtype that NumPy would compute in."""
        flat = self._flat_parameters()
        flat.check_features(X)
        dtype = np.float32 if np.result_type(X.dtype, flat.dtype) == np.float32 else np.float64
        return flat if flat.dtype == dtype else flat.astype(dtype), rows_of(X, dtype)

    def _fast_outputs(self, X):
        """The net's outputs if X is a plain array that needs neither conversion nor an error, else
        None."""
        if self._flat is None or self._fallback_reason is not None:
            return None
        flat = self._flat_parameters()
        if (
            type(X) is not np.ndarray
            or X.dtype != flat.dtype
            or X.ndim != 2
            or not len(X)
            or not X.shape[1] == flat.widths[0] == self.n_features_in_
            or hasattr(self, "feature_names_in_")
            or not has_finite_sum(X)
        ):
            return None
        return flat.outputs(X, self.n_threads)

    @with_fallback
    def _forward_pass_fast(self, X, check_input=True):
        if check_input:
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        flat, x = self._forward_arguments(X)
        return flat.outputs(x, self.n_threads)

    @with_fallback
    def _forward_pass(self, activations):
        flat, x = self._forward_arguments(activations[0])
        layers = range(len(flat.coefs))
        n_threads = thread_count(self.n_threads, activations[0].shape[0] * flat.network.size)
        activations[1:] = forward_activations(flat.network, flat.flat, x, layers, n_threads)
        return activations

    @with_fallback
    def _backprop(self, X, y, sample_weight, activations, deltas, coef_grads, intercept_grads):
        gradient = self._gradient
        if gradient is None:
            gradient = self._loss_gradient(self._flat_parameters(), X, y, sample_weight)
        return gradient.at(self.coefs_, self.intercepts_)

    @with_fallback
    def _fit_lbfgs(self, X, y, sample_weight, *buffers):
        to_loss = loss_type(self.out_activation_, X, y, sample_weight)
        sample_weight = self._class_weighted(y, sample_weight)
        # scipy's parameters are float64, and so is all arithmetic with them.
        flat = self._flat_parameters().astype(np.float64)
        self._gradient = self._loss_gradient(flat, X, y, sample_weight)
        try:
            super()._fit_lbfgs(X, y, sample_weight, *buffers)
        finally:
            del self._gradient
        self.loss_ = to_loss(self.loss_)

    def _loss_gradient(self, flat, X, y, sample_weight):
        n_threads = thread_count(self.n_threads, work_of(flat.network, X.shape[0]))
        return LossGradient(flat, X, y, sample_weight, self.alpha, n_threads)

    def _class_weighted(self, y, sample_weight, incremental=False):
        """The sample weights, multiplied with those of the classes if there are any."""
        return sample_weight

    def _checked_validation(self, X, y):
        """The validation set, checked against the training set."""
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
        given = y.shape[1] if y.ndim == 2 else 1
        wanted = self.n_outputs_ if several else 1
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
