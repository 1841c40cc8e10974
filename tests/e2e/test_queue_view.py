# SPDX-License-Identifier: Apache-2.0
"""`waybill queue`: what an operator sees of waiting mail, and what becomes of their wishes."""
import json
import re

from harness.deadline import until
from harness.server import message, token, waybill

TRUSTED = "127.0.0.2"


def send(server, recipients, sender="alice@example.org", body=b"Hello.\r\n"):
    """Sends one message; its id."""
    reply = server.deliver(message(token(), body), recipients, sender=sender, source=TRUSTED)
    reply.is_(250)
    return re.search(r"\b[0-9a-hjkmnp-tv-z]{26}\b", reply.text).group(0)


def listed(server, *words):
    """The messages of `waybill queue list`; none is exit code 1."""
    done = server.tool("queue", "list", *words, "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == (0 if lines else 1), (done.returncode, done.stderr)
    return lines


def ids(server, *words):
    return {m["id"] for m in listed(server, *words)}


def waits(server, message_id):
    return {r["address"]: r["waits_for"] for m in listed(server) if m["id"] == message_id for r in m["recipients"]}


def paused(server):
    return server(sections={"queue": {"paused": "yes"}})


def test_a_destination_that_is_down_is_told_with_since_when_and_the_next_probe(fresh_demo):
    """One line for the destination, not one for each message."""
    wanted = {send(fresh_demo, [f"u{i}@down.test"]) for i in range(3)}
    until(lambda: "destination-down" in waits(fresh_demo, next(iter(wanted))).values(), "down.test is known to be down")
    text = fresh_demo.tool("queue").stdout
    assert re.search(r"^smtp://127\.0\.0\.1:\d+ +3 .* down since \d\d:\d\d:\d\d \(.+\); (next probe at \d\d|a probe)", text, re.M), text
    assert re.search(r"^3 messages, 3 recipients\. Oldest: \d+ s\. Disk: ", text, re.M), text
    assert ids(fresh_demo, "--destination", "down.test") == wanted
    shown = fresh_demo.tool("queue", "show", next(iter(wanted))[:16]).stdout
    assert "is down since" in shown and "from alice@example.org" in shown, shown
    summary = json.loads(fresh_demo.tool("queue", "--json").stdout)
    assert summary["messages"] == 3 and summary["groups"][0]["state"] == "down"


def test_a_deferred_message_is_told_with_its_reason_and_next_attempt(fresh_demo):
    """The words of the other server, what they mean, and when it goes on."""
    found = send(fresh_demo, ["someone@full.test"])
    until(lambda: waits(fresh_demo, found).get("someone@full.test") == "its-time", "it is deferred")
    assert ids(fresh_demo, "--reason", "mailbox-full") == {found}
    assert ids(fresh_demo, "--reason", "is full; try") == {found}
    assert ids(fresh_demo, "--reason", "greylisted") == set()
    shown = fresh_demo.tool("queue", "show", found).stdout
    assert re.search(r"next attempt at \d\d:\d\d:\d\d, after \d+ attempt", shown), shown
    assert "452 4.2.2" in shown and "mailbox-full:" in shown, shown


def test_filters_find_what_they_say(server):
    """Each alone and together."""
    s = paused(server)
    a = send(s, ["alice@example.org"], "x@one.test")
    b = send(s, ["bob@example.org", "alice@example.org"], "y@two.test")
    c = send(s, ["bob@example.org"], "")
    assert ids(s) == {a, b, c}
    assert ids(s, "--sender", "X@one.test") == {a}
    assert ids(s, "--sender", "@two.test") == {b}
    assert ids(s, "--sender", "<>") == {c}
    assert ids(s, "--recipient", "alice@example.org") == {a, b}
    assert ids(s, "--recipient", "bob@example.org", "--sender", "@two.test") == {b}
    assert ids(s, "--destination", "example.org") == {a, b, c}
    assert ids(s, "--older", "1h") == set()
    assert ids(s, "--newer", "1h") == {a, b, c}
    assert ids(s, "--state", "pending") == {a, b, c}
    assert ids(s, "--state", "held") == set()
    assert len(listed(s, "--limit", "2")) == 2
    one = listed(s, "--recipient", "alice@example.org", "--sender", "@two.test")[0]
    assert one["recipient_count"] == 2 and one["matching"] == 1
    assert [r["address"] for r in one["recipients"]] == ["alice@example.org"]
    assert one["recipients"][0]["waits_for"] == "queue-paused"


def test_what_is_held_stays_until_it_is_released(server):
    """Also over a restart of the server."""
    s = paused(server)
    held, free = send(s, ["alice@example.org"], "held@x.test"), send(s, ["bob@example.org"], "free@x.test")
    done = s.tool("queue", "hold", held)
    assert done.returncode == 0 and "1 message with 1 recipient: held." in done.stdout, (done.stdout, done.stderr)
    s.stop()
    s.reconfigure()
    s.start()
    until(lambda: ids(s) == {held}, "the other one was delivered")
    assert waits(s, held) == {"alice@example.org": "held"}
    assert re.search(r"^\(held\) +1 ", s.tool("queue").stdout, re.M)
    assert s.tool("queue", "release", "--state", "held").returncode == 0
    s.settled()
    assert free not in ids(s)


def test_one_recipient_of_several_is_held_alone(server):
    """A filter chooses recipients, not only messages."""
    s = paused(server)
    both = send(s, ["alice@example.org", "bob@example.org"])
    assert s.tool("queue", "hold", "--recipient", "bob@example.org").returncode == 0
    assert s.tool("queue", "resume").returncode == 0
    until(lambda: waits(s, both) == {"bob@example.org": "held"}, "alice has hers")
    assert s.tool("queue", "release", both[:12]).returncode == 0
    s.settled()


def test_remove_counts_and_asks_and_then_does(server):
    """Without --yes somebody has to say yes; nobody is told unless that is wanted."""
    s = paused(server)
    for i in range(5):
        send(s, ["alice@example.org"], f"s{i % 2}@x.test")
    asked = s.tool("queue", "remove", "--sender", "s0@x.test")
    assert asked.returncode == 1
    assert "3 messages with 3 recipients match." in asked.stdout and "Nothing was removed." in asked.stdout, asked.stdout
    assert s.queued() == 5
    assert s.tool("queue", "remove", "--sender", "s0@x.test", "--json").returncode == 2
    done = s.tool("queue", "remove", "--sender", "s0@x.test", "--yes")
    assert done.returncode == 0 and "3 messages with 3 recipients: removed." in done.stdout, done.stdout
    assert s.queued() == 2
    assert s.tool("queue", "remove", "--sender", "s0@x.test", "--yes").returncode == 1
    s.kill_all()
    s.start()
    assert s.queued() == 2, "what was removed came back after a crash"


def test_remove_with_bounce_tells_the_sender(server):
    """Who wrote it learns that it was taken out."""
    s = paused(server)
    found = send(s, ["bob@example.org"], "alice@example.org")
    assert s.tool("queue", "remove", found, "--bounce").returncode == 0
    assert s.tool("queue", "resume").returncode == 0
    assert b"bob@example.org" in s.mail("alice", "Removed from the queue").raw
    s.settled()


def test_removed_mail_leaves_the_destination_that_it_waited_for(fresh_demo):
    """Nothing of it stays behind in the scheduler."""
    found = send(fresh_demo, ["someone@down.test"])
    until(lambda: "destination-down" in waits(fresh_demo, found).values(), "down.test is known to be down")

    def removed():
        fresh_demo.tool("queue", "remove", found)
        return found not in ids(fresh_demo)
    until(removed, "no probe was under way")
    assert "down since" not in fresh_demo.tool("queue").stdout
    assert fresh_demo.queued() == 0


def test_retry_makes_it_due_now(fresh_demo):
    """Both what waits for its time and what waits for a destination that is down."""
    found = send(fresh_demo, ["someone@full.test"])

    def attempts():
        return sum(r["attempts"] for m in listed(fresh_demo) if m["id"] == found for r in m["recipients"])
    until(lambda: attempts() > 0, "the first attempt")
    for _ in range(3):
        before = attempts()
        until(lambda: fresh_demo.tool("queue", "retry", found).returncode == 0, "no attempt was under way")
        until(lambda: attempts() > before, "another attempt", 2)


def test_cat_gives_the_message_as_it_is_kept(server):
    """Small ones and large ones, byte for byte."""
    s = paused(server)
    small = send(s, ["alice@example.org"], body=b"just this\r\n")
    large_body = b"0123456789abcdef0123456789abcdef\r\n" * 60000
    large = send(s, ["alice@example.org"], body=large_body)
    text = s.tool("queue", "cat", small).stdout
    assert "just this" in text and text.startswith("Received:"), text[:200]
    text = s.tool("queue", "cat", large).stdout
    assert text.count("0123456789abcdef0123456789abcdef") == 60000
    assert s.tool("queue", "cat", "0000000000").returncode == 1


def test_a_thousand_messages_are_listed_in_pages(server):
    """More than one page, each message once, in the order of arrival."""
    s = paused(server)
    with s.client(TRUSTED) as c:
        for i in range(1000):
            c.begin(f"n{i}@{'even' if i % 2 == 0 else 'odd'}.test", "alice@example.org").data(message(f"m{i}")).is_(250)
        c.quit()
    found = [m["sender"] for m in listed(s)]
    assert len(found) == len(set(found)) == 1000
    assert len(listed(s, "--sender", "@even.test")) == 500
    done = s.tool("queue", "hold", "--sender", "@odd.test")
    assert "500 messages with 500 recipients: held." in done.stdout, done.stdout
    assert len(listed(s, "--state", "held")) == 500
    assert "1,000 messages" in s.tool("queue").stdout
    assert s.tool("queue", "remove", "--all", "--yes").returncode == 0
    assert s.queued() == 0


def test_wrong_use_is_told_and_is_exit_code_2(server):
    """And a server that is not there is 75."""
    s = paused(server)
    for words in (["nonsense"], ["list", "--sender"], ["list", "--older", "soon"], ["show"], ["hold"], ["show", "abc"],
                  ["hold", "--state", "lost"], ["remove", "0123456789", "--all"], ["list", "--yes"]):
        done = s.tool("queue", *words)
        assert done.returncode == 2, (words, done.returncode, done.stdout)
        assert done.stderr, words
    assert s.tool("queue", "show", "zzzzzzzz").returncode == 1
    s.stop()
    for words in ([], ["list"], ["retry", "0123456789"]):
        assert waybill("queue", *words, "-c", s.conf).returncode == 75
