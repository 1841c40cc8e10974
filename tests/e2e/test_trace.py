# SPDX-License-Identifier: Apache-2.0
"""`waybill trace`: what became of it, and why."""
import json
import re

from harness.deadline import until
from harness.server import message, token, waybill

TRUSTED = "127.0.0.2"


def send(server, *recipients):
    """Sends one message; its id."""
    reply = server.deliver(message(token()), recipients, sender="alice@example.org", source=TRUSTED)
    reply.is_(250)
    return re.search(r"\b[0-9a-hjkmnp-tv-z]{26}\b", reply.text).group(0)


def trace(server, of):
    done = server.tool("trace", of)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout


def test_a_greylisted_message_is_told_from_its_acceptance_to_its_delivery(fresh_demo):
    """The story of the whole: accepted, 450, why, when again, delivered; nothing to do."""
    found = send(fresh_demo, "someone@greylist.test")
    until(lambda: "attempt 1: " in trace(fresh_demo, found), "the first attempt")
    assert re.search(r"now: someone@greylist\.test, next attempt at \d\d:\d\d:\d\d", trace(fresh_demo, found))
    fresh_demo.settled(30)
    for of in (found, found[:16], "someone@greylist.test"):
        text = trace(fresh_demo, of)
        told = ["accepted from 127.0.0.2 (trusted)", "attempt 1: ", "450 4.7.1", "greylisted: ", "it named 10 s; next attempt at",
                "attempt 2: delivered", "delivered after 1", "Nothing to do."]
        at = [text.find(words) for words in told]
        assert -1 not in at and at == sorted(at), (at, text)
    events = [json.loads(line) for line in fresh_demo.tool("trace", found, "--json").stdout.splitlines()]
    assert [e["kind"] for e in events] == ["accepted", "result", "result"]
    assert [e.get("state") for e in events] == [None, "deferred", "delivered"]
    assert {e["id"] for e in events} == {found}


def test_a_refusal_is_told_by_the_session_in_its_text(demo):
    """Who, which command, which check, what it means; nothing was accepted."""
    with demo.client() as c:
        refusal = c.cmd("MAIL FROM:<x@y.test>") and c.cmd("RCPT TO:<nobody@example.org>")
        session = re.search(r"\[s (\w{6})\]", refusal.text).group(1)
        c.quit()
    until(lambda: "disconnected" in trace(demo, session), "the end of the session is known")
    text = trace(demo, session)
    assert text.startswith(f"session {session} from 127.0.0.1\n"), text
    assert "RCPT nobody@example.org was answered 550 5.1.1" in text and "decided by the check recipient" in text, text
    assert "Nothing was accepted." in text
    assert session in trace(demo, "nobody@example.org")


def test_a_bounced_message_says_why_and_whom_it_told(fresh_demo):
    """A permanent refusal, its meaning, the bounce."""
    found = send(fresh_demo, "someone@unknown.test")
    until(lambda: "told by a bounce: alice@example.org" in trace(fresh_demo, found), "the bounce")
    text = trace(fresh_demo, found)
    assert "550 5.1.1" in text and "user-unknown: " in text and "nothing more is tried" in text, text


def test_a_message_to_a_destination_that_is_down_says_until_when(fresh_demo):
    """What the server cannot reach, and what an operator did."""
    found = send(fresh_demo, "someone@down.test")
    until(lambda: "could not be spoken with" in trace(fresh_demo, found), "down.test is known to be down")
    until(lambda: fresh_demo.tool("queue", "hold", found).returncode == 0, "no probe was under way")
    text = trace(fresh_demo, found)
    assert "held by an operator" in text and "now: someone@down.test, held until waybill queue release" in text, text


def test_what_the_events_do_not_know_is_told_from_the_queue(server):
    """After a restart of the server the queue still knows its messages."""
    s = server(sections={"queue": {"paused": "yes"}})
    found = send(s, "alice@example.org")
    s.stop()
    s.start()
    assert "alice@example.org: not tried yet; the queue is paused" in trace(s, found)
    assert found in trace(s, "alice@example.org")


def test_what_nobody_knows_is_exit_code_1(demo):
    """And wrong use 2, and no server 75."""
    assert demo.tool("trace", "zzzzzz").returncode == 1
    assert demo.tool("trace", "nobody@nowhere.test").returncode == 1
    assert demo.tool("trace", "192.0.2.1").returncode == 1
    assert demo.tool("trace").returncode == 2
    assert waybill("trace", "zzzzzz", "-c", "/nonexistent/waybill.conf").returncode != 0
