# SPDX-License-Identifier: Apache-2.0
"""Mail handed over by LMTP (RFC 2033): each recipient gets a reply of its own, and it is true when it comes."""
import grp
import hashlib
import os
import smtplib
import stat
import subprocess

import pytest

from harness import maildir
from harness.conf import write
from harness.deadline import until
from harness.foreign import EximFeeder
from harness.lmtp import lmtp_client, lmtp_server
from harness.peers import smtp_source, whole_postfix
from harness.raw import Raw
from harness.remote import Remote
from harness.server import message, token
from test_large import large, stuffed

WAYS = ["tcp", "unix"]
ALICE, BOB, TEAM = "alice@example.org", "bob@example.org", "team@example.org"


@pytest.fixture
def lmtp(server):
    return lmtp_server(server)


def smtplib_client(s, way):
    return smtplib.LMTP("127.0.0.1", s.lmtp_port, timeout=20) if way == "tcp" else smtplib.LMTP(s.lmtp_path)


def greeting(where):
    with Raw(where) as c:
        return c.reply().is_(220).text


def break_mailbox(s, user):
    os.makedirs(os.path.dirname(s.maildir(user)))
    write(s.maildir(user), "this is no folder\n")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def only(s, user, mark):
    """The one copy of this mail, which is there now."""
    found = s.mails(user, mark)
    assert len(found) == 1, [m.path for m in found]
    return found[0]


@pytest.mark.parametrize("way", WAYS)
def test_smtplib_hands_over_and_the_mail_is_there(lmtp, way):
    """Its sendmail reads one reply, so it has one recipient that is accepted; further ones by its commands."""
    mark = token()
    with smtplib_client(lmtp, way) as client:
        client.ehlo_or_helo_if_needed()
        assert client.has_extn("pipelining") and client.has_extn("enhancedstatuscodes") and not client.has_extn("dsn")
        refused = client.sendmail("me@client.test", [ALICE, "nobody@example.org"], message(mark))
        assert list(refused) == ["nobody@example.org"] and refused["nobody@example.org"][0] == 550
        mail = only(lmtp, "alice", mark)
        assert mail.field("Return-Path") == "<me@client.test>"
        assert mail.field("Delivered-To") == ALICE
        assert " with LMTP " in mail.field("Received")
        assert ("([127.0.0.1])" in mail.field("Received")) == (way == "tcp")
        assert mail.content() == message(mark).replace(b"\r\n", b"\n")
        client.mail("me@client.test")
        for recipient in (BOB, ALICE):
            assert client.rcpt(recipient)[0] == 250
        assert client.data(message(mark))[0] == 250 and client.getreply()[0] == 250
    assert only(lmtp, "bob", mark) and len(lmtp.mails("alice", mark)) == 2
    assert lmtp.queued() == 0


@pytest.mark.parametrize("way", WAYS)
def test_swaks_hands_over(lmtp, way):
    mark = token()
    where = ["-s", f"127.0.0.1:{lmtp.lmtp_port}"] if way == "tcp" else ["--socket", lmtp.lmtp_path]
    done = subprocess.run(["swaks", "--protocol", "LMTP", *where, "-t", f"{ALICE},{BOB}", "-f", "me@client.test",
                           "--ehlo", "client.test", "--h-Subject", mark], capture_output=True, timeout=30)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(b"250 2.0.0 Delivered to <") == 2, done.stdout
    for user in ("alice", "bob"):
        assert only(lmtp, user, mark).field("Subject") == mark


def test_each_listener_speaks_its_own_protocol(lmtp):
    assert greeting(lmtp.lmtp_port) == "mx.example.org LMTP Waybill"
    with Raw(lmtp.lmtp_port) as c:
        c.reply().is_(220)
        c.cmd("EHLO client.test").is_(500, "5.5.1")
        c.cmd("HELO client.test").is_(500, "5.5.1")
        c.cmd("MAIL FROM:<me@client.test>").is_(503, "5.5.1")
        assert "DSN" not in c.cmd("LHLO client.test").is_(250).lines
        c.cmd("MAIL FROM:<me@client.test> RET=FULL").is_(555, "5.5.4")
        c.quit()
    with lmtp.raw() as c:
        c.reply().is_(220)
        c.cmd("LHLO client.test").is_(500, "5.5.1")
        c.cmd("EHLO client.test").is_(250)
        c.quit()


def test_a_stranger_learns_nothing_and_relays_nothing(lmtp):
    """A UNIX socket has no address that could be trusted; a trusted network is asked for."""
    for way, source, trusted in (("unix", "127.0.0.1", False), ("tcp", "127.0.0.1", False), ("tcp", "127.0.0.2", True)):
        with lmtp_client(lmtp, way, source) as c:
            c.cmd("VRFY alice").is_(250 if trusted else 252)
            c.cmd("VRFY nobody").is_(550 if trusted else 252)
            c.cmd("MAIL FROM:<me@client.test>").is_(250)
            c.cmd("RCPT TO:<x@elsewhere.test>").is_(250 if trusted else 550, "2.1.5" if trusted else "5.7.1")
            c.quit()


def test_every_recipient_has_its_reply_in_order(lmtp):
    """Delivered, the mailbox broken, an alias, refused, twice the same, another spelling of it."""
    mark = token()
    break_mailbox(lmtp, "bob")
    with lmtp_client(lmtp) as c:
        c.cmd("MAIL FROM:<me@client.test>").is_(250)
        for recipient, code in ((BOB, 250), (ALICE, 250), ("nobody@example.org", 550), (BOB, 250), ("ALICE@example.org", 250),
                                ("alice+x@example.org", 250)):
            c.cmd(f"RCPT TO:<{recipient}>").is_(code)
        replies = c.data_each(message(mark), 5)
        assert [(r.code, r.enhanced) for r in replies] == [
            (451, "4.3.5"), (250, "2.0.0"), (451, "4.3.5"), (250, "2.0.0"), (250, "2.0.0")], replies
        assert "<alice@example.org>" in replies[1].text and "<ALICE@example.org>" in replies[3].text
        c.cmd("NOOP").is_(250)
    assert sorted(m.field("Delivered-To") for m in lmtp.mails("alice", mark)) == ["alice+x@example.org", ALICE]
    assert lmtp.queued() == 0
    lmtp.wait_log("ev=not-delivered .*to=bob@example.org .*reason=.*key=mailbox-misconfigured")


def with_mbox(folder):
    return {'domain "box.test"': {"mailboxes": f'"mbox:{folder}/box/{{user}}"', "users": f'"file:{folder}/users"'},
            "mbox": {"lock-timeout": '"0s"'}}


def test_full_and_locked_mailboxes_are_told(server):
    """452 4.2.2 and 450 4.2.0, and the others are served."""
    mark = token()
    s = lmtp_server(server, sections=with_mbox)
    for sub in ("tmp", "new", "cur"):
        os.makedirs(os.path.join(s.maildir("bob"), sub))
    write(os.path.join(s.maildir("bob"), "maildirsize"), "10000S\n8700 1\n")
    lock = os.path.join(s.dir, "box", "alice.lock")
    write(lock, f"{os.getpid()}\n")
    with lmtp_client(s) as c:
        c.begin("me@client.test", BOB, "alice@box.test", ALICE, "bob@box.test")
        full, locked, *done = c.data_each(message(mark, b"y\r\n" * 600), 4)
        full.is_(452, "4.2.2")
        locked.is_(450, "4.2.0")
        for reply in done:
            reply.is_(250)
        os.unlink(lock)
        os.unlink(os.path.join(s.maildir("bob"), "maildirsize"))
        for reply in c.begin("me@client.test", BOB, "alice@box.test").data_each(message(mark), 2):
            reply.is_(250)
        c.quit()
    for user in ("alice", "bob"):
        only(s, user, mark)
        assert read(os.path.join(s.dir, "box", user)).count(mark) == 1
    assert s.queued() == 0


def test_a_user_who_left_after_rcpt_is_told(lmtp):
    with lmtp_client(lmtp) as c:
        c.begin("me@client.test", BOB, ALICE)
        write(os.path.join(lmtp.dir, "users"), "alice\n")
        lmtp.wait_log("ev=directory-changed")
        with lmtp.client() as other:
            other.cmd("MAIL FROM:<>").is_(250)
            until(lambda: other.cmd(f"RCPT TO:<{BOB}>").code == 550, "bob is known to have left")
        gone, there = c.data_each(message(token()), 2)
        gone.is_(550, "5.1.1")
        there.is_(250)


def test_without_a_recipient_there_is_no_data(lmtp):
    with lmtp_client(lmtp) as c:
        c.cmd("MAIL FROM:<me@client.test>").is_(250)
        c.cmd("RCPT TO:<nobody@example.org>").is_(550)
        c.cmd("DATA").is_(503, "5.5.1")
        c.cmd("BDAT 0 LAST").is_(503, "5.5.1")
        c.quit()


def test_a_paused_queue_takes_nothing(lmtp):
    marks = [token(), token()]
    assert lmtp.tool("queue", "pause").returncode == 0
    with lmtp_client(lmtp) as c:
        for reply in c.begin("me@client.test", ALICE, TEAM).data_each(message(marks[0]), 2):
            reply.is_(451, "4.3.2")
        assert lmtp.tool("queue", "resume").returncode == 0
        for reply in c.begin("me@client.test", ALICE, BOB).data_each(message(marks[1]), 2):
            reply.is_(250)
    assert not lmtp.mails("alice", marks[0]) and only(lmtp, "bob", marks[1])
    assert lmtp.queued() == 0


def test_an_alias_of_one_mailbox_is_delivered_to_at_once(server):
    """Directly, by a chain, and where somebody has moved; its mailbox's state is the reply."""
    mark = token()
    s = lmtp_server(server, sections={"mailbox": {"forward-moved": "yes"}})
    write(os.path.join(s.dir, "users"), "alice\nbob\ncarol\ndora: moved=one@example.org\nerin\n")
    write(os.path.join(s.dir, "aliases"), "team: alice, bob\none: bob\nchain: one\nsub: carol+x\nerin: erin\n")
    assert s.tool("reload").returncode == 0
    break_mailbox(s, "alice")
    with lmtp_client(s) as c:
        c.cmd("MAIL FROM:<me@client.test>").is_(250)
        names = ["chain", "bob", "sub", "dora", "erin"]
        for name in names:
            until(lambda name=name: c.cmd(f"RCPT TO:<{name}@example.org>").code in (250, 251), f"{name} is known")
        for name, reply in zip(names, c.data_each(message(mark), len(names))):
            assert f" Delivered to <{name}@example.org> as " in reply.is_(250).text, reply
    assert only(s, "bob", mark).field("Delivered-To") == BOB
    assert only(s, "carol", mark).field("Delivered-To") == "carol+x@example.org"
    assert only(s, "erin", mark)
    write(os.path.join(s.dir, "aliases"), "team: carol, bob\none: alice\nchain: one\n")
    assert s.tool("reload").returncode == 0
    with lmtp_client(s) as c:
        until(lambda: c.begin("me@client.test", "chain@example.org").data_each(message(token()), 1)[0].code == 451,
              "the alias has changed")
        broken, team = c.begin("me@client.test", "chain@example.org", TEAM).data_each(message(token()), 2)
        broken.is_(451, "4.3.5")
        assert " Queued as " in team.is_(250).text
    s.settled()
    assert s.queued() == 0


def test_an_alias_of_several_is_kept_and_nobody_gets_it_twice(lmtp):
    """The alias is queued as one by SMTP; who is its member too shares its way, so that one copy comes."""
    write(os.path.join(lmtp.dir, "users"), "alice\nbob\ncarol\n")
    lmtp.wait_log("ev=directory-changed")
    mark = token()
    with lmtp_client(lmtp) as c:
        c.begin("me@client.test", "BOB@example.org")
        until(lambda: c.cmd("RCPT TO:<carol@example.org>").code == 250, "carol is known")
        c.cmd(f"RCPT TO:<{TEAM}>").is_(250)
        bob, carol, team = c.data_each(message(mark), 3)
        assert " Queued as " in bob.is_(250).text and " Queued as " in team.is_(250).text
        assert " Delivered to <carol@example.org> as " in carol.is_(250).text
        assert only(lmtp, "carol", mark)
    lmtp.settled()
    for user in ("alice", "bob", "carol"):
        only(lmtp, user, mark)


def test_other_domains_are_queued_for_those_who_may(server):
    mark = token()
    with Remote() as remote:
        s = lmtp_server(server, sections={'route "*"': {"via": remote.via}})
        with lmtp_client(s, source="127.0.0.2") as c:
            there, here = c.begin("me@client.test", "x@elsewhere.test", ALICE).data_each(message(mark), 2)
            assert " Queued as " in there.is_(250).text and " Delivered to " in here.is_(250).text
        only(s, "alice", mark)
        assert remote.message(mark)["recipients"] == ["x@elsewhere.test"]
        s.settled()


@pytest.mark.parametrize("way", WAYS)
def test_ten_megabytes_arrive_whole(lmtp, way):
    mark = token("large")
    content = large(mark, 10 << 20)
    with lmtp_client(lmtp, way) as c:
        c.cmd(f"MAIL FROM:<me@client.test> SIZE={len(content)}").is_(250)
        for recipient in (ALICE, BOB, ALICE):
            c.cmd(f"RCPT TO:<{recipient}>").is_(250)
        for reply in c.data_each(stuffed(content), 3):
            reply.is_(250)
    wanted = hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()
    for user in ("alice", "bob"):
        assert hashlib.sha256(only(lmtp, user, mark).content()).hexdigest() == wanted
    until(lambda: not large_files(lmtp), "its file is gone")
    assert lmtp.queued() == 0


def large_files(s):
    return [name for name in os.listdir(os.path.join(s.dir, "data", "spool")) if name.startswith("large-")]


def test_a_large_message_to_an_alias_is_kept_with_its_file(lmtp):
    mark = token("large")
    content = large(mark, 1 << 20)
    with lmtp_client(lmtp) as c:
        c.begin("me@client.test", TEAM, "alice+x@example.org")
        for reply in c.data_each(stuffed(content), 2):
            reply.is_(250)
    lmtp.settled()
    wanted = hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()
    for user, copies in (("alice", 2), ("bob", 1)):
        found = lmtp.mails(user, mark)
        assert len(found) == copies, [m.path for m in found]
        assert {hashlib.sha256(m.content()).hexdigest() for m in found} == {wanted}
    until(lambda: not large_files(lmtp), "its file is gone")


def test_chunks_and_binary_content_are_answered_for_each(lmtp):
    mark = token()
    head = message(mark, b"").replace(b"\r\n\r\n", b"\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
                                                   b"Content-Transfer-Encoding: binary\r\n\r\n")
    with lmtp_client(lmtp) as c:
        c.cmd("MAIL FROM:<me@client.test> BODY=BINARYMIME").is_(250)
        c.cmd(f"RCPT TO:<{ALICE}>").is_(250)
        c.cmd(f"RCPT TO:<{BOB}>").is_(250)
        c.send(b"BDAT %d\r\n" % len(head) + head).reply().is_(250)
        c.send(b"BDAT 4 LAST\r\n\0\r\n\xff")
        for reply in c.replies(2):
            reply.is_(250)
        c.quit()
    for user in ("alice", "bob"):
        assert only(lmtp, user, mark).field("Content-Transfer-Encoding") == "base64"


def test_a_thousand_recipients(server):
    users = [f"u{i}" for i in range(999)]
    s = lmtp_server(server, users=users)
    mark = token()
    with lmtp_client(s, "unix", timeout=120) as c:
        c.send(b"MAIL FROM:<me@client.test>\r\n" + b"".join(b"RCPT TO:<%s@example.org>\r\n" % u.encode() for u in users)
               + f"RCPT TO:<{ALICE}>\r\nRCPT TO:<{BOB}>\r\nDATA\r\n".encode())
        codes = c.codes(1003)
        assert codes == [250] * 1001 + [452, 354], [i for i, code in enumerate(codes) if code != 250]
        replies = c.send(message(mark) + b".\r\n").replies(1000)
        for user, reply in zip([*users, "alice"], replies):
            assert f" Delivered to <{user}@example.org> as " in reply.is_(250).text, reply
        c.quit()
    for user in [*users, "alice"]:
        only(s, user, mark)
    assert not maildir.files(s.maildir("bob")) and s.queued() == 0


def test_smtp_source_with_many_sessions_loses_nothing(server):
    """Of two recipients it numbers the first one."""
    s = lmtp_server(server, users=["fed", "2fed"])
    mark = token()
    done = smtp_source(s.lmtp_port, "-L", "-s", "10", "-m", "300", "-r", "2", "-S", mark, "-f", "me@client.test",
                       "-t", "fed@example.org")
    assert done.returncode == 0, done.stderr
    for user in ("fed", "2fed"):
        assert len(s.mails(user, mark)) == 300


def test_the_permissions_of_the_socket_are_as_configured(server):
    group = grp.getgrgid([os.getgid(), *os.getgroups()][-1])
    s = lmtp_server(server, **{"socket-mode": '"0660"', "socket-group": f'"{group.gr_name}"'})
    seen = os.stat(s.lmtp_path)
    assert (stat.S_IMODE(seen.st_mode), seen.st_gid) == (0o660, group.gr_gid)
    s.reconfigure(sections={'listen "lmtp"': {**s.lmtp, "socket-mode": '"0600"'}})
    assert s.tool("reload").returncode == 0
    assert stat.S_IMODE(os.stat(s.lmtp_path).st_mode) == 0o600
    s.reconfigure(sections={'listen "lmtp"': {**s.lmtp, "socket-group": '"no-such-group"'}})
    done = s.tool("reload")
    assert done.returncode == 1 and "no such group" in done.stdout + done.stderr, done
    s.reconfigure(sections={'listen "lmtp"': {**s.lmtp, "protocol": '"smtp"'}})
    assert s.tool("reload").returncode == 0
    until(lambda: greeting(s.lmtp_path) == "mx.example.org ESMTP Waybill", "SMTP is spoken there")


def test_feeders_at_a_unix_socket_are_not_counted_as_one_client(server):
    s = lmtp_server(server, sections={"limits": {"connections-per-client": 1}})
    clients = [lmtp_client(s, "unix") for _ in range(8)]
    for c in clients:
        c.quit()


def test_checks_of_strangers_are_not_for_feeders(server):
    """It is the feeder that has met the stranger: whom it names does not count against it."""
    s = lmtp_server(server, sections={"harvest": {"unknown": "2"}})
    with s.client() as stranger, lmtp_client(s) as feeder:
        for c, codes in ((stranger, [550, 550, 450, 450]), (feeder, [550] * 4)):
            c.cmd("MAIL FROM:<me@client.test>").is_(250)
            assert [c.cmd(f"RCPT TO:<nobody{i}@example.org>").code for i in range(4)] == codes
            c.quit()


def test_trace_tells_what_became_of_each(lmtp):
    mark = token()
    break_mailbox(lmtp, "bob")
    with lmtp_client(lmtp) as c:
        done, failed = c.begin("me@client.test", ALICE, BOB).data_each(message(mark), 2)
        failed.is_(451)
        c.quit()
    message_id = done.is_(250).text.split()[-1]
    told = lmtp.tool("trace", message_id).stdout
    assert f"{ALICE}, attempt 1: delivered" in told, told
    assert f"DATA {BOB} was answered 451 4.3.5" in told, told
    lmtp.wait_log(f"role=queue ev=delivered .*m={message_id} .*to={ALICE} .*key=lmtp-delivered")
    lmtp.wait_log(f"role=smtpd ev=accepted .*m={message_id} .*rcpts=2 taken=1")


def test_a_whole_postfix_hands_over_and_keeps_what_was_not_taken(lmtp, tmp_path):
    """Postfix's own lmtp, for alice and bob at the socket, for carol by TCP."""
    peer = whole_postfix(tmp_path)
    write(os.path.join(lmtp.dir, "users"), "alice\nbob\ncarol\n")
    lmtp.wait_log("ev=directory-changed")
    break_mailbox(lmtp, "bob")
    with open(os.path.join(peer.dir, "conf", "master.cf"), "a", encoding="ascii") as f:
        f.write("lmtp unix - - n - - lmtp\n")
    with open(os.path.join(peer.dir, "conf", "main.cf"), "a", encoding="ascii") as f:
        f.write(f"virtual_transport = lmtp:unix:{lmtp.lmtp_path}\nminimal_backoff_time = 2s\nqueue_run_delay = 2s\n"
                f"transport_maps = inline:{{ carol@example.org=lmtp:inet:127.0.0.1:{lmtp.lmtp_port} }}\n")
    peer.start()
    mark = token()
    try:
        with Raw(peer.port).greeted() as c:
            c.begin("me@client.test", BOB, ALICE, "carol@example.org").data(message(mark)).is_(250)
            c.quit()
        for user in ("alice", "carol"):
            lmtp.mail(user, mark)
        log = os.path.join(peer.dir, "log")
        until(lambda: "to=<bob@example.org>" in read(log) and "451 4.3.5" in read(log), "Postfix keeps it for bob")
        os.unlink(lmtp.maildir("bob"))
        lmtp.mail("bob", mark, 30)
        until(lambda: read(log).count("status=sent (250 2.0.0 Delivered to <") == 3, "Postfix is rid of them")
    finally:
        peer.stop()
    for user in ("alice", "bob", "carol"):
        only(lmtp, user, mark)


@pytest.mark.parametrize("way", WAYS)
def test_exim_hands_over_and_keeps_what_was_not_taken(lmtp, tmp_path, way):
    """A client that was not written here: what is delivered leaves its queue, the rest stays there."""
    mark = token()
    break_mailbox(lmtp, "bob")
    with EximFeeder(tmp_path, lmtp.lmtp_port if way == "tcp" else lmtp.lmtp_path) as exim:
        with Raw(exim.port).greeted() as c:
            c.begin("me@client.test", BOB, ALICE).data(message(mark)).is_(250)
            c.quit()
        lmtp.mail("alice", mark)
        until(lambda: "451 4.3.5" in exim.log(), "Exim keeps it for bob")
        until(lambda: f"=> {ALICE}" in exim.log() or f"=> alice <{ALICE}>" in exim.log(), "Exim is rid of alice's")
        os.unlink(lmtp.maildir("bob"))
        lmtp.mail("bob", mark)
    assert len(lmtp.mails("alice", mark)) == 1
