# SPDX-License-Identifier: Apache-2.0
"""What strangers have to pass: the list of checks, and how a refusal is explained afterwards."""
import re
import time

import pytest

from harness.deadline import until
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


def staged(server, changes=1):
    """The server, when every smtpd has been told at which stages to ask."""
    until(lambda: server.log().count("ev=stages ") >= changes * len(server.roles("smtpd")), "policy has said it")
    return server


@pytest.fixture
def waiting(server):
    """Some strangers wait a minute for the greeting, so that no test depends on when it comes."""
    return staged(server(sections={"early-talk": {"delay": '"1m"', "only-for": '{"127.0.0.8/29"}'}}))


def test_who_speaks_first_is_turned_away(waiting):
    """RFC 5321 section 3.1: 554 instead of the greeting; then QUIT is all that is left."""
    with waiting.raw("127.0.0.9") as c:
        c.send(b"EHLO client.test\r\n").reply().is_(554, "5.5.1")
        c.reply().is_(503, "5.5.1")
        c.cmd("MAIL FROM:<a@b.test>").is_(503, "5.5.1")
        c.quit()
    waiting.wait_log('code=554 key=talked-first check=early-talk why="the client spoke before it was greeted"')


def test_half_a_command_is_speaking_too(waiting):
    with waiting.raw("127.0.0.9") as c:
        c.send(b"E").reply().is_(554, "5.5.1")


def test_who_need_not_wait_is_greeted_at_once(waiting):
    for source in ("127.0.0.1", "127.0.0.2"):
        with waiting.raw(source) as c:
            c.reply().is_(220)


def test_who_waits_and_leaves_is_forgotten(waiting):
    for _ in range(20):
        waiting.raw("127.0.0.9").close()
    until(lambda: waiting.log().count('why="the client left"') >= 20, "all are gone")
    with waiting.raw("127.0.0.9"):
        pass


def test_a_stop_does_not_wait_for_greetings(waiting):
    with waiting.raw("127.0.0.9") as c:
        waiting.wait_log("client=127.0.0.9 listener")
        waiting.stop()
        assert c.is_closed()


def test_the_greeting_comes_after_the_delay(server):
    s = staged(server(sections={"early-talk": {"delay": '"300ms"'}}))
    began = time.monotonic()
    many = [s.raw("127.0.0.9") for _ in range(50)]
    for c in many:
        with c:
            c.greeted().begin("a@b.test", "alice@example.org")
    assert time.monotonic() - began >= 0.3
    # A reload changes it for those who come from then on.
    s.reconfigure()
    assert s.tool("reload").returncode == 0
    staged(s, changes=2)
    began = time.monotonic()
    for _ in range(20):
        with s.client("127.0.0.9"):
            pass
    assert time.monotonic() - began < 20 * 0.3


def test_early_refusals_come_with_the_command(server):
    s = staged(server(sections={"checks": {"early-refusals": "yes"}}))
    with s.raw("127.0.0.9") as c:
        c.reply().is_(220)
        c.cmd("HELO 192.0.2.7").is_(550, "5.7.1")
        c.cmd("MAIL FROM:<a@b.test>").is_(503)
        c.cmd("EHLO client.test").is_(250)
        c.cmd("MAIL FROM:<a@localhost>").is_(550, "5.1.8")
        c.cmd("RCPT TO:<alice@example.org>").is_(503)
        c.begin("a@b.test", "alice@example.org").data(message(token())).is_(250)
        # All of it in one piece.
        c.send(b"EHLO mx.example.org\r\nEHLO client.test\r\nMAIL FROM:<a@localhost>\r\nMAIL FROM:<a@b.test>\r\n"
               b"RCPT TO:<alice@example.org>\r\nQUIT\r\n")
        assert c.codes(6) == [550, 250, 550, 250, 250, 221]


def test_the_demo_shows_them_to_clients_from_127_0_0_3(demo):
    with demo.raw("127.0.0.3").greeted("client.test") as c:
        codes = [r.code for r in flood(c, 8)]
        assert codes == [550] * 5 + [450] * 3
    with demo.raw("127.0.0.3").greeted("short") as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        rcpt(c, "postmaster@example.org").is_(550, "5.7.1")
    with demo.raw("127.0.0.3").greeted("client.test") as c:
        c.cmd("MAIL FROM:<x@y.test>").is_(250)
        rcpt(c, "postmaster").is_(250)
    with demo.client("127.0.0.1") as c:
        flood(c, 30)
        rcpt(c, "alice@example.org").is_(250)
