"""
1. One sigmoid neuron
=====================

A neuron takes some numbers, weighs them, and answers with a probability. This lesson computes its
answer, its error and the derivative of the error by hand, then with fastbp, and gets equal numbers.
It ends with a neuron that tells benign from malignant tumours.

You need derivatives as taught in school: the slope of a curve, the chain rule
(the derivative of f(g(x)) is f'(g(x)) · g'(x)), and that of log(x), which is 1/x.
"""

import matplotlib.pyplot as plt
import numpy as np
from numpy.testing import assert_allclose
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import fastbp

# %%
# What a neuron computes
# ----------------------
# The names below are those of all lessons. The shape of each is in brackets: ``(2,)`` is a list of
# two numbers, ``()`` a single number.
#
# ======  ========  ==================================================
# name    shape     meaning
# ======  ========  ==================================================
# x       (2,)      the inputs of one sample
# W       (2,)      the weights, one for each input
# b       ()        the bias, a number added to the sum
# z       ()        the weighted sum, z = x[0]·W[0] + x[1]·W[1] + b
# a       ()        the activation, a = sigmoid(z): the answer
# y       ()        the target, the answer that is wanted: 0 or 1
# L       ()        the loss, which measures how wrong a is
# ======  ========  ==================================================
#
# The sum z can be any number. The sigmoid function turns it into a number between 0 and 1, which we
# read as "probability that the answer is 1"::
#
#     sigmoid(z) = 1 / (1 + exp(-z))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


x = np.array([1.0, 2.0])
y = 1.0
W = np.array([0.1, 0.2])
b = 0.5

# @ multiplies element by element and adds up: 1 · 0.1 + 2 · 0.2
z = x @ W + b
a = sigmoid(z)
print(f"z = {z:.4f}")
print(f"a = {a:.4f}")

# %%
# The slope of the sigmoid
# ------------------------
# We shall need the derivative of the sigmoid. Write the function as ``u**-1`` with
# ``u = 1 + exp(-z)``. The chain rule gives ``-u**-2`` times ``-exp(-z)``, so
#
# ::
#
#     da/dz = exp(-z) / (1 + exp(-z))**2
#
# The first factor 1 / (1 + exp(-z)) is a. The rest, exp(-z) / (1 + exp(-z)), is 1 - a. Hence
#
# ::
#
#     da/dz = a · (1 - a)
#
# The slope follows from the output a alone. It is largest at z = 0, where it is 1/4, and nearly 0
# where the curve is flat.

line = np.linspace(-6, 6, 200)
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
ax.plot(line, sigmoid(line), label="a = sigmoid(z)")
ax.plot(line, sigmoid(line) * (1 - sigmoid(line)), "--", label="slope da/dz = a (1 - a)")
ax.plot(z, a, "o", color="black", label=f"our neuron: z = {z:.1f}, a = {a:.3f}")
ax.set(xlabel="z", title="The sigmoid function and its slope")
ax.grid(alpha=0.3)
ax.legend()
plt.show()

# %%
# The loss
# --------
# The target is y = 1, and the neuron gives this answer the probability a. The loss is minus the
# logarithm of the probability that was given to the right answer. That is -log(a) if y = 1, and
# -log(1 - a) if y = 0. One formula has both cases, because one of y and 1 - y is 0::
#
#     L = -(y · log(a) + (1 - y) · log(1 - a))
#
# This is the *binary cross-entropy*. A right and certain answer costs nearly 0; a wrong and certain
# one costs very much.

loss = -(y * np.log(a) + (1 - y) * np.log(1 - a))
print(f"L = {loss:.4f}")

inside = np.linspace(0.005, 0.995, 200)
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
ax.plot(inside, -np.log(inside), label="target y = 1")
ax.plot(inside, -np.log(1 - inside), "--", label="target y = 0")
ax.plot(a, loss, "o", color="black", label=f"our neuron: L = {loss:.3f}")
ax.set(xlabel="activation a", ylabel="loss L", title="Binary cross-entropy")
ax.grid(alpha=0.3)
ax.legend()
plt.show()

# %%
# Why delta = a - y
# -----------------
# To make the loss smaller, we must find out how it changes with each weight. The weights act
# through z, and z acts through a. So we go backwards: from L to a, from a to z, from z to W. That
# is back-propagation. The derivative of the loss by z is so important that it has a name, *delta*::
#
#     delta = dL/dz = dL/da · da/dz                              (chain rule)
#
#     dL/da = -y / a + (1 - y) / (1 - a) = (a - y) / (a · (1 - a))
#     da/dz = a · (1 - a)
#
#     delta = a - y                                              (the factors cancel)
#
# Our neuron answers 0.731 and should answer 1, so delta is -0.269: a larger z makes the loss
# smaller.
#
# The last step goes from z to the weights. In z = x[0]·W[0] + x[1]·W[1] + b the derivative by W[0]
# is x[0], and the derivative by b is 1. We write dW for the derivative of L by W, and db for that
# by b::
#
#     dW = x · delta          shape (2,), like W
#     db = delta              shape (), like b

delta = a - y
dW = x * delta
db = delta
print(f"delta = {delta:.4f}")
print(f"dW    = {dW.round(4)}")
print(f"db    = {db:.4f}")

# %%
# Is it right? Nudge the first weight by a little, to both sides, and look how much the loss
# changes. The quotient is a slope, and must be near dW[0].


def loss_of(W, b):
    a = sigmoid(x @ W + b)
    return -(y * np.log(a) + (1 - y) * np.log(1 - a))


nudge = np.array([1e-5, 0.0])
slope = (loss_of(W + nudge, b) - loss_of(W - nudge, b)) / 2e-5
print(f"by the formula {dW[0]:.8f}")
print(f"by nudging     {slope:.8f}")
assert_allclose(slope, dW[0], rtol=1e-8)

# %%
# The same with fastbp
# --------------------
# ``fastbp.MLP([2, 1])`` is a net with two inputs and one output, our neuron. Two things differ.
# fastbp takes many samples at once, as rows; our one sample is a table of shape (1, 2). And there
# can be many neurons, so W is a table (inputs, neurons), here (2, 1).

net = fastbp.MLP([2, 1], output="sigmoid", dtype="float64")
net.weights[0][:, 0] = W
net.biases[0][0] = b
loss_net, dWs, dbs = net.loss_and_gradients(x[None, :], np.array([[y]]))

print("          NumPy                 fastbp")
print(f"L     {loss:21.6f} {loss_net:21.6f}")
print(f"dW    {dW.round(6)!s:>21} {dWs[0][:, 0].round(6)!s:>21}")
print(f"db    {db:21.6f} {dbs[0][0]:21.6f}")
assert_allclose(loss, loss_net)
assert_allclose(dW, dWs[0][:, 0])
assert_allclose(db, dbs[0][0])

# %%
# ``dWs`` and ``dbs`` are lists with one item for each layer; this net has one layer.
#
# Many samples
# ------------
# Now real data: 569 tumours, each described by 30 measurements. The target is 1 for a benign and 0
# for a malignant one. Two thirds of them train the neuron, the others test it. Each measurement is
# shifted and scaled so that its mean is 0 and its standard deviation 1; otherwise large ones would
# drown the small ones.

X, y = load_breast_cancer(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, test_size=1 / 3, stratify=y, random_state=0)
mean, std = X.mean(axis=0), X.std(axis=0)
X = (X - mean) / std
X_test = (X_test - mean) / std
n = len(X)
print(f"X {X.shape}: {n} samples in rows, {X.shape[1]} features in columns; y {y.shape}")

# %%
# With n samples the loss is the mean of the n losses. So each sample has 1/n of the say, and the
# derivative by its z is (a - y) / n:
#
# ======  ========  ======================================
# name    shape     formula
# ======  ========  ======================================
# X       (n, 30)   one sample in each row
# W       (30,)     one weight for each feature
# z       (n,)      X @ W + b
# a       (n,)      sigmoid(z)
# delta   (n,)      (a - y) / n
# dW      (30,)     X.T @ delta
# db      ()        sum of delta
# ======  ========  ======================================
#
# ``X.T`` is X with rows and columns exchanged, (30, n). ``X.T @ delta`` takes each sample's x times
# its delta, and adds over the samples: the former dW = x · delta, for all samples at once.
#
# *Gradient descent* then takes a step against the derivative, again and again. The learning rate
# lr says how far::
#
#     W = W - lr · dW
#     b = b - lr · db

W = np.zeros(30)
b = 0.0
lr = 0.5
losses = []
for _ in range(200):
    z = X @ W + b
    a = sigmoid(z)
    losses.append(np.mean(-(y * np.log(a) + (1 - y) * np.log(1 - a))))
    delta = (a - y) / n
    dW = X.T @ delta
    db = delta.sum()
    W -= lr * dW
    b -= lr * db

# %%
# fastbp trains the same neuron in one call. ``batch_size=None`` means: use all samples for each
# step, as we did. ``SGD(lr)`` is gradient descent with this learning rate. Then a pass over all
# samples, an *epoch*, is one step.

net = fastbp.MLP([30, 1], output="sigmoid", dtype="float64")
net.weights[0][...] = 0.0
history = net.fit(X, y, epochs=200, batch_size=None, optimizer=fastbp.SGD(lr))

print("                   NumPy    fastbp")
print(f"first loss      {losses[0]:.6f}  {history.loss[0]:.6f}")
print(f"last loss       {losses[-1]:.6f}  {history.loss[-1]:.6f}")
print(f"W[0]           {W[0]:.6f} {net.weights[0][0, 0]:.6f}")
assert_allclose(losses, history.loss)
assert_allclose(W, net.weights[0][:, 0])
assert_allclose(b, net.biases[0][0])

accuracy = net.score(X_test, y_test)
print(f"{accuracy:.1%} of {len(y_test)} tumours outside the training set are classified correctly")
assert accuracy > 0.95

# %%
# This neuron is known in statistics as *logistic regression*.
#
# Exercise
# --------
# Replace the loss of one sample by the squared error, L = ½ · (a - y)². Then the factors do not
# cancel. Write a function ``squared_delta(a, y)`` that returns delta = dL/dz of one sample, and
# pass it to ``check``, which compares it with fastbp's. The two steps are as above: first dL/da,
# then times da/dz.


def check(squared_delta):
    """Compare a delta of the squared error with fastbp's, on all samples."""
    net = fastbp.MLP([30, 1], output="sigmoid", loss="squared_error", dtype="float64")
    a = net.forward(X)[-1][:, 0]
    delta = squared_delta(a, y) / n
    _, dWs, dbs = net.loss_and_gradients(X, y)
    assert_allclose(X.T @ delta, dWs[0][:, 0], atol=1e-12)
    assert_allclose(delta.sum(), dbs[0][0], atol=1e-12)
    print("right: equal to fastbp's gradient")


# %%
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>


def squared_delta(a, y):
    return (a - y) * a * (1 - a)


check(squared_delta)

# %%
# dL/da is a - y, as ½ · u² has the slope u. Times the slope a · (1 - a) of the sigmoid.
# Where the neuron is certain and wrong, a is near 0 or 1, and this delta is nearly 0: the neuron
# learns slowly from its worst errors. The cross-entropy does not have this fault.
#
# .. raw:: html
#
#    </details>
