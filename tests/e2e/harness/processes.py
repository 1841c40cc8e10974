# SPDX-License-Identifier: Apache-2.0
"""Processes as /proc shows them."""
import os


def _fields(pid):
    with open(f"/proc/{pid}/stat", "rb") as f:
        text = f.read().decode("latin-1")
    return text[text.rindex(")") + 2:].split()


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def alive(pid):
    """Running, not merely waiting to be collected."""
    try:
        return _fields(pid)[0] not in ("Z", "X")
    except OSError:
        return False


def children(pid):
    """Living children. They are found by their parent, which needs no help of the kernel's configuration."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = _fields(int(name))
            except OSError:
                continue
            if int(fields[1]) == pid and fields[0] not in ("Z", "X"):
                found.append(int(name))
    return sorted(found)


def role_of(pid):
    """The NAME of "--role NAME" (or "--role=NAME"), or None."""
    words = command_line(pid)
    for i, word in enumerate(words):
        if word == "--role" and i + 1 < len(words):
            return words[i + 1]
        if word.startswith("--role="):
            return word.split("=", 1)[1]
    return None


def memory_kib(pid):
    """Memory that is this process's own (proportional set size, shared pages split)."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def status_field(pid, name):
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.startswith(name + ":"):
                return line.split(":", 1)[1].strip()
    return None
