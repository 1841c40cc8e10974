# SPDX-License-Identifier: Apache-2.0
"""What strangers have to pass: the list of checks, and how a refusal is explained afterwards."""
import json
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


def flood(client, count, sender="a@b.test"):
    client.cmd(f"MAIL FROM:<{sender}>").is_(250)
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
        codes = [r.code for r in flood(c, 8, "a@ok.test")]
        assert codes == [550] * 5 + [450] * 3
    with demo.raw("127.0.0.3").greeted("short") as c:
        c.cmd("MAIL FROM:<a@ok.test>").is_(250)
        rcpt(c, "postmaster@example.org").is_(550, "5.7.1")
    with demo.raw("127.0.0.3").greeted("client.test") as c:
        c.cmd("MAIL FROM:<x@ok.test>").is_(250)
        rcpt(c, "postmaster").is_(250)
    with demo.client("127.0.0.1") as c:
        flood(c, 30)
        rcpt(c, "alice@example.org").is_(250)


def dry(server, rcpt, *more, sender="a@b.test", client="127.0.0.9"):
    """`waybill check rcpt` as JSON, and its exit code."""
    done = server.tool("check", "rcpt", rcpt, "--from", sender, "--client", client, "--json", *more)
    return json.loads(done.stdout), done.returncode


def steps(answer):
    return {step["check"]: step["opinion"] for step in answer["steps"]}


def counts(server):
    done = server.tool("check", "list", "--json")
    assert done.returncode == 0, done.stderr
    return {one["name"]: one for one in json.loads(done.stdout)["checks"]}


def test_a_dry_run_gives_the_answer_of_the_server_and_changes_nothing(small):
    """As often as one asks: no budget gets smaller, no counter larger."""
    before = counts(small)
    for _ in range(30):
        answer, code = dry(small, "nobody@example.org")
        assert (code, answer["code"], answer["accepted"]) == (1, 550, False)
        assert answer["reply"] == "550 5.1.1 No such mailbox here"
    assert counts(small) == before
    answer, code = dry(small, "alice@example.org")
    opinions = steps(answer)
    assert (code, answer["code"], opinions.pop("brake"), set(opinions.values())) == (0, 250, "skip", {"pass"})
    with small.client("127.0.0.9") as c:
        flood(c, 10)
        answer, code = dry(small, "alice@example.org")
        assert (code, answer["check"], steps(answer)["harvest"]) == (1, "harvest", "refuse")
        told = rcpt(c, "alice@example.org")
        assert re.sub(r"\d+ sec", "N sec", told.text).startswith(re.sub(r"\d+ sec", "N sec", answer["reply"][4:]))
    now = counts(small)
    assert (now["harvest"]["asked"], now["harvest"]["deferred"], now["recipient"]["refused"]) == (11, 1, 10)


def test_a_dry_run_says_who_is_not_asked(small):
    answer, code = dry(small, "alice@example.org", client="127.0.0.2")
    assert code == 0
    opinions = steps(answer)
    assert (opinions["helo"], opinions["harvest"], opinions["relay"]) == ("skip", "skip", "pass")
    done = small.tool("check", "rcpt", "alice@example.org", "--from", "", "--client", "127.0.0.2")
    assert "helo            not asked  the client is trusted" in done.stdout, done.stdout
    assert done.stdout.endswith("A client would be told:  250 2.1.5 Recipient ok\nNothing was changed.\n")
    answer, code = dry(small, "x@elsewhere.test", client="127.0.0.2")
    assert code == 0


@pytest.mark.parametrize("started", [True, False])
def test_a_dry_run_reads_addresses_and_sizes_as_a_session_does(server, demo, started):
    """RFC 5321 section 4.1.2 and RFC 1870: what MAIL and RCPT refuse before any check is asked, with the same reply."""
    s = server(start=started)
    good, long_one = "alice@example.org", "l" * 65 + "@example.org"
    for sender, who, size in (("", good, 0), ("<>", good, 0), ("<a@b.test>", "<alice@example.org>", 0), ("a@b.test", "ann", 0),
                              ("a@b.test", "@m.test", 0), ("a@b.test", long_one, 0), ("a@b.test", "", 0),
                              ("a@b.test", "<alice@example.org", 0),
                              ("nobody", good, 0), ("@b.test", good, 0), (long_one, good, 0),
                              ("x" * 400 + "@b.test", good, 0), ("a@b.test", good, 999999999), ("a@b.test", good, 1000),
                              ("nobody", good, 999999999), ("a@b.test", "postmaster", 0)):
        answer, code = dry(s, who, *(["--size", str(size)] if size else []), sender=sender)
        with demo.client("127.0.0.9") as c:
            mail = c.cmd(f"MAIL FROM:<{sender.strip('<>')}>" + (f" SIZE={size}" if size else ""))
            told = mail if mail.code != 250 else c.cmd(f"RCPT TO:{who if who.startswith('<') else f'<{who}>'}")
        line = re.sub(r" \[s \w+\]\r\n$|\r\n$", "", told.raw.decode())  # a refusal names its session
        assert (answer["reply"], code) == (line, told.code != 250), (sender, who, size)


def test_a_dry_run_names_the_line_of_the_setting(server):
    s = server(sections={"helo": {"full-name": "yes"}})
    with open(s.conf) as f:
        line = f.read().splitlines().index("    full-name = yes") + 1
    answer, _ = dry(s, "alice@example.org", "--helo", "short")
    assert (answer["check"], answer["line"]) == ("helo", line)
    done = s.tool("check", "rcpt", "alice@example.org", "--from", "a@b.test", "--client", "2001:db8::1", "--helo", "short")
    assert f'helo            550        "short" is not a full name (waybill.conf:{line})' in done.stdout


def test_without_a_server_the_files_say_it(server):
    s = server(start=False, sections={"harvest": {"unknown": "7"}})
    for who, code in (("alice@example.org", 250), ("team@example.org", 250), ("nobody@example.org", 550),
                      ("x@elsewhere.test", 550), ("postmaster", 250)):
        answer, _ = dry(s, who)
        assert answer["code"] == code, answer
    assert dry(s, "x@elsewhere.test", client="127.0.0.2")[0]["code"] == 250
    done = s.tool("check", "rcpt", "alice@example.org", "--from", "a@b.test", "--client", "127.0.0.9")
    assert done.stdout.startswith("No server runs with this configuration"), done.stdout
    assert "7 more unknown recipients" in done.stdout


@pytest.mark.parametrize("words", [[], ["rcpt"], ["rcpt", "a@b.test"], ["rcpt", "a@b.test", "--client", "192.0.2.1"],
                                   ["rcpt", "a@b.test", "--client", "192.0.2", "--from", "a@b.test"],
                                   ["rcpt", "a@b.test", "--client", "192.0.2.1", "--from", "a@b.test", "--size", "x"],
                                   ["rcpt", "a@b.test", "b@b.test", "--client", "192.0.2.1", "--from", "a@b.test"]])
def test_wrong_words_are_usage(small, words):
    done = small.tool("check", *words)
    assert done.returncode == 2 and "usage:" in done.stderr, done


def test_the_checks_are_counted(small):
    with small.client("127.0.0.9") as c:
        c.cmd("MAIL FROM:<a@localhost>").is_(250)
        rcpt(c, "alice@example.org").is_(550)
    with small.client("127.0.0.2") as c:
        c.begin()
    now = counts(small)
    assert (now["helo"]["asked"], now["helo"]["refused"], now["helo"]["stages"]) == (1, 0, ["helo"])
    assert (now["sender-domain"]["asked"], now["sender-domain"]["refused"]) == (1, 1)
    # Trusted clients meet what holds for everybody.
    assert now["recipient"]["asked"] == 1
    assert (now["early-talk"]["stages"], now["early-talk"]["asked"]) == ([], 0)
    lines = small.tool("check", "list").stdout.splitlines()
    assert lines[0].split()[0] == "check" and len(lines) == 1 + len(now), lines


@pytest.fixture
def limited(server):
    """A host may connect 40 times, send 10 messages to 15 recipients, in an hour; the sender and bob have limits too."""
    return staged(server(sections={
        'rate "client"': {"connections": "40", "messages": "10", "recipients": "15", "only-for": '{"127.0.0.8/29"}'},
        'rate "network"': {"bytes": "64KiB", "only-for": '{"127.0.0.16/28"}'},
        'rate "sender"': {"messages": "3", "only-for": '{"127.0.0.32/28"}'},
        'rate "recipient"': {"messages": "2", "only-for": '{"127.0.0.64/28"}'}}))


def test_a_host_that_connects_too_often_is_told_421(limited):
    """The greeting's place knows 421 and 554 alone; other hosts come in meanwhile."""
    for i in range(40):
        with limited.raw("127.0.0.9") as c:
            c.reply().is_(220)
    with limited.raw("127.0.0.9") as c:
        c.reply().is_(421, "4.7.0")
        assert c.is_closed()
    with limited.raw("127.0.0.10") as c:
        c.reply().is_(220)
    limited.wait_log('code=421 key=too-many-connections-recently check=rate why="client: 0 of 40 connections left in 1 hour"')


def test_too_many_messages_of_a_host_are_450(limited):
    with limited.client("127.0.0.9") as c:
        for _ in range(10):
            c.begin("a@b.test", "alice@example.org").data(message(token())).is_(250)
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        rcpt(c, "alice@example.org").is_(450, "4.7.1")
        # It stays so for the other recipients, and in another session.
        rcpt(c, "bob@example.org").is_(450, "4.7.1")
    with limited.client("127.0.0.9") as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        rcpt(c, "alice@example.org").is_(450, "4.7.1")
    with limited.client("127.0.0.1") as c:
        c.begin("a@b.test", "alice@example.org")


def test_too_many_recipients_of_a_host_are_450(limited):
    with limited.client("127.0.0.9") as c:
        c.begin("a@b.test", *[f"alice+{i}@example.org" for i in range(15)])
        for i in range(3):
            rcpt(c, f"bob+{i}@example.org").is_(450, "4.7.1")
        c.data(message(token())).is_(250)


def test_what_a_message_was_too_large_is_owed(limited):
    """A message that was begun is taken, large ones too; the next one waits."""
    with limited.client("127.0.0.17") as c:
        c.begin("a@b.test", "alice@example.org").data(message(token(), b"x" * 70 + b"\r\n" * 30)).is_(250)
        c.begin("a@b.test", "alice@example.org").data(message(token(), (b"x" * 70 + b"\r\n") * 5000)).is_(250)
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        rcpt(c, "alice@example.org").is_(450, "4.7.1")
    with limited.client("127.0.0.20") as c:  # the same network
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        rcpt(c, "alice@example.org").is_(450, "4.7.1")


def test_a_sender_is_limited_from_all_hosts(limited):
    for i in range(3):
        limited.deliver(message(token()), sender="News@B.test", source=f"127.0.0.{33 + i}").is_(250)
    with limited.client("127.0.0.40") as c:
        c.cmd("MAIL FROM:<news@b.test>").is_(250)
        rcpt(c, "alice@example.org").is_(450, "4.7.1")
        c.cmd("RSET")
        c.begin("other@b.test", "alice@example.org")
        c.cmd("RSET")
        for _ in range(5):
            c.begin("", "alice@example.org")
            c.cmd("RSET")


def test_a_recipient_is_limited_whoever_sends(limited):
    with limited.client("127.0.0.65") as c:
        for i in range(2):
            c.begin(f"a{i}@b.test", ["bob@example.org", "bob+news@example.org"][i]).data(message(token())).is_(250)
        c.cmd("MAIL FROM:<z@b.test>").is_(250)
        rcpt(c, "BOB@example.org").is_(450, "4.7.1")
        rcpt(c, "bob+other@example.org").is_(450, "4.7.1")
        rcpt(c, "alice@example.org").is_(250)
        # Somebody who does not exist is never said to get too much.
        for _ in range(5):
            rcpt(c, "nobody@example.org").is_(550, "5.1.1")
    answer, _ = dry(limited, "bob@example.org", client="127.0.0.66")
    assert (answer["check"], answer["code"]) == ("rate", 450)


def test_a_limited_recipient_is_no_secret_told_to_who_guesses(server):
    """Beyond the budget of guesses a recipient with too much mail gets the same answer as one who does not exist."""
    s = server(sections={"harvest": {"unknown": "5"}, 'rate "recipient"': {"messages": "1"}})
    with s.client("127.0.0.9") as c:
        c.begin("a@b.test", "bob@example.org").data(message(token())).is_(250)
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        rcpt(c, "bob@example.org").is_(450, "4.7.1")
        c.cmd("RSET")
        flood(c, 5)
        guarded = {without_wait(rcpt(c, who)) for who in ("bob@example.org", "nobody@example.org", "alice@example.org")}
        assert len(guarded) == 1, guarded


def test_a_reload_changes_rates(server):
    """What was used stays used: the same share of the new number."""
    def sections(most):
        return {'rate "client"': {"messages": most}}
    s = server(sections=sections("10"))

    def messages(count):
        with s.client("127.0.0.9") as c:
            codes = []
            for _ in range(count):
                c.cmd("MAIL FROM:<a@b.test>").is_(250)
                codes.append(rcpt(c, "alice@example.org").code)
                c.cmd("RSET")
            return codes

    def reloaded(most, left):
        s.reconfigure(sections=sections(most))
        assert s.tool("reload").returncode == 0
        until(lambda: any(f"{left} of {most} messages left" in step["why"]
                          for step in dry(s, "alice@example.org")[0]["steps"]), f"{most} hold")
    assert messages(4) == [250] * 4
    reloaded("5", 3)
    assert messages(4) == [250] * 3 + [450]
    reloaded("100", 0)
    assert messages(1) == [450]


def test_lists_in_files_are_read_again_when_they_change(server, tmp_path):
    lists = tmp_path / "lists"
    lists.write_text("# who\nclient 127.0.0.9\nsender *.junk.test\nclient nonsense\n")
    friends = tmp_path / "friends"
    friends.write_text("sender good@x.junk.test\n")
    s = server(sections={"deny": {"file": f'"{lists}"', "helo": '{"bad.test"}'}, "allow": {"file": f'"{friends}"'}})

    def told(client="127.0.0.1", sender="a@b.test", helo="client.test"):
        with s.raw(client).greeted(helo) as c:
            c.cmd(f"MAIL FROM:<{sender}>").is_(250)
            return rcpt(c, "alice@example.org").code
    assert (told(), told("127.0.0.9"), told(sender="a@x.junk.test"), told(helo="bad.test")) == (250, 554, 550, 554)
    assert told(sender="good@x.junk.test") == 250
    s.wait_log(rf'{lists}:4: .*nonsense')
    answer, _ = dry(s, "alice@example.org", client="127.0.0.9")
    assert "127.0.0.9/32 is listed in line 2 of the file" in str(answer["steps"])
    lists.write_text("client 127.0.0.10\n")
    until(lambda: told("127.0.0.10") == 554, "the new file holds")
    assert (told("127.0.0.9"), told(helo="bad.test")) == (250, 554)
    lists.unlink()
    until(lambda: told("127.0.0.10") == 250, "without the file the configuration alone holds")
    assert told(helo="bad.test") == 554
    s.wait_log("table-unreadable")
    lists.write_text("client 127.0.0.11\n")
    s.stop()
    answer, _ = dry(s, "alice@example.org", client="127.0.0.11")
    assert answer["code"] == 554


def test_trusted_clients_have_no_rate(server):
    s = staged(server(sections={'rate "client"': {"connections": "1", "messages": "1"}}))
    for _ in range(10):
        with s.client("127.0.0.2") as c:
            c.begin("a@b.test", "alice@example.org")


def test_budgets_outlive_a_reload_and_not_the_role(limited):
    """They are kept in memory by policy."""
    def asked():
        with limited.client("127.0.0.65") as c:
            c.cmd("MAIL FROM:<z@b.test>").is_(250)
            code = rcpt(c, "bob@example.org").code
            if code == 250:
                c.data(message(token())).is_(250)
            return code
    assert [asked(), asked(), asked()] == [250, 250, 450]
    assert limited.tool("reload").returncode == 0
    assert asked() == 450
    limited.kill_role("policy")
    until(lambda: asked() == 250, "a new policy role has forgotten it")


def test_the_server_works_while_policy_is_away_and_asks_later(limited):
    """Nobody could be asked at connect: the client is greeted, and the question travels with the recipient."""
    for _ in range(3):
        limited.kill_role("policy")
        with limited.raw("127.0.0.9") as c:
            c.greeted().cmd("MAIL FROM:<a@b.test>").is_(250)
            until(lambda: rcpt(c, "alice@example.org").code == 250, "policy is back")


@pytest.fixture
def listing(server):
    return server(sections={
        "deny": {"client": '{"127.0.0.8/29"}', "helo": '{"*.dynamic.test"}', "sender": '{"spam@b.test", "*.junk.test"}',
                 "recipient": '{"team@example.org"}'},
        "allow": {"client": '{"127.0.0.10"}', "sender": '{"friend@good.test"}'}})


def test_who_is_denied_is_refused_at_the_recipient(listing):
    with listing.client("127.0.0.9") as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        rcpt(c, "alice@example.org").is_(554, "5.7.1")
        rcpt(c, "bob@example.org").is_(554, "5.7.1")
    listing.wait_log('key=client-denied check=deny why="127.0.0.8/29 is listed in the configuration"')
    with listing.raw("127.0.0.1").greeted("h7.Dynamic.test") as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        rcpt(c, "alice@example.org").is_(554, "5.7.1")
    with listing.client("127.0.0.1") as c:
        for sender in ("SPAM@b.test", "x@a.junk.test"):
            c.cmd(f"MAIL FROM:<{sender}>").is_(250)
            rcpt(c, "alice@example.org").is_(550, "5.7.1")
            c.cmd("RSET")
        c.begin("x@junk.test", "alice@example.org")
        rcpt(c, "team@example.org").is_(550, "5.7.1")
        rcpt(c, "bob@example.org").is_(250)
    with listing.client("127.0.0.2") as c:
        c.begin("spam@b.test", "team@example.org")


def test_who_is_allowed_is_excused(listing):
    with listing.raw("127.0.0.10").greeted("mx.example.org") as c:
        c.begin("spam@b.test", "team@example.org")
        rcpt(c, "nobody@example.org").is_(550, "5.1.1")
        rcpt(c, "x@elsewhere.test").is_(550, "5.7.1")
    # By its sender as well, but then only where the sender is known.
    with listing.client("127.0.0.9") as c:
        c.begin("friend@good.test", "alice@example.org", "team@example.org")
    answer, _ = dry(listing, "team@example.org", sender="friend@good.test")
    assert (steps(answer)["allow"], steps(answer)["helo"], answer["code"]) == ("accept", "skip", 250)


def test_who_is_denied_can_be_turned_away_at_once(server):
    s = staged(server(sections={"deny": {"client": '{"127.0.0.9"}', "sender": '{"spam@b.test"}'},
                                "checks": {"early-refusals": "yes"}}))
    with s.raw("127.0.0.9") as c:
        c.reply().is_(554, "5.7.1")
        c.cmd("EHLO client.test").is_(503, "5.5.1")
        c.quit()
    with s.client("127.0.0.10") as c:
        c.cmd("MAIL FROM:<spam@b.test>").is_(550, "5.7.1")


def test_the_demo_denies_127_0_0_4(demo):
    with demo.client("127.0.0.4") as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        rcpt(c, "alice@example.org").is_(554, "5.7.1")


def test_one_recipients_exemption_is_no_one_elses(server):
    """abuse is reached by whoever knows no manners; the others are not, in this transaction or a later one."""
    s = server(sections={"allow": {"recipient": '{"bob@example.org"}'}, "helo": {"full-name": "yes"},
                         'rate "client"': {"messages": "1"}})
    with s.client("127.0.0.3") as c:
        c.cmd("EHLO localhost")
        for _ in range(2):
            c.cmd("MAIL FROM:<x@y.test>").is_(250)
            c.cmd("RCPT TO:<bob@example.org>").is_(250)
            c.cmd("RCPT TO:<alice@example.org>").is_(550, "5.7.1")
            c.data(message(token())).is_(250)
    until(lambda: len(s.mails("bob", "")) == 2, "bob has both")
    assert not s.mails("alice", "")
    with s.client("127.0.0.3") as c:
        c.cmd("EHLO mx.client.test")
        for code in (250, 450):
            c.cmd("MAIL FROM:<x@y.test>").is_(250)
            c.cmd("RCPT TO:<bob@example.org>").is_(250)
            for _ in range(3):  # it is one message, however many recipients it has
                c.cmd("RCPT TO:<alice@example.org>").is_(code)
            c.cmd("RCPT TO:<bob@example.org>").is_(250)
            c.data(message(token())).is_(250)


def test_an_allowed_sender_opens_the_door_for_itself_alone(server):
    s = server(sections={"allow": {"sender": '{"partner.test"}'}, "helo": {"full-name": "yes"}, "harvest": {"unknown": "3"}})
    with s.client("127.0.0.3") as c:
        c.cmd("EHLO localhost")
        c.begin("x@partner.test", "alice@example.org")
        c.cmd("RSET")
        c.cmd("MAIL FROM:<x@spam.test>").is_(250)
        c.cmd("RCPT TO:<alice@example.org>").is_(550, "5.7.1")
        c.cmd("RSET")
        c.cmd("MAIL FROM:<x@partner.test>").is_(250)
        codes = [c.cmd(f"RCPT TO:<nobody{n}@example.org>").code for n in range(5)]
        assert codes == [550] * 3 + [450] * 2
        c.cmd("RCPT TO:<alice@example.org>").is_(450, "4.7.1")


def test_who_is_only_named_gets_the_mail_of_others(server):
    """Nobody is shut off from a mailbox by who asks for it again and again, and sends nothing."""
    s = staged(server(sections={'rate "recipient"': {"messages": "2"}}))
    with s.client("127.0.0.9") as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        assert {rcpt(c, "alice@example.org").code for _ in range(10)} == {250}
    for _ in range(2):
        s.deliver(message(token()), ["alice+x@example.org"], source="127.0.0.10").is_(250)
    with s.client("127.0.0.9") as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        rcpt(c, "ALICE@example.org").is_(450, "4.7.1")
        rcpt(c, "bob@example.org").is_(250)


def test_a_limited_recipient_of_a_domain_that_takes_all_is_no_secret_told(server):
    """Each name has a limit of its own, whoever has it, so that it tells nothing of who exists."""
    s = staged(server(sections={"domain": {"catch-all": '"bob@example.org"'}, 'rate "recipient"': {"messages": "2"}}))
    names = ("alice", "team", "nobody", "nobody1")
    codes = {name: [] for name in names}
    for name in names:
        for i in range(4):
            with s.client("127.0.0.9") as c:
                c.cmd("MAIL FROM:<a@b.test>").is_(250)
                reply = rcpt(c, f"{name}+{i}@example.org")
                codes[name].append(reply.code)
                if reply.code == 250:
                    c.data(message(token())).is_(250)
    assert set(map(tuple, codes.values())) == {(250, 250, 450, 450)}, codes
