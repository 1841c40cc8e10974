# SPDX-License-Identifier: Apache-2.0
"""Greylisting of strangers: who has to come back, who passes, what is remembered, and what happens to its file.

Strangers come from 127.0.N.x; each N is a network of its own.
"""
import concurrent.futures
import contextlib
import json
import os
import random
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
from harness.raw import Closed, Raw
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
    """A name server in which pool.test lets two networks send, wide.test everybody, inc.test, moved.test and
    asked.test do so by other names, and y.test says nothing."""
    folder = tmp_path / "nsd"
    folder.mkdir()
    zones = {
        "pool.test": '@ IN TXT "v=spf1 include:_spf.pool.test -all"\n'
                     '_spf IN TXT "v=spf1 ip4:127.0.1.0/24 a:mta.pool.test ~all"\nmta IN A 127.0.2.5\n',
        "wide.test": '@ IN TXT "v=spf1 +all"\n',
        "inc.test": '@ IN TXT "v=spf1 include:two.inc.test -all"\ntwo IN TXT "v=spf1 include:wide.test ~all"\n',
        "moved.test": '@ IN TXT "v=spf1 redirect=wide.test"\n',
        "asked.test": '@ IN TXT "v=spf1 exists:%{ir}.asked.test -all"\n*.127 IN A 127.0.0.2\n',
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


@pytest.mark.parametrize("domain, why", [
    ("wide.test", 'SPF pass by "+all", which is for everybody'),
    ("inc.test", 'SPF pass by "include:two.inc.test", which is for everybody'),
    ("moved.test", 'SPF pass by "+all", which is for everybody'),
    ("asked.test", 'SPF pass by "exists:%{ir}.asked.test", which may be for anybody'),
])
def test_a_record_that_lets_everybody_send_makes_no_pool(server, names, domain, why):
    """Ten hosts of ten networks are ten senders, and the domain does not become a known one."""
    s = greylisting(server, dns=names, known_after="2")
    passes(s, "127.0.1.1", sender=f"x@{domain}")
    for n in range(2, 11):
        assert told(attempt(s, f"127.0.{n}.1", sender=f"x@{domain}")) == DELAY
    written(s, 10)
    assert sorted(rows(s, "origin FROM entry")) == sorted((f"127.0.{n}.0/24",) for n in range(1, 11))
    done = s.tool("check", "rcpt", "alice@example.org", "--from", f"new@{domain}", "--client", "127.0.11.1")
    assert why in done.stdout, done.stdout


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


def test_a_locked_file_stops_greylisting_for_as_long_and_no_mail(server, names):
    """An administrator's own transaction that takes its time: nobody is told to come back who would not be known then."""
    s = greylisting(server, dns=names)
    attempt(s, "127.0.1.1")
    written(s)
    with contextlib.closing(sqlite3.connect(database(s), isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        told(attempt(s, "127.0.2.1"))  # it is not known yet that this cannot be kept
        s.wait_log("ev=greylist-off .*locked", seconds=10)
        attempt(s, "127.0.3.1").is_(250)
        db.execute("ROLLBACK")
    s.wait_log("ev=greylist-kept", seconds=15)
    assert told(attempt(s, "127.0.4.1")) == DELAY
    written(s, 3)


def test_everything_is_killed_while_strangers_come(server, names):
    """kill -9 of the whole server at a bad moment: the file is sound, and who came a moment before still counts."""
    s = greylisting(server, delay=60, dns=names)
    attempt(s, "127.0.1.1", sender="early@y.test")
    written(s)
    for _ in range(2):
        killer = threading.Timer(1.3, os.kill, (s.process.pid, signal.SIGKILL))
        killer.start()
        with contextlib.suppress(OSError, Closed):
            while True:
                attempt(s, "127.0.1.1", sender=f"{'s' * random.randrange(1, 20)}{token()}@y.test")
        killer.join()
        s.process.wait()
        s.start()
        assert told(attempt(s, "127.0.1.1", sender="early@y.test")) < 60
        assert not os.path.exists(database(s) + ".damaged")


# --- the command -----------------------------------------------------------------------

def test_the_command_says_who_waits_and_who_is_known(server, names):
    s = greylisting(server, delay=1, dns=names, known_after="1")
    assert "0 senders wait, 0 came back" in s.tool("greylist").stdout
    attempt(s, "127.0.1.1", sender="x@pool.test")
    attempt(s, "127.0.9.1", sender="", recipient="bob@example.org")
    passes(s, "127.0.2.5", sender="x@pool.test")  # another host of the pool
    out = s.tool("greylist").stdout
    assert "asked to come back after 1 s" in out and "1 sender waits, 0 came back; known domains and networks: 1, of which operators allowed 0." in out, out
    lines = s.tool("greylist", "list").stdout.splitlines()
    assert len(lines) == 2 and re.match(r"127\.0\.9\.0/24 +<> to bob@example.org: may come back ", lines[0]), lines
    assert re.match(r"pool\.test +known: came back 1 time, last seen ", lines[1]), lines
    assert s.tool("greylist", "list", "POOL").stdout.splitlines() == lines[1:]
    nothing = s.tool("greylist", "list", "nobody-like-this")
    assert nothing.returncode == 0 and "Nothing is remembered" in nothing.stdout
    objects = [json.loads(line) for line in s.tool("greylist", "list", "--json").stdout.splitlines()]
    assert [o.get("state") for o in objects] == ["waiting", "known", None]
    assert objects[-1] | {"ok": True, "waiting": 1, "known": 1, "listed": 2} == objects[-1]


def test_the_command_allows_and_forgets(server, names):
    s = greylisting(server, delay=30, dns=names)
    for sender in ("x@y.test", "z@y.test"):
        told(attempt(s, "127.0.1.1", sender=sender))
    told(attempt(s, "127.0.2.1", sender="x@y.test", recipient="bob@example.org"))
    done = s.tool("greylist", "allow", "127.0.1.9", "Pool.TEST")
    assert done.returncode == 0, done
    assert done.stdout == ("Mail of 127.0.1.0/24 is not asked to come back any more.\n"
                           "Mail of pool.test is not asked to come back any more, from hosts that SPF says the domain sends "
                           "from;\nfor mail from other hosts allow their network.\n")
    attempt(s, "127.0.1.200").is_(250)
    attempt(s, "127.0.2.5", sender="new@pool.test").is_(250)
    told(attempt(s, "127.0.3.5", sender="new@pool.test"))  # SPF does not name it
    # written at once, so that not even kill -9 takes it back
    until(lambda: sorted(rows(s, "name, allowed FROM origin")) == [("127.0.1.0/24", 1), ("pool.test", 1)], "it is written")
    s.kill_role("policy")
    until(lambda: attempt(s, "127.0.0.2").code == 250, "policy is back")
    attempt(s, "127.0.1.200").is_(250)
    assert "forgotten (1 row)" in s.tool("greylist", "forget", "127.0.1.0/24").stdout
    told(attempt(s, "127.0.1.200"))
    # by address, as sender or recipient, in any spelling
    assert "forgotten" in s.tool("greylist", "forget", "BOB@example.org").stdout
    assert told(attempt(s, "127.0.2.1", sender="x@y.test", recipient="bob@example.org")) == 30
    again = s.tool("greylist", "forget", "nobody.test")
    assert again.returncode == 1 and "Nothing was known of nobody.test" in again.stdout


@pytest.mark.parametrize("words,code,says", [
    (["lst"], 2, 'there is no "lst"; did you mean "list"?'),
    (["alow", "y.test"], 2, 'did you mean "allow"?'),
    (["allow"], 2, 'a name is missing behind "allow"'),
    (["list", "--all"], 2, 'unknown option "--all"'),
    (["allow", "127.0.0.0/8"], 1, "127.0.0.0/8: networks are remembered as /24 for IPv4 and /64 for IPv6"),
    (["forget", "[2001:db8::]/48"], 1, "[2001:db8::]/48: networks are remembered as /24 for IPv4 and /64 for IPv6"),
    (["allow", "[2001:db8::]/64"], 0, ""),
    (["allow", "127.0.0.1/8"], 1, "it is neither a domain nor a network"),
    (["allow", "a b"], 1, "it is neither a domain nor a network"),
    (["allow", "x@y.test"], 1, "it is neither a domain nor a network"),
])
def test_the_command_says_what_is_wrong(server, words, code, says):
    s = greylisting(server)
    done = s.tool("greylist", *words)
    assert done.returncode == code and says in done.stderr, done


def test_the_command_says_that_it_is_off(server):
    s = server()
    assert "Nobody is greylisted: greylisting is off" in s.tool("greylist").stdout
    done = s.tool("greylist", "allow", "y.test")
    assert done.returncode == 1 and "greylisting is off" in done.stderr


def test_a_dry_run_says_what_is_remembered_and_changes_nothing(server, names):
    s = greylisting(server, delay=30, dns=names)

    def dry(client):
        return s.tool("check", "rcpt", "alice@example.org", "--from", "x@pool.test", "--client", client)
    for _ in range(2):
        done = dry("127.0.1.1")
        assert done.returncode == 1 and "450 4.7.1 Greylisted; try again in 30 seconds" in done.stdout, done
        assert "of pool.test (SPF pass by \"include:_spf.pool.test\")" in done.stdout, done.stdout
    attempt(s, "127.0.1.1", sender="x@pool.test")
    assert "comes back too early" in dry("127.0.2.5").stdout
    assert "was never seen" in dry("127.0.3.1").stdout
    s.tool("greylist", "allow", "pool.test")
    assert dry("127.0.1.1").returncode == 0


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
        mail = s.mail("alice", mark, seconds=90)
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
