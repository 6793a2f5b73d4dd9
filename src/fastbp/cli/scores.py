"""Splits of a table's rows and scores of a model, by scikit-learn."""

from dataclasses import dataclass

import numpy as np

from ..base.optional import require


def _sklearn(module):
    return require(f"sklearn.{module}", "fastbp train", "'fastbp[cli]'", "scikit-learn")


def split(
    n: int, test: float, validation: float, labels: np.ndarray | None, seed: int
) -> tuple[np.ndarray, ...]:
    """Random rows for training, validation and test; each class is divided in proportion.

    Parameters
    ----------
    n : int
        Rows.
    test, validation : float
        Shares of the rows.
    labels : ndarray (n,) or None
    seed : int

    Returns
    -------
    train, validation, test : ndarray
        Rows in ascending order.
    """
    rest, test_rows = _divide(np.arange(n), round(n * test), labels, seed)
    return *_divide(rest, round(n * validation), labels, seed), test_rows


def _divide(rows, n_second, labels, seed):
    """`rows` divided into all others and `n_second` random ones."""
    n_first = len(rows) - n_second
    if min(n_first, n_second) <= 0:
        return (rows, rows[:0]) if n_first > 0 else (rows[:0], rows)
    strata = None
    if labels is not None:
        counts = np.bincount(labels[rows])
        # train_test_split needs two rows of each class: single ones join the largest class
        strata = np.where(counts[labels[rows]] > 1, labels[rows], counts.argmax())
        if min(n_first, n_second) < len(np.unique(strata)):
            strata = None
    divided = _sklearn("model_selection").train_test_split(
        rows, test_size=n_second, stratify=strata, random_state=seed % 2**32
    )
    return tuple(map(np.sort, divided))


@dataclass(frozen=True)
class Classification:
    """Scores of a classifier with k classes.

    Attributes
    ----------
    confusion : ndarray (k, k)
        Rows with class i (row) that were predicted as class j (column).
    accuracy : float
    baseline : float
        The accuracy of always predicting `commonest`, the most frequent class in training.
    commonest : int
    precision, recall : ndarray (k,)
        NaN where a class has no predictions, or no rows.
    """

    confusion: np.ndarray
    accuracy: float
    baseline: float
    commonest: int
    precision: np.ndarray
    recall: np.ndarray

    @classmethod
    def of(
        cls, labels: np.ndarray, predicted: np.ndarray, trained_on: np.ndarray, k: int
    ) -> "Classification":
        metrics = _sklearn("metrics")
        commonest = int(np.bincount(trained_on, minlength=k).argmax())
        precision, recall, _, _ = metrics.precision_recall_fscore_support(
            labels, predicted, labels=range(k), zero_division=np.nan
        )
        return cls(
            metrics.confusion_matrix(labels, predicted, labels=range(k)),
            float(metrics.accuracy_score(labels, predicted)),
            float(np.mean(labels == commonest)),
            commonest,
            precision,
            recall,
        )


@dataclass(frozen=True)
class Regression:
    """Scores of a regression, in the units of the target.

    Attributes
    ----------
    rmse, mae : float
        Root mean squared error; mean absolute error.
    baseline : float
        The root mean squared error of always predicting the mean of the training rows.
    r2 : float or None
        Coefficient of determination; None if all actual values are equal.
    actual, predicted : ndarray (n,)
    """

    rmse: float
    mae: float
    baseline: float
    r2: float | None
    actual: np.ndarray
    predicted: np.ndarray

    @classmethod
    def of(cls, actual: np.ndarray, predicted: np.ndarray, mean: float) -> "Regression":
        metrics = _sklearn("metrics")
        rmse = metrics.root_mean_squared_error
        return cls(
            float(rmse(actual, predicted)),
            float(metrics.mean_absolute_error(actual, predicted)),
            float(rmse(actual, np.full_like(actual, mean))),
            float(metrics.r2_score(actual, predicted)) if np.ptp(actual) else None,
            actual,
            predicted,
        )


def summary(scores: Classification | Regression, classes: tuple) -> str:
    """The scores in a line."""
    if isinstance(scores, Classification):
        n = int(scores.confusion.sum())
        baseline = f"always {classes[scores.commonest]!r} would be {scores.baseline:.4f}"
        return f"accuracy {scores.accuracy:.4f} on {n} held-out rows ({baseline})"
    r2 = "not defined" if scores.r2 is None else f"{scores.r2:.4f}"
    errors = f"RMSE {scores.rmse:.6g}, mean absolute error {scores.mae:.6g}"
    baseline = f"RMSE of always the mean: {scores.baseline:.6g}"
    return f"R2 {r2}, {errors} on {len(scores.actual)} held-out rows ({baseline})"
