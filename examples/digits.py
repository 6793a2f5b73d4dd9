"""Handwritten digits: a 64-20-20-10 network learns the 1,797 images of scikit-learn.

Run it with ``python examples/digits.py [--seed 0] [--out examples/output]`` (or ``make demo``).

The images are split 60/20/20 into training, validation and test sets. Two hidden layers of 20
sigmoid units are followed by a softmax; minibatch gradient descent stops once the validation loss
has not improved for three epochs, and the weights of the best epoch are restored. The script checks
the gradients against finite differences before training, and draws the loss curves and the
confusion matrix afterwards.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # draw to files: no display is needed

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastbp


def load(seed):
    """(X, y) for training, validation and test, standardised by the training set's statistics."""
    X, y = load_digits(return_X_y=True)
    X_train, X_rest, y_train, y_rest = train_test_split(
        X, y, test_size=0.4, stratify=y, random_state=seed
    )
    X_val, X_test, y_val, y_test = train_test_split(
        X_rest, y_rest, test_size=0.5, stratify=y_rest, random_state=seed
    )
    mean = X_train.mean(axis=0)
    std = X_train.std(axis=0)
    std[std == 0] = 1  # some pixels in the margin are blank in every image
    scaled = [(part - mean) / std for part in (X_train, X_val, X_test)]
    return list(zip(scaled, (y_train, y_val, y_test), strict=True))


def train(seed, data, progress=False):
    (X, y), (X_val, y_val), _ = data
    net = fastbp.MLP([64, 20, 20, 10], hidden="sigmoid", output="softmax", seed=seed)
    history = net.fit(
        X, y, epochs=300, batch_size=25, optimizer=fastbp.SGD(0.1),
        X_val=X_val, y_val=y_val, patience=3, progress=progress,
    )  # fmt: skip
    return net, history


def draw_losses(history, path):
    fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
    per_epoch = len(history.batch_loss) / history.n_epochs
    epochs = np.arange(1, history.n_epochs + 1)
    steps = np.arange(1, len(history.batch_loss) + 1) / per_epoch
    ax.plot(steps, history.batch_loss, color="0.8", linewidth=0.5, label="minibatch")
    ax.plot(
        epochs, history.loss, color="tab:blue", linewidth=2, label="training (mean of the epoch)"
    )
    ax.plot(epochs, history.val_loss, color="tab:orange", linewidth=2, label="validation")
    best = history.best_epoch
    ax.plot(
        epochs[best],
        history.val_loss[best],
        "o",
        color="tab:red",
        zorder=3,
        label=f"best epoch ({epochs[best]})",
    )
    ax.set(
        title="Digits: loss while training", xlabel="epoch", ylabel="cross-entropy", yscale="log"
    )
    ax.set_xlim(0, history.n_epochs + 1)
    ax.legend().legend_handles[0].set_linewidth(2)  # the line of the plot is too thin to see
    ax.grid(alpha=0.3)
    fig.savefig(path, dpi=120)
    plt.close(fig)


def draw_confusion(y_true, y_pred, path):
    counts = np.zeros((10, 10), dtype=int)
    np.add.at(counts, (y_true, y_pred), 1)
    fig, ax = plt.subplots(figsize=(6, 5.4), layout="constrained")
    image = ax.imshow(counts, cmap="Blues")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            shade = "white" if count > counts.max() / 2 else "black"
            ax.text(column, row, count, ha="center", va="center", color=shade)
    right = np.trace(counts)
    ax.set(
        title=f"Digits: {right} of {counts.sum()} test images correct",
        xlabel="predicted",
        ylabel="true",
    )
    ax.set(xticks=range(10), yticks=range(10))
    fig.colorbar(image, label="images", shrink=0.85)
    fig.savefig(path, dpi=120)
    plt.close(fig)


def main(argv=None):
    parser = argparse.ArgumentParser(description="train a small network on the 8x8 digits")
    parser.add_argument("--seed", type=int, default=0, help="seeds the split and the network")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "output", help="folder for the pictures"
    )
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    data = load(args.seed)
    (X, y), _, (X_test, y_test) = data
    untrained = fastbp.MLP(
        [64, 20, 20, 10], hidden="sigmoid", output="softmax", dtype="float64", seed=args.seed
    )
    print(untrained.summary())
    check = fastbp.check_gradients(untrained, X[:5], y[:5])
    print(f"\ngradients against central differences, relative errors\n{check}\n")

    print("compiling the kernels (first run only) ...", flush=True)
    fastbp.warmup(["float32"])
    net, history = train(args.seed, data, progress=True)
    predicted = net.predict(X_test)
    accuracy = float(np.mean(predicted == y_test))
    print(f"{history.n_epochs} epochs, stopped by {history.stopped_by}")
    print(f"test accuracy {accuracy:.3f} on {len(y_test)} images")

    pictures = [args.out / "digits_loss.png", args.out / "digits_confusion.png"]
    draw_losses(history, pictures[0])
    draw_confusion(y_test, predicted, pictures[1])
    for picture in pictures:
        print(f"wrote {picture}")
    return {
        "accuracy": accuracy,
        "gradient_error": check.max_error,
        "history": history,
        "pictures": pictures,
    }


if __name__ == "__main__":
    main()
