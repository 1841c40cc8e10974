# SPDX-License-Identifier: Apache-2.0
"""A part dies while an LMTP client waits: no reply lies, nothing is lost, and what was done is found again."""
import collections
import os
import signal

import pytest

from harness import maildir, processes
from harness.deadline import until
from harness.lmtp import lmtp_client, lmtp_server
from harness.server import message, token
from test_large import large, stuffed
from test_lmtp import with_mbox

ALICE, BOB, TEAM = "alice@example.org", "bob@example.org", "team@example.org"
USERS = [f"u{i}" for i in range(300)]


@pytest.fixture
def lmtp(server):
    return lmtp_server(server, sections=with_mbox, users=USERS)


def stop(s, role):
    pid = s.roles(role)[0]
    os.kill(pid, signal.SIGSTOP)
    return pid


def gone(pid):
    os.kill(pid, signal.SIGKILL)
    until(lambda: not processes.alive(pid), "it is dead", 5)


def written(s, user):
    """Files of this user's Maildir that are being written or are there."""
    folder = s.maildir(user)
    return sum(len(os.listdir(os.path.join(folder, sub))) for sub in ("tmp", "new") if os.path.isdir(os.path.join(folder, sub)))


def copies(s, mark):
    return collections.Counter({user: len(maildir.holding(s.maildir(user), mark)) for user in ["alice", "bob", *USERS]})


def test_a_delivery_that_dies_is_followed_by_one_that_delivers(lmtp):
    mark = token()
    stopped = stop(lmtp, "delivery")
    with lmtp_client(lmtp) as c:
        c.begin("me@client.test", ALICE, BOB).cmd("DATA").is_(354)
        c.send(message(mark) + b".\r\n")
        lmtp.status()  # the queue has asked delivery by now
        gone(stopped)
        for reply in c.replies(2):
            reply.is_(250)
        c.quit()
    assert copies(lmtp, mark) == {"alice": 1, "bob": 1, **dict.fromkeys(USERS, 0)}


@pytest.mark.parametrize("role", ["delivery", "queue", "policy"])
def test_many_recipients_and_a_role_that_dies_in_the_middle(lmtp, role):
    """Who is told 250 has one copy; who is told 4xx may have one."""
    for _ in range(3):
        mark = token()
        with lmtp_client(lmtp, "unix", timeout=60) as c:
            c.begin("me@client.test", *(f"{user}@example.org" for user in USERS)).cmd("DATA").is_(354)
            before = written(lmtp, USERS[0])
            c.send(message(mark) + b".\r\n")
            if role != "policy":
                until(lambda: written(lmtp, USERS[0]) > before, "the deliveries have begun")
            killed = lmtp.kill_role(role)
            replies = c.replies(len(USERS))
            c.quit()
        found = copies(lmtp, mark)
        for user, reply in zip(USERS, replies):
            assert reply.code in (250, 451), reply
            assert found[user] == 1 if reply.code == 250 else found[user] <= 1, (user, reply, found[user])
        if role != "policy":
            assert [r.code for r in replies] == [250] * len(USERS)
        until(lambda: not processes.alive(killed) and lmtp.roles(role), f"a new {role}", 10)
        until(lmtp.greets, "new clients are served", 10)
    assert lmtp.queued() == 0


def test_a_queue_that_dies_does_not_double_what_was_delivered(lmtp):
    """Delivery had finished, and nobody was told: the new queue asks again, and the copy is found."""
    mark = token()
    with lmtp_client(lmtp) as c:
        c.begin("me@client.test", ALICE, TEAM, "bob@box.test", f"{USERS[0]}@box.test").cmd("DATA").is_(354)
        stopped = stop(lmtp, "delivery")
        c.send(message(mark) + b".\r\n")
        lmtp.status()
        gone(lmtp.roles("queue")[0])
        os.kill(stopped, signal.SIGCONT)
        for reply in c.replies(4):
            reply.is_(250)
        c.quit()
    until(lambda: lmtp.tool("status").returncode == 0, "the new queue answers")
    lmtp.settled()
    found = copies(lmtp, mark)
    assert found["alice"] == 1 and found["bob"] == 1, found
    for user in ("bob", USERS[0]):
        with open(os.path.join(lmtp.dir, "box", user), encoding="utf-8") as f:
            assert f.read().count(mark) == 1, user


def test_large_content_that_died_with_the_queue_is_asked_for_again(lmtp):
    """Its file was the queue's: the client is told that the result is not known, and has the message still."""
    mark = token("large")
    content = stuffed(large(mark, 1 << 20))
    with lmtp_client(lmtp) as c:
        c.begin("me@client.test", ALICE, BOB).cmd("DATA").is_(354)
        stopped = stop(lmtp, "delivery")
        c.send(content + b".\r\n")
        lmtp.wait_log("role=smtpd ev=connected")
        until(lambda: lmtp.status() is not None, "the queue has it")
        gone(lmtp.roles("queue")[0])
        os.kill(stopped, signal.SIGCONT)
        for reply in c.replies(2):
            reply.is_(451, "4.3.0")
            assert "not known" in reply.text
        until(lambda: lmtp.roles("queue") and lmtp.greets(), "a new queue", 10)
        for reply in c.begin("me@client.test", ALICE, BOB).data_each(content, 2):
            reply.is_(250)
        c.quit()
    found = copies(lmtp, mark)
    assert 1 <= found["alice"] <= 2 and 1 <= found["bob"] <= 2
    folder = os.path.join(lmtp.dir, "data", "spool")
    until(lambda: not [name for name in os.listdir(folder) if name.startswith("large-")], "no file stays behind", 10)


def test_a_client_that_leaves_while_it_waits_costs_nothing(lmtp):
    mark = token()
    stopped = stop(lmtp, "delivery")
    with lmtp_client(lmtp) as c:
        c.begin("me@client.test", ALICE).cmd("DATA").is_(354)
        c.send(message(mark) + b".\r\n")
        lmtp.status()
    os.kill(stopped, signal.SIGCONT)
    assert lmtp.mail("alice", mark)
    with lmtp_client(lmtp) as c:
        for reply in c.begin("me@client.test", BOB).data_each(message(mark), 1):
            reply.is_(250)
    assert copies(lmtp, mark)["alice"] == 1
