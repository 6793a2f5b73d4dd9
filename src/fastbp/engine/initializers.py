"""Initial weights: Glorot and He, uniform and normal, or a function. Biases start at zero."""

import math

import numpy as np

from ..base.validation import cast, check_choice, check_finite


def _glorot(n_in, n_out):
    """Variance 2 / (n_in + n_out): Glorot and Bengio, *Understanding the difficulty of training
    deep networks*, 2010."""
    return 2 / (n_in + n_out)


def _he(n_in, n_out):
    """Variance 2 / n_in: He et al., *Delving deep into rectifiers*, 2015."""
    return 2 / n_in


def _uniform(variance):
    def draw(rng, shape):
        limit = math.sqrt(3 * variance(*shape))
        return rng.uniform(-limit, limit, shape)

    return draw


def _normal(variance):
    return lambda rng, shape: rng.normal(0, math.sqrt(variance(*shape)), shape)


INITIALIZERS = {
    "glorot_uniform": _uniform(_glorot),
    "glorot_normal": _normal(_glorot),
    "he_uniform": _uniform(_he),
    "he_normal": _normal(_he),
}


def initial_weights(init, rng, shape, dtype):
    """The initial weights of one layer.

    Parameters
    ----------
    init : str or callable (rng, shape) -> array
    rng : numpy.random.Generator
    shape : (n_in, n_out)
    dtype : of the network

    Returns
    -------
    ndarray (n_in, n_out)
        Finite, of `dtype`.
    """
    if not callable(init):
        init = INITIALIZERS[check_choice("init", init, INITIALIZERS)]
    drawn = np.asarray(init(rng, shape))
    if drawn.shape != shape or drawn.dtype.kind not in "fiu":
        raise ValueError(
            f"init must give a real array of shape {shape}, got {drawn.dtype} of shape "
            f"{drawn.shape}"
        )
    check_finite("init", drawn, dtype)
    return cast(drawn, dtype)
