"""
2. A layer, vectorised
======================

A layer is several neurons that look at the same inputs. This lesson computes one with a loop over
samples and neurons, then in one line, and settles which way round the tables are: samples in rows,
as in fastbp and scikit-learn, or samples in columns, as in many textbooks and courses.

From :doc:`lesson 1 <01_one_neuron>` you need z, a, delta, dW and db of one neuron.
"""

import matplotlib.pyplot as plt
import numpy as np
from numpy.testing import assert_allclose

import fastbp
from fastbp.functional import dense_backward, dense_forward

# %%
# Three neurons, four inputs, five samples
# ----------------------------------------
# Each neuron has its own weights and its own bias. We put the weights of neuron j in column j of
# the table W, so ``W[i, j]`` leads from input i to neuron j.
#
# ======  ============  ========  ============================================
# name    shape         here      meaning
# ======  ============  ========  ============================================
# n       ()            5         number of samples
# X       (n, n_in)     (5, 4)    inputs; row s is sample s
# W       (n_in, n_out) (4, 3)    weights; column j belongs to neuron j
# b       (n_out,)      (3,)      biases, one for each neuron
# z       (n, n_out)    (5, 3)    weighted sums
# a       (n, n_out)    (5, 3)    activations
# Y       (n, n_out)    (5, 3)    targets, each 0 or 1
# ======  ============  ========  ============================================

rng = np.random.default_rng(0)
n = 5
n_in = 4
n_out = 3
X = rng.standard_normal((n, n_in))
W = rng.standard_normal((n_in, n_out))
b = rng.standard_normal(n_out)
Y = rng.integers(0, 2, (n, n_out)).astype(float)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# %%
# Forward, number by number
# -------------------------
# For each sample s and each neuron j: multiply, add up, apply the sigmoid. Nothing is new here but
# the three loops.

z_loop = np.zeros((n, n_out))
for s in range(n):
    for j in range(n_out):
        for i in range(n_in):
            z_loop[s, j] += X[s, i] * W[i, j]
        z_loop[s, j] += b[j]
a_loop = sigmoid(z_loop)

# %%
# The sum over i of ``X[s, i] * W[i, j]`` is the definition of a matrix product: row s of X times
# column j of W. So all three loops are one product, ``X @ W``. The shapes show that it fits: the
# inner sizes are equal and vanish, (5, **4**) @ (**4**, 3) gives (5, 3). Adding b, of shape (3,),
# adds it to each row.

z = X @ W + b
a = sigmoid(z)
a_net = dense_forward(X, W, b, "sigmoid")  # fastbp: both lines in one call

print("first sample")
print("  loops  ", a_loop[0].round(6))
print("  NumPy  ", a[0].round(6))
print("  fastbp ", a_net[0].round(6))
assert_allclose(a_loop, a)
assert_allclose(a, a_net)

# %%
# Backward, number by number
# --------------------------
# The loss of a sample is the sum of its neurons' losses, and the loss L is the mean over samples.
# Lesson 1 gives delta = (a - y) / n for each sample and each neuron, so delta is a table (5, 3).
#
# The weight ``W[i, j]`` acts on neuron j only, but in every sample. Each sample contributes
# ``X[s, i] * delta[s, j]``; the contributions add up, because the loss is a sum over samples and
# the derivative of a sum is the sum of the derivatives.

delta = (a - Y) / n

dW_loop = np.zeros((n_in, n_out))
db_loop = np.zeros(n_out)
for s in range(n):
    for j in range(n_out):
        for i in range(n_in):
            dW_loop[i, j] += X[s, i] * delta[s, j]
        db_loop[j] += delta[s, j]

# %%
# Now the sum runs over s, the rows of X and of delta. A matrix product sums over the columns of its
# first factor, so exchange rows and columns of X: ``X.T`` is (4, 5), and (4, **5**) @ (**5**, 3)
# gives (4, 3), the shape of W. This is a good test of any such formula: **dW has the shape of W,
# db has the shape of b.**

dW = X.T @ delta
db = delta.sum(axis=0)  # axis=0: add over the rows, that is, over the samples
dW_net, db_net, _ = dense_backward(delta, X, W)

print("dW of neuron 0")
print("  loops  ", dW_loop[:, 0].round(6))
print("  NumPy  ", dW[:, 0].round(6))
print("  fastbp ", dW_net[:, 0].round(6))
assert_allclose(dW_loop, dW)
assert_allclose(dW, dW_net)
assert_allclose(db_loop, db)
assert_allclose(db, db_net)

# %%
# The derivative by the inputs
# ----------------------------
# One more derivative belongs to a layer. If X is itself the output of a layer below, that layer
# needs dL/dX. The input ``X[s, i]`` acts on all neurons j of the same sample, with factor
# ``W[i, j]``. So the contributions ``delta[s, j] * W[i, j]`` add up over j::
#
#     dX = delta @ W.T        (5, 3) @ (3, 4) = (5, 4), the shape of X
#
# ``dense_backward`` returns it as its third result if its argument names the activation of the
# layer below; ``"identity"`` stands for none.

dX = delta @ W.T
_, _, dX_net = dense_backward(delta, X, W, "identity")
assert_allclose(dX, dX_net)

# %%
# A whole net of one layer
# ------------------------
# ``loss_and_gradients`` runs forward and backward through all layers; here there is one.

net = fastbp.MLP([n_in, n_out], output="sigmoid", dtype="float64")
net.weights = [W]
net.biases = [b]
loss_net, dWs, dbs = net.loss_and_gradients(X, Y)

loss = np.mean(np.sum(-(Y * np.log(a) + (1 - Y) * np.log(1 - a)), axis=1))
print(f"loss     NumPy {loss:.6f}     fastbp {loss_net:.6f}")
assert_allclose(loss, loss_net)
assert_allclose(dW, dWs[0])
assert_allclose(db, dbs[0])

# %%
# Features × samples
# ------------------
# Many courses turn the tables round: sample s is the *column* s, and neuron j has *row* j of W.
# Write C for such tables ("columns"). All of them are transposes of ours:
#
# ==================  =========================  ============================
# quantity            samples in rows (fastbp)   samples in columns (textbooks)
# ==================  =========================  ============================
# inputs              X (n, n_in)                X_C = X.T, (n_in, n)
# weights             W (n_in, n_out)            W_C = W.T, (n_out, n_in)
# bias                b (n_out,)                 b_C = b[:, None], (n_out, 1)
# weighted sums       z = X @ W + b              z_C = W_C @ X_C + b_C
# delta               (a - Y) / n                (a_C - Y_C) / n
# gradient            dW = X.T @ delta           dW_C = delta_C @ X_C.T
# gradient of b       delta.sum(axis=0)          delta_C.sum(axis=1)
# delta below         delta @ W.T                W_C.T @ delta_C
# ==================  =========================  ============================
#
# The rule behind the table: the transpose of a product is the product of the transposes in reverse
# order, (A @ B).T = B.T @ A.T. So both columns say the same.

X_C = X.T
W_C = W.T
b_C = b[:, None]
Y_C = Y.T
z_C = W_C @ X_C + b_C
a_C = sigmoid(z_C)
delta_C = (a_C - Y_C) / n
dW_C = delta_C @ X_C.T
db_C = delta_C.sum(axis=1)
assert_allclose(a_C, a.T)
assert_allclose(dW_C, dW.T)
assert_allclose(db_C, db)

# %%
# To use fastbp with such data, pass ``X_C.T``. NumPy makes no copy for that: a transpose is another
# way to read the same memory.

a_from_columns = dense_forward(X_C.T, W_C.T, b_C[:, 0], "sigmoid")
assert_allclose(a_from_columns, a_C.T)
print("X_C.T shares its memory with X_C:", np.shares_memory(X_C.T, X_C))

# %%
# A picture of the three products
# -------------------------------
# The orange row times the orange column gives the orange number. The row and the column have equal
# lengths: the product sums over them, and this size vanishes from the result.

products = {
    "forward: X @ W = z": (X, W, z),
    "gradient: X.T @ delta = dW": (X.T, delta, dW),
    "delta below: delta @ W.T = dX": (delta, W.T, dX),
}
fig, axes = plt.subplots(3, 1, figsize=(7, 8), layout="constrained")
for ax, (title, tables) in zip(axes, products.items(), strict=True):
    left = 0
    for table, sign in zip(tables, ("@", "=", ""), strict=True):
        rows, columns = table.shape
        shade = np.zeros((rows, columns))
        if sign == "@":
            shade[0] = 1  # the first row
        elif sign == "=":
            shade[:, 0] = 1  # the first column
        else:
            shade[0, 0] = 1
        for (row, column), orange in np.ndenumerate(shade):
            colour = "tab:orange" if orange else "lightsteelblue"
            ax.add_patch(plt.Rectangle((left + column, -row), 0.9, 0.9, color=colour))
        ax.text(left + columns / 2, -rows + 0.2, table.shape, ha="center")
        left += columns + 2
        ax.text(left - 1, -1.6, sign, fontsize=16, ha="center")
    ax.set(xlim=(-0.5, left - 1.5), ylim=(-5, 1), title=title, aspect="equal")
    ax.axis("off")
plt.show()

# %%
# Exercise
# --------
# Write ``layer_columns(X_C, W_C, b_C, Y_C)`` for data with samples in columns. It returns
# ``(loss, dW_C, db_C)`` with shapes (), (n_out, n_in) and (n_out, 1), the shape of b_C. No loop is
# needed. ``check`` compares it with a net of fastbp, on data of other sizes.


def check(layer_columns):
    """Compare the loss and gradients of a layer with those of fastbp."""
    net = fastbp.MLP([7, 6], output="sigmoid", dtype="float64", seed=1)
    X_C = rng.standard_normal((7, 11))
    Y_C = rng.integers(0, 2, (6, 11)).astype(float)
    W_C = net.weights[0].T
    b_C = net.biases[0][:, None]
    loss, dW_C, db_C = layer_columns(X_C, W_C, b_C, Y_C)
    loss_net, dWs, dbs = net.loss_and_gradients(X_C.T, Y_C.T)
    assert np.shape(db_C) == (6, 1), f"db_C must be (6, 1), got {np.shape(db_C)}"
    assert_allclose(loss, loss_net)
    assert_allclose(dW_C, dWs[0].T, atol=1e-12)
    assert_allclose(db_C[:, 0], dbs[0], atol=1e-12)
    print("right: equal to fastbp's loss and gradients")


# %%
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>


def layer_columns(X_C, W_C, b_C, Y_C):
    n = X_C.shape[1]
    a_C = sigmoid(W_C @ X_C + b_C)
    losses = -(Y_C * np.log(a_C) + (1 - Y_C) * np.log(1 - a_C))
    delta_C = (a_C - Y_C) / n
    return losses.sum() / n, delta_C @ X_C.T, delta_C.sum(axis=1, keepdims=True)


check(layer_columns)

# %%
# The number of samples is now the number of *columns*, ``X_C.shape[1]``, and ``keepdims=True``
# keeps the sum a column.
#
# .. raw:: html
#
#    </details>
