"""
3. Two layers, four activations
===============================

One layer of neurons can only draw a straight line between two classes. A layer in between, the
*hidden* layer, bends it. This lesson shows four functions that hidden layers use, goes forward and
backward through two layers, and learns a task that one layer cannot learn: exclusive or.

From :doc:`lesson 2 <02_vectorised_layer>` you need dW = X.T @ delta and dX = delta @ W.T.
"""

import matplotlib.pyplot as plt
import numpy as np
from numpy.testing import assert_allclose

import fastbp
from fastbp import functional

# %%
# Why another layer needs a curve
# -------------------------------
# Two layers without an activation would be ``(X @ W1 + b1) @ W2 + b2``. Multiplied out this is
# ``X @ (W1 @ W2) + (b1 @ W2 + b2)``: one layer with the weights ``W1 @ W2``. Nothing is gained. The
# curved function between the layers is what makes two layers more than one.
#
# Four activations
# ----------------
# Each takes the weighted sum z and gives a = f(z), element by element. For the backward pass we
# need its slope f'(z). All four slopes can be computed from the output a, so z need not be kept.
#
# ===========  ==========================  ======================
# name         a = f(z)                    slope f'(z), from a
# ===========  ==========================  ======================
# sigmoid      1 / (1 + exp(-z))           a · (1 - a)
# tanh         (exp(z) - exp(-z)) /        1 - a²
#              (exp(z) + exp(-z))
# relu         z if z > 0, else 0          1 if a > 0, else 0
# leaky_relu   z if z > 0, else 0.01·z     1 if a > 0, else 0.01
# ===========  ==========================  ======================
#
# The slope of tanh follows from the rule for quotients. With numerator u and denominator v we have
# u' = v and v' = u, so the slope is (u'·v - u·v') / v² = (v² - u²) / v² = 1 - a².
# relu consists of two straight lines; at its kink, z = 0, we take the slope of the left one.

functions = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.where(z > 0, z, 0.0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
}
slopes = {
    "sigmoid": lambda a: a * (1 - a),
    "tanh": lambda a: 1 - a**2,
    "relu": lambda a: np.where(a > 0, 1.0, 0.0),
    "leaky_relu": lambda a: np.where(a > 0, 1.0, 0.01),
}

line = np.linspace(-4, 4, 400)
fig, axes = plt.subplots(2, 2, figsize=(8, 5.6), layout="constrained", sharex=True)
for ax, name in zip(axes.flat, functions, strict=True):
    a = functions[name](line)
    ax.plot(line, a, label="a = f(z)")
    ax.plot(line, slopes[name](a), "--", label="slope f'(z)")
    ax.set(title=name, ylim=(-1.2, 2.2))
    ax.grid(alpha=0.3)
axes[0, 0].legend()
axes[1, 0].set_xlabel("z")
axes[1, 1].set_xlabel("z")
plt.show()

# %%
# sigmoid and tanh become flat on both sides: there the slope is nearly 0. relu never flattens on
# the right, and is cheap to compute. leaky_relu keeps a small slope on the left as well, so that a
# neuron with negative z can still change.
#
# fastbp has the same functions and slopes by the same names in ``fastbp.functional``.

for name, function in functions.items():
    a = function(line)
    a_net = getattr(functional, name)(line)
    slope_net = getattr(functional, f"{name}_slope")(a_net)
    assert_allclose(a, a_net, atol=1e-15)
    assert_allclose(slopes[name](a), slope_net, atol=1e-15)
    print(f"{name:<11} at z = -4: NumPy {a[0]:.6f}, fastbp {a_net[0]:.6f}")

# %%
# Forward through two layers
# --------------------------
# The task is *exclusive or*: the answer is 1 if exactly one of two inputs is 1. In the plane, the
# two points with answer 1 lie on opposite corners of a square. No straight line has both on one
# side and the other two points on the other side, so one neuron cannot learn it.
#
# The net has 2 inputs, 4 hidden neurons and 1 output, in short 2-4-1. A number behind a name counts
# the layers.
#
# ======  ==========  ==========================================
# name    shape       formula
# ======  ==========  ==========================================
# X       (4, 2)      the four samples, in rows
# W1, b1  (2, 4) (4,) weights and biases of the hidden layer
# z1      (4, 4)      X @ W1 + b1
# a1      (4, 4)      f(z1), the inputs of the next layer
# W2, b2  (4, 1) (1,) weights and bias of the output layer
# z2      (4, 1)      a1 @ W2 + b2
# a2      (4, 1)      sigmoid(z2), the answers
# ======  ==========  ==========================================

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([[0.0], [1.0], [1.0], [0.0]])
n = len(X)


def forward(W1, b1, W2, b2, name):
    z1 = X @ W1 + b1
    a1 = functions[name](z1)
    z2 = a1 @ W2 + b2
    a2 = functions["sigmoid"](z2)
    loss = -np.sum(Y * np.log(a2) + (1 - Y) * np.log(1 - a2)) / n
    return a1, a2, loss


# %%
# Backward through two layers
# ---------------------------
# Start at the output, as in lesson 1: ``delta2 = (a2 - Y) / n``, the derivative of the loss by z2.
# Lesson 2 gives ``dW2`` and ``db2`` from it, and the derivative by the layer's inputs,
# ``delta2 @ W2.T``. These inputs are a1. One step is left, from a1 to z1, and the chain rule says:
# times the slope::
#
#     delta1 = dL/dz1 = (delta2 @ W2.T) * f'(z1)
#
# Here ``*`` multiplies element by element, as each a1 depends on its own z1 only. With delta1 the
# rest repeats: dW1 = X.T @ delta1. A third and a fourth layer would repeat it again; this line is
# the whole of back-propagation.
#
# ======  ==========  ==========================================
# name    shape       formula
# ======  ==========  ==========================================
# delta2  (4, 1)      (a2 - Y) / n
# dW2     (4, 1)      a1.T @ delta2
# db2     (1,)        sum of delta2 over the samples
# delta1  (4, 4)      (delta2 @ W2.T) * f'(z1)
# dW1     (2, 4)      X.T @ delta1
# db1     (4,)        sum of delta1 over the samples
# ======  ==========  ==========================================


def backward(a1, a2, W2, name):
    delta2 = (a2 - Y) / n
    dW2 = a1.T @ delta2
    db2 = delta2.sum(axis=0)
    delta1 = (delta2 @ W2.T) * slopes[name](a1)
    dW1 = X.T @ delta1
    db1 = delta1.sum(axis=0)
    return dW1, db1, dW2, db2


# %%
# The same with fastbp, for all four activations. ``fastbp.MLP([2, 4, 1], hidden=name)`` draws
# random weights; we use copies of them, so that both start from the same numbers.

for name in functions:
    net = fastbp.MLP([2, 4, 1], hidden=name, output="sigmoid", dtype="float64", seed=3)
    W1, W2 = net.weights
    b1, b2 = net.biases
    a1, a2, loss = forward(W1, b1, W2, b2, name)
    dW1, db1, dW2, db2 = backward(a1, a2, W2, name)
    loss_net, dWs, dbs = net.loss_and_gradients(X, Y)
    print(f"{name:<11} loss  NumPy {loss:.6f}  fastbp {loss_net:.6f}   ", end="")
    print(f"dW1[0, 0]  NumPy {dW1[0, 0]:9.6f}  fastbp {dWs[0][0, 0]:9.6f}")
    assert_allclose(loss, loss_net)
    for ours, theirs in zip((dW1, dW2, db1, db2), (*dWs, *dbs), strict=True):
        assert_allclose(ours, theirs, atol=1e-12)

# %%
# ``fastbp.functional`` has each line as a function, for loops that you write yourself.
# ``output_delta`` computes the loss and the first delta; ``dense_backward`` makes one layer's dW
# and db and the delta of the layer below, with the slope.

a1_net = functional.dense_forward(X, W1, b1, name)
loss_net, delta2_net = functional.output_delta(
    functional.dense_forward(a1_net, W2, b2), Y, "sigmoid"
)
dW2_net, db2_net, delta1_net = functional.dense_backward(delta2_net, a1_net, W2, name)
dW1_net, db1_net, _ = functional.dense_backward(delta1_net, X, W1)
assert_allclose(dW2, dW2_net, atol=1e-12)
assert_allclose(dW1, dW1_net, atol=1e-12)

# %%
# Learning exclusive or
# ---------------------
# Gradient descent with the learning rate 1, by hand and with fastbp. The losses of all steps agree.

steps = 1000
fig, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
for name in functions:
    net = fastbp.MLP([2, 4, 1], hidden=name, output="sigmoid", dtype="float64", seed=3)
    W1, W2 = net.weights[0].copy(), net.weights[1].copy()
    b1, b2 = net.biases[0].copy(), net.biases[1].copy()
    losses = []
    for _ in range(steps):
        a1, a2, loss = forward(W1, b1, W2, b2, name)
        dW1, db1, dW2, db2 = backward(a1, a2, W2, name)
        losses.append(loss)
        W1 -= dW1
        b1 -= db1
        W2 -= dW2
        b2 -= db2
    history = net.fit(X, Y, epochs=steps, batch_size=None, shuffle=False, optimizer=fastbp.SGD(1.0))
    assert_allclose(losses, history.loss, rtol=1e-6)
    answers = net.forward(X)[-1][:, 0]
    print(f"{name:<11} last loss {losses[-1]:.4f}, answers {answers.round(2)}")
    ax.plot(losses, label=name)
ax.set(xlabel="step", ylabel="loss", yscale="log", title="Exclusive or, four activations")
ax.grid(alpha=0.3)
ax.legend()
plt.show()

# %%
# The wanted answers are 0, 1, 1, 0. Three of the four get there; relu is stuck at [0.5, 0.5, 1, 0].
# The reason is in its slope. A hidden neuron with z < 0 in all samples has slope 0 in all samples.
# So its column of delta1 is 0, and with it its dW1 and db1: its weights never change again, and it
# stays at 0 for ever. Such a neuron is called *dead*. Let us count them before the first step:

net = fastbp.MLP([2, 4, 1], hidden="relu", output="sigmoid", dtype="float64", seed=3)
a1 = net.forward(X)[0]
dead = (a1 == 0).all(axis=0)
print(f"{dead.sum()} of the 4 relu neurons are 0 in all samples: {dead}")
assert not net.loss_and_gradients(X, Y)[1][0][:, dead].any()

# %%
# The two others do not suffice. leaky_relu starts from the same weights, but its slope of 0.01
# keeps all four alive. With more neurons, a few dead ones do no harm: ``examples/xor_and_moons.py``
# trains all four activations with sixteen.
#
# Exercise
# --------
# A fifth activation, *elu*, is z for z > 0 and exp(z) - 1 elsewhere. Its slope is 1 on the right.
# Find its slope on the left, expressed by the output a, and write ``elu(z)`` and ``elu_slope(a)``
# for arrays. ``check`` puts them into this page's formulas and compares with fastbp's
# ``hidden="elu"``.


def check(elu, elu_slope):
    """Compare gradients by the reader's functions with those of fastbp."""
    net = fastbp.MLP([2, 4, 1], hidden="elu", output="sigmoid", dtype="float64", seed=3)
    W1, W2 = net.weights
    b1, b2 = net.biases
    functions["elu"] = elu
    slopes["elu"] = elu_slope
    a1, a2, loss = forward(W1, b1, W2, b2, "elu")
    gradients = backward(a1, a2, W2, "elu")
    loss_net, dWs, dbs = net.loss_and_gradients(X, Y)
    assert_allclose(loss, loss_net)
    for ours, theirs in zip(gradients, (dWs[0], dbs[0], dWs[1], dbs[1]), strict=True):
        assert_allclose(ours, theirs, atol=1e-12)
    print("right: equal to fastbp's gradients")


# %%
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>


def elu(z):
    return np.where(z > 0, z, np.exp(z) - 1)


def elu_slope(a):
    return np.where(a > 0, 1.0, a + 1)


check(elu, elu_slope)

# %%
# On the left the slope is exp(z), the derivative of exp(z) - 1. As a = exp(z) - 1, this is a + 1.
#
# .. raw:: html
#
#    </details>
