"""How well a net predicts samples: accuracy of a classifier, R² of a regression."""

import numpy as np

from .forward import outputs

BLOCK = 1 << 16  # rows of which outputs are held at a time


def is_classifier(net):
    """Whether `MLP.predict` returns labels, one a row or one an output."""
    return _takes_largest(net) or net.loss_name == "binary_cross_entropy"


def _takes_largest(net):
    return net.output == "softmax" or net.loss_name in ("softmax_cross_entropy", "hinge")


def labels_of(net, a):
    """The labels 0..n_classes - 1 of a classifier's outputs, or of targets like them: int64 (n,),
    or (n, n_out) zeros and ones for several sigmoid outputs."""
    if _takes_largest(net):
        return a.argmax(axis=1)
    labels = (a > 0.5).astype(np.int64)
    return labels[:, 0] if a.shape[1] == 1 else labels


def accuracy(net, samples, rows=None, n_threads=None):
    """The share of samples with the predicted label, unweighted.

    Of several sigmoid outputs, a sample counts if all are right.

    Parameters
    ----------
    net : MLP
    samples : Samples
    rows : ndarray of int64, optional
        Those that count.
    n_threads : int, optional

    Returns
    -------
    float
    """
    right = right_rows(net, samples, rows, n_threads)
    return float(np.count_nonzero(right)) / len(right)


def right_rows(net, samples, rows=None, n_threads=None):
    """Whether each sample has the predicted label, ndarray of bool (n,)."""
    n = samples.n if rows is None else len(rows)
    right = np.empty(n, bool)
    for first in range(0, n, BLOCK):
        part = slice(first, min(first + BLOCK, n))
        index = part if rows is None else rows[part]
        a = outputs(net.network, net.parameters, samples.x.array[index], n_threads)
        wanted = (samples.given_targets() if samples.labels is None else samples.labels)[index]
        equal = labels_of(net, a) == (wanted if wanted.ndim == 1 else labels_of(net, wanted))
        right[part] = (equal if equal.ndim == 1 else equal.all(axis=1)) & ~np.isnan(a).any(axis=1)
    return right


def score(net, samples):
    """See `MLP.score`."""
    weight = np.ones(samples.n) if samples.weight is None else samples.weight.astype(np.float64)
    if is_classifier(net):
        return float(np.average(right_rows(net, samples), weights=weight))
    a = outputs(net.network, net.parameters, samples.x)
    targets = samples.given_targets().astype(np.float64)
    targets = targets[:, None] if targets.ndim == 1 else targets
    if targets.shape != a.shape:
        raise ValueError(f"y must be of the outputs' shape {a.shape}, got {targets.shape}")
    if len(a) < 2:
        return float("nan")
    weight = weight[:, None]
    residual = np.sum(weight * (targets - a) ** 2, axis=0)
    mean = np.average(targets, axis=0, weights=weight[:, 0])
    total = np.sum(weight * (targets - mean) ** 2, axis=0)
    constant = total == 0
    r2 = 1 - residual / np.where(constant, 1.0, total)
    r2[constant] = residual[constant] == 0
    return float(r2.mean())
