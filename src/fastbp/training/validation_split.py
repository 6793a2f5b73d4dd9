"""The part of the samples that `MLP.fit` holds out as its validation set."""

import numpy as np

from ..base.validation import one_hot_labels

PURPOSE = 0x5B117  # separates this generator from others with the net's key


def split(samples, n_validation, key):
    """Split samples at random, stratified by class where each has one.

    The samples are shuffled, sorted by class, and every (n / n_validation)-th is held out: each
    class keeps its share up to one sample.

    Parameters
    ----------
    samples : Samples
    n_validation : int
    key : sequence of int
        Of the generator: the same samples and key give the same split.

    Returns
    -------
    rows : ndarray of int64
        The rows to train on, ascending.
    validation : Samples
        Copies of the other rows, without weights.
    """
    n = samples.n
    order = np.random.default_rng([PURPOSE, *key]).permutation(n)
    labels = _classes(samples)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    held_out = np.zeros(n, bool)
    held_out[order[(2 * np.arange(n_validation) + 1) * n // (2 * n_validation)]] = True
    return np.flatnonzero(~held_out), samples.subset(np.flatnonzero(held_out))


def _classes(samples):
    """The class of each sample, or None if it has none."""
    if samples.labels is not None:
        return samples.labels
    targets = samples.given_targets()
    try:
        return one_hot_labels("y", targets if targets.ndim == 2 else targets[:, None])
    except ValueError:
        return None
