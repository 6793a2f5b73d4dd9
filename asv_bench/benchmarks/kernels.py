"""Each pass of a 1024-1024 layer on 256 samples, each activation and each update rule, on one
thread."""

import numba
import numpy as np

from fastbp.engine.steps import step_params
from fastbp.kernels.abi import ACTIVATIONS, RULES, STORES_SLOPES
from fastbp.kernels.activations import activate, activate_with_slope
from fastbp.kernels.dense import backward, forward, transpose_delta, weights
from fastbp.kernels.memory import load, store
from fastbp.kernels.plan import Plan, aligned_zeros
from fastbp.kernels.simd import lanes

ROWS = 256
WIDTH = 1024
OPTIONS = {"error_model": "numpy", "nogil": True}


@numba.njit(**OPTIONS)
def run_forward(work, params, layers, job):
    forward(work, params, layers[1], False, True, ROWS, 0, 1)


@numba.njit(**OPTIONS)
def run_backward(work, params, layers, job):
    backward(work, params, layers[1], layers[0], job[0].delta0_at, job[0].delta1_at, ROWS, 0, 1)


@numba.njit(**OPTIONS)
def run_transpose_delta(work, layers, job):
    transpose_delta(
        work, layers[1], job[0].delta0_at, job[0].delta_t0_at, job[0].delta_t_rows, ROWS, 0, 1
    )


@numba.njit(**OPTIONS)
def run_weights(work, params, state, gradient, layers, job, steps):
    j = job[0]
    layer = layers[1]
    weights(
        work,
        layer,
        j.delta_t0_at,
        j.delta_t_rows,
        ROWS,
        j.tile_at,
        params,
        state,
        gradient,
        steps[0],
        0,
        1,
    )


@numba.njit(**OPTIONS)
def run_activation(code, x, y):
    for i in range(0, x.size, lanes(x)):
        store(y, i, activate(code, load(x, i)))


@numba.njit(**OPTIONS)
def run_with_slope(code, x, y, slopes):
    for i in range(0, x.size, lanes(x)):
        a, f = activate_with_slope(code, load(x, i))
        store(y, i, a)
        store(slopes, i, f)


class Layer:
    """The second of two layers of equal width, so that there is a layer below."""

    params = (["float32", "float64"],)
    param_names = ("dtype",)

    def setup(self, dtype):
        self.plan = plan = Plan((WIDTH, WIDTH, WIDTH), [1, 1], dtype, ROWS)
        self.work = plan.work(np.dtype(dtype))[0]
        self.params_ = aligned_zeros(plan.packed_size, dtype)
        self.params_[:] = np.random.default_rng(0).normal(0, 0.03, self.params_.size)
        self.time_kernel_forward(dtype)
        self.time_kernel_backward(dtype)
        self.time_kernel_transpose_delta(dtype)

    def time_kernel_forward(self, dtype):
        run_forward(self.work, self.params_, self.plan.layers, self.plan.job)

    def time_kernel_backward(self, dtype):
        run_backward(self.work, self.params_, self.plan.layers, self.plan.job)

    def time_kernel_transpose_delta(self, dtype):
        run_transpose_delta(self.work, self.plan.layers, self.plan.job)


class Update(Layer):
    """The weights' product with each rule as its epilogue."""

    params = (["float32", "float64"], list(RULES))
    param_names = ("dtype", "rule")
    time_kernel_forward = time_kernel_backward = time_kernel_transpose_delta = None

    def setup(self, dtype, rule):
        self.plan = plan = Plan((WIDTH, WIDTH, WIDTH), [1, 1], dtype, ROWS)
        self.work = plan.work(np.dtype(dtype))[0]
        size = 2 * (WIDTH + 1) * WIDTH
        packed = plan.packed_size
        sizes = (packed, len(RULES[rule].slots) * packed, size if rule == "gradient" else 0)
        self.arrays = [aligned_zeros(n, dtype) for n in sizes]
        self.step = step_params(rule, plain=rule == "sgd", shrink=1, epsilon=1e-8, floor=1e-8)
        self.time_kernel_weights(dtype, rule)

    def time_kernel_weights(self, dtype, rule):
        run_weights(self.work, *self.arrays, self.plan.layers, self.plan.job, self.step)


class Activation:
    params = (["float32", "float64"], list(ACTIVATIONS))
    param_names = ("dtype", "activation")

    def setup(self, dtype, activation):
        self.x = np.random.default_rng(0).normal(0, 3, 16_384).astype(dtype)
        self.y, self.slopes = np.empty_like(self.x), np.empty_like(self.x)
        self.code = ACTIVATIONS[activation]
        self.time_kernel_activation(dtype, activation)

    def time_kernel_activation(self, dtype, activation):
        """The value; also the slope where training stores it."""
        if self.code in STORES_SLOPES:
            run_with_slope(self.code, self.x, self.y, self.slopes)
        else:
            run_activation(self.code, self.x, self.y)
