"""Wait for other threads, without a duration that a busy machine could exceed."""

import time


def soon(condition):
    """Poll the condition until it is true, for at most 60 seconds, and return its last value."""
    end = time.monotonic() + 60
    while not (done := condition()) and time.monotonic() < end:
        time.sleep(0)
    return done
