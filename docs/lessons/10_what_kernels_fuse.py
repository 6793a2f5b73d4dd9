"""
10. What the kernels fuse
=========================

The formulas are the same in NumPy and in fastbp, and so are the numbers. Only the time differs.
This lesson takes a training step of lesson 8 apart, counts what NumPy does besides the arithmetic,
shows which lines a compiled *kernel* (a compiled function for one purpose) joins into one, and
measures on your machine what that saves.

The times below are those of the machine that built this page. Download the page as a script or a
notebook at its end, and run it to see yours.

From :doc:`lesson 8 <08_digits>` you need a training step, layer by layer.
"""

import time
import tracemalloc

import matplotlib.pyplot as plt
import numpy as np
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits

import fastbp
from fastbp.functional import dense_backward, dense_forward, output_delta, sgd_step

# %%
# What one NumPy line costs
# -------------------------
# NumPy works line by line, or rather operation by operation. Each operation is a call from Python,
# which takes around a microsecond whatever the size of the arrays. It reads whole arrays from
# memory and writes a whole new array. Take a hidden layer of 512 neurons with 512 inputs, for 256
# samples:
#
# ======  ==========  ======================
# name    shape       formula
# ======  ==========  ======================
# x       (256, 512)  input of the layer
# W, b    (512, 512)  (512,)
# z       (256, 512)  x @ W + b
# a       (256, 512)  1 / (1 + exp(-z))
# ======  ==========  ======================
#
# ``x @ W`` makes 256 · 512 · 512 = 67 million multiplications and as many additions. The two lines
# make six arrays of the shape of z: x @ W; then + b; -z; exp; 1 + ...; 1 / .... Five of them are
# thrown away.


def milliseconds(function, repeat=15):
    """The median time of a call."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e3


rng = np.random.default_rng(0)
x = rng.standard_normal((256, 512))
W = rng.standard_normal((512, 512)) / 20
b = rng.standard_normal(512)
product = x @ W
z = product + b
a = 1 / (1 + np.exp(-z))

lines = {
    "x @ W": milliseconds(lambda: x @ W),
    "+ b": milliseconds(lambda: product + b),
    "sigmoid": milliseconds(lambda: 1 / (1 + np.exp(-z))),
}
alone = milliseconds(lambda: dense_forward(x, W, b))
fused = milliseconds(lambda: dense_forward(x, W, b, "sigmoid"))
for name, duration in lines.items():
    print(f"NumPy, {name:<16} {duration:7.3f} ms")
print(f"NumPy, all              {sum(lines.values()):7.3f} ms")
print(f"fastbp, x @ W + b       {alone:7.3f} ms")
print(f"fastbp, with sigmoid    {fused:7.3f} ms")
assert_allclose(a, dense_forward(x, W, b, "sigmoid"))

# %%
# **First fusion: the activation into the forward product.** A kernel computes x @ W in small tiles
# of z, a few rows by a few columns, which stay in the processor's registers. When a tile is
# complete, b is added and f applied at once, and only a is written. z never exists in memory. The
# last two times show what the sigmoid costs when it is fused; the difference of the products
# themselves depends on NumPy's library and on the number of threads of each.
#
# Backward: delta below
# ---------------------
# The line of lesson 3 makes four arrays of the shape of a: the product, 1 - a, and the two products
# with a and 1 - a. **Second fusion: the derivative into the backward product.** A tile of
# delta @ W.T is multiplied by the slope while it is in registers. This works because the slope
# follows from a, which is at hand.

delta = rng.standard_normal((256, 512)) / 256
delta_product = delta @ W.T
below = {
    "x.T @ delta, sum": milliseconds(lambda: (a.T @ delta, delta.sum(axis=0))),
    "delta @ W.T": milliseconds(lambda: delta @ W.T),
    "slope": milliseconds(lambda: delta_product * a * (1 - a)),
}
fused_below = milliseconds(lambda: dense_backward(delta, a, W, "sigmoid"))
for name, duration in below.items():
    print(f"NumPy, {name:<17} {duration:7.3f} ms")
print(f"NumPy, all               {sum(below.values()):7.3f} ms")
print(f"fastbp, one call         {fused_below:7.3f} ms")

dW, db, delta_below = dense_backward(delta, a, W, "sigmoid")
assert_allclose(a.T @ delta, dW, atol=1e-12)
assert_allclose(delta.sum(axis=0), db, atol=1e-12)
assert_allclose((delta @ W.T) * a * (1 - a), delta_below, atol=1e-12)

# %%
# The bars show where the time goes. In a wide layer like this the products take most of it, and
# what fusion saves is the short rest of each bar. The narrower a layer, the larger the rest.

fig, axes = plt.subplots(2, 1, figsize=(8, 4.4), layout="constrained", sharex=True)
for ax, title, parts, one in (
    (axes[0], "forward", lines, fused),
    (axes[1], "backward", below, fused_below),
):
    left = 0.0
    for colour, (name, duration) in zip(
        ("tab:blue", "tab:cyan", "tab:orange"), parts.items(), strict=True
    ):
        ax.barh("NumPy", duration, left=left, color=colour, label=name)
        left += duration
    ax.barh("fastbp", one, color="0.6", label="all of it, fused")
    ax.invert_yaxis()
    ax.set_title(f"A layer of 512 x 512 {title}, 256 samples, float64")
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
axes[1].set_xlabel("milliseconds")
plt.show()

# %%
# The update
# ----------
# ``W -= lr * dW`` reads dW, writes lr * dW, reads it and W, and writes W. And dW itself was written
# by a product before. **Third fusion: the update into the product of the weights' gradient.** When
# a tile of dW = x.T @ delta is complete, the kernel updates the tile of W. dW never exists in
# memory (unless it is requested, as by ``loss_and_gradients``). For optimizers with a state, such
# as Adam, the state of the tile is updated in the same place.
#
# **Fourth: many steps in one call.** ``fit`` hands the data and the order of the batches to one
# compiled function, which makes many steps before it returns to Python. Nothing remains of the
# microsecond for each operation.
#
# A whole step, three ways
# ------------------------
# The net and the batches of lesson 8, 64-20-20-10 and 25 images. One step in NumPy consists of some
# forty operations. Here the arrays are small, so the calls cost more than the arithmetic.

images, labels = load_digits(return_X_y=True)
X = images[:1_000] / 16
y = labels[:1_000]
T = np.eye(10)[y]
lr = 0.5
n_batches = len(X) // 25


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def numpy_epoch(Ws, bs):
    total = 0.0
    for first in range(0, len(X), 25):
        t = T[first : first + 25]
        a0 = X[first : first + 25]
        a1 = sigmoid(a0 @ Ws[0] + bs[0])
        a2 = sigmoid(a1 @ Ws[1] + bs[1])
        z3 = a2 @ Ws[2] + bs[2]
        powers = np.exp(z3 - z3.max(axis=1, keepdims=True))
        a3 = powers / powers.sum(axis=1, keepdims=True)
        total -= np.sum(t * np.log(a3)) / 25
        delta3 = (a3 - t) / 25
        dW3 = a2.T @ delta3
        delta2 = (delta3 @ Ws[2].T) * a2 * (1 - a2)
        dW2 = a1.T @ delta2
        delta1 = (delta2 @ Ws[1].T) * a1 * (1 - a1)
        dW1 = a0.T @ delta1
        for W, dW in zip(Ws, (dW1, dW2, dW3), strict=True):
            W -= lr * dW
        for b, delta in zip(bs, (delta1, delta2, delta3), strict=True):
            b -= lr * delta.sum(axis=0)
    return total / n_batches


def functional_epoch(Ws, bs):
    total = 0.0
    for first in range(0, len(X), 25):
        a0 = X[first : first + 25]
        a1 = dense_forward(a0, Ws[0], bs[0], "sigmoid")
        a2 = dense_forward(a1, Ws[1], bs[1], "sigmoid")
        loss, delta3 = output_delta(dense_forward(a2, Ws[2], bs[2]), y[first : first + 25])
        dW3, db3, delta2 = dense_backward(delta3, a2, Ws[2], "sigmoid")
        dW2, db2, delta1 = dense_backward(delta2, a1, Ws[1], "sigmoid")
        dW1, db1, _ = dense_backward(delta1, a0, Ws[0])
        sgd_step((*Ws, *bs), (dW1, dW2, dW3, db1, db2, db3), lr)
        total += loss
    return total / n_batches


# %%
# The losses of three epochs are equal, so all three ways compute the same.

net = fastbp.MLP([64, 20, 20, 10], dtype="float64", seed=0)
starts = [([W.copy() for W in net.weights], [b.copy() for b in net.biases]) for _ in range(2)]
by_numpy = [numpy_epoch(*starts[0]) for _ in range(3)]
by_functional = [functional_epoch(*starts[1]) for _ in range(3)]
by_fit = net.fit(X, y, epochs=3, batch_size=25, shuffle=False, optimizer=fastbp.SGD(lr)).loss
print("NumPy             ", np.round(by_numpy, 6))
print("fastbp.functional ", np.round(by_functional, 6))
print("net.fit           ", np.round(by_fit, 6))
assert_allclose(by_numpy, by_functional)
assert_allclose(by_numpy, by_fit)

# %%
# Now the times of a step. ``fit`` makes 20 epochs in a call here, as its start (checking the data
# and so on) is paid once a call.


def fit_20_epochs():
    net.fit(X, y, epochs=20, batch_size=25, shuffle=False, optimizer=fastbp.SGD(lr))


step = {
    "NumPy": milliseconds(lambda: numpy_epoch(*starts[0])) / n_batches * 1e3,
    "fastbp.functional": milliseconds(lambda: functional_epoch(*starts[1])) / n_batches * 1e3,
    "net.fit": milliseconds(fit_20_epochs) / 20 / n_batches * 1e3,
}
for name, duration in step.items():
    print(f"{name:<18} {duration:8.2f} µs a step, {step['NumPy'] / duration:6.1f} times as fast")

fig, ax = plt.subplots(figsize=(8, 2.6), layout="constrained")
bars = ax.barh(list(step), list(step.values()), color=["tab:blue", "tab:orange", "0.6"])
ax.bar_label(bars, fmt=" %.1f")
ax.invert_yaxis()
ax.margins(x=0.12)
ax.set(xlabel="microseconds a step", title="64-20-20-10, 25 images a step, float64")
plt.show()

# %%
# The functions of ``fastbp.functional`` save operations: eight calls instead of some forty. ``fit``
# saves the calls, the arrays between them and the gradient as well.
#
# How much memory does a step of NumPy write?
# -------------------------------------------
# ``tracemalloc`` counts the memory that Python and NumPy hold; its peak shows how many temporary
# arrays exist at once.


def peak(function):
    """The most memory held at once during a call, in units of the array z."""
    tracemalloc.start()
    function()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / z.nbytes


print(f"NumPy:  {peak(lambda: 1 / (1 + np.exp(-(x @ W + b)))):.1f} arrays like z at once")
print(f"fastbp: {peak(lambda: dense_forward(x, W, b, 'sigmoid')):.1f}")
into_existing = peak(lambda: dense_forward(x, W, b, "sigmoid", out=a))
print(f"fastbp, into an array that exists: {into_existing:.1f}")

# %%
# Exercise
# --------
# NumPy can be told to write into an array that exists: ``np.matmul(x, W, out=out)``,
# ``np.negative(out, out=out)``, ``np.exp(out, out=out)``, ``out += b``. Write
# ``forward_in_place(x, W, b, out)`` that puts sigmoid(x @ W + b) into out and makes no new array.
# ``check`` compares with fastbp, and counts the memory. Then compare the times.


def check(forward_in_place):
    """Compare the values with fastbp's, and measure memory and time."""
    out = np.empty_like(z)
    forward_in_place(x, W, b, out)
    assert_allclose(out, dense_forward(x, W, b, "sigmoid"))
    temporary = peak(lambda: forward_in_place(x, W, b, out))
    assert temporary < 0.1, f"{temporary:.1f} arrays like z were made"
    print("right: equal to fastbp's values, and no new array")
    print(f"  plain lines {sum(lines.values()):.3f} ms", end="")
    print(f", in place {milliseconds(lambda: forward_in_place(x, W, b, out)):.3f} ms", end="")
    print(f", fused {milliseconds(lambda: dense_forward(x, W, b, 'sigmoid', out=out)):.3f} ms")


# %%
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>


def forward_in_place(x, W, b, out):
    np.matmul(x, W, out=out)
    out += b
    np.negative(out, out=out)
    np.exp(out, out=out)
    out += 1
    np.reciprocal(out, out=out)


check(forward_in_place)

# %%
# This saves the memory. It need not save time: the array is still read and written once for each
# line, where the kernel writes it once.
#
# ``examples/numpy_loops.py`` measures four loops from tutorials, and the page on benchmarks has
# whole trainings against other libraries.
#
# .. raw:: html
#
#    </details>
