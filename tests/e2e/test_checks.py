# SPDX-License-Identifier: Apache-2.0
"""What strangers have to pass: the list of checks, and how a refusal is explained afterwards."""
import re

import pytest

from harness.server import message, token

UNKNOWN = [f"user{i}@example.org" for i in range(400)]


def rcpt(client, address):
    return client.cmd(f"RCPT TO:<{address}>")


def without_wait(reply):
    """The reply's bytes, the seconds that are left apart."""
    return re.sub(rb"in \d+ seconds", b"in N seconds", reply.raw)


def flood(client, count):
    client.cmd("MAIL FROM:<a@b.test>").is_(250)
    return [rcpt(client, address) for address in UNKNOWN[:count]]


@pytest.fixture
def small(server):
    """A server that tolerates ten unknown recipients in an hour."""
    return server(sections={"harvest": {"unknown": "10", "per": '"1h"'}})


def test_who_guesses_recipients_stops_learning(small):
    """Beyond the budget existing and unknown recipients get the same bytes, and nobody is named."""
    with small.client() as c:
        replies = flood(c, 15)
        assert [r.code for r in replies] == [550] * 10 + [450] * 5
        replies[-1].is_(450, "4.7.1")
        guarded = {without_wait(rcpt(c, who)) for who in ["alice@example.org", "ALICE+x@example.org", "team@example.org",
                                                          "nobody@example.org", "bob@example.org"] + UNKNOWN[300:320]}
        assert len(guarded) == 1, guarded
        rcpt(c, "postmaster@example.org").is_(250)
        rcpt(c, "postmaster").is_(250)
        rcpt(c, "alice@elsewhere.test").is_(550, "5.7.1")


def test_all_sessions_and_addresses_of_a_network_share_its_budget(small):
    for i in range(10):
        with small.client(f"127.0.0.{10 + i}") as c:
            flood(c, 1)[0].is_(550)
    with small.client("127.0.0.77") as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        rcpt(c, "alice@example.org").is_(450, "4.7.1")
    with small.client("127.0.1.1") as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        rcpt(c, "alice@example.org").is_(250)


def test_trusted_clients_may_ask_for_anybody(small):
    with small.client("127.0.0.2") as c:
        assert {r.code for r in flood(c, 40)} == {550}
        rcpt(c, "alice@example.org").is_(250)


def test_known_recipients_and_messages_cost_nothing(small):
    mark = token()
    with small.client() as c:
        for _ in range(30):
            c.begin("a@b.test", "alice@example.org", "bob@example.org")
            c.cmd("RSET").is_(250)
        c.begin("a@b.test").data(message(mark)).is_(250)
    small.mail("alice", mark)


def test_a_budget_recovers(server):
    """One of ten is there again after 300 ms; all the time the answer names whole seconds."""
    s = server(sections={"harvest": {"unknown": "10", "per": '"3s"'}})
    with s.client() as c:
        assert [r.code for r in flood(c, 10)] == [550] * 10
        seen = set()
        for _ in range(100000):
            seen.add(rcpt(c, "alice@example.org").code)
            if 250 in seen:
                break
        assert seen in ({450, 250}, {250}), seen


def test_without_configuration_a_hundred_are_tolerated(server):
    with server().client() as c:
        replies = flood(c, 130)
    codes = [r.code for r in replies]
    assert codes[:100] == [550] * 100 and codes[101:] == [450] * 29


@pytest.mark.parametrize("helo, sender, code, key", [
    ("mx.example.org", "a@b.test", 550, "helo-is-ours"),
    ("[127.0.0.1]", "a@b.test", 550, "helo-is-ours"),
    ("192.0.2.7", "a@b.test", 550, "helo-bare-address"),
    ("client.test", "root@localhost", 550, "sender-domain-unusable"),
    ("client", "root@server", 250, None),
    ("client.test", "", 250, None),
])
def test_names_are_checked_by_default(server, helo, sender, code, key):
    s = server()
    with s.raw("127.0.0.9").greeted(helo) as c:
        c.cmd(f"MAIL FROM:<{sender}>").is_(250)
        rcpt(c, "alice@example.org").is_(code)
        # What is wrong with the client stays wrong for its other recipients.
        rcpt(c, "bob@example.org").is_(code)
    if key:
        s.wait_log(f"code={code} key={key} check=")
    with s.raw("127.0.0.2").greeted(helo) as c:
        c.begin(sender, "alice@example.org")


def test_the_host_itself_may_use_its_name(server):
    """A client that connects from the address it connects to is a program of this host."""
    with server().raw("127.0.0.1").greeted("mx.example.org") as c:
        c.begin("a@b.test", "alice@example.org")


def test_a_refusal_is_logged_and_traced_with_check_words_and_line(server):
    s = server(sections={"harvest": {"unknown": "1"}, "helo": {"full-name": "yes"}})
    with s.raw().greeted("short") as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        session = re.search(r"\[s (\w+)\]", rcpt(c, "alice@example.org").is_(550).text).group(1)
        c.cmd("QUIT")
    with open(s.conf) as f:
        line = f.read().splitlines().index("    full-name = yes") + 1
    s.wait_log(f's={session} .*key=helo-not-full check=helo why="\\\\"short\\\\" is not a full name"')
    done = s.tool("trace", session)
    assert f'decided by the check helo: "short" is not a full name (waybill.conf:{line})' in done.stdout, done.stdout


def test_the_demo_shows_them_to_clients_from_127_0_0_3(demo):
    with demo.raw("127.0.0.3").greeted("client.test") as c:
        codes = [r.code for r in flood(c, 8)]
        assert codes == [550] * 5 + [450] * 3
    with demo.raw("127.0.0.3").greeted("short") as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        rcpt(c, "postmaster@example.org").is_(550, "5.7.1")
    with demo.client("127.0.0.1") as c:
        flood(c, 30)
        rcpt(c, "alice@example.org").is_(250)
