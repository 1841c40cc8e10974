# SPDX-License-Identifier: Apache-2.0
"""A full disk: refused for now, never lost or half; and recovery when space returns."""
import os
import subprocess

import pytest

from harness.deadline import until
from harness.server import message, token

MIB = 1 << 20
SMALL = {"queue": {"paused": "yes", "segment-size": '"2MiB"'}}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 40 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)],
                                           capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def fill(path):
    """Takes all space that is left."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        while True:
            os.write(fd, b"b" * 65536)
    except OSError:
        os.close(fd)


def fill_until_refused(s, body):
    """Sends until a refusal; the marks of the acknowledged and the refusal."""
    marks = []
    for _ in range(2000):
        mark = token("full")
        with s.client("127.0.0.2") as c:
            code = c.cmd("MAIL FROM:<a@b.test>")
            if code.code == 250:
                code = c.cmd("RCPT TO:<alice@example.org>")
            if code.code == 250:
                code = c.data(message(mark, body))
            if code.code != 250:
                c.cmd("NOOP").is_(250)  # the session goes on
                return marks, code
        marks.append(mark)
    raise AssertionError("the disk was never full")


@pytest.mark.parametrize("size", [30 * 1024, 2 * MIB])
def test_a_full_disk_is_452_4_3_1_and_space_that_returns_is_used(server, small_disk, size):
    """RFC 5321 section 4.2.3 and 6.1: 452, nothing of the refused message is kept, all else is."""
    s = server(top={"data": f'"{small_disk}/data"'}, sections=SMALL, start=False)
    (small_disk / "data").mkdir()
    ballast = small_disk / "ballast"
    s.start()
    body = b"x" * 76 + b"\r\n"
    body *= size // len(body)
    marks, refusal = fill_until_refused(s, body)
    refusal.is_(452, "4.3.1")
    assert len(marks) * size > 4 * MIB
    assert s.queued() == len(marks)
    assert not ballast.exists()

    assert s.tool("queue", "resume").returncode == 0
    for mark in marks[:3]:
        s.mail("alice", mark, 30)
    s.settled(60)

    def accepted_again():
        with s.client("127.0.0.2") as c:
            c.cmd("MAIL FROM:<a@b.test>").is_(250)
            if c.cmd("RCPT TO:<alice@example.org>").code != 250:
                return False
            return c.data(message(token("again"), body)).code == 250
    until(accepted_again, "mail is accepted again", 15)
    s.settled(30)
    delivered = len(os.listdir(s.maildir("alice") + "/new"))
    assert delivered == len(marks) + 1


def test_a_kill_on_a_full_disk_loses_nothing(server, small_disk):
    """Start-up works without free space."""
    s = server(top={"data": f'"{small_disk}/data"'}, sections=SMALL, start=False)
    (small_disk / "data").mkdir()
    s.start()
    marks, refusal = fill_until_refused(s, (b"y" * 76 + b"\r\n") * 400)
    refusal.is_(452)
    s.kill_all()
    s.start()
    assert s.queued() == len(marks)
    assert s.tool("queue", "resume").returncode == 0
    s.settled(60)
    assert len(os.listdir(s.maildir("alice") + "/new")) == len(marks)


def test_another_program_that_fills_the_disk_delays_mail_only(server, small_disk):
    """Refused while it is full, accepted when it is not."""
    s = server(top={"data": f'"{small_disk}/data"'}, sections=SMALL, start=False)
    (small_disk / "data").mkdir()
    s.start()
    kept = token("kept")
    s.deliver(message(kept), source="127.0.0.2").is_(250)
    ballast = small_disk / "ballast"
    fill(ballast)
    marks, refusal = fill_until_refused(s, (b"z" * 76 + b"\r\n") * 400)
    refusal.is_(452, "4.3.1")
    ballast.unlink()

    def accepted_again():
        with s.client("127.0.0.2") as c:
            c.cmd("MAIL FROM:<a@b.test>").is_(250)
            return (c.cmd("RCPT TO:<alice@example.org>").code == 250
                    and c.data(message(token("again"), b"z" * 76 + b"\r\n")).code == 250)
    until(accepted_again, "mail is accepted again", 15)
    assert s.tool("queue", "resume").returncode == 0
    s.mail("alice", kept)
    s.settled(60)
