"""One neuron: logistic regression on the breast-cancer set, its gradient against the closed form.

Run it with ``python examples/one_neuron.py``.

With a sigmoid output and binary cross-entropy, dL/dz simplifies to delta = a - y, so the gradient
is X^T (a - y) / n. The script compares this line of NumPy with the result of back-propagation,
before and after training. It then reports the accuracy of the one neuron by five-fold
cross-validation: each of the 569 cases is predicted by a neuron that was not trained on it.
"""

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import StratifiedKFold

import fastbp


def closed_form(net, X, y):
    """The gradient with respect to (w, b), written out, without back-propagation."""
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
    before = 0.0
    after = 0.0
    right = 0
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(X_all, y_all)
    for fold, (train, test) in enumerate(folds):
        # Standardised with the training cases alone, so that no information of the others leaks in.
        X_std = (X_all - X_all[train].mean(axis=0)) / X_all[train].std(axis=0)
        X = X_std[train]
        y = y_all[train]
        net = fastbp.MLP([X.shape[1], 1], output="sigmoid", dtype="float64", seed=fold)
        before = max(before, difference(net, X, y))
        net.fit(X, y, epochs=100, batch_size=32, optimizer=fastbp.SGD(0.1))
        after = max(after, difference(net, X, y))
        right += int(np.sum(net.predict(X_std[test]).ravel() == y_all[test]))

    accuracy = right / len(y_all)
    print("gradient against X^T (a - y) / n, largest difference in five folds")
    print(f"  before training  {before:.1e}")
    print(f"  after training   {after:.1e}")
    print(f"accuracy {accuracy:.3f}: {right} of {len(y_all)} cases correct")
    return {"before": before, "after": after, "accuracy": accuracy}


if __name__ == "__main__":
    main()
