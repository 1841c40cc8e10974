# SPDX-License-Identifier: Apache-2.0
"""The demo's little internet: each of its servers behaves as its name says, and the sender learns of it.

Times are made shorter still than the demo's own, so that a bounce comes after twenty seconds.
"""
import email
import email.policy
import re

import pytest

from harness import maildir
from harness.deadline import until
from harness.server import demo_server, message, token

SENT = {name: f"someone@{name}.test" for name in ("ok", "greylist", "full", "unknown", "slow", "flaky", "down")}
BUSY_MESSAGES = 12
WITHIN = 45


class World:
    """A demo to which one message for each server was sent; the tests look at what became of them."""

    def __init__(self, demo):
        self.demo = demo
        self.marks = {name: self.send(SENT[name]) for name in SENT}
        self.busy = [self.send(f"user{i}@busy.test") for i in range(BUSY_MESSAGES)]

    def send(self, recipient):
        mark = token()
        reply = self.demo.deliver(message(mark, subject=f"Lunch for {recipient}"), [recipient], "alice@example.org",
                                  "127.0.0.2").is_(250)
        return mark, [word for word in reply.text.split() if len(word) == 26][0]

    def log(self, event, identity):
        return re.findall(rf"(?m)^.* ev={event} .*\bm={identity}\b.*$", self.demo.log())

    def delivered(self, identity, seconds=WITHIN):
        return until(lambda: self.log("delivered", identity), f"{identity} is delivered", seconds)

    def bounce(self, name):
        """The bounce for the message to this server, as Python's email package reads it."""
        mark, _ = self.marks[name]

        def find():
            return [m for m in maildir.holding(self.demo.maildir("alice"), mark) if m.field("Return-Path") == "<>"]
        found = until(find, f"a bounce for {SENT[name]}", WITHIN)
        assert len(found) == 1
        return email.message_from_bytes(found[0].raw, policy=email.policy.default)


@pytest.fixture(scope="module")
def world(module_folder):
    folder = module_folder("world")
    first = demo_server(folder).start()
    first.stop()
    conf = folder / "waybill.conf"
    text = conf.read_text()
    assert 'give-up-after = "50s"' in text and 'retry = {"10s", "15s", "30s"}' in text
    conf.write_text(text.replace('give-up-after = "50s"', 'give-up-after = "16s"')
                    .replace('retry = {"10s", "15s", "30s"}', 'retry = {"2s", "3s", "4s"}'))
    demo = demo_server(folder, first.port).start()
    try:
        yield World(demo)
        demo.stop()
    finally:
        demo.kill_all()


def report(bounce):
    """The fields for the one recipient, and the parts' types."""
    assert bounce.get_content_type() == "multipart/report"
    assert bounce["Content-Type"].params["report-type"] == "delivery-status"
    parts = list(bounce.iter_parts())
    assert parts[0].get_content_type() == "text/plain"
    assert parts[1].get_content_type() == "message/delivery-status"
    assert parts[2].get_content_type() in ("message/rfc822", "text/rfc822-headers")
    blocks = parts[1].get_payload()
    assert len(blocks) == 2
    return parts[0].get_content(), blocks[1], parts[2]


def test_ok_accepts_at_once(world):
    """One attempt."""
    line, = world.delivered(world.marks["ok"][1])
    assert " attempt=1 " in line


def test_an_unknown_user_comes_back_at_once_in_words_that_a_person_and_a_program_understand(world):
    """RFC 3464: null sender, Status 5.1.1, the remote's own words, the message."""
    bounce = world.bounce("unknown")
    text, fields, original = report(bounce)
    assert fields["Action"] == "failed"
    assert fields["Status"] == "5.1.1"
    assert SENT["unknown"] in fields["Final-Recipient"]
    assert fields["Diagnostic-Code"].startswith("smtp;") and "550" in fields["Diagnostic-Code"]
    assert SENT["unknown"] in text and "550 5.1.1" in text
    assert "Lunch for" in str(original)
    assert bounce["Auto-Submitted"].startswith("auto-")
    assert bounce["To"] and "alice@example.org" in bounce["To"]


def test_greylisting_is_passed_at_the_second_attempt_just_after_the_named_time(world):
    """RFC 6647 from the other side: one attempt too many is none."""
    identity = world.marks["greylist"][1]
    line, = world.delivered(identity)
    assert " attempt=2 " in line
    after_ms = int(re.search(r"after_ms=(\d+)", line).group(1))
    assert 10000 <= after_ms <= 15500
    assert len(world.log("deferred", identity)) == 1


def test_a_full_mailbox_is_tried_again_and_comes_back_when_time_is_up(world):
    """452 4.2.2: temporary, until it was too long."""
    _, fields, _ = report(world.bounce("full"))
    assert fields["Action"] == "failed"
    assert re.match(r"[45]\.(2\.2|4\.7)\b", fields["Status"])
    identity = world.marks["full"][1]
    assert len(world.log("deferred", identity)) >= 2
    assert not world.log("delivered", identity)


def test_a_host_that_is_down_is_probed_and_the_message_comes_back_when_time_is_up(world):
    """No attempts are counted for what never reached it."""
    _, fields, _ = report(world.bounce("down"))
    assert fields["Action"] == "failed"
    assert re.match(r"[45]\.4\.\d+\b", fields["Status"])


def test_a_slow_server_and_one_that_breaks_off_get_their_mail(world):
    """It takes a while, or a few attempts."""
    world.delivered(world.marks["slow"][1])
    line, = world.delivered(world.marks["flaky"][1])
    assert int(re.search(r"attempt=(\d+)", line).group(1)) in (1, 2, 3)


def test_a_server_that_allows_two_connections_gets_all(world):
    """421 shrinks the window and delays nobody by a whole retry."""
    for _, identity in world.busy:
        line, = world.delivered(identity)
        assert " attempt=1 " in line


def test_nothing_is_left_and_nothing_came_twice(world):
    """Delivered or bounced, never both."""
    world.demo.settled(WITHIN)
    for name in ("ok", "greylist", "slow", "flaky"):
        assert len(world.log("delivered", world.marks[name][1])) == 1
    for name in ("ok", "greylist", "slow", "flaky"):
        mark = world.marks[name][0]
        assert not maildir.holding(world.demo.maildir("alice"), mark), name
