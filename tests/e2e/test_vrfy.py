# SPDX-License-Identifier: Apache-2.0
"""VRFY and EXPN: a stranger learns nothing, a trusted client gets an answer. See also test_secret.py."""
import pytest

from harness.conf import write
from harness.server import message, token

NAMES = ["alice", "bob", "team", "postmaster", "nobody", "root", "alice@example.org", "<alice@example.org>",
         "nobody@example.org", "<nobody@example.org>", "alice@elsewhere.test", "a" * 60, "ALICE", "alice+news",
         '"alice"', '"no body"', "<", "<alice@example.org", '"open', "@", "Alice Smith", "%s%n",
         "../alice", "x' or 1=1"]
BROKEN = ["", " ", "<>", "al\x01ice", "x" * 300]


@pytest.mark.parametrize("verb", ["VRFY", "EXPN"])
def test_a_stranger_gets_the_same_bytes_for_every_name(demo, verb):
    """RFC 5321 sections 3.5.3 and 7.3: 252, in one wording, never repeating the argument."""
    with demo.client() as c:
        seen = {name: c.cmd(f"{verb} {name}").is_(252).raw for name in NAMES}
    assert len(set(seen.values())) == 1, seen
    answer = seen["alice"]
    assert b"alice" not in answer and b"example" not in answer
    assert answer.startswith(b"252 2.")


def test_the_answer_to_a_stranger_is_the_same_in_every_session(demo):
    """RFC 5321 section 7.3."""
    answers = set()
    for source in ("127.0.0.1", "127.0.0.3"):
        for name in ("alice", "nobody"):
            with demo.client(source) as c:
                answers.add(c.cmd("VRFY " + name).raw)
    assert len(answers) == 1


@pytest.mark.parametrize("verb", ["VRFY", "EXPN"])
def test_a_syntax_error_is_501_for_strangers_and_trusted(demo, verb):
    """RFC 5321 section 4.1.1.6 and 4.1.1.7: VRFY SP String."""
    for source in ("127.0.0.1", "127.0.0.2"):
        with demo.client(source) as c:
            for name in BROKEN:
                assert c.cmd(f"{verb} {name}" if name else verb).code == 501, (source, name)


def test_vrfy_before_ehlo_is_answered(demo):
    """RFC 5321 section 4.1.4: VRFY, EXPN, HELP, NOOP, QUIT and RSET need no EHLO."""
    with demo.raw() as c:
        c.reply().is_(220)
        c.cmd("VRFY alice").is_(252)


def test_vrfy_leaves_the_transaction_alone(demo):
    """RFC 5321 section 4.1.1.6: no effect on the buffers."""
    mark = token()
    with demo.client() as c:
        c.begin()
        c.cmd("VRFY bob").is_(252)
        c.cmd("EXPN team").is_(252)
        c.data(message(mark)).is_(250)
    demo.mail("alice", mark)


@pytest.mark.parametrize("name", ["alice", "alice@example.org", "<alice@example.org>", "ALICE", '"alice"'])
def test_a_trusted_client_is_told_the_mailbox(demo, name):
    """RFC 5321 section 3.5.2: the reply holds the full mailbox in angle brackets."""
    with demo.client("127.0.0.2") as c:
        reply = c.cmd("VRFY " + name).is_(250)
    assert "<alice@example.org>" in reply.text.replace('"', "").lower()


@pytest.mark.parametrize("name", ["nobody", "nobody@example.org", "<nobody@example.org>", "alicex"])
def test_a_trusted_client_is_told_that_a_name_is_unknown(demo, name):
    """RFC 5321 section 3.5.3."""
    with demo.client("127.0.0.2") as c:
        c.cmd("VRFY " + name).is_(550, "5.1.1")


def test_a_trusted_vrfy_of_another_domain_does_not_say_250(demo):
    """RFC 5321 section 3.5.3: 250 only for what was verified."""
    with demo.client("127.0.0.2") as c:
        assert c.cmd("VRFY someone@elsewhere.test").code != 250


def test_a_trusted_expn_lists_the_alias(demo):
    """RFC 5321 section 4.2.2 and 3.5.2: one mailbox a line."""
    with demo.client("127.0.0.2") as c:
        reply = c.cmd("EXPN team").is_(250)
    assert [line[line.index("<"):] for line in reply.lines] == ["<alice@example.org>", "<bob@example.org>"]


@pytest.mark.parametrize("members, code", [(500, 250), (501, 252)])
def test_a_list_too_long_to_show_is_not_shown_in_part(server, members, code):
    """RFC 5321 section 3.5.3: 252 where the list cannot be given whole."""
    s = server(start=False)
    write(s.dir + "/aliases", "many: " + ", ".join(f"m{i}@elsewhere.test" for i in range(members)) + "\n")
    s.start()
    with s.client("127.0.0.2") as c:
        reply = c.cmd("EXPN many").is_(code)
        assert len(reply.lines) == (members if code == 250 else 1)
        c.cmd("NOOP").is_(250)


def test_a_trusted_expn_of_no_list_is_550(demo):
    """RFC 5321 section 3.5.2."""
    with demo.client("127.0.0.2") as c:
        c.cmd("EXPN nobody").is_(550, "5.1.1")


def test_after_252_rcpt_decides_and_the_mail_is_delivered(demo):
    """RFC 5321 section 3.5.3: 252 promises that the message is accepted and delivery is tried."""
    mark = token()
    with demo.client() as c:
        c.cmd("VRFY alice@example.org").is_(252)
        c.cmd("VRFY nobody@example.org").is_(252)
        c.cmd("MAIL FROM:<me@client.test>").is_(250)
        c.cmd("RCPT TO:<alice@example.org>").is_(250)
        c.cmd("RCPT TO:<nobody@example.org>").is_(550, "5.1.1")
        c.data(message(mark)).is_(250)
    demo.mail("alice", mark)
