# SPDX-License-Identifier: Apache-2.0
"""Mbox files: as Python's mailbox module reads them, and byte by byte."""
import collections
import fcntl
import mailbox
import os
import random
import re
import threading
import time

FROM_LINE = re.compile(rb"^From (\S+) (\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})$")


def split(raw):
    """The messages of an mbox in the mboxrd dialect, (sender, date, bytes without quoting); whatever is none fails."""
    found = []
    assert raw == b"" or raw.startswith(b"From "), raw[:200]
    assert raw == b"" or raw.endswith(b"\n\n"), raw[-200:]
    for part in re.split(rb"(?<=\n\n)(?=From )", raw):
        if not part:
            continue
        first, _, rest = part.partition(b"\n")
        match = FROM_LINE.match(first)
        assert match, first
        assert not re.search(rb"^From ", rest, re.M), "a From line that nobody quoted"
        found.append((match[1], match[2], re.sub(rb"^>(>*From )", rb"\1", rest[:-1], flags=re.M)))
    return found


def read(path):
    """All messages, under a lock, so that none is half there."""
    if not os.path.exists(path):
        return []
    with open(path, "rb") as f:
        fcntl.lockf(f, fcntl.LOCK_SH)
        return split(f.read())


def marks(messages):
    """X-Mark -> how often."""
    found = collections.Counter()
    for _, _, content in messages:
        found[re.search(rb"^X-Mark: (.*)$", content, re.M)[1].decode()] += 1
    return found


class Reader:
    """A mail program that locks, reads, takes a part of the messages away and rewrites the file, again and again."""

    def __init__(self, path):
        self.path = path
        self.taken = []
        self.rounds = self.clashes = 0
        self.failure = None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join(60)
        assert not self.thread.is_alive(), "the reader hangs"
        if self.failure:
            raise self.failure

    def run(self):
        try:
            while not self.stopping.is_set():
                if os.path.exists(self.path):
                    self.one()
                self.stopping.wait(0.01 * random.random())
        except Exception as failure:  # shown by the test's thread
            self.failure = failure

    def one(self):
        box = mailbox.mbox(self.path, create=False)
        try:
            box.lock()
        except mailbox.ExternalClashError:
            self.clashes += 1
            box.close()
            return
        try:
            for key in box.keys()[::2]:
                # As it stands in the file, so that it can be looked at as the whole file is.
                self.taken += split(box.get_bytes(key, from_=True) + b"\n")
                box.remove(key)
            time.sleep(0.005)
            box.flush()
            self.rounds += 1
        finally:
            box.unlock()
            box.close()


__all__ = ["Reader", "marks", "read", "split"]
