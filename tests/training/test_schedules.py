"""Learning-rate schedules: against PyTorch's and scikit-learn's, in the kernels, from fit to fit,
and when they fail."""

import copy
import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from helpers.small_fit import VALIDATION, X, Y, bits, make

import fastbp
from fastbp import schedules
from fastbp.base.schedule_state import ScheduleState

N = 60


def by_torch(kind, lr, n=N, **settings):
    """The rates of PyTorch's scheduler: before each of its first n steps."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = kind(torch.optim.lr_scheduler)(optimizer, **settings)
    rates = []
    for _ in range(n):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def rates_of(schedule, n=N):
    """The same of a schedule of ours, epochs being one step long."""
    position = ScheduleState(schedule)
    rates = []
    for _ in range(n):
        rates += position.rates(1).tolist()
        position.steps += 1
        position.end_epoch(1.0)
    return rates


PAIRS = {
    "step": (schedules.Step(0.3, 7, 0.4), lambda s: s.StepLR, {"step_size": 7, "gamma": 0.4}),
    "exponential": (schedules.Exponential(0.3, 0.93), lambda s: s.ExponentialLR, {"gamma": 0.93}),
    "inverse scaling": (
        schedules.InverseScaling(0.3, 0.7),
        lambda s: s.LambdaLR,
        {"lr_lambda": lambda t: (1 + t) ** -0.7},
    ),
    "cosine": (
        schedules.Cosine(0.3, N - 1, 0.02),
        lambda s: s.CosineAnnealingLR,
        {"T_max": N - 1, "eta_min": 0.02},
    ),
    "warm-up": (
        schedules.LinearWarmup(0.3, 11, 0.2),
        lambda s: s.LinearLR,
        {"start_factor": 0.2, "total_iters": 11},
    ),
    "constant": (schedules.Constant(0.3), lambda s: s.ConstantLR, {"factor": 1.0}),
    "one cycle": (
        schedules.OneCycle(0.3, N + 1, 0.27, 20, 500),
        lambda s: s.OneCycleLR,
        {
            "max_lr": 0.3,
            "total_steps": N + 1,
            "pct_start": 0.27,
            "div_factor": 20,
            "final_div_factor": 500,
        },
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_against_torch(name):
    schedule, kind, settings = PAIRS[name]
    np.testing.assert_allclose(rates_of(schedule), by_torch(kind, 0.3, **settings), rtol=1e-12)


def test_warmup_of_another_schedule_against_torch():
    torch = pytest.importorskip("torch").optim.lr_scheduler

    def chained(_):
        return lambda optimizer: torch.ChainedScheduler(
            [torch.LinearLR(optimizer, 0.2, total_iters=11), torch.StepLR(optimizer, 20)]
        )

    schedule = schedules.LinearWarmup(schedules.Step(0.3, 20, per="step"), 11, 0.2)
    np.testing.assert_allclose(rates_of(schedule), by_torch(chained, 0.3), rtol=1e-12)


@pytest.mark.parametrize("patience", [0, 2])
def test_reduce_on_plateau_against_torch(patience):
    torch = pytest.importorskip("torch")
    losses = np.concatenate(
        [np.linspace(2, 1, 8), np.full(9, 1.0), [0.99995, 0.9998, np.nan, 0.5], np.full(19, 0.6)]
    )
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    settings = {"factor": 0.3, "patience": patience, "threshold": 1e-4, "min_lr": 0.004}
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **settings)
    position = ScheduleState(schedules.ReduceOnPlateau(0.3, 0.3, patience, 1e-4, 0.004))
    seen = []
    for loss in losses:
        rate = optimizer.param_groups[0]["lr"]
        np.testing.assert_allclose(position.rates(3), [rate] * 3, rtol=1e-12)
        seen.append(rate)
        scheduler.step(loss)
        position.end_epoch(loss)
    assert len(set(seen)) > 3
    assert min(seen) == 0.004


def test_inverse_scaling_against_sklearn():
    optimizers = pytest.importorskip("sklearn.neural_network._stochastic_optimizers")
    theirs = optimizers.SGDOptimizer([], 0.3, "invscaling", power_t=0.6)
    rates = []
    for t in range(N):
        theirs.iteration_ends(t)
        rates.append(theirs.learning_rate)
    np.testing.assert_allclose(
        schedules.InverseScaling(0.3, 0.6).at(np.arange(N)), rates, rtol=1e-13
    )


def test_what_comes_after_the_end():
    late = np.array([10, 11, 500])
    assert schedules.Cosine(0.3, 10, 0.02).at(late).tolist() == [0.02] * 3
    assert schedules.LinearWarmup(0.3, 10).at(late).tolist() == [1] * 3
    cycle = schedules.OneCycle(0.3, 11)
    np.testing.assert_allclose(cycle.at(late), [0.3 / 25 / 1e4] * 3, rtol=1e-12)
    assert cycle.at(np.arange(500)).max() <= 0.3


ALL = [
    schedules.Constant(0.1),
    schedules.Step(0.1, 2, per="step"),
    schedules.Exponential(0.1, 0.9),
    schedules.InverseScaling(0.1, per="step"),
    schedules.Cosine(0.1, 6),
    schedules.OneCycle(0.5, 35),
    schedules.LinearWarmup(schedules.ReduceOnPlateau(0.1, patience=0, threshold=0.2), 9),
]


@pytest.mark.parametrize("schedule", ALL, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize(
    "optimizer", [fastbp.SGD(), fastbp.SGD(momentum=0.9), fastbp.Adam()], ids=repr
)
def test_the_kernels_follow(optimizer, schedule):
    """As many fits of one step, each with the rate that the schedule's definition gives, end at the
    same bits."""
    net, twin = make("float64"), make("float64")
    scheduled = type(optimizer)(
        schedule, **{"momentum": optimizer.momentum} if optimizer != fastbp.Adam() else {}
    )
    history = net.fit(X, Y, epochs=5, batch_size=8, shuffle=False, optimizer=scheduled)
    position = ScheduleState(schedule)
    for epoch in range(5):
        for step, rate in enumerate(position.rates(7)):
            part = slice(8 * step, 8 * step + 8)
            assert history.learning_rate[7 * epoch + step] == rate
            constant = type(optimizer)(
                float(rate),
                **{"momentum": optimizer.momentum} if optimizer != fastbp.Adam() else {},
            )
            twin.fit(X[part], Y[part], epochs=1, batch_size=8, shuffle=False, optimizer=constant)
        position.steps += 7
        position.end_epoch(history.loss[epoch])
    assert bits(net)[:2] == bits(twin)[:2]
    assert len(history.learning_rate) == 35


LOSSES = np.concatenate(
    [np.linspace(2, 1, 8), np.full(9, 1.0), [0.99995, 0.9998, 0.5], np.full(19, 0.6)]
)


@pytest.mark.parametrize("shift", [-0.55, -1.0, -3.0, -1e3])
def test_reduce_on_plateau_of_losses_below_zero(shift):
    """A loss that does not fall reduces the rate, whatever its sign."""
    schedule = schedules.ReduceOnPlateau(0.3, 0.5, 2, 1e-9)
    states = {}
    for name, losses in (("above", LOSSES), ("below", LOSSES + shift)):
        state = None
        states[name] = [(state := schedule.watch(state, float(loss)))[::2] for loss in losses]
    assert states["above"] == states["below"]
    assert len({rate for rate, _ in states["below"]}) > 3


@pytest.mark.parametrize("sign", [1, -1])
def test_the_threshold_of_a_plateau_is_a_part_of_the_best(sign):
    schedule = schedules.ReduceOnPlateau(0.3, 0.5, 0, 0.1)
    state = schedule.watch(None, 1.0 * sign)
    for loss, rate in ((0.89, 0.3), (0.91, 0.15)):
        assert schedule.watch(state, sign - (1 - loss))[0] == rate


@pytest.mark.parametrize("bad", [np.inf, np.nan, -np.inf])
def test_a_plateau_of_losses_that_are_not_finite(bad, tmp_path):
    """They are not lower than any other, and a file holds the state behind them."""
    schedule = schedules.ReduceOnPlateau(0.3, 0.5, 2)

    class Bad(fastbp.callbacks.Callback):
        def on_epoch_end(self, net, history):
            net.train_state.schedule_state.state = schedule.watch(None, bad)

    net = make()
    net.fit(X, Y, epochs=1, optimizer=fastbp.SGD(schedule), callbacks=Bad())
    net.save(tmp_path / "net")
    loaded = fastbp.load(tmp_path / "net").train_state.schedule_state.state
    assert loaded == net.train_state.schedule_state.state
    state = loaded
    rates = [(state := schedule.watch(state, loss))[0] for loss in (bad, bad, 5.0, 6.0, 6.0, bad)]
    assert rates == [0.3, 0.15, 0.15, 0.15, 0.15, 0.075]


ENDED = {
    "Cosine": schedules.Cosine(0.1, 3),
    "Exponential": schedules.Exponential(0.1, 1e-200),
    "a warm-up of one": schedules.LinearWarmup(schedules.Cosine(0.1, 6, per="step"), 2),
}


@pytest.mark.parametrize("name", ENDED)
def test_a_schedule_that_has_ended_is_named_once(name):
    net = make()
    optimizer = fastbp.SGD(ENDED[name])
    with pytest.warns(UserWarning, match="^the schedule .* had ended: the last ") as caught:
        history = net.fit(X, Y, epochs=9, optimizer=optimizer)
    (message,) = map(str, [each.message for each in caught])
    zeros = history.learning_rate.count(0.0)
    assert f"{ENDED[name]!r} had ended: the last {zeros} steps had the learning rate 0" in message
    assert "minimum above 0" in message
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="had ended: the last 2 steps"):
        net.fit(X, Y, epochs=1, optimizer=optimizer)
    with pytest.warns(UserWarning, match="had ended: the last 1 step had") as caught:
        net.partial_fit(X, Y, optimizer)
    assert caught[0].filename == __file__


def test_a_schedule_that_ends_with_the_fit_is_not_named():
    net = make()
    for schedule, epochs in (
        (schedules.Cosine(0.1, 4), 4),
        (schedules.Cosine(0.1, 7, per="step"), 4),  # the last rate is 0
        (schedules.Cosine(0.1, 2, minimum=1e-9), 4),
        (schedules.Constant(0.1), 4),
        (0.1, 4),
    ):
        net.fit(X, Y, epochs=epochs, optimizer=fastbp.SGD(schedule))


TINY_AND_HUGE = [
    schedules.Step(0.1, 2, 1e-200, per="step"),
    schedules.Exponential(0.1, 1e-10, per="step"),
    schedules.InverseScaling(0.1, 300.0, per="step"),
    schedules.Cosine(1e-308, 50, per="step"),
    schedules.OneCycle(1e-300, 50, final_div_factor=1e20),
    schedules.LinearWarmup(schedules.Exponential(1e-300, 1e-5, per="step"), 9, 1e-20),
]


@pytest.mark.parametrize("schedule", TINY_AND_HUGE, ids=lambda s: type(s).__name__)
def test_rates_do_not_depend_on_the_callers_errstate(schedule):
    with np.errstate(all="ignore"):
        wanted = schedule.at(np.arange(60)), ScheduleState(schedule).rates(60)
    with np.errstate(all="raise"):
        got = schedule.at(np.arange(60)), ScheduleState(schedule).rates(60)
    np.testing.assert_array_equal(got, wanted)


LONGEST = 2**63 - 1


@pytest.mark.parametrize("n", [LONGEST, LONGEST + 1, 10**30, 10**400])
def test_durations_up_to_the_largest_count(n):
    makers = {
        "size": lambda: schedules.Step(0.1, n),
        "length": lambda: schedules.Cosine(0.1, n),
        "patience": lambda: schedules.ReduceOnPlateau(0.1, patience=n),
    }
    makers |= {
        "length of a cycle": lambda: schedules.OneCycle(0.1, n),
        "length of a warm-up": lambda: schedules.LinearWarmup(0.1, n, per="epoch"),
    }
    for name, new in makers.items():
        if n > LONGEST:
            with pytest.raises(ValueError, match=rf"^{name.split()[0]} must be at most {LONGEST}"):
                new()
        else:
            history = make().fit(X, Y, epochs=2, optimizer=fastbp.SGD(new()))
            assert all(0 < rate <= 0.1 for rate in history.learning_rate)


def test_history_of_a_number():
    history = make().fit(X, Y, epochs=2, batch_size=20, optimizer=fastbp.SGD(0.25))
    assert history.learning_rate == [0.25] * 6


@pytest.mark.parametrize("schedule", ALL, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize(
    "between", [lambda net: net, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))]
)
def test_going_on(schedule, between):
    net, whole = make(), make()
    settings = {"batch_size": 8, "optimizer": fastbp.Adam(schedule)}
    rates = net.fit(X, Y, epochs=2, **settings, **VALIDATION).learning_rate
    net = between(net)
    rates += net.fit(X, Y, epochs=3, **settings, **VALIDATION).learning_rate
    assert rates == whole.fit(X, Y, epochs=5, **settings, **VALIDATION).learning_rate
    assert bits(net) == bits(whole)
    # Another schedule begins at its beginning, the optimizer's state stays.
    steps = net.train_state.step
    other = schedules.Step(0.05, 1)
    assert net.fit(
        X, Y, epochs=2, batch_size=None, optimizer=fastbp.Adam(other)
    ).learning_rate == pytest.approx([0.05, 0.005])
    assert net.train_state.step == steps + 2


def test_the_validation_loss_is_what_must_not_stop_falling():
    losses = []
    net = make()
    settings = {
        "epochs": 40,
        "batch_size": 5,
        "callbacks": lambda net, h: losses.append((h.loss[-1], h.val_loss[-1])),
    }
    schedule = schedules.ReduceOnPlateau(0.05, patience=3)
    history = net.fit(X, Y, optimizer=fastbp.Adam(schedule), **settings, **VALIDATION)
    rates = {}
    for watched in (0, 1):
        state = None
        rates[watched] = []
        for loss in losses:
            rates[watched] += [schedule.lr if state is None else state[0]] * 10
            state = schedule.watch(state, loss[watched])
    assert history.learning_rate == rates[1] != rates[0]


def test_they_are_values():
    for schedule in [*ALL, schedules.ReduceOnPlateau(0.1)]:
        again = eval(repr(schedule), vars(schedules))
        assert (again, hash(again)) == (schedule, hash(schedule))
    assert schedules.Step(0.1, 2) != schedules.Step(0.1, 2, per="step")
    optimizer = fastbp.SGD(schedules.Step(0.1, 2))
    assert optimizer == fastbp.SGD(schedules.Step(0.1, 2)) != fastbp.SGD(0.1)


BAD = {
    "lr=0": (lambda: schedules.Step(0, 3), ValueError, "^lr must .*0"),
    "lr in words": (lambda: schedules.Constant("fast"), TypeError, "^lr must .*'fast'"),
    "lr of a warm-up": (lambda: schedules.LinearWarmup(-1, 3), ValueError, "^lr must .*-1"),
    "size": (lambda: schedules.Step(0.1, 0), ValueError, "^size must be at least 1, got 0"),
    "size in parts": (lambda: schedules.Step(0.1, 2.5), TypeError, "^size .*2.5"),
    "gamma": (lambda: schedules.Exponential(0.1, -1), ValueError, "^gamma .*-1"),
    "per": (
        lambda: schedules.Cosine(0.1, 3, per="batch"),
        ValueError,
        "^per must be one of 'step', 'epoch', got 'batch'",
    ),
    "minimum": (
        lambda: schedules.Cosine(0.1, 3, 0.2),
        ValueError,
        "^minimum must be at most 0.1, got 0.2",
    ),
    "power": (lambda: schedules.InverseScaling(0.1, -1), ValueError, "^power .*-1"),
    "a cycle that is too short": (
        lambda: schedules.OneCycle(0.1, 3),
        ValueError,
        "^length must be above .*3.3.*got 3",
    ),
    "pct_start": (lambda: schedules.OneCycle(0.1, 30, 1.0), ValueError, "^pct_start .*1.0"),
    "start_factor": (
        lambda: schedules.LinearWarmup(0.1, 3, 1.5),
        ValueError,
        "^start_factor must be at most 1, got 1.5",
    ),
    "factor": (lambda: schedules.ReduceOnPlateau(0.1, 1.0), ValueError, "^factor .*1.0"),
    "patience": (lambda: schedules.ReduceOnPlateau(0.1, patience=-1), ValueError, "^patience .*-1"),
    "lr of SGD": (lambda: fastbp.SGD("cosine"), TypeError, "^lr must be a number.*'cosine'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_settings(name):
    call, error, message = BAD[name]
    with pytest.raises(error, match=message):
        call()


@dataclass(frozen=True)
class Own(schedules.Schedule):
    """Halves the rate each step, and does something wrong from time t = `wrong_at` on."""

    wrong_at: int
    wrong: object
    per: str = "step"

    def at(self, t):
        if t[-1] < self.wrong_at:
            return 0.1 * 0.5**t
        return self.wrong(t)


WRONG = {
    "raises": (lambda t: 1 / 0, ZeroDivisionError, "division by zero"),
    "NaN": (
        lambda t: np.where(t == t[-1], np.nan, 0.1),
        ValueError,
        "finite and not negative, got nan",
    ),
    "negative": (lambda t: 0.1 - t, ValueError, "finite and not negative, got -"),
    "one number": (lambda t: 0.1, ValueError, r"of shape \(\d,\), got \(\)"),
}


@pytest.mark.parametrize("hook", [None, lambda *_: None], ids=["an epoch", "a step"])
@pytest.mark.parametrize("name", WRONG)
def test_a_schedule_that_fails(name, hook):
    wrong, error, message = WRONG[name]
    net, twin = make(), make()
    callback = fastbp.callbacks.Callback()
    if hook:
        callback.on_step_end = hook
    with pytest.raises(error, match=message) as caught:
        net.fit(
            X,
            Y,
            epochs=9,
            batch_size=10,
            shuffle=False,
            optimizer=fastbp.SGD(Own(12, wrong)),
            callbacks=callback,
        )
    assert any("raised by the schedule Own(wrong_at=12" in note for note in caught.value.__notes__)
    history = net.history_
    made = 12 if hook else 10
    assert (history.stopped_by, history.n_epochs, len(history.batch_loss)) == ("error", 2, made)
    assert history.learning_rate == [0.1 * 0.5**t for t in range(made)]
    twin.fit(X, Y, epochs=2, batch_size=10, shuffle=False, optimizer=fastbp.SGD(Own(99, wrong)))
    if hook:
        twin.fit(
            X[:20],
            Y[:20],
            epochs=1,
            batch_size=10,
            shuffle=False,
            optimizer=fastbp.SGD(Own(99, wrong)),
        )
    assert bits(net) == bits(twin)
    net.fit(X, Y, epochs=1)
