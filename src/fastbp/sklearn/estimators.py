"""The two estimators: scikit-learn's constructors, with further keyword-only parameters."""

from numbers import Integral

import numpy as np
from sklearn.neural_network import _multilayer_perceptron as base
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_sample_weight

from .perceptron import NAMES, PerceptronMixin

_EXTRAS = {
    "activation": [StrOptions(NAMES), "array-like"],
    "n_threads": [Interval(Integral, 1, None, closed="left"), None],
}


class MLPClassifier(PerceptronMixin, base.MLPClassifier):
    """scikit-learn's MLPClassifier, trained by compiled kernels.

    All parameters, attributes, methods, messages and, given the same `random_state`, numbers are
    those of :class:`sklearn.neural_network.MLPClassifier`. In addition:

    Parameters
    ----------
    activation : str or sequence of str, default='relu'
        Also the other hidden activations of :class:`fastbp.MLP`, such as 'gelu'; and one name for
        each hidden layer.
    class_weight : dict, list of dicts, 'balanced' or None, default=None
        Weights of the classes, as in :func:`sklearn.utils.class_weight.compute_sample_weight`; they
        multiply `sample_weight`. The score of `early_stopping` is not weighted by them. 'balanced'
        cannot be used with ``partial_fit``.
    n_threads : int or None, default=None
        Number of threads; by default as many as pay, within the limits of threadpoolctl and of
        FASTBP_NUM_THREADS, OMP_NUM_THREADS and NUMBA_NUM_THREADS in the environment. Results have
        the same bits for any number.

    Attributes
    ----------
    validation_loss_curve_ : list of float or None
        Loss, without penalty, on ``fit``'s X_val and y_val after each epoch.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastbp.sklearn import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> MLPClassifier(random_state=1, max_iter=1000, tol=1e-3).fit(X, y).predict(X[:2])
    array([0, 0])
    """

    _parameter_constraints = base.MLPClassifier._parameter_constraints | _EXTRAS
    _parameter_constraints |= {"class_weight": [dict, list, StrOptions({"balanced"}), None]}

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="adam",
        alpha=0.0001,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        class_weight=None,
        n_threads=None,
    ):
        super().__init__(
            hidden_layer_sizes,
            activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
        )
        self.class_weight = class_weight
        self.n_threads = n_threads

    def predict(self, X):
        """The predicted classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        outputs = self._fast_outputs(X)
        if outputs is None:
            return super().predict(X)
        classes = self._label_binarizer.classes_  # `classes_` may have been replaced
        if self.out_activation_ == "softmax":
            return classes.take(outputs.argmax(axis=1))
        if self.n_outputs_ == 1 and len(classes) == 2:
            return classes[(outputs[:, 0] > 0.5).astype(np.intp)]
        return self._label_binarizer.inverse_transform(
            outputs[:, 0] if self.n_outputs_ == 1 else outputs
        )

    def predict_proba(self, X):
        """Probabilities of the classes, in the order of `classes_`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        outputs = self._fast_outputs(X)
        if outputs is None:
            return super().predict_proba(X)
        return np.hstack([1 - outputs, outputs]) if self.n_outputs_ == 1 else outputs

    def _class_weighted(self, y, sample_weight, incremental=False):
        if self.class_weight is None:
            return sample_weight
        if incremental and self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' is not for partial_fit, which sees a part of y: give a "
                "dict of weights"
            )
        labels = self._label_binarizer.inverse_transform(y)
        if self.class_weight != "balanced":
            # A part of y may lack a class of the dict, which scikit-learn refuses: every class is
            # appended, and its weight dropped below.
            every = self.classes_
            if labels.ndim > 1:
                every = np.outer([0, 1], np.ones(labels.shape[1], labels.dtype))
            labels = np.concatenate([labels, every])
        weight = compute_sample_weight(self.class_weight, labels)[: len(y)]
        return weight if sample_weight is None else weight * sample_weight


class MLPRegressor(PerceptronMixin, base.MLPRegressor):
    """scikit-learn's MLPRegressor, trained by compiled kernels.

    All parameters, attributes, methods, messages and, given the same `random_state`, numbers are
    those of :class:`sklearn.neural_network.MLPRegressor`. In addition:

    Parameters
    ----------
    activation : str or sequence of str, default='relu'
        Also the other hidden activations of :class:`fastbp.MLP`, such as 'gelu'; and one name for
        each hidden layer.
    n_threads : int or None, default=None
        Number of threads; by default as many as pay, within the limits of threadpoolctl and of
        FASTBP_NUM_THREADS, OMP_NUM_THREADS and NUMBA_NUM_THREADS in the environment. Results have
        the same bits for any number.

    Attributes
    ----------
    validation_loss_curve_ : list of float or None
        Loss, without penalty, on ``fit``'s X_val and y_val after each epoch.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from fastbp.sklearn import MLPRegressor
    >>> X, y = make_regression(n_samples=200, n_features=20, random_state=1)
    >>> MLPRegressor(random_state=1, max_iter=2000, tol=0.1).fit(X, y).predict(X[:2]).shape
    (2,)
    """

    _parameter_constraints = base.MLPRegressor._parameter_constraints | _EXTRAS

    def __init__(
        self,
        loss="squared_error",
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="adam",
        alpha=0.0001,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        n_threads=None,
    ):
        super().__init__(
            loss,
            hidden_layer_sizes,
            activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
        )
        self.n_threads = n_threads

    def predict(self, X):
        """The predicted values.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        outputs = self._fast_outputs(X)
        if outputs is None:
            return super().predict(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs
