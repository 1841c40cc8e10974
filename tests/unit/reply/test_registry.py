#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every enumerated enhanced code of the IANA registry has its own entry in the catalogue, and none is invented."""
import csv
import os
import sys
import tomllib

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".."))
PLACE = os.environ.get("WAYBILL_CONFORMANCE") or os.path.join(ROOT, "..", "shared", "conformance")
REGISTRY = os.path.join(PLACE, "codes", "iana-smtp-enhanced-status-codes.csv")


def main():
    if not os.path.exists(REGISTRY):
        print("1..0 # SKIP the registry is not here")
        return
    with open(REGISTRY, encoding="utf-8", newline="") as file:
        registered = {row["Code"].removeprefix("X.") for row in csv.DictReader(file)}
    with open(os.path.join(ROOT, "catalogue", "replies.toml"), "rb") as file:
        data = tomllib.load(file)
    details = [raw["detail"] for raw in data["detail"]]
    spelled = {raw["code"].split(".", 1)[1] for raw in data["enhanced"]}
    same = sorted(name for name in details if len({raw["description"] for raw in data["detail"]}) != len(details))
    checks = [("the registry is read", len(registered) > 60, len(registered)),
              ("each registered code has an entry", registered <= set(details), sorted(registered - set(details))),
              ("each entry is registered", set(details) <= registered, sorted(set(details) - registered)),
              ("each code of a class is a registered one", spelled <= set(details), sorted(spelled - set(details))),
              ("no two entries share their description", not same, same)]
    print(f"1..{len(checks)}")
    for number, (what, good, found) in enumerate(checks, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {what}" + ("" if good else f": {found}"))
    sys.exit(0 if all(good for _, good, _ in checks) else 1)


if __name__ == "__main__":
    main()
