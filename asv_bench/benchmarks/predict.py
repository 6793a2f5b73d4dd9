"""Inference: one row, and many."""

import fastbp

from .cases import CASES, data


class Predict:
    params = (list(CASES), ["float32", "float64"], [1, 1000])
    param_names = ("case", "dtype", "rows")

    def setup(self, case, dtype, rows):
        self.net = fastbp.MLP(CASES[case].widths, dtype=dtype)
        self.X = data(case, dtype)[0][:rows]
        for _ in range(100 if rows == 1 else 3):  # wakes the core, and the threads of a large call
            self.net.predict(self.X)

    def time_predict(self, case, dtype, rows):
        self.net.predict(self.X)
