"""The delta rule with every quantity by its name: one neuron, then two layers.

Run it with ``python examples/delta_rule.py``.

The loss is (y - yhat)^2 / 2, the input x = (1, 2) and the target y = 1. A logistic neuron has delta
= (a - y) a (1 - a), and its gradient is delta times its inputs. The deltas of the layer below
follow through the weights, delta_1 = (w_2 delta_2) * a_1 (1 - a_1), and its gradient is the outer
product of inputs and deltas. Each is written out in NumPy and compared with the result of fastbp.
"""

import numpy as np

import fastbp

x = np.array([1.0, 2.0])
y = 1.0
W = np.array([[0.1, 0.2], [0.3, 0.4]])  # row j holds the weights of unit j
b = np.array([0.5, 0.5])
w_out = np.array([0.5, 0.6])  # of the second layer
b_out = 0.5


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def show(names):
    for name, value in names.items():
        print(f"  {name:<8} {np.array2string(np.asarray(value), precision=8, prefix=' ' * 11)}")


def largest_difference(net, a, dWs, dbs):
    """Of the written-out output and gradients from those of the library."""
    _, dWs_net, dbs_net = net.loss_and_gradients(x[None], np.array([[y]]))
    a_net = net.forward(x[None])[-1][0, 0]
    pairs = zip([a_net, *dWs_net, *dbs_net], [a, *dWs, *dbs], strict=True)
    return float(max(np.abs(ours - theirs).max() for ours, theirs in pairs))


def one_neuron():
    """Unit 0 of the layer alone."""
    z = W[0] @ x + b[0]
    a = sigmoid(z)
    delta = (a - y) * a * (1 - a)
    names = {"z": z, "a": a, "loss": (y - a) ** 2 / 2, "delta": delta, "dW": delta * x, "db": delta}

    net = fastbp.MLP([2, 1], output="sigmoid", loss="squared_error", dtype="float64")
    net.weights[0][:, 0] = W[0]
    net.biases[0][...] = b[0]
    return names, largest_difference(net, a, [(delta * x)[:, None]], [np.array([delta])])


def two_layers():
    """Both units, and a logistic output unit above them."""
    z_1 = W @ x + b
    a_1 = sigmoid(z_1)
    z_2 = w_out @ a_1 + b_out
    a_2 = sigmoid(z_2)
    delta_2 = (a_2 - y) * a_2 * (1 - a_2)
    delta_1 = w_out * delta_2 * a_1 * (1 - a_1)
    dW_1 = np.outer(delta_1, x)
    dW_2 = delta_2 * a_1
    names = {"z_1": z_1, "a_1": a_1, "z_2": z_2, "a_2": a_2, "loss": (y - a_2) ** 2 / 2}
    names |= {"delta_2": delta_2, "dW_2": dW_2, "delta_1": delta_1, "dW_1": dW_1}

    net = fastbp.MLP(
        [2, 2, 1], hidden="sigmoid", output="sigmoid", loss="squared_error", dtype="float64"
    )
    net.weights[0][...] = W.T  # a column holds the weights of a unit
    net.weights[1][:, 0] = w_out
    net.biases[0][...] = b
    net.biases[1][...] = b_out
    difference = largest_difference(
        net, a_2, [dW_1.T, dW_2[:, None]], [delta_1, np.array([delta_2])]
    )
    return names, difference


def main():
    result = {}
    for title, story in (("one neuron", one_neuron), ("two layers", two_layers)):
        names, difference = story()
        print(title)
        show(names)
        print(f"  largest difference from fastbp {difference:.1e}")
        result[title] = names | {"difference": difference}
    return result


if __name__ == "__main__":
    main()
