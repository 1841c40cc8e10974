# SPDX-License-Identifier: Apache-2.0
"""`waybill status`: what somebody who was just woken up sees of waiting mail."""
import re

from harness.deadline import until
from harness.server import waybill
from test_queue_view import listed, send
from test_relay_routes import closed_port

DOWN_NAMED = 5


def oldest(server):
    return server.status()["queue"]["oldest"]


def down(server):
    return server.status()["queue"]["destinations_down"]


def routes(count):
    return {f'route "d{i}.test"': {"via": f'"{closed_port()}"'} for i in range(count)}


def test_an_idle_server_says_so_in_one_line(server):
    """And in JSON with the keys that are always there."""
    s = server()
    lines = s.tool("status").stdout.splitlines()
    assert len([line for line in lines if line.startswith("queue: empty, no destination is down, ")]) == 1, lines
    assert not [line for line in lines if line.startswith(("oldest:", "down:"))], lines
    queue = s.status()["queue"]
    assert (queue["messages"], queue["oldest"], queue["destinations_down_count"], queue["destinations_down"]) == (0, None, 0, [])


def test_the_oldest_message_is_told_with_its_age_and_why_it_waits(server):
    """By id, also after a restart; when it goes, the next one is the oldest."""
    s = server(sections={"queue": {"paused": "yes"}})
    ids = [send(s, ["alice@example.org", "bob@example.org"], f"n{i}@x.test") for i in range(3)]
    assert oldest(s)["id"] == ids[0]
    text = s.tool("status").stdout
    assert re.search(rf"^oldest: {ids[0]}  \d+ s  \d+ bytes  from n0@x\.test\n    alice@example\.org  the queue is paused\n"
                     r"    and 1 more recipient\ndown: no destination$", text, re.M), text
    s.stop()
    s.start()
    assert oldest(s) == listed(s)[0] | {"recipients": listed(s)[0]["recipients"][:1]}
    assert s.tool("queue", "remove", ids[0]).returncode == 0
    assert oldest(s)["id"] == ids[1]
    assert s.tool("queue", "hold", "--sender", "n1@x.test").returncode == 0
    assert "\n    alice@example.org  held until waybill queue release\n" in s.tool("status").stdout
    assert s.tool("queue", "remove", "--sender", "n1@x.test", "--recipient", "alice@example.org", "--yes").returncode == 0
    assert [r["address"] for r in oldest(s)["recipients"]] == ["bob@example.org"], "one that waits is shown"
    assert "more recipient" not in s.tool("status").stdout
    assert s.tool("queue", "remove", "--all", "--yes").returncode == 0
    assert oldest(s) is None


def test_a_destination_that_is_down_is_told_with_why_and_until_when(fresh_demo):
    """The oldest message waits for it; when its mail is gone, nothing is down."""
    ids = [send(fresh_demo, [f"u{i}@down.test"]) for i in range(3)]
    found = until(lambda: [d for d in down(fresh_demo) if d["messages"] == 3], "down.test is known to be down")[0]
    summary = listed(fresh_demo)[0]["recipients"][0]
    assert found["name"] == summary["destination"] and "refused" in found["reason"], found
    assert found["since"] <= oldest(fresh_demo)["arrived"] + 5 and (found["until"] is None or found["until"] > found["since"])
    assert oldest(fresh_demo)["id"] == ids[0]
    text = fresh_demo.tool("status").stdout
    assert re.search(rf"^oldest: {ids[0]}  .*\n    u0@down\.test  .*(is down since|being tried)", text, re.M), text
    assert re.search(r"^down: 1 destination\n    smtp://127\.0\.0\.1:\d+: 3 messages, down since \d\d:\d\d:\d\d "
                     r"\(.*refused.*\); (next probe at \d\d:\d\d:\d\d|a probe is under way)$", text, re.M), text

    def removed():
        fresh_demo.tool("queue", "remove", "--destination", "down.test", "--yes")
        return fresh_demo.queued() == 0
    until(removed, "no probe was under way")


def test_of_many_that_are_down_the_worst_are_named(server):
    """Those for which most mail waits; how many more there are is said."""
    s = server(sections=routes(DOWN_NAMED + 3))
    for i in range(DOWN_NAMED + 3):
        for _ in range(i + 1):
            send(s, [f"u@d{i}.test"])

    def all_down():
        queue = s.status()["queue"]
        return queue["destinations_down_count"] == DOWN_NAMED + 3 and [d["messages"] for d in queue["destinations_down"]]
    counts = until(all_down, "all are known to be down")
    assert counts == [DOWN_NAMED + 3 - i for i in range(DOWN_NAMED)]
    text = s.tool("status").stdout
    assert re.search(r"^down: 8 destinations\n    \S+: 8 messages, down since .*\n(    .*\n){4}    and 3 more \(waybill queue\)$",
                     text, re.M), text


def test_a_server_that_is_not_there_is_75(server):
    s = server(start=False)
    done = waybill("status", "-c", s.conf)
    assert done.returncode == 75 and done.stderr
