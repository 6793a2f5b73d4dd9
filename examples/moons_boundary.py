"""The decision boundary between two moons: three tanh units, full-batch gradient descent.

Run it with ``python examples/moons_boundary.py [--out examples/output]``.

A well-known tutorial trains this network with the gradient SUMMED over the 200 samples, a learning
rate of 0.01 and a weight penalty of 0.01. fastbp uses means over the samples: the same descent has
lr = 0.01 * 200 and l2 = 0.01 / 200. With this rate the descent does not converge, but ends in an
oscillation between two points. A fifth of the rate converges. The script prints losses during the
descent and draws the boundary.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # draw to files: no display is needed

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from sklearn.datasets import make_moons

import fastbp

N = 200
PENALTY = 0.01


def build():
    """The network with the initial weights of the tutorial: standard normal / sqrt(fan-in)."""
    numbers = np.random.RandomState(0)  # the stream that np.random.seed(0) starts

    def init(rng, shape):
        return numbers.standard_normal(shape) / np.sqrt(shape[0])

    return fastbp.MLP([2, 3, 2], hidden="tanh", output="softmax", init=init, dtype="float64")


def descend(X, y, rate, iterations):
    """Train to each of these iterations (0 is the first update): the net, and {iteration: loss}."""
    net = build()
    l2 = PENALTY / N
    done = 0
    losses = {}
    for iteration in iterations:
        updates = iteration + 1 - done
        net.fit(
            X,
            y,
            epochs=updates,
            batch_size=None,
            optimizer=fastbp.SGD(rate * N),
            l2=l2,
            shuffle=False,
        )
        done += updates
        losses[iteration] = float(net.loss(X, y, l2=l2))
    return net, losses


def draw(net, X, y, path):
    x1, x2 = (np.linspace(v.min() - 0.5, v.max() + 0.5, 300) for v in X.T)
    grid = np.stack(np.meshgrid(x1, x2), axis=-1)
    p = net.predict_proba(grid.reshape(-1, 2))[:, 1].reshape(grid.shape[:2])
    fig, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
    # pale, so that the points stand out
    pale = LinearSegmentedColormap.from_list("pale", ["#9ec5e8", "white", "#f2a9a2"])
    extent = (x1[0], x1[-1], x2[0], x2[-1])
    shade = ax.imshow(
        p, extent=extent, origin="lower", cmap=pale, vmin=0, vmax=1, interpolation="bilinear"
    )
    ax.contour(x1, x2, p, levels=[0.5], colors="black", linewidths=1.5)
    for label, colour in ((0, "tab:blue"), (1, "tab:red")):
        ax.scatter(
            *X[y == label].T,
            s=22,
            color=colour,
            edgecolor="white",
            linewidth=0.5,
            label=f"class {label}",
        )
    ax.set(title="Two moons: decision boundary of three tanh units", xlabel="$x_1$", ylabel="$x_2$")
    ax.legend(loc="lower left")
    fig.colorbar(shade, label="probability of class 1")
    fig.savefig(path, dpi=120)
    plt.close(fig)


def main(argv=None):
    parser = argparse.ArgumentParser(description="the decision boundary between two moons")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "output", help="folder for the picture"
    )
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    X, y = make_moons(N, noise=0.20, random_state=0)
    result = {}
    for rate, iterations in ((0.01, (0, 1000)), (0.002, (0, 1000, 5000, 19000))):
        net, result[rate] = descend(X, y, rate, iterations)
        print(f"rate {rate}")
        for iteration, loss in result[rate].items():
            print(f"  loss after iteration {iteration:>5}: {loss:.9f}")

    result["accuracy"] = float(np.mean(net.predict(X) == y))
    result["picture"] = args.out / "moons_boundary.png"
    draw(net, X, y, result["picture"])
    print(f"accuracy on the {N} samples: {result['accuracy']:.3f}")
    print(f"wrote {result['picture']}")
    return result


if __name__ == "__main__":
    main()
