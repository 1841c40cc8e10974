# SPDX-License-Identifier: Apache-2.0
"""Greylisting of strangers: who has to come back, who passes, what is remembered, and what happens to its file.

Strangers come from 127.0.N.x; each N is a network of its own.
"""
import concurrent.futures
import contextlib
import os
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import time

import pytest

from harness.deadline import until
from harness.name_server import name_server
from harness.peers import whole_postfix
from harness.raw import Raw
from harness.server import message, token

DELAY = 2
UNSIGNED = {"trust-anchor": '""'}
SILENT = '{"127.0.0.1:9"}'  # where no name server answers
LEFT = re.compile(r"Greylisted; try again in (\d+) seconds")


def greylisting(server, delay=DELAY, dns=None, start=True, sections=None, **settings):
    """A server that greylists, and asks a name server of the test's, or one that knows nothing."""
    greylist = {"delay": f'"{delay}s"', **{name.replace("_", "-"): value for name, value in settings.items()}}
    return server(start=start, sections={"greylist": greylist, "dns": {"servers": dns or SILENT, **UNSIGNED},
                                         **(sections or {})})


@pytest.fixture
def names(tmp_path):
    """A name server in which pool.test lets two networks send, wide.test everybody, and y.test says nothing."""
    folder = tmp_path / "nsd"
    folder.mkdir()
    zones = {
        "pool.test": '@ IN TXT "v=spf1 include:_spf.pool.test -all"\n'
                     '_spf IN TXT "v=spf1 ip4:127.0.1.0/24 a:mta.pool.test ~all"\nmta IN A 127.0.2.5\n',
        "wide.test": '@ IN TXT "v=spf1 +all"\n',
        "y.test": "@ IN A 127.0.0.1\n",
    }
    with name_server(folder, zones) as port:
        yield f'{{"127.0.0.1:{port}"}}'


def attempt(s, source, sender="x@y.test", recipient="alice@example.org"):
    """The reply to RCPT."""
    with s.client(source) as c:
        c.cmd(f"MAIL FROM:<{sender}>").is_(250)
        return c.cmd(f"RCPT TO:<{recipient}>")


def told(reply):
    """The seconds to wait."""
    reply.is_(450, "4.7.1")
    found = LEFT.search(reply.text)
    assert found, reply
    return int(found.group(1))


def passes(s, source, seconds=20, **what):
    """Comes back until it passes; how long that took."""
    began = time.monotonic()
    until(lambda: attempt(s, source, **what).code == 250, f"{source} passes", seconds)
    return time.monotonic() - began


def database(s):
    return os.path.join(s.dir, "data", "state", "greylist.db")


def rows(s, what="* FROM entry"):
    with contextlib.closing(sqlite3.connect(f"file:{database(s)}?mode=ro", uri=True)) as db:
        return db.execute(f"SELECT {what}").fetchall()


def written(s, count=1):
    """Until so many senders are in the file."""
    def look():
        try:
            return len(rows(s)) == count
        except sqlite3.OperationalError:
            return False
    until(look, f"{count} entries are in {database(s)}")


# --- who waits -----------------------------------------------------------------------

def test_a_stranger_waits_and_passes(server, names):
    s = greylisting(server, dns=names)
    began = time.monotonic()
    assert told(attempt(s, "127.0.1.1")) == DELAY
    assert 1 <= told(attempt(s, "127.0.1.1")) <= DELAY
    # another host of its network is the same sender, in any spelling
    left = told(attempt(s, "127.0.1.200", sender="X+tag@Y.TEST", recipient="ALICE@example.org"))
    passes(s, "127.0.1.1")
    took = time.monotonic() - began
    assert DELAY <= took < DELAY + left + 2, took
    attempt(s, "127.0.1.99").is_(250)
    # all else is new: another network, sender, recipient
    assert told(attempt(s, "127.0.2.1")) == DELAY
    assert told(attempt(s, "127.0.1.1", sender="z@y.test")) == DELAY
    assert told(attempt(s, "127.0.1.1", recipient="bob@example.org")) == DELAY


def test_each_recipient_of_a_message_has_its_own_answer(server, names):
    s = greylisting(server, dns=names, exempt='{"bob@example.org"}')
    with s.client("127.0.1.1") as c:
        c.cmd("MAIL FROM:<x@y.test>").is_(250)
        c.cmd("RCPT TO:<alice@example.org>").is_(450, "4.7.1")
        c.cmd("RCPT TO:<bob@example.org>").is_(250)
        c.cmd("RCPT TO:<team@example.org>").is_(450, "4.7.1")
        c.cmd("RCPT TO:<nobody@example.org>").is_(550, "5.1.1")
        c.cmd("RCPT TO:<x@elsewhere.test>").is_(550, "5.7.1")
        c.cmd("RCPT TO:<postmaster>").is_(250)
        mark = token()
        c.data(message(mark)).is_(250)
    s.mail("bob", mark)


def test_whom_it_does_not_ask(server):
    s = greylisting(server, exempt='{"bob@example.org"}', only_for='{"127.0.1.0/24", "127.0.0.2"}')
    attempt(s, "127.0.0.2").is_(250)  # trusted
    attempt(s, "127.0.2.1").is_(250)  # of another network
    attempt(s, "127.0.1.1", recipient="Bob@example.org").is_(250)
    attempt(s, "127.0.1.1", recipient="postmaster@example.org").is_(250)
    attempt(s, "127.0.1.1").is_(450)


def test_it_is_off_by_default(server):
    s = server()
    attempt(s, "127.0.1.1").is_(250)
    assert not os.path.exists(database(s))


def test_two_processes_meet_the_same_first_attempt(server, names):
    """All of them wait, one entry is made, and all pass together."""
    s = greylisting(server, dns=names, start=False)
    s.reconfigure(top={"smtpd-processes": "2"}, sections={"greylist": {"delay": f'"{DELAY}s"'}, "dns": {"servers": names, **UNSIGNED}})
    s.start()
    count = 24
    barrier = threading.Barrier(count)

    def first(i):
        with s.client(f"127.0.1.{1 + i}") as c:
            c.cmd("MAIL FROM:<x@y.test>").is_(250)
            barrier.wait(20)
            return c.cmd("RCPT TO:<alice@example.org>")

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        replies = list(pool.map(first, range(count)))
    assert all(1 <= told(r) <= DELAY for r in replies), replies
    written(s)
    passes(s, "127.0.1.1")
    assert [attempt(s, f"127.0.1.{1 + i}").code for i in range(count)] == [250] * count
    assert len(rows(s)) == 1


# --- pools ---------------------------------------------------------------------------

def test_a_pool_that_spf_names_passes_as_one(server, names):
    s = greylisting(server, dns=names)
    pool = {"sender": "news-4711@pool.test"}
    assert told(attempt(s, "127.0.1.1", **pool)) == DELAY
    assert told(attempt(s, "127.0.2.5", **pool)) <= DELAY
    passes(s, "127.0.2.5", **pool)
    attempt(s, "127.0.1.77", **pool).is_(250)
    attempt(s, "127.0.1.78", sender="news-4712@pool.test").is_(250)
    # Who is not of the pool cannot use its name.
    assert told(attempt(s, "127.0.3.1", **pool)) == DELAY
    written(s, 2)
    assert sorted(rows(s, "origin, sender FROM entry")) == [("127.0.3.0/24", "news-#@pool.test"),
                                                            ("pool.test", "news-#@pool.test")]


def test_a_record_that_lets_everybody_send_makes_no_pool(server, names):
    s = greylisting(server, dns=names)
    assert told(attempt(s, "127.0.1.1", sender="x@wide.test")) == DELAY
    passes(s, "127.0.1.1", sender="x@wide.test")
    assert told(attempt(s, "127.0.2.1", sender="x@wide.test")) == DELAY


def test_a_bounce_counts_by_the_name_of_its_server(server, names):
    s = greylisting(server, dns=names)

    def bounce(source):
        with s.raw(source) as c:
            c.greeted("mta.pool.test")
            c.cmd("MAIL FROM:<>").is_(250)
            return c.cmd("RCPT TO:<alice@example.org>")
    assert told(bounce("127.0.2.5")) == DELAY
    until(lambda: bounce("127.0.2.5").code == 250, "the bounce passes")
    written(s)
    # mta.pool.test has no record of its own
    assert rows(s, "origin, sender FROM entry") == [("127.0.2.0/24", "")]


def test_a_silent_dns_delays_by_the_network_and_refuses_nobody(server):
    """What is asked gets no answer; the client hears after five seconds at the latest."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        s = greylisting(server, delay=3, dns=f'{{"127.0.0.1:{deaf.getsockname()[1]}"}}')
        began = time.monotonic()
        assert told(attempt(s, "127.0.1.1")) == 3
        took = time.monotonic() - began
        assert took < 8, took
        # For the next one it is known that nothing is known.
        began = time.monotonic()
        told(attempt(s, "127.0.1.1"))
        assert time.monotonic() - began < 2
        passes(s, "127.0.1.1")
        s.wait_log("ev=facts-late")
        assert rows(s, "origin FROM entry") in ([], [("127.0.1.0/24",)])


# --- learning ------------------------------------------------------------------------

def test_who_comes_back_often_is_known(server, names):
    s = greylisting(server, delay=1, dns=names, known_after="2")
    for sender in ("a@y.test", "b@y.test"):
        assert told(attempt(s, "127.0.1.1", sender=sender)) == 1
        passes(s, "127.0.1.1", sender=sender)
    attempt(s, "127.0.1.50", sender="new@other.test", recipient="bob@example.org").is_(250)
    assert told(attempt(s, "127.0.2.1", sender="a@y.test")) == 1
    until(lambda: rows(s, "name, returns FROM origin") == [("127.0.1.0/24", 2)], "the network is in the file")


# --- restarts and the file -----------------------------------------------------------

def test_a_restart_changes_nothing(server, names):
    s = greylisting(server, delay=6, dns=names)
    told(attempt(s, "127.0.1.1"))
    attempt(s, "127.0.1.1", recipient="bob@example.org")
    written(s, 2)
    s.stop()
    assert os.path.exists(database(s)) and not os.path.exists(database(s) + "-wal")
    s.start()
    assert told(attempt(s, "127.0.1.1")) < 6
    passes(s, "127.0.1.1")
    s.stop()
    s.start()
    attempt(s, "127.0.1.1").is_(250)


def test_what_waits_survives_a_clean_stop_at_once(server, names):
    """Also what was not written yet when the stop came."""
    s = greylisting(server, delay=30, dns=names)
    for i in range(50):
        attempt(s, "127.0.1.1", sender=f"{'x' * (i + 1)}@y.test")
    s.stop()
    assert len(rows(s)) == 50


def test_a_killed_policy_knows_who_waits(server, names):
    s = greylisting(server, delay=3, dns=names)
    told(attempt(s, "127.0.1.1"))
    written(s)
    s.kill_role("policy")
    until(lambda: attempt(s, "127.0.1.1").code != 451, "policy is back")
    assert told(attempt(s, "127.0.1.1")) < 3
    passes(s, "127.0.1.1")


def test_a_deleted_file_is_written_anew(server, names):
    s = greylisting(server, delay=30, dns=names)
    attempt(s, "127.0.1.1")
    attempt(s, "127.0.2.1")
    written(s, 2)
    for name in ("", "-wal", "-shm"):
        os.unlink(database(s) + name)
    attempt(s, "127.0.3.1")
    s.wait_log("ev=greylist-lost .*deleted or replaced")
    written(s, 3)
    assert told(attempt(s, "127.0.1.1")) < 31
    s.stop()
    s.start()
    assert told(attempt(s, "127.0.1.1")) < 30


def test_a_damaged_file_is_set_aside_at_the_start(server, names):
    s = greylisting(server, dns=names)
    attempt(s, "127.0.1.1")
    s.stop()
    with open(database(s), "r+b") as f:
        f.write(b"This is not what it was. " * 400)
    s.start()
    s.wait_log("ev=greylist-lost .*moved to .*greylist.db.damaged")
    assert os.path.exists(database(s) + ".damaged")
    assert told(attempt(s, "127.0.1.1")) == DELAY
    passes(s, "127.0.1.1")
    written(s)


def test_a_file_that_cannot_be_written_stops_greylisting_and_no_mail(server, names):
    s = greylisting(server, dns=names)
    attempt(s, "127.0.1.1")
    written(s)
    s.stop()
    os.unlink(database(s))
    os.mkdir(database(s))  # what stands in its place is no file
    s.start()
    s.wait_log("ev=greylist-off")
    attempt(s, "127.0.1.1").is_(250)
    attempt(s, "127.0.2.1").is_(250)
    os.rmdir(database(s))
    s.wait_log("ev=greylist-kept", seconds=15)
    assert told(attempt(s, "127.0.3.1")) == DELAY


def test_a_reload_keeps_what_is_known_and_can_switch_it_off_and_on(server, names):
    s = greylisting(server, delay=30, dns=names)

    def reload(**greylist):
        s.reconfigure(sections={"greylist": greylist, "dns": {"servers": names, **UNSIGNED}})
        mark = len(s.log())
        assert s.tool("reload").returncode == 0
        s.wait_log("ev=directory ", since=mark)
        until(lambda: attempt(s, "127.0.0.2").code == 250, "policy answers")

    assert told(attempt(s, "127.0.1.1")) == 30
    reload(delay='"60s"')
    assert 55 <= told(attempt(s, "127.0.1.1")) <= 60
    assert len(s.roles("policy")) == 1
    reload()
    attempt(s, "127.0.1.1").is_(250)
    reload(delay='"20s"')
    assert told(attempt(s, "127.0.1.1")) <= 20


# --- other programs --------------------------------------------------------------------

def test_swaks_is_told_and_passes_later(server, names):
    s = greylisting(server, dns=names)
    mark = token()

    def swaks():
        return subprocess.run(["swaks", "-s", f"127.0.0.1:{s.port}", "--local-interface", "127.0.1.1", "-f", "x@y.test", "-t",
                               "alice@example.org", "--helo", "h.test", "-h-X-Mark", mark], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=30)
    first = swaks()
    assert first.returncode != 0 and "450 4.7.1 Greylisted; try again in 2 seconds" in first.stdout, first.stdout
    until(lambda: swaks().returncode == 0, "swaks passes", 20)
    s.mail("alice", mark)


def test_postfix_comes_back_by_itself(server, names, tmp_path):
    """A whole Postfix that sends, is told to wait, and passes with its next queue run."""
    s = greylisting(server, delay=3, dns=names)
    peer = whole_postfix(tmp_path, "relay", sink=s.port)
    with open(os.path.join(peer.dir, "conf", "main.cf"), "a", encoding="utf-8") as f:
        f.write("myhostname = mta.y.test\nvirtual_mailbox_domains =\nsmtp_bind_address = 127.0.1.5\nqueue_run_delay = 1s\nminimal_backoff_time = 1s\n"
                "maximal_backoff_time = 2s\n")
    peer.start()
    try:
        mark = token()
        with Raw(peer.port) as c:
            c.greeted().begin("x@y.test", "alice@example.org").data(message(mark)).is_(250)
        s.wait_log("ev=deferred .*key=greylisted", seconds=15)
        mail = s.mail("alice", mark, seconds=40)
        assert b"Postfix" in mail.raw
        until(lambda: rows(s, "sender, passed > 0 FROM entry") == [("x@y.test", 1)], "it is in the file")
    finally:
        peer.stop()


# --- the roles' rights -----------------------------------------------------------------

def test_policy_has_the_network_only_when_it_asks_the_dns(server, names):
    """A socket of the DNS library is there with greylisting, and none without."""
    def sockets(s):
        pid, = s.roles("policy")
        found = []
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
            except FileNotFoundError:
                pass
        return [name for name in found if "greylist.db" in name]
    s = greylisting(server, dns=names)
    attempt(s, "127.0.1.1")
    written(s)
    assert sockets(s)
    assert sockets(server()) == []


def test_a_term_signal_in_the_middle_of_questions_ends_well(server):
    """Questions that wait for the DNS keep nobody from stopping."""
    s = greylisting(server)
    clients = [s.client(f"127.0.{1 + i}.1") for i in range(10)]
    for i, c in enumerate(clients):
        c.cmd(f"MAIL FROM:<x{i}@y.test>").is_(250)
        c.send(b"RCPT TO:<alice@example.org>\r\n")
    s.stop(signal.SIGTERM)
    for c in clients:
        c.close()
