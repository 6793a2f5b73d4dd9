"""The choice of the number of threads, on a simulated machine."""

import numpy as np
import pytest

from fastbp.runtime import autotune


class Machine:
    """Seconds of a step with each number of threads, and the total spent with it."""

    def __init__(self, cost):
        self.cost = cost
        self.spent = dict.fromkeys(cost, 0.0)

    def train(self, tuner, steps):
        while steps:
            size, made = tuner.next(steps)
            assert 1 <= made <= steps
            self.spent[size] += made * self.cost[size]
            tuner.record(size, made, made * self.cost[size])
            steps -= made


@pytest.mark.parametrize("work", [1_000_000, 50_000_000])
@pytest.mark.parametrize("best", [1, 2, 4])
def test_the_fastest_is_found_and_kept(best, work):
    machine = Machine({n: 1e-4 if n == best else 1.3e-4 for n in (4, 2, 1)})
    machine.train(autotune.ThreadCountTuner([4, 2, 1], work), 100_000)
    assert machine.spent[best] > 0.95 * sum(machine.spent.values())


def test_threads_that_wait_for_a_busy_cpu_are_hardly_tried():
    machine = Machine({2: 5e-3, 1: 1e-4})
    machine.train(autotune.ThreadCountTuner([2, 1], 1_000_000), 20_000)
    assert machine.spent[2] < 0.06 * machine.spent[1]


def test_delays_of_short_runs_decide_nothing():
    """Fits of 200 epochs of 0.7 ms, of which one in thirty is delayed: the faster two threads make
    most."""
    rng = np.random.default_rng(0)
    by_two = []
    for _ in range(50):
        tuner = autotune.ThreadCountTuner([2, 1], 1_000_000)
        for _ in range(200):
            size, made = tuner.next(9)
            by_two.append(size == 2)
            delay = 0.002 if size == 2 else 0.0006
            tuner.record(
                size,
                made,
                made * (0.7e-4 if size == 2 else 0.8e-4) + delay * (rng.random() < 0.03),
            )
    assert np.mean(by_two) > 0.6


def test_a_change_is_noticed():
    machine = Machine({2: 1e-4, 1: 2e-4})
    tuner = autotune.ThreadCountTuner([2, 1], 50_000_000)
    machine.train(tuner, 20_000)
    assert machine.spent[2] > 0.95 * sum(machine.spent.values())
    machine.cost[2] = 1e-3
    machine.spent = dict.fromkeys(machine.cost, 0.0)
    machine.train(tuner, 200_000)  # a run of 0.05 s, ten times as long after the change
    assert machine.spent[1] > 0.9 * sum(machine.spent.values())


def test_the_users_choice_is_kept():
    tuner = autotune.ThreadCountTuner([3], 1)
    assert tuner.next(17) == (3, 1)
    tuner.record(3, 1, 1e-3)
    assert tuner.next(17) == (3, 17)


def test_no_run_is_long():
    """Between two runs signals are handled."""
    tuner = autotune.ThreadCountTuner([3], 1)
    tuner.record(3, 10, 0.2)
    assert tuner.next(1000) == (3, 2)
    tuner.record(3, 1, 7.0)
    assert tuner.next(1000) == (3, 1)


def test_long_steps_are_not_lost_to_one_slow_one():
    """A step of a second: the first one is slow in cold memory, and a trial with half the threads
    is expensive."""
    machine = Machine({2: 1.5, 1: 1.0})
    tuner = autotune.ThreadCountTuner([2, 1], 10**10)
    machine.train(tuner, 1)
    machine.cost[2] = 0.5
    machine.train(tuner, 200)
    # a trial after 4 steps, then after three times as many each time
    assert machine.spent[1] <= 6.0


def test_long_steps_on_a_busy_cpu_are_made_by_one_thread():
    machine = Machine({2: 1.0, 1: 0.1})
    machine.train(autotune.ThreadCountTuner([2, 1], 10**9), 400)
    assert machine.spent[2] < 10.0
