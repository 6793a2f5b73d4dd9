"""How many threads to use next, found by trying: the bits are the same for any number, so it may
change at any step.

Whether another thread pays depends on the net, and on what else the machine does: on a busy core a
member of the team comes late to every barrier, and all wait for it. So the other candidates are
timed for a moment now and then, the less often the more often they have lost.
"""

FIRST = 0.02, 4  # seconds of training, and steps, before another number of threads is tried
TRIAL = 0.0015  # seconds that a trial should take
# steps, of which the first has to wake the threads; one where a step alone takes longer than a
# trial
PROBE = 4
# seconds in one go: then signals are heard, and the best so far has to prove itself again
LOOK = 0.05
# seconds, or steps if they take longer, between two trials of the same candidate, at most
LONGEST = 8.0, 500
# seconds of training whose time counts in full; a shorter run, of which one hiccup is a large part,
# in part
TRUSTED = 0.01
LARGE = 20_000_000  # multiply-adds of a step from which the whole team begins


class ThreadCountTuner:
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
        self._losses = dict.fromkeys(sizes, 0)  # in trials
        self._now = 0.0  # seconds of training so far: what is not training asks for no trials
        self._due: dict[int, float] = {}
        self._promising = False  # whether a few steps of a trial were made, and not far too slow

    def next(self, steps):
        """(threads, steps to make with them) where at most `steps` are left."""
        if self._best not in self._seconds:
            return self._best, 1
        step = self._seconds[self._best]
        short = min(steps, max(1, int(LOOK / step)))
        if len(self._losses) == 1:
            return self._best, short
        if not self._due:
            self._due = {
                size: self._now + self._wait(size) for size in self._losses if size != self._best
            }
        candidate = min(self._due, key=self._due.__getitem__)
        until = self._due[candidate] - self._now
        if until > 0:
            return self._best, min(short, max(1, int(until / step)))
        # A few steps first: on a busy core a whole trial would be long.
        return candidate, min(
            steps, max(1, int(TRIAL / step)) if self._promising or step > TRIAL else PROBE
        )

    def record(self, size, steps, seconds):
        """Note that `steps` steps with `size` threads took so long."""
        self._now += seconds
        seconds /= max(1, steps)
        if size != self._best and not self._promising:
            step = self._seconds[self._best]
            # The threads' waking is a part of short steps; long ones have to win twice, for one
            # noisy step costs many.
            if seconds < (step if step > TRIAL else 4 * step):
                self._promising = True
                return
        known = self._seconds.get(size) if size == self._best else None
        if known is not None:
            seconds = known + (min(seconds, 2 * known) - known) * min(1, steps * known / TRUSTED)
        self._promising, self._seconds[size] = False, seconds
        best, loser = min(self._seconds, key=self._seconds.__getitem__), size
        if best != self._best:
            del self._due[best]
            self._best, loser = best, self._best
        if loser != best:
            self._losses[loser] += 1
            self._due[loser] = self._now + self._wait(loser)

    def _wait(self, size):
        """Seconds until `size` threads are tried, three times as many after each loss."""
        step = self._seconds[self._best]
        first, longest = (max(seconds, steps * step) for seconds, steps in (FIRST, LONGEST))
        return min(first * 3 ** min(self._losses[size], 20), longest)
