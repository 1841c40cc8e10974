# SPDX-License-Identifier: Apache-2.0
"""CHUNKING (RFC 3030)."""
import pytest

from harness.server import message, token


def chunk(data, last=False):
    return b"BDAT %d%s\r\n" % (len(data), b" LAST" if last else b"") + data


def test_one_last_chunk_is_a_message(demo):
    """RFC 3030 section 2."""
    mark = token()
    with demo.client() as c:
        c.begin().send(chunk(message(mark), last=True)).reply().is_(250, "2.0.0")
    assert demo.mail("alice", mark).content() == message(mark).replace(b"\r\n", b"\n")


def test_several_chunks_and_an_empty_last_one(demo):
    """RFC 3030 section 2: BDAT 0 LAST ends a message."""
    mark = token()
    content = message(mark, b"first\r\n.\r\nnot the end\r\n..\r\n")
    with demo.client() as c:
        c.begin()
        for at in range(0, len(content), 7):
            c.send(chunk(content[at:at + 7])).reply().is_(250)
        c.send(chunk(b"", last=True)).reply().is_(250)
    assert demo.mail("alice", mark).content() == content.replace(b"\r\n", b"\n")


def test_dots_are_not_special_in_chunks(demo):
    """RFC 3030 section 2: no transparency procedure."""
    mark = token()
    with demo.client() as c:
        c.begin().send(chunk(message(mark, b".\r\n..\r\n"), last=True)).reply().is_(250)
    assert demo.mail("alice", mark).body == b".\n..\n"


def test_chunks_may_be_pipelined_with_everything_else(demo):
    """RFC 3030 section 4.1 with RFC 2920."""
    mark = token()
    content = message(mark)
    with demo.client() as c:
        c.send(b"MAIL FROM:<a@b.test>\r\nRCPT TO:<alice@example.org>\r\n" + chunk(content[:30])
               + chunk(content[30:], True) + b"NOOP\r\n")
        assert c.codes(5) == [250, 250, 250, 250, 250]
    demo.mail("alice", mark)


def test_data_after_bdat_is_503(demo):
    """RFC 3030 section 2: DATA and BDAT cannot be mixed."""
    with demo.client() as c:
        c.begin().send(chunk(b"a\r\n")).reply().is_(250)
        c.cmd("DATA").is_(503)
        c.cmd("RSET").is_(250)
        c.cmd("NOOP").is_(250)


def test_rset_between_chunks_discards_the_message(demo):
    """RFC 3030 section 2."""
    mark = token()
    with demo.client() as c:
        c.begin().send(chunk(message(mark))).reply().is_(250)
        c.cmd("RSET").is_(250)
        assert c.send(chunk(b"", last=True)).reply().code == 503
        after = token()
        c.begin().data(message(after)).is_(250)
    demo.mail("alice", after)
    demo.settled()
    assert not demo.mails("alice", mark)


def test_a_chunk_without_recipients_is_refused_and_its_octets_are_no_commands(demo):
    """RFC 3030 section 4.2: the octets of a refused chunk are read and dropped."""
    with demo.client() as c:
        assert c.send(chunk(b"NOOP\r\nHELP\r\nQUIT\r\n", last=True)).reply().code in (503, 554)
        c.cmd("HELP").is_(214)
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        c.cmd("RCPT TO:<nobody@example.org>").is_(550)
        assert c.send(chunk(b"HELP\r\n", last=True)).reply().code in (503, 554)
        c.cmd("HELP").is_(214)


@pytest.mark.parametrize("line", ["BDAT", "BDAT x", "BDAT -1", "BDAT 1 FIRST", "BDAT 1 LAST LAST",
                                  "BDAT 99999999999999999999999"])
def test_a_malformed_bdat_is_refused(demo, line):
    """RFC 3030 section 2; what follows cannot be told from commands, so closing is allowed."""
    with demo.client() as c:
        assert c.begin().cmd(line).code in (501, 552, 554, 421)


@pytest.mark.parametrize("body", [b"a\nb\r\n", b"a\0b\r\n", b"a\rb\r\n"])
def test_bytes_that_data_refuses_are_refused_in_chunks_too(demo, body):
    """RFC 3030 section 2: without BINARYMIME the content is lines of text."""
    with demo.client() as c:
        c.begin().send(chunk(message(token(), body), last=True)).reply().is_(554)
        c.cmd("NOOP").is_(250)


def test_a_chunk_over_the_size_limit_is_552_and_the_session_goes_on(server):
    """RFC 3030 section 4.2 with RFC 1870."""
    s = server(sections={"limits": {"message-size": '"100KiB"'}})
    with s.client() as c:
        c.begin().send(chunk(b"x" * 70 + b"\r\n" + b"y" * 300_000, last=True)).reply().is_(552, "5.3.4")
        c.cmd("NOOP").is_(250)


def test_a_large_chunk_is_delivered(demo):
    """RFC 3030 section 3."""
    mark = token()
    content = message(mark, (b"z" * 76 + b"\r\n") * 20000)
    with demo.client() as c:
        c.begin().send(chunk(content, last=True)).reply().is_(250)
    assert demo.mail("alice", mark).content() == content.replace(b"\r\n", b"\n")


def test_a_message_without_final_newline_is_accepted(demo):
    """RFC 3030: a chunk need not end in CRLF."""
    mark = token()
    with demo.client() as c:
        c.begin().send(chunk(message(mark, b"no newline at the end"), last=True)).reply().is_(250)
    assert demo.mail("alice", mark).body.rstrip(b"\n") == b"no newline at the end"
