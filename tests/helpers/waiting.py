"""Waiting for what other threads do, without a duration that a busy machine could exceed."""

import time


def soon(condition):
    """What the condition gives when it has become true, or at last."""
    end = time.monotonic() + 60
    while not (done := condition()) and time.monotonic() < end:
        time.sleep(0)
    return done
