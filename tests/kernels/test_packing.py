"""Packed parameters and optimizer state: every value at its place, zeros beside them."""

import copy
import pickle

import numpy as np
import pytest

import fastbp
from fastbp.engine import packing
from fastbp.engine.packing import Packing, all_finite
from fastbp.engine.steps import StepRunner, step_params
from fastbp.kernels.plan import panel_of, slot_size, slots_of
from fastbp.training.checked_samples import make_samples

PANEL = panel_of("float32")
SHAPES = [(1, 1), (3, 2), (5, PANEL - 1, PANEL), (7, PANEL + 1, 2 * PANEL + 3, 1), (130, 100, 10)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("widths", SHAPES, ids=str)
@pytest.mark.parametrize("slots", [0, 1, 3])
def test_there_and_back(widths, dtype, slots):
    layout = Packing(widths, dtype)
    values = np.random.default_rng(0).normal(size=(slots, layout.size)).astype(dtype)
    packed = layout.packed_slots(values)
    np.testing.assert_array_equal(layout.slots(packed), values)
    # Element (i, j) of a layer is where plan.py says, and all others are zeros.
    panel = panel_of(dtype)
    for slot, one in zip(slots_of(packed, layout.packed_size), values, strict=True):
        seen = np.zeros(layout.packed_size, bool)
        for layer in layout.layers:
            for i, j in np.ndindex(layer["n_in"] + 1, layer["n_out"]):
                at = layer["w"] + j // panel * layer["w_panel"] + i * panel + j % panel
                assert slot[at] == one[layer["parameters"] + i * layer["n_out"] + j]
                seen[at] = True
        assert not slot[~seen].any()


def test_a_large_copy_is_shared(monkeypatch):
    """With the same values, by any number of threads."""
    widths = (300, 257, 65)
    layout = Packing(widths, "float32")
    values = np.random.default_rng(0).normal(size=(2, layout.size)).astype("f4")
    alone = layout.packed_slots(values)
    monkeypatch.setattr(packing, "SHARED_SIZE", 100)
    monkeypatch.setattr(packing, "thread_count", lambda n, macs: 3)
    for _ in range(20):
        np.testing.assert_array_equal(layout.packed_slots(values), alone)
        np.testing.assert_array_equal(layout.slots(alone), values)
        to = np.zeros_like(alone)
        packing.copy(to, alone)
        np.testing.assert_array_equal(to, alone)
        assert all_finite(alone)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_finite(dtype, bad):
    for size in (0, 1, 7, 64, 1000):
        array = np.full(size, np.finfo(dtype).max, dtype)
        assert all_finite(array)
        for at in {0, size // 2, size - 1} if size else ():
            spoilt = array.copy()
            spoilt[at] = bad
            assert not all_finite(spoilt)


@pytest.mark.parametrize(
    "optimizer", [kind() for kind in fastbp.optimizers.OPTIMIZERS.values()], ids=repr
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lanes_beyond_the_outputs_stay_zeros(optimizer, dtype):
    net = fastbp.MLP([5, 7, 3], dtype=dtype)
    rng = np.random.default_rng(0)
    samples = make_samples(net, rng.normal(size=(40, 5)).astype(dtype), rng.integers(0, 3, 40))
    settings = {"l2": 0.01, "l1": 0.001, "clip_value": 0.1, "clip_norm": 0.2}
    step = step_params(optimizer.rule, **optimizer.step_settings(), **settings)
    layout = net.network.packing
    state = layout.new(optimizer.n_slots)
    runner = StepRunner(net.network, net.parameters, state, samples, 8, step, [1])
    runner.run(np.arange(40), 0)
    runner.store()
    again = layout.new()
    layout.pack(net.parameters, again)
    np.testing.assert_array_equal(runner.packed, again)  # zeros beside the parameters
    np.testing.assert_array_equal(layout.packed_slots(layout.slots(state)), state)
    assert state.size == optimizer.n_slots * slot_size(layout.packed_size, net.dtype)


def test_copies_of_a_net_hold_values_not_layouts():
    """Pickles are read on processors with other panels."""
    net = fastbp.MLP([4, 9, 3])
    X = np.random.default_rng(0).normal(size=(30, 4))
    net.fit(X, np.arange(30) % 3, epochs=2, optimizer=fastbp.Adam())
    state = net.train_state.__getstate__()
    assert state["optimizer_state"].shape == (2, net.network.size)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net)), copy.copy(net)):
        assert not np.shares_memory(
            other.train_state.optimizer_state, net.train_state.optimizer_state
        )
        np.testing.assert_array_equal(other.train_state.slots(), net.train_state.slots())


def test_values_written_into_a_net_count():
    """By callbacks, between fits and between steps; views show the net."""
    X = np.random.default_rng(0).normal(size=(20, 4))
    y = np.arange(20) % 3
    net, twin = (fastbp.MLP([4, 6, 3], seed=1) for _ in range(2))
    view = net.weights[0]
    for each in (net, twin):
        each.partial_fit(X, y)
    before = view.copy()
    net.weights[0][1] = 0.5
    twin.weights = [np.where(np.arange(4)[:, None] == 1, 0.5, twin.weights[0]), twin.weights[1]]
    for each in (net, twin):
        each.partial_fit(X, y)
    np.testing.assert_array_equal(net.parameters, twin.parameters)
    assert not np.array_equal(view, before)
    assert np.shares_memory(view, net.parameters)

    def halve(net, history):
        net.weights[1] *= 0.5

    net.fit(X, y, epochs=3, shuffle=False, batch_size=None, callbacks=halve)
    for _ in range(3):
        twin.fit(X, y, epochs=1, shuffle=False, batch_size=None)
        twin.weights[1][...] *= 0.5
    np.testing.assert_array_equal(net.parameters, twin.parameters)
