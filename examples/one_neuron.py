"""One neuron: logistic regression on the breast-cancer set, its gradient against the closed form.

Run it with ``python examples/one_neuron.py``.

With a logistic output and the binary cross-entropy the derivative of the loss by the neuron's input
collapses to delta = a - y, so the whole gradient is X^T (a - y) / n. The script writes that line in
NumPy and compares it with what back-propagation returns, before training and after it. It then
reports how well the one neuron tells malignant from benign, by five-fold cross-validation: each of
the 569 cases is judged by a neuron that has not seen it.
"""

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import StratifiedKFold

import fastbp


def closed_form(net, X, y):
    """The gradient by (w, b), written out: no part of it comes from the library's back-propagation."""
    z = X @ net.weights[0][:, 0] + net.biases[0][0]
    delta = 1 / (1 + np.exp(-z)) - y
    return X.T @ delta / len(X), delta.mean()


def difference(net, X, y):
    """Largest absolute difference between the library's gradient and the closed form."""
    _, (dw,), (db,) = net.loss_and_gradients(X, y)
    dw_exact, db_exact = closed_form(net, X, y)
    return float(max(np.abs(dw[:, 0] - dw_exact).max(), abs(db[0] - db_exact)))


def main():
    X_all, y_all = load_breast_cancer(return_X_y=True)
    before, after, right = 0.0, 0.0, 0
    for fold, (seen, kept) in enumerate(
        StratifiedKFold(5, shuffle=True, random_state=0).split(X_all, y_all)
    ):
        # Standardised by the seen cases alone, so that nothing of the others leaks into the
        # training.
        X_std = (X_all - X_all[seen].mean(axis=0)) / X_all[seen].std(axis=0)
        X, y = X_std[seen], y_all[seen]

        net = fastbp.MLP([X.shape[1], 1], output="sigmoid", dtype="float64", seed=fold)
        before = max(before, difference(net, X, y))
        net.fit(X, y, epochs=100, batch_size=32, optimizer=fastbp.SGD(0.1))
        after = max(after, difference(net, X, y))
        right += int(np.sum(net.predict(X_std[kept]).ravel() == y_all[kept]))

    accuracy = right / len(y_all)
    print("gradient against X^T (a - y) / n, largest difference in five folds")
    print(f"  before training  {before:.1e}")
    print(f"  after training   {after:.1e}")
    print(f"accuracy {accuracy:.3f}: {right} of {len(y_all)} cases right")
    return {"before": before, "after": after, "accuracy": accuracy}


if __name__ == "__main__":
    main()
