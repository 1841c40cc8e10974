# SPDX-License-Identifier: Apache-2.0
"""Which senders and recipients are taken (RFC 5321 sections 3.3, 4.1.2, 4.1.3; RFC 6531)."""
import pytest

from harness.server import message, token

LOCAL = ["alice@example.org", "ALICE@EXAMPLE.ORG", "Alice@Example.Org", '"alice"@example.org', '"al\\ice"@example.org',
         "alice+news@example.org", "team@example.org", "postmaster@example.org", "PostMaster@example.org",
         "postmaster", "Postmaster"]
SENDERS = ["", "a@b.test", "a.b.c@sub.b.test", '"a b"@b.test', '"a@b"@b.test', '"\\"@b.test"@b.test', "a+b=c@b.test",
           "!#$%&'*+-/=?^_`{|}~@b.test", "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]", "a@[IPv6:::ffff:192.0.2.1]",
           "a@b", "a@xn--mller-kva.test", "x" * 64 + "@b.test"]
BROKEN = ["a@", "@b.test", "a@b@c.test", "a b@b.test", "a@b..test", "a@-b.test", "a@b.test.", ".a@b.test", "a.@b.test",
          "a..b@b.test", "a@[1.2.3]", "a@[1.2.3.256]", "a@[IPv6:1:2]", "a@[IPv6:zz::1]", '"a@b.test', 'a"b"@b.test',
          "a@b.test>x", "a\x01@b.test", "a<b@c.test", "x" * 65 + "@b.test", "a@" + "b." * 140 + "test"]
ROUTES = ["<@a.test:alice@example.org>", "<@a.test,@b.test:alice@example.org>"]


@pytest.mark.parametrize("address", LOCAL)
def test_a_mailbox_here_is_accepted_by_strangers_too(demo, address):
    """RFC 5321 section 2.4 (domains without case), 4.1.1.3, 4.5.1 (postmaster)."""
    with demo.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250, "2.1.0")
        c.cmd(f"RCPT TO:<{address}>").is_(250, "2.1.5")


@pytest.mark.parametrize("address", SENDERS)
def test_a_sender_of_every_form_is_accepted(demo, address):
    """RFC 5321 section 4.1.2: quoted strings, address literals, the null path."""
    with demo.client() as c:
        c.cmd(f"MAIL FROM:<{address}>").is_(250, "2.1.0")


@pytest.mark.parametrize("address", BROKEN)
def test_a_malformed_address_is_501_or_553(demo, address):
    """RFC 5321 section 4.1.2 and 4.5.3.1."""
    with demo.client() as c:
        assert c.cmd(f"MAIL FROM:<{address}>").code in (501, 553), address
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        assert c.cmd(f"RCPT TO:<{address}>").code in (501, 553), address


@pytest.mark.parametrize("line", ["MAIL", "MAIL FROM", "MAIL FROM:", "MAIL FROM:a@b.test", "MAIL TO:<a@b.test>",
                                  "MAIL FROM <a@b.test>", "MAIL FROM:<a@b.test", "MAIL FROM:<<a@b.test>>"])
def test_mail_with_broken_syntax_is_501(demo, line):
    """RFC 5321 section 4.1.1.2."""
    with demo.client() as c:
        assert c.cmd(line).code == 501


@pytest.mark.parametrize("line", ["RCPT", "RCPT TO", "RCPT TO:", "RCPT TO:alice@example.org",
                                  "RCPT FROM:<alice@example.org>", "RCPT TO:<alice@example.org"])
def test_rcpt_with_broken_syntax_is_501(demo, line):
    """RFC 5321 section 4.1.1.3."""
    with demo.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        assert c.cmd(line).code == 501


def test_the_null_path_is_no_recipient(demo):
    """RFC 5321 section 4.1.1.3: Forward-path."""
    with demo.client() as c:
        c.cmd("MAIL FROM:<>").is_(250)
        assert c.cmd("RCPT TO:<>").code in (501, 550, 553)


def test_a_recipient_without_domain_is_refused_but_postmaster(demo):
    """RFC 5321 section 4.1.1.3 and 4.5.1."""
    with demo.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        assert c.cmd("RCPT TO:<alice>").code in (501, 553)
        c.cmd("RCPT TO:<postmaster>").is_(250)


@pytest.mark.parametrize("path", ROUTES)
def test_a_source_route_is_accepted_and_ignored(demo, path):
    """RFC 5321 section 4.1.1.3 and appendix C."""
    mark = token()
    with demo.client() as c:
        c.cmd("MAIL FROM:<@x.test:a@b.test>").is_(250)
        c.cmd(f"RCPT TO:{path}").is_(250)
        c.data(message(mark)).is_(250)
    mail = demo.mail("alice", mark)
    assert mail.field("Return-Path") == "<a@b.test>"
    assert mail.field("Delivered-To") == "alice@example.org"


@pytest.mark.parametrize("address", ["nobody@example.org", "alicex@example.org", "alic@example.org",
                                     '"alice "@example.org'])
def test_an_unknown_mailbox_is_550_5_1_1(demo, address):
    """RFC 5321 section 3.3; RFC 3463 X.1.1."""
    for source in ("127.0.0.1", "127.0.0.2"):
        with demo.client(source) as c:
            c.cmd("MAIL FROM:<a@b.test>").is_(250)
            reply = c.cmd(f"RCPT TO:<{address}>").is_(550, "5.1.1")
            assert address not in reply.text


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.3"])
@pytest.mark.parametrize("address", ["x@elsewhere.test", "alice@sub.example.org", "alice@[127.0.0.1]",
                                     "alice%example.org@x.test"])
def test_another_domain_is_550_5_7_1_for_strangers(demo, source, address):
    """RFC 5321 section 3.6.1 and 7.9: no open relay."""
    with demo.client(source) as c:
        c.cmd("MAIL FROM:<alice@example.org>").is_(250)
        c.cmd(f"RCPT TO:<{address}>").is_(550, "5.7.1")


def test_another_domain_is_accepted_from_a_trusted_client(demo):
    """RFC 5321 section 3.6.2: we relay for those whom we trust."""
    with demo.client("127.0.0.2") as c:
        c.cmd("MAIL FROM:<alice@example.org>").is_(250)
        c.cmd("RCPT TO:<x@elsewhere.test>").is_(250)


def test_an_address_literal_is_no_way_out(demo):
    """Not even for a trusted client: no route is for an address."""
    with demo.client("127.0.0.2") as c:
        c.cmd("MAIL FROM:<alice@example.org>").is_(250)
        c.cmd("RCPT TO:<alice@[127.0.0.1]>").is_(550, "5.7.1")


@pytest.mark.parametrize("address", ["jürgen@example.org", "jürgen@müller.test"])
def test_a_utf8_address_needs_smtputf8(demo, address):
    """RFC 6531 section 3.5: 553 or 550 with X.6.7 without the parameter."""
    with demo.client() as c:
        assert c.cmd(f"MAIL FROM:<{address}>").code in (550, 553)
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        assert c.cmd(f"RCPT TO:<{address}>").code in (550, 553)
        c.cmd("RSET")
        c.cmd(f"MAIL FROM:<{address}> SMTPUTF8").is_(250)


@pytest.mark.parametrize("octets", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc3"])
def test_malformed_utf8_in_an_address_is_refused(demo, octets):
    """RFC 6531 section 3.3; RFC 3629."""
    with demo.client() as c:
        reply = c.send(b"MAIL FROM:<a" + octets + b"@b.test> SMTPUTF8\r\n").reply()
        assert reply.code in (501, 553)


def test_a_refused_recipient_does_not_spoil_the_others(demo):
    """RFC 5321 section 3.3."""
    mark = token()
    with demo.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        c.cmd("RCPT TO:<nobody@example.org>").is_(550)
        c.cmd("RCPT TO:<bob@example.org>").is_(250)
        c.cmd("RCPT TO:<x@elsewhere.test>").is_(550)
        c.data(message(mark)).is_(250)
    demo.mail("bob", mark)


def test_refusals_end_with_the_session_id(demo):
    """The id joins the client's error message with the server's log."""
    with demo.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        text = c.cmd("RCPT TO:<nobody@example.org>").is_(550).text
    assert text.endswith("]") and " [s " in text
    demo.wait_log(text[text.rindex("[s ") + 3:-1])


def test_a_hundred_recipients_are_accepted(demo):
    """RFC 5321 section 4.5.3.1.8: at least 100."""
    mark = token()
    with demo.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        for i in range(100):
            c.cmd(f"RCPT TO:<alice+{i}@example.org>").is_(250)
        c.data(message(mark)).is_(250)
