# SPDX-License-Identifier: Apache-2.0
"""`waybill check rcpt` promises nothing that it did not ask, and says the very line that a client reads."""
import json
import re

import pytest

from harness.deadline import until
from harness.name_server import name_server

STRANGER = "127.0.0.9"


def words(who, sender, client, *more):
    return ["check", "rcpt", who, "--from", sender, "--client", client, *more]


def dry(server, *more, who="alice@example.org", sender="a@b.test", client=STRANGER):
    done = server.tool(*words(who, sender, client, *more), "--json")
    return json.loads(done.stdout)


def opinions(answer):
    return {step["check"]: step["opinion"] for step in answer["steps"]}


def line_of(reply):
    """The line without its end and the session that a refusal names."""
    return re.sub(r"( \[s \w+\])?\r\n$", "", reply.raw.decode())


def told(server, helo="client.test", sender="a@b.test", who="alice@example.org", client=STRANGER):
    """The first refusal that a real session meets, or what its recipient is told."""
    with server.raw(client) as c:
        for command in ("", f"EHLO {helo}", f"MAIL FROM:<{sender}>", f"RCPT TO:<{who}>"):
            reply = c.cmd(command) if command else c.reply()
            if reply.code >= 400:
                break
        return line_of(reply)


def staged(server):
    until(lambda: server.log().count("ev=stages ") >= len(server.roles("smtpd")), "policy has said when to ask")


def test_what_was_not_asked_is_no_promise(server):
    """Without a server the greylist and the mailbox are unknown; the started one puts the same stranger off."""
    s = server(start=False, sections={"greylist": {"delay": '"3s"'}})
    answer = dry(s)
    assert answer["not_asked"] == ["greylist", "mailbox"], answer
    assert (opinions(answer)["greylist"], opinions(answer)["mailbox"]) == ("not-asked", "not-asked")
    shown = s.tool(*words("alice@example.org", "a@b.test", STRANGER)).stdout
    assert re.search(r"greylist +not asked +who was seen before is known to a running server alone\n", shown), shown
    assert re.search(r"mailbox +not asked +a running server looks at the mailbox\n", shown), shown
    assert shown.endswith("A client would be told:  250 2.1.5 Recipient ok\nif greylist and mailbox, which only a running "
                          "server can ask, have nothing against it.\nNothing was changed.\n"), shown
    # What needs nobody else is certain; and so is what a session refuses by itself.
    assert dry(s, who="x@elsewhere.test")["not_asked"] == []
    assert dry(s, who="nobody@example.org")["not_asked"] == []
    s.start()
    assert told(s).startswith("450 4.7.1 Greylisted")
    assert dry(s)["not_asked"] == []


def test_without_a_server_the_dns_and_the_brake_are_not_asked(server):
    s = server(start=False, sections={
        "helo": {"must-resolve": "yes"}, "sender-domain": {"must-exist": "yes"}, "reverse-name": {"must-exist": "yes"},
        'dnslist "block.test"': {}})
    answer = dry(s, "--helo", "client.test")
    asks_dns = {"sender-domain", "helo", "reverse-name", "dnslists"}
    assert asks_dns | {"mailbox"} == set(answer["not_asked"]), answer
    assert {step["check"] for step in answer["steps"] if "asks the DNS" in step["why"]} == asks_dns
    assert dry(s, client="127.0.0.2")["not_asked"] == ["brake", "mailbox"]


@pytest.fixture
def names(tmp_path):
    folder = tmp_path / "nsd"
    folder.mkdir()
    zones = {"bl.test": "7.1.0.127 IN A 127.0.0.2\n7.1.0.127 IN TXT \"ask us\"\n8.1.0.127 IN A 127.0.0.2\n"}
    with name_server(folder, zones) as port:
        yield f'{{"127.0.0.1:{port}"}}'


@pytest.mark.parametrize("refuse", ["1", "0"])
def test_a_dry_run_says_by_which_list_and_why(server, names, refuse):
    s = server(sections={'dnslist "bl.test"': {}, "dnslists": {"refuse-at": refuse, "defer-at": "1"},
                         "dns": {"servers": names, "trust-anchor": '""'}})
    for client in ("127.0.1.7", "127.0.1.8"):
        line = told(s, client=client)
        assert f"{client} is listed by bl.test" in line
        assert dry(s, client=client)["reply"] == line


def test_a_dry_run_says_at_which_stage_a_client_is_turned_away(server):
    """Who comes too often reads 421 in place of the greeting, with the host's name and the seconds."""
    s = server(sections={'rate "client"': {"connections": "1", "per": '"1h"'}})
    staged(s)
    told(s)
    line = told(s)
    assert line.startswith("421 4.7.0 mx.example.org has had too many connections"), line
    answer = dry(s)
    seconds = re.compile(r"\d+ seconds")
    assert seconds.sub("N", answer["reply"]) == seconds.sub("N", line)
    assert (answer["code"], answer["accepted"]) == (421, False)


def test_a_dry_run_follows_early_refusals(server):
    """Who is allowed as a sender is not known to be when EHLO is answered at once."""
    sections = {"allow": {"sender": '{"good.test"}'}, "deny": {"sender": '{"x@bad.test"}'}, "helo": {"full-name": "yes"},
                "greylist": {"delay": '"1m"'}}
    for early in ("no", "yes"):
        s = server(sections={**sections, "checks": {"early-refusals": early}})
        if early == "yes":
            staged(s)
        assert told(s, "short", "y@good.test")[:3] == ("550" if early == "yes" else "250")
        for helo, sender, who in (("short", "y@good.test", "alice"), ("c.test", "y@good.test", "bob"),
                                  ("c.test", "x@bad.test", "postmaster"), ("c.test", "z@other.test", "bob"),
                                  ("c.test", "z@other.test", "nobody")):
            line = told(s, helo, sender, f"{who}@example.org")
            assert dry(s, "--helo", helo, sender=sender, who=f"{who}@example.org")["reply"] == line, (early, sender)


@pytest.mark.parametrize("started", [True, False])
def test_a_dry_run_reads_the_name_in_helo_as_a_session_does(server, demo, started):
    s = server(start=started)
    for helo in ("bad name", "a,b", "", "x" * 256, "b\xfcrg", "tab\there", "<client>"):
        with demo.raw(STRANGER) as c:
            c.reply().is_(220)
            line = line_of(c.cmd(f"EHLO {helo}"))
        assert line[:3] in ("500", "501"), line
        answer = dry(s, "--helo", helo)
        assert (answer["reply"], answer["check"], answer["accepted"]) == (line, "session", False), helo
    for sender, who in (("a\x01@b.test", "alice@example.org"), ("a@b.test", "al\x02ice@example.org")):
        assert dry(s, "--helo", "c.test", sender=sender, who=who)["reply"] == told(demo, sender=sender, who=who)


def test_the_help_says_what_a_dry_run_does_not_know(server):
    help_text = server(start=False).tool("check", "rcpt", "--help").stdout
    assert "what the session did before" in " ".join(help_text.split())
