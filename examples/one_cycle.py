"""One-cycle training: learning-rate range test, one-cycle schedule, callbacks, and a stream.

Run it with ``python examples/one_cycle.py [--out examples/output]``.

A 64-100-10 network learns the digits in twelve epochs with momentum. ``fastbp.lr_find`` suggests
the largest learning rate, the one-cycle schedule rises to it and falls to nearly zero, and a
constant rate serves as comparison. A CSV logger, a timer and a custom callback record the training.
Finally a network is trained from a stream of batches.
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
from fastbp.callbacks import Callback, CSVLogger, EarlyStopping, Timer
from fastbp.schedules import OneCycle

EPOCHS = 12
BATCH = 32


class Accuracy(Callback):
    """The accuracy on the test set after each epoch."""

    def __init__(self, X, y):
        self.X = X
        self.y = y
        self.values = []

    def on_epoch_end(self, net, history):
        self.values.append(float(np.mean(net.predict(self.X) == self.y)))


def train(data, lr, callbacks=()):
    X, X_test, y, y_test = data
    net = fastbp.MLP([64, 100, 10], "relu", seed=0)
    accuracy = Accuracy(X_test, y_test)
    settings = {"epochs": EPOCHS, "batch_size": BATCH, "optimizer": fastbp.SGD(lr, momentum=0.9)}
    history = net.fit(
        X, y, X_val=X_test, y_val=y_test, callbacks=[accuracy, *callbacks], **settings
    )
    return history, accuracy.values


def stream(X, y, batches):
    """Batches in random order, like those of a file or socket that is read once."""
    rng = np.random.default_rng(0)
    for _ in range(batches):
        rows = rng.integers(0, len(X), BATCH)
        yield X[rows], y[rows]


def draw(found, history, path):
    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.plot(found.learning_rates, found.losses, color="0.8", label="batch")
    left.plot(found.learning_rates, found.smoothed, label="smoothed")
    left.axvline(
        found.suggestion,
        color="tab:red",
        linestyle="--",
        label=f"suggestion {found.suggestion:.2g}",
    )
    left.set(title="Range test", xlabel="learning rate", ylabel="loss", xscale="log")
    left.set_ylim(0, 4)
    left.legend()
    right.plot(history.learning_rate, color="tab:green")
    right.set(title="One cycle", xlabel="step", ylabel="learning rate")
    for ax in (left, right):
        ax.grid(alpha=0.3)
    fig.savefig(path, dpi=120)
    plt.close(fig)


def main(argv=None):
    parser = argparse.ArgumentParser(description="range test, one cycle, callbacks, a stream")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).parent / "output",
        help="folder for picture and table",
    )
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    X, y = load_digits(return_X_y=True)
    data = X, X_test, y, y_test = train_test_split(
        X / 16, y, test_size=0.25, stratify=y, random_state=0
    )

    net = fastbp.MLP([64, 100, 10], "relu", seed=0)
    found = fastbp.lr_find(net, X, y, fastbp.SGD(momentum=0.9), batch_size=BATCH, start=1e-4)
    print(f"range test: {len(found.losses)} steps, suggestion {found.suggestion:.3g}")

    timer = Timer()
    steps = EPOCHS * -(-len(X) // BATCH)
    table = CSVLogger(args.out / "one_cycle.csv")
    cycle = OneCycle(found.suggestion, steps)
    history, accuracy = train(data, cycle, [table, timer, EarlyStopping(5)])
    _, constant = train(data, found.suggestion)
    print("epoch  rate at its end  one cycle  constant rate")
    for epoch, rate in enumerate(history.learning_rate[steps // EPOCHS - 1 :: steps // EPOCHS]):
        print(f"{epoch:>5}  {rate:>15.5f}  {accuracy[epoch]:>9.3f}  {constant[epoch]:>13.3f}")
    step_us = 1e6 * np.mean(timer.step_seconds)
    print(f"{timer.seconds:.2f} s, {step_us:.0f} microseconds a step, validation included")

    streamed = fastbp.MLP([64, 100, 10], "relu", seed=0)
    streamed.fit(
        stream(X, y, batches=500), epochs=1, optimizer=fastbp.SGD(found.suggestion, momentum=0.9)
    )
    on_stream = float(np.mean(streamed.predict(X_test) == y_test))
    print(f"a stream of 500 batches: accuracy {on_stream:.3f}")

    picture = args.out / "one_cycle.png"
    draw(found, history, picture)
    print(f"wrote {picture} and {table.path}")
    return {
        "found": found,
        "history": history,
        "one_cycle": accuracy,
        "constant": constant,
        "stream": on_stream,
        "picture": picture,
        "table": Path(table.path),
    }


if __name__ == "__main__":
    main()
