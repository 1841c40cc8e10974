# SPDX-License-Identifier: Apache-2.0
"""Runs checks of roles, each with a process of its own, and prints TAP."""
import os
import sys
import traceback

from role_setups import make

LOG_SHOWN_BYTES = 3000


def run(tests):
    """`tests`: (title, role, check). The exit code of the script; its argument chooses among the titles."""
    program = os.environ.get("WAYBILLD", "")
    if not os.path.exists(program):
        print("1..0 # skip WAYBILLD names no program")
        return 0
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
