"""
9. Vanishing gradients, seen
============================

Deeper nets should be able to do more. For decades they did not learn at all, because the deltas
shrink from layer to layer on their way back, until nothing is left for the first layers. This
lesson shows the shrinking in a chain of single neurons, where it is plain arithmetic, then in a net
for digits, and shows what helps.

From :doc:`lesson 3 <03_two_layers>` you need the slopes of the activations, and the line
delta1 = (delta2 @ W2.T) * f'(z1).
"""

import matplotlib.pyplot as plt
import numpy as np
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits

import fastbp
from fastbp import plot

# %%
# A chain of single neurons
# -------------------------
# Seven layers with one sigmoid neuron each. All weights are 1, all biases 0, the input is 0.5 and
# the target 1; the loss is the binary cross-entropy of the last neuron. All quantities of a layer
# are single numbers. We count the layers from 0 here, as fastbp does, so that a list can hold them.
#
# ==========  ========================================
# name        formula
# ==========  ========================================
# z[k]        a[k - 1] · 1 + 0, with the input below layer 0
# a[k]        sigmoid(z[k])
# delta[6]    a[6] - 1
# delta[k]    delta[k + 1] · 1 · a[k] · (1 - a[k])
# ==========  ========================================


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


layers = 7
a = []
below = 0.5
for _ in range(layers):
    below = sigmoid(below * 1.0 + 0.0)
    a.append(below)

delta = [0.0] * layers
delta[-1] = a[-1] - 1.0
for k in reversed(range(layers - 1)):
    delta[k] = delta[k + 1] * 1.0 * a[k] * (1 - a[k])

net = fastbp.MLP([1] * 8, hidden="sigmoid", output="sigmoid", dtype="float64")
net.weights = [[[1.0]]] * layers
_, dWs, dbs = net.loss_and_gradients([[0.5]], [[1.0]])  # db = delta, as there is one sample

print("layer      slope      delta by hand    delta of fastbp")
for k in range(layers):
    slope = f"{a[k] * (1 - a[k]):.4f}" if k < layers - 1 else "      "
    print(f"{k:5d}     {slope}     {delta[k]:14.10f}     {dbs[k][0]:14.10f}")
assert_allclose(delta, [db[0] for db in dbs])

# %%
# Each layer multiplies delta by weight times slope, and the slope of the sigmoid is at most 1/4
# (lesson 1). Six layers down, delta is smaller than at the top by a factor of at least 4⁶ = 4,096.
# The weights of layer 0 hardly move, while those of layer 6 learn.
#
# Weights larger than 4 could make up for the slope. But large weights make large z, where the
# sigmoid is flat: then the slope is not 1/4 but nearly 0.
#
# A net for digits
# ----------------
# Now 64 inputs, six hidden layers of 20 sigmoid neurons and 10 softmax outputs, with random
# weights. A layer has many deltas; we take their typical size, the median of their absolute values.
#
# ========  ================  ===================================================
# name      shape             formula
# ========  ================  ===================================================
# a[0]      (n, 64)           the images
# a[k]      (n, 20)           output of hidden layer k - 1, so the input of layer k
# delta[6]  (n, 10)           (answers - T) / n
# delta[k]  (n, 20)           (delta[k + 1] @ W[k + 1].T) * slope of a[k + 1]
# dW[k]     shape of W[k]     a[k].T @ delta[k]
# db[k]     shape of b[k]     sum of delta[k] over the samples
# ========  ================  ===================================================

X, y = load_digits(return_X_y=True)
X = X / 16
n = len(X)
widths = [64, 20, 20, 20, 20, 20, 20, 10]
slopes = {
    "sigmoid": lambda a: a * (1 - a),
    "tanh": lambda a: 1 - a**2,
    "relu": lambda a: np.where(a > 0, 1.0, 0.0),
}


def deep_net(hidden):
    # he_normal draws relu's weights larger, as half of its slopes are 0.
    init = "he_normal" if hidden == "relu" else "glorot_uniform"
    return fastbp.MLP(widths, hidden=hidden, init=init, dtype="float64", seed=0)


def deltas_of(net, slope):
    """The deltas of all layers, by hand."""
    *hidden, answers = net.forward(X)
    delta = [(answers - np.eye(10)[y]) / n]
    for W, a in zip(net.weights[:0:-1], reversed(hidden), strict=True):
        delta.insert(0, (delta[0] @ W.T) * slope(a))
    return delta


sizes = {}
for hidden, slope in slopes.items():
    net = deep_net(hidden)
    delta = deltas_of(net, slope)
    _, dWs, dbs = net.loss_and_gradients(X, y)
    inputs = [X, *net.forward(X)[:-1]]
    for a, d, dW, db in zip(inputs, delta, dWs, dbs, strict=True):
        assert_allclose(a.T @ d, dW, atol=1e-12)
        assert_allclose(d.sum(axis=0), db, atol=1e-12)
    sizes[hidden] = [np.median(np.abs(d[d != 0])) for d in delta]
    print(f"{hidden:<8} delta of layer 0 is {sizes[hidden][0] / sizes[hidden][-1]:.5f} of the last")
    print(f"         dW of layer 0: NumPy {np.abs(inputs[0].T @ delta[0]).max():.3e}", end="")
    print(f", fastbp {np.abs(dWs[0]).max():.3e} (largest)")
assert sizes["sigmoid"][0] < 0.001 * sizes["sigmoid"][-1]
assert sizes["relu"][0] > 0.01 * sizes["relu"][-1]

fig, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
for hidden, marker in zip(slopes, "osD", strict=True):
    ax.plot(range(7), sizes[hidden], marker=marker, label=hidden)
ax.set(xlabel="layer", ylabel="median size of delta", yscale="log")
ax.set_title("From the last layer back to the first, before training")
ax.grid(alpha=0.3)
ax.legend()
plt.show()

# %%
# On the logarithmic scale the line of the sigmoid is nearly straight: every layer divides by about
# the same number. tanh has slopes up to 1, relu has slope 1 wherever it is not 0, and with weights
# of the right size their deltas keep their size.
#
# ``fastbp.plot.DeltasDisplay`` shows the whole distribution of each layer, not only its middle. Its
# deltas are those of single samples, without the division by n:

display = plot.DeltasDisplay.from_estimator(deep_net("sigmoid"), X, y)
display.ax_.set_title("Six sigmoid layers: gradients vanish")
plt.show()

display = plot.DeltasDisplay.from_estimator(deep_net("relu"), X, y)
display.ax_.set_title("Six relu layers: gradients keep their size")
plt.show()

# %%
# What it does to learning
# ------------------------
# The same training for all three: 15 epochs, minibatches of 25. A net of sigmoids does not get
# better than guessing: the loss of answering 1/10 for every digit is -log(1/10) = 2.303.

fig, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
last = {}
for hidden in slopes:
    net = deep_net(hidden)
    before = net.weights[0].copy()
    history = net.fit(X, y, epochs=15, batch_size=25, optimizer=fastbp.SGD(0.1))
    moved = np.abs(net.weights[0] - before).max()
    last[hidden] = history.loss[-1]
    print(f"{hidden:<8} last loss {history.loss[-1]:.3f}, layer 0 moved by at most {moved:.4f}")
    ax.plot(range(1, 16), history.loss, label=hidden)
ax.axhline(np.log(10), color="0.4", linestyle="--", label="guessing")
ax.set(xlabel="epoch", ylabel="loss", title="Six hidden layers learn the digits, or do not")
ax.grid(alpha=0.3)
ax.legend()
plt.show()
assert last["sigmoid"] > 2.2
assert last["relu"] < 0.2
assert last["tanh"] < 0.2

# %%
# The net is the same, the data are the same; only the slope differs. With few layers, as in
# lesson 8, the sigmoid learns well.
#
# Exercise
# --------
# The opposite fault exists as well: with weights that are too large, deltas grow from layer to
# layer. Write ``deltas(Ws, a, delta)`` for *tanh*: Ws is the list of all weights, a the list of the
# hidden layers' outputs, delta that of the last layer. Return the list of all deltas, the first
# layer's first. ``check`` compares dW and db with fastbp's, then uses your function to show what
# weights three times as large do.


def check(deltas):
    """Compare deltas of a tanh net with fastbp's gradient, for two sizes of weights."""
    for factor in (1.0, 3.0):
        net = deep_net("tanh")
        for W in net.weights:
            W *= factor
        *a, answers = net.forward(X)
        found = deltas(list(net.weights), a, (answers - np.eye(10)[y]) / n)
        _, dWs, dbs = net.loss_and_gradients(X, y)
        for x, d, dW, db in zip([X, *a], found, dWs, dbs, strict=True):
            assert_allclose(x.T @ d, dW, atol=1e-12 * np.abs(dW).max())
            assert_allclose(d.sum(axis=0), db, atol=1e-12 * np.abs(db).max())
        ratio = np.median(np.abs(found[0])) / np.median(np.abs(found[-1]))
        largest = np.abs(found[0]).max() / np.abs(found[-1]).max()
        print(f"right for weights times {factor:.0f}: median of layer 0 / last {ratio:.2g}", end="")
        print(f", largest / largest {largest:.2g}")


# %%
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>


def deltas(Ws, a, delta):
    found = [delta]
    for k in reversed(range(len(a))):
        found.insert(0, (found[0] @ Ws[k + 1].T) * (1 - a[k] ** 2))
    return found


check(deltas)

# %%
# ``a[k]`` is the output of layer k, and W[k + 1] leads from it to the layer above.
#
# .. raw:: html
#
#    </details>
