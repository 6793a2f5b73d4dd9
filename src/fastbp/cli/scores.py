"""Splits of a table's rows and scores of a model, by scikit-learn."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..base.optional import require
from ..preprocessing import OneHot, Scaled, quoted

REPEATS = 5  # permutations of a column
MAX_PERMUTED = 2000  # held-out rows, enough for two digits
MAX_NAMED = 10  # classes in a message


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
    auc : float or None
        Area under the ROC curve; with more than two classes the mean over each class against the
        others. None if a class has no rows.
    """

    confusion: np.ndarray
    accuracy: float
    baseline: float
    commonest: int
    precision: np.ndarray
    recall: np.ndarray
    auc: float | None

    @classmethod
    def of(
        cls,
        labels: np.ndarray,
        predicted: np.ndarray,
        trained_on: np.ndarray,
        k: int,
        probabilities: np.ndarray,
    ) -> "Classification":
        """The scores of n rows.

        Parameters
        ----------
        labels, predicted : ndarray of int (n,)
        trained_on : ndarray of int (n_training,)
            The labels of the training rows.
        k : int
        probabilities : ndarray (n, k)
        """
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
            _auc(labels, probabilities),
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
        """The scores of n rows.

        Parameters
        ----------
        actual, predicted : ndarray (n,) or (n, 1)
        mean : float
            Of the training rows.
        """
        metrics = _sklearn("metrics")
        rmse = metrics.root_mean_squared_error
        predicted = np.nan_to_num(predicted.ravel())  # infinite ones would have no score
        unit = max(np.abs(actual).max(), np.abs(predicted).max(), abs(mean)) or 1.0
        shares = (actual / unit, predicted / unit)  # their squares do not overflow
        return cls(
            float(rmse(*shares)) * unit,
            float(metrics.mean_absolute_error(*shares)) * unit,
            float(rmse(shares[0], np.full_like(actual, mean / unit))) * unit,
            float(metrics.r2_score(*shares)) if np.ptp(shares[0]) else None,
            actual,
            predicted,
        )


class Importance(NamedTuple):
    """How much a score falls if the values of a column are permuted among the rows.

    Attributes
    ----------
    name : str
    mean, deviation : float
        Of the repeats: of accuracy, or of R2.
    """

    name: str
    mean: float
    deviation: float


def permutation_importance(net, X: np.ndarray, y: np.ndarray, seed: int) -> list[Importance]:
    """The importance of each column of a table, the largest first.

    scikit-learn's function of this name permutes single inputs, not the inputs of a column of
    categories together. See Breiman, *Random Forests*, 2001, section 10.

    Parameters
    ----------
    net : MLP
        With `preprocessing_`.
    X : ndarray (n, n_inputs)
        Of held-out rows, of which at most MAX_PERMUTED are used.
    y : ndarray (n,) or (n, 1)
        Labels, or scaled numbers.
    seed : int

    Returns
    -------
    list of Importance
    """
    metrics = _sklearn("metrics")
    score = metrics.accuracy_score if y.ndim == 1 else metrics.r2_score
    rng = np.random.default_rng(seed)
    some = rng.permutation(len(X))[:MAX_PERMUTED]
    X = X[some]
    y = y[some]
    if len(some) < 2 or (y.ndim == 2 and not np.ptp(y)):
        return []  # R2 is not defined
    full = score(y, net.predict(X))
    found = []
    first = 0
    for column in net.preprocessing_.inputs:
        place = slice(first, first + column.width)
        kept = X[:, place].copy()
        falls = []
        for _ in range(REPEATS):
            X[:, place] = rng.permutation(kept)
            falls.append(full - score(y, net.predict(X)))
        X[:, place] = kept
        found.append(Importance(column.name, float(np.mean(falls)), float(np.std(falls))))
        first = place.stop
    return sorted(found, key=lambda one: -one.mean)


def doubts(
    scores: Classification | Regression | None, target: Scaled | OneHot, y: list[np.ndarray]
) -> list[str]:
    """Why a model may be of no use.

    Parameters
    ----------
    scores : Classification, Regression or None
    target : Scaled or OneHot
    y : list of ndarray
        The labels or numbers of training, validation and held-out rows.
    """
    found = []
    if isinstance(target, OneHot):
        counts = [np.bincount(labels, minlength=target.width) for labels in y]
        unseen = [i for i in range(target.width) if not counts[0][i]]
        if unseen:
            found.append(f"no training row is of the class {_named(target, unseen)}")
    if isinstance(scores, Classification):
        assert isinstance(target, OneHot)
        confusion = scores.confusion
        unscored = [i for i in range(target.width) if not confusion[i].sum()]
        if unscored:
            found.append(f"no held-out row is of the class {_named(target, unscored)}")
        never = [i for i in range(target.width) if confusion[i].any() > confusion[:, i].any()]
        if never:
            found.append(f"the model never predicts {_named(target, never)} on the held-out rows")
        if scores.accuracy <= scores.baseline:
            commonest = quoted(target.categories[scores.commonest])
            found.append(f"the accuracy is not better than that of always {commonest}")
    elif scores is not None and scores.rmse >= scores.baseline:
        found.append("the RMSE is not better than that of always the mean")
    return found


def summary(scores: Classification | Regression, classes: tuple) -> str:
    """The scores in a line."""
    if isinstance(scores, Classification):
        n = int(scores.confusion.sum())
        baseline = f"always {classes[scores.commonest]!r} would be {digits(scores.baseline)}"
        auc = "" if scores.auc is None else f", ROC AUC {digits(scores.auc)}"
        return f"accuracy {digits(scores.accuracy)} on {n} held-out rows ({baseline}){auc}"
    r2 = "not defined" if scores.r2 is None else digits(scores.r2)
    errors = f"RMSE {digits(scores.rmse)}, mean absolute error {digits(scores.mae)}"
    baseline = f"RMSE of always the mean: {digits(scores.baseline)}"
    return f"R2 {r2}, {errors} on {len(scores.actual)} held-out rows ({baseline})"


def digits(value: float) -> str:
    """A number with three significant digits, without an exponent where zeros do."""
    return f"{float(f'{value:.3g}'):.12g}"


def _named(target, labels):
    names = [target.categories[label] for label in labels]
    more = f" and {len(names) - MAX_NAMED} more" * (len(names) > MAX_NAMED)
    return ", ".join(map(quoted, names[:MAX_NAMED])) + more


def _auc(labels, probabilities):
    k = probabilities.shape[1]
    if len(np.unique(labels)) < k:
        return None
    scores = probabilities[:, 1] if k == 2 else probabilities
    area = _sklearn("metrics").roc_auc_score
    return float(area(labels, scores, multi_class="ovr", labels=range(k)))
