# SPDX-License-Identifier: Apache-2.0
"""Bytes of the content: sizes, line ends, odd octets (RFC 5321 sections 2.3.8, 4.1.1.4, 4.5.2, 4.5.3)."""
import pytest

from harness.raw import Closed
from harness.server import message, token


def lf(content):
    return content.replace(b"\r\n", b"\n")


def advertised_size(c):
    c.reply()
    for line in c.cmd("EHLO client.test").is_(250).lines:
        if line.startswith("SIZE "):
            return int(line.split()[1])
    raise AssertionError("no SIZE")


def test_data_is_answered_354(demo):
    """RFC 5321 section 4.1.1.4."""
    with demo.client() as c:
        c.begin().cmd("DATA").is_(354)


def test_a_declared_size_over_the_limit_is_552_at_mail(demo):
    """RFC 1870 section 6.1."""
    with demo.raw() as c:
        size = advertised_size(c)
        c.cmd(f"MAIL FROM:<a@b.test> SIZE={size + 1}").is_(552, "5.3.4")
        c.cmd(f"MAIL FROM:<a@b.test> SIZE={size}").is_(250)


@pytest.mark.parametrize("size", ["99999999999999999999", "-1", "", "0x10"])
def test_an_impossible_size_is_refused(demo, size):
    """RFC 1870 section 3: 1 to 20 digits."""
    with demo.client() as c:
        assert c.cmd(f"MAIL FROM:<a@b.test> SIZE={size}").code in (501, 552)


def test_content_over_the_limit_is_552_after_its_end(server):
    """RFC 5321 section 4.5.3.1.7 and 4.2.3; the session goes on."""
    s = server(sections={"limits": {"message-size": '"100KiB"'}})
    mark = token()
    with s.client() as c:
        c.begin().data(message(mark, b"x" * 78 + b"\r\n")).is_(250)
        c.begin().data(message(token(), (b"y" * 78 + b"\r\n") * 2000)).is_(552, "5.3.4")
        c.begin().data(message(token(), (b"z" * 78 + b"\r\n") * 10000)).is_(552, "5.3.4")
        c.cmd("NOOP").is_(250)
    s.mail("alice", mark)
    s.settled()
    assert not s.mails("alice", b"yyyy") and not s.mails("alice", b"zzzz")


def test_content_far_over_the_limit_ends_the_session(server):
    """RFC 5321 section 7.8: what is read only to be dropped has its bound; then the reply, and the end."""
    s = server(sections={"limits": {"message-size": '"100KiB"'}})
    with s.client() as c:
        c.begin().cmd("DATA").is_(354)
        try:
            for _ in range(200):
                c.send(b"y" * 62 + b"\r\n" + (b"z" * 62 + b"\r\n") * 1023)
            raise AssertionError("13 MB were read for a message of at most 100 KiB")
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert s.greets()


def test_lines_of_60_kib_are_delivered(demo):
    """RFC 5321 section 4.5.3.1.6 asks for 1,000 octets; objects longer than that should be taken."""
    mark = token()
    body = b"x" * 60 * 1024 + b"\r\n" + b"y" * 1000 + b"\r\n"
    demo.deliver(message(mark, body)).is_(250)
    assert demo.mail("alice", mark).body == lf(body)


def test_a_line_without_end_is_refused_and_memory_stays_bounded(demo):
    """RFC 5321 section 4.5.3.1: the limit has a defined reply."""
    with demo.client() as c:
        c.begin().data(message(token(), b"x" * 4_000_000 + b"\r\n")).is_(554)
        c.cmd("NOOP").is_(250)


def test_undeclared_8_bit_is_accepted_and_kept(demo):
    """RFC 6152 section 3: taken as 8BITMIME."""
    mark = token()
    body = bytes(range(0x80, 0x100)) + b"\r\n"
    demo.deliver(message(mark, body)).is_(250)
    assert demo.mail("alice", mark).body == lf(body)


def test_control_characters_but_nul_are_kept(demo):
    """RFC 5321 section 4.5.2."""
    mark = token()
    body = bytes(b for b in range(1, 32) if b not in (10, 13)) + b"\x7f\r\n"
    demo.deliver(message(mark, body)).is_(250)
    assert demo.mail("alice", mark).body == lf(body)


def test_a_nul_is_refused_after_the_end(demo):
    """RFC 5321 section 4.1.1.4 with RFC 5322 section 2.2: no NUL."""
    with demo.client() as c:
        c.begin().data(message(token(), b"a\0b\r\n")).is_(554)
        c.cmd("NOOP").is_(250)


@pytest.mark.parametrize("body", [b"a\nb\r\n", b"a\rb\r\n", b"a\n\r\nb\r\n", b"a\r\r\nb\r\n", b"\n", b"\r"])
def test_a_bare_newline_from_a_stranger_is_refused_after_the_end(demo, body):
    """RFC 5321 section 2.3.8: CR and LF only together."""
    mark = token()
    with demo.client() as c:
        end = b"" if body.endswith(b"\r\n") else b"\r\n"
        c.begin().data(message(mark, body + end)).is_(554)
        c.cmd("NOOP").is_(250)
    assert not demo.mails("alice", mark)


@pytest.mark.parametrize("body, repaired", [(b"a\nb\r\n", b"a\nb\n"), (b"a\rb\r\n", b"a\nb\n")])
def test_a_bare_newline_from_a_trusted_client_is_repaired(demo, body, repaired):
    """The stored message has CRLF only; a bare CR or LF has become one."""
    mark = token()
    demo.deliver(message(mark, body), source="127.0.0.2").is_(250)
    assert demo.mail("alice", mark).body == repaired


def test_a_repaired_newline_does_not_end_the_message(demo):
    """Only CRLF.CRLF ends the data, for trusted clients too."""
    mark = token()
    demo.deliver(message(mark, b"a\n.\nb\r\n"), source="127.0.0.2").is_(250)
    assert b"b\n" in demo.mail("alice", mark).body


def test_a_disconnect_inside_the_data_leaves_nothing(demo):
    """RFC 5321 section 4.1.1.10 and 3.8: an unfinished transaction is dropped."""
    mark = token()
    with demo.client() as c:
        c.begin().cmd("DATA").is_(354)
        c.send(message(mark, b"half of it\r\n"))
    with demo.client() as c:
        c.begin().cmd("DATA").is_(354)
        c.send(message(mark, b"all but the dot\r\n") + b".")
    with demo.client() as c:
        c.begin().cmd("DATA").is_(354)
        c.send(message(mark, b"closed for sending\r\n")).finish_sending()
        assert b"250" not in c.rest()
    after = token()
    demo.deliver(message(after)).is_(250)
    demo.mail("alice", after)
    demo.settled()
    assert not demo.mails("alice", mark)


def test_the_final_dot_is_found_wherever_the_packets_end(demo):
    """RFC 5321 section 4.1.1.4."""
    for cut in range(6):
        mark = token()
        content = message(mark) + b".\r\n"
        with demo.client() as c:
            c.begin().cmd("DATA").is_(354)
            c.send(content[:len(content) - cut])
            c.send(content[len(content) - cut:])
            c.reply().is_(250)
        demo.mail("alice", mark)


def test_a_client_that_never_reads_does_not_make_memory_grow(demo):
    """Output is bounded: the server stops reading from a client that does not read."""
    with demo.client() as c:
        c.sock.settimeout(2)
        try:
            for _ in range(400):
                c.send(b"NOOP\r\n" * 10000)
        except (TimeoutError, ConnectionResetError, BrokenPipeError):
            pass
        else:
            raise AssertionError("24 MB of commands were taken without a reply being read")
    with demo.client() as c:
        c.cmd("NOOP").is_(250)


def test_nothing_is_read_after_quit(demo):
    """RFC 5321 section 4.1.1.10."""
    with demo.client() as c:
        c.send(b"QUIT\r\nMAIL FROM:<a@b.test>\r\n")
        assert c.reply().code == 221
        try:
            assert c.reply() is None
        except Closed:
            pass
