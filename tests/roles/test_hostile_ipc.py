#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A compromised neighbour speaks to each role. Whatever it says, the role stays alive, gives
up that channel at most, leaks nothing, and works with the next one (prints TAP)."""
import os
import sys
import traceback

import hostile_frames
import hostile_relay
import hostile_words
from role_setups import SETUPS, make


LOG_SHOWN_BYTES = 3000


def run(program):
    tests = [(f"{role}: {check.__name__}", role, check) for role in SETUPS for check in hostile_frames.CHECKS]
    tests += [(f"{role}: {check.__name__}", role, check) for role, check in hostile_words.CHECKS]
    tests += [(f"relay: {check.__name__}", "relay", check) for check in hostile_relay.CHECKS]
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    tests = [test for test in tests if wanted in test[0]]
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for number, (title, role_name, check) in enumerate(tests, 1):
        made = None
        try:
            made = make(program, role_name)
            check(made)
            assert made.role.alive(), "the role ended"
            made.works()
            made.role.end()
            print(f"ok {number} - {title}", flush=True)
        except Exception:  # a failed check must not keep the others from running
            failed += 1
            print(f"not ok {number} - {title}", flush=True)
            log = made.role.log()[-LOG_SHOWN_BYTES:] if made else ""
            print("".join("# " + line + "\n" for line in (traceback.format_exc() + log).splitlines()), flush=True)
        finally:
            if made:
                made.close()
    return 1 if failed else 0


if __name__ == "__main__":
    if not os.path.exists(os.environ.get("WAYBILLD", "")):
        print("1..0 # skip WAYBILLD names no program")
        sys.exit(0)
    sys.exit(run(os.environ["WAYBILLD"]))
