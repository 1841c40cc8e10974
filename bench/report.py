# SPDX-License-Identifier: Apache-2.0
"""bench/RESULTS.md: one section for each kind of measurement, replaced as a whole by its next run."""
import datetime
import os
import platform
import re
import subprocess

HEAD = """\
# Results

Written by `make bench` (`bench/run`). Ratios count, absolute figures belong to the machine.

"""


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{os.cpu_count()} cores ({model}), Linux {platform.release()}, {platform.machine()}"


def filesystem(folder):
    done = subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "-T", folder], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def commit(top):
    done = subprocess.run(["git", "-C", top, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    sources = ["src", "catalogue", "meson.build"]
    changed = subprocess.run(["git", "-C", top, "status", "--porcelain", "-uno", "--", *sources],
                             capture_output=True, text=True)
    return (done.stdout.strip() or "unknown") + (" with changes" if changed.stdout.strip() else "")


def heading(top, title, folder):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return f"## {title}\n\n{now}, commit {commit(top)}. {machine()}, {filesystem(folder)}.\n\n"


def number(value):
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratio(a, b):
    return "–" if not a or not b else f"{a / b:.2f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" + " ---: |" * (len(head) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n\n"


def write(path, mode, text):
    """Replaces this mode's section and keeps the others."""
    old = ""
    if os.path.exists(path):
        with open(path) as f:
            old = f.read()
    sections = dict(re.findall(r"<!-- (\w+) -->\n(.*?)(?=<!-- \w+ -->|\Z)", old, re.S))
    sections[mode] = text
    with open(path, "w") as f:
        f.write(HEAD + "".join(f"<!-- {name} -->\n{sections[name].rstrip()}\n\n" for name in sorted(sections)))
