# SPDX-License-Identifier: Apache-2.0
"""Ways in which a promise could be broken quietly: two users of one spelling, aliases that name each
other, a users file that is lost for a moment, a queue that stalls, files that vanish."""
import glob
import os
import signal
import time

import pytest

from harness.conf import write
from harness.deadline import until
from harness.server import message, token


def only_once(server, user, mark, seconds=10):
    mail = server.mail(user, mark, seconds=seconds)
    server.settled()
    assert len(server.mails(user, mark)) == 1
    return mail


def test_two_users_that_differ_by_case_both_get_their_mail(server):
    """local-parts = exact: Alice and alice are two (RFC 5321 section 2.4)."""
    s = server(start=False, sections={"domain": {"local-parts": '"exact"'}})
    write(os.path.join(s.dir, "users"), "Alice\nalice\n")
    write(os.path.join(s.dir, "aliases"), "both: Alice, alice\n")
    s.start()
    mark = token()
    s.deliver(message(mark), ["both@example.org"]).is_(250)
    only_once(s, "Alice", mark)
    only_once(s, "alice", mark)
    mark = token()
    s.deliver(message(mark), ["Alice@example.org", "both@example.org"]).is_(250)
    only_once(s, "Alice", mark)
    only_once(s, "alice", mark)


def test_aliases_that_name_each_other_and_themselves_lose_nobody(server):
    """alice is a user and an alias for herself and bob; all spellings of one mailbox are one copy."""
    s = server(start=False)
    write(os.path.join(s.dir, "aliases"), "team: alice, bob\nalice: alice, bob\ncrew: Team, BOB\n")
    s.start()
    mark = token()
    s.deliver(message(mark), ["alice@example.org", "ALICE@example.org", "team@example.org", "crew@example.org",
                              "bob@example.org", "Bob@example.org"]).is_(250)
    only_once(s, "alice", mark)
    only_once(s, "bob", mark)


def test_an_alias_of_more_members_than_fit_is_owed_an_answer_and_blocks_nobody(server):
    """It is deferred with its reason, not tried again and again; others are served meanwhile."""
    s = server(start=False, sections={"limits": {"alias-members": "100000"}})
    write(os.path.join(s.dir, "aliases"), "huge: " + ",\n ".join(f"bob+{i}" for i in range(21000)) + "\nteam: alice\n")
    s.start()
    s.deliver(message(token()), ["huge@example.org"]).is_(250)
    s.wait_log("ev=deferred .*key=alias-too-large", 20)
    mark = token()
    s.deliver(message(mark)).is_(250)
    s.mail("alice", mark, seconds=5)
    assert s.log().count("key=alias-too-large") == 1


def test_a_thousand_recipients_of_one_alias_are_served_in_a_moment(server):
    """Looking for repeats costs each recipient the same, however many there are."""
    s = server(start=False, sections={"limits": {"recipients": "3000", "alias-members": "1000"}})
    write(os.path.join(s.dir, "aliases"), "staff: " + ",\n ".join(f"bob+{i}" for i in range(1000)) + "\n")
    s.start()
    with s.client() as c:
        c.begin("me@client.test", *[f"staff+{i}@example.org" for i in range(300)])
        c.data(message(token())).is_(250)
    mark = token()
    s.deliver(message(mark)).is_(250)
    s.mail("alice", mark, seconds=15)


def test_a_users_file_that_is_emptied_for_a_moment_makes_nobody_unknown(server):
    """451 until it names somebody again; mail that was accepted is delivered afterwards."""
    s = server(sections={"queue": {"paused": "yes", "retry": '{"1s"}', "give-up-after": '"5d"'}})
    mark = token()
    s.deliver(message(mark)).is_(250)
    users = os.path.join(s.dir, "users")
    write(users, "# being written\n")
    s.wait_log("ev=directory-unreadable")
    with s.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        c.cmd("RCPT TO:<alice@example.org>").is_(451, "4.3.0")
    assert s.tool("queue", "resume").returncode == 0
    s.wait_log("ev=deferred .*key=directory-unavailable")
    write(users, "alice\nbob\n")
    s.mail("alice", mark)


def test_mail_goes_past_no_alias_while_aliases_cannot_be_read(server):
    """Aliases come before users, so nobody knows who gets a user's mail; postmaster's is taken and waits."""
    s = server(start=False, sections={"queue": {"retry": '{"1s"}', "give-up-after": '"5d"'}})
    aliases, aside = os.path.join(s.dir, "aliases"), os.path.join(s.dir, "aliases.aside")
    write(aliases, "alice: bob\n")
    os.rename(aliases, aside)
    s.start()
    with s.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        for user in ("alice", "bob", "team"):
            c.cmd(f"RCPT TO:<{user}@example.org>").is_(451, "4.3.0")
        c.cmd("RCPT TO:<postmaster@example.org>").is_(250)
    down = s.status()["directories_down"]
    said = [("example.org", "a file of users or aliases cannot be read")]
    assert [(one["name"], one["why"]) for one in down] == said
    assert "directory down: example.org for " in s.tool("status").stdout
    os.rename(aside, aliases)
    mark = token()
    s.wait_log("ev=directory text=.* 1 aliases")
    s.deliver(message(mark)).is_(250)
    s.mail("bob", mark)
    assert not s.mails("alice", mark)
    until(lambda: not s.status()["directories_down"], "nothing is down")


def test_a_user_that_was_removed_after_250_is_looked_for_again_before_a_bounce(server):
    """Somebody may be mending the directory: hours, not a moment, make a mailbox unknown."""
    s = server(sections={"queue": {"paused": "yes", "retry": '{"1s"}', "give-up-after": '"5d"'}})
    mark = token()
    s.deliver(message(mark)).is_(250)
    assert s.tool("user", "remove", "alice@example.org").returncode == 0
    s.wait_log('ev=directory text="1 users')
    assert s.tool("queue", "resume").returncode == 0
    s.wait_log("ev=deferred .*key=directory-unavailable")
    assert s.tool("user", "add", "alice@example.org").returncode == 0
    s.mail("alice", mark)


@pytest.mark.parametrize("size", [1000, 600 * 1024])
def test_a_queue_that_stalls_over_the_final_dot_never_makes_4yz_of_what_it_keeps(server, size):
    """The client gets the truth or nothing; here the stall is shorter than smtpd's patience."""
    s = server(top={"smtpd-processes": "1"})
    mark = token()
    content = message(mark, b"x" * 70 + b"\r\n" + (b"0123456789" * 7 + b"\r\n") * (size // 72))
    queue = s.roles("queue")[0]
    with s.client() as c:
        c.begin().cmd("DATA").is_(354)
        c.send(content)
        time.sleep(0.3)  # the descriptor has to be there before the queue stops answering
        os.kill(queue, signal.SIGSTOP)
        try:
            c.send(b".\r\n")
            time.sleep(1)
        finally:
            os.kill(queue, signal.SIGCONT)
        c.reply().is_(250)
    only_once(s, "alice", mark)


def test_a_large_message_whose_file_vanished_is_said_once_and_waits(server):
    """It is not tried every second in silence."""
    s = server(sections={"queue": {"paused": "yes"}})
    with s.client() as c:
        c.begin()
        c.data(message(token(), (b"0123456789" * 7 + b"\r\n") * 9000)).is_(250)
    s.kill_all()
    for path in glob.glob(os.path.join(s.dir, "data", "spool", "large-*")):
        os.unlink(path)
    s.reconfigure()
    s.start()
    s.wait_log("ev=unreadable")
    mark = token()
    s.deliver(message(mark)).is_(250)
    s.mail("alice", mark)
    until(lambda: s.log().count("ev=unreadable") == 1, "it is said once", 3)
