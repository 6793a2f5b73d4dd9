"""Vectorised: one matrix product a layer equals a loop over the samples.

Run it with ``python examples/vectorised.py``.

Many texts write data as features x samples: here X is 2 x 20 and Y is 3 x 20, and sample i is the
column X[:, i]. fastbp takes samples in rows: X.T and Y.T, views that NumPy makes without a copy.
The 2-4-4-3 network runs forward and backward over all 20 samples at once; the loop below does the
same with column vectors, one sample at a time. Both agree to rounding.
"""

import numpy as np

import fastbp


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def one_sample(Ws, bs, x, y):
    """Activations, loss and gradients of a single sample; Ws[l] is (units, inputs)."""
    activations = [x]
    for layer, (W, b) in enumerate(zip(Ws, bs, strict=True)):
        z = W @ activations[-1] + b
        activations.append(softmax(z) if layer == len(Ws) - 1 else sigmoid(z))
    loss = -np.sum(y * np.log(activations[-1]))

    dWs, dbs = [], []
    delta = activations[-1] - y  # softmax and cross-entropy together
    for layer in reversed(range(len(Ws))):
        a = activations[layer]
        dWs.insert(0, np.outer(delta, a))
        dbs.insert(0, delta)
        delta = (Ws[layer].T @ delta) * a * (1 - a)
    return activations[1:], loss, dWs, dbs


def largest(pairs):
    return float(max(np.abs(a - b).max() for a, b in pairs))


def main():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2, 20))
    Y = np.eye(3)[:, rng.integers(0, 3, size=20)]
    net = fastbp.MLP([2, 4, 4, 3], hidden="sigmoid", output="softmax", dtype="float64", seed=0)
    for b in net.biases:
        b[...] = rng.standard_normal(b.shape)  # zeros would hide an error in the biases

    layers = net.forward(X.T)
    loss, dWs, dbs = net.loss_and_gradients(X.T, Y.T)

    Ws = [W.T for W in net.weights]
    samples = [one_sample(Ws, net.biases, X[:, i], Y[:, i]) for i in range(X.shape[1])]
    loop_layers = [np.stack([s[0][layer] for s in samples]) for layer in range(3)]
    loop_loss = np.mean([s[1] for s in samples])
    loop_dWs = [np.mean([s[2][layer] for s in samples], axis=0).T for layer in range(3)]
    loop_dbs = [np.mean([s[3][layer] for s in samples], axis=0) for layer in range(3)]

    result = {
        "activations": largest(zip(layers, loop_layers, strict=True)),
        "loss": float(abs(loss - loop_loss)),
        "dW": largest(zip(dWs, loop_dWs, strict=True)),
        "db": largest(zip(dbs, loop_dbs, strict=True)),
    }
    print(f"2-4-4-3 network, {X.shape[1]} samples at once, loss {loss:.6f}")
    print("largest difference from the loop over single samples")
    for name, difference in result.items():
        print(f"  {name:<12} {difference:.1e}")
    return result


if __name__ == "__main__":
    main()
