"""What a fit costs beyond its steps: schedules, callbacks after each step, streams."""

import fastbp

from .cases import CASES, Training


class TrainingLoop:
    """One epoch of the tiny net, where the cost of Python is visible; `plain` is the reference."""

    def setup(self):
        self.training = Training("tiny", n_threads=1)
        self.schedule = fastbp.SGD(fastbp.schedules.InverseScaling(0.01, per="step"))
        self.callback = fastbp.callbacks.Callback()
        self.callback.on_step_end = lambda net, history: None
        batch = CASES["tiny"].batch
        starts = range(0, len(self.training.X), batch)
        self.batches = [
            (self.training.X[i : i + batch], self.training.y[i : i + batch]) for i in starts
        ]

    def time_plain(self):
        self.training.run()

    def time_schedule(self):
        self.training.run(optimizer=self.schedule)

    def time_hook_after_each_step(self):
        self.training.run(callbacks=self.callback)

    def time_stream(self):
        self.training.net.fit(
            self.batches, epochs=1, optimizer=self.training.options["optimizer"], n_threads=1
        )

    def time_partial_fit(self):
        for X, y in self.batches:
            self.training.net.partial_fit(X, y, self.training.options["optimizer"], n_threads=1)
