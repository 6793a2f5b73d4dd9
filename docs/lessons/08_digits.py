"""
8. Handwritten digits, layer by layer
=====================================

Now everything together on real images: 1,797 handwritten digits of 8 × 8 pixels, ten classes, two
hidden layers. The lesson computes one batch layer by layer, checks the gradient, trains in
minibatches by hand and with fastbp, stops early, and looks at what the net confuses.

You need lessons :doc:`3 <03_two_layers>` and :doc:`6 <06_softmax>`.
"""

import matplotlib.pyplot as plt
import numpy as np
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastbp
from fastbp import plot

# %%
# The data
# --------
# Each image is a row of 64 numbers, the brightness of its pixels from 0 to 16; we divide by 16. The
# images are split in three parts. The *training set* is for the gradient. The *validation set*
# decides when to stop. The *test set* is looked at once, at the very end: only a set that no
# decision was based on tells how well the net does on new images.

images, labels = load_digits(return_X_y=True)
images = images / 16
X, X_rest, y, y_rest = train_test_split(
    images, labels, test_size=0.4, stratify=labels, random_state=0
)
X_val, X_test, y_val, y_test = train_test_split(
    X_rest, y_rest, test_size=0.5, stratify=y_rest, random_state=0
)
print(f"training {X.shape}, validation {X_val.shape}, test {X_test.shape}")

fig, axes = plt.subplots(1, 8, figsize=(8, 1.5), layout="constrained")
for ax, image, label in zip(axes, X, y, strict=False):
    ax.imshow(image.reshape(8, 8), cmap="gray_r")
    ax.set(title=str(label), xticks=[], yticks=[])
plt.show()

# %%
# One batch, forward
# ------------------
# A *minibatch* is a small part of the training set, here 25 images. The net is 64-20-20-10: hidden
# layers of 20 sigmoid neurons each and a softmax over ten classes.
#
# ======  ========  ==========================================
# name    shape     formula
# ======  ========  ==========================================
# x       (25, 64)  25 images
# T       (25, 10)  targets: 1 in the column of the right digit
# W1, b1  (64, 20)  (20,)
# W2, b2  (20, 20)  (20,)
# W3, b3  (20, 10)  (10,)
# z1, a1  (25, 20)  x @ W1 + b1, sigmoid(z1)
# z2, a2  (25, 20)  a1 @ W2 + b2, sigmoid(z2)
# z3, a3  (25, 10)  a2 @ W3 + b3, softmax of each row
# ======  ========  ==========================================
#
# We start from the weights that fastbp has drawn, as copies.


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


net = fastbp.MLP([64, 20, 20, 10], hidden="sigmoid", output="softmax", dtype="float64", seed=0)
W1, W2, W3 = (W.copy() for W in net.weights)
b1, b2, b3 = (b.copy() for b in net.biases)
x = X[:25]
T = np.eye(10)[y[:25]]

z1 = x @ W1 + b1
a1 = sigmoid(z1)
z2 = a1 @ W2 + b2
a2 = sigmoid(z2)
z3 = a2 @ W3 + b3
a3 = softmax(z3)
loss = -np.sum(T * np.log(a3)) / len(x)

for name, ours, theirs in zip(("a1", "a2", "a3"), (a1, a2, a3), net.forward(x), strict=True):
    first = ours[0, :3].round(6), theirs[0, :3].round(6)
    print(f"{name} {ours.shape!s:<9} NumPy {first[0]}  fastbp {first[1]}")
    assert_allclose(ours, theirs)

# %%
# One batch, backward
# -------------------
# Three times the same two lines, from the last layer to the first. Compare each shape: delta has
# the shape of its z, dW that of its W.
#
# ======  ========  ==========================================
# name    shape     formula
# ======  ========  ==========================================
# delta3  (25, 10)  (a3 - T) / 25
# dW3     (20, 10)  a2.T @ delta3
# delta2  (25, 20)  (delta3 @ W3.T) * a2 · (1 - a2)
# dW2     (20, 20)  a1.T @ delta2
# delta1  (25, 20)  (delta2 @ W2.T) * a1 · (1 - a1)
# dW1     (64, 20)  x.T @ delta1
# db      (n_out,)  sum of delta over the rows, in each layer
# ======  ========  ==========================================

delta3 = (a3 - T) / len(x)
dW3 = a2.T @ delta3
db3 = delta3.sum(axis=0)
delta2 = (delta3 @ W3.T) * a2 * (1 - a2)
dW2 = a1.T @ delta2
db2 = delta2.sum(axis=0)
delta1 = (delta2 @ W2.T) * a1 * (1 - a1)
dW1 = x.T @ delta1
db1 = delta1.sum(axis=0)

loss_net, dWs, dbs = net.loss_and_gradients(x, y[:25])
print(f"loss      NumPy {loss:.6f}  fastbp {loss_net:.6f}")
print(f"dW3[0, 0] NumPy {dW3[0, 0]:.6f}  fastbp {dWs[2][0, 0]:.6f}")
assert_allclose(loss, loss_net)
for ours, theirs in zip((dW1, dW2, dW3, db1, db2, db3), (*dWs, *dbs), strict=True):
    assert_allclose(ours, theirs, atol=1e-12)

# %%
# Gradient check
# --------------
# Two programs may share an error. An independent check is to nudge the weights one by one and to
# compare the change of the loss with the derivative, as in lesson 1. ``check_gradients`` does so
# for up to 200 parameters of each array. The relative error of a right gradient is small, here
# below 1e-5; that of a wrong one is near 1.

result = fastbp.check_gradients(net, x, y[:25])
print(result)
assert result.max_error < 1e-5

# %%
# Why minibatches
# ---------------
# The gradient of 25 images points roughly the same way as that of all 1,078, and costs a
# fortieth. So it pays to make a step after each 25. One pass over all batches is an *epoch*; it has
# 1,078 / 25 = 43 full batches and one of 3. Normally the images are shuffled before each epoch, so
# that batches differ. Here we leave the order, so that both programs see the same batches.
#
# By hand, for any number of layers: ``a`` holds the inputs of each layer, and the loop backwards
# repeats the two lines.


def train_by_hand(Ws, bs, lr, epochs):
    """Changes Ws and bs; returns the mean loss of each epoch."""
    losses = []
    for _ in range(epochs):
        total = 0.0
        for first in range(0, len(X), 25):
            T = np.eye(10)[y[first : first + 25]]
            a = [X[first : first + 25]]
            for W, b in zip(Ws[:-1], bs[:-1], strict=True):
                a.append(sigmoid(a[-1] @ W + b))
            answer = softmax(a[-1] @ Ws[-1] + bs[-1])
            total -= np.sum(T * np.log(answer))
            delta = (answer - T) / len(T)
            for layer in reversed(range(len(Ws))):
                dW = a[layer].T @ delta
                db = delta.sum(axis=0)
                if layer > 0:
                    delta = (delta @ Ws[layer].T) * a[layer] * (1 - a[layer])
                Ws[layer] -= lr * dW
                bs[layer] -= lr * db
        losses.append(total / len(X))
    return losses


losses = train_by_hand([W1, W2, W3], [b1, b2, b3], lr=0.5, epochs=5)
history = net.fit(X, y, epochs=5, batch_size=25, shuffle=False, optimizer=fastbp.SGD(0.5))
print("loss of each epoch")
print("  NumPy  ", np.round(losses, 6))
print("  fastbp ", np.round(history.loss, 6))
assert_allclose(losses, history.loss)
assert_allclose(W1, net.weights[0], atol=1e-9)

# %%
# Early stopping
# --------------
# Trained long enough, a net learns its training images by heart, and gets worse on others. The
# validation loss shows when: it falls, and then rises again. ``patience=5`` stops after five epochs
# without improvement and restores the weights of the best epoch.

net = fastbp.MLP([64, 20, 20, 10], hidden="sigmoid", output="softmax", dtype="float64", seed=0)
history = net.fit(
    X,
    y,
    epochs=300,
    batch_size=25,
    optimizer=fastbp.SGD(0.5),
    X_val=X_val,
    y_val=y_val,
    patience=5,
)
print(f"{history.n_epochs} epochs, the best is epoch {history.best_epoch + 1}")
assert history.stopped_by == "patience"

plot.LossCurveDisplay.from_estimator(net)
plt.show()

# %%
# The grey line is the loss of each batch. It jumps, because the batches differ in difficulty.
#
# What the net has learned
# ------------------------
# The weights of a neuron in the first layer form an image as well: red pixels raise its z, blue
# ones lower it.

plot.WeightsDisplay.from_estimator(net)
plt.show()

# %%
# Now the test set. The *confusion matrix* counts the images of each true digit (row) by the digit
# that the net sees (column). Right answers are on the diagonal.

display = plot.ConfusionMatrixDisplay.from_estimator(net, X_test, y_test)
accuracy = net.score(X_test, y_test)
display.ax_.set_title(f"{accuracy:.1%} of {len(y_test)} test images correct")
assert accuracy > 0.92
plt.show()

# %%
# The same in numbers, without a library:

predicted = net.predict(X_test)
confusion = np.zeros((10, 10), dtype=int)
for true, seen in zip(y_test, predicted, strict=True):
    confusion[true, seen] += 1
assert confusion.trace() == round(accuracy * len(y_test))
print(confusion)
wrong = predicted != y_test
print(f"{wrong.sum()} of {len(y_test)} wrong (true, seen):", end=" ")
print(*zip(y_test[wrong].tolist(), predicted[wrong].tolist(), strict=True))

# %%
# ``examples/digits.py`` is the same training as a script (``make demo``).
#
# Exercise
# --------
# Write ``gradients(Ws, bs, x, y)`` for a net with any number of sigmoid layers and a softmax at the
# end. It returns ``(loss, dWs, dbs)``, the two as lists with one array for each layer, and has no
# loop over samples. ``check`` tries nets with one to five layers.


def check(gradients):
    """Compare the reader's gradients with fastbp's, for nets of different depth."""
    for hidden in ((), (7,), (9, 8), (6, 5, 4, 3)):
        net = fastbp.MLP([64, *hidden, 10], hidden="sigmoid", dtype="float64", seed=len(hidden))
        loss, dWs, dbs = gradients(list(net.weights), list(net.biases), X[:50], y[:50])
        loss_net, dWs_net, dbs_net = net.loss_and_gradients(X[:50], y[:50])
        assert_allclose(loss, loss_net)
        for ours, theirs in zip([*dWs, *dbs], [*dWs_net, *dbs_net], strict=True):
            assert_allclose(ours, theirs, atol=1e-12)
    print("right: equal to fastbp's gradients for nets of 1, 2, 3 and 5 layers")


# %%
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>


def gradients(Ws, bs, x, y):
    T = np.eye(10)[y]
    a = [x]
    for W, b in zip(Ws[:-1], bs[:-1], strict=True):
        a.append(sigmoid(a[-1] @ W + b))
    answer = softmax(a[-1] @ Ws[-1] + bs[-1])
    loss = -np.sum(T * np.log(answer)) / len(x)
    delta = (answer - T) / len(x)
    dWs, dbs = [], []
    for layer in reversed(range(len(Ws))):
        dWs.insert(0, a[layer].T @ delta)
        dbs.insert(0, delta.sum(axis=0))
        if layer > 0:
            delta = (delta @ Ws[layer].T) * a[layer] * (1 - a[layer])
    return loss, dWs, dbs


check(gradients)

# %%
# The loop fills the lists from the last layer to the first, hence ``insert(0, ...)``. For layer 0
# there is no delta below.
#
# .. raw:: html
#
#    </details>
