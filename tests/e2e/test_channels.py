# SPDX-License-Identifier: Apache-2.0
"""A channel between two roles that both live breaks: it is made anew, and nobody is restarted."""
import ctypes
import os
import socket

import pytest

from harness.deadline import until
from harness.server import message, token

PIDFD_GETFD = 438
CONTROL_FD = 3


def unix_sockets(pid):
    """Copies of the process's UNIX sockets but the one to its supervisor."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.pidfd_open(pid)
    try:
        for number in (int(name) for name in os.listdir(f"/proc/{pid}/fd")):
            if number <= CONTROL_FD or not os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:"):
                continue
            fd = libc.syscall(PIDFD_GETFD, handle, number, 0)
            if fd < 0:
                pytest.skip(f"no right to reach into a process: {os.strerror(ctypes.get_errno())}")
            sock = socket.socket(fileno=fd)
            if sock.family == socket.AF_UNIX and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 0:
                yield sock
            sock.close()
    finally:
        os.close(handle)


def break_channels(pid):
    count = 0
    for sock in unix_sockets(pid):
        sock.shutdown(socket.SHUT_RDWR)
        count += 1
    return count


@pytest.mark.parametrize("role, channels", [("smtpd", 2), ("policy", 2), ("queue", 5), ("delivery", 1), ("console", 1)])
def test_broken_channels_are_made_anew_while_the_roles_live(fresh_demo, role, channels):
    """Otherwise every client would hear 451 until somebody restarts the server."""
    demo = fresh_demo
    family = set(demo.family())
    since = len(demo.log())
    for _ in range(2):
        for pid in demo.roles(role):
            assert break_channels(pid) >= channels
        mark = token()

        def delivered(mark=mark):
            with demo.client("127.0.0.2") as c:
                c.cmd("MAIL FROM:<me@client.test>").is_(250)
                if c.cmd("RCPT TO:<alice@example.org>").code != 250:
                    return False
                return c.data(message(mark)).code == 250
        until(delivered, "mail is taken again", 10)
        demo.mail("alice", mark)
        until(lambda: demo.tool("status").returncode == 0, "the console hears the queue again", 10)
    demo.wait_log("ev=channel-again", since=since)
    assert set(demo.family()) == family
