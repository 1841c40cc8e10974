# SPDX-License-Identifier: Apache-2.0
"""Connections that wait: their memory and descriptors are bounded and come back; others' never come."""
import os
import select
import socket
import struct

import pytest

from harness import processes
from harness.deadline import until
from harness.raw import Raw
from harness.server import message, sanitized, token

CONNECTIONS = 800
SANITIZER_KIB = 64  # red zones, quarantine and shadows
PLAIN_KIB = 4


def allowed_kib():
    return SANITIZER_KIB if sanitized() else PLAIN_KIB


def test_an_idle_connection_takes_little_memory_and_gives_it_back(demo):
    """Design: at most 4 KiB of process memory for an idle connection (more in a sanitizer build)."""
    pids = demo.roles("smtpd")
    clients = []
    try:
        for _ in range(50):
            clients.append(demo.client("127.0.0.2"))
        before = sum(processes.memory_kib(pid) for pid in pids)
        for _ in range(CONNECTIONS):
            clients.append(demo.client("127.0.0.2"))
        grown = sum(processes.memory_kib(pid) for pid in pids) - before
        assert grown / CONNECTIONS <= allowed_kib(), f"{grown / CONNECTIONS:.1f} KiB for each"
        assert all(c.cmd("NOOP").code == 250 for c in clients[::50])
    finally:
        for c in clients:
            c.close()
    until(lambda: all(processes.descriptors(pid) < 60 for pid in pids), "descriptors are given back")


def test_clients_that_connect_and_say_nothing_do_no_harm(demo):
    """Others are served meanwhile."""
    silent = [Raw(demo.port, "127.0.0.2") for _ in range(300)]
    try:
        with demo.client() as c:
            c.cmd("NOOP").is_(250)
    finally:
        for raw in silent:
            raw.close()
    with demo.client() as c:
        c.cmd("NOOP").is_(250)


def test_connections_reset_at_every_moment_do_no_harm(demo):
    """RFC 5321 section 3.8: a connection may break anywhere."""
    steps = [b"EHLO client.test\r\n", b"MAIL FROM:<a@b.test>\r\n", b"RCPT TO:<alice@example.org>\r\n", b"DATA\r\n",
             b"half a", b" line\r\n", b".\r\n"]
    for i in range(70):
        raw = Raw(demo.port)
        raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            raw.send(b"".join(steps[:i % (len(steps) + 1)]))
        except OSError:
            pass
        raw.close()
    with demo.client() as c:
        c.cmd("NOOP").is_(250)
    demo.settled()


def test_descriptors_of_whoever_starts_the_server_reach_no_role(server):
    """A role holds what it was given and nothing else."""
    s = server(start=False)
    foreign = os.open(s.conf, os.O_RDONLY)
    os.set_inheritable(foreign, True)
    os.dup2(foreign, 777, inheritable=True)
    try:
        s.start(close_fds=False)
    finally:
        os.close(foreign)
        os.close(777)
    for pid in s.family():
        held = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        assert s.conf not in held, (processes.role_of(pid), held)


def stalled_pipe():
    return os.pipe()


def stalled_socket():
    ends = socket.socketpair()
    return ends[0].detach(), ends[1].detach()


@pytest.mark.parametrize("make", [stalled_pipe, stalled_socket])
def test_a_log_that_nobody_reads_stops_neither_mail_nor_the_end(server, make):
    """A stalled reader costs lines of the log; when it reads again, it is told how many."""
    s = server(start=False)
    reader, writer = make()
    try:
        s.start(stderr=writer)
        mark = token()
        for _ in range(1500):
            with s.raw() as c:
                c.reply().is_(220)
                c.send(b"X\r\n" * 10 + b"QUIT\r\n").replies(11)
        s.deliver(message(mark)).is_(250)
        s.mail("alice", mark)
        heard = b""
        while b"ev=log-dropped" not in heard:
            assert select.select([reader], [], [], 10)[0], heard[-300:]
            heard += os.read(reader, 65536)
        for _ in range(1500):
            with s.raw() as c:
                c.reply().is_(220)
                c.cmd("QUIT")
        s.stop()
    finally:
        os.close(reader)
        os.close(writer)
