"""
4. The chain rule on a graph
============================

Every formula, however long, is a chain of small steps: a sum, a product, a sigmoid. Drawn as a
graph with one box for each step, the chain rule becomes a walk backwards along the arrows. This
lesson does it for (x + y) · w by hand, then for a neuron, then for a net with thousands of boxes.
"""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
from numpy.testing import assert_allclose

import fastbp
from fastbp import graph
from fastbp.functional import dense_backward

# %%
# Forward: a box for each step
# ----------------------------
# f = (x + y) · w with x = 2, y = 3, w = 4; all of these are single numbers, of shape (). Give the
# sum a name of its own, s. Then there are two steps, and each has one operation only.

x = 2.0
y = 3.0
w = 4.0
s = x + y
f = s * w
print(f"s = {s}, f = {f}")

# %%
# Backward: local derivatives, multiplied
# ---------------------------------------
# The question is how f changes with x, y and w. It is easy to answer for a single step, with the
# other inputs of this step held fixed. These are the *local derivatives*:
#
# =========  ============  ==============================================
# step       by            local derivative
# =========  ============  ==============================================
# f = s · w  s             w: if s grows by 1, f grows by w
# f = s · w  w             s
# s = x + y  x             1
# s = x + y  y             1
# =========  ============  ==============================================
#
# Now walk from f backwards. ``df_ds`` stands for the derivative of f by s. The chain rule says that
# along a path the local derivatives multiply: x acts on s with factor 1, and s on f with factor w.

df_df = 1.0  # f changes as f changes: here every walk starts
df_ds = df_df * w
df_dw = df_df * s
df_dx = df_ds * 1.0
df_dy = df_ds * 1.0
print(f"df/ds = {df_ds}, df/dw = {df_dw}, df/dx = {df_dx}, df/dy = {df_dy}")

# %%
# ``fastbp.graph.Value`` is a number that remembers the step it came from. ``backward()`` walks over
# all boxes, results first, and puts the derivative of the result into ``grad`` of each.

X_, Y_, W_ = graph.Value(x, "x"), graph.Value(y, "y"), graph.Value(w, "w")
S_ = X_ + Y_
S_.name = "s"
F_ = S_ * W_
F_.name = "f"
F_.backward()

print("        by hand   fastbp.graph")
for name, by_hand, node in (
    ("df/ds", df_ds, S_),
    ("df/dw", df_dw, W_),
    ("df/dx", df_dx, X_),
    ("df/dy", df_dy, Y_),
):
    print(f"{name} {by_hand:10.4f} {node.grad:14.4f}")
    assert by_hand == node.grad

# %%
# The graph draws itself. Each box shows its step, its value (computed from left to right) and its
# grad (computed from right to left). Hold the mouse over an arrow to see its local derivative.


def drawing(node):
    """The graph below a node, for web pages and notebooks."""
    svg = graph.to_svg(node)
    return SimpleNamespace(_repr_html_=lambda: f'<div style="overflow-x: auto">{svg}</div>')


drawing(F_)

# %%
# What a derivative means here can be seen by nudging: change one of the three numbers, keep the
# other two, and plot f. The slope of each line is the derivative just computed.

nudges = np.linspace(-1, 1, 3)
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
ax.plot(nudges, (x + nudges + y) * w, label=f"x nudged: slope {df_dx:.0f}", linewidth=5, alpha=0.4)
ax.plot(nudges, (x + y + nudges) * w, "--", label=f"y nudged: slope {df_dy:.0f}")
ax.plot(nudges, (x + y) * (w + nudges), "-.", label=f"w nudged: slope {df_dw:.0f}")
ax.plot(0, f, "o", color="black", label=f"f = {f:.0f}")
ax.set(xlabel="change of one number", ylabel="f", title="(x + y) · w, nudged")
ax.grid(alpha=0.3)
ax.legend()
plt.show()

# %%
# Two paths add up
# ----------------
# If a number acts on the result in two ways, both effects count: **along a path derivatives
# multiply, over several paths they add up.** In g = (x + y) · x the number x acts through the sum,
# with factor x, and directly, with factor x + y.

dg_dx = 1.0 * x + (x + y)
X_, Y_ = graph.Value(x, "x"), graph.Value(y, "y")
G_ = (X_ + Y_) * X_
G_.backward()
print(f"dg/dx = {dg_dx} by hand, {X_.grad} by the graph")
assert dg_dx == X_.grad

# %%
# School calculus agrees: g = x² + x·y has the derivative 2·x + y, which is 7.
#
# A neuron as a graph
# -------------------
# The neuron of lesson 1 had x = (1, 2), W = (0.1, 0.2), b = 0.5 and the target y = 1. Take the
# squared error L = ½ · (a - y)² this time. delta is the grad of the box z, dW those of the weights,
# db that of b.

x0, x1 = graph.Value(1.0, "x[0]"), graph.Value(2.0, "x[1]")
w0, w1 = graph.Value(0.1, "W[0]"), graph.Value(0.2, "W[1]")
b = graph.Value(0.5, "b")
z = x0 * w0 + x1 * w1 + b
z.name = "z"
a = graph.sigmoid(z)
a.name = "a"
L = (a - 1.0) ** 2 * 0.5
L.name = "L"
L.backward()
drawing(L)

# %%
# The same by NumPy, with the formulas of lesson 1, and by the compiled functions of fastbp:

x = np.array([1.0, 2.0])
W = np.array([0.1, 0.2])
a_numpy = 1 / (1 + np.exp(-(x @ W + 0.5)))
delta = (a_numpy - 1.0) * a_numpy * (1 - a_numpy)
dW = x * delta
db = delta

net = fastbp.MLP([2, 1], output="sigmoid", loss="squared_error", dtype="float64")
net.weights = [W[:, None]]
net.biases = [[0.5]]
_, dWs, dbs = net.loss_and_gradients(x[None, :], np.array([[1.0]]))

print("          graph      NumPy     fastbp")
print(f"delta {z.grad:9.6f}  {delta:9.6f}  {dbs[0][0]:9.6f}")
print(f"dW[0] {w0.grad:9.6f}  {dW[0]:9.6f}  {dWs[0][0, 0]:9.6f}")
print(f"dW[1] {w1.grad:9.6f}  {dW[1]:9.6f}  {dWs[0][1, 0]:9.6f}")
print(f"db    {b.grad:9.6f}  {db:9.6f}  {dbs[0][0]:9.6f}")
assert f"{delta:.10f}" == "-0.0528770928"
assert_allclose([z.grad, w0.grad, w1.grad, b.grad], [delta, *dW, db])
assert_allclose([*dW, db], [*dWs[0][:, 0], dbs[0][0]])

# %%
# Why delta below is delta @ W.T
# ------------------------------
# Lesson 2 gave the rule dX = delta @ W.T. On a graph it is the rule of several paths: an input
# reaches the loss through every neuron of the layer, along one arrow with local derivative
# ``W[i, j]`` each. Here are two inputs and two neurons, with the deltas of the neurons given.

W = np.array([[0.15, 0.25], [0.20, 0.30]])  # (inputs, neurons)
delta = np.array([0.5, -2.0])  # (neurons,)
inputs = [graph.Value(1.0, "x[0]"), graph.Value(1.0, "x[1]")]
sums = [inputs[0] * W[0, j] + inputs[1] * W[1, j] for j in range(2)]
L = sums[0] * delta[0] + sums[1] * delta[1]  # any L that has these deltas
L.backward()
_, _, dX_net = dense_backward(delta, np.ones(2), W, "identity")
print("graph  ", [round(node.grad, 6) for node in inputs])
print("NumPy  ", (delta @ W.T).round(6))
print("fastbp ", dX_net.round(6))
assert_allclose([node.grad for node in inputs], delta @ W.T)
assert_allclose(delta @ W.T, dX_net)

# %%
# A whole net
# -----------
# ``graph.from_net`` takes a net and one sample apart into such boxes. The net of lesson 8, with 64
# inputs, two hidden layers of 20 and 10 outputs, has thousands; the walk is the same. It agrees
# with the compiled kernels in all 1,930 derivatives. The kernels do the same multiplications and
# additions, but as products of whole tables.

net = fastbp.MLP([64, 20, 20, 10], hidden="sigmoid", output="softmax", dtype="float64", seed=0)
sample = np.random.default_rng(0).random(64)
unrolled = graph.from_net(net, sample, np.eye(10)[3])
loss, dWs, dbs = unrolled.gradients()
loss_net, dWs_net, dbs_net = net.loss_and_gradients(sample[None, :], np.eye(10)[[3]])

boxes = len(graph.topological_order(unrolled.loss))
print(f"{boxes:,} boxes, loss {loss:.6f} by the graph, {loss_net:.6f} by the kernels")
for ours, theirs in zip([loss, *dWs, *dbs], [loss_net, *dWs_net, *dbs_net], strict=True):
    assert_allclose(ours, theirs, atol=1e-12)

# %%
# Exercise
# --------
# Build the graph of a neuron with tanh, two inputs and the squared error L = ½ · (a - y)², as a
# function ``my_graph(x, W, b, y)``. All arguments are given as ``graph.Value`` (x and W as lists of
# two); it returns the box L. Use ``graph.tanh``. ``check`` calls ``backward()`` on your box and
# compares the derivatives with those of a net.


def check(my_graph):
    """Compare a reader's graph with a net of one tanh neuron."""
    net = fastbp.MLP([2, 1], output="tanh", loss="squared_error", dtype="float64", seed=4)
    net.biases = [[0.3]]
    x = [graph.Value(0.7), graph.Value(-1.1)]
    W = [graph.Value(weight) for weight in net.weights[0][:, 0]]
    b = graph.Value(0.3)
    L = my_graph(x, W, b, graph.Value(0.25))
    L.backward()
    loss, dWs, dbs = net.loss_and_gradients([[0.7, -1.1]], [[0.25]])
    assert_allclose(L.value, loss)
    assert_allclose([weight.grad for weight in W], dWs[0][:, 0])
    assert_allclose(b.grad, dbs[0][0])
    print("right: equal to fastbp's loss and gradient")


# %%
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>


def my_graph(x, W, b, y):
    z = x[0] * W[0] + x[1] * W[1] + b
    a = graph.tanh(z)
    return (a - y) ** 2 * 0.5


check(my_graph)

# %%
# Only the forward formula is written; the walk backwards is the same for every graph.
#
# .. raw:: html
#
#    </details>
