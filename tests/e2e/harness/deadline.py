# SPDX-License-Identifier: Apache-2.0
"""Waiting for an event, never for a time."""
import time

LOOK_AGAIN = 0.01


def until(found, what, seconds=10.0):
    """The first true value of found(); fails after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = found()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(LOOK_AGAIN)
