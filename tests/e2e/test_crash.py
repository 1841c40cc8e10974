# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load: what was acknowledged is delivered; what died is back within a second."""
import collections
import os
import re
import signal
import time

import pytest

from harness import maildir, processes
from harness.deadline import until
from harness.load import Load
from harness.server import message, sanitized, token

BACK_SECONDS = 1.0
SANITIZER_FACTOR = 3  # a sanitizer's start takes its own time


def back_seconds():
    return BACK_SECONDS * (SANITIZER_FACTOR if sanitized() else 1)


def copies(server, user):
    """mark -> number of copies in the user's Maildir."""
    found = collections.Counter()
    for path in maildir.files(server.maildir(user)):
        mark = maildir.Mail(path).field("X-Mark")
        found[mark] += 1
    return found


def account(server, load, users=("alice",), duplicates_allowed=0):
    """Every acknowledged message exactly once (a kill may double those in its hands), no refused one."""
    server.settled(30)
    for user in users:
        found = copies(server, user)
        lost = [mark for mark in load.marks() if not found[mark]]
        assert not lost, f"{len(lost)} of {load.count()} acknowledged messages are lost: {lost[:5]}"
        kept = [mark for mark in load.marks("refused") if found[mark]]
        assert not kept, f"refused and yet delivered: {kept[:5]}"
        twice = [mark for mark in found if found[mark] > 1]
        assert len(twice) <= duplicates_allowed, f"delivered twice: {twice[:5]}"
    assert not load.surprises, load.surprises[:5]


@pytest.mark.parametrize("role", ["smtpd", "policy", "queue", "delivery"])
def test_a_killed_role_is_back_within_a_second_and_nothing_is_lost(fresh_demo, role):
    """RFC 5321 section 6.1: responsibility taken with 250 survives a crash."""
    demo = fresh_demo
    with Load(demo, threads=4, recipients=("team@example.org",), large_every=25) as load:
        for _ in range(3):
            target = load.count() + 25
            until(lambda: load.count() >= target, "load flows", 20)
            others = set(demo.family())
            begin = time.monotonic()
            killed = demo.kill_role(role)
            until(lambda: not processes.alive(killed), "the role is dead", 2)
            until(lambda: set(demo.roles(role)) - others, f"a new {role}", back_seconds())
            until(demo.greets, "new clients are served", back_seconds())
            assert time.monotonic() - begin < 2 * back_seconds()
        target = load.count() + 25
        until(lambda: load.count() >= target, "load flows again", 20)
    account(demo, load, users=("alice", "bob"))


def test_a_killed_smtpd_drops_only_its_own_connections(fresh_demo):
    """Other clients see at most 421 or 451."""
    demo = fresh_demo
    clients = [demo.client("127.0.0.2") for _ in range(40)]
    if len(demo.roles("smtpd")) < 2:
        pytest.skip("one core, one smtpd")
    demo.kill_role("smtpd")
    alive = 0
    for c in clients:
        try:
            code = c.cmd("NOOP").code
            assert code == 250
            alive += 1
        except Exception as gone:
            assert type(gone).__name__ in ("Closed", "ConnectionResetError", "BrokenPipeError"), gone
        c.close()
    assert alive > 0
    until(demo.greets, "new clients are served", back_seconds())


def test_a_session_outlives_the_death_of_policy_and_queue(fresh_demo):
    """A pending question is answered 451 and the session goes on."""
    demo = fresh_demo
    mark = token()
    with demo.client() as c:
        c.begin()
        for role in ("policy", "queue", "delivery"):
            demo.kill_role(role)

        def accepted():
            c.cmd("RSET").is_(250)
            c.cmd("MAIL FROM:<a@b.test>").is_(250)
            code = c.cmd("RCPT TO:<alice@example.org>").code
            if code == 250:
                code = c.data(message(mark)).code
            assert code in (250, 451)
            return code == 250
        until(accepted, "the same session sends a message", back_seconds() * 2)
    demo.mail("alice", mark)


def test_kill_of_everything_under_load_loses_nothing_acknowledged(fresh_demo):
    """RFC 5321 section 6.1; the log is the truth at the next start."""
    demo = fresh_demo
    loads = []
    for _ in range(3):
        with Load(demo, threads=4, large_every=25) as load:
            until(lambda: load.count() >= 40, "load flows", 20)
            demo.kill_all()
        loads.append(load)
        demo.start()
    for load in loads:
        account(demo, load, duplicates_allowed=16)


def test_kill_while_paused_keeps_everything_in_the_queue(server):
    """Accepted, not attempted, killed, started again: counted, and delivered when the pause ends."""
    s = server(sections={"queue": {"paused": "yes"}})
    marks = [token() for _ in range(30)]
    for mark in marks:
        s.deliver(message(mark)).is_(250)
    assert s.queued() == len(marks)
    s.kill_all()
    s.start()
    assert s.queued() == len(marks)
    assert not maildir.files(s.maildir("alice"))
    assert s.tool("queue", "resume").returncode == 0
    s.settled()
    found = copies(s, "alice")
    assert all(found[mark] == 1 for mark in marks)


def test_after_a_kill_mail_goes_out_in_the_order_in_which_it_came(server):
    """So what was in the hands of who was killed comes first, and not behind all that waits."""
    s = server(sections={"queue": {"paused": "yes"}}, top={"deliveries": "1"})
    for _ in range(30):
        s.deliver(message(token())).is_(250)
    s.kill_all()
    s.start()
    assert s.tool("queue", "resume").returncode == 0
    s.settled()
    accepted, delivered = (re.findall(f"ev={what} m=([0-9a-z]{{26}}) ", s.log()) for what in ("accepted", "delivered"))
    assert len(accepted) == len(delivered) == 30
    # Those of one millisecond have no order.
    assert max(abs(accepted.index(m) - at) for at, m in enumerate(delivered)) < 6


def test_the_roles_die_with_the_supervisor(fresh_demo):
    """No role outlives its supervisor, and the folder is free for a new one."""
    demo = fresh_demo
    family = demo.family()
    assert len(family) >= 5
    os.kill(demo.pid, signal.SIGKILL)
    demo.process.wait()
    until(lambda: not any(processes.alive(pid) for pid in family), "every role has ended", 3)
    demo.process = None
    demo.start()


def test_a_role_that_dies_again_and_again_does_not_stop_the_server(fresh_demo):
    """Restarts are not given up."""
    demo = fresh_demo
    for _ in range(6):
        demo.kill_role("delivery")
        until(lambda: demo.roles("delivery"), "a new delivery role", 10)
    mark = token()
    demo.deliver(message(mark)).is_(250)
    demo.mail("alice", mark, 20)
