# SPDX-License-Identifier: Apache-2.0
"""The brake: a trusted host that suddenly sends very much is held back, with what it sent, and the postmaster hears."""
import json
import os
import re
import signal
import sqlite3
import time

import pytest

from harness.deadline import until
from harness.server import message, token

BRAKE = {"recipients": "5", "times": "2", "learn": '"0s"'}
TOP = {"trust": '{"127.0.0.2", "127.0.0.5", "127.0.0.6"}'}


REASON = "Held by the brake: 127.0.0.5, 5 recipients within an hour"


def rcpt(client, address="alice@example.org"):
    return client.cmd(f"RCPT TO:<{address}>")


def burst(server, count=5, source="127.0.0.5"):
    """Messages of one recipient each, as many as are not too many."""
    for _ in range(count):
        server.deliver(message(token()), ["bob@example.org"], source=source).is_(250)


def stopped(server, source="127.0.0.5"):
    with server.client(source) as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        return rcpt(c)


def listed(server, *words):
    done = server.tool("queue", "list", "--json", *words)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if '"recipients"' in line]


def held(server):
    return [m for m in listed(server) if m["recipients"] and m["recipients"][0]["state"] == "held"]


def brake(server, *words):
    done = server.tool("brake", *words, "--json")
    return json.loads(done.stdout)


def notices(server):
    return server.mails("alice", b"Subject: Held back")


def dry(server, client="127.0.0.5", *words):
    done = server.tool("check", "rcpt", "alice@example.org", "--from", "a@b.test", "--client", client, *words, "--json")
    answer = json.loads(done.stdout)
    return answer["code"], next(step for step in answer["steps"] if step["check"] == "brake")["why"]


@pytest.fixture
def waiting(server):
    """What is sent waits in the queue."""
    return server(top=TOP, sections={"brake": BRAKE, "queue": {"paused": "yes"}})


def test_a_burst_is_stopped_its_mail_is_held_and_postmaster_hears(waiting):
    s = waiting
    s.deliver(message(token()), ["bob@example.org"], source="127.0.0.6").is_(250)
    burst(s)
    assert not held(s)
    reply = stopped(s)
    reply.is_(450, "4.7.1")
    assert "the postmaster is told" in reply.text
    until(lambda: len(held(s)) == 5, "what it sent is held")
    assert {m["client"] for m in held(s)} == {"127.0.0.5"}
    assert {r["reason"] for m in held(s) for r in m["recipients"]} == {REASON}
    shown = s.tool("queue").stdout
    assert re.search(r"\(held\) by the brake: 127.0.0.5 +5 ", shown), shown
    # Everybody else goes on, and so does mail to postmaster.
    s.deliver(message(token()), ["bob@example.org"], source="127.0.0.6").is_(250)
    s.deliver(message(token()), ["bob@example.org"], source="127.0.0.1").is_(250)
    with s.client("127.0.0.5") as c:
        c.begin("a@b.test", "postmaster@example.org")
        rcpt(c).is_(450, "4.7.1")
    assert s.tool("queue", "resume").returncode == 0
    mail = until(lambda: notices(s), "the message to postmaster")[0]
    text = mail.raw.decode()
    assert "127.0.0.5" in text and "named 5 recipients within the last hour" in text
    until(lambda: s.queued() == 5, "all but the held mail is gone")
    # It may ask as often as it likes: one message.
    for _ in range(3):
        stopped(s).is_(450)
    assert len(notices(s)) == 1
    one = brake(s)["held"]
    assert [(h["who"], h["recipients"], h["usual"]) for h in one] == [("127.0.0.5", 5, 0)]


def test_released_mail_is_not_the_brakes_any_more(waiting):
    """What postmaster is told to type for held mail, remove above all, does not reach what was let go."""
    s = waiting
    brakes_words = ("--reason", "brake: 127.0.0.5,")
    burst(s)
    stopped(s).is_(450)
    until(lambda: len(held(s)) == 5 == len(listed(s, *brakes_words)), "held")
    assert s.tool("queue", "release", *brakes_words).returncode == 0
    assert not held(s)
    assert s.tool("queue", "list", *brakes_words).returncode == 1
    assert s.tool("queue", "remove", *brakes_words, "--yes").returncode == 1
    s.tool("queue", "resume")
    until(lambda: s.queued() == 0 and len(s.mails("bob", "")) == 5, "all five have come")


def test_released_mail_goes_and_the_host_sends_again(waiting):
    s = waiting
    burst(s)
    stopped(s).is_(450)
    until(lambda: len(held(s)) == 5, "held")
    s.tool("queue", "resume")
    done = s.tool("queue", "release", "--reason", "brake: 127.0.0.5,")
    assert done.returncode == 0 and "5" in done.stdout, done
    until(lambda: s.queued() == 0, "released mail is delivered")
    # The host itself is let go by another word, and then twice as much as it sent is usual.
    stopped(s).is_(450)
    done = s.tool("brake", "release", "127.0.0.5")
    assert done.returncode == 0 and 'waybill queue release --reason "brake: 127.0.0.5,"\n' in done.stdout, done
    burst(s, 5)
    assert s.tool("brake", "release", "127.0.0.5").returncode == 1
    assert "Nobody is held back" in s.tool("brake").stdout
    stopped(s).is_(450)


def test_the_hold_outlives_restarts_of_each_role_and_of_all(waiting):
    s = waiting
    burst(s)
    stopped(s).is_(450)
    until(lambda: len(held(s)) == 5, "held")
    s.kill_role("queue")
    until(lambda: s.tool("queue", "list").returncode == 0, "the queue is back")
    assert len(held(s)) == 5
    stopped(s).is_(450)
    # What an operator released is not held once more, by a new process neither.
    first = held(s)[0]["id"]
    assert s.tool("queue", "release", first).returncode == 0
    assert len(held(s)) == 4
    s.kill_role("queue")
    until(lambda: s.tool("queue", "list").returncode == 0, "the queue is back again")
    assert len(held(s)) == 4
    s.stop()
    s.start()
    assert len(held(s)) == 4
    s.tool("queue", "resume")
    until(lambda: notices(s), "the message to postmaster, which was kept too")
    assert len(notices(s)) == 1
    # Nor is who is held back forgotten, nor that it was told.
    for again in range(2):
        stopped(s).is_(450)
        assert [h["who"] for h in brake(s)["held"]] == ["127.0.0.5"]
        s.kill_role("policy")
        until(lambda: s.tool("brake").returncode == 0, "policy is back")
    s.deliver(message(token()), ["bob@example.org"], source="127.0.0.6").is_(250)
    stopped(s).is_(450)
    done = s.tool("brake", "release", "127.0.0.5")
    assert done.returncode == 0 and 'waybill queue release --reason "brake: 127.0.0.5,"\n' in done.stdout, done
    burst(s, 5)
    assert len(notices(s)) == 1 and len(held(s)) == 4


def test_policy_dies_before_the_queue_has_heard(waiting):
    """Who is stopped is on the disk at once, so the next process of policy tells the queue, and postmaster hears once."""
    s = waiting
    burst(s)
    queue = s.roles("queue")[0]
    os.kill(queue, signal.SIGSTOP)
    try:
        stopped(s).is_(450)
        time.sleep(0.5)  # no sign tells that policy's file was written
        s.kill_role("policy")
        until(lambda: s.tool("brake").returncode == 0, "policy is back")
    finally:
        os.kill(queue, signal.SIGCONT)
    until(lambda: len(held(s)) == 5, "what it sent is held")
    stopped(s).is_(450)
    s.tool("queue", "resume")
    until(lambda: notices(s), "the message to postmaster")
    until(lambda: s.queued() == 5, "nothing else waits")
    assert len(notices(s)) == 1


def test_what_is_usual_is_not_forgotten(server):
    """Learned on the first day, and known after a restart."""
    s = server(top=TOP, sections={"brake": {"recipients": "5", "times": "2", "learn": '"1d"'}})
    burst(s, 20)
    assert "It learns" in s.tool("brake").stdout
    s.stop()
    s.reconfigure(top=TOP, sections={"brake": BRAKE})
    s.start()
    code, why = dry(s)
    assert code == 250 and "40 allowed (2 times the usual 20)" in why, why
    code, why = dry(s, "127.0.0.6")
    assert "5 allowed" in why


def test_a_damaged_file_stops_nobody(server):
    s = server(start=False, top=TOP, sections={"brake": BRAKE})
    state = os.path.join(s.dir, "data", "state")
    os.makedirs(state)
    with open(os.path.join(state, "brake.db"), "wb") as f:
        f.write(b"This is no database. " * 1000)
    s.start()
    burst(s)
    stopped(s).is_(450)
    s.wait_log("ev=brake-lost")
    s.stop()
    s.start()
    stopped(s).is_(450)


def test_what_was_begun_before_is_held_when_it_ends(waiting):
    """A message whose recipients were accepted before the brake came, and whose content comes after it."""
    s = waiting
    with s.client("127.0.0.5") as c:
        c.begin("a@b.test", "alice@example.org")
        burst(s, 4)
        stopped(s).is_(450)
        until(lambda: len(held(s)) == 4, "held")
        c.data(message(token())).is_(250)
        until(lambda: len(held(s)) == 5, "the late one is held as well")


def test_mail_for_another_server_is_held_too(server):
    s = server(top=TOP, sections={"brake": BRAKE, 'route "*"': {"via": '"smtp://127.0.0.1:1"'}})
    for i in range(5):
        s.deliver(message(token()), [f"u{i}@far.test"], source="127.0.0.5").is_(250)
    stopped(s).is_(450)
    until(lambda: len(held(s)) == 5, "what waits for a dead server is held")
    assert brake(s, "release", "127.0.0.5")["released"]
    assert s.tool("queue", "release", "--reason", "brake: 127.0.0.5,").returncode == 0
    until(lambda: not held(s), "let go")


def test_a_reload_changes_how_much_is_too_much(server):
    s = server(top=TOP, sections={"brake": BRAKE})
    burst(s, 5)
    s.reconfigure(top=TOP, sections={"brake": {**BRAKE, "recipients": "8"}})
    assert s.tool("reload").returncode == 0
    until(lambda: "8 allowed" in dry(s)[1], "the new number holds")
    burst(s, 3)
    stopped(s).is_(450)
    s.reconfigure(top=TOP, sections={"brake": {"active": "no"}})
    assert s.tool("reload").returncode == 0
    until(lambda: stopped(s).code == 250, "the brake is off")
    assert "The brake is off" in s.tool("brake").stdout


def test_a_dry_run_shows_the_brake_and_accounts(waiting):
    s = waiting
    burst(s)
    for _ in range(3):
        code, why = dry(s)
        assert code == 450 and "127.0.0.5: 5 recipients within the last hour, 5 allowed" in why
    assert not held(s)
    code, why = dry(s, "127.0.0.5", "--auth", "alice", "--tls")
    assert code == 250 and "account:alice: 0 recipients" in why
    code, why = dry(s, "203.0.113.1", "--auth", "alice")
    assert code == 250 and "account:alice: 0 recipients" in why
    code, why = dry(s, "203.0.113.1")
    assert code == 250 and "those who are trusted" in why


def test_trace_tells_that_the_brake_held_it(waiting):
    s = waiting
    burst(s)
    stopped(s).is_(450)
    until(lambda: len(held(s)) == 5, "held")
    told = s.tool("trace", held(s)[0]["id"]).stdout
    assert REASON in told, told
    s.wait_log(r'ev=brake severity=operator who=127.0.0.5 rcpts=5 usual=0')


def test_without_a_postmaster_nobody_is_said_to_be_told(server):
    """And the message to postmaster says why it waits, until somebody is named."""
    top = {**TOP, "postmaster": '""'}
    s = server(top=top, sections={"brake": BRAKE, "queue": {"retry": '{"1s"}'}})
    warned = s.tool("check", "config").stdout
    assert "nobody is told whom the brake holds back" in " ".join(warned.split()), warned
    burst(s)
    reply = stopped(s)
    reply.is_(450, "4.7.1")
    assert "told" not in reply.text and "ask whoever runs this server" in reply.text
    s.wait_log("ev=brake-untold severity=operator who=127.0.0.5")

    def waits():
        return [r["reason"] for m in listed(s) for r in m["recipients"] if r["address"] == "postmaster" and r["reason"]]
    reason = until(waits, "it waits")[0]
    assert reason == "451 4.3.5 Nobody here is named to get postmaster's mail; it waits until somebody is"
    s.reconfigure(top=TOP, sections={"brake": BRAKE, "queue": {"retry": '{"1s"}'}})
    assert s.tool("reload").returncode == 0
    assert "127.0.0.5" in until(lambda: notices(s), "the message to postmaster")[0].raw.decode()
    assert "the postmaster is told" in stopped(s).text


def kept(server):
    """What each host sent within the hour, as the file has it."""
    with sqlite3.connect(os.path.join(server.dir, "data", "state", "brake.db")) as db:
        return dict(db.execute("SELECT who, h0 + h1 + h2 + h3 + h4 + h5 FROM brake WHERE who <> ''").fetchall())


def test_a_restart_does_not_begin_the_hour_anew(server):
    """Neither an orderly one, nor a crash of the role once a few seconds have passed."""
    s = server(top=TOP, sections={"brake": BRAKE})
    burst(s, 2)
    s.stop()
    assert kept(s) == {"127.0.0.5": 2}
    s.start()
    assert "2 recipients within the last hour" in dry(s)[1]
    burst(s, 2)
    until(lambda: kept(s) == {"127.0.0.5": 4}, "it is kept while the server runs", 15)
    s.kill_role("policy")
    until(lambda: s.tool("brake").returncode == 0, "policy is back")
    burst(s, 1)
    stopped(s).is_(450)
    assert [(h["who"], h["recipients"]) for h in brake(s)["held"]] == [("127.0.0.5", 5)]
