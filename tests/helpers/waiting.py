"""Wait for other threads and processes, without a duration that a busy machine could exceed."""

import time

HUNG_SECONDS = 600  # for one fit, compilation of the kernels included, or one event


def soon(condition):
    """Poll the condition until it is true, for at most HUNG_SECONDS, and return its last value."""
    end = time.monotonic() + HUNG_SECONDS
    while not (done := condition()) and time.monotonic() < end:
        time.sleep(0)
    return done
