# SPDX-License-Identifier: Apache-2.0
"""BINARYMIME (RFC 3030): every octet is data, from the client to the mailbox or the next server."""
import email
import os

import pytest

from harness.remote import Remote
from harness.server import token

OCTETS = bytes(range(256)) * 3 + b"\n.\n\r\n.\r\n\0\r\r\n" + b"x" * 3000


def mail(mark, payload=OCTETS, kind=b"application/octet-stream"):
    return (b"Subject: " + mark.encode() + b"\r\nMIME-Version: 1.0\r\nContent-Type: " + kind
            + b"\r\nContent-Transfer-Encoding: binary\r\n\r\n" + payload)


def send(client, content, recipient="alice@example.org", pieces=1000):
    client.cmd("MAIL FROM:<a@b.test> BODY=BINARYMIME").is_(250)
    client.cmd(f"RCPT TO:<{recipient}>").is_(250)
    for at in range(0, len(content), pieces):
        piece = content[at:at + pieces]
        client.send(b"BDAT %d\r\n" % len(piece) + piece).reply().is_(250)
    return client.send(b"BDAT 0 LAST\r\n").reply()


def test_every_octet_comes_out_of_the_mailbox(demo):
    """RFC 3030 section 3; the mailbox holds text, so the part is encoded there."""
    mark = token()
    with demo.client() as c:
        send(c, mail(mark)).is_(250)
    delivered = demo.mail("alice", mark)
    assert b"\0" not in delivered.raw
    message = email.message_from_bytes(delivered.raw)
    assert message["Content-Transfer-Encoding"].lower() in ("base64", "quoted-printable")
    assert message.get_payload(decode=True) == OCTETS


def test_a_large_binary_message_comes_out_of_the_mailbox(demo):
    """RFC 3030 section 3, beyond what is kept in memory."""
    mark = token()
    payload = os.urandom(700_000)
    with demo.client() as c:
        send(c, mail(mark, payload), pieces=100_000).is_(250)
    message = email.message_from_bytes(demo.mail("alice", mark).raw)
    assert message.get_payload(decode=True) == payload


def test_text_that_was_declared_binary_is_delivered_as_it_is(demo):
    """RFC 3030 section 3: what is text already needs no encoding."""
    mark = token()
    content = b"Subject: " + mark.encode() + b"\r\n\r\njust text\r\n"
    with demo.client() as c:
        send(c, content).is_(250)
    assert demo.mail("alice", mark).content() == content.replace(b"\r\n", b"\n")


def test_data_after_binarymime_is_503(demo):
    """RFC 3030 section 3: only BDAT can carry it."""
    with demo.client() as c:
        c.cmd("MAIL FROM:<a@b.test> BODY=BINARYMIME").is_(250)
        c.cmd("RCPT TO:<alice@example.org>").is_(250)
        c.cmd("DATA").is_(503)
        c.cmd("RSET").is_(250)


def test_what_is_signed_cannot_be_encoded_and_comes_back_with_the_reason(demo):
    """RFC 3030 section 4: it is returned, not broken."""
    mark = token()
    part = b"--x\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n" + OCTETS + b"\r\n"
    signed = part + b"--x\r\nContent-Type: application/pgp-signature\r\n\r\nsig\r\n--x--\r\n"
    with demo.client(source="127.0.0.2") as c:
        c.cmd("MAIL FROM:<bob@example.org> BODY=BINARYMIME").is_(250)
        c.cmd("RCPT TO:<alice@example.org>").is_(250)
        content = mail(mark, signed, b'multipart/signed; boundary="x"').replace(
            b"Content-Transfer-Encoding: binary\r\n\r\n--x", b"\r\n--x", 1)
        c.send(b"BDAT %d LAST\r\n" % len(content) + content).reply().is_(250)
    bounce = demo.mail("bob", mark)
    assert b"Status: 5.6.3" in bounce.raw
    assert not demo.mails("alice", mark)


@pytest.mark.parametrize("extensions", [("8BITMIME",), ("PIPELINING",)])
def test_it_is_encoded_for_a_server_without_binarymime(server, extensions):
    """RFC 3030 section 4: or the message could not go on."""
    mark = token()
    with Remote(extensions=extensions) as remote:
        s = server(sections={'route "*"': {"via": "{" + remote.via + "}"}})
        with s.client(source="127.0.0.2") as c:
            send(c, mail(mark), "somebody@remote.test").is_(250)
        data = remote.message(mark)["data"]
    message = email.message_from_bytes(data)
    assert message.get_payload(decode=True) == OCTETS
