#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The queue and deliveries that died: we are policy and delivery, and go away with questions that nobody will answer.
What may have its copy already is asked about before all that waits (prints TAP)."""
import sys

from role_tap import run

MESSAGES = 45
AT_ONCE = 32      # attempts under way, with 8 deliveries at one time
FIRST_ROUNDS = 20  # DOUBTS_FIRST_MAX in src/roles/queue/messages.c
MAILBOX = 0       # enum ipc_expansion


class Scene:
    def __init__(self, made):
        self.made = made
        self.console, self.policy = made.role.peer("console"), made.role.peer("policy")
        self.delivery = None
        self.console.ask("QUEUE_PAUSE_ASK", paused=1)
        smtpd = made.role.peer("smtpd")
        for number in range(MESSAGES):
            identity = (1000000 + number).to_bytes(6, "big") + made.fresh_id()[6:]  # in this order
            made.submit(smtpd, id=identity, recipients=[f"u{number}@example.org"])
        smtpd.close()

    def begin(self, between=lambda: None):
        """A new delivery; whom the queue asks policy for, as many as there may be at once. All are sent to delivery."""
        self.delivery = self.made.role.peer("delivery")
        self.console.ask("QUEUE_PAUSE_ASK", paused=0)
        asked = [self.policy.expect("EXPAND_ASK") for _ in range(AT_ONCE)]
        between()
        for request, question in asked:
            self.policy.send("EXPANDED", request, answer=True, outcome=MAILBOX, domain="example.org",
                             user=question["recipient"].split(b"@")[0])
        return [question["recipient"] for _, question in asked]

    def questions(self):
        return [self.delivery.expect("DELIVER_ASK") for _ in range(AT_ONCE)]

    def deliver(self, questions):
        for request, _ in questions:
            self.delivery.send("DELIVER_RESULT", request, answer=True, key=self.made.keys["DELIVERED"])

    def close(self):
        for channel in (self.console, self.policy, self.delivery):
            channel.close()


def names(numbers):
    return [b"u%d@example.org" % number for number in numbers]


def what_delivery_took_along_is_asked_first(made):
    s = Scene(made)
    assert s.begin() == names(range(AT_ONCE))
    assert [ask["attempt"] for _, ask in s.questions()] == [0] * AT_ONCE
    s.delivery.close()
    for _ in range(FIRST_ROUNDS):
        assert s.begin() == names(range(AT_ONCE))
        # It is to look for copies.
        assert [ask["attempt"] for _, ask in s.questions()] == [1] * AT_ONCE
        s.delivery.close()
    # What delivery dies of again and again lets others go ahead.
    asked = s.begin()
    assert asked[:MESSAGES - AT_ONCE] == names(range(AT_ONCE, MESSAGES)), asked
    s.deliver(s.questions())
    s.close()


def what_is_in_doubt_stays_so_while_delivery_cannot_be_asked(made):
    s = Scene(made)
    s.begin()
    s.questions()
    s.delivery.close()
    assert s.begin(lambda: s.delivery.close()) == names(range(AT_ONCE))
    assert s.begin() == names(range(AT_ONCE))
    s.deliver(s.questions())
    s.close()


def what_was_answered_is_not_in_doubt(made):
    s = Scene(made)
    s.begin()
    questions = s.questions()
    s.deliver(questions[:20])
    rest = [s.policy.expect("EXPAND_ASK")[1]["recipient"] for _ in range(MESSAGES - AT_ONCE)]
    assert rest == names(range(AT_ONCE, MESSAGES)), rest
    s.delivery.close()
    s.delivery = made.role.peer("delivery")
    assert [s.policy.expect("EXPAND_ASK")[1]["recipient"] for _ in range(12)] == names(range(20, AT_ONCE))
    s.close()


CHECKS = [what_delivery_took_along_is_asked_first, what_is_in_doubt_stays_so_while_delivery_cannot_be_asked,
          what_was_answered_is_not_in_doubt]

if __name__ == "__main__":
    sys.exit(run([(check.__name__, "queue", check) for check in CHECKS]))
