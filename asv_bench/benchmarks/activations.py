"""One epoch with each hidden activation: those whose slope is the output's, and those that keep
slopes of their own."""

import fastbp
from fastbp.base.activations import HIDDEN

from .cases import CASES, data


class HiddenActivation:
    params = (["tiny", "medium"], [name for name in HIDDEN if name != "logistic"])
    param_names = ("case", "hidden")
    timeout = 300

    def setup(self, case, hidden):
        widths, batch, _ = CASES[case]
        self.X, self.y = data(case, "float32")
        self.net = fastbp.MLP(widths, hidden)
        self.options = {
            "epochs": 1,
            "batch_size": batch,
            "optimizer": fastbp.SGD(1e-3),
            "shuffle": False,
        }
        self.time_fit(case, hidden)

    def time_fit(self, case, hidden):
        self.net.fit(self.X, self.y, **self.options)
