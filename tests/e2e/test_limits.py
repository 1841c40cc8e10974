# SPDX-License-Identifier: Apache-2.0
"""Limits that the configuration sets: each has its defined reply (RFC 5321 sections 4.5.3 and 7.8)."""
import socket
import time

import pytest

from harness.deadline import until
from harness.raw import Closed, Raw
from harness.server import message, token


def test_recipients_over_the_limit_are_452_4_5_3_and_the_rest_is_delivered(server):
    """RFC 5321 section 4.5.3.1.10; RFC 9422: what LIMITS says holds."""
    s = server(sections={"limits": {"recipients": "100"}})
    mark = token()
    with s.raw() as c:
        c.reply()
        assert "RCPTMAX=100" in c.cmd("EHLO client.test").text
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        for i in range(100):
            c.cmd(f"RCPT TO:<alice+{i}@example.org>").is_(250)
        for _ in range(3):
            c.cmd("RCPT TO:<bob@example.org>").is_(452, "4.5.3")
        c.data(message(mark)).is_(250)
        c.begin("a@b.test", "bob@example.org").data(message(mark)).is_(250)
    s.mail("bob", mark)


def test_a_silent_client_is_told_421_and_closed(server):
    """RFC 5321 section 4.5.3.2.7 and 3.8: a time-out has a reply."""
    s = server(sections={"limits": {"command-timeout": '"1s"'}})
    begin = time.monotonic()
    with s.client() as c:
        reply = c.reply().is_(421, "4.4.2")
        assert c.is_closed(), reply
    assert 0.8 < time.monotonic() - begin < 6


def test_a_client_that_drips_a_command_is_closed_too(server):
    """The time for a command is not extended by each byte."""
    s = server(sections={"limits": {"command-timeout": '"1s"'}})
    begin = time.monotonic()
    with s.client() as c:
        c.sock.settimeout(0.1)
        while time.monotonic() - begin < 8:
            try:
                c.send(b"N")
                c.reply().is_(421)
                break
            except TimeoutError:
                continue
            except (Closed, BrokenPipeError, ConnectionResetError):
                break
        else:
            raise AssertionError("still open after 8 s")


def test_data_that_stops_coming_is_421_and_leaves_nothing(server):
    """RFC 5321 section 4.5.3.2.5."""
    s = server(sections={"limits": {"data-timeout": '"1s"'}})
    mark = token()
    with s.client() as c:
        c.begin().cmd("DATA").is_(354)
        c.send(message(mark))
        c.reply().is_(421, "4.4.2")
        assert c.is_closed()
    s.settled()
    assert not s.mails("alice", mark)


def test_bad_commands_over_the_limit_are_421(server):
    """RFC 5321 section 7.8."""
    s = server(sections={"limits": {"bad-commands": "3"}})
    with s.client() as c:
        codes = [c.cmd("XYZZY").code for _ in range(3)]
        codes.append(c.cmd("XYZZY").code if codes[-1] == 500 else None)
    assert 421 in codes and codes[0] == 500


def test_messages_over_the_limit_of_a_connection_are_refused_for_now(server):
    """RFC 9422 MAILMAX."""
    s = server(sections={"limits": {"messages-per-connection": "2"}})
    with s.raw() as c:
        c.reply()
        assert "MAILMAX=2" in c.cmd("EHLO client.test").text
        for _ in range(2):
            c.begin().data(message(token())).is_(250)
        assert c.cmd("MAIL FROM:<a@b.test>").code in (451, 421)


def test_connections_over_the_limit_of_a_client_are_421(server):
    """RFC 5321 section 3.1 and 7.8; other clients are served."""
    s = server(sections={"limits": {"connections-per-client": "5"}})
    open_ones = []
    try:
        refused = 0
        for _ in range(30):
            raw = Raw(s.port, "127.0.0.1")
            open_ones.append(raw)
            refused += raw.reply().code == 421
        assert refused >= 15  # 5 for each smtpd process at most
        with s.client("127.0.0.3") as other:
            other.cmd("NOOP").is_(250)
        for _ in range(10):  # trusted clients have no such limit
            raw = Raw(s.port, "127.0.0.2")
            open_ones.append(raw)
            raw.reply().is_(220)
    finally:
        for raw in open_ones:
            raw.close()


def test_all_connections_over_the_limit_are_421_and_room_comes_back(server):
    """RFC 5321 section 3.1."""
    s = server(sections={"limits": {"connections": "10", "connections-per-client": "0"}})
    open_ones = [Raw(s.port, "127.0.0.3") for _ in range(40)]
    try:
        codes = [raw.reply().code for raw in open_ones]
    finally:
        for raw in open_ones:
            raw.close()
    assert set(codes) == {220, 421} and codes.count(220) <= 12
    until(s.greets, "a new client is greeted")


@pytest.mark.parametrize("command", [b"HELP\r\n", b"NOOP\r\n"])
def test_a_client_that_does_not_read_is_closed(server, command):
    """Neither in a session nor after its last word does output wait for ever."""
    s = server(sections={"limits": {"command-timeout": '"2s"'}})
    since = len(s.log())
    with s.raw("127.0.0.2") as c:
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        c.sock.settimeout(0.5)
        try:
            while True:
                c.sock.sendall(command * 1000)
        except (TimeoutError, ConnectionError):
            pass
        s.wait_log('ev=disconnected .*why="the client does not read"', 20, since)
    s.deliver(message(token())).is_(250)


def test_recipients_that_are_too_long_together_are_refused_truthfully(server):
    """RFC 5321 section 4.5.3.1.10: 452; nobody waits for an answer, and others are served."""
    s = server(sections={"limits": {"recipients": "10000"}, "queue": {"paused": "yes"},
                         'route "*"': {"via": '"smtp://[127.0.0.1]:9"'}})
    domain = ".".join(["d" * 60] * 3) + ".test"
    with s.client("127.0.0.2", timeout=60) as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        codes = []
        for first in range(0, 6000, 100):
            c.send(b"".join(f"RCPT TO:<{number:060}@{domain}>\r\n".encode() for number in range(first, first + 100)))
            codes += c.codes(100)
        assert set(codes) <= {250, 452}, set(codes)
        c.cmd("DATA").is_(354)
        answer = c.send(message(token()) + b".\r\n").reply()
        assert answer.code in (250, 452), answer
        assert answer.code == 452 or 452 in codes
        c.cmd("NOOP").is_(250)
        c.begin("a@b.test").data(message(token())).is_(250)
    s.deliver(message(token())).is_(250)
