"""A gallery: every display of ``fastbp.plot`` and the notebook output of nets, for the digits and
two moons.

Run it with ``python examples/gallery.py [--out examples/output]``.

Each display is written to its own file. ``gallery.png`` combines six of them in one figure, by
``ax=``; ``gallery.html`` holds the notebook output of a net, of its history, and of one sample
worked through by hand (an excerpt of which is printed).
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # draw to files: no display is needed

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, make_moons
from sklearn.model_selection import train_test_split

import fastbp
from fastbp import plot


def digits():
    """A net trained on the 8x8 digits, and its test set."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X / 16, y, test_size=0.25, random_state=0, stratify=y)
    net = fastbp.MLP([64, 24, 10], hidden="tanh")
    net.fit(
        X,
        y,
        epochs=100,
        optimizer=fastbp.SGD(0.05),
        l2=1e-4,
        X_val=X_test,
        y_val=y_test,
        patience=5,
    )
    return net, X_test, y_test


def moons():
    """A net trained on two moons, and its samples."""
    X, y = make_moons(200, noise=0.2, random_state=0)
    net = fastbp.MLP([2, 8, 2], hidden="tanh", seed=1)
    net.fit(X, y, epochs=200, optimizer=fastbp.Adam(0.01), l2=1e-3)
    return net, X, y


def deep(hidden, X, y):
    """Deltas of a deep net before training."""
    net = fastbp.MLP(
        [64, 20, 20, 20, 20, 20, 10],
        hidden=hidden,
        init="he_normal" if hidden == "relu" else "glorot_uniform",
    )
    return lambda ax=None: plot.DeltasDisplay.from_estimator(net, X, y, ax=ax)


def pictures():
    """The trained net, and {name: function of an axes that draws a display}."""
    net, X, y = digits()
    moon_net, moon_X, moon_y = moons()
    return net, {
        "loss": lambda ax=None: plot.LossCurveDisplay.from_estimator(net, ax=ax),
        "weights": lambda ax=None: plot.WeightsDisplay.from_estimator(net, ax=ax),
        "activations": lambda ax=None: plot.ActivationsDisplay.from_estimator(net, X, ax=ax),
        "deltas_sigmoid": deep("sigmoid", X, y),
        "deltas_relu": deep("relu", X, y),
        "gradient_check": lambda ax=None: plot.GradientCheckDisplay.from_estimator(
            net, X[:5], y[:5], ax=ax
        ),
        "boundary": lambda ax=None: plot.DecisionBoundaryDisplay.from_estimator(
            moon_net, moon_X, moon_y, ax=ax
        ),
        "confusion": lambda ax=None: plot.ConfusionMatrixDisplay.from_estimator(net, X, y, ax=ax),
    }


TITLES = {
    "loss": "Digits: the loss while training",
    "weights": "Digits: weights of the 24 units of the first layer",
    "activations": "Digits: activations of the trained net",
    "deltas_sigmoid": "Six layers, sigmoid: gradients vanish",
    "deltas_relu": "Six layers, relu: gradients keep their size",
    "gradient_check": "Back-propagation against central differences",
    "boundary": "Two moons: probability of class 1",
    "confusion": "Digits: confusion matrix",
}
TOGETHER = ("loss", "weights", "activations", "deltas_sigmoid", "boundary", "confusion")


def two_two_two():
    """One step of the 2-2-2 net that textbooks work through by hand."""
    net = fastbp.MLP([2, 2, 2], output="sigmoid", loss="squared_error", dtype="float64")
    net.weights = [[0.15, 0.25], [0.20, 0.30]], [[0.40, 0.50], [0.45, 0.55]]
    net.biases = [0.35, 0.35], [0.60, 0.60]
    return net.explain([0.05, 0.10], [0.01, 0.99], lr=0.5)


def main(argv=None):
    parser = argparse.ArgumentParser(description="every display of fastbp.plot")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "output", help="folder for the pictures"
    )
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    net, drawing = pictures()
    written = []
    for name, draw in drawing.items():
        shown = draw()
        shown.ax_.set_title(TITLES[name])
        written.append(args.out / f"{name}.png")
        shown.figure_.savefig(written[-1], dpi=120)
        plt.close(shown.figure_)

    figure = plt.figure(figsize=(14, 15), layout="constrained")
    for name, part in zip(TOGETHER, figure.subfigures(3, 2, hspace=0.04).flat, strict=True):
        drawing[name](part.subplots()).ax_.set_title(TITLES[name])
    written.append(args.out / "gallery.png")
    figure.savefig(written[-1], dpi=80)
    plt.close(figure)

    explanation = two_two_two()
    shown = [net._repr_html_(), net.history_._repr_html_(), explanation._repr_html_()]
    written.append(args.out / "gallery.html")
    head = (
        '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>fastbp in a notebook</title>'
    )
    written[-1].write_text(
        f'{head}<body style="font-family:sans-serif">{"".join(shown)}</body></html>',
        encoding="utf-8",
    )

    print("one step of the 2-2-2 net, worked through by hand; its output layer:")
    wanted = ("L", "delta1[0]", "dW1[0,0]", "new W1[0,0]")
    print(
        "\n".join(
            line
            for line in str(explanation).splitlines()
            if line.strip().startswith(tuple(f"{n} =" for n in wanted))
        )
    )
    for path in written:
        print(f"wrote {path}")
    sizes = [float(np.median(abs(delta))) for delta in drawing["deltas_sigmoid"]().deltas]
    plt.close("all")
    ratio = sizes[0] / sizes[-1]
    print(f"median delta of the first layer over that of the last, six sigmoid layers: {ratio:.1e}")
    return {"pictures": written, "ratio": ratio, "explanation": explanation}


if __name__ == "__main__":
    main()
