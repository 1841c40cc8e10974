# SPDX-License-Identifier: Apache-2.0
"""Aliases that lead to nobody: in a circle, or to more addresses than are followed. The mistake is the postmaster's, so
senders are told to come back, and what was accepted before waits here. And those of one mailbox, which are as that is."""
import os
import re

from harness import maildir
from harness.conf import block, write
from harness.deadline import until
from harness.server import message, token
from test_mailbox_states import full, rcpt as stranger
from test_relay_remotes import FROM, log_of, wait_for

LOOP = "loopa: loopb\nloopb: loopc\nloopc: loopa\n"
FORK = "forka: forkb, forkc\nforkb: forka\nforkc: forka\n"
MANY = "crowd: " + ", ".join(f"m{i}@elsewhere.test" for i in range(1200)) + "\nback: crowd\n"


def rcpt(s, address):
    with s.client("127.0.0.2") as c:
        c.cmd("EHLO client.test")
        c.cmd(f"MAIL FROM:<{FROM}>").is_(250)
        got = c.cmd(f"RCPT TO:<{address}@example.org>")
        return f"{got.code} {got.text}"


def aliases(s, text):
    write(os.path.join(s.dir, "aliases"), text)


def test_rcpt_tells_of_a_loop_and_of_too_many_members(server):
    s = server(start=False)
    aliases(s, LOOP + MANY + "good: chain\nchain: alice\npostmaster: loopa\n")
    s.start()
    for name in ("loopa", "loopb"):
        assert rcpt(s, name).startswith("451 4.3.5 Alias leads back to itself")
        shown = s.tool("mailbox", "show", f"{name}@example.org")
        assert shown.returncode == 1 and f"back to itself: see line {'ab'.index(name[-1]) + 1} of " in shown.stdout
        assert "Senders are told 451 4.3.5 " in shown.stdout
    for name in ("crowd", "back"):
        assert rcpt(s, name).startswith("451 4.3.5 Alias leads to too many addresses")
        assert "alias-members" in s.tool("mailbox", "show", f"{name}@example.org").stdout
    assert s.tool("mailbox", "show", "good@example.org").returncode == 0
    assert rcpt(s, "good").startswith("250 ") and rcpt(s, "postmaster").startswith("250 ")
    assert 'that leads back to itself"' in s.log()


def test_what_was_accepted_waits_until_the_alias_is_corrected(server):
    """A loop that forks is seen in the queue alone; nobody gets a bounce."""
    s = server(start=False, sections={"queue": {"retry": '{"1s"}'}, 'reason "system-error"': {"retry": '{"1s"}'}})
    aliases(s, FORK)
    s.start()
    mark = token()
    text = s.deliver(message(mark), ["forka@example.org"], FROM, "127.0.0.2").is_(250).text
    identity = [word for word in text.split() if len(word) == 26][0]
    assert "451 4.3.5 Alias leads back to itself" in wait_for(s, "deferred", identity)[0]
    assert not log_of(s, "bounce-owed", identity)
    aliases(s, "forka: forkb, bob\nforkb: bob\n")
    assert s.tool("reload").returncode == 0
    assert len(until(lambda: maildir.holding(s.maildir("bob"), mark), "it is delivered")) == 1


CLOSED = """\
alice
bob
carol: disabled
dave: gone
erin: moved=alice@example.org
frank: forward=dave@example.org
"""
STANDS_FOR = """\
offalias: carol
deadalias: dave
chain: deadalias
movalias: erin
nowhere: nosuch
some: dave, alice
itself: itself@example.org
alice: alice
"""
TOLD = [  # alias, what strangers are told, and the exit code of mailbox show
    ("offalias", "450 4.2.1", 1), ("deadalias", "550 5.2.1", 1), ("chain", "550 5.2.1", 1), ("frank", "550 5.2.1", 1),
    ("movalias", "551 5.1.6 Not here any more; use <alice@example.org>", 1), ("nowhere", "550 5.1.1", 1), ("some", "250", 0),
    ("itself", "451 4.3.5", 1), ("alice", "250", 0)]


def with_closed(server, **sections):
    s = server(start=False, sections=sections)
    write(os.path.join(s.dir, "users"), CLOSED)
    aliases(s, STANDS_FOR)
    return s.start()


def checked(s, address):
    return s.tool("check", "rcpt", address, "--from", FROM, "--client", "127.0.0.1")


def test_an_alias_of_one_mailbox_is_told_what_that_is(server):
    """Accepted, such mail would only come back as a bounce, to whoever is named as its sender."""
    s = with_closed(server)
    for name, told, code in TOLD:
        assert rcpt(s, name).startswith(told), name
        shown = s.tool("mailbox", "show", f"{name}@example.org")
        assert shown.returncode == code, shown
        assert code == 0 or f"Senders are told {told[:9]}" in shown.stdout, shown
        done = checked(s, f"{name}@example.org")
        assert done.returncode == code and told[:9] in done.stdout, done
    s.stop()
    for name, told, code in TOLD:
        done = checked(s, f"{name}@example.org")
        assert done.returncode == code and told[:9] in done.stdout, done
    assert re.search("is an alias for one mailbox; .*dave.* is a user whose mailbox is switched off for good", s.log())


def test_a_full_mailbox_is_told_through_a_chain_of_aliases(server):
    s = server(start=False)
    aliases(s, "chain: link\nlink: bob\n")
    full(s, "bob")
    write(s.maildir("bob") + "/maildirsize", "100000S\n100000 1\n")
    s.start()
    for name in ("link", "chain"):
        assert rcpt(s, name).startswith("452 4.2.2"), name
        shown = s.tool("mailbox", "show", f"{name}@example.org")
        assert shown.returncode == 1 and "bob@example.org cannot take mail now: the mailbox is full" in shown.stdout


def test_an_alias_of_who_moved_passes_mail_on_where_that_is_wanted(server):
    s = with_closed(server, mailbox={"forward-moved": "yes"})
    assert rcpt(s, "movalias").startswith("251 2.1.5")
    assert s.tool("mailbox", "show", "movalias@example.org").returncode == 0
    mark = token()
    with s.client("127.0.0.2") as c:
        c.cmd("EHLO client.test")
        c.cmd(f"MAIL FROM:<{FROM}>").is_(250)
        c.cmd("RCPT TO:<movalias@example.org>").is_(251)
        c.data(message(mark)).is_(250)
    until(lambda: maildir.holding(s.maildir("alice"), mark), "it is delivered")


def test_a_catch_all_tells_of_switched_off_mailboxes_behind_aliases_too(server):
    """And of no more: of a full one strangers are told nothing."""
    s = server(start=False, sections={"domain": {"catch-all": '"bob@example.org"'}})
    write(os.path.join(s.dir, "users"), CLOSED)
    aliases(s, STANDS_FOR + "link: bob\n")
    full(s, "bob")
    write(s.maildir("bob") + "/maildirsize", "100000S\n100000 1\n")
    s.start()
    for name, told in (("deadalias", "550 5.2.1"), ("dave", "550 5.2.1"), ("link", "250"), ("nosuch", "250"), ("bob", "250")):
        assert stranger(s, f"{name}@example.org").startswith(told), name
    assert "Senders are told 250" in s.tool("mailbox", "show", "link@example.org").stdout


def test_an_alias_into_another_domain_is_followed(server):
    s = server(start=False)
    with open(s.conf, "a", encoding="ascii") as f:
        f.write(block('domain "example.net"', {"mailboxes": f'"maildir:{s.dir}/mail/{{domain}}/{{user}}"',
                                               "users": f'"file:{s.dir}/others"', "aliases": f'"file:{s.dir}/other-aliases"'}))
    write(os.path.join(s.dir, "others"), "zoe\ngil: gone\n")
    write(os.path.join(s.dir, "other-aliases"), "round: round@example.org\n")
    aliases(s, "z: zoe@example.net\ng: gil@example.net\nround: round@example.net\nfar: x@elsewhere.test\n")
    s.start()
    for name, told, code in (("z", "250", 0), ("g", "550 5.2.1", 1), ("round", "451 4.3.5", 1), ("far", "250", 0)):
        assert rcpt(s, name).startswith(told), name
        shown = s.tool("mailbox", "show", f"{name}@example.org")
        assert shown.returncode == code and (code == 0 or told in shown.stdout), shown
