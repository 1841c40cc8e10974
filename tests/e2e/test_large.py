# SPDX-License-Identifier: Apache-2.0
"""Messages that outgrow memory: their content travels in a descriptor."""
import hashlib
import os

import pytest

from harness import processes
from harness.deadline import until
from harness.server import message, token


def large(mark, size):
    line = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ..............\r\n"
    return message(mark, b".\r\n" + line * (size // len(line)))


def stuffed(content):
    return content.replace(b"\r\n.", b"\r\n..")


@pytest.mark.parametrize("size", [200 * 1024, 256 * 1024 - 400, 256 * 1024 + 1, 300 * 1024, 1 << 20, 20 << 20])
def test_a_message_of_any_size_is_delivered_byte_for_byte(demo, size):
    """RFC 5321 section 4.5.3.1.7: no limit but the one that SIZE names."""
    mark = token("large")
    content = large(mark, size)
    with demo.client() as c:
        c.begin("me@client.test", "alice@example.org", "bob@example.org", params=f" SIZE={len(content)}")
        c.data(stuffed(content)).is_(250)
    wanted = hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()
    for user in ("alice", "bob"):
        mail = demo.mail(user, mark)
        assert hashlib.sha256(mail.content()).hexdigest() == wanted
        os.unlink(mail.path)


def test_several_large_messages_at_once(demo):
    """Each has its own segment."""
    marks = [token("large") for _ in range(4)]
    contents = [stuffed(large(mark, 2 << 20)) + b".\r\n" for mark in marks]
    clients = [demo.client() for _ in marks]
    for c in clients:
        c.begin().cmd("DATA").is_(354)
    for at in range(0, len(contents[0]), 65536):
        for c, content in zip(clients, contents):
            c.send(content[at:at + 65536])
    for c in clients:
        c.reply().is_(250)
        c.quit()
    for mark in marks:
        os.unlink(demo.mail("alice", mark).path)


def test_a_large_message_is_dropped_by_rset_and_by_a_disconnect(demo):
    """RFC 5321 section 4.1.1.5: nothing of it stays, and its space comes back."""
    mark = token("large")
    content = large(mark, 1 << 20)
    chunk = b"BDAT %d\r\n" % len(content) + content
    with demo.client() as c:
        c.begin().send(chunk).reply().is_(250)
        c.cmd("RSET").is_(250)
        c.begin().send(chunk).reply().is_(250)
    with demo.client() as c:
        c.begin().cmd("DATA").is_(354)
        c.send(stuffed(content))
    demo.settled()
    assert not demo.mails("alice", mark)
    status = demo.status()["queue"]
    assert status["messages"] == 0 and status["recipients"] == 0


def test_a_large_message_with_a_bare_newline_is_refused_whole(demo):
    """Found late, refused all the same."""
    mark = token("large")
    with demo.client() as c:
        c.begin().data(stuffed(large(mark, 1 << 20)) + b"a\nb\r\n").is_(554)
        c.cmd("NOOP").is_(250)
    demo.settled()
    assert not demo.mails("alice", mark)


def test_memory_does_not_grow_with_the_message(demo):
    """A 20 MiB message takes no 20 MiB of any role but where the sanitizer keeps shadows."""
    pids = [pid for name in ("smtpd", "queue", "delivery") for pid in demo.roles(name)]
    before = {pid: int(processes.status_field(pid, "VmHWM").split()[0]) for pid in pids}
    mark = token("large")
    demo.deliver(stuffed(large(mark, 20 << 20))).is_(250)
    os.unlink(demo.mail("alice", mark, 30).path)
    for pid, kib in before.items():
        grown = int(processes.status_field(pid, "VmHWM").split()[0]) - kib
        assert grown < 12 * 1024, f"{processes.role_of(pid)} grew by {grown} KiB"


def test_the_queue_is_empty_and_small_afterwards(demo):
    """The space of large messages is won back."""
    demo.settled()

    def used():
        return sum(os.stat(os.path.join(where, name)).st_blocks * 512
                   for where, _, names in os.walk(demo.dir) for name in names if "/mail/" not in where + "/")
    until(lambda: used() < 160 << 20, "less than 160 MiB besides mail", 10)
