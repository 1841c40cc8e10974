# SPDX-License-Identifier: Apache-2.0
"""Who has a mailbox here stays a secret: replies are the same byte for byte wherever they do not have to tell it, and
somebody who tries patiently, from many networks, amid honest mail, learns what the budget allows and nothing more.

That they also take the same time is measured by `bench/run secret`, not here.
"""
import contextlib
import re
import sqlite3
import time

import pytest

from harness.conf import block, write
from harness.deadline import until
from harness.lmtp import lmtp_client, lmtp_server
from harness.server import message, token

USERS = "alice\nbob\nfull\ncarol: disabled\ndave: gone\nerin: moved=erin@example.com\n"
ALIASES = "team: alice, bob\nsales: alice\nmany: " + ", ".join(f"m{i}@elsewhere.test" for i in range(40)) + "\n"

# Addresses of our domains, by what they are.
KINDS = {
    "user": "alice@example.org", "another user": "bob@example.org", "unknown": "nobody@example.org",
    "one letter more": "alicex@example.org", "alias": "sales@example.org", "list": "team@example.org",
    "large list": "many@example.org", "disabled": "carol@example.org", "gone": "dave@example.org",
    "moved": "erin@example.org", "full": "full@example.org", "with subaddress": "alice+news@example.org",
    "unknown with subaddress": "nobody+news@example.org", "quoted": '"alice"@example.org',
    "unknown and quoted": '"nobody"@example.org', "quoted and unusual": '"no body"@example.org',
    "escaped": '"al\\ice"@example.org', "in capitals": "ALICE@EXAMPLE.ORG", "unknown in capitals": "NOBODY@Example.Org",
    "long": "x" * 64 + "@example.org", "passed on": "anybody@inner.test", "alias of what is passed on": "desk@inner.test",
}
# What has no secret: it depends on the domain alone.
FOREIGN = ["alice@elsewhere.test", "nobody@elsewhere.test", "alice@sub.example.org", "alice@[127.0.0.1]"]
BUDGET = 6


def masked(raw):
    """Without what differs between any two sessions: the session's id, a message's, and seconds that are left."""
    raw = re.sub(rb"\[s \w+\]", b"[s ID]", raw)
    raw = re.sub(rb"in \d+ seconds", b"in N seconds", raw)
    return re.sub(rb"\b[0-9a-hjkmnp-tv-z]{26}\b", b"MESSAGE", raw)


@pytest.fixture
def guarded(server):
    """A maker: every kind of address, and a budget."""
    def make(unknown=BUDGET, per="1d", **sections):
        s = server(start=False, sections={"harvest": {"unknown": str(unknown), "per": f'"{per}"'}, **sections})
        write(s.dir + "/users", USERS)
        write(s.dir + "/aliases", ALIASES)
        write(s.dir + "/inner-aliases", "desk: alice@example.org\n")
        with open(s.conf, "a") as f:
            f.write(block('domain "inner.test"', {"via": '"smtp://127.0.0.1:9"',
                                                  "aliases": f'"file:{s.dir}/inner-aliases"'}))
        s.start()
        fill(s, "full")
        return s
    return make


def use_up(server, source="127.0.0.1", count=BUDGET):
    with server.client(source) as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        for i in range(count):
            c.cmd(f"RCPT TO:<guess{i}@example.org>").is_(550, "5.1.1")
    server.wait_log(f"address=guess{count - 1}@example.org code=550")


@pytest.mark.parametrize("verb", ["VRFY", "EXPN"])
def test_vrfy_and_expn_answer_every_kind_with_the_same_bytes(guarded, verb):
    """RFC 5321 section 7.3. Before EHLO, after it, and amid a transaction; as an address, in brackets, as a name."""
    s = guarded()
    names = [f for a in list(KINDS.values()) + FOREIGN for f in (a, f"<{a}>", a.rpartition("@")[0])]
    with s.raw() as c:
        c.reply().is_(220)
        replies = {c.cmd(f"{verb} {name}").raw for name in names}
        c.cmd("EHLO client.test").is_(250)
        replies |= {c.cmd(f"{verb} {name}").raw for name in names}
        c.begin()
        replies |= {c.cmd(f"{verb} {name}").raw for name in names}
    assert len(replies) == 1 and replies.pop().startswith(b"252 "), replies
    use_up(s)
    with s.client() as c:
        assert c.cmd(f"{verb} alice").raw == c.cmd(f"{verb} nobody").raw
    # It left no trace that could be told apart, nor cost anything of the budget.
    assert "verb=" + verb not in s.log()


def test_what_a_mailbox_is_shows_at_rcpt_as_long_as_it_may(guarded):
    """So that the tests below compare kinds that do differ."""
    s = guarded()
    with s.client() as c:
        c.cmd("MAIL FROM:<a@b.test> SIZE=5000").is_(250)
        codes = {kind: c.cmd(f"RCPT TO:<{KINDS[kind]}>").code for kind in (
            "user", "alias", "large list", "disabled", "gone", "moved", "full", "unknown", "quoted", "passed on")}
    assert codes == {"user": 250, "alias": 250, "large list": 250, "disabled": 450, "gone": 550, "moved": 551, "full": 452,
                     "unknown": 550, "quoted": 250, "passed on": 250}


def whole_session(server, address, size=""):
    """All that the server says to somebody who tries this address in every way, masked."""
    lines = ["EHLO client.test", "MAIL FROM:<a@b.test>" + size, f"RCPT TO:<{address}>", f"RCPT TO:<{address}>",
             f"RCPT TO:<{address}> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;x@y.test", "DATA", "BDAT 0 LAST", "NOOP",
             f"VRFY {address}", "RSET", "MAIL FROM:<>", f"RCPT TO:<{address}>", "DATA", "RSET",
             "MAIL FROM:<alice@example.org>", f"RCPT TO:<{address}>", "RCPT TO:<>", "HELP", "QUIT"]
    with server.raw() as c:
        said = [c.reply().raw] + [c.cmd(line).raw for line in lines]
        assert c.is_closed()
    return tuple(masked(raw) for raw in said)


def test_beyond_the_budget_whole_sessions_are_the_same_for_every_kind(guarded):
    """RCPT, and everything that comes after it; also with a size that some mailboxes could not take."""
    s = guarded()
    use_up(s)
    since = len(s.log())
    sessions = {(kind, size): whole_session(s, address, size) for kind, address in KINDS.items()
                for size in ("", " SIZE=5000")}
    assert len(set(sessions.values())) == 1, sessions
    session = sessions["user", ""]
    assert session[3].startswith(b"450 4.7.1 ") and session[6][:3] in (b"503", b"554"), session
    # So are the words in the log and their number, names and times apart.
    words = until(lambda: (found := re.findall(r" verb=RCPT address=.* (code=.*)", s.log()[since:]))
                  and len(found) >= 5 * len(sessions) and found, "all are in the log")
    assert len(set(words)) == 1 and "key=too-many-unknown" in words[0], set(words)
    assert len(words) == 5 * len(sessions)


def test_beyond_the_budget_nobody_is_cut_off_sooner(guarded):
    """Neither known nor unknown recipients count as bad commands, before and after."""
    s = guarded()
    use_up(s)
    for address in ("alice@example.org", "nobody@example.org"):
        with s.client() as c:
            c.cmd("MAIL FROM:<a@b.test>").is_(250)
            assert {c.cmd(f"RCPT TO:<{address}>").code for _ in range(300)} == {450}
            c.cmd("NOOP").is_(250)


def test_what_needs_no_secret_stays_as_it_was(guarded):
    """A domain that is not ours is refused for everybody, before and after; postmaster is reached."""
    s = guarded()
    before = [masked(whole_session(s, address)[3]) for address in FOREIGN]
    use_up(s)
    assert [masked(whole_session(s, address)[3]) for address in FOREIGN] == before
    assert len(set(before)) == 1 and before[0].startswith(b"550 5.7.1 ")
    with s.client() as c:
        c.begin("a@b.test", "postmaster", "postmaster@example.org", "POSTMASTER@inner.test")


def test_a_domain_that_is_passed_on_for_everybody_tells_nothing(guarded):
    """Neither before nor after: the next server decides."""
    s = guarded()
    names = ["desk", "anybody", "alice", "x" * 64, '"no body"', "DESK", "desk+x"]
    with s.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        replies = {c.cmd(f"RCPT TO:<{name}@inner.test>").raw for name in names}
    assert len(replies) == 1 and replies.pop().startswith(b"250 ")


def fill(server, user, domain="example.org"):
    """Makes the mailbox exist, and have room for 1000 bytes more."""
    with server.client("127.0.0.2") as c:
        c.begin("a@b.test", f"{user}@{domain}").data(message(token())).is_(250)
    server.settled()
    write(server.maildir(user, domain) + "/maildirsize", "100000S\n99000 1\n")


def test_where_a_catch_all_takes_everybody_a_mailbox_is_not_even_looked_at(server):
    """Neither by a reply nor by the time that looking takes; who is trusted is told that it is full."""
    s = server(sections={"domain": {"catch-all": '"alice@example.org"'}})
    fill(s, "bob")
    names = ["alice", "bob", "team", "nobody", "x" * 64, "bob+x", "nobody+x", '"no body"', "NOBODY"]
    with s.client() as c:
        c.cmd("MAIL FROM:<a@b.test> SIZE=5000").is_(250)
        replies = {c.cmd(f"RCPT TO:<{name}@example.org>").raw for name in names}
    assert len(replies) == 1 and replies.pop().startswith(b"250 ")
    with s.client("127.0.0.2") as c:
        c.cmd("MAIL FROM:<a@b.test> SIZE=5000").is_(250)
        c.cmd("RCPT TO:<bob@example.org>").is_(452, "4.2.2")


def with_database(server, tmp_path, unknown, users="users"):
    """A server of which a database knows the domain asked.test and its only user, alice."""
    path = str(tmp_path / "mail.db")
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE domains (name text); INSERT INTO domains VALUES ('asked.test');"
                         "CREATE TABLE users (name text); INSERT INTO users VALUES ('alice');")
    return server(sections={
        "harvest": {"unknown": str(unknown), "per": '"1d"'},
        'domain "*"': {"mailboxes": '"maildir:/nowhere/{domain}/{user}"', "users": '"sqlite:mail"', "domains": '"sqlite:mail"'},
        'sqlite "mail"': {"file": f'"{path}"', "cache": '"0s"', "domains": '"SELECT name FROM domains WHERE name = {domain}"',
                          "users": f'"SELECT name FROM {users} WHERE name = {{user}}"'}})


def test_beyond_the_budget_no_database_is_asked_for_a_name(server, tmp_path):
    """Not even when it has to be asked for the domain first: a query that fails would show."""
    s = with_database(server, tmp_path, BUDGET, users="nowhere")
    use_up(s)
    with s.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        for name in ("alice", "nobody"):
            c.cmd(f"RCPT TO:<{name}@asked.test>").is_(450, "4.7.1")
        c.cmd("RCPT TO:<alice@foreign.test>").is_(550, "5.7.1")
    assert "nowhere" not in s.log()
    with s.client("127.0.9.1") as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        c.cmd("RCPT TO:<alice@asked.test>").is_(451, "4.3.0")
    s.wait_log("nowhere")


def test_a_listener_for_lmtp_verifies_nothing_for_strangers_either(server):
    s = lmtp_server(server)
    with lmtp_client(s) as c:
        for verb in ("VRFY", "EXPN"):
            assert len({c.cmd(f"{verb} {name}").is_(252).raw for name in ("alice", "team", "nobody", "x@elsewhere.test")}) == 1


def guess(client, names):
    """RCPTs, all at once; how many were said to be unknown."""
    client.send(b"".join(f"RCPT TO:<{name}@example.org>\r\n".encode() for name in names))
    return client.codes(len(names)).count(550)


@pytest.mark.parametrize("domain", ["example.org", "asked.test"])
def test_many_sessions_at_once_share_the_budget(server, tmp_path, domain):
    """Forty connections ask at the same moment: no race gives away one name more, not while a database is asked."""
    s = with_database(server, tmp_path, 25)
    clients = [s.client(f"127.0.0.{10 + i}") for i in range(40)]
    for c in clients:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
    for i, c in enumerate(clients):
        c.send(b"".join(f"RCPT TO:<guess{i}-{n}@{domain}>\r\n".encode() for n in range(20)))
    codes = [code for c in clients for code in c.codes(20)]
    for c in clients:
        c.close()
    assert codes.count(550) == 25 and codes.count(450) == 775


def test_the_slow_one_learns_at_the_rate_of_the_budget(guarded):
    """As fast as the server lets it, again and again: what it learns is the budget and what recovered meanwhile."""
    s = guarded(unknown=4, per="2s")
    began = time.monotonic()
    learned = tried = 0
    with s.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        while learned < 8:
            learned += guess(c, [f"guess{tried}"])
            tried += 1
            assert learned <= 4 + (time.monotonic() - began) / 0.5 + 1
    assert tried > learned


def test_many_networks_have_a_budget_each_and_no_more(guarded):
    """A hundred addresses of one network are one; each other network costs the attacker another network."""
    s = guarded(unknown=3)
    learned = {}
    for turn in range(6):
        for network in range(8):
            with s.client(f"127.0.{network}.{7 + turn}") as c:
                c.cmd("MAIL FROM:<a@b.test>").is_(250)
                learned[network] = learned.get(network, 0) + guess(c, [f"guess{turn}"])
    assert learned == {network: 3 for network in range(8)}
    with s.client("127.0.9.1") as c:
        c.begin("a@b.test", "alice@example.org", "team@example.org")


def test_honest_mail_between_the_guesses_buys_none(guarded):
    """A message for each guess, delivered; later its mail is put off like everybody's of that network, not refused."""
    s = guarded(unknown=5)
    marks, codes = [], []
    for i in range(9):
        with s.client(f"127.0.0.{20 + i}") as c:
            c.cmd("MAIL FROM:<a@b.test>").is_(250)
            known, unknown = c.cmd("RCPT TO:<alice@example.org>").code, c.cmd(f"RCPT TO:<guess{i}@example.org>").code
            codes.append((known, unknown))
            if known == 250:
                marks.append(token())
                c.data(message(marks[-1])).is_(250)
    assert codes == [(250, 550)] * 5 + [(450, 450)] * 4
    for mark in marks:
        s.mail("alice", mark)
    # Honest mail from elsewhere never noticed.
    assert s.deliver(message(token()), source="127.0.5.1").code == 250


def test_a_reload_forgives_nothing(guarded):
    s = guarded()
    use_up(s)
    assert s.tool("reload").returncode == 0
    with s.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        c.cmd("RCPT TO:<alice@example.org>").is_(450, "4.7.1")
        c.cmd("RCPT TO:<nobody@example.org>").is_(450, "4.7.1")
