"""The choice of the number of threads, against a made-up machine and clock."""

import pytest

from fastbp import pace


class Machine:
    """A clock that goes on by what steps cost with each number of threads."""

    def __init__(self, monkeypatch, cost):
        self.now, self.cost, self.spent = 0.0, cost, dict.fromkeys(cost, 0.0)
        monkeypatch.setattr(pace.time, "perf_counter", lambda: self.now)

    def train(self, chooser, steps):
        while steps:
            size, made = chooser.next(steps)
            assert 1 <= made <= steps
            self.now += made * self.cost[size]
            self.spent[size] += made * self.cost[size]
            chooser.took(size, made, made * self.cost[size])
            steps -= made


@pytest.mark.parametrize("work", [1_000_000, 50_000_000])
@pytest.mark.parametrize("best", [1, 2, 4])
def test_the_fastest_is_found_and_kept(monkeypatch, best, work):
    machine = Machine(monkeypatch, {n: 1e-4 if n == best else 1.3e-4 for n in (4, 2, 1)})
    machine.train(pace.Pace([4, 2, 1], work), 100_000)
    assert machine.spent[best] > 0.95 * sum(machine.spent.values())


def test_a_team_that_waits_for_a_busy_core_is_hardly_tried(monkeypatch):
    machine = Machine(monkeypatch, {2: 5e-3, 1: 1e-4})
    machine.train(pace.Pace([2, 1], 1_000_000), 20_000)
    assert machine.spent[2] < 0.06 * machine.spent[1]


def test_a_change_is_noticed(monkeypatch):
    machine = Machine(monkeypatch, {2: 1e-4, 1: 2e-4})
    chooser = pace.Pace([2, 1], 50_000_000)
    machine.train(chooser, 20_000)
    assert machine.spent[2] > 0.95 * sum(machine.spent.values())
    machine.cost[2] = 1e-3
    machine.spent = dict.fromkeys(machine.cost, 0.0)
    machine.train(chooser, 200_000)  # it takes one look of 0.1 s, grown tenfold by the change
    assert machine.spent[1] > 0.9 * sum(machine.spent.values())


def test_the_callers_choice_is_kept():
    chooser = pace.Pace([3], 1)
    assert chooser.next(17) == (3, 1)
    chooser.took(3, 1, 1e-3)
    assert chooser.next(17) == (3, 17)


def test_no_run_is_long():
    """Between two runs Ctrl-C is heard."""
    chooser = pace.Pace([3], 1)
    chooser.took(3, 10, 0.2)
    assert chooser.next(1000) == (3, 2)
    chooser.took(3, 1, 7.0)
    assert chooser.next(1000) == (3, 1)
