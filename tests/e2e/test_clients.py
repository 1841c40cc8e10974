# SPDX-License-Identifier: Apache-2.0
"""Clients that people use, against the demo."""
import shutil
import smtplib
import subprocess
from email.message import EmailMessage

import pytest

from harness.deadline import until
from harness.peers import smtp_source
from harness.server import message, token


def run(*args, stdin=None):
    return subprocess.run(args, input=stdin, capture_output=True, timeout=30)


def test_swaks_delivers(demo):
    mark = token()
    done = run("swaks", "-s", f"127.0.0.1:{demo.port}", "-t", "alice@example.org", "-f", "me@client.test",
               "--ehlo", "client.test", "--h-Subject", mark)
    assert done.returncode == 0, done.stdout
    mail = demo.mail("alice", mark)
    assert mail.field("Return-Path") == "<me@client.test>"
    assert mail.field("Subject") == mark


def test_swaks_with_pipelining_delivers(demo):
    mark = token()
    done = run("swaks", "-s", f"127.0.0.1:{demo.port}", "-t", "alice@example.org,bob@example.org", "--pipeline",
               "--ehlo", "client.test", "--h-Subject", mark)
    assert done.returncode == 0, done.stdout
    demo.mail("alice", mark)
    demo.mail("bob", mark)


def test_swaks_from_a_trusted_address_delivers(demo):
    mark = token()
    done = run("swaks", "-s", f"127.0.0.1:{demo.port}", "-t", "bob@example.org", "--local-interface", "127.0.0.2",
               "--ehlo", "client.test", "--h-Subject", mark)
    assert done.returncode == 0, done.stdout
    assert "[127.0.0.2]" in demo.mail("bob", mark).field("Received")


def test_swaks_is_told_that_a_mailbox_is_unknown(demo):
    done = run("swaks", "-s", f"127.0.0.1:{demo.port}", "-t", "nobody@example.org", "--ehlo", "client.test")
    assert done.returncode == 24  # no recipient was accepted
    assert b"550 5.1.1" in done.stdout


def test_curl_delivers(demo, tmp_path):
    mark = token()
    path = tmp_path / "mail.txt"
    path.write_bytes(message(mark).replace(b"\r\n", b"\n"))
    done = run("curl", "-sS", "--crlf", f"smtp://127.0.0.1:{demo.port}/client.test", "--mail-from", "me@client.test",
               "--mail-rcpt", "alice@example.org", "--mail-rcpt", "bob@example.org", "-T", str(path))
    assert done.returncode == 0, done.stderr
    for user in ("alice", "bob"):
        assert demo.mail(user, mark).field("Return-Path") == "<me@client.test>"


def test_curl_asks_vrfy_and_gets_252(demo):
    done = run("curl", "-sS", "-v", f"smtp://127.0.0.1:{demo.port}/client.test", "--mail-rcpt", "alice")
    assert b"< 252 2." in done.stderr, done.stderr


@pytest.fixture
def smtp(demo):
    with smtplib.SMTP("127.0.0.1", demo.port, local_hostname="client.test", timeout=20) as client:
        yield client


def test_smtplib_delivers_to_several(demo, smtp):
    mark = token()
    refused = smtp.sendmail("me@client.test", ["alice@example.org", "bob@example.org", "nobody@example.org"],
                            message(mark))
    assert list(refused) == ["nobody@example.org"]
    assert refused["nobody@example.org"][0] == 550
    for user in ("alice", "bob"):
        demo.mail(user, mark)


def test_smtplib_smtputf8_delivers(demo, smtp):
    """RFC 6531 section 3: addresses and header fields in UTF-8."""
    mark = token()
    mail = EmailMessage()
    mail["From"], mail["To"] = "jürgen@müller.test", "alice@example.org"
    mail["Subject"] = f"Grüße {mark}"
    mail.set_content("Schöne Grüße")
    smtp.send_message(mail)
    stored = demo.mail("alice", mark)
    assert stored.field("Return-Path") == "<jürgen@müller.test>"
    assert "UTF8SMTP" in stored.field("Received")
    assert "Grüße" in stored.field("Subject")


def test_smtplib_8bitmime_delivers_octets_unchanged(demo, smtp):
    """RFC 6152 section 2."""
    mark = token()
    body = bytes(range(0xA0, 0x100)) + b"\r\n"
    smtp.sendmail("me@client.test", ["alice@example.org"], message(mark, body), mail_options=["BODY=8BITMIME"])
    assert demo.mail("alice", mark).body == body.replace(b"\r\n", b"\n")


def test_smtplib_finds_every_extension(smtp):
    smtp.ehlo()
    for name in ("pipelining", "size", "8bitmime", "smtputf8", "enhancedstatuscodes", "chunking", "limits"):
        assert smtp.has_extn(name), name


def test_smtp_source_with_many_sessions_loses_nothing(demo):
    mark = token("many")
    count = 200
    done = smtp_source(demo.port, "-s", "10", "-m", str(count), "-l", "4096", "-S", mark, "-f", "me@client.test",
                       "-t", "alice@example.org")
    assert done.returncode == 0, done.stderr
    until(lambda: len(demo.mails("alice", mark)) == count, f"{count} mails", 30)


@pytest.mark.skipif(not shutil.which("nc"), reason="needs nc")
def test_a_session_piped_into_nc_is_answered(demo):
    done = run("nc", "-N", "127.0.0.1", str(demo.port), stdin=b"EHLO client.test\r\nVRFY alice\r\nQUIT\r\n")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(b"220 ") and lines[-1].startswith(b"221 ")
    assert lines[-2].startswith(b"252 2.")
