"""A worked example: the 2-2-2 network that textbooks compute by hand.

Run it with ``python examples/worked_2_2_2.py``.

Two inputs (.05, .10), two sigmoid hidden units, two sigmoid outputs with targets (.01, .99), the
error E = sum of (target - output)^2 / 2 and a learning rate of .5. The biases stay fixed, as in the
calculation by hand. One step reduces E from 0.2983711088 to 0.2910277737; ten thousand steps reduce
it to 0.0000351019.

The second part replaces the error by a softmax cross-entropy of the sigmoid outputs and compares
the gradient with the chain rule written out.
"""

import numpy as np

import fastbp

X = np.array([[0.05, 0.10]])
Y = np.array([[0.01, 0.99]])
W_HIDDEN = np.array([[0.15, 0.25], [0.20, 0.30]])  # (input, hidden unit): w1, w3 / w2, w4
W_OUTPUT = np.array([[0.40, 0.50], [0.45, 0.55]])  # (hidden unit, output): w5, w7 / w6, w8
BIASES = (0.35, 0.60)


def hold_biases(net, history=None):
    """A callback that restores the biases after each step, which excludes them from training."""
    for b, value in zip(net.biases, BIASES, strict=True):
        b[...] = value


def build(loss):
    net = fastbp.MLP([2, 2, 2], hidden="sigmoid", output="sigmoid", loss=loss, dtype="float64")
    net.weights[0][...] = W_HIDDEN
    net.weights[1][...] = W_OUTPUT
    hold_biases(net)
    return net


def train(net, steps):
    # One sample: an epoch is a step.
    net.fit(X, Y, epochs=steps, batch_size=None, optimizer=fastbp.SGD(0.5), callbacks=[hold_biases])


def chain_rule():
    """Loss and gradients of the softmax cross-entropy, written out."""
    h = 1 / (1 + np.exp(-(X[0] @ W_HIDDEN + BIASES[0])))
    o = 1 / (1 + np.exp(-(h @ W_OUTPUT + BIASES[1])))
    p = np.exp(o) / np.exp(o).sum()
    dE_dz_out = (p - Y[0]) * o * (1 - o)  # the targets add up to 1, so dE/do = p - y
    dE_dz_hid = (W_OUTPUT @ dE_dz_out) * h * (1 - h)
    dWs = [np.outer(X[0], dE_dz_hid), np.outer(h, dE_dz_out)]
    return -np.sum(Y[0] * np.log(p)), dWs, [dE_dz_hid, dE_dz_out]


def main():
    net = build("squared_error")
    result = {"E0": float(net.loss(X, Y))}
    print(f"E before training      {result['E0']:.10f}")

    train(net, 1)
    result |= {
        "w1": float(net.weights[0][0, 0]),
        "w5": float(net.weights[1][0, 0]),
        "E1": float(net.loss(X, Y)),
    }
    print(f"after one step         w1 = {result['w1']:.8f}, w5 = {result['w5']:.8f}")
    print(f"E after one step       {result['E1']:.10f}")

    train(net, 9_999)
    result["E10000"] = float(net.loss(X, Y))
    print(f"E after 10,000 steps   {result['E10000']:.10f}")
    print(f"outputs                {net.forward(X)[-1][0].round(6)} (targets {Y[0]})")

    loss, dWs, dbs = build("softmax_cross_entropy").loss_and_gradients(X, Y)
    loss_exact, dWs_exact, dbs_exact = chain_rule()
    pairs = zip([loss, *dWs, *dbs], [loss_exact, *dWs_exact, *dbs_exact], strict=True)
    result["difference"] = float(max(np.abs(a - b).max() for a, b in pairs))
    print(f"softmax cross-entropy  {loss:.10f}")
    print(f"largest difference from the chain rule written out: {result['difference']:.1e}")
    return result


if __name__ == "__main__":
    main()
