# SPDX-License-Identifier: Apache-2.0
"""What a server costs, read from /proc: CPU time and memory of a process and everything below it.

CPU of a tree is utime + stime of the living plus cutime + cstime (children that were waited for),
so a process counts once whether it still lives or was replaced during the run.
"""
import os

TICKS = os.sysconf("SC_CLK_TCK")


def stat_fields(pid):
    with open(f"/proc/{pid}/stat", "rb") as f:
        text = f.read().decode("latin-1")
    return text[text.rindex(")") + 2:].split()


def tree(root):
    """The process ids of root and all its living descendants."""
    children = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            children.setdefault(int(stat_fields(name)[1]), []).append(int(name))
        except OSError:
            continue
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo.extend(children.get(pid, []))
    return found


def cpu_seconds(root):
    ticks = 0
    for pid in tree(root):
        try:
            ticks += sum(int(n) for n in stat_fields(pid)[11:15])
        except OSError:
            continue
    return ticks / TICKS


def memory_bytes(root):
    """Proportional set size: shared pages count once over all the processes."""
    kib = 0
    for pid in tree(root):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                kib += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        except OSError:
            continue
    return kib * 1024
