"""One epoch with each loss, with smoothed targets, weighted classes, and a loss that is a Python
function."""

import numpy as np

import fastbp

from .cases import CASES, data


def half_squares(a, y):
    error = a - y
    return 0.5 * float(np.sum(error * error)) / len(a), error / len(a)


# name: (output, loss, other options of the net, options of fit)
LOSSES = {
    "cross_entropy": ("softmax", "cross_entropy", {}, {}),
    "label_smoothing": ("softmax", "cross_entropy", {"label_smoothing": 0.1}, {}),
    "class_weight": ("softmax", "cross_entropy", {}, {"class_weight": "balanced"}),
    "binary_cross_entropy": ("sigmoid", "binary_cross_entropy", {}, {}),
    "squared_error": ("identity", "squared_error", {}, {}),
    "huber": ("identity", "huber", {}, {}),
    "absolute_error": ("identity", "absolute_error", {}, {}),
    "hinge": ("identity", "hinge", {}, {}),
    "poisson": ("exp", "poisson", {}, {}),
    "custom": ("identity", half_squares, {}, {}),
}


class Loss:
    params = (["tiny", "medium"], list(LOSSES))
    param_names = ("case", "loss")
    timeout = 300

    def setup(self, case, loss):
        widths, batch, _ = CASES[case]
        output, name, net_options, fit_options = LOSSES[loss]
        self.X, self.y = data(case, "float32")
        if loss == "custom":
            self.y = np.eye(widths[-1], dtype="f4")[self.y]
        self.net = fastbp.MLP(widths, output=output, loss=name, **net_options)
        self.options = {
            "epochs": 1,
            "batch_size": batch,
            "optimizer": fastbp.SGD(1e-3),
            "shuffle": False,
        } | fit_options
        self.time_fit(case, loss)

    def time_fit(self, case, loss):
        self.net.fit(self.X, self.y, **self.options)
