"""
7. Two moons, and a loss that cycles
====================================

Three tanh neurons bend a boundary between two interleaved half-moons. The descent by which a
well-known tutorial trains them does something odd: with its learning rate the loss first falls, and
then jumps between two values for ever. This lesson trains the net by hand and with fastbp, draws
the boundary, and explains the jumping by the curvature of the loss.

From :doc:`lesson 3 <03_two_layers>` you need two layers and tanh, from
:doc:`lesson 6 <06_softmax>` the softmax.
"""

import matplotlib.pyplot as plt
import numpy as np
from numpy.testing import assert_allclose
from sklearn.datasets import make_moons

import fastbp
from fastbp import plot

# %%
# The task
# --------
# 200 points in the plane, two classes, each in the shape of a half-moon. The net is 2-3-2: two
# coordinates, three tanh neurons, and a softmax over two classes. There are 2·3 + 3 + 3·2 + 2 = 17
# weights and biases.
#
# The tutorial adds a *penalty* to the loss, a small multiple of the sum of all squared weights
# (not biases). It keeps the weights small. In fastbp it is called l2::
#
#     L = mean of the samples' losses + ½ · l2 · (sum of W1² + sum of W2²)
#
# The derivative of ½ · l2 · w² by a single weight w is l2 · w. So l2 · W1 is added to dW1, l2 · W2
# to dW2, and nothing else changes.
#
# The tutorial *sums* the losses of the 200 samples instead of taking the mean, with the learning
# rate 0.01 and the penalty 0.01. The sum is 200 times the mean, and so is its gradient. To make the
# same steps with means, multiply the rate by 200 and divide the penalty by 200.

n = 200
X, y = make_moons(n, noise=0.20, random_state=0)
T = np.eye(2)[y]
l2 = 0.01 / n


def initial_weights():
    """The tutorial's start: normal numbers / sqrt(number of inputs)."""
    numbers = np.random.RandomState(0)
    W1 = numbers.standard_normal((2, 3)) / np.sqrt(2)
    W2 = numbers.standard_normal((3, 2)) / np.sqrt(3)
    return W1, W2


# %%
# By hand
# -------
# ======  ========  ==========================================
# name    shape     formula
# ======  ========  ==========================================
# X       (200, 2)  one point in each row
# T       (200, 2)  targets: 1 in the column of the right class
# z1, a1  (200, 3)  X @ W1 + b1, tanh(z1)
# z2, a2  (200, 2)  a1 @ W2 + b2, softmax of each row
# delta2  (200, 2)  (a2 - T) / n
# delta1  (200, 3)  (delta2 @ W2.T) * (1 - a1²)
# dW2     (3, 2)    a1.T @ delta2 + l2 · W2
# dW1     (2, 3)    X.T @ delta1 + l2 · W1
# db2     (2,)      sum of delta2 over the points
# db1     (3,)      sum of delta1 over the points
# ======  ========  ==========================================


def descend(lr, steps):
    """Losses before each step of gradient descent."""
    W1, W2 = initial_weights()
    b1, b2 = np.zeros(3), np.zeros(2)
    losses = []
    for _ in range(steps):
        z1 = X @ W1 + b1
        a1 = np.tanh(z1)
        z2 = a1 @ W2 + b2
        powers = np.exp(z2 - z2.max(axis=1, keepdims=True))
        a2 = powers / powers.sum(axis=1, keepdims=True)
        penalty = 0.5 * l2 * (np.sum(W1**2) + np.sum(W2**2))
        losses.append(-np.sum(T * np.log(a2)) / n + penalty)
        delta2 = (a2 - T) / n
        dW2 = a1.T @ delta2 + l2 * W2
        db2 = delta2.sum(axis=0)
        delta1 = (delta2 @ W2.T) * (1 - a1**2)
        dW1 = X.T @ delta1 + l2 * W1
        db1 = delta1.sum(axis=0)
        W1 -= lr * dW1
        b1 -= lr * db1
        W2 -= lr * dW2
        b2 -= lr * db2
    return losses


# %%
# With fastbp
# -----------
# The same net, the same start. ``fit`` continues where the net stands, so calling it again makes
# further steps. Both rates are used: the tutorial's, 0.01, and a fifth of it.


def tutorial_net():
    net = fastbp.MLP(
        [2, 3, 2], hidden="tanh", output="softmax", dtype="float64"
    )
    net.weights = initial_weights()
    return net


nets = {}
losses = {}
for rate, steps in ((0.01, 8_000), (0.002, 20_000)):
    net = tutorial_net()
    history = net.fit(
        X,
        y,
        epochs=steps,
        batch_size=None,
        shuffle=False,
        optimizer=fastbp.SGD(rate * n),
        l2=l2,
    )
    by_hand = descend(rate * n, 1_000)
    print(f"rate {rate}: loss after 1,000 steps")
    print(f"   NumPy  {by_hand[-1]:.9f}")
    print(f"   fastbp {history.loss[999]:.9f}")
    assert_allclose(by_hand, history.loss[:1_000], rtol=1e-6)
    nets[rate] = net
    losses[rate] = history.loss

# The tutorial prints losses after updates 0 and 1,000: those before steps 1 and 1,001.
assert f"{losses[0.01][1]:.6f}" == "0.432387"
assert f"{losses[0.01][1001]:.6f}" == "0.068947"
assert f"{losses[0.002][1]:.9f}" == "0.544684535"
assert f"{losses[0.002][19_001]:.9f}" == "0.067892575"

# %%
# The boundary
# ------------
# The line where both classes have probability ½. Each tanh neuron contributes one bend.

display = plot.DecisionBoundaryDisplay.from_estimator(nets[0.002], X, y)
display.ax_.set_title("Two moons: boundary of three tanh units")
accuracy = nets[0.002].score(X, y)
print(f"accuracy on the {n} points: {accuracy:.3f}")
assert accuracy >= 0.95
plt.show()

# %%
# The loss cycles
# ---------------
# With the smaller rate the loss falls steadily. With the tutorial's rate it falls, then forks:
# every other step is at the upper value, the steps between are at the lower one.

fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
for rate in (0.01, 0.002):
    axes[0].plot(
        losses[rate][:8_000], ".", markersize=1, label=f"rate {rate}"
    )
axes[0].set(
    ylim=(0.067, 0.075),
    xlabel="step",
    ylabel="loss",
    title="8,000 steps",
)
axes[0].legend(markerscale=10)
axes[1].plot(
    np.arange(7_980, 8_000), losses[0.01][-20:], "o-", label="rate 0.01"
)
axes[1].set(xlabel="step", title="the last 20 steps at rate 0.01")
axes[1].set_xticks([7_980, 7_985, 7_990, 7_995])
for ax in axes:
    ax.grid(alpha=0.3)
plt.show()

# %%
# Why: a parabola
# ---------------
# Take the simplest loss with a minimum, the parabola L = ½ · c · w² of a single weight w. Its
# derivative is c · w, and the number c is its *curvature*, its second derivative. A step of descent
# is
#
# ::
#
#     w - lr · c · w = (1 - lr · c) · w
#
# So every step multiplies w by the same factor 1 - lr · c. Three cases:
#
# ====================  ====================  ======================================
# lr · c                factor                w
# ====================  ====================  ======================================
# between 0 and 1       between 0 and 1       creeps to the minimum from one side
# between 1 and 2       between -1 and 0      jumps to the other side, but comes nearer
# more than 2           below -1              jumps to the other side, further away
# ====================  ====================  ======================================
#
# Descent comes to rest only if lr · c < 2, or c < 2 / lr.

curve = np.linspace(-1.6, 1.6, 100)
fig, axes = plt.subplots(
    1, 3, figsize=(9, 3.2), layout="constrained", sharey=True
)
for ax, lr in zip(axes, (0.5, 1.8, 2.1), strict=True):
    places = 0.9 * (1 - lr) ** np.arange(6)  # curvature c = 1
    ax.plot(curve, 0.5 * curve**2, color="0.6")
    ax.plot(places, 0.5 * places**2, "o-", color="tab:red")
    ax.set(title=f"lr · c = {lr}", xlabel="w")
axes[0].set_ylabel("L = ½ w²")
plt.show()

# %%
# Measuring the curvature of the net
# ----------------------------------
# The net has 17 parameters, so its loss has a curvature in every direction of a space of 17
# dimensions. It is contained in the table of second derivatives, (17, 17), called the *Hessian*:
# the element (i, j) is the derivative by parameter j of the derivative by parameter i. The largest
# curvature of all directions is the largest *eigenvalue* of the table. We take this fact from
# linear algebra, and the number from NumPy.
#
# With two parameters u and v one can see it. Take L = 3 u² + ½ v². Its second derivatives are 6
# by u twice, 1 by v twice, and 0 by one and then the other: the table [[6, 0], [0, 1]]. Along u the
# curvature is 6, along v it is 1, and in between it lies between the two. The largest curvature
# decides what a learning rate may be: u is stable for lr < 2 / 6, whatever v does.
#
# The first derivatives come from back-propagation. So nudge each parameter, and see how the
# gradient changes.


def gradient(net, parameters):
    """All 17 derivatives as one list, in the order of net.parameters."""
    net.parameters[:] = parameters
    _, dWs, dbs = net.loss_and_gradients(X, y, l2=l2)
    return np.concatenate(
        [
            part.ravel()
            for pair in zip(dWs, dbs, strict=True)
            for part in pair
        ]
    )


def largest_curvature(net):
    copy = net.astype("float64")
    start = net.parameters.copy()
    hessian = np.zeros((start.size, start.size))
    for i in range(start.size):
        nudge = np.zeros(start.size)
        nudge[i] = 1e-5
        hessian[i] = (
            gradient(copy, start + nudge)
            - gradient(copy, start - nudge)
        ) / 2e-5
    return np.linalg.eigvalsh(hessian).max()


# %%
# Now train again at the tutorial's rate, and measure every 49 steps. 49 is odd, so that both
# branches of the cycle are seen.

lr = 0.01 * n
net = tutorial_net()
steps = np.arange(49, 3_000, 49)
curvatures = []
for _ in steps:
    net.fit(
        X,
        y,
        epochs=49,
        batch_size=None,
        shuffle=False,
        optimizer=fastbp.SGD(lr),
        l2=l2,
    )
    curvatures.append(largest_curvature(net))

fig, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
ax.plot(steps, curvatures, "o", markersize=4, label="largest curvature")
ax.axhline(
    2 / lr,
    color="tab:red",
    linestyle="--",
    label=f"limit 2 / lr = {2 / lr:.0f}",
)
ax.set(
    xlabel="step",
    ylabel="curvature",
    title="Curvature of the loss where the descent stands",
)
ax.grid(alpha=0.3)
ax.legend()
plt.show()

# %%
# Picture the loss as a landscape and the descent as a walk along the bottom of a valley. From step
# 400 on the valley becomes more and more curved, that is, narrower. Near step 900 the curvature
# passes the limit (before, the walk crosses narrow places only briefly). Now each jump across the
# valley is larger than the one before. At step 1,200 the jumps are large enough to throw the
# descent to a flatter place. There it calms down, and the curvature rises again. This repeats some
# times, but after step 2,000 it does not calm down any more: one wall of the valley is more curved
# than the limit, the other less, and the descent jumps between them.
#
# On a parabola the jumps would grow without end. Here they stop growing where the *average*
# curvature between the two points equals the limit. Let us check. The average curvature along a
# jump is the change of the gradient divided by the change of the parameters. (Both are lists of 17
# numbers; of the change of the gradient the part along the jump counts.)

before = net.parameters.copy()
net.fit(
    X,
    y,
    epochs=1,
    batch_size=None,
    shuffle=False,
    optimizer=fastbp.SGD(lr),
    l2=l2,
)
after = net.parameters.copy()
jump = after - before
change = gradient(net.astype("float64"), after) - gradient(
    net.astype("float64"), before
)
average = change @ jump / (jump @ jump)
print(f"average curvature along the jump {average:.4f}")
print(f"limit 2 / lr                     {2 / lr:.4f}")
assert_allclose(average, 2 / lr, rtol=1e-3)
assert min(curvatures[-2:]) < 2 / lr < max(curvatures[-2:])

# %%
# It must be so. After two steps of the cycle the descent is back where it was, so the two steps are
# opposite, and so are the gradients at the two points, g and -g. The first step is a jump by -lr ·
# g, and on it the gradient changes from g to -g, that is, by -2 · g. The quotient is 2 / lr. A
# cycle of two points is a descent at exactly its limit.
#
# At the smaller rate the limit is 2 / 0.4 = 5. The curvature stays far below, and the loss falls:

c = largest_curvature(nets[0.002])
print(
    f"rate 0.002: largest curvature {c:.2f} after 20,000 steps, limit 5"
)
assert c < 5

# %%
# Exercise
# --------
# Write ``penalised_gradient(W1, b1, W2, b2, l2)`` that returns ``(dW1, db1, dW2, db2)`` of this net
# on all 200 points. Then find out by yourself: does l2 act on the biases? ``check`` compares with
# fastbp at a large penalty, where an error is plain to see.


def check(penalised_gradient):
    """Compare the reader's gradient with fastbp's at l2 = 0.5."""
    net = nets[0.002]
    W1, W2 = net.weights
    b1, b2 = net.biases
    ours = penalised_gradient(W1, b1, W2, b2, 0.5)
    _, dWs, dbs = net.loss_and_gradients(X, y, l2=0.5)
    theirs = (dWs[0], dbs[0], dWs[1], dbs[1])
    for name, mine, yours in zip(
        ("dW1", "db1", "dW2", "db2"), ours, theirs, strict=True
    ):
        assert_allclose(mine, yours, atol=1e-12, err_msg=name)
    print("right: equal to fastbp's gradient")


# %%
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>


def penalised_gradient(W1, b1, W2, b2, l2):
    a1 = np.tanh(X @ W1 + b1)
    z2 = a1 @ W2 + b2
    powers = np.exp(z2 - z2.max(axis=1, keepdims=True))
    a2 = powers / powers.sum(axis=1, keepdims=True)
    delta2 = (a2 - T) / n
    delta1 = (delta2 @ W2.T) * (1 - a1**2)
    dW1 = X.T @ delta1 + l2 * W1
    dW2 = a1.T @ delta2 + l2 * W2
    return dW1, delta1.sum(axis=0), dW2, delta2.sum(axis=0)


check(penalised_gradient)

# %%
# The penalty contains weights only, so db1 and db2 have no l2 term. delta1 and delta2 have none
# either: they are derivatives by z, and the penalty does not act through z.
#
# .. raw:: html
#
#    </details>
