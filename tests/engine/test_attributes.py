"""Attributes of a net: those that cannot be assigned, dropout, copies, weights that cannot be
trained."""

import copy
import pickle

import numpy as np
import pytest
from helpers.small_fit import X, Y, bits, make

import fastbp
from fastbp.mlp import FIXED


@pytest.fixture
def net():
    net = make()
    net.fit(X, Y, epochs=2, optimizer=fastbp.Adam())
    return net


def test_every_attribute_is_refused_or_has_an_effect(net):
    """A new attribute belongs into one of these groups."""
    assert set(vars(net)) == {
        *FIXED,
        "dropout",  # acts in the next fit
        "history_",
        "preprocessing_",
        "_weights",
        "_biases",
    }


@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize("value", [None, 3, "relu"])
def test_what_a_net_is_made_of_cannot_be_assigned(net, name, value):
    before = pickle.dumps(net)
    with pytest.raises(AttributeError, match=f"^{name} of a net cannot be assigned: "):
        setattr(net, name, value)
    with pytest.raises(AttributeError, match=f"^{name} of a net cannot be deleted"):
        delattr(net, name)
    assert pickle.dumps(net) == before


def test_parameters_cannot_be_assigned(net):
    with pytest.raises(AttributeError):
        net.parameters = net.parameters.copy()


def test_dropout_is_checked_and_acts(net):
    plain = copy.deepcopy(net)
    with pytest.raises(ValueError, match=r"^dropout must be .* below 1, got 1"):
        net.dropout = 1.0
    net.dropout = 0.5
    assert net.dropout == (0.5,) * len(net.hidden)
    for each in (net, plain):
        each.fit(X, Y, epochs=2)
    assert bits(net) != bits(plain)
    custom = fastbp.MLP([3, 2, 1], output="identity", loss=lambda a, y: (0.0, 0 * a))
    with pytest.raises(ValueError, match=r"^dropout cannot be used with a callable"):
        custom.dropout = 0.5


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
def test_a_copy_shares_neither_arrays_nor_the_lock(net, how):
    copied = how(net)
    before = bits(net)
    assert bits(copied) == before
    assert not np.shares_memory(copied.parameters, net.parameters)
    with net.network.training:  # as while the net is being trained
        copied.fit(X, Y, epochs=1)
    assert bits(net) == before != bits(copied)


CALLS = {
    "fit": lambda net: net.fit(X, Y, epochs=1),
    "partial_fit": lambda net: net.partial_fit(X, Y),
    "stream": lambda net: net.fit([(X, Y)], epochs=1),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("what", ["weights", "biases"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_named(net, what, value, call):
    getattr(net, what)[1].flat[-1] = value
    before = pickle.dumps(net)
    with pytest.raises(ValueError, match=rf"^{what}\[1\] must be finite in .*, got {value}"):
        CALLS[call](net)
    assert pickle.dumps(net) == before


def test_so_are_those_of_a_net_with_a_function_as_loss():
    net = fastbp.MLP([X.shape[1], 1], output="identity", loss=lambda a, y: (0.0, 0 * a))
    net.weights[0][0] = np.nan
    with pytest.raises(ValueError, match=r"^weights\[0\] must be finite"):
        net.fit(X, X[:, 0])


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("what", ["weights", "biases"])
def test_read_only_weights_are_named(net, what, call):
    getattr(net, what)[1].flags.writeable = False
    before = bits(net)
    with pytest.raises(ValueError, match=rf"^{what}\[1\] must be writable, got a read-only array"):
        CALLS[call](net)
    assert bits(net) == before


def test_weights_whose_squares_overflow_are_trained(net):
    net.weights[0][0, 0] = np.finfo(net.dtype).max / 2
    with np.errstate(all="raise"):
        net.fit(X * 0, Y, epochs=1, optimizer=fastbp.SGD(1e-3))
