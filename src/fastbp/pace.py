"""How many threads to use next, found by trying: the bits are the same for any number, so it may change at any step.

Whether another thread pays depends on the net, and on what else the machine does: on a busy core a member of the team comes
late to every barrier, and all wait for it. So the other candidates are timed for a moment now and then, the less often the more
often they have lost.
"""

import time

FIRST = 0.02  # seconds of training before another number of threads is tried
TRIAL = 0.001  # seconds that a trial should take
LONGEST = 8.0  # seconds between two trials of the same candidate, at most
LARGE = 20_000_000  # multiply-adds of a step from which the whole team begins


class Pace:
    """The team's size for the next steps.

    Parameters
    ----------
    sizes : sequence of int
        Candidates, the largest first.
    work : int
        Multiply-adds of a step.
    """

    def __init__(self, sizes, work):
        self._best = sizes[0] if work >= LARGE else sizes[-1]
        self._seconds: dict[int, float] = {}  # of a step, by team size
        self._wait = {size: FIRST for size in sizes if size != self._best}
        self._due: dict[int, float] = {}

    def next(self, steps):
        """(threads, steps to make with them) where at most `steps` are left."""
        if not self._wait:
            return self._best, steps
        now = time.perf_counter()
        if not self._due:
            self._due = {size: now + wait for size, wait in self._wait.items()}
        if self._best not in self._seconds:
            return self._best, 1
        candidate = min(self._due, key=self._due.__getitem__)
        until = self._due[candidate] - now
        if until > 0:
            return self._best, min(steps, max(1, int(until / self._seconds[self._best])))
        return candidate, min(steps, max(1, int(TRIAL / self._seconds[self._best])))

    def took(self, size, steps, seconds):
        """Note that `steps` steps with `size` threads took so long."""
        self._seconds[size] = seconds / max(1, steps)
        if size == self._best:
            return
        if self._seconds[size] < self._seconds[self._best]:
            self._wait[self._best], self._best = FIRST, size
            del self._wait[size], self._due[size]
            size = next(iter(self._wait.keys() - self._due.keys()))
        else:
            self._wait[size] = min(2 * self._wait[size], LONGEST)
        self._due[size] = time.perf_counter() + self._wait[size]
