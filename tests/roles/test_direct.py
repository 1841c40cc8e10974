#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The queue and messages that it delivers at once (LMTP): we are smtpd, policy and delivery, and say what we like.
Each recipient's answer must be true, whatever the neighbours say, and whichever of them goes away (prints TAP)."""
import os
import sys
import time

from role_tap import run

MAILBOX, ALIAS, UNKNOWN, DISABLED, GONE, MOVED, FOREIGN, ROUTE, LOOP, TOO_LARGE, \
    NO_POSTMASTER, UNAVAILABLE = range(12)  # enum ipc_expansion
PATIENCE_MS = 15000
SHORT_MS = 1200


def names(made, raw):
    """The keys of a list of results."""
    by_number = {number: name for name, number in made.keys.items()}
    assert len(raw) % 2 == 0, raw
    return [by_number[int.from_bytes(raw[at:at + 2], "little")] for at in range(0, len(raw), 2)]


class Scene:
    def __init__(self, made):
        self.made = made
        self.smtpd, self.policy, self.delivery = (made.role.peer(name) for name in ("smtpd", "policy", "delivery"))
        self.request = 0

    def offer(self, *recipients, **values):
        """Hands a message over; its answer is read with results()."""
        self.request += 1
        given = {"id": self.made.fresh_id(), "arrived_ms": int(time.time() * 1000), "sender": "x@y.test",
                 "patience_ms": PATIENCE_MS, "content": b"Subject: x\r\n\r\nx\r\n", **values}
        self.smtpd.send("SUBMIT_ASK", self.request, recipients=list(recipients), **given)
        return given["id"]

    def lead(self, count=1, **where):
        """Answers so many of policy's questions: to the mailbox of the name, or as `where` says for a name."""
        for _ in range(count):
            request, asked = self.policy.expect("EXPAND_ASK")
            user = asked["recipient"].split(b"@")[0].decode()
            say = {"outcome": MAILBOX, "domain": "example.org", "user": user.lower(),
                   "identity": f"{user.lower()}@example.org", **where.get(user, {})}
            self.policy.send("EXPANDED", request, answer=True, **say)

    def asked(self):
        return self.delivery.expect("DELIVER_ASK")

    def deliver(self, key="DELIVERED", **values):
        request, asked = self.asked()
        number = self.made.keys[key] if isinstance(key, str) else key
        self.delivery.send("DELIVER_RESULT", request, answer=True, key=number, **values)
        return asked

    def results(self):
        request, answer = self.smtpd.expect("SUBMITTED")
        assert request == self.request and not answer["unknown"], answer
        assert answer["key"] == self.made.keys["MESSAGE_QUEUED"], answer
        return names(self.made, answer["results"])

    def queued(self):
        return self.made.status()["messages"]

    def close(self):
        for channel in (self.smtpd, self.policy, self.delivery):
            channel.close()


def each_result_is_passed_on(made):
    s = Scene(made)
    told = {"DELIVERED": "LMTP_DELIVERED", "CONTENT_DAMAGED": "DELIVERY_UNAVAILABLE"}
    for key in ("DELIVERED", "MAILBOX_FULL", "MAILBOX_LOCKED", "MAILBOX_IO_ERROR", "MAILBOX_DISK_FULL", "MAILBOX_DISABLED",
                "MAILBOX_MISCONFIGURED", "MAILBOX_UNKNOWN", "CONVERSION_IMPOSSIBLE", "CONTENT_DAMAGED"):
        s.offer("alice@example.org")
        s.lead()
        s.deliver(key, text=b"why\r\n\0")
        assert s.results() == [told.get(key, key)], key
    for number in (len(made.keys), 65535):
        s.offer("alice@example.org")
        s.lead()
        s.deliver(number)
        assert s.results() == ["DELIVERY_UNKNOWN"], number
    assert s.queued() == 0
    s.close()


def each_recipient_has_its_own_in_order(made):
    """However they come: by the order of deliveries, and one copy for one mailbox."""
    s = Scene(made)
    s.offer("a@example.org", "b@example.org", "A@example.org", "gone@example.org", "c@example.org", "b@example.org",
            "loop@example.org", "far@example.org")
    s.lead(8, gone={"outcome": UNKNOWN}, loop={"outcome": LOOP}, far={"outcome": FOREIGN})
    asked = [s.asked() for _ in range(3)]
    keys = {b"a@example.org": "MAILBOX_FULL", b"b@example.org": "DELIVERED", b"c@example.org": "MAILBOX_LOCKED"}
    for request, ask in reversed(asked):
        s.delivery.send("DELIVER_RESULT", request, answer=True, key=made.keys[keys.pop(ask["recipient"])])
    assert s.results() == ["MAILBOX_FULL", "LMTP_DELIVERED", "MAILBOX_FULL", "MAILBOX_UNKNOWN", "MAILBOX_LOCKED",
                           "LMTP_DELIVERED", "ALIAS_LOOP", "ROUTE_MISSING"]
    assert s.queued() == 0
    s.close()


def what_policy_says_of_each(made):
    s = Scene(made)
    for outcome, told in ((UNKNOWN, "MAILBOX_UNKNOWN"), (DISABLED, "MAILBOX_DISABLED"), (GONE, "MAILBOX_DISABLED_FOR_GOOD"),
                          (MOVED, "MAILBOX_MOVED_AWAY"), (FOREIGN, "ROUTE_MISSING"), (LOOP, "ALIAS_LOOP"),
                          (TOO_LARGE, "ALIAS_TOO_LARGE"), (NO_POSTMASTER, "POSTMASTER_MISSING"), (UNAVAILABLE, "DIRECTORY_UNAVAILABLE"),
                          (255, "DIRECTORY_UNAVAILABLE")):
        s.offer("a@example.org")
        s.lead(a={"outcome": outcome})
        assert s.results() == [told], outcome
    s.offer("a@example.org", "b@example.org")
    s.policy.expect("EXPAND_ASK")
    s.policy.close()
    assert s.results() == ["POLICY_UNAVAILABLE"] * 2
    s.offer("a@example.org")
    assert s.results() == ["POLICY_UNAVAILABLE"]
    assert s.queued() == 0
    s.close()


def what_cannot_be_delivered_at_once_is_kept(made):
    """An alias, and whoever is a member of it; a domain kept elsewhere. Paused, so that it can be counted."""
    s = Scene(made)
    before = s.queued()
    s.offer("team@example.org", "B@example.org", "c@example.org", "x@kept.test")
    s.lead(4, team={"outcome": ALIAS, "targets": ["b@example.org", "d@example.org"]}, x={"outcome": ROUTE})
    assert s.deliver()["recipient"] == b"c@example.org"
    assert s.results() == ["MESSAGE_QUEUED", "MESSAGE_QUEUED", "LMTP_DELIVERED", "MESSAGE_QUEUED"]
    assert s.queued() == before + 1
    recipients = sorted(s.policy.expect("EXPAND_ASK")[1]["recipient"] for _ in range(3))
    assert recipients == [b"b@example.org", b"team@example.org", b"x@kept.test"], recipients
    s.close()


def an_alias_of_one_mailbox_is_delivered_to_at_once(made):
    """By the name it leads to, and once; where it leads to a list, or elsewhere, it is kept by its own."""
    s = Scene(made)
    before = s.queued()
    s.offer("one@example.org", "A@example.org", "off@example.org", "far@example.org", "wide@example.org")
    s.lead(5, one={"outcome": ALIAS, "targets": ["two@example.org"]}, off={"outcome": ALIAS, "targets": ["d@example.org"]},
           far={"outcome": ALIAS, "targets": ["x@kept.test"]}, wide={"outcome": ALIAS, "targets": ["team@example.org"]})
    s.lead(4, two={"outcome": ALIAS, "targets": ["a@example.org"]}, d={"outcome": GONE}, x={"outcome": ROUTE},
           team={"outcome": ALIAS, "targets": ["m@example.org", "n@example.org"]})
    request, asked = s.policy.expect("EXPAND_ASK")
    assert (asked["recipient"], asked["added"], asked["sender"]) == (b"a@example.org", 1, b"x@y.test"), asked
    s.policy.send("EXPANDED", request, answer=True, outcome=MAILBOX, domain="example.org", user="a",
                  identity="a@example.org")
    assert s.deliver()["recipient"] == b"a@example.org"
    assert s.results() == ["LMTP_DELIVERED", "LMTP_DELIVERED", "MAILBOX_DISABLED_FOR_GOOD", "MESSAGE_QUEUED", "MESSAGE_QUEUED"]
    assert s.queued() == before + 1
    recipients = sorted(s.policy.expect("EXPAND_ASK")[1]["recipient"] for _ in range(2))
    assert recipients == [b"far@example.org", b"wide@example.org"], recipients
    s.policy.close()
    s.policy = made.role.peer("policy")
    s.close()


def an_alias_without_an_end_is_kept(made):
    s = Scene(made)
    s.offer("loop@example.org")
    for _ in range(11):
        s.lead(loop={"outcome": ALIAS, "targets": ["loop@example.org"]})
    assert s.results() == ["MESSAGE_QUEUED"]
    s.policy.close()
    s.policy = made.role.peer("policy")
    s.close()


def aliases_with_odd_members(made):
    s = Scene(made)
    for targets in ([], [b""], [b"\0", b"\xff" * 512, b"x" * 513], [b"m%d@example.org" % i for i in range(20000)],
                    [b"z" * 500 + b"%d" % i for i in range(900)]):
        s.offer("team@example.org", "b@example.org")
        s.lead(2, team={"outcome": ALIAS, "targets": targets})
        s.deliver()
        assert s.results() == ["MESSAGE_QUEUED", "LMTP_DELIVERED"], targets[:3]
        s.policy.close()  # what was kept may wait
        s.policy = made.role.peer("policy")
    s.close()


def a_delivery_that_goes_away_is_asked_again(made):
    s = Scene(made)
    s.offer("a@example.org", "b@example.org", "c@example.org")
    s.lead(3)
    assert s.deliver()["attempt"] == 0
    assert s.asked()[1]["attempt"] == 0
    s.delivery.close()
    s.delivery = made.role.peer("delivery")
    again = [s.deliver(), s.deliver("MAILBOX_FULL")]
    assert [ask["attempt"] for ask in again] == [1, 1]
    assert [ask["recipient"] for ask in again] == [b"b@example.org", b"c@example.org"]
    assert s.results() == ["LMTP_DELIVERED", "LMTP_DELIVERED", "MAILBOX_FULL"]
    s.close()


def nobody_answers_in_time(made):
    s = Scene(made)
    s.offer("a@example.org", "b@example.org", patience_ms=SHORT_MS)
    s.lead(2)
    s.asked()
    request, _ = s.asked()
    began = time.monotonic()
    assert s.results() == ["DELIVERY_UNKNOWN"] * 2
    assert time.monotonic() - began < 2 * SHORT_MS / 1000 + 2
    s.delivery.send("DELIVER_RESULT", request, answer=True, key=made.keys["DELIVERED"])  # too late, and for nobody
    # None is there, and none comes: nothing was begun.
    s.delivery.close()
    s.offer("a@example.org", patience_ms=SHORT_MS)
    s.lead()
    assert s.results() == ["DELIVERY_UNAVAILABLE"]
    # One went away with it, and none comes.
    s.delivery = made.role.peer("delivery")
    s.offer("a@example.org", "b@example.org", patience_ms=SHORT_MS)
    s.lead(2)
    s.asked()
    s.delivery.close()
    assert set(s.results()) <= {"DELIVERY_UNKNOWN", "DELIVERY_UNAVAILABLE"}
    # Policy says nothing.
    s.offer("a@example.org", patience_ms=SHORT_MS)
    assert s.results() == ["POLICY_UNAVAILABLE"]
    s.close()


def messages_take_turns(made):
    """One with many recipients has some under way, and the next one begins meanwhile."""
    s = Scene(made)
    many = [f"u{i}@example.org" for i in range(100)]
    s.offer(*many)
    s.lead(100)
    first = [s.asked() for _ in range(8)]  # as many as there are threads
    s.smtpd.send("SUBMIT_ASK", 77, id=made.fresh_id(), recipients=["other@example.org"], patience_ms=PATIENCE_MS,
                 content=b"x\r\n", sender="x@y.test")
    s.lead()
    request, ask = s.asked()
    assert ask["recipient"] == b"other@example.org", ask["recipient"]
    s.delivery.send("DELIVER_RESULT", request, answer=True, key=made.keys["DELIVERED"])
    request, answer = s.smtpd.expect("SUBMITTED")
    assert request == 77 and names(made, answer["results"]) == ["LMTP_DELIVERED"]
    for request, _ in first:
        s.delivery.send("DELIVER_RESULT", request, answer=True, key=made.keys["DELIVERED"])
    for _ in range(92):
        s.deliver()
    assert s.results() == ["LMTP_DELIVERED"] * 100
    s.close()


def an_smtpd_that_comes_again_takes_the_answer(made):
    """Its channel broke and the queue lives: what is under way is not begun a second time."""
    s = Scene(made)
    same = s.offer("a@example.org")
    s.lead()
    request, ask = s.asked()
    s.smtpd.close()
    s.smtpd = made.role.peer("smtpd")
    s.offer("a@example.org", id=same, again=1)
    made.status()
    s.delivery.send("DELIVER_RESULT", request, answer=True, key=made.keys["DELIVERED"])
    assert s.results() == ["LMTP_DELIVERED"] and ask["attempt"] == 0
    # The answer was given and may have been lost: the copy is looked for.
    s.offer("a@example.org", id=same, again=1)
    s.lead()
    assert s.deliver()["attempt"] == 1
    assert s.results() == ["LMTP_DELIVERED"]
    # What was kept for an alias is known by its id.
    before = s.queued()
    for again in (0, 1):
        s.offer("team@example.org", id=same, again=again)
        s.lead(team={"outcome": ALIAS, "targets": ["d@example.org", "e@example.org"]})
        assert s.results() == ["MESSAGE_QUEUED"], again
        assert s.queued() == before + 1
        s.policy.close()
        s.policy = made.role.peer("policy")
    s.close()


def an_smtpd_that_leaves_costs_nothing(made):
    s = Scene(made)
    fds = made.role.fd_count()
    for _ in range(20):
        s.offer("a@example.org")
        s.lead()
        request, _ = s.asked()
        s.smtpd.close()
        s.delivery.send("DELIVER_RESULT", request, answer=True, key=made.keys["DELIVERED"])
        s.smtpd = made.role.peer("smtpd")
    made.status()
    assert made.role.fd_count() <= fds + 2, (fds, made.role.fd_count())
    s.close()


def while_paused_nothing_is_asked(made):
    s = Scene(made)
    console = made.role.peer("console")
    console.ask("QUEUE_PAUSE_ASK", paused=1)
    s.offer("a@example.org", "team@example.org")
    assert s.results() == ["DELIVERIES_PAUSED"] * 2
    console.ask("QUEUE_PAUSE_ASK", paused=0)
    console.close()
    s.offer("a@example.org")
    s.lead()
    s.deliver()
    assert s.results() == ["LMTP_DELIVERED"]
    s.close()


def large_content_lies_in_its_file_only(made):
    s = Scene(made)
    folder = made.path("spool")

    def large_files():
        return [name for name in os.listdir(folder) if name.startswith("large-")]

    def spill(content):
        this = made.fresh_id()
        assert s.smtpd.ask("SPILL_ASK", id=this)["key"] == made.keys["CHUNK_OK"]
        os.pwrite(s.smtpd.fds[-1], content, 0)
        return this

    content = b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 100000
    s.offer("a@example.org", "b@example.org", id=spill(content), large=1, large_bytes=len(content), content=b"")
    s.lead(2)
    for _ in range(2):
        ask = s.deliver()
        assert ask["large"] and ask["bytes"] == len(content)
        assert os.pread(s.delivery.fds[-1], len(content) + 1, ask["offset"]) == content
    assert s.results() == ["LMTP_DELIVERED"] * 2
    s.offer("x@example.org", large=1, large_bytes=10, content=b"")
    assert s.results() == ["DELIVERY_UNAVAILABLE"], "without a file"
    s.offer("x@example.org", large=1, large_bytes=10, content=b"", again=1)
    assert s.results() == ["DELIVERY_UNKNOWN"], "its file went with another process"
    # The smtpd leaves, or throws away what it has handed over: the delivery goes on.
    s.offer("a@example.org", id=(this := spill(content)), large=1, large_bytes=len(content), content=b"")
    s.lead()
    s.smtpd.send("SPILL_DISCARD", id=this)
    s.smtpd.close()
    s.smtpd = made.role.peer("smtpd")
    s.deliver()
    deadline = time.monotonic() + 10
    while large_files() and time.monotonic() < deadline:
        made.status()
    assert not large_files()
    s.close()


def odd_messages(made):
    """Each is answered, and none ends the role."""
    s = Scene(made)
    refused = made.keys["QUEUE_UNAVAILABLE"]
    for what, recipients, values in (
            ("nobody", [], {}), ("too many", [b"b"] * 20001, {}), ("empty ones without end", [b""] * 200000, {})):
        s.offer(*recipients, **values)
        request, answer = s.smtpd.expect("SUBMITTED")
        assert (request, answer["key"]) == (s.request, refused), (what, answer)
    for what, recipients, values in (
            ("an empty recipient", [b""], {}), ("odd bytes", [b"\0\r\n\xff"], {"sender": b"\r\n\0", "session": b"\n"}),
            ("a long recipient", [b"a" * 400000], {}), ("no content", [b"a"], {"content": b""}),
            ("all the patience", [b"a"], {"patience_ms": 0xffffffff}), ("none", [b"a"], {"patience_ms": 1}),
            ("the same one often", [b"b"] * 200, {}), ("any flags", [b"a"], {"body": 255, "smtputf8": 255, "large": 0})):
        s.offer(*recipients, **values)
        for _ in recipients:
            request, _ = s.policy.expect("EXPAND_ASK")
            s.policy.send("EXPANDED", request, answer=True, outcome=UNKNOWN)
        assert len(s.results()) == len(recipients), what
    for values in ({"domain": b"d" * 100000, "user": b"u" * 100000, "identity": b"i" * 300000}, {"identity": b""},
                   {"domain": b"\0", "user": b"\xff\n", "identity": b"\0 \0"}):
        s.offer("a@example.org", "b@example.org", content=b"x" * 300000)
        s.lead(2, a=values, b=values)
        s.deliver("MAILBOX_MISCONFIGURED")
        assert s.results() == ["MAILBOX_MISCONFIGURED"] * 2
    s.close()


CHECKS = [each_result_is_passed_on, each_recipient_has_its_own_in_order, what_policy_says_of_each,
          what_cannot_be_delivered_at_once_is_kept, an_alias_of_one_mailbox_is_delivered_to_at_once,
          an_alias_without_an_end_is_kept, aliases_with_odd_members, a_delivery_that_goes_away_is_asked_again,
          nobody_answers_in_time, messages_take_turns, an_smtpd_that_comes_again_takes_the_answer,
          an_smtpd_that_leaves_costs_nothing, while_paused_nothing_is_asked, large_content_lies_in_its_file_only, odd_messages]

if __name__ == "__main__":
    sys.exit(run([(check.__name__, "queue", check) for check in CHECKS]))
