"""How many threads to use: an estimate from the work of a call, then the number that is fastest in
training.

The bits are the same for any number, so it may change at any step. Whether another thread pays
depends on the net and on the load of the machine: on a busy CPU a thread comes late to every
barrier, where the others wait for it.
"""

from collections.abc import Callable, Sequence

from ..base.validation import check_count
from .cpus import available_cpus, environment_limit

MAX_THREADS = 1024
# Multiply-adds of a step that are worth one more thread. Two threads break even with one near half
# of this.
MACS_PER_THREAD = 500_000
# Multiply-adds of a step from which all threads are used at first.
LARGE_STEP_MACS = 20_000_000

# Training before the first trial of another number of threads.
WARMUP_SECONDS = 0.02
WARMUP_STEPS = 4
# Duration of a trial; at least one step.
TRIAL_SECONDS = 0.0015
# Steps before a trial, the first of which wakes the threads.
PROBE_STEPS = 4
# The longest run: after it signals are handled, and the fastest number so far is timed again.
SLICE_SECONDS = 0.05
# Upper bound on the training between two trials of a thread count: the larger of these.
MAX_RETRIAL_SECONDS = 8.0
MAX_RETRIAL_STEPS = 500
# Runs from this length on count in full. A shorter one counts in part, because one
# delay is a large part of it.
TRUSTED_SECONDS = 0.01


def thread_count(
    n_threads: int | None, macs: int, limit: Callable[[], float] = environment_limit
) -> int:
    """Threads for `macs` multiply-adds: the user's choice, or as many as pay and `limit` allows; at
    most one a CPU.

    Eight on two CPUs took 12 times as long as two for 64-100-10 in batches of 32, 1.7 times for
    784-256-128-10 in 128.
    """
    if n_threads is None:
        wanted = macs // MACS_PER_THREAD
        return 1 if wanted <= 1 else int(min(wanted, limit(), available_cpus()))
    wanted = check_count("n_threads", n_threads, most=MAX_THREADS)
    return wanted if wanted == 1 else min(wanted, available_cpus())


def thread_counts(
    n_threads: int | None, macs: int, limit: Callable[[], float] = environment_limit
) -> list[int]:
    """Candidates for steps of `macs` multiply-adds: the user's choice, or as many as pay and
    `limit` allows, then half as many, down to 1."""
    sizes = [thread_count(n_threads, macs, limit)]
    while n_threads is None and sizes[-1] > 1:
        sizes.append(sizes[-1] // 2)
    return sizes


class ThreadCountTuner:
    """The number of threads for the next steps.

    The fastest candidate so far makes most steps. The others are tried for a moment now and then,
    the less often the more often they have lost.

    Parameters
    ----------
    sizes : sequence of int
        Candidates, the largest first.
    macs : int
        Multiply-adds of a step.
    """

    def __init__(self, sizes: Sequence[int], macs: int) -> None:
        self._best = sizes[0] if macs >= LARGE_STEP_MACS else sizes[-1]
        self._step_seconds: dict[int, float] = {}  # by number of threads
        self._losses = dict.fromkeys(sizes, 0)  # trials lost
        self._now = 0.0  # seconds of training so far: trials are due by these
        self._due: dict[int, float] = {}
        self._promising = False  # whether the last probe was fast enough for a full trial

    def next(self, steps: int) -> tuple[int, int]:
        """(threads, steps to run with them) where at most `steps` are left."""
        if self._best not in self._step_seconds:
            return self._best, 1
        step = self._step_seconds[self._best]
        best_run = min(steps, max(1, int(SLICE_SECONDS / step)))
        if len(self._losses) == 1:
            return self._best, best_run
        if not self._due:
            self._due = {
                size: self._now + self._retrial_seconds(size)
                for size in self._losses
                if size != self._best
            }
        candidate = min(self._due, key=self._due.__getitem__)
        until = self._due[candidate] - self._now
        if until > 0:
            return self._best, min(best_run, max(1, int(until / step)))
        # A probe of a few steps first: on a busy CPU a whole trial would be long.
        is_trial = self._promising or step > TRIAL_SECONDS
        trial = max(1, int(TRIAL_SECONDS / step)) if is_trial else PROBE_STEPS
        return candidate, min(steps, trial)

    def record(self, size: int, steps: int, seconds: float) -> None:
        """Record that `steps` steps with `size` threads took `seconds`."""
        self._now += seconds
        seconds /= max(1, steps)
        if size != self._best and not self._promising:
            best = self._step_seconds[self._best]
            # The threads' waking is a part of short steps. Long ones have to win twice, because one
            # noisy step costs many.
            if seconds < (best if best > TRIAL_SECONDS else 4 * best):
                self._promising = True
                return
        known = self._step_seconds.get(size) if size == self._best else None
        if known is not None:
            weight = min(1, steps * known / TRUSTED_SECONDS)
            seconds = known + (min(seconds, 2 * known) - known) * weight
        self._promising = False
        self._step_seconds[size] = seconds
        loser = size
        fastest = min(self._step_seconds, key=self._step_seconds.__getitem__)
        if fastest != self._best:
            del self._due[fastest]
            loser = self._best
            self._best = fastest
        if loser != fastest:
            self._losses[loser] += 1
            self._due[loser] = self._now + self._retrial_seconds(loser)

    def _retrial_seconds(self, size: int) -> float:
        """Training until `size` threads are tried again, three times as long after each loss."""
        step = self._step_seconds[self._best]
        first = max(WARMUP_SECONDS, WARMUP_STEPS * step)
        longest = max(MAX_RETRIAL_SECONDS, MAX_RETRIAL_STEPS * step)
        return min(first * 3 ** min(self._losses[size], 20), longest)
