"""
5. The 2-2-2 example, with every number
=======================================

Two inputs, two hidden neurons, two outputs, one sample, one step: small enough for pencil and
paper. This is a well-known example of textbooks, and the lesson reproduces their digits. Compute
along with a pocket calculator; each line has four to ten digits to compare with.

From :doc:`lesson 3 <03_two_layers>` you need forward and backward through two layers.
"""

import matplotlib.pyplot as plt
import numpy as np
from numpy.testing import assert_allclose

import fastbp

# %%
# The numbers given
# -----------------
# There is one sample, so each table of samples has one row. The loss is the squared error, summed
# over both outputs, L = ½ · (a2[0] - t[0])² + ½ · (a2[1] - t[1])². Both layers use the sigmoid. t
# stands for the targets, as in many books.
#
# ======  ========  ====================================================
# name    shape     value
# ======  ========  ====================================================
# x       (1, 2)    0.05, 0.10
# t       (1, 2)    0.01, 0.99
# W1      (2, 2)    column j has the weights of hidden neuron j
# b1      (2,)      0.35, 0.35
# W2      (2, 2)    column k has the weights of output k
# b2      (2,)      0.60, 0.60
# lr      ()        0.5, the learning rate
# ======  ========  ====================================================
#
# Textbooks number the weights w1 to w8. w1 and w2 lead to the first hidden neuron, so they are
# column 0 of W1.

x = np.array([[0.05, 0.10]])
t = np.array([[0.01, 0.99]])
W1 = np.array([[0.15, 0.25], [0.20, 0.30]])  # w1, w3 / w2, w4
b1 = np.array([0.35, 0.35])
W2 = np.array([[0.40, 0.50], [0.45, 0.55]])  # w5, w7 / w6, w8
b2 = np.array([0.60, 0.60])
lr = 0.5


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# %%
# Forward
# -------
# The first hidden neuron by hand: z1[0] = 0.05 · 0.15 + 0.10 · 0.20 + 0.35 = 0.3775, and
# a1[0] = 1 / (1 + exp(-0.3775)) = 0.59326999.

z1 = x @ W1 + b1
a1 = sigmoid(z1)
z2 = a1 @ W2 + b2
a2 = sigmoid(z2)
loss = 0.5 * np.sum((a2 - t) ** 2)

print("z1  ", z1[0].round(8))
print("a1  ", a1[0].round(8))
print("z2  ", z2[0].round(8))
print("a2  ", a2[0].round(8), " targets", t[0])
print(f"loss {loss:.10f}")
assert f"{loss:.10f}" == "0.2983711088"  # the published number

# %%
# Backward
# --------
# The loss is not the cross-entropy, so the factors of lesson 1 do not cancel: dL/da2 is a2 - t, and
# the slope of the sigmoid, a2 · (1 - a2), stays. The first output by hand::
#
#     delta2[0] = (0.75136507 - 0.01) · 0.75136507 · (1 - 0.75136507) = 0.13849856
#     dW2[0, 0] = a1[0] · delta2[0] = 0.59326999 · 0.13849856 = 0.08216704

delta2 = (a2 - t) * a2 * (1 - a2)
dW2 = a1.T @ delta2
db2 = delta2.sum(axis=0)

print("delta2", delta2[0].round(8))
print("dW2   ", dW2[0].round(8), "\n      ", dW2[1].round(8))

# %%
# Each hidden neuron acts on both outputs, so its delta collects from both. The first by hand::
#
#     sum over outputs  0.13849856 · 0.40 + (-0.03809824) · 0.50 = 0.03635031
#     times the slope   0.59326999 · (1 - 0.59326999)            = 0.24130071
#     delta1[0]         0.03635031 · 0.24130071                  = 0.00877135
#
# For all at once: ``delta2 @ W2.T`` has the sums, (1, 2) @ (2, 2) = (1, 2).

delta1 = (delta2 @ W2.T) * a1 * (1 - a1)
dW1 = x.T @ delta1
db1 = delta1.sum(axis=0)

print("delta1", delta1[0].round(8))
print("dW1   ", dW1[0].round(8), "\n      ", dW1[1].round(8))

# %%
# The same with fastbp
# --------------------


def two_two_two():
    """A net with the weights given."""
    net = fastbp.MLP(
        [2, 2, 2], hidden="sigmoid", output="sigmoid", loss="squared_error", dtype="float64"
    )
    net.weights = [W1, W2]
    net.biases = [b1, b2]
    return net


net = two_two_two()
loss_net, dWs, dbs = net.loss_and_gradients(x, t)
print("            NumPy         fastbp")
print(f"loss      {loss:.10f}  {loss_net:.10f}")
print(f"dW2[0, 0] {dW2[0, 0]:.10f}  {dWs[1][0, 0]:.10f}")
print(f"dW1[0, 0] {dW1[0, 0]:.10f}  {dWs[0][0, 0]:.10f}")
print(f"db1[0]    {db1[0]:.10f}  {dbs[0][0]:.10f}")
assert_allclose(loss, loss_net)
for ours, theirs in zip((dW1, dW2, db1, db2), (*dWs, *dbs), strict=True):
    assert_allclose(ours, theirs)

# %%
# fastbp also writes the calculation out, for any net and any sample. It counts layers from 0, so
# its ``z0`` is our z1. Compare each line with the ones above.

explanation = net.explain(x[0], t[0], lr=lr)
print(explanation)
assert_allclose(explanation.layers[0].delta, delta1[0])
assert_allclose(explanation.layers[1].delta, delta2[0])

# %%
# One step
# --------
# W = W - lr · dW. The textbooks hold the biases fixed, so we do too. The weights w1 and w5 and the
# new loss are published numbers as well.

new_W1 = W1 - lr * dW1
new_W2 = W2 - lr * dW2


def loss_of(W1, W2):
    a2 = sigmoid(sigmoid(x @ W1 + b1) @ W2 + b2)
    return 0.5 * np.sum((a2 - t) ** 2)


new_loss = loss_of(new_W1, new_W2)
print(f"w1   {new_W1[0, 0]:.8f}")
print(f"w5   {new_W2[0, 0]:.8f}")
print(f"loss {loss:.10f} -> {new_loss:.10f}")
assert f"{new_W1[0, 0]:.8f}" == "0.14978072"
assert f"{new_W2[0, 0]:.8f}" == "0.35891648"
assert f"{new_loss:.10f}" == "0.2910277737"

# %%
# In fastbp a *callback* holds the biases: a function that ``fit`` calls after each epoch, here
# after each step. It writes the old biases back.


def hold_biases(net, history):
    net.biases = [b1, b2]


net = two_two_two()
net.fit(x, t, epochs=1, batch_size=None, optimizer=fastbp.SGD(lr), callbacks=[hold_biases])
assert_allclose(new_W1, net.weights[0])
assert_allclose(new_W2, net.weights[1])
assert_allclose(new_loss, net.loss(x, t))

# %%
# Ten thousand steps
# ------------------
# Now let the machine repeat the step. The published loss after 10,000 steps is 0.0000351019.

history = net.fit(
    x, t, epochs=9_999, batch_size=None, optimizer=fastbp.SGD(lr), callbacks=[hold_biases]
)
final = net.loss(x, t)
print(f"loss    {final:.10f}")
print("outputs", net.forward(x)[-1][0].round(6), " targets", t[0])
assert f"{final:.10f}" == "0.0000351019"

fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
ax.plot(np.arange(1, len(history.loss) + 1), history.loss)
ax.set(xlabel="step", ylabel="loss", xscale="log", yscale="log", title="The 2-2-2 net learns")
ax.grid(alpha=0.3)
plt.show()

# %%
# Exercise
# --------
# Write ``step(W1, b1, W2, b2)``, which makes one step with the same sample and learning rate, but
# lets the biases learn too. It returns the new W1, b1, W2, b2 and changes none of its arguments.
# ``check`` repeats your step ten times and compares with ten steps of fastbp.


def check(step):
    """Compare ten steps of the reader's function with ten of fastbp."""
    ours = (W1, b1, W2, b2)
    for _ in range(10):
        ours = step(*ours)
    net = two_two_two()
    net.fit(x, t, epochs=10, batch_size=None, optimizer=fastbp.SGD(lr))
    theirs = (net.weights[0], net.biases[0], net.weights[1], net.biases[1])
    for name, mine, yours in zip(("W1", "b1", "W2", "b2"), ours, theirs, strict=True):
        assert_allclose(mine, yours, err_msg=name)
    print("right: equal to ten steps of fastbp")


# %%
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>


def step(W1, b1, W2, b2):
    a1 = sigmoid(x @ W1 + b1)
    a2 = sigmoid(a1 @ W2 + b2)
    delta2 = (a2 - t) * a2 * (1 - a2)
    delta1 = (delta2 @ W2.T) * a1 * (1 - a1)
    new_W1 = W1 - lr * x.T @ delta1
    new_b1 = b1 - lr * delta1.sum(axis=0)
    new_W2 = W2 - lr * a1.T @ delta2
    new_b2 = b2 - lr * delta2.sum(axis=0)
    return new_W1, new_b1, new_W2, new_b2


check(step)

# %%
# delta1 must be computed with the old W2: all derivatives belong to the same point. A common error
# is to update W2 first.
#
# .. raw:: html
#
#    </details>
