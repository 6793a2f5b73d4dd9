"""Functions on NumPy arrays for hand-written training loops, compiled.

Rows are samples: x (n, n_in), W (n_in, n_out), b (n_out,) or (1, n_out); a vector (n_in,) is one
sample. Arrays may be float32 or float64 of any memory layout; other real dtypes, and float32 mixed
with float64, become float64. Results are new arrays, or are written into `out`, which has the
result's shape and dtype, may be non-contiguous, and may share memory with any input. Values equal
those of the NumPy lines that they replace to rounding, a NaN goes through, and nothing overflows
where those would. `dense_forward`, `dense_backward` and `output_delta` flush numbers below 1e-38
(float64: 2e-308) to zero. The derivative of an activation, taken from its output, is named slope.

Arrays in C order of one dtype are read in place; all others are copied first. The update steps also
take arrays in Fortran order in place, such as the transposes of nets with samples as columns. The
functions may be called from several threads at once and after a fork. Successive calls of more than
some microseconds, as in a loop, share their work with further threads, and large products wake
these. The number of threads never changes a bit of the result. Code on whole networks belongs
elsewhere.
"""

from .dense import dense_backward, dense_forward
from .elementwise import (
    leaky_relu,
    leaky_relu_slope,
    log_softmax,
    relu,
    relu_slope,
    sigmoid,
    sigmoid_slope,
    softmax,
    tanh,
    tanh_slope,
)
from .output import output_delta
from .update import adam_step, sgd_step

__all__ = [
    "adam_step",
    "dense_backward",
    "dense_forward",
    "leaky_relu",
    "leaky_relu_slope",
    "log_softmax",
    "output_delta",
    "relu",
    "relu_slope",
    "sgd_step",
    "sigmoid",
    "sigmoid_slope",
    "softmax",
    "tanh",
    "tanh_slope",
]
