"""
6. Softmax and cross-entropy
============================

With more than two classes a net has one output for each class, and the outputs should be
probabilities that add up to 1. The softmax makes them so. Its derivative is a table, and yet with
the right loss everything cancels to delta = a - t, the simplest formula there could be. This lesson
shows why.

From :doc:`lesson 1 <01_one_neuron>` you need the cross-entropy, from
:doc:`lesson 4 <04_computation_graph>` that several paths add up.
"""

import matplotlib.pyplot as plt
import numpy as np
from numpy.testing import assert_allclose

import fastbp
from fastbp.functional import output_delta, softmax

# %%
# The softmax
# -----------
# Take one sample and three classes. The last layer gives three weighted sums, z. Make them positive
# by exp, then divide by their total.
#
# ======  ========  ==========================================
# name    shape     meaning
# ======  ========  ==========================================
# z       (3,)      weighted sums of the last layer
# a       (3,)      a[j] = exp(z[j]) / (exp(z[0]) + exp(z[1]) + exp(z[2]))
# t       (3,)      target: 1 for the right class, 0 for the others
# L       ()        the loss of this sample
# ======  ========  ==========================================
#
# A larger z gets a larger share. Adding the same number c to all z multiplies numerator and
# denominator by exp(c), so a stays the same. The NumPy line uses this to subtract the largest z
# first: then no exp can overflow.

z = np.array([2.0, 1.0, -1.0])
t = np.array([0.0, 1.0, 0.0])

powers = np.exp(z - z.max())
a = powers / powers.sum()
print("NumPy  ", a.round(6), " sum", a.sum())
print("fastbp ", softmax(z).round(6))
assert_allclose(a, softmax(z))

fig, axes = plt.subplots(1, 3, figsize=(8, 2.8), layout="constrained")
for ax, title, values in zip(
    axes, ("z", "exp(z)", "a = softmax(z)"), (z, np.exp(z), a), strict=True
):
    ax.bar(["class 0", "class 1", "class 2"], values, color=["tab:blue", "tab:orange", "tab:green"])
    ax.axhline(0, color="0.4", linewidth=0.8)
    ax.set_title(title)
plt.show()

# %%
# The loss
# --------
# As in lesson 1, the loss is minus the logarithm of the probability that was given to the right
# class. Here class 1 is right, so L = -log(a[1]). With the targets t it can be written for all
# classes at once, as all terms but one are 0::
#
#     L = -(t[0] · log(a[0]) + t[1] · log(a[1]) + t[2] · log(a[2]))
#
# This is the *cross-entropy*.

loss = -np.sum(t * np.log(a))
print(f"L = {loss:.6f}")

# %%
# The derivative of the softmax
# -----------------------------
# How does a[j] change with z[k]? All a share the denominator, call it S = exp(z[0]) + exp(z[1]) +
# exp(z[2]). So each a depends on each z, and there are 3 × 3 derivatives. The derivative of S by
# z[k] is exp(z[k]), since the other terms do not contain z[k]. The rule for quotients gives two
# cases::
#
#     j = k:    (exp(z[k]) · S - exp(z[k]) · exp(z[k])) / S²  =  a[k] - a[k] · a[k]
#     j ≠ k:    (0 · S - exp(z[j]) · exp(z[k])) / S²          =       - a[j] · a[k]
#
# So the table, called the *Jacobian*, has -a[j]·a[k] everywhere, and a[k] is added on the diagonal.
# Each column adds up to 0: what one class gains, the others lose.

jacobian = np.diag(a) - np.outer(a, a)  # (3, 3): row j, column k
print("da[j]/dz[k] by the formula")
print(jacobian.round(4))

by_nudging = np.zeros((3, 3))
for k in range(3):
    nudge = np.zeros(3)
    nudge[k] = 1e-6
    by_nudging[:, k] = (softmax(z + nudge) - softmax(z - nudge)) / 2e-6
assert_allclose(jacobian, by_nudging, atol=1e-9)

# %%
# Why delta = a - t
# -----------------
# delta[k] is dL/dz[k]. z[k] acts on the loss through each of the three a, so there are three paths,
# and their contributions add up. The derivative of L by a[j] is -t[j] / a[j], as the derivative of
# log(a) is 1/a::
#
#     delta[k] = sum over j of  -t[j] / a[j] · da[j]/dz[k]
#
# Put in the two cases of the table. The term -a[j]·a[k] is there for every j; a[k] for j = k only::
#
#     delta[k] = sum over j of (-t[j] / a[j]) · (-a[j] · a[k])  +  (-t[k] / a[k]) · a[k]
#              = sum over j of t[j] · a[k]                      -  t[k]
#              = a[k] · (t[0] + t[1] + t[2])                    -  t[k]
#              = a[k] - t[k]
#
# The divisions by a cancel, and the targets add up to 1. What remains is answer minus target, as
# for the single neuron.

dL_da = -t / a
delta_by_paths = dL_da @ jacobian  # for each column k: sum over j
delta = a - t
loss_net, delta_net = output_delta(z, t, "softmax", "cross_entropy")

print("delta by all paths ", delta_by_paths.round(6))
print("delta = a - t      ", delta.round(6))
print("delta of fastbp    ", delta_net.round(6))
assert_allclose(delta_by_paths, delta)
assert_allclose(delta, delta_net)
assert_allclose(loss, loss_net)

# %%
# Read the signs: classes 0 and 2 are wrong and have positive delta, so their z should fall. Class 1
# has delta < 0, so its z should rise. The three add up to 0.
#
# A layer with softmax, many samples
# ----------------------------------
# For n samples the loss is the mean, so delta is divided by n; the rest is lesson 2. The labels y
# are class numbers. ``np.eye(3)`` is the 3 × 3 table with 1 on the diagonal; its row y[s] is the
# target of sample s.
#
# ======  ========  ==========================================
# name    shape     formula
# ======  ========  ==========================================
# X       (n, 4)    inputs, one sample in each row
# y       (n,)      labels 0, 1 or 2
# T       (n, 3)    targets, np.eye(3)[y]
# z       (n, 3)    X @ W + b
# a       (n, 3)    softmax of each row
# delta   (n, 3)    (a - T) / n
# dW, db            X.T @ delta, sum of delta over the samples
# ======  ========  ==========================================

rng = np.random.default_rng(0)
n = 6
X = rng.standard_normal((n, 4))
y = rng.integers(0, 3, n)
W = rng.standard_normal((4, 3))
b = rng.standard_normal(3)
T = np.eye(3)[y]

z = X @ W + b
powers = np.exp(z - z.max(axis=1, keepdims=True))
a = powers / powers.sum(axis=1, keepdims=True)
loss = -np.sum(T * np.log(a)) / n
delta = (a - T) / n
dW = X.T @ delta
db = delta.sum(axis=0)

net = fastbp.MLP([4, 3], output="softmax", dtype="float64")
net.weights = [W]
net.biases = [b]
loss_net, dWs, dbs = net.loss_and_gradients(X, y)  # labels will do
print("      NumPy                             fastbp")
print(f"L     {loss:<33.6f} {loss_net:.6f}")
print(f"db    {db.round(6)!s:<33} {dbs[0].round(6)}")
assert_allclose(loss, loss_net)
assert_allclose(dW, dWs[0])
assert_allclose(db, dbs[0])

# %%
# Two classes are the sigmoid again
# ---------------------------------
# With two classes divide numerator and denominator of a[1] by exp(z[1])::
#
#     a[1] = exp(z[1]) / (exp(z[0]) + exp(z[1])) = 1 / (1 + exp(-(z[1] - z[0])))
#
# That is the sigmoid of the difference z[1] - z[0]. Lesson 1 was this lesson for two classes.

pair = np.array([0.3, 1.5])
assert_allclose(softmax(pair)[1], 1 / (1 + np.exp(-(pair[1] - pair[0]))))

# %%
# Exercise
# --------
# fastbp takes any function as a loss, if it returns the loss and its derivative by the outputs a;
# the softmax is then applied by the chain rule. Write ``my_loss(a, y)``: a is (n, 3), y is (n,)
# with labels as numbers (convert them by ``y.astype(int)``). Return the mean cross-entropy and the
# table ``dL_da`` (n, 3). ``fastbp.check_gradients`` compares your derivative with the change of
# your loss when each weight is nudged.


def check(my_loss):
    """Check the reader's derivative by differences, and the whole against fastbp's own loss."""
    own = fastbp.MLP([4, 5, 3], output="softmax", loss=my_loss, dtype="float64", seed=2)
    result = fastbp.check_gradients(own, X, y)
    print(result)
    assert result.max_error < 1e-6, "dL_da is not the derivative of the loss"
    built_in = fastbp.MLP([4, 5, 3], output="softmax", dtype="float64", seed=2)
    ours, theirs = (net.loss_and_gradients(X, y) for net in (own, built_in))
    assert_allclose(ours[0], theirs[0])
    assert_allclose(ours[1][0], theirs[1][0], atol=1e-12)
    print("right: a correct derivative, and equal to fastbp's cross-entropy")


# %%
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>


def my_loss(a, y):
    T = np.eye(3)[y.astype(int)]
    loss = -np.sum(T * np.log(a)) / len(a)
    return loss, -T / a / len(a)


check(my_loss)

# %%
# dL/da is -t / a for one sample, and the mean divides by n. The column of relative errors above is
# near 1e-9: as precise as differences can be.
#
# .. raw:: html
#
#    </details>
