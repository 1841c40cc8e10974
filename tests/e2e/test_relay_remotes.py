# SPDX-License-Identifier: Apache-2.0
"""Mail to servers that refuse, break, drip, talk nonsense or limit: nothing is lost, and the right thing follows.

Scripted servers do each one thing; smtp-sink of Debian's Postfix, which was not written here, does its own.
"""
import re
import time

import pytest

from harness import maildir
from harness.deadline import until
from harness.remote import EXTENSIONS, Remote, Sink
from harness.server import message, token

FROM = "alice@example.org"
QUEUE = {"retry": '{"1s"}', "give-up-after": '"1h"'}


def serve(server, routes, queue=None, top=None):
    sections = {f'route "{name}"': {"via": via} if isinstance(via, str) else via for name, via in routes.items()}
    return server(sections={"queue": queue or QUEUE, **sections}, top=top)


def send(s, *recipients, body=b"Hello.\r\n", sender=FROM):
    mark = token()
    reply = s.deliver(message(mark, body), recipients, sender, "127.0.0.2").is_(250)
    return mark, [word for word in reply.text.split() if len(word) == 26][0]


def log_of(s, event, identity):
    return re.findall(rf"(?m)^.* ev={event} .*\bm={identity}\b.*$", s.log())


def wait_for(s, event, identity, seconds=20, count=1):
    return until(lambda: len(log_of(s, event, identity)) >= count and log_of(s, event, identity),
                 f"{count} x {event} of {identity}", seconds)


def bounced(s, mark, seconds=20):
    def find():
        return [m for m in maildir.holding(s.maildir("alice"), mark) if m.field("Return-Path") == "<>"]
    return until(find, f"a bounce for {mark}", seconds)


# --- what is said ---------------------------------------------------------------

MULTI = b"250-2.1.5 first\r\n250-second\r\n250 2.1.5 last\r\n"
ONCE = {  # name: (script, attempts until it is delivered, or None: it bounces)
    "multi-line replies": ({"CONNECT": b"220-hello\r\n220-there\r\n220 remote\r\n", "MAIL": MULTI, "RCPT": MULTI,
                            ".": b"250-2.0.0 kept\r\n250 as 42\r\n"}, 1),
    "replies without text": ({"MAIL": b"250\r\n", "RCPT": b"250\r\n", "DATA": b"354\r\n", ".": b"250\r\n"}, 1),
    "bare LF": ({"MAIL": b"250 ok\n", "RCPT": b"250 ok\n", "DATA": b"354 go\n", ".": b"250 ok\n"}, 1),
    "no EHLO": ({"EHLO": b"502 5.5.1 what?\r\n"}, 1),
    "451 at MAIL": ({"MAIL": [b"451 4.3.0 later\r\n", b"250 ok\r\n"]}, 2),
    "451 at RCPT": ({"RCPT": [b"451 4.3.0 later\r\n", b"250 ok\r\n"]}, 2),
    "451 at DATA": ({"DATA": [b"451 4.3.0 later\r\n", b"354 ok\r\n"]}, 2),
    "451 at the final dot": ({".": [b"451 4.3.0 later\r\n", b"250 ok\r\n"]}, 2),
    "421 at MAIL": ({"MAIL": [b"421 4.3.2 going down\r\n", b"250 ok\r\n"]}, 2),
    "421 at RCPT": ({"RCPT": [b"421 4.3.2 going down\r\n", b"250 ok\r\n"]}, 2),
    "421 at DATA": ({"DATA": [b"421 4.3.2 going down\r\n", b"354 ok\r\n"]}, 2),
    "421 at the final dot": ({".": [b"421 4.3.2 going down\r\n", b"250 ok\r\n"]}, 2),
    "broken at MAIL": ({"MAIL": [None, b"250 ok\r\n"]}, 2),
    "broken at RCPT": ({"RCPT": [None, b"250 ok\r\n"]}, 2),
    "broken at DATA": ({"DATA": [None, b"354 ok\r\n"]}, 2),
    "broken after the final dot": ({".": [None, b"250 ok\r\n"]}, 2),
    "nonsense at MAIL": ({"MAIL": [b"hello world\r\n", b"250 ok\r\n"]}, 2),
    "an endless line": ({"MAIL": [b"2" * 100000, b"250 ok\r\n"]}, 2),
    "an endless reply": ({"RCPT": [b"250-x\r\n" * 20000, b"250 ok\r\n"]}, 2),
    "NUL and 8 bits in a reply": ({"RCPT": [b"451 4.3.0 \x00\xff\xfe later\r\n", b"250 ok\r\n"]}, 2),
    # Before MAIL it is the host that fails: no attempt of the message is counted.
    "broken at the greeting": ({"CONNECT": [None, b"220 ok\r\n"]}, 1),
    "nonsense at the greeting": ({"CONNECT": [b"\x00\xff\r\n", b"220 ok\r\n"]}, 1),
    "421 at the greeting": ({"CONNECT": [b"421 4.3.2 too busy\r\n", b"220 ok\r\n"]}, 1),
    "554 at the greeting": ({"CONNECT": [b"554 5.3.2 no\r\n", b"220 ok\r\n"]}, 1),
    "broken at EHLO": ({"EHLO": [None, b"250 ok\r\n"]}, 1),
    "550 at RCPT": ({"RCPT": b"550 5.1.1 nobody\r\n"}, None),
    "554 at DATA": ({"DATA": b"554 5.6.0 no\r\n"}, None),
    "550 at the final dot": ({".": b"550 5.7.1 spam\r\n"}, None),
}


def test_every_word_and_every_break_leads_to_delivery_or_to_one_bounce(server):
    """RFC 5321 sections 4.2 and 4.5.4: all at once, each with a server of its own."""
    remotes = {f"r{i}.test": Remote(script) for i, (script, _) in enumerate(ONCE.values())}
    s = serve(server, {name: remote.via for name, remote in remotes.items()})
    sent = {name: send(s, f"someone@{name}") for name in remotes}
    wrong = []
    for (what, (_, attempts)), (name, (mark, identity)) in zip(ONCE.items(), sent.items()):
        remote = remotes[name]
        if attempts is None:
            bounced(s, mark)
            fine = not remote.messages and not log_of(s, "delivered", identity)
        else:
            line = wait_for(s, "delivered", identity)[0]
            fine = f" attempt={attempts} " in line and len(remote.holding(mark)) == 1
        if not fine:
            wrong.append((what, log_of(s, "(?:delivered|deferred|in-doubt|bounce-owed)", identity), len(remote.messages)))
        remote.close()
    assert not wrong, wrong
    s.settled()


def test_what_broke_after_the_final_dot_is_in_doubt_and_tried_again(server):
    """RFC 5321 section 6.1: the only place where two copies are right. The record says so."""
    kept = []

    def keep_and_break(conversation, data):
        kept.append(data)
        return None if len(kept) == 1 else b"250 2.0.0 kept\r\n"
    with Remote({".": keep_and_break}) as remote:
        s = serve(server, {"doubt.test": remote.via})
        mark, identity = send(s, "someone@doubt.test")
        wait_for(s, "delivered", identity)
        assert len(kept) == 2 and all(mark.encode() in data for data in kept)
        assert s.log().count(f"m={identity}") and re.search(rf"ev=in-doubt .*m={identity}", s.log())


def test_recipients_of_one_message_share_a_transaction_and_have_their_own_results(server):
    """One refused, one deferred, two taken: a bounce, a second attempt, and no second copy for the others."""
    later = [b"450 4.2.0 busy\r\n", b"250 ok\r\n"]

    def rcpt(_, argument):
        if "bad" in argument:
            return b"550 5.1.1 nobody\r\n"
        return later.pop(0) if "later" in argument else b"250 ok\r\n"
    with Remote({"RCPT": rcpt}) as remote:
        s = serve(server, {"many.test": remote.via})
        mark, identity = send(s, "one@many.test", "bad@many.test", "later@many.test", "two@many.test")
        wait_for(s, "delivered", identity, count=3)
        bounce, = bounced(s, mark)
        assert b"bad@many.test" in bounce.raw
        assert [m["recipients"] for m in remote.holding(mark)] == [["one@many.test", "two@many.test"],
                                                                   ["later@many.test"]]


def test_recipients_that_wait_for_the_same_reason_come_again_in_one_transaction(server):
    """RFC 5321 section 4.5.4.1: whatever chance adds to the wait, it adds the same for all of a message."""
    recipients = [f"user{i}@many.test" for i in range(30)]
    with Remote({"RCPT": [b"451 4.3.0 later\r\n"] * len(recipients) + [b"250 ok\r\n"]}) as remote:
        s = serve(server, {"many.test": remote.via})
        mark, identity = send(s, *recipients)
        for line in wait_for(s, "delivered", identity, count=len(recipients)):
            assert " attempt=2 " in line
        assert [sorted(m["recipients"]) for m in remote.holding(mark)] == [sorted(recipients)]


def test_a_dripping_server_gets_its_mail_and_delays_nobody(server):
    """One byte at a time, slowly, is still an answer."""
    def drip(conversation, _):
        for byte in b"250-2.1.5 slowly\r\n":
            conversation.sock.sendall(bytes([byte]))
            time.sleep(0.03)
        return b"250 2.1.5 ok\r\n"
    with Remote({"RCPT": drip, "MAIL": drip}) as slow, Remote() as quick:
        s = serve(server, {"slow.test": slow.via, "quick.test": quick.via})
        mark, _ = send(s, "someone@slow.test")
        begin = time.monotonic()
        other, _ = send(s, "someone@quick.test")
        quick.message(other, 2)
        assert time.monotonic() - begin < 1
        slow.message(mark)


def test_greylisting_waits_for_the_named_time_and_comes_once(server):
    """Not before, and only once after: the plan's second is overruled by the words."""
    since = {}

    def rcpt(_, argument):
        first = since.setdefault(argument, time.monotonic())
        return b"250 ok\r\n" if time.monotonic() - first >= 3 else \
            b"451 4.7.1 Greylisted, please come back in 3 seconds\r\n"
    with Remote({"RCPT": rcpt}) as remote:
        s = serve(server, {"grey.test": remote.via})
        mark, _ = send(s, "someone@grey.test")
        remote.message(mark)
        first, second = remote.times("RCPT")
        assert 3.0 <= second - first < 6.5


def test_a_server_that_is_always_busy_is_not_hammered(server):
    """421 at every greeting: rests between the connections, and the mail stays."""
    with Remote({"CONNECT": b"421 4.3.2 too many connections\r\n"}) as remote:
        s = serve(server, {"busy.test": remote.via})
        for i in range(10):
            send(s, f"user{i}@busy.test")
        until(lambda: len(remote.peers) >= 3, "it is asked again", 10)
        time.sleep(2)
        assert len(remote.peers) <= 14
        assert s.queued() == 10


def test_a_kept_connection_that_ended_costs_no_attempt(server):
    """Servers close, say 421 or that there were too many messages; the next one goes over a new connection at once."""
    def only_one(conversation, _):
        conversation.mails = getattr(conversation, "mails", 0) + 1
        return b"250 ok\r\n" if conversation.mails == 1 else say
    for say in (b"421 4.7.0 too many messages in this connection\r\n", b"452 4.5.3 Too many messages sent\r\n", None):
        with Remote({"MAIL": only_one}) as remote:
            s = serve(server, {"kept.test": {"via": remote.via, "connections": "1"}})
            sent = [send(s, f"user{i}@kept.test") for i in range(4)]
            for mark, identity in sent:
                remote.message(mark)
                assert " attempt=1 " in wait_for(s, "delivered", identity)[0]
            assert len(remote.peers) == 4
            s.stop()


def test_connections_are_kept_for_the_next_message(server):
    """One greeting for several messages, and never more connections than the route allows."""
    with Remote() as remote:
        s = serve(server, {"kept.test": {"via": remote.via, "connections": "2"}})
        for mark, _ in [send(s, f"user{i}@kept.test") for i in range(10)]:
            remote.message(mark)
        assert len(remote.peers) <= 2 and remote.open_max <= 2


def test_mail_of_8_bits_is_converted_where_the_next_hop_needs_it(server):
    """RFC 6152: without 8BITMIME it goes out as quoted-printable or base64, with it untouched."""
    body = "Grüße\r\n".encode()
    head = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    with Remote(extensions=("PIPELINING",)) as plain, Remote(extensions=EXTENSIONS) as modern:
        s = serve(server, {"plain.test": plain.via, "modern.test": modern.via})
        mark = token()
        content = head + message(mark, body)
        s.deliver(content, ["a@plain.test", "a@modern.test"], FROM, "127.0.0.2", params=" BODY=8BITMIME").is_(250)
        assert all(byte < 128 for byte in plain.message(mark)["data"])
        assert b"Gr=C3=BC=C3=9Fe" in plain.message(mark)["data"] or b"R3LDvMOfZQ" in plain.message(mark)["data"]
        assert body in modern.message(mark)["data"]


def test_a_large_message_passes_unchanged(server):
    """Beyond what fits into one frame between the roles; dots doubled and undone."""
    body = b"".join(b".%d leading dot\r\n..\r\n" % i for i in range(40000))
    with Remote() as remote:
        s = serve(server, {"large.test": remote.via})
        mark, _ = send(s, "someone@large.test", body=b"." + body.replace(b"\r\n.", b"\r\n.."))
        assert remote.message(mark)["data"].endswith(body)


# --- smtp-sink, which was not written here -------------------------------------------

SINK = {  # what it does: (options, the event that follows)
    "accepts": ((), "delivered"),
    "hides ESMTP": (("-e",), "delivered"),
    "no pipelining": (("-p",), "delivered"),
    "soft reject at MAIL": (("-r", "MAIL"), "deferred"),
    "soft reject at RCPT": (("-r", "RCPT"), "deferred"),
    "soft reject at DATA": (("-r", "DATA"), "deferred"),
    "soft reject at the dot": (("-r", "."), "deferred"),
    "soft reject at EHLO": (("-r", "EHLO,HELO"), "deferred"),
    "hard reject at MAIL": (("-f", "MAIL"), "bounce-owed"),
    "hard reject at RCPT": (("-f", "RCPT"), "bounce-owed"),
    "hard reject at DATA": (("-f", "DATA"), "bounce-owed"),
    "hard reject at the dot": (("-f", "."), "bounce-owed"),
    "hangs up at MAIL": (("-q", "MAIL"), "deferred"),
    "hangs up at RCPT": (("-q", "RCPT"), "deferred"),
    "hangs up at DATA": (("-q", "DATA"), "deferred"),
    "421 at MAIL": (("-Q", "MAIL"), "deferred"),
    "421 at RCPT": (("-Q", "RCPT"), "deferred"),
}


def test_smtp_sink_with_its_options_for_failing_commands(server, tmp_path):
    """Postfix's own test server: what fails softly waits, what fails hard comes back, the rest arrives."""
    sinks = {f"s{i}.test": Sink(tmp_path, *options) for i, (options, _) in enumerate(SINK.values())}
    s = serve(server, {name: sink.via for name, sink in sinks.items()}, {"retry": '{"1h"}'})
    wrong = []
    try:
        sent = {name: send(s, f"someone@{name}") for name in sinks}
        for (what, (_, event)), (mark, identity) in zip(SINK.items(), sent.values()):
            try:
                wait_for(s, event, identity, 8)
            except AssertionError:
                wrong.append((what, event, re.findall(rf"(?m)^.*\bm={identity}\b.*$", s.log())))
            if event == "bounce-owed":
                bounced(s, mark)
        assert not wrong, wrong
        assert s.queued() == sum(event == "deferred" for _, event in SINK.values())
    finally:
        for sink in sinks.values():
            sink.__exit__()


# --- LMTP ------------------------------------------------------------------------------

@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_lmtp_gives_each_recipient_its_own_result(server, tmp_path, way):
    """RFC 2033: one reply for each recipient after the dot."""
    full = [b"452 4.2.2 full\r\n", b"250 2.1.5 kept\r\n"]

    def dot(_, recipient):
        if recipient.startswith("later"):
            return full.pop(0)
        return b"550 5.2.1 disabled\r\n" if recipient.startswith("bad") else b"250 2.1.5 kept\r\n"
    path = str(tmp_path / "lmtp") if way == "unix" else None
    with Remote({".": dot, "EHLO": b"500 this is LMTP\r\n"}, lmtp=True, path=path) as remote:
        via = f'"lmtp+unix:{path}"' if path else remote.via
        s = serve(server, {"lmtp.test": via}, {"retry": '{"1s"}', "give-up-after": '"8s"'})
        mark, identity = send(s, "one@lmtp.test", "bad@lmtp.test", "later@lmtp.test", "two@lmtp.test")
        wait_for(s, "delivered", identity, count=3)
        bounce, = bounced(s, mark)
        assert b"bad@lmtp.test" in bounce.raw and b"5.2.1" in bounce.raw
        assert sorted(m["recipients"][0] for m in remote.holding(mark)) == ["later@lmtp.test", "one@lmtp.test",
                                                                            "two@lmtp.test"]
        assert remote.count("LHLO") >= 1 and remote.count("EHLO") == 0
