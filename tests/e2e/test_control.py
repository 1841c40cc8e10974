# SPDX-License-Identifier: Apache-2.0
"""The control socket of the `waybill` command: the administrator's alone, and deaf to nonsense."""
import os
import socket
import stat

import pytest

from harness.deadline import until
from harness.server import message, token


def control_path(server):
    for where, _, names in os.walk(server.dir):
        for name in names:
            path = os.path.join(where, name)
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                return path
    raise AssertionError("no socket below the demo's folder")


def test_the_control_socket_is_closed_to_others(demo):
    """Mode 0600, so that only its owner steers the server."""
    assert os.lstat(control_path(demo)).st_mode & 0o077 == 0


@pytest.mark.parametrize("sent", [b"", b"\n", b"nonsense\n", b"\0\0\0\0", b"x" * 100000, b"status" * 1000 + b"\n",
                                  b"\xff\xfe\n", b"pause", b"GET / HTTP/1.1\r\n\r\n"])
def test_nonsense_on_the_control_socket_does_no_harm(demo, sent):
    """The client is dropped or told; every role lives on."""
    before = set(demo.family())
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(5)
        s.connect(control_path(demo))
        try:
            s.sendall(sent)
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass
    assert demo.status()["roles"]
    assert set(demo.family()) == before


def test_many_visitors_who_say_nothing_lock_nobody_out(demo):
    """Their number is bounded; the oldest silent one makes room."""
    visitors = []
    try:
        for _ in range(100):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(5)
            visitors.append(s)
            try:
                s.connect(control_path(demo))
            except OSError:
                break
        mark = token()
        demo.deliver(message(mark)).is_(250)  # mail does not wait for them
        until(lambda: demo.tool("status").returncode == 0, "status answers", 5)
        demo.mail("alice", mark)
    finally:
        for s in visitors:
            s.close()
