"""What a fit costs beyond its steps: schedules, hooks after each step, streams; the plain fit
beside them, to compare."""

import fastbp

from .cases import CASES, Training


class TrainingLoop:
    """One epoch of the tiny net, where whatever happens in Python shows."""

    def setup(self):
        self.training, self.batch = Training("tiny", n_threads=1), CASES["tiny"][1]
        self.schedule = fastbp.SGD(fastbp.schedules.InverseScaling(0.01, per="step"))
        self.watch = fastbp.callbacks.Callback()
        self.watch.on_step_end = lambda net, history: None
        n, X, y = len(self.training.X), self.training.X, self.training.y
        self.batches = [
            (X[i : i + self.batch], y[i : i + self.batch]) for i in range(0, n, self.batch)
        ]

    def time_plain(self):
        self.training.epoch()

    def time_schedule(self):
        self.training.net.fit(
            self.training.X,
            self.training.y,
            epochs=1,
            **self.training.options | {"optimizer": self.schedule},
        )

    def time_hook_after_each_step(self):
        self.training.net.fit(
            self.training.X,
            self.training.y,
            epochs=1,
            callbacks=self.watch,
            **self.training.options,
        )

    def time_stream(self):
        self.training.net.fit(
            self.batches, epochs=1, optimizer=self.training.options["optimizer"], n_threads=1
        )

    def time_partial_fit(self):
        for X, y in self.batches:
            self.training.net.partial_fit(X, y, self.training.options["optimizer"], n_threads=1)
