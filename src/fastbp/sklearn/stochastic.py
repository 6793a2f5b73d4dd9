"""The loop of a stochastic fit: scikit-learn's, line for line, with one kernel call an epoch."""

import warnings
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import _multilayer_perceptron as base

from ..engine.forward import mean_loss
from ..engine.steps import work_of
from .epochs import EpochRunner, OptimizerState, new_optimizer
from .fallback import FallbackMixin, with_fallback
from .inputs import loss_type, samples_of
from .threads import thread_count, thread_counts


def warn_as_scikit_learn(message, category=UserWarning):
    """A warning in the name of scikit-learn's module, where its own ``_fit_stochastic`` warns: a
    filter by module or file treats both alike, and shows both once."""
    warnings.warn_explicit(
        message,
        category,
        base.__file__,
        base.BaseMultilayerPerceptron._fit_stochastic.__code__.co_firstlineno,
        base.__name__,
        vars(base).setdefault("__warningregistry__", {}),
    )


class StochasticMixin(FallbackMixin):
    """``_fit_stochastic`` of both estimators."""

    _state: OptimizerState | None = None
    _validation_set: tuple | None = None  # (X_val, y_val) while `fit` runs
    # (callback context, keyword arguments for callbacks) while `fit` runs
    _fit_task: Any = None
    validation_loss_curve_: Any = None
    _no_improvement_count: int  # epochs in a row

    @with_fallback
    def _fit_stochastic(
        self,
        X,
        y,
        sample_weight,
        activations,
        deltas,
        coef_grads,
        intercept_grads,
        layer_units,
        incremental,
    ):
        if not incremental or not hasattr(self, "_optimizer"):
            self._optimizer = new_optimizer(self)
        if self.early_stopping and incremental:  # scikit-learn's message
            raise ValueError("partial_fit does not support early_stopping=True")
        validation = self._validation_samples()
        X, y, sample_weight, held_out = self._hold_out(X, y, sample_weight)
        parameters = self._flat_parameters()
        to_loss = loss_type(self.out_activation_, X, y, sample_weight)
        weight = self._class_weighted(y, sample_weight, incremental)
        samples = samples_of(X, y, weight, parameters)
        batch = self._batch_rows(samples.n)
        if self._state is None or not self._state.serves(self._optimizer, parameters):
            self._state = OptimizerState(self._optimizer, parameters)
        sizes = thread_counts(self.n_threads, work_of(parameters.network, batch))
        order = np.arange(samples.n)
        try:
            epochs = EpochRunner(
                self._optimizer, self._state, parameters, samples, batch, self.alpha, sizes
            )
            self._run_epochs(epochs, order, to_loss, validation, held_out, incremental)
        except KeyboardInterrupt:
            warn_as_scikit_learn("Training interrupted by user.")
        if self.early_stopping:
            self.coefs_ = self._best_coefs
            self.intercepts_ = self._best_intercepts

    def _run_epochs(self, epochs, order, to_loss, validation, held_out, incremental):
        """Run epochs until one of the criteria stops.

        A method, so that its caller catches Ctrl-C at every moment: Python 3.12 and 3.13 leave a
        loop's jump back out of the `try` around it.
        """
        self.n_iter_ = 0
        for _ in range(self.max_iter):
            if self._iterate(epochs, order, to_loss, validation, held_out) or incremental:
                return
            if self.n_iter_ == self.max_iter:
                warn_as_scikit_learn(
                    f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) "
                    "reached and the optimization hasn't converged yet.",
                    ConvergenceWarning,
                )

    def _iterate(self, epochs, order, to_loss, validation, held_out):
        """Run one epoch, and update curves, counts and schedule. Returns whether to stop."""
        task = self._begin_epoch()
        if self.shuffle:
            # The same draws, and so the same order, as sklearn.utils.shuffle.
            self._random_state.shuffle(order)
        self.loss_ = to_loss(epochs.run(order))
        self.n_iter_ += 1
        self.t_ += len(order)
        self.loss_curve_.append(self.loss_)
        if self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
        if validation is not None:
            parameters = self._flat_parameters()
            n_threads = thread_count(self.n_threads, validation.n * parameters.network.size)
            loss = mean_loss(parameters.network, parameters.flat, validation, n_threads)
            self.validation_loss_curve_.append(loss)
        self._update_no_improvement_count(self.early_stopping, *(held_out or (None, None, None)))
        self._optimizer.iteration_ends(self.t_)
        stop = self._end_epoch(task)
        if self._no_improvement_count > self.n_iter_no_change:
            what = "Validation score" if self.early_stopping else "Training loss"
            message = (
                f"{what} did not improve more than tol={self.tol:f} "
                f"for {self.n_iter_no_change} consecutive epochs."
            )
            if self._optimizer.trigger_stopping(message, self.verbose):
                return True
            self._no_improvement_count = 0
        return stop

    def _batch_rows(self, n_samples):
        if self.batch_size == "auto":
            return min(200, n_samples)
        if self.batch_size > n_samples:
            warn_as_scikit_learn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped"
            )
        return int(np.clip(self.batch_size, 1, n_samples))

    def _hold_out(self, X, y, sample_weight):
        """X, y and sample_weight of the training samples, and (X, y, sample_weight) of those that
        early stopping scores, or None without it."""
        if not self.early_stopping:
            return X, y, sample_weight, None
        if self._validation_set is not None:
            return X, y, sample_weight, (*self._validation_set, None)
        stratify = y if is_classifier(self) and self.n_outputs_ == 1 else None
        arrays = [X, y] if sample_weight is None else [X, y, sample_weight]
        parts = train_test_split(
            *arrays,
            random_state=self._random_state,
            test_size=self.validation_fraction,
            stratify=stratify,
        )
        if sample_weight is None:
            parts += [None, None]
        X, X_val, y, y_val, sample_weight, sample_weight_val = parts
        if X_val.shape[0] < 2:  # scikit-learn's message
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        if is_classifier(self):
            y_val = self._label_binarizer.inverse_transform(y_val)
        return X, y, sample_weight, (X_val, y_val, sample_weight_val)

    def _validation_samples(self):
        """The caller's own validation set as samples, or None."""
        if self._validation_set is None:
            return None
        if self.validation_loss_curve_ is None:
            self.validation_loss_curve_ = []
        X, y = self._validation_set = self._checked_validation(*self._validation_set)
        y = self._as_outputs(y)
        loss_type(self.out_activation_, X, y, None)  # refuses dates and texts
        return samples_of(X, y, None, self._flat_parameters())

    def _begin_epoch(self):
        """Notify callbacks of the epoch's begin. Returns its context, or None without callbacks."""
        if not (self._fit_task and hasattr(self, "_skl_callbacks")):
            return None
        context, about = self._fit_task
        return context.subcontext(task_name="epoch").call_on_fit_task_begin(estimator=self, **about)

    def _end_epoch(self, task):
        """Notify callbacks of the epoch's end. Returns whether one of them requests to stop."""
        if task is None:
            return False

        def as_if_stopped():
            return {
                "coefs_": [c.copy() for c in self.coefs_],
                "intercepts_": [b.copy() for b in self.intercepts_],
            }

        return task.call_on_fit_task_end(
            estimator=self, reconstruction_attributes=as_if_stopped, **self._fit_task[1]
        )
