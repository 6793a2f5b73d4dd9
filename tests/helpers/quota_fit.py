"""A fit large enough for several threads."""

import numpy as np

import fastbp

RNG = np.random.default_rng(5)

X = RNG.normal(size=(3000, 64)).astype("f4")
Y = RNG.integers(0, 5, 3000)


def trained(n_threads=None, epochs=8):
    net = fastbp.MLP([64, 200, 100, 5])
    net.fit(X, Y, epochs=epochs, batch_size=100, optimizer=fastbp.Adam(), n_threads=n_threads)
    return net.parameters.tobytes()
