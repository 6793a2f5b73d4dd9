"""The choice of the number of threads, against a made-up machine."""

import numpy as np
import pytest

from fastbp.runtime import autotune


class Machine:
    """What steps cost with each number of threads, and the seconds spent with it."""

    def __init__(self, cost):
        self.cost, self.spent = cost, dict.fromkeys(cost, 0.0)

    def train(self, chooser, steps):
        while steps:
            size, made = chooser.next(steps)
            assert 1 <= made <= steps
            self.spent[size] += made * self.cost[size]
            chooser.record(size, made, made * self.cost[size])
            steps -= made


@pytest.mark.parametrize("work", [1_000_000, 50_000_000])
@pytest.mark.parametrize("best", [1, 2, 4])
def test_the_fastest_is_found_and_kept(best, work):
    machine = Machine({n: 1e-4 if n == best else 1.3e-4 for n in (4, 2, 1)})
    machine.train(autotune.ThreadCountTuner([4, 2, 1], work), 100_000)
    assert machine.spent[best] > 0.95 * sum(machine.spent.values())


def test_a_team_that_waits_for_a_busy_core_is_hardly_tried():
    machine = Machine({2: 5e-3, 1: 1e-4})
    machine.train(autotune.ThreadCountTuner([2, 1], 1_000_000), 20_000)
    assert machine.spent[2] < 0.06 * machine.spent[1]


def test_hiccups_of_short_runs_decide_nothing():
    """Fits of 200 epochs of 0.7 ms, of which the system holds up one in thirty: two threads, the
    faster ones, make most."""
    rng, by_two = np.random.default_rng(0), []
    for _ in range(50):
        chooser = autotune.ThreadCountTuner([2, 1], 1_000_000)
        for _ in range(200):
            size, made = chooser.next(9)
            by_two.append(size == 2)
            held_up = 0.002 if size == 2 else 0.0006
            chooser.record(
                size,
                made,
                made * (0.7e-4 if size == 2 else 0.8e-4) + held_up * (rng.random() < 0.03),
            )
    assert np.mean(by_two) > 0.6


def test_a_change_is_noticed():
    machine = Machine({2: 1e-4, 1: 2e-4})
    chooser = autotune.ThreadCountTuner([2, 1], 50_000_000)
    machine.train(chooser, 20_000)
    assert machine.spent[2] > 0.95 * sum(machine.spent.values())
    machine.cost[2] = 1e-3
    machine.spent = dict.fromkeys(machine.cost, 0.0)
    machine.train(chooser, 200_000)  # it takes one look of 0.1 s, grown tenfold by the change
    assert machine.spent[1] > 0.9 * sum(machine.spent.values())


def test_the_callers_choice_is_kept():
    chooser = autotune.ThreadCountTuner([3], 1)
    assert chooser.next(17) == (3, 1)
    chooser.record(3, 1, 1e-3)
    assert chooser.next(17) == (3, 17)


def test_no_run_is_long():
    """Between two runs Ctrl-C is heard."""
    chooser = autotune.ThreadCountTuner([3], 1)
    chooser.record(3, 10, 0.2)
    assert chooser.next(1000) == (3, 2)
    chooser.record(3, 1, 7.0)
    assert chooser.next(1000) == (3, 1)


def test_long_steps_are_not_lost_to_one_slow_one():
    """A step of a second: its first meets cold memory, and a trial of a whole step with half the
    threads is dear."""
    machine = Machine({2: 1.5, 1: 1.0})
    chooser = autotune.ThreadCountTuner([2, 1], 10**10)
    machine.train(chooser, 1)
    machine.cost[2] = 0.5
    machine.train(chooser, 200)
    # a trial after 4 steps, then after three times as many each time
    assert machine.spent[1] <= 6.0


def test_long_steps_on_a_busy_core_are_made_by_one_thread():
    machine = Machine({2: 1.0, 1: 0.1})
    machine.train(autotune.ThreadCountTuner([2, 1], 10**9), 400)
    assert machine.spent[2] < 10.0
