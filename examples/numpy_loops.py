"""Four training loops of tutorials before and after `fastbp.functional`, timed.

Run it with ``python examples/numpy_loops.py [--seconds 1]``.

The loops are common ones: two moons by three tanh units and full-batch descent, the 8x8 digits in
minibatches by two hidden layers, a binary classifier of 211 points with one sigmoid output and an
L2 penalty, and the 2-2-2 network that textbooks work through by hand, one sample at a time.
"Before" is NumPy as in the tutorials; "after" is the same loop with its lines replaced by calls.
Both start from the same weights, their losses are compared step by step, and both are timed in
alternation; medians count, of the ratio too.
"""

import argparse
import time

import numpy as np
from sklearn.datasets import load_digits, make_moons

from fastbp.functional import dense_backward, dense_forward, output_delta, sgd_step


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# ---- two moons: 2-3-2, tanh, softmax, full batch


def moons():
    X, y = make_moons(200, noise=0.20, random_state=0)
    rng = np.random.RandomState(0)
    W1 = rng.randn(2, 3) / np.sqrt(2)
    W2 = rng.randn(3, 2) / np.sqrt(3)
    return X, y, W1, np.zeros(3), W2, np.zeros(2)


def moons_before(X, y, W1, b1, W2, b2, steps, lr=0.4):
    losses = []
    n = len(X)
    for _ in range(steps):
        a1 = np.tanh(X @ W1 + b1)
        p = softmax(a1 @ W2 + b2)
        losses.append(-np.log(p[np.arange(n), y]).mean())
        delta2 = p
        delta2[np.arange(n), y] -= 1
        delta2 /= n
        dW2 = a1.T @ delta2
        db2 = delta2.sum(axis=0)
        delta1 = (delta2 @ W2.T) * (1 - a1**2)
        dW1 = X.T @ delta1
        db1 = delta1.sum(axis=0)
        W1 -= lr * dW1
        b1 -= lr * db1
        W2 -= lr * dW2
        b2 -= lr * db2
    return losses


def moons_after(X, y, W1, b1, W2, b2, steps, lr=0.4):
    losses = []
    for _ in range(steps):
        a1 = dense_forward(X, W1, b1, "tanh")
        loss, delta2 = output_delta(dense_forward(a1, W2, b2), y)
        losses.append(loss)
        dW2, db2, delta1 = dense_backward(delta2, a1, W2, "tanh")
        dW1, db1, _ = dense_backward(delta1, X, W1)
        sgd_step((W1, b1, W2, b2), (dW1, db1, dW2, db2), lr)
    return losses


# ---- digits: 64-20-20-10, sigmoid, softmax, minibatches of 25


def digits():
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    pairs = ((64, 20), (20, 20), (20, 10))
    weights = [rng.normal(0, n_in**-0.5, (n_in, n_out)).astype("float32") for n_in, n_out in pairs]
    biases = [np.zeros(n_out, "float32") for _, n_out in pairs]
    return (X / 16).astype("float32"), y, weights, biases


def digits_before(X, y, weights, biases, steps, lr=0.5):
    losses = []
    for step in range(steps):
        first = step * 25 % (len(X) - 25)
        x, labels = X[first : first + 25], y[first : first + 25]
        activations = [x]
        for W, b in zip(weights[:-1], biases[:-1], strict=True):
            activations.append(sigmoid(activations[-1] @ W + b))
        p = softmax(activations[-1] @ weights[-1] + biases[-1])
        losses.append(-np.log(p[np.arange(25), labels]).mean())
        delta = p
        delta[np.arange(25), labels] -= 1
        delta /= 25
        for i in (2, 1, 0):
            a, W = activations[i], weights[i]
            dW = a.T @ delta
            db = delta.sum(axis=0)
            if i > 0:
                delta = (delta @ W.T) * a * (1 - a)
            W -= lr * dW
            biases[i] -= lr * db
    return losses


def digits_after(X, y, weights, biases, steps, lr=0.5):
    losses = []
    for step in range(steps):
        first = step * 25 % (len(X) - 25)
        x, labels = X[first : first + 25], y[first : first + 25]
        activations = [x]
        for W, b in zip(weights[:-1], biases[:-1], strict=True):
            activations.append(dense_forward(activations[-1], W, b, "sigmoid"))
        loss, delta = output_delta(dense_forward(activations[-1], weights[-1], biases[-1]), labels)
        losses.append(loss)
        for i in (2, 1, 0):
            dW, db, delta = dense_backward(
                delta, activations[i], weights[i], "sigmoid" if i > 0 else None
            )
            sgd_step((weights[i], biases[i]), (dW, db), lr)
    return losses


# ---- binary: 2-20-3-1, relu, one sigmoid output, an L2 penalty, full batch


def binary():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(211, 2))
    y = (X[:, :1] ** 2 + X[:, 1:] > 0.6).astype(float)
    pairs = ((2, 20), (20, 3), (3, 1))
    weights = [rng.normal(0, (2 / n_in) ** 0.5, (n_in, n_out)) for n_in, n_out in pairs]
    return X, y, weights, [np.zeros((1, W.shape[1])) for W in weights]


def binary_before(X, y, weights, biases, steps, lr=0.1, l2=1e-3):
    losses = []
    n = len(X)
    W1, W2, W3 = weights
    b1, b2, b3 = biases
    for _ in range(steps):
        a1 = np.maximum(X @ W1 + b1, 0)
        a2 = np.maximum(a1 @ W2 + b2, 0)
        p = sigmoid(a2 @ W3 + b3)
        penalty = l2 / 2 * sum((W**2).sum() for W in weights)
        losses.append(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean() + penalty)
        delta3 = (p - y) / n
        dW3 = a2.T @ delta3 + l2 * W3
        delta2 = (delta3 @ W3.T) * (a2 > 0)
        dW2 = a1.T @ delta2 + l2 * W2
        delta1 = (delta2 @ W2.T) * (a1 > 0)
        dW1 = X.T @ delta1 + l2 * W1
        W1 -= lr * dW1
        b1 -= lr * delta1.sum(axis=0, keepdims=True)
        W2 -= lr * dW2
        b2 -= lr * delta2.sum(axis=0, keepdims=True)
        W3 -= lr * dW3
        b3 -= lr * delta3.sum(axis=0, keepdims=True)
    return losses


def binary_after(X, y, weights, biases, steps, lr=0.1, l2=1e-3):
    losses = []
    W1, W2, W3 = weights
    b1, b2, b3 = biases
    for _ in range(steps):
        a1 = dense_forward(X, W1, b1, "relu")
        a2 = dense_forward(a1, W2, b2, "relu")
        loss, delta3 = output_delta(dense_forward(a2, W3, b3), y, "sigmoid")
        penalty = l2 / 2 * sum((W**2).sum() for W in weights)
        losses.append(loss + penalty)
        dW3, db3, delta2 = dense_backward(delta3, a2, W3, "relu")
        dW2, db2, delta1 = dense_backward(delta2, a1, W2, "relu")
        dW1, db1, _ = dense_backward(delta1, X, W1)
        sgd_step(weights, (dW1, dW2, dW3), lr, l2=l2)
        sgd_step(biases, (db1, db2, db3), lr)
    return losses


# ---- 2-2-2: one sample, sigmoid, squared error, the biases held fixed


def two_two_two():
    x = np.array([[0.05, 0.10]])
    target = np.array([[0.01, 0.99]])
    W1 = np.array([[0.15, 0.25], [0.20, 0.30]])
    W2 = np.array([[0.40, 0.50], [0.45, 0.55]])
    return x, target, W1, np.full(2, 0.35), W2, np.full(2, 0.60)


def two_two_two_before(x, target, W1, b1, W2, b2, steps, lr=0.5):
    losses = []
    for _ in range(steps):
        hidden = sigmoid(x @ W1 + b1)
        out = sigmoid(hidden @ W2 + b2)
        losses.append(0.5 * ((target - out) ** 2).sum())
        delta2 = (out - target) * out * (1 - out)
        delta1 = (delta2 @ W2.T) * hidden * (1 - hidden)
        W2 -= lr * (hidden.T @ delta2)
        W1 -= lr * (x.T @ delta1)
    return losses


def two_two_two_after(x, target, W1, b1, W2, b2, steps, lr=0.5):
    losses = []
    for _ in range(steps):
        hidden = dense_forward(x, W1, b1, "sigmoid")
        loss, delta2 = output_delta(
            dense_forward(hidden, W2, b2), target, "sigmoid", "squared_error"
        )
        losses.append(loss)
        dW2, _, delta1 = dense_backward(delta2, hidden, W2, "sigmoid")
        dW1, _, _ = dense_backward(delta1, x, W1)
        sgd_step((W1, W2), (dW1, dW2), lr)
    return losses


# name: (net, initial values, before, after, largest relative difference of the losses)
LOOPS = {
    "moons": ("2-3-2, batch 200, float64", moons, moons_before, moons_after, 1e-9),
    "digits": ("64-20-20-10, batch 25, float32", digits, digits_before, digits_after, 1e-3),
    "binary": ("2-20-3-1, batch 211, L2, float64", binary, binary_before, binary_after, 1e-6),
    "2-2-2": ("2-2-2, batch 1, float64", two_two_two, two_two_two_before, two_two_two_after, 1e-12),
}


def microseconds(loop, start, steps):
    """Of one step, from initial weights."""
    arguments = start()
    start_seconds = time.perf_counter()
    loop(*arguments, steps)
    return (time.perf_counter() - start_seconds) / steps * 1e6


def compare(start, before, after, seconds):
    """Largest relative difference of the losses; the median times of a step of both loops and the
    median of their ratio, over as many pairs of runs as fit into the seconds."""
    old = np.array(before(*start(), 500))
    new = np.array(after(*start(), 500))
    times = [(microseconds(before, start, 100), microseconds(after, start, 100)) for _ in range(3)]
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        times.append((microseconds(before, start, 100), microseconds(after, start, 100)))
    pairs = np.array(times)
    ratio = float(np.median(pairs[:, 0] / pairs[:, 1]))
    return float((abs(new - old) / old).max()), *np.median(pairs, axis=0), ratio


def main(argv=None):
    parser = argparse.ArgumentParser(
        description="hand-written NumPy loops before and after fastbp.functional"
    )
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="duration of timing each pair of loops"
    )
    args = parser.parse_args(argv)

    result = {}
    print("| loop | net | NumPy, a step | fastbp.functional | speedup | losses differ by |")
    print("|---|---|---|---|---|---|")
    for name, (net, start, before, after, most) in LOOPS.items():
        difference, old, new, ratio = compare(start, before, after, args.seconds)
        if not difference < most:
            raise AssertionError(f"{name}: the two loops' losses differ by {difference:.1e}")
        result[name] = {"difference": difference, "before": old, "after": new, "speedup": ratio}
        cells = [name, net, f"{old:.1f} µs", f"{new:.1f} µs", f"{ratio:.1f} x"]
        print(f"| {' | '.join(cells)} | {difference:.0e} |", flush=True)
    return result


if __name__ == "__main__":
    main()
