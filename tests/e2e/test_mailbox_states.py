# SPDX-License-Identifier: Apache-2.0
"""A mailbox that takes no mail: what senders are told at RCPT, what becomes of mail that was accepted before, and
`waybill mailbox`, which says why."""
import fcntl
import os
import re
import signal

import pytest

from harness import maildir
from harness.conf import write
from harness.deadline import until
from harness.server import message, token
from test_relay_remotes import FROM, log_of, wait_for

USERS = """\
alice
bob
carol: disabled
dave: gone
erin: moved=erin@example.com
"""
STATES = [  # name, what strangers and trusted clients are told at RCPT
    ("carol", "450 4.2.1 Mailbox is switched off for now; try again later"),
    ("dave", "550 5.2.1 Mailbox is switched off"),
    ("erin", "551 5.1.6 Not here any more; use <erin@example.com>"),
]


@pytest.fixture
def states(server):
    s = server(start=False, sections={"queue": {"retry": '{"1s"}'}})
    write(os.path.join(s.dir, "users"), USERS)
    s.start()
    return s


@pytest.mark.parametrize("name, words", STATES)
def test_rcpt_tells_the_state(states, name, words):
    for source in ("127.0.0.1", "127.0.0.2"):
        with states.client(source) as c:
            c.cmd("EHLO client.test")
            c.cmd(f"MAIL FROM:<{FROM}>").is_(250)
            got = c.cmd(f"RCPT TO:<{name}@example.org>")
            assert f"{got.code} {got.text}".startswith(words), got
            c.cmd("RCPT TO:<alice@example.org>").is_(250)
    assert states.tool("mailbox", "show", f"{name}@example.org").returncode == 1


def test_mail_that_was_accepted_waits_while_the_mailbox_is_off(server):
    """Accepted first, switched off then: 450 waits and is delivered, 550 bounces."""
    s = server(sections={"queue": {"retry": '{"1s"}', "paused": "yes"}})
    mark = token()
    identity = [w for w in s.deliver(message(mark), ["bob@example.org"], FROM, "127.0.0.2").is_(250).text.split()
                if len(w) == 26][0]
    done = s.tool("mailbox", "disable", "bob@example.org")
    assert done.returncode == 0 and "switched off for now bob@example.org" in done.stdout
    with open(os.path.join(s.dir, "users")) as f:
        assert f.read() == "alice\nbob: disabled\n"
    assert s.tool("reload").returncode == 0
    until(lambda: rcpt(s, "bob@example.org").startswith("450 "), "the change is known")
    assert s.tool("queue", "resume").returncode == 0
    assert "450 4.2.1" in wait_for(s, "deferred", identity)[0]
    assert s.tool("mailbox", "enable", "bob@example.org").returncode == 0
    until(lambda: maildir.holding(s.maildir("bob"), mark), "it is delivered")
    assert not log_of(s, "bounce-owed", identity)


def test_mail_for_a_mailbox_that_is_gone_bounces_with_the_new_address(server):
    s = server(sections={"queue": {"paused": "yes"}})
    mark = token()
    s.deliver(message(mark), ["bob@example.org"], FROM, "127.0.0.2").is_(250)
    assert s.tool("mailbox", "disable", "bob@example.org", "--moved", "bob@example.com").returncode == 0
    assert s.tool("reload").returncode == 0
    until(lambda: rcpt(s, "bob@example.org").startswith("551 "), "the change is known")
    assert s.tool("queue", "resume").returncode == 0
    found = until(lambda: maildir.holding(s.maildir("alice"), mark), "a bounce")
    assert b"bob@example.com" in found[0].raw and b"Status: 5.1.6" in found[0].raw


def show(s, name):
    done = s.tool("mailbox", "show", f"{name}@example.org")
    return done.returncode, done.stdout


def test_show_says_in_a_sentence_what_is(states):
    s = states
    assert show(s, "alice") == (0, f"alice@example.org can take mail now; the first message makes its mailbox "
                                   f"({s.maildir('alice')}).\n")
    s.deliver(message(token()), ["alice@example.org"], FROM, "127.0.0.2").is_(250)
    until(lambda: os.path.isdir(s.maildir("alice") + "/new"), "the mailbox is made")
    assert show(s, "alice")[0] == 0 and "can take mail now (" in show(s, "alice")[1]
    write(s.maildir("alice") + "/maildirsize", "100S\n100 1\n")
    code, text = show(s, "alice")
    assert code == 1 and "the mailbox is full" in text and "Senders are told 452 4.2.2 (waybill explain mailbox-full)" in text
    assert "is an alias for alice@example.org, bob@example.org" in show(s, "team")[1]
    assert show(s, "nobody")[0] == 1 and "550 5.1.1" in show(s, "nobody")[1]
    assert "switched off for now" in show(s, "carol")[1] and "waybill mailbox enable carol@example.org" in show(s, "carol")[1]
    assert "erin@example.com" in show(s, "erin")[1]


def test_a_locked_mbox_is_said_to_be(server):
    s = server(start=False)
    box = os.path.join(s.dir, "mail", "alice")
    s.reconfigure(sections={"domain": {"mailboxes": f'"mbox:{s.dir}/mail/{{user}}"'}})
    write(box, "")
    assert "can take mail now" in show(s, "alice")[1]
    with open(box, "r+b") as f:
        fcntl.lockf(f, fcntl.LOCK_EX)
        code, text = show(s, "alice")
    assert code == 1 and "another program has locked the mailbox" in text and "450 4.2.0" in text


def test_bad_words_get_the_usage_and_bad_addresses_a_sentence(states):
    for words in (["show"], ["show", "a", "b"], ["off", "bob@example.org"], ["enable", "bob@example.org", "--for-good"],
                  ["disable", "bob@example.org", "--moved"]):
        assert states.tool("mailbox", *words).returncode == 2
    assert states.tool("mailbox", "show", "bob@elsewhere.test").returncode == 1
    assert states.tool("mailbox", "disable", "nobody@example.org").returncode == 1
    assert states.tool("mailbox", "disable", "bob@example.org", "--moved", "nonsense").returncode == 2


def full(s, name):
    box = s.maildir(name)
    for sub in ("tmp", "new", "cur"):
        os.makedirs(f"{box}/{sub}")
    write(f"{box}/maildirsize", "100000S\n95500 1\n")


def rcpt(s, address, size=None, source="127.0.0.1"):
    with s.client(source) as c:
        c.cmd("EHLO client.test")
        c.cmd(f"MAIL FROM:<{FROM}>" + (f" SIZE={size}" if size else "")).is_(250)
        got = c.cmd(f"RCPT TO:<{address}>")
        return f"{got.code} {got.text}"


def test_a_full_mailbox_is_told_at_rcpt_by_what_the_message_needs(server):
    s = server(start=False)
    full(s, "bob")
    s.start()
    for source in ("127.0.0.1", "127.0.0.2"):
        assert rcpt(s, "bob@example.org", 5000, source).startswith("452 4.2.2 Mailbox is full; try again later")
        assert rcpt(s, "bob@example.org", 500, source).startswith("250 ")
        assert rcpt(s, "alice@example.org", 5000, source).startswith("250 ")
    assert re.search(r"ev=deferred .*address=bob@example.org .*key=mailbox-full check=mailbox why=\"the mailbox is full", s.log())
    write(s.maildir("bob") + "/maildirsize", "100000S\n1000 1\n")
    assert rcpt(s, "bob@example.org", 5000).startswith("250 ")


@pytest.mark.parametrize("count, code", [(None, 452), ("no", 250)])
def test_the_trash_is_counted_as_the_other_program_at_the_file_counts_it(server, count, code):
    s = server(start=False, **({"sections": {"mailbox": {"count-trash": count}}} if count else {}))
    box = s.maildir("bob")
    for sub in ("tmp", "new", "cur", ".Trash/cur"):
        os.makedirs(f"{box}/{sub}")
    write(f"{box}/.Trash/cur/1.x.h,S=100000:2,S", "x")
    # As Dovecot leaves it: the count, and a change since then.
    write(f"{box}/maildirsize", "106000S,50C\n100010 1\n-10 0\n")
    s.start()
    assert rcpt(s, "bob@example.org", 28000).startswith(f"{code} ")
    reply = s.deliver(message(token(), b"28 KB of text, or so\r\n" * 1400), ["bob@example.org"], FROM, "127.0.0.2").is_(250)
    identity = [w for w in reply.text.split() if len(w) == 26][0]
    wait_for(s, "delivered" if count else "deferred", identity)
    with open(f"{box}/maildirsize", encoding="ascii") as f:
        assert f.read().startswith("106000S,50C\n0 0\n2" if count else "106000S,50C\n100000 1\n")
    write(f"{box}/maildirsize", "103000S,50C\n100010 1\n-10 0\n")
    assert show(s, "bob")[0] == (0 if count else 1)


@pytest.mark.parametrize("defer, code", [(None, "250"), ("yes", "450 4.2.0")])
def test_a_locked_mailbox_is_waited_for_here_or_there(server, defer, code):
    s = server(start=False)
    s.reconfigure(sections={"domain": {"mailboxes": f'"mbox:{s.dir}/mail/{{user}}"'}, "queue": {"retry": '{"1s"}'},
                            "mbox": {"lock-timeout": '"1s"'}, **({"mailbox": {"defer-locked": defer}} if defer else {})})
    box = os.path.join(s.dir, "mail", "alice")
    write(box, "")
    s.start()
    mark = token()
    with open(box, "r+b") as f:
        fcntl.lockf(f, fcntl.LOCK_EX)
        assert rcpt(s, "alice@example.org").startswith(code)
        if code == "250":
            identity = [w for w in s.deliver(message(mark), ["alice@example.org"], FROM, "127.0.0.1").is_(250).text.split()
                        if len(w) == 26][0]
            assert "450 4.2.0" in wait_for(s, "deferred", identity)[0]
    if code == "250":
        wait_for(s, "delivered", identity)
        with open(box, "rb") as f:
            assert mark.encode() in f.read()


def test_rcpt_goes_on_while_delivery_is_away(server):
    """A stopped delivery is waited for a moment, a killed one is not; either way nobody is refused for it."""
    s = server()
    pid = s.roles("delivery")[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert rcpt(s, "alice@example.org").startswith("250 ")
    finally:
        os.kill(pid, signal.SIGCONT)
    s.kill_role("delivery")
    assert rcpt(s, "alice@example.org").startswith("250 ")
