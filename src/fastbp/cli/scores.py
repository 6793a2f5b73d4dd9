"""Rows held out from training, and how well a model does on them."""

from dataclasses import dataclass

import numpy as np


def split(
    n: int, test: float, validation: float, labels: np.ndarray | None, seed: int
) -> tuple[np.ndarray, ...]:
    """Rows for training, validation and test, at random; each class is shared out in proportion.

    Parameters
    ----------
    n : int
    test, validation : float
        Shares of the rows.
    labels : ndarray (n,) or None

    Returns
    -------
    train, validation, test : ndarray
        Rows in ascending order.
    """
    order = np.random.default_rng(seed).permutation(n)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    chosen = _every(len(order), test)
    rest = order[~chosen]
    watched = _every(len(rest), validation / (1 - test))
    return np.sort(rest[~watched]), np.sort(rest[watched]), np.sort(order[chosen])


def _every(n, share):
    """A mask of n places, this share of them chosen evenly: where the running sum of the shares
    passes a half."""
    return np.diff(np.floor(np.arange(n + 1) * share + 0.5)) > 0


@dataclass(frozen=True)
class Classification:
    """Scores of a classifier.

    Attributes
    ----------
    confusion : ndarray (k, k)
        Rows with class i (row) of which class j (column) was predicted.
    accuracy : float
    baseline : float
        Accuracy of always predicting `commonest`, the class with the most rows in training.
    commonest : int
    """

    confusion: np.ndarray
    accuracy: float
    baseline: float
    commonest: int

    @classmethod
    def of(
        cls, labels: np.ndarray, predicted: np.ndarray, trained_on: np.ndarray, k: int
    ) -> "Classification":
        confusion = np.zeros((k, k), np.int64)
        np.add.at(confusion, (labels, predicted), 1)
        commonest = int(np.bincount(trained_on, minlength=k).argmax())
        return cls(
            confusion,
            float(np.mean(labels == predicted)),
            float(np.mean(labels == commonest)),
            commonest,
        )

    def recall(self, i: int) -> float | None:
        """Share of the rows of class i that were found; None if there are none."""
        return _share(self.confusion[i, i], self.confusion[i].sum())

    def precision(self, i: int) -> float | None:
        """Share of the predictions of class i that were right; None if there are none."""
        return _share(self.confusion[i, i], self.confusion[:, i].sum())


def _share(part, whole):
    return float(part / whole) if whole else None


@dataclass(frozen=True)
class Regression:
    """Scores of a regression, in the target's units.

    Attributes
    ----------
    rmse, mae : float
        Root mean squared error; mean absolute error.
    baseline : float
        Root mean squared error of always predicting the training rows' mean.
    r2 : float or None
        1 - sum (y - p)**2 / sum (y - mean y)**2; None where all y are equal.
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
        errors, spread = actual - predicted, actual - actual.mean()
        r2 = 1 - float(np.sum(errors**2) / np.sum(spread**2)) if np.ptp(actual) else None
        rms = [float(np.sqrt(np.mean(e**2))) for e in (errors, actual - mean)]
        return cls(rms[0], float(np.abs(errors).mean()), rms[1], r2, actual, predicted)


def in_words(scores: Classification | Regression, classes: tuple) -> str:
    """The scores in a line."""
    if isinstance(scores, Classification):
        n, always = (
            int(scores.confusion.sum()),
            f"always {classes[scores.commonest]!r} would be {scores.baseline:.4f}",
        )
        return f"accuracy {scores.accuracy:.4f} on {n} held-out rows ({always})"
    r2 = "not defined" if scores.r2 is None else f"{scores.r2:.4f}"
    errors = f"RMSE {scores.rmse:.6g}, mean absolute error {scores.mae:.6g}"
    return f"R2 {r2}, {errors} on {len(scores.actual)} held-out rows (RMSE of always the mean: {scores.baseline:.6g})"
