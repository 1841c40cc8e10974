# SPDX-License-Identifier: Apache-2.0
"""Mail to Exim, to Dovecot's LMTP server and to OpenSMTPD, which were not written here: each message arrives once and
unchanged, or waits for the right reason, or comes back in their words.
"""
import email
import os
import random
import re

import pytest

from harness import maildir
from harness.conf import configured_server
from harness.deadline import until
from harness.foreign import Dovecot, Exim, OpenSmtpd
from harness.remote import Remote
from harness.server import message, token
from test_relay_remotes import FROM, QUEUE, bounced, log_of, send, serve, wait_for

CROWD = tuple(f"user{i}" for i in range(25))
EXIM_USERS = ("ann", "ben", "grün", *CROWD)
HEAD_8BIT = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"


@pytest.fixture(scope="module")
def exim(module_folder):
    with Exim(module_folder("exim"), EXIM_USERS) as server:
        yield server


@pytest.fixture(scope="module")
def via_exim(module_folder, exim):
    """Waybill with routes to Exim, which gives mail to example.org back to it."""
    s = configured_server(module_folder("waybill"), sections={
        "queue": QUEUE,
        'route "exim.test"': {"via": exim.via, "connections": "1"},
        'route "narrow.test"': {"via": exim.via, "source": f'"{exim.NARROW}"'},
        'route "strict.test"': {"via": exim.via, "source": f'"{exim.STRICT}"'},
        'route "busy.test"': {"via": exim.via, "source": f'"{exim.BUSY}"'},
    })
    exim.put("back", str(s.port))
    yield from running(s)


def running(s):
    s.start()
    try:
        yield s
        s.stop()
    finally:
        s.kill_all()


def text_8bit(size, seed=1):
    """Lines of at most 998 octets, many that begin with dots, as they stand in a message."""
    chance = random.Random(seed)
    lines, length = [], 0
    while length < size:
        line = chance.choice((b"", b".", b"..", b".." + b"x" * 996, "Grüße, ".encode() * 20, b"z" * chance.randrange(998)))
        lines.append(line)
        length += len(line) + 2
    return b"\r\n".join(lines) + b"\r\n"


def dotted(content):
    """As DATA carries it."""
    return (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]


def put(s, content, recipients, sender=FROM, params=""):
    """Gives Waybill these bytes; the id."""
    reply = s.deliver(dotted(content), recipients, sender, "127.0.0.2", params=params).is_(250)
    return [word for word in reply.text.split() if len(word) == 26][0]


def same(mail, content):
    """Whether it ends with the whole message as it was given, in a Maildir's line ends."""
    return mail.raw.endswith(b"\n" + content.replace(b"\r\n", b"\n"))


# --- Exim --------------------------------------------------------------------------------

def test_exim_gets_8_bit_mail_as_it_is_and_pipelined(via_exim, exim):
    """RFC 2920 and 6152: Exim notes L (with "-": not used) and M8S=8."""
    mark = token()
    content = HEAD_8BIT + message(mark, text_8bit(3000))
    put(via_exim, content, ["ann@exim.test"], f"{mark}@example.org", " BODY=8BITMIME")
    assert same(exim.mail("ann", mark), content)
    assert re.search(r" P=esmtp L\.? .*M8S=8$", exim.arrival(f"{mark}@example.org"))


def test_exim_gets_many_messages_in_one_connection(via_exim, exim):
    """Some refused: the next MAIL is always in order, and Exim, which counts commands in vain, stays."""
    via_exim.settled()
    before = exim.log().count("SMTP connection from")
    sent = [send(via_exim, "ann@exim.test" if i % 3 else "nobody@exim.test") for i in range(15)]
    for i, (mark, _) in enumerate(sent):
        if i % 3:
            exim.mail("ann", mark)
        else:
            bounced(via_exim, mark)
    assert exim.log().count("SMTP connection from") - before <= 2


def test_more_recipients_than_exim_takes_at_a_time_follow_at_once(via_exim, exim):
    """RFC 5321 section 4.5.3.1.10: its 452, without an enhanced code, is no answer for a recipient."""
    mark, identity = send(via_exim, *(f"{user}@exim.test" for user in CROWD))
    for user in CROWD:
        exim.mail(user, mark)
    for line in wait_for(via_exim, "delivered", identity, count=len(CROWD)):
        assert " attempt=1 " in line
    assert "too many recipients" in exim.log()


def test_exim_allows_two_connections_and_gets_all(via_exim, exim):
    """What it says to those above is no answer for a message: none waits for its second attempt."""
    sent = [send(via_exim, "ann@busy.test") for _ in range(30)]
    for mark, identity in sent:
        exim.mail("ann", mark)
        assert " attempt=1 " in wait_for(via_exim, "delivered", identity)[0]
    assert "too many connections from that IP address" in exim.log()


def test_exim_gets_five_million_octets_unchanged(via_exim, exim):
    """From a file of its own, through DATA with its dots, to a file of Exim's."""
    mark = token()
    content = HEAD_8BIT + message(mark, text_8bit(5_000_000))
    put(via_exim, content, ["ann@exim.test", "ben@exim.test"], params=" BODY=8BITMIME")
    for user in ("ann", "ben"):
        assert same(exim.mail(user, mark), content)


@pytest.mark.parametrize("domain, words", [("narrow.test", b"x-waybill; 5.3.4 the message is larger than"),
                                           ("strict.test", b"smtp; 552 5.3.4 Ten thousand bytes are enough")])
def test_what_is_too_large_for_exim_comes_back_at_once(via_exim, exim, domain, words):
    """RFC 1870: by the number that it announces nothing is sent; by its reply to MAIL, its words are told."""
    mark = token()
    put(via_exim, message(mark, text_8bit(11000)), [f"ann@{domain}"])
    bounce, = bounced(via_exim, mark)
    assert b"Status: 5.3.4" in bounce.raw and words in bounce.raw, bounce.raw
    small, _ = send(via_exim, f"ann@{domain}")
    exim.mail("ann", small)
    assert len(maildir.holding(exim.maildir("ann"), mark)) == 0


def test_only_who_is_unknown_to_exim_comes_back_with_its_words(via_exim, exim):
    """Exim verifies recipients and gives no enhanced code."""
    mark, identity = send(via_exim, "ann@exim.test", "nobody@exim.test", "ben@exim.test")
    bounce, = bounced(via_exim, mark)
    assert b"nobody@exim.test" in bounce.raw and b"ben@exim.test" not in bounce.raw
    assert b"no such mailbox there" in bounce.raw and b"smtp; 550 Unrouteable address\n" in bounce.raw
    assert b"Status: 5.1.1\n" in bounce.raw  # by what its words mean
    for user in ("ann", "ben"):
        exim.mail(user, mark)
    assert len(log_of(via_exim, "delivered", identity)) == 2


@pytest.mark.parametrize("words, said", [("come back after lunch", "451 come back after lunch"),
                                         ("450 4.2.1 the mailbox rests", "450 4.2.1 the mailbox rests")])
def test_whom_exim_defers_waits_alone_until_exim_changes_its_mind(via_exim, exim, words, said):
    """The other recipient's copy is not sent again."""
    exim.put("deferred", f"ben@exim.test: {words}\n")
    mark, identity = send(via_exim, "ben@exim.test", "ann@exim.test")
    exim.mail("ann", mark)
    line = wait_for(via_exim, "deferred", identity)[0]
    assert said in line and "ben@exim.test" in line
    assert not maildir.holding(exim.maildir("ben"), mark)
    exim.put("deferred", "")
    exim.mail("ben", mark)
    assert " attempt=1 " not in wait_for(via_exim, "delivered", identity, count=2)[1]
    assert len(maildir.holding(exim.maildir("ann"), mark)) == 1


def test_exim_tells_of_success_when_it_was_asked_to(via_exim, exim):
    """RFC 3461 section 5.2.1: RET, ENVID, NOTIFY and ORCPT go on; Exim's report comes, none of ours. It decodes nothing."""
    mark = token()
    with via_exim.client("127.0.0.2") as c:
        c.cmd(f"MAIL FROM:<{FROM}> RET=HDRS ENVID=QQ+2B{mark}").is_(250)
        c.cmd(f"RCPT TO:<ann@exim.test> NOTIFY=SUCCESS ORCPT=rfc822;old+2B{mark}@z.test").is_(250)
        c.data(message(mark)).is_(250)
    exim.mail("ann", mark)
    via_exim.settled()
    found, = bounced(via_exim, mark)
    assert "exim.test" in found.field("From")
    report = email.message_from_bytes(found.raw)
    about, ann = report.get_payload()[1].get_payload()
    assert about["Original-Envelope-Id"] == f"QQ+2B{mark}"
    assert (ann["Action"], ann["Final-Recipient"]) == ("delivered", "rfc822;ann@exim.test")
    assert ann["Original-Recipient"] == f"rfc822;old+2B{mark}@z.test"


def test_exim_takes_addresses_beyond_ascii(via_exim, exim):
    """RFC 6531: SMTPUTF8 at MAIL, the address as it is."""
    mark = token()
    content = message(mark, subject="Grüße")
    put(via_exim, content, ["grün@exim.test"], f"{mark}-ü@example.org", " SMTPUTF8")
    assert same(exim.mail("grün", mark), content)
    assert " P=utf8esmtp " in exim.arrival(f"{mark}-ü@example.org")


# --- Dovecot ------------------------------------------------------------------------------

WAYS = {"tcp": "no", "unix": "yes"}  # and what quota_full_tempfail is there: a full mailbox is 552, or 452


@pytest.fixture(scope="module")
def dovecots(module_folder):
    started = {}
    try:
        for way, tempfail in WAYS.items():
            users = {"ann": None, "ben": None, "full": 1, "stuck": None}
            started[way] = Dovecot(module_folder("dovecot-" + way), users, tempfail).start()
        yield started
    finally:
        for dovecot in started.values():
            dovecot.kill()


@pytest.fixture(scope="module")
def via_dovecot(module_folder, dovecots):
    yield from running(configured_server(module_folder("waybill"), sections={
        "queue": QUEUE, **{f'domain "{way}.test"': {"via": dovecot.via(way)} for way, dovecot in dovecots.items()}}))


@pytest.mark.parametrize("way", WAYS)
def test_dovecot_gives_each_recipient_its_own_answer(via_dovecot, dovecots, way):
    """Unknown comes back alone, full waits alone until there is room, the others have their mail once and at once."""
    dovecot = dovecots[way]
    mark, identity = send(via_dovecot, *(f"{user}@{way}.test" for user in ("ann", "nobody", "full", "ben")))
    bounce, = bounced(via_dovecot, mark)
    assert f"Final-Recipient: rfc822; nobody@{way}.test\n".encode() in bounce.raw and b"Status: 5.1.1\n" in bounce.raw
    assert b"User doesn't exist" in bounce.raw and bounce.raw.count(b"Final-Recipient") == 1
    host = b"mx.example.org" if way == "unix" else b"[127.0.0.1]"  # a socket's path is nobody else's business
    assert b"Remote-MTA: dns; " + host + b"\n" in bounce.raw and dovecot.dir.encode() not in bounce.raw
    for user in ("ann", "ben"):
        dovecot.mail(user, mark)
    line, = wait_for(via_dovecot, "deferred", identity)
    assert f" to=full@{way}.test " in line and ("452 4.2.2" if way == "unix" else "552 5.2.2") in line
    listed = via_dovecot.tool("queue", "list", "--reason", "mailbox-full", "--recipient", f"full@{way}.test")
    assert identity in listed.stdout, listed

    dovecot.mailboxes({"ann": None, "ben": None, "full": 1000000, "stuck": None})
    assert via_dovecot.tool("queue", "retry", identity).returncode == 0
    dovecot.mail("full", mark)
    via_dovecot.settled()
    for user in ("ann", "ben", "full"):
        assert len(maildir.holding(dovecot.maildir(user), mark)) == 1
    assert len(log_of(via_dovecot, "delivered", identity)) == 3


@pytest.mark.parametrize("way", WAYS)
def test_dovecot_keeps_what_was_given_to_it(via_dovecot, dovecots, way):
    """Every octet, through LMTP's dots: a small one, and one that has a file of its own."""
    for size in (3000, 3_000_000):
        mark = token()
        content = HEAD_8BIT + message(mark, text_8bit(size, seed=size))
        put(via_dovecot, content, [f"{user}@{way}.test" for user in ("ann", "ben")], params=" BODY=8BITMIME")
        for user in ("ann", "ben"):
            assert same(dovecots[way].mail(user, mark), content)


@pytest.mark.parametrize("way", WAYS)
def test_mail_waits_while_dovecot_is_down_and_arrives_once(via_dovecot, dovecots, way):
    """Killed when it has the whole message and has kept nothing: in doubt, then there once. What came later, too."""
    dovecot = dovecots[way]
    with dovecot.stuck("stuck"):
        mark, identity = send(via_dovecot, f"stuck@{way}.test", f"ann@{way}.test")
        until(lambda: dovecot.is_delivering("stuck"), "Dovecot has begun")
        dovecot.kill()
    assert len(wait_for(via_dovecot, "in-doubt", identity, count=2)) == 2
    later, later_identity = send(via_dovecot, f"ann@{way}.test")
    until(lambda: " down since " in via_dovecot.tool("queue").stdout, "it is down")
    assert not log_of(via_dovecot, "delivered", later_identity)
    dovecot.start()
    for user, found in (("stuck", mark), ("ann", mark), ("ann", later)):
        dovecot.mail(user, found)
    via_dovecot.settled()
    assert [len(maildir.holding(dovecot.maildir(user), mark)) for user in ("stuck", "ann")] == [1, 1]
    assert len(maildir.holding(dovecot.maildir("ann"), later)) == 1
    assert " attempt=1 " in log_of(via_dovecot, "delivered", later_identity)[0]


# --- OpenSMTPD -----------------------------------------------------------------------------

def test_opensmtpd_has_a_limit_for_each_connection_and_no_pipelining(server, tmp_path):
    """It refuses the fourth MAIL and every command that comes too early. What it took is seen behind it."""
    with Remote() as behind, OpenSmtpd(tmp_path, ("ann", "ben"), 3, behind.port) as opensmtpd:
        s = serve(server, {"opensmtpd.test": {"via": opensmtpd.via, "connections": "1"}})
        content = {mark: HEAD_8BIT + message(mark, text_8bit(3000, seed)) for seed, mark in enumerate(token() for _ in range(8))}
        identities = [put(s, content[mark], ["ann@opensmtpd.test"], params=" BODY=8BITMIME") for mark in content]
        unknown, _ = send(s, "nobody@opensmtpd.test", "ben@opensmtpd.test")
        for identity in identities:
            assert " attempt=1 " in wait_for(s, "delivered", identity)[0]
        for mark in content:
            assert behind.message(mark)["data"].endswith(content[mark].partition(b"\r\n\r\n")[2])
        assert behind.message(unknown)["recipients"] == ["ben@opensmtpd.test"]
        bounce, = bounced(s, unknown)
        assert b"550 Invalid recipient: <nobody@opensmtpd.test>" in bounce.raw and b"Status: 5.1.1\n" in bounce.raw
        assert "452 4.5.3" in opensmtpd.log() and "Pipelining" not in opensmtpd.log()
