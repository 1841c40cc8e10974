# SPDX-License-Identifier: Apache-2.0
"""What stands in the Maildir (RFC 5321 sections 3.9, 4.4, 4.5.2)."""
import os
import re

import pytest

from harness.deadline import until
from harness.server import message, token


def lf(content):
    return content.replace(b"\r\n", b"\n")


def test_content_is_delivered_byte_for_byte(demo):
    """RFC 5321 section 2.3.7 and 6.4: a delivery server does not change the message."""
    content = message(token(), b"".join(b"line %d  \t\r\n" % i for i in range(500)) + b"\r\n\r\n")
    mark = content.split(b"X-Mark: ")[1].split(b"\r\n")[0]
    demo.deliver(content).is_(250)
    assert demo.mail("alice", mark).content() == lf(content)


@pytest.mark.parametrize("content", [b"", b"\r\n", b"no header\r\n", b"X-Only: header\r\n", b": odd\r\n\r\nbody\r\n"])
def test_a_message_without_proper_header_is_delivered_as_it_is(demo, content):
    """RFC 5321 section 6.4: no corrections."""
    box = demo.maildir("bob")
    before = set(os.listdir(box + "/new")) if os.path.isdir(box + "/new") else set()
    reply = demo.deliver(content, ["bob@example.org"]).is_(250)
    name = [word for word in reply.text.split() if len(word) == 26][0]
    found = until(lambda: demo.mails("bob", name), "the mail")
    assert found[0].content() == lf(content)
    assert len(set(os.listdir(box + "/new")) - before) == 1


def test_dots_at_line_starts_come_out_as_they_went_in(demo):
    """RFC 5321 section 4.5.2: transparency."""
    mark = token()
    body = b".\r\n..\r\n.dot\r\n...\r\nend\r\n"
    stuffed = body.replace(b"\r\n.", b"\r\n..")
    demo.deliver(message(mark, b"." + stuffed)).is_(250)
    assert demo.mail("alice", mark).body == lf(body)


def test_the_trace_fields_are_right(demo):
    """RFC 5321 section 4.4: Return-Path first, one Received with from, by, with, id and date."""
    mark = token()
    reply = demo.deliver(message(mark), sender="me@client.test").is_(250)
    mail = demo.mail("alice", mark)
    names = [name for name, _ in mail.fields]
    assert names[:3] == ["Return-Path", "Delivered-To", "Received"]
    assert names.count("Return-Path") == 1 and names.count("Received") == 1
    assert mail.field("Return-Path") == "<me@client.test>"
    assert mail.field("Delivered-To") == "alice@example.org"
    identity = [word for word in reply.text.split() if len(word) == 26][0]
    assert re.match(r"from client\.test \(.*\[127\.0\.0\.1\]\)\s+by \S*example\.org\b.*\bwith ESMTP\b.*\bid "
                    + identity + r".*; \w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", mail.field("Received"))


def test_a_return_path_that_the_message_brings_is_taken_out(demo):
    """RFC 5321 section 4.4: a delivered message has one Return-Path, that of the envelope."""
    mark = token()
    fields = b"Return-Path: <forged@elsewhere.test>\r\n"
    content = fields + message(mark, b"Return-Path: in the body\r\n").replace(
        b"\r\n\r\n", b"\r\nRETURN-PATH :\r\n <again@elsewhere.test>\r\n\r\n", 1)
    demo.deliver(content, sender="me@client.test").is_(250)
    mail = demo.mail("alice", mark)
    assert [value for name, value in mail.fields if name.lower().strip() == "return-path"] == [b"<me@client.test>"]
    assert mail.content() == lf(message(mark, b"Return-Path: in the body\r\n"))


def test_received_says_smtp_after_helo_and_utf8smtp_after_smtputf8(demo):
    """RFC 5321 section 4.4; RFC 3848; RFC 6531 section 4.3."""
    mark = token()
    with demo.raw() as c:
        c.reply()
        c.cmd("HELO client.test").is_(250)
        c.begin().data(message(mark)).is_(250)
    assert " with SMTP " in demo.mail("alice", mark).field("Received")
    mark = token()
    demo.deliver(message(mark), params=" SMTPUTF8").is_(250)
    assert " with UTF8SMTP " in demo.mail("alice", mark).field("Received")


def test_the_null_sender_becomes_an_empty_return_path(demo):
    """RFC 5321 section 4.4 and 4.5.5."""
    mark = token()
    demo.deliver(message(mark), sender="").is_(250)
    assert demo.mail("alice", mark).field("Return-Path") == "<>"


def test_received_does_not_show_who_else_got_it(demo):
    """RFC 5321 section 7.2: blind copies stay blind."""
    mark = token()
    demo.deliver(message(mark), ["alice@example.org", "bob@example.org"]).is_(250)
    for user, other in (("alice", "bob"), ("bob", "alice")):
        mail = demo.mail(user, mark)
        trace = mail.raw[:len(mail.raw) - len(message(mark))]
        assert other.encode() + b"@example.org" not in lf(mail.raw)[:len(lf(mail.raw)) - len(lf(message(mark)))], trace


def test_an_alias_reaches_every_member_once(demo):
    """RFC 5321 section 3.9.1."""
    mark = token()
    demo.deliver(message(mark), ["team@example.org"], sender="me@client.test").is_(250)
    for user in ("alice", "bob"):
        mail = demo.mail(user, mark)
        assert mail.field("Return-Path") == "<me@client.test>"


def test_a_recipient_named_twice_or_also_by_alias_gets_one_copy(demo):
    """Duplicates are removed."""
    mark = token()
    since = len(demo.log())
    demo.deliver(message(mark), ["alice@example.org", "alice@example.org", "team@example.org"]).is_(250)
    demo.mail("bob", mark)
    demo.settled()
    assert "mailbox-" not in demo.log()[since:]  # no copy stood in another's way
    assert len(demo.mails("alice", mark)) == 1
    assert len(demo.mails("bob", mark)) == 1


@pytest.mark.parametrize("recipient", ["alice+news@example.org", "ALICE@EXAMPLE.ORG", '"alice"@example.org'])
def test_every_spelling_of_alice_reaches_her(demo, recipient):
    """RFC 5321 section 2.4 and 4.1.2."""
    mark = token()
    demo.deliver(message(mark), [recipient]).is_(250)
    demo.mail("alice", mark)


def test_subaddress_stands_in_delivered_to(demo):
    """The detail is kept for the user's filters (RFC 5233)."""
    mark = token()
    demo.deliver(message(mark), ["alice+news@example.org"]).is_(250)
    assert demo.mail("alice", mark).field("Delivered-To") == "alice+news@example.org"


@pytest.mark.parametrize("recipient", ["postmaster", "postmaster@example.org", "POSTMASTER@example.org"])
def test_postmaster_reaches_alice(demo, recipient):
    """RFC 5321 section 4.5.1."""
    mark = token()
    demo.deliver(message(mark), [recipient]).is_(250)
    demo.mail("alice", mark)


def test_the_maildir_has_its_three_folders_and_nothing_in_tmp(demo):
    """The name appears in new only when the file is complete."""
    mark = token()
    demo.deliver(message(mark)).is_(250)
    mail = demo.mail("alice", mark)
    box = demo.maildir("alice")
    assert {"cur", "new", "tmp"} <= set(os.listdir(box))
    assert mail.path.startswith(box + "/new/")
    demo.settled()
    assert os.listdir(box + "/tmp") == []
    assert os.stat(mail.path).st_mode & 0o077 == 0


def test_a_message_that_went_in_circles_is_refused(demo):
    """RFC 5321 section 6.3: loops are caught by counting Received fields (at least 100)."""
    mark = token()
    received = b"Received: from a.test by b.test; Mon, 23 Nov 2026 10:00:00 +0000\r\n"
    demo.deliver(received * 150 + message(mark)).is_(554, "5.4.6")
    demo.deliver(received * 50 + message(mark)).is_(250)
    demo.mail("alice", mark)


def test_a_message_sent_twice_is_delivered_twice(demo):
    """Only a retry of the same message is recognised as one."""
    mark = token()
    for _ in range(2):
        demo.deliver(message(mark)).is_(250)
    until(lambda: len(demo.mails("alice", mark)) == 2, "both copies")
