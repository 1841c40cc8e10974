#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A compromised neighbour speaks to each role. Whatever it says, the role stays alive, gives
up that channel at most, leaks nothing, and works with the next one (prints TAP)."""
import sys

import hostile_frames
import hostile_relay
import hostile_words
from role_setups import SETUPS
from role_tap import run

TESTS = [(f"{role}: {check.__name__}", role, check) for role in SETUPS for check in hostile_frames.CHECKS]
TESTS += [(f"{role}: {check.__name__}", role, check) for role, check in hostile_words.CHECKS]
TESTS += [(f"relay: {check.__name__}", "relay", check) for check in hostile_relay.CHECKS]

if __name__ == "__main__":
    sys.exit(run(TESTS))
