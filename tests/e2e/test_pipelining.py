# SPDX-License-Identifier: Apache-2.0
"""Command pipelining (RFC 2920): replies in order, whatever the packets."""
import pytest

from harness.server import message, token


def session(mark, sender="me@client.test"):
    return (b"EHLO client.test\r\nMAIL FROM:<%s>\r\nRCPT TO:<alice@example.org>\r\nRCPT TO:<nobody@example.org>\r\n"
            b"RCPT TO:<bob@example.org>\r\nDATA\r\n" % sender.encode() + message(mark) + b".\r\nVRFY alice\r\nQUIT\r\n")


CODES = [220, 250, 250, 250, 550, 250, 354, 250, 252, 221]


def test_a_whole_session_in_one_packet(demo):
    """RFC 2920 section 3.2. The content is sent before 354, which the demo tolerates like every server."""
    mark = token()
    with demo.raw() as c:
        c.send(session(mark))
        assert c.codes(len(CODES)) == CODES
        assert c.is_closed()
    for user in ("alice", "bob"):
        demo.mail(user, mark)


def test_a_whole_session_byte_by_byte(demo):
    """The same bytes give the same replies."""
    mark = token()
    with demo.raw() as c:
        c.send_bytewise(session(mark))
        assert c.codes(len(CODES)) == CODES
        assert c.is_closed()
    for user in ("alice", "bob"):
        demo.mail(user, mark)


def test_many_messages_in_one_packet(demo):
    """RFC 2920 section 3.2: as many transactions as the client likes."""
    marks = [token() for _ in range(20)]
    one = b"MAIL FROM:<a@b.test>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n"
    with demo.client() as c:
        c.send(b"".join(one + message(mark) + b".\r\n" for mark in marks) + b"QUIT\r\n")
        assert c.codes(20 * 4 + 1) == [250, 250, 354, 250] * 20 + [221]
    for mark in marks:
        demo.mail("alice", mark)


def test_replies_keep_their_order_around_lookups(demo):
    """RFC 2920 section 3.2: a reply that waits for another process holds up the later ones."""
    with demo.client("127.0.0.2") as c:
        c.send(b"VRFY alice\r\nNOOP\r\nVRFY nobody\r\nHELP\r\nEXPN team\r\nRSET\r\n")
        assert c.codes(6) == [250, 250, 550, 214, 250, 250]


def test_a_thousand_pipelined_commands(demo):
    """Output is paused and goes on; nothing is lost."""
    with demo.client() as c:
        c.send(b"NOOP\r\nVRFY x\r\n" * 500)
        assert c.codes(1000) == [250, 252] * 500


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_session_cut_in_two_anywhere(demo, cut):
    """RFC 5321 section 4.1.1: lines, not packets, make commands."""
    data = b"EHLO client.test\r\nNOOP\r\nVRFY alice\r\nHELP\r\nRSET\r\nQUIT\r\n"
    with demo.raw() as c:
        c.send(data[:cut]).send(data[cut:])
        assert c.codes(7) == [220, 250, 250, 252, 214, 250, 221]
