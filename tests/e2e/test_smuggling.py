# SPDX-License-Identifier: Apache-2.0
"""SMTP smuggling: what is not CRLF.CRLF never ends a message, and bytes inside a message never
become commands (RFC 5321 section 4.1.1.4)."""
import pytest

from harness.raw import Closed
from harness.server import message, token

ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r.\n", b"\r\n\0.\r\n",
        b"\r\n.\0\r\n", b"\r\r\n.\r\r\n", b"\r\n.\r\r\n", b"\r\n. \r\n", b"\n\n.\n\n", b"\r\n\x0b.\r\n",
        b"\xe2\x80\xa8.\xe2\x80\xa8", b"\xc2\x85.\xc2\x85", b"\r\n.\r\x00\n"]


def payload(inner, second):
    return (message(inner) + b"first%s"
            b"MAIL FROM:<forged@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
            + message(second, b"smuggled\r\n"))


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.hex())
def test_one_end_of_data_gives_one_reply_and_at_most_one_message(demo, source, end):
    """RFC 5321 section 4.1.1.4: one DATA, one end, one reply."""
    first, second, after = token("first"), token("second"), token("after")
    with demo.client(source) as c:
        c.begin("sender@client.test", "alice@example.org").cmd("DATA").is_(354)
        c.send(payload(first, second).replace(b"%s", end) + b"\r\n.\r\n")
        reply = c.reply()
        assert reply.code in (250, 554, 421), reply
        try:
            c.cmd("HELP").is_(214)  # exactly one reply came before
            c.begin("sender@client.test", "alice@example.org").data(message(after)).is_(250)
        except (Closed, BrokenPipeError, ConnectionResetError):
            assert reply.code == 421
            demo.deliver(message(after)).is_(250)
    demo.mail("alice", after)
    demo.settled()
    assert not demo.mails("bob", second), "the inner message was delivered"
    found = demo.mails("alice", first)
    assert len(found) == (1 if reply.code == 250 else 0)
    if found:
        assert second.encode() in found[0].raw  # as text of the one message


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.hex())
def test_the_same_bytes_one_by_one_are_seen_the_same_way(demo, end):
    """The outcome does not depend on packets."""
    first, second = token("first"), token("second")
    body = message(first, b"") + b"x" + end + b"RSET\r\n" + second.encode() + b"\r\n.\r\n"
    with demo.client() as c:
        c.begin("sender@client.test", "alice@example.org").cmd("DATA").is_(354)
        c.send_bytewise(body)
        reply = c.reply()
        assert reply.code in (250, 554, 421)
        if reply.code != 421:
            c.cmd("HELP").is_(214)
    demo.settled()
    assert len(demo.mails("alice", second)) == (1 if reply.code == 250 else 0)


def test_commands_after_the_true_end_are_commands(demo):
    """RFC 2920 section 3.1: what follows CRLF.CRLF in the same packet is the next command."""
    mark = token()
    with demo.client() as c:
        c.begin().cmd("DATA").is_(354)
        c.send(message(mark) + b".\r\nNOOP\r\nHELP\r\n")
        assert c.codes(3) == [250, 250, 214]
    demo.mail("alice", mark)


def test_a_first_line_that_is_the_dot_ends_an_empty_message(demo):
    """RFC 5321 section 4.1.1.4: the CRLF of the DATA line counts."""
    with demo.client() as c:
        c.begin().cmd("DATA").is_(354)
        c.send(b".\r\n").reply().is_(250)
        c.cmd("HELP").is_(214)


def test_a_refused_data_command_does_not_swallow_commands(demo):
    """RFC 2920 section 3.1: without 354 the following lines are commands."""
    with demo.client() as c:
        c.send(b"MAIL FROM:<a@b.test>\r\nRCPT TO:<nobody@example.org>\r\nDATA\r\nRSET\r\nHELP\r\n")
        codes = c.codes(5)
    assert codes[:2] == [250, 550] and codes[2] in (503, 554) and codes[3:] == [250, 214]
