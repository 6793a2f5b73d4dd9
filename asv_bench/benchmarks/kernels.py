"""Each sweep of a 1024-1024 layer on 256 samples, each activation, and each update rule, on one
thread."""

import numba
import numpy as np

from fastbp.kernels import update
from fastbp.kernels.activations import ACTIVATIONS, FIRST_GATED, GATED, activate, gated
from fastbp.kernels.dense import backward, forward, transpose_delta, weights
from fastbp.kernels.memory import load, store
from fastbp.kernels.plan import Plan, aligned_zeros
from fastbp.kernels.simd import lanes

ROWS, WIDTH = 256, 1024
OPTIONS = {"error_model": "numpy", "nogil": True}


@numba.njit(**OPTIONS)
def run_forward(work, params, layers, job):
    forward(work, params, layers[1], False, True, ROWS, job[0].pack_at, 0, 1)


@numba.njit(**OPTIONS)
def run_backward(work, params, layers, job):
    backward(
        work,
        params,
        layers[1],
        layers[0],
        job[0].delta0_at,
        job[0].delta1_at,
        ROWS,
        job[0].pack_at,
        0,
        1,
    )


@numba.njit(**OPTIONS)
def run_turn(work, layers, job):
    transpose_delta(
        work, layers[1], job[0].delta0_at, job[0].delta_t0_at, job[0].delta_t_rows, ROWS, 0, 1
    )


@numba.njit(**OPTIONS)
def run_weights(work, params, state, gradient, sums, layers, job, step):
    j, layer = job[0], layers[1]
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
        sums,
        0,
        step,
        0,
        1,
    )


@numba.njit(**OPTIONS)
def run_activation(code, x, y):
    for i in range(0, x.size, lanes(x)):
        store(y, i, activate(code, load(x, i)))


@numba.njit(**OPTIONS)
def run_gated(code, x, y, slopes):
    for i in range(0, x.size, lanes(x)):
        a, f = gated(code, load(x, i))
        store(y, i, a)
        store(slopes, i, f)


class Layer:
    """The second of two layers of equal width, so that there is a layer below."""

    params = (["float32", "float64"],)
    param_names = ("dtype",)

    def setup(self, dtype):
        plan = Plan((WIDTH, WIDTH, WIDTH), [1, 1], dtype, ROWS)
        self.plan, self.work = plan, plan.work(np.dtype(dtype))
        self.params_ = aligned_zeros(2 * (WIDTH + 1) * WIDTH, dtype)
        self.params_[:] = np.random.default_rng(0).normal(0, 0.03, self.params_.size)
        self.time_kernel_forward(dtype)
        self.time_kernel_backward(dtype)
        self.time_kernel_turn(dtype)

    def time_kernel_forward(self, dtype):
        run_forward(self.work, self.params_, self.plan.layers, self.plan.job)

    def time_kernel_backward(self, dtype):
        run_backward(self.work, self.params_, self.plan.layers, self.plan.job)

    def time_kernel_turn(self, dtype):
        run_turn(self.work, self.plan.layers, self.plan.job)


class Update(Layer):
    """The weights' sweep with each rule as its epilogue."""

    RULES = (
        "GRADIENT",
        "SGD",
        "MOMENTUM",
        "NESTEROV",
        "ADAM",
        "ADAMW",
        "NADAM",
        "RMSPROP",
        "RMSPROP_MOMENTUM",
        "ADAGRAD",
    )
    params = (["float32", "float64"], list(RULES))
    param_names = ("dtype", "rule")
    time_kernel_forward = time_kernel_backward = time_kernel_turn = None

    def setup(self, dtype, rule):
        plan = Plan((WIDTH, WIDTH, WIDTH), [1, 1], dtype, ROWS)
        self.plan, self.work = plan, plan.work(np.dtype(dtype))
        code, size = getattr(update, rule), 2 * (WIDTH + 1) * WIDTH
        self.arrays = [
            aligned_zeros(n, dtype)
            for n in (size, update.SLOTS[code] * size, size if rule == "GRADIENT" else 0)
        ]
        self.sums, self.step = np.zeros(plan.sums_size), np.zeros(update.STEP_SIZE)
        self.step[update.RULE], self.step[update.PLAIN], self.step[update.SHRINK] = (
            code,
            rule == "SGD",
            1,
        )
        self.step[update.EPSILON] = self.step[update.FLOOR] = 1e-8
        self.time_kernel_weights(dtype, rule)

    def time_kernel_weights(self, dtype, rule):
        run_weights(self.work, *self.arrays, self.sums, self.plan.layers, self.plan.job, self.step)


class Activation:
    params = (["float32", "float64"], [*ACTIVATIONS, *GATED])
    param_names = ("dtype", "activation")

    def setup(self, dtype, activation):
        self.x = np.random.default_rng(0).normal(0, 3, 16_384).astype(dtype)
        self.y, self.slopes = np.empty_like(self.x), np.empty_like(self.x)
        self.code = (ACTIVATIONS | GATED)[activation].code
        self.time_kernel_activation(dtype, activation)

    def time_kernel_activation(self, dtype, activation):
        """The value; of a gated activation the value and its slope."""
        if self.code >= FIRST_GATED:
            run_gated(self.code, self.x, self.y, self.slopes)
        else:
            run_activation(self.code, self.x, self.y)
