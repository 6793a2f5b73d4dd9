"""One epoch with each hidden activation."""

from fastbp.base.activations import HIDDEN

from .cases import Training


class HiddenActivation:
    params = (["tiny", "medium"], [name for name in HIDDEN if name != "logistic"])
    param_names = ("case", "hidden")
    timeout = 300

    def setup(self, case, hidden):
        self.training = Training(case, net={"hidden": hidden})

    def time_fit(self, case, hidden):
        self.training.run()
