"""Training on batches that come one after the other: partial_fit, and fit over an iterable."""

import contextlib
import contextvars
import ctypes
import itertools
import os
import signal
import threading
import time
import warnings
from itertools import pairwise

import numpy as np
import pytest
from helpers.needs import needs
from helpers.small_fit import VALIDATION, X, Y, bits, make
from helpers.waiting import HUNG_SECONDS

import fastbp

SIZES = [10, 3, 20, 1, 16]
ENDS = np.cumsum([0, *SIZES])
WEIGHT = np.arange(1.0, 51.0)


def batches(*arrays):
    return [tuple(a[first:end] for a in arrays) for first, end in pairwise(ENDS)]


class Source:
    """An iterable that can be read again and again, and remembers by which threads."""

    def __init__(self, *arrays):
        self.arrays = arrays
        self.threads = set()

    def __iter__(self):
        for batch in batches(*self.arrays):
            self.threads.add(threading.current_thread())
            yield batch


@pytest.mark.parametrize(
    "optimizer", [fastbp.SGD(0.1), fastbp.Adam(fastbp.schedules.Exponential(0.01, 0.9))], ids=repr
)
@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("kind", [list, tuple, Source])
def test_fit_over_an_iterable(kind, weight, optimizer):
    """The same as steps made one by one."""
    net = make()
    twin = make()
    settings = {"optimizer": optimizer, "l2": 0.01}
    arrays = (X, Y) if weight is None else (X, Y, weight)
    source = Source(*arrays) if kind is Source else kind(batches(*arrays))
    history = net.fit(source, epochs=3, **settings, **VALIDATION)
    expected, rates, means = [], [], []
    for _ in range(3):
        for x, y, *w in batches(*arrays):
            one = {"sample_weight": w[0]} if w else {}
            twin.fit(x, y, epochs=1, batch_size=None, shuffle=False, **settings, **one)
            expected += twin.history_.batch_loss
            twin.train_state.schedule_state.epochs -= 1  # of a schedule that counts in epochs
        twin.train_state.schedule_state.epochs += 1
        shares = SIZES if weight is None else [w.sum() for _, _, w in batches(*arrays)]
        means.append(np.average(expected[-5:], weights=shares))
        rates += [
            optimizer.lr if isinstance(optimizer.lr, float) else 0.01 * 0.9 ** len(rates[::5])
        ] * 5
    assert history.batch_loss == expected
    assert bits(net)[:2] == bits(twin)[:2]
    np.testing.assert_allclose(history.loss, means, rtol=1e-13)
    np.testing.assert_allclose(history.learning_rate, rates, rtol=1e-13)
    assert (history.n_epochs, len(history.val_loss), history.n_samples, history.stopped_by) == (
        3,
        3,
        150,
        "epochs",
    )
    if kind is Source:
        (reader,) = source.threads
        assert reader is not threading.current_thread()


def test_an_iterator_is_read_once():
    net, twin = make(), make()
    with pytest.raises(
        ValueError,
        match=r"^X must be an iterable .* read 2 times, .*, got an iterator: epochs=1",
    ):
        net.fit(iter(batches(X, Y)), epochs=2)
    net.fit((batch for batch in batches(X, Y)), epochs=1)
    twin.fit(batches(X, Y), epochs=1)
    assert bits(net) == bits(twin)


def test_a_source_may_use_its_arrays_again():
    def refilled():
        x = np.empty((5, 4), np.float32)
        y = np.empty(5, int)
        for first in range(0, 50, 5):
            x[:], y[:] = X[first : first + 5], Y[first : first + 5]
            yield x, y
            x[:] = np.nan
            y[:] = -1

    net, twin = make(), make()
    net.fit(refilled(), epochs=1)
    twin.fit(X, Y, epochs=1, batch_size=5, shuffle=False)
    assert bits(net)[:2] == bits(twin)[:2]
    assert net.history_ == twin.history_


def test_the_next_batch_is_read_while_this_one_is_computed():
    read = []
    second = threading.Event()

    class Wait(fastbp.callbacks.Callback):
        def on_step_end(self, net, history):
            if len(history.batch_loss) == 1:
                assert second.wait(HUNG_SECONDS)  # before the loop requests it
                read_then.append(list(read))

    def source():
        for i, batch in enumerate(batches(X, Y)):
            read.append(i)
            if i == 1:
                second.set()
            yield batch

    read_then = []
    make().fit(source(), epochs=1, callbacks=Wait())
    assert read_then == [[0, 1]]  # one ahead, and no more
    assert read == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("n_threads", [1, 2])
def test_batches_of_several_blocks_and_of_growing_size(n_threads):
    rng = np.random.default_rng(0)
    sizes = [5, 1500, 30, 2600]
    parts = [(rng.normal(size=(n, 4)), rng.integers(0, 3, n)) for n in sizes]
    net, twin = make(), make()
    net.fit(parts, epochs=2, n_threads=n_threads)
    for _ in range(2):
        for x, y in parts:
            twin.fit(x, y, epochs=1, batch_size=None, shuffle=False)
    assert bits(net)[:2] == bits(twin)[:2]


def test_memmap(tmp_path):
    np.save(tmp_path / "x.npy", np.tile(X, (20, 1)).astype(np.float32))
    np.save(tmp_path / "y.npy", np.tile(Y, 20))
    x, y = (np.load(tmp_path / name, mmap_mode="r") for name in ("x.npy", "y.npy"))
    assert isinstance(x, np.memmap)
    nets = [make() for _ in range(4)]
    nets[0].fit(x, y, epochs=2, batch_size=25)
    nets[1].fit(np.array(x), np.array(y), epochs=2, batch_size=25)
    nets[2].fit([(x[i : i + 25], y[i : i + 25]) for i in range(0, 1000, 25)], epochs=2)
    nets[3].fit(np.array(x), np.array(y), epochs=2, batch_size=25, shuffle=False)
    assert bits(nets[0]) == bits(nets[1])
    assert bits(nets[2])[:2] == bits(nets[3])[:2]


def third_is(bad):
    def source():
        for i, batch in enumerate(batches(X, Y)):
            if i == 2 and callable(bad):
                bad()
            yield bad if i == 2 else batch

    return source


FAULTS = {
    "raises": (third_is(lambda: 1 / 0), ZeroDivisionError, "division"),
    "features": (third_is((X[:5, :3], Y[:5])), ValueError, r"^X must have 4 features"),
    "labels": (third_is((X[:5], Y[:5] + 3)), ValueError, r"^y must hold labels 0..2"),
    "no rows": (third_is((X[:0], Y[:0])), ValueError, "^X must have at least one row"),
    "no pair": (third_is(X[:5]), TypeError, r"^X must give batches \(X, y\) or .*ndarray"),
    "four": (third_is((X, Y, Y, Y)), TypeError, r"^X must give batches .*4 values"),
    "weights": (third_is((X[:5], Y[:5], -WEIGHT[:5])), ValueError, "^sample_weight "),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_source_that_fails(name):
    source, error, message = FAULTS[name]
    net, twin = make(), make()
    with pytest.raises(error, match=message) as caught:
        net.fit(source(), epochs=1)
    assert "raised by the source of batches, at epoch 0, batch 2" in caught.value.__notes__
    assert (net.history_.stopped_by, len(net.history_.batch_loss), net.history_.n_epochs) == (
        "error",
        2,
        0,
    )
    for x, y in batches(X, Y)[:2]:
        twin.partial_fit(x, y)
    assert bits(net)[:2] == bits(twin)[:2]


class OnlyOnce:
    def __init__(self):
        self.iterator = iter(batches(X, Y))

    def __iter__(self):
        return self.iterator


REFUSED = {
    "none": (lambda: ([],), {}, ValueError, "at least one batch"),
    "no batches": (lambda: ([1.0, 2.0],), {}, TypeError, r"^X must give batches"),
    "wrong from the first": (lambda: ([(X[:, :2], Y)],), {}, ValueError, "^X must have 4 features"),
    "sample_weight": (
        lambda: (batches(X, Y),),
        {"sample_weight": WEIGHT},
        ValueError,
        "^sample_weight must come with",
    ),
    "n_threads": (lambda: (batches(X, Y),), {"n_threads": 0}, ValueError, "^n_threads"),
    "neither": (lambda: (X,), {}, TypeError, "^y "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_before_anything_is_changed(name):
    arguments, settings, error, message = REFUSED[name]
    net = make()
    with pytest.raises(error, match=message):
        net.fit(*arguments(), **settings)
    assert bits(net) == bits(make())
    assert net.history_ is None
    wait_for_readers()


def test_an_iterable_that_is_empty_the_second_time():
    net = make()
    with pytest.raises(ValueError, match=r"^X gave no batch the second time"):
        net.fit(OnlyOnce(), epochs=2)
    assert (net.history_.n_epochs, len(net.history_.batch_loss)) == (1, 5)


def readers():
    return [thread for thread in threading.enumerate() if thread.name == "fastbp-reader"]


def wait_for_readers():
    """Wait until all readers end: one may be in the middle of a batch."""
    until = time.monotonic() + HUNG_SECONDS
    while readers() and time.monotonic() < until:
        time.sleep(0.01)
    assert readers() == []


def test_no_thread_is_left():
    make().fit(batches(X, Y), epochs=2)
    make().fit(batches(X, Y), epochs=2, callbacks=lambda net, h: True)
    with pytest.raises(ZeroDivisionError):
        make().fit(FAULTS["raises"][0](), epochs=1)
    wait_for_readers()


class Items:
    """Batches with a length and items only. As in Keras's Sequence, an item beyond the length is no
    IndexError."""

    def __init__(self, *arrays):
        self.batches = batches(*arrays)
        self.read = []

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, i):
        self.read.append(i)
        assert len(self.read) < 1000  # read without an end
        return self.batches[i % len(self)]


def as_keras(items):
    os.environ.setdefault("KERAS_BACKEND", "numpy")
    keras = pytest.importorskip("keras")

    class Data(keras.utils.PyDataset):
        __len__ = lambda self: len(items)  # noqa: E731
        __getitem__ = lambda self, i: items[i]  # noqa: E731

    return Data()


def as_torch(items):
    data = pytest.importorskip("torch.utils.data")

    class Data(data.Dataset):
        __len__ = lambda self: len(items)  # noqa: E731
        __getitem__ = lambda self, i: items[i]  # noqa: E731

    return Data()


@pytest.mark.parametrize("kind", [lambda items: items, as_keras, as_torch])
def test_batches_with_a_length_and_items(kind):
    items = Items(X, Y)
    net, twin = make(), make()
    assert net.fit(kind(items), epochs=3) == twin.fit(batches(X, Y), epochs=3)
    assert bits(net) == bits(twin)
    assert items.read == [*range(5)] * 3


class Shuffled(Items):
    """As a Sequence of Keras that draws its batches at the end of each epoch."""

    ends = 0

    def on_epoch_end(self):
        self.ends += 1
        self.batches = self.batches[1:]


class ShuffledAndIterable(Shuffled):
    def __iter__(self):  # as that of Keras 2
        return (self[i] for i in range(len(self)))


@pytest.mark.parametrize("kind", [Shuffled, ShuffledAndIterable])
def test_the_end_of_an_epoch_of_items(kind):
    """`on_epoch_end` is called behind the last item, and the length may change."""
    items = kind(X, Y)
    history = make().fit(items, epochs=3)
    assert items.ends == 3
    assert items.read == [0, 1, 2, 3, 4, 0, 1, 2, 3, 0, 1, 2]
    assert history.n_samples == 50 + (50 - SIZES[0]) + (50 - SIZES[0] - SIZES[1])
    items = kind(X, Y)
    make().fit(items, epochs=3, callbacks=stop_after(2, lambda: True))
    assert items.ends == 0


@pytest.mark.parametrize("name", ["X", "y", "X_val", "y_val", "sample_weight"])
def test_items_in_the_place_of_an_array_are_refused(name):
    """Before NumPy reads a single one."""
    items = Items(X, Y)
    net = make()
    arguments = {"X": X, "y": Y, **VALIDATION, "sample_weight": WEIGHT, name: items}
    with pytest.raises(TypeError, match=rf"^{name} must be an array .*an object of Items"):
        net.fit(**arguments)
    if name in ("X", "y", "sample_weight"):
        some = {key: arguments[key] for key in ("X", "y", "sample_weight")}
        for method in (net.partial_fit, net.loss, net.loss_and_gradients):
            with pytest.raises(TypeError, match=rf"^{name} must be an array"):
                method(**some)
    if name == "X":
        for method in (net.predict, net.forward, net.predict_proba):
            with pytest.raises(TypeError, match=r"^X must be an array"):
                method(items)
    assert items.read == []
    assert bits(net) == bits(make())


def test_buffers_are_arrays():
    """Arrays of ctypes have a length and items, and do not iterate."""
    weight = (ctypes.c_double * 50)(*WEIGHT)
    net, twin = make(), make()
    assert net.fit(X, Y, epochs=2, sample_weight=weight) == twin.fit(
        X, Y, epochs=2, sample_weight=WEIGHT
    )
    assert bits(net) == bits(twin)


class NoLength:
    def __getitem__(self, i):
        return X, Y


@pytest.mark.parametrize(
    "X", [X, batches(X, Y), Items(X, Y), NoLength(), iter([])], ids=lambda X: type(X).__name__
)
def test_targets_that_are_missing(X):
    """A stream belongs in `fit`, which says so."""
    net = make()
    calls = [net.partial_fit, net.loss, net.loss_and_gradients]
    calls.append(lambda X, y: fastbp.lr_find(net, X, y))
    if isinstance(X, np.ndarray | NoLength):
        calls.append(net.fit)
    else:
        calls.pop()
    for call in calls:
        with pytest.raises(
            TypeError, match=r"^y is missing: .*fit\(batches\) takes|^y is missing: fit\(X, y\)"
        ):
            call(X, None)
    assert bits(net) == bits(make())


def stop_after(steps, how):
    class Stop(fastbp.callbacks.Callback):
        def on_step_end(self, net, history):
            return how() if len(history.batch_loss) == steps else None

    return Stop()


ENDS_OF_A_FIT = {
    "stopped": lambda: True,
    "error": lambda: 1 / 0,
    "interrupt": lambda: signal.raise_signal(signal.SIGINT),
    "no flag": lambda: 5,
}


@pytest.mark.parametrize("how", ENDS_OF_A_FIT)
def test_the_source_is_free_after_the_fit(how):
    """Whatever ended it, no other thread is executing the generator."""

    def slow():
        for i in range(100):
            time.sleep(0.3 * (i == 3))  # it is read while the fit ends
            yield X[i % 40 : i % 40 + 5], Y[i % 40 : i % 40 + 5]

    source = slow()
    net = make()
    with contextlib.suppress(ZeroDivisionError, TypeError, UserWarning):
        net.fit(source, epochs=1, callbacks=stop_after(3, ENDS_OF_A_FIT[how]))
    assert len(net.history_.batch_loss) == 3
    assert len(next(source)[1]) == 5  # no ValueError: generator already executing
    # The stopped fit has made 3 steps, and read 1 batch ahead.
    assert len(net.fit(source, epochs=1).batch_loss) == 95


def test_a_generator_of_an_epoch_is_closed_before_the_fit_returns():
    class Resource:
        is_open = False

        def __iter__(self):
            assert not self.is_open
            self.is_open = True
            try:
                yield from batches(X, Y)
            finally:
                time.sleep(0.05)
                self.is_open = False

    source = Resource()
    for how in (stop_after(2, lambda: True), lambda net, history: True):
        make().fit(source, epochs=2, callbacks=how)
        assert not source.is_open
    with pytest.raises(ValueError, match=r"^n_threads"):
        make().fit(source, n_threads=0)
    assert not source.is_open


VARIABLE = contextvars.ContextVar("VARIABLE")


def test_the_source_is_read_in_the_callers_context():
    seen = []

    def source():
        for batch in batches(X, Y):
            seen.append(VARIABLE.get("unset"))
            yield batch

    token = VARIABLE.set("ours")
    try:
        make().fit(source(), epochs=1)
    finally:
        VARIABLE.reset(token)
    assert seen == ["ours"] * 5


def test_epochs_of_an_endless_generator():
    """The recipe of `fit`'s documentation."""

    class Epochs:
        def __init__(self, batches, steps):
            self.batches = batches
            self.steps = steps

        def __iter__(self):
            return itertools.islice(self.batches, self.steps)

    net, twin = make(), make()
    endless = itertools.cycle(batches(X, Y))
    history = net.fit(Epochs(endless, 7), epochs=3)
    assert (history.n_epochs, len(history.batch_loss)) == (3, 21)
    twin.fit(itertools.islice(itertools.cycle(batches(X, Y)), 21), epochs=1)
    assert bits(net) == bits(twin)
    assert len(next(endless)[1]) == SIZES[21 % 5]  # no batch is lost between epochs or at the end


@needs("signal.pthread_kill")
def test_ctrl_c_while_waiting_for_a_batch(monkeypatch):
    monkeypatch.setattr(fastbp.training.batches, "CLOSE_SECONDS", 0.2)
    let_go = threading.Event()
    ended: list = []

    def source():
        yield from batches(X, Y)[:2]
        while net.train_state.step < 2:  # it is read ahead
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        let_go.wait(HUNG_SECONDS)
        ended.append(True)

    net = make()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = net.fit(source(), epochs=1)
    messages = [str(each.message) for each in caught]
    assert "X has not given its next batch for 0.2 s after the end of the fit" in messages[0]
    assert "interrupted after 0 epochs and 2 steps" in messages[1]
    assert ended == []  # it did not wait for the source
    let_go.set()
    assert (history.stopped_by, len(history.batch_loss), net.train_state.step) == (
        "interrupt",
        2,
        2,
    )


@pytest.mark.parametrize(
    "optimizer", [fastbp.SGD(0.1), fastbp.Adam(fastbp.schedules.Step(0.01, 2))], ids=repr
)
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_partial_fit(weight, optimizer):
    net, twin = make("float64"), make("float64")
    for first in range(0, 50, 10):
        part = slice(first, first + 10)
        w = None if weight is None else weight[part]
        expected = twin.loss(X[part], Y[part], 0.1, w)
        loss = net.partial_fit(X[part], Y[part], optimizer, 0.1, sample_weight=w)
        twin.fit(
            X[part],
            Y[part],
            epochs=1,
            batch_size=None,
            shuffle=False,
            optimizer=optimizer,
            l2=0.1,
            sample_weight=w,
        )
        assert type(loss) is float
        assert loss == twin.history_.batch_loss[0] == pytest.approx(expected, rel=1e-12)
    assert bits(net) == bits(twin)


def test_partial_fit_learns_a_stream():
    rng = np.random.default_rng(0)
    net = fastbp.MLP([3, 1], output="identity")
    w = np.array([1.0, -2.0, 0.5])
    for _ in range(500):
        x = rng.normal(size=(20, 3))
        net.partial_fit(x, x @ w + 3, fastbp.SGD(0.1))
    np.testing.assert_allclose(net.weights[0][:, 0], w, atol=1e-5)
    np.testing.assert_allclose(net.biases[0], [3], atol=1e-5)


def test_partial_fit_that_diverges():
    net = fastbp.MLP([4, 3], output="identity")

    def train():
        for _ in range(200):
            net.partial_fit(X, X[:, :3], fastbp.SGD(1e6))

    with pytest.raises(fastbp.DivergenceError):
        train()
    assert np.isfinite(net.parameters).all()
