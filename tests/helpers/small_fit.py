"""A small classification problem, a network for it, and the bits of a trained network."""

import numpy as np

import fastbp

RNG = np.random.default_rng(3)

X = RNG.normal(size=(50, 4))
Y = RNG.integers(0, 3, 50)

X_VAL = RNG.normal(size=(30, 4))
Y_VAL = RNG.integers(0, 3, 30)

VALIDATION = {"X_val": X_VAL, "y_val": Y_VAL}


def make(dtype="float32", **more):
    return fastbp.MLP([4, 6, 3], "tanh", dtype=dtype, seed=8, **more)


def bits(net):
    return (
        net.parameters.tobytes(),
        net.train_state.optimizer_state.tobytes(),
        str(net.train_state.rng.bit_generator.state),
        net.train_state.step,
    )
