# SPDX-License-Identifier: Apache-2.0
"""Forwarded mail leaves under a sender of ours (SRS), its bounces go home, and nothing forged does."""
import os
import time

import pytest

from harness.conf import write
from harness.deadline import until
from harness.remote import Remote
from harness.server import message, token
from harness.srs import srs0

OLD, NEW = "the first of all secrets", "the secret that comes after it"
TODAY = int(time.time()) // 86400  # a run that goes past midnight (UTC) has a day more; see signed
SENDER = "bob@far.test"


def signed(secret):
    """SENDER as it may be written now."""
    return [srs0(secret.encode(), SENDER, day, "example.org") for day in (TODAY, TODAY + 1)]


class World:
    """Our server, the host that alice has her mail forwarded to, and the one that her friends are at."""

    def __init__(self, make, there, home, secrets=OLD + "\n", **sections):
        self.there, self.home = there, home
        self.server = s = make(start=False)
        self.secrets = os.path.join(s.dir, "secrets")
        write(self.secrets, secrets)
        write(os.path.join(s.dir, "users"), "alice: forward=alice@there.test\nbob\ncopy: copy-to=alice@there.test\n")
        write(os.path.join(s.dir, "aliases"), "team: bob, x@there.test\nboth: alice, alice@example.org\n")
        s.reconfigure(sections={'route "there.test"': {"via": there.via}, 'route "*"': {"via": home.via},
                                "queue": {"retry": '{"1s"}'},
                                "srs": {"secret-file": f'"{self.secrets}"', "domain": '"example.org"'}, **sections})
        s.start()

    def forwarded(self, sender=SENDER, recipients=("alice@example.org",), count=1, **more):
        """The senders under which the mail comes there, by its recipients."""
        before = len(self.there.messages)
        self.server.deliver(message(token()), list(recipients), sender=sender, **more).is_(250)
        until(lambda: len(self.there.messages) == before + count, "the mail is there")
        self.server.settled()
        return {",".join(m["recipients"]): m["sender"] for m in self.there.messages[before:]}

    def rcpt(self, address, sender=""):
        with self.server.client() as c:
            c.cmd(f"MAIL FROM:<{sender}>").is_(250)
            return c.cmd(f"RCPT TO:<{address}>")


@pytest.fixture
def world(server):
    with Remote() as there, Remote() as home:
        yield lambda **more: World(server, there, home, **more)


def test_a_bounce_goes_home(world):
    """There under our domain, and back to the first sender, as a bounce."""
    w = world()
    sent = w.forwarded()["alice@there.test"]
    assert sent in signed(OLD)
    mark = token("bounce")
    w.server.deliver(message(mark), [sent.lower()], sender="").is_(250)
    until(lambda: w.home.messages, "the bounce is at home")
    bounce, = w.home.messages
    assert bounce["sender"] == "" and bounce["recipients"] == [SENDER] and mark.encode() in bounce["data"]
    w.server.settled()


def test_senders_that_stay_as_they_are(world):
    """The null sender, ours, and mail that we do not forward, also when both are one message."""
    w = world()
    assert w.forwarded(sender="") == {"alice@there.test": ""}
    assert w.forwarded(sender="bob@example.org") == {"alice@there.test": "bob@example.org"}
    assert w.forwarded(recipients=["y@there.test"], source="127.0.0.2") == {"y@there.test": SENDER}
    mixed = w.forwarded(recipients=["y@there.test", "alice@example.org"], source="127.0.0.2", count=2)
    assert mixed["y@there.test"] == SENDER and mixed["alice@there.test"].startswith("SRS0=")
    kept = w.forwarded(recipients=["copy@example.org", "team@example.org"])
    assert kept["alice@there.test,x@there.test"].startswith("SRS0=")
    assert w.server.mails("bob", "")[0].field("Return-Path") == f"<{SENDER}>"


def test_forwarding_twice_and_long_senders(world):
    """An SRS0 of another server becomes an SRS1, and leads back to it; senders of 64 characters fit."""
    w = world()
    first = "SRS0=HHH=TT=far.test=bob@first.test"
    sent = w.forwarded(sender=first)["alice@there.test"]
    assert sent.startswith("SRS1=") and sent.endswith("=first.test==HHH=TT=far.test=bob@example.org")
    w.server.deliver(message(token()), [sent], sender="").is_(250)
    until(lambda: w.home.messages, "the bounce is at the first server")
    assert w.home.messages[-1]["recipients"] == [first]
    long = "x" * 64 + "@far.test"
    sent = w.forwarded(sender=long)["alice@there.test"]
    w.server.deliver(message(token()), [sent], sender="").is_(250)
    until(lambda: w.home.messages[-1]["recipients"] == [long], "the bounce is at home")
    odd = '"a b"@far.test'
    sent = w.forwarded(sender=odd)["alice@there.test"]
    assert sent.startswith('"SRS0=')
    w.server.deliver(message(token()), [sent], sender="").is_(250)
    until(lambda: w.home.messages[-1]["recipients"] == [odd], "the bounce is at home")


def test_what_is_forged_old_or_no_bounce(world):
    """550 5.1.1 at RCPT, for everybody; and no way to other domains."""
    w = world()
    good = srs0(OLD.encode(), SENDER, TODAY, "example.org")
    assert w.rcpt(good).code == 250
    assert w.rcpt(srs0(OLD.encode(), SENDER, TODAY - 20, "example.org")).code == 250
    for address in [good.replace("far.test", "far.example"), good.replace("=bob", "=rob"), good.replace("SRS0", "SRS1"),
                    srs0(NEW.encode(), SENDER, TODAY, "example.org"), srs0(OLD.encode(), SENDER, TODAY - 23, "example.org"),
                    "SRS0=x@example.org", "SRS0=AAAAAA=AA=far.test=bob@example.org", "SRS1=AAAAAA=far.test==x@example.org"]:
        w.rcpt(address).is_(550, "5.1.1")
    w.rcpt(good, sender="x@far.test").is_(550, "5.1.1")
    w.rcpt("srs0@example.org").is_(550, "5.1.1")
    w.rcpt(good.replace("example.org", "other.test")).is_(550, "5.7.1")
    for _ in range(2):  # asks the server, then the files alone
        checked = w.server.tool("check", "rcpt", good, "--from", "", "--client", "192.0.2.1")
        assert checked.returncode == 0 and "is the way home of a bounce" in checked.stdout, checked
        checked = w.server.tool("check", "rcpt", "SRS0=x@example.org", "--from", "", "--client", "192.0.2.1")
        assert checked.returncode == 1 and "was not written here" in checked.stdout, checked
        w.server.stop()
    w.server.start()
    w.server.wait_log(r"key=return-address-invalid .*was not written here")
    w.server.wait_log(r"key=return-address-invalid .*too old for a bounce")
    w.server.wait_log(r"key=return-address-invalid .*and this is no bounce")


def test_secrets_change(world):
    """The new one signs, the old one is believed until it goes; without any, nobody is told a lie."""
    w = world()
    s = w.server
    old = w.forwarded()["alice@there.test"]
    write(w.secrets, f"{NEW}\n{OLD}\n")
    s.wait_log(r"ev=directory-changed")
    until(lambda: w.forwarded()["alice@there.test"] in signed(NEW), "the new one signs")
    assert w.rcpt(old).code == 250
    write(w.secrets, f"{NEW}\nshort\n")
    s.wait_log(r"ev=secret-unusable .*secrets:2")
    until(lambda: w.rcpt(old).code == 550, "the old one is gone", 10)
    assert w.rcpt(srs0(NEW.encode(), SENDER, TODAY, "example.org")).code == 250
    os.unlink(w.secrets)
    s.wait_log(r"ev=secret-unreadable")
    until(lambda: w.rcpt(old).code == 451, "nobody can say", 10)
    mark = token()
    s.deliver(message(mark), ["alice@example.org"], sender=SENDER).is_(250)
    s.wait_log(r"key=directory-unavailable .*alice@there.test|to=alice@there.test .*key=directory-unavailable")
    write(w.secrets, f"{OLD}\n")
    s.settled(30)
    assert any(mark.encode() in m["data"] for m in w.there.messages)


def test_a_refusal_there_is_told_to_the_first_sender(server):
    """By us: the sender of our own bounce is nobody's rewritten address."""
    with Remote({"RCPT": b"550 5.1.1 no such user\r\n"}) as there, Remote() as home:
        w = World(server, there, home)
        w.server.deliver(message(token()), ["alice@example.org"], sender=SENDER).is_(250)
        until(lambda: home.messages, "the bounce is at home")
        assert home.messages[0]["sender"] == "" and home.messages[0]["recipients"] == [SENDER]
        w.server.settled()


def test_a_loop_through_another_host_ends(world):
    """There it is forwarded back; the sender is rewritten once, and the trace fields end it."""
    w = world(limits={"received": "50"})
    sender, data, senders = SENDER, message(token()), []
    while (reply := w.server.deliver(data, ["alice@example.org"], sender=sender)).code == 250:
        senders.append(sender)
        assert len(senders) <= 60, "it goes round"
        until(lambda: len(w.there.messages) == len(senders), "it is there")
        sender, data = w.there.messages[-1]["sender"], w.there.messages[-1]["data"]
    reply.is_(554, "5.4.6")
    assert len(senders) >= 40 and len(set(senders)) == 2 and senders[1] in signed(OLD)


def test_errors_in_the_section(server):
    """Said before they matter."""
    s = server(start=False, sections={"srs": {"domain": '"example.org"'}})
    checked = s.tool("check", "config")
    assert checked.returncode == 1 and "srs: secret-file is missing" in checked.stdout


def test_without_the_section_senders_stay(server):
    """And an address that looks like one is a name like any other."""
    with Remote() as there:
        s = server(start=False, sections={'route "*"': {"via": there.via}})
        write(os.path.join(s.dir, "users"), "alice: forward=alice@there.test\n")
        s.start()
        s.deliver(message(token()), ["alice@example.org"], sender=SENDER).is_(250)
        until(lambda: there.messages, "the mail is there")
        assert there.messages[0]["sender"] == SENDER
        with s.client() as c:
            c.cmd("MAIL FROM:<>").is_(250)
            c.cmd("RCPT TO:<SRS0=AAAAAA=AA=far.test=bob@example.org>").is_(550, "5.1.1")
