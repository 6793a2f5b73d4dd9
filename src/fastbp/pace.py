"""How many threads to use next, found by trying: the bits are the same for any number, so it may change at any step.

Whether another thread pays depends on the net, and on what else the machine does: on a busy core a member of the team comes
late to every barrier, and all wait for it. So the other candidates are timed for a moment now and then, the less often the more
often they have lost.
"""

import time

FIRST = 0.02  # seconds of training before another number of threads is tried
TRIAL = 0.0015  # seconds that a trial should take
PROBE = 4  # steps, of which the first has to wake the threads
LOOK = 0.05  # seconds in one go: then signals are heard, and the best so far has to prove itself again
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
        self._wait = dict.fromkeys(sizes, FIRST)
        self._due: dict[int, float] = {}
        self._promising = False  # whether a few steps of a trial were made, and not far too slow

    def next(self, steps):
        """(threads, steps to make with them) where at most `steps` are left."""
        if self._best not in self._seconds:
            return self._best, 1
        short = min(steps, max(1, int(LOOK / self._seconds[self._best])))
        if len(self._wait) == 1:
            return self._best, short
        now = time.perf_counter()
        if not self._due:
            self._due = {size: now + wait for size, wait in self._wait.items() if size != self._best}
        candidate = min(self._due, key=self._due.__getitem__)
        until = self._due[candidate] - now
        if until > 0:
            return self._best, min(short, max(1, int(until / self._seconds[self._best])))
        # A few steps first: on a busy core a whole trial would be long.
        return candidate, min(steps, max(1, int(TRIAL / self._seconds[self._best]))) if self._promising else min(steps, PROBE)

    def took(self, size, steps, seconds):
        """Note that `steps` steps with `size` threads took so long."""
        now, seconds = time.perf_counter(), seconds / max(1, steps)
        if size != self._best and not self._promising and seconds < 4 * self._seconds[self._best]:
            self._promising = True
            return
        self._promising, self._seconds[size] = False, seconds
        best, loser = min(self._seconds, key=self._seconds.__getitem__), size
        if best != self._best:
            del self._due[best]
            self._best, loser = best, self._best
        if loser != best:
            self._wait[loser] = min(3 * self._wait[loser], LONGEST)
            self._due[loser] = now + self._wait[loser]
