# SPDX-License-Identifier: Apache-2.0
"""Aliases that lead to nobody: in a circle, or to more addresses than are followed. The mistake is the postmaster's, so
senders are told to come back, and what was accepted before waits here."""
import os

from harness import maildir
from harness.conf import write
from harness.deadline import until
from harness.server import message, token
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
