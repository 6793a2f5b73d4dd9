"""A small classification problem, a network for it, and the bits of a trained network."""

import numpy as np

import fastbp

RNG = np.random.default_rng(3)

X, Y = RNG.normal(size=(50, 4)), RNG.integers(0, 3, 50)

X_VAL, Y_VAL = RNG.normal(size=(30, 4)), RNG.integers(0, 3, 30)

VALIDATION = {"X_val": X_VAL, "y_val": Y_VAL}


def make(dtype="float32", **more):
    return fastbp.MLP([4, 6, 3], "tanh", dtype=dtype, seed=8, **more)


def bits(net):
    return (
        net._parameters.tobytes(),
        net._state.tobytes(),
        str(net._rng.bit_generator.state),
        net._steps_done,
    )
